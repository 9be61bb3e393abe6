"""One call for every kind of model: who reads it is chosen, and said."""

from __future__ import annotations

import pytest
import torch
import transformers
from test_optimize import MODELS, SMALL
from torch import nn

import fusewright


class Data(nn.Module):
    """Control flow that no tracer can follow."""

    def forward(self, x):
        return x * 2 if float(x.sum()) > 0 else x


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 16), nn.Linear(4, 16)

    def forward(self, x, y, scale=1.0):
        return (self.a(x) + self.b(y)) * scale


def test_a_module_with_inputs():
    model = nn.Sequential(nn.Linear(8, 16), nn.GELU()).eval()
    for inputs in (torch.randn(3, 8), [torch.randn(3, 8)], [(3, 8)], (torch.randn(3, 8),)):
        found = fusewright.analyze(model, inputs)
        assert found.via == "torch.fx" and found.flops.contraction == 2 * 3 * 8 * 16
    assert found.model.name == "Sequential"
    assert fusewright.analyze(model, [(3, 8)], name="mine").model.name == "mine"


def test_inputs_by_name():
    inputs = {"y": torch.randn(2, 4), "x": torch.randn(2, 8)}
    found = fusewright.analyze(Two(), inputs)
    assert found.via == "torch.export" and found.flops.contraction == 2 * 2 * (8 + 4) * 16
    with pytest.raises(fusewright.UsageError, match="no argument 'z'"):
        fusewright.analyze(Two(), {**inputs, "z": torch.randn(1)})


def test_inputs_that_were_not_given_are_guessed_and_said():
    found = fusewright.analyze(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()).eval())
    assert "1×3×224×224 float32" in found.notes[0]
    tokens = nn.Sequential(nn.Embedding(10, 8), nn.Linear(8, 8))
    assert "1×128 int64" in fusewright.analyze(tokens).notes[0]
    with pytest.raises(fusewright.UsageError, match="give example inputs"):
        fusewright.analyze(nn.ReLU())
    with pytest.raises(fusewright.UsageError, match="give example inputs"):
        fusewright.analyze(Two())


def test_a_rule_that_nearly_holds_is_a_reason():
    class NearlyGelu(nn.Module):
        def forward(self, x):
            return x * torch.sigmoid(1.5 * x)

    found = fusewright.analyze(NearlyGelu(), torch.randn(4, 8))
    (miss,) = found.findings().misses
    assert (miss.rule, miss.reason) == ("quick-gelu", "wrong-constant")
    (reason,) = found.why_not()
    assert reason.kind == "rule-miss" and "found 1.5, expected 1.702" in reason.text
    assert list(found.why_not("sigmoid"))[-1] == reason
    assert found.why_not().top(0)._reasons == []


def test_where_nothing_can_follow_the_message_says_what_to_try():
    with pytest.raises(fusewright.CaptureError, match="try an input of another shape") as caught:
        fusewright.analyze(Data(), torch.ones(3))
    assert "symbolic_trace" in str(caught.value) and "torch.export" in str(caught.value)


def test_an_exported_program():
    model = nn.Sequential(nn.Linear(8, 16), nn.GELU()).eval()
    program = torch.export.export(model, (torch.randn(3, 8),))
    found = fusewright.analyze(program)
    assert found.via == "torch.export" and found.flops.contraction == 2 * 3 * 8 * 16


def test_a_graph_module():
    model = Two()
    traced = torch.fx.symbolic_trace(model, concrete_args={"scale": 1.0})
    found = fusewright.analyze(
        traced, {"x": torch.randn(2, 8), "y": torch.randn(2, 4), "scale_1": 1.0}
    )
    assert found.via == "graph module" and found.flops.contraction == 2 * 2 * (8 + 4) * 16


def test_an_onnx_model():
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    tensor = helper.make_tensor_value_info
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    weight = helper.make_tensor("w", onnx.TensorProto.FLOAT, [8, 16], [0.0] * 128)
    graph = helper.make_graph(
        [node],
        "product",
        [tensor("x", onnx.TensorProto.FLOAT, [3, 8])],
        [tensor("y", onnx.TensorProto.FLOAT, [3, 16])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    found = fusewright.analyze(model)
    assert (found.via, found.name) == ("onnx", "product")
    assert found.flops.contraction == 2 * 3 * 8 * 16


def test_a_transformers_model_by_inputs_and_by_its_configuration():
    model = transformers.BertModel(transformers.BertConfig(**SMALL)).eval()
    tokens = torch.zeros(2, 7, dtype=torch.int64)
    found = fusewright.analyze(model, {"input_ids": tokens})
    assert (found.via, found.attention.found) == ("torch.export", 2)
    assert fusewright.analyze(model, tokens).flops == found.flops
    by_config = fusewright.analyze(model, batch=2, seq=7)
    assert by_config.via == "config" and by_config.flops.contraction == found.flops.contraction
    assert fusewright.analyze(model.config, batch=2, seq=7).via == "config"
    assert by_config.model.parameters == found.model.parameters


@pytest.mark.parametrize("name", ["gpt2", "t5"])
def test_models_with_a_cache_are_analysed_without(name):
    model, inputs = MODELS[name][0]()
    found = fusewright.analyze(model.eval(), inputs)
    assert "use_cache=False" in found.notes[-1]
    assert found.attention.found == (6 if name == "t5" else 2)
    assert found.model.uncounted_ops == []


def test_the_module_is_left_as_it_was():
    model = Two().train()
    state, attributes = model.state_dict(), set(vars(model))
    fusewright.analyze(model, [torch.randn(2, 8), torch.randn(2, 4)])
    assert model.training and set(vars(model)) == attributes
    assert all(
        torch.equal(a, b) for a, b in zip(state.values(), model.state_dict().values(), strict=True)
    )
    with torch.device("meta"):
        large = nn.Sequential(nn.Linear(50_000, 50_000), nn.Linear(50_000, 50_000))
    assert fusewright.analyze(large, [(1, 50_000)]).model.parameters == 2 * 50_001 * 50_000


TORCHVISION = [
    "resnet50",
    "vit_b_16",
    "swin_t",
    "convnext_tiny",
    "efficientnet_b0",
    "maxvit_t",
    "swin_v2_t",
]
TIMM = [
    "deit_tiny_patch16_224",
    "beit_base_patch16_224",
    "levit_128s",
    "mixer_s32_224",
    "coatnet_nano_rw_224",
]


@pytest.mark.heavy
@pytest.mark.parametrize(
    "name", [*(f"torchvision:{n}" for n in TORCHVISION), *(f"timm:{n}" for n in TIMM)]
)
def test_models_of_libraries_need_no_more_than_themselves(name):
    from fusewright.fx import load_model

    model = load_model(name)[0].eval()
    found = fusewright.analyze(model)
    assert found.model.uncounted_ops == [] and found.flops.contraction > 1e8
    assert found.attention.missed == [] and found.best.kernels < found["eager"].kernels


@pytest.mark.heavy
@pytest.mark.parametrize("name", MODELS)
def test_models_of_transformers_need_no_more_than_their_inputs(name):
    model, inputs = MODELS[name][0]()
    found = fusewright.analyze(model.eval(), inputs)
    assert found.model.uncounted_ops == [] and found.attention.missed == []
    assert found.attention.found > 0
