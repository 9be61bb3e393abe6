"""The FX bridge: what it writes for models that each have one trait worth keeping right."""

from __future__ import annotations

import collections
import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fusewright.fx import (
    Dim,
    FxExportError,
    export_graph,
    export_model,
    load_model,
    parse_input,
    trace,
    write_json,
)
from fusewright.fx_encoding import encode_argument, function_target

PYTHON = Path(__file__).resolve().parents[1]
SCRIPT = PYTHON / "fusewright" / "fx.py"
PAGE = PYTHON / "fx-json.md"


class Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(8, 16)
        self.down = nn.Linear(16, 8, bias=False)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(self.down(F.gelu(self.up(x))))


class TiedHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 8)
        self.head = nn.Linear(8, 11, bias=False)
        self.unused = nn.Linear(2, 2)
        self.head.weight = self.table.weight

    def forward(self, tokens):
        return self.head(self.table(tokens))


class MaskedAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, kdim=6, vdim=4, add_bias_kv=True)

    def forward(self, x, keys, values, mask=None):
        if mask is not None:
            x = x.masked_fill(mask, float("-inf"))
        context, _ = self.attention(
            query=x, key=keys, value=values, need_weights=False, average_attn_weights=False
        )
        return context


class ShapeBranch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        if x.shape[0] > 1:
            x = x * 2
        return self.linear(x)


class ValueBranch(nn.Module):
    def forward(self, x):
        return x + 1 if x.sum() > 0 else x - 1


def node(document, name):
    return next(node for node in document["nodes"] if node["name"] == name)


def parameter(document, name):
    return next(entry for entry in document["params"] if entry["name"] == name)


def tensor(*shape, dtype="float32"):
    return {"shape": list(shape), "dtype": dtype}


@pytest.fixture(scope="module")
def vit():
    model, name, shape = load_model("torchvision:vit_b_16")
    return export_model(model.eval(), [shape], name)


def test_vit_b_16_has_the_known_nodes(vit):
    assert collections.Counter(node["op"] for node in vit["nodes"]) == {
        "placeholder": 1,
        "get_attr": 2,
        "call_module": 112,
        "call_function": 104,
        "call_method": 16,
        "output": 1,
    }
    called = [n["target"] for n in vit["nodes"] if n["op"] == "call_module"]
    classes = collections.Counter(
        vit["modules"][target]["class"].rpartition(".")[2] for target in called
    )
    assert classes == {
        "Linear": 25,
        "LayerNorm": 25,
        "Dropout": 37,
        "MultiheadAttention": 12,
        "GELU": 12,
        "Conv2d": 1,
    }


def test_vit_b_16_needs_no_memory_and_counts_its_parameters(vit):
    model, _, _ = load_model("torchvision:vit_b_16")
    assert all(parameter.is_meta for parameter in model.parameters())
    sizes = [torch.Size(entry["shape"]).numel() for entry in vit["params"]]
    assert sum(sizes) == 86_567_656


def test_every_node_of_vit_b_16_has_a_known_value(vit):
    assert "opaque" not in json.dumps([n["out"] for n in vit["nodes"]])
    attention = node(vit, "encoder_layers_encoder_layer_0_self_attention")
    assert attention["out"] == [tensor(1, 197, 768), {"const": None}]
    assert attention["scope"] == "encoder.layers.encoder_layer_0"
    assert attention["kwargs"] == {"need_weights": False}
    assert node(vit, "getattr_2")["out"] == [{"const": 1}, {"const": 196}, {"const": 768}]


def test_attributes_of_attention(vit):
    entry = vit["modules"]["encoder.layers.encoder_layer_0.self_attention"]
    assert entry["class"] == "torch.nn.modules.activation.MultiheadAttention"
    expected = {
        "embed_dim": 768,
        "kdim": 768,
        "vdim": 768,
        "num_heads": 12,
        "head_dim": 64,
        "batch_first": True,
        "add_zero_attn": False,
        "dropout": 0.0,
        "bias": True,
        "training": False,
    }
    assert expected.items() <= entry["attrs"].items()
    assert list(entry["params"]) == [
        "in_proj_weight",
        "in_proj_bias",
        "out_proj.weight",
        "out_proj.bias",
    ]


def test_wrapped_functions_stay_calls():
    model, name, shape = load_model("torchvision:swin_t")
    targets = [n["target"] for n in export_model(model.eval(), [shape], name)["nodes"]]
    assert len(targets) == 247
    assert targets.count("torchvision.models.swin_transformer.shifted_window_attention") == 12


def test_the_example_of_the_format_page_is_what_is_written():
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.proj = nn.Linear(8, 8)

        def forward(self, x):
            return x + F.gelu(self.proj(x), approximate="tanh")

    example = json.loads(re.search("```json\n(.*?)```", PAGE.read_text(), re.DOTALL)[1])
    document = export_model(Residual().eval(), [(2, 8)], "residual")
    assert document.keys() == example.keys()
    for key in example.keys() - {"producer"}:
        assert document[key] == example[key]


def test_attention_called_by_keyword_with_own_widths():
    shapes = [(5, 2, 8), (7, 2, 6), (7, 2, 4)]
    document = export_model(MaskedAttention(), shapes, "cross")
    call = node(document, "attention")
    assert call["kwargs"]["query"] == {"ref": "x"}
    assert call["kwargs"]["average_attn_weights"] is False
    assert call["out"] == [tensor(5, 2, 8), {"const": None}]
    entry = document["modules"]["attention"]
    assert "in_proj_weight" not in entry["params"]
    assert entry["params"]["k_proj_weight"]["shape"] == [8, 6]
    assert entry["params"]["bias_k"]["shape"] == [1, 1, 8]


def test_an_omitted_argument_keeps_its_default():
    shapes = [(5, 2, 8), (7, 2, 6), (7, 2, 4)]
    assert export_model(MaskedAttention(), shapes, "cross")["inputs"] == ["x", "keys", "values"]


def test_an_infinite_argument_is_no_string():
    inputs = [*map(torch.zeros, [(5, 2, 8), (7, 2, 6), (7, 2, 4)])]
    mask = torch.zeros(5, 2, 8, dtype=torch.bool)
    document = export_model(MaskedAttention(), [*inputs, mask], "cross")
    assert node(document, "masked_fill")["args"][2] == {"float": "-Infinity"}
    assert node(document, "mask")["out"] == tensor(5, 2, 8, dtype="bool")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, [2.5, None]), {"tuple": [1, [2.5, None]]}),
        (slice(None, 4, 2), {"slice": [None, 4, 2]}),
        (float("nan"), {"float": "NaN"}),
        (True, True),
        (torch.bfloat16, {"dtype": "bfloat16"}),
        (torch.device("cpu"), {"device": "cpu"}),
        (..., {"ellipsis": True}),
        ({"a": (1,)}, {"dict": {"a": {"tuple": [1]}}}),
        (torch.channels_last, {"opaque": "torch.channels_last"}),
        (object(), {"opaque": "object"}),
    ],
)
def test_arguments(value, expected):
    assert encode_argument(value) == expected


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (torch.conv2d, "torch.conv2d"),
        (F.gelu, "torch.nn.functional.gelu"),
        (F.linear, "torch.nn.functional.linear"),
        (F.scaled_dot_product_attention, "torch.nn.functional.scaled_dot_product_attention"),
        (F.max_pool2d, "torch.nn.functional.max_pool2d"),
        (F.softmax, "torch.nn.functional.softmax"),
        (torch.softmax, "torch.softmax"),
        (torch.einsum, "torch.einsum"),
        (torch.special.expit, "torch.special.expit"),
        (torch._assert, "torch._assert"),
        (torch.Tensor.add, "torch.Tensor.add"),
        (torch.Tensor.split, "torch.Tensor.split"),
        (getattr, "builtins.getattr"),
        (torch.ops.aten.add.Tensor, "torch.ops.aten.add.Tensor"),
    ],
)
def test_function_names(function, expected):
    assert function_target(function) == expected


def test_a_tie_is_an_alias_and_unused_parameters_are_listed():
    document = export_model(TiedHead(), [torch.zeros(2, 3, dtype=torch.int64)], "tied")
    assert parameter(document, "head.weight")["alias_of"] == "table.weight"
    assert "alias_of" not in parameter(document, "table.weight")
    assert parameter(document, "unused.bias")["kind"] == "parameter"
    assert document["modules"]["head"]["params"]["weight"]["name"] == "head.weight"
    assert document["modules"]["head"]["attrs"]["bias"] is False
    assert node(document, "tokens")["out"] == tensor(2, 3, dtype="int64")


def test_two_parameters_of_one_storage_are_a_tie():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight.data = model[0].weight.data
    document = export_model(model, [(1, 4)], "pair")
    assert parameter(document, "1.weight")["alias_of"] == "0.weight"
    assert "alias_of" not in parameter(document, "1.bias")


def test_buffers_and_training_mode():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.BatchNorm2d(4), nn.ReLU())
    document = export_model(model.train(), [(2, 3, 8, 8)], "block")
    assert document["training"] is True
    assert document["modules"]["0"]["attrs"]["padding"] == "same"
    norm = document["modules"]["1"]
    assert norm["attrs"]["training"] is True
    assert norm["params"]["running_mean"]["kind"] == "buffer"
    assert parameter(document, "1.num_batches_tracked") == {
        "name": "1.num_batches_tracked",
        "kind": "buffer",
        **tensor(dtype="int64"),
    }
    assert export_model(model.eval(), [(2, 3, 8, 8)], "block")["training"] is False


def test_several_outputs():
    class Several(nn.Module):
        def forward(self, x):
            low, high = torch.chunk(x, 2, dim=-1)
            return {"low": low, "pair": (high, x.shape[0])}

    document = export_model(Several(), [(2, 6)], "several")
    assert node(document, "chunk")["out"] == [tensor(2, 3), tensor(2, 3)]
    assert node(document, "output")["args"] == [
        {
            "dict": {
                "low": {"ref": "getitem"},
                "pair": {"tuple": [{"ref": "getitem_1"}, {"ref": "getitem_2"}]},
            }
        }
    ]
    assert node(document, "output")["out"] == {"opaque": "dict"}
    assert node(document, "getitem_2")["out"] == {"const": 2}


def test_a_plain_constant_becomes_a_buffer():
    class Scaled(nn.Module):
        def forward(self, x):
            return x * torch.tensor([1.0, 2.0])

    model = Scaled()
    before = set(vars(model))
    document = export_model(model, [(3, 2)], "scaled")
    assert set(vars(model)) == before
    assert parameter(document, "_tensor_constant0") == {
        "name": "_tensor_constant0",
        "kind": "buffer",
        **tensor(2),
    }


def test_an_in_place_change_of_shape_leaves_the_earlier_value():
    class Squeezed(nn.Module):
        def forward(self, x):
            return (x + 1).squeeze_(0)

    document = export_model(Squeezed(), [(1, 4)], "squeezed")
    assert node(document, "add")["out"] == tensor(1, 4)
    assert node(document, "squeeze_")["out"] == tensor(4)


def test_a_half_precision_model_gets_half_precision_inputs():
    document = export_model(Perceptron().to(torch.bfloat16), [(3, 8)], "half")
    assert node(document, "drop")["out"] == tensor(3, 8, dtype="bfloat16")


def test_the_same_model_gives_the_same_bytes(tmp_path):
    for name in ("a.json.gz", "b.json.gz"):
        write_json(export_model(Perceptron(), [(3, 8)], "mlp"), tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("a.json.gz", "b.json.gz"))
    assert first == second
    assert json.loads(gzip.decompress(first))["format"] == "fx-graph"


def test_export_leaves_the_module_alone():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    graph_module = trace(model)
    code = graph_module.code
    metas = [dict(node.meta) for node in graph_module.graph.nodes]
    document = export_graph(graph_module, [(5, 4)], name="block")
    assert node(document, "_1")["out"] == tensor(5, 4)
    assert graph_module.code == code
    assert [dict(node.meta) for node in graph_module.graph.nodes] == metas
    assert all(parameter.device.type == "cpu" for parameter in model.parameters())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_a_graph_without_inputs_uses_what_its_nodes_carry():
    graph_module = trace(Perceptron())
    bare = export_graph(graph_module)
    assert node(bare, "x")["out"] == {"opaque": "unknown"}
    torch.fx.passes.shape_prop.ShapeProp(graph_module).propagate(torch.zeros(3, 8))
    document = export_graph(graph_module)
    assert document["name"] == "Perceptron"
    assert node(document, "gelu")["out"] == tensor(3, 16)
    assert node(document, "output")["out"] == tensor(3, 8)


def test_dynamic_dimensions_have_names_and_bounds():
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(
        nn.Flatten(0, 1), (torch.zeros(4, 3, 8),), dynamic_shapes=({0: batch},)
    )
    document = export_graph(program.module())
    shape = node(document, document["inputs"][0])["out"]["shape"]
    assert shape[1:] == [3, 8]
    assert document["symbols"][shape[0]] == {"min": 2, "max": 64, "hint": 4}
    (flat, _) = node(document, "output")["out"][0]["shape"]
    assert document["symbols"][flat]["hint"] == 12


def test_control_flow_on_shapes_falls_back_to_torch_export(caplog):
    document = export_model(ShapeBranch(), [(2, 4)], "branch")
    assert "using torch.export" in caplog.text
    assert document["producer"]["tracer"] == "torch.export"
    assert node(document, "linear")["target"] == "torch.ops.aten.linear.default"
    assert node(document, "linear")["scope"] == "linear"
    assert node(document, "output")["out"] == [tensor(2, 4)]
    assert parameter(document, "linear.bias")["shape"] == [4]


class QuietBranch(nn.Module):
    """Control flow that symbolic tracing cannot follow, and blocks that torch.export wraps."""

    def forward(self, x):
        if x.shape[0] > 1:
            x = x * 2
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            angles = x.cos() + 1
            both = angles.split(2, dim=-1)
        return x @ both[0], both[1]


def test_blocks_without_gradients_are_opened():
    document = export_model(QuietBranch(), [(4, 4)], "quiet")
    assert document["producer"]["tracer"] == "torch.export"
    targets = [node["target"] for node in document["nodes"] if node["op"] == "call_function"]
    assert not any("higher_order" in target for target in targets)
    assert "torch.ops.aten.cos.default" in targets
    assert not any(node["op"] == "get_attr" for node in document["nodes"])
    assert node(document, "output")["out"] == [tensor(4, 2), tensor(4, 2)]


def test_a_transformer_encoder_is_opened():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False).eval()
    targets = [node["target"] for node in export_model(model, [(2, 5, 8)], "encoder")["nodes"]]
    assert "torch.ops.aten.scaled_dot_product_attention.default" in targets


def test_control_flow_on_values_is_an_error_that_says_what_to_do():
    with pytest.raises(FxExportError, match="export the model to ONNX"):
        export_model(ValueBranch(), [(2, 4)], "branch")
    with pytest.raises(FxExportError, match="export_model turns to"):
        trace(ValueBranch())


def test_a_wrong_shape_is_an_error_that_names_the_node():
    with pytest.raises(FxExportError, match="node 'up'"):
        export_graph(trace(Perceptron()), [(3, 9)])
    with pytest.raises(FxExportError, match="2 example inputs"):
        export_graph(trace(Perceptron()), [(3, 8), (3, 8)])


def test_an_existing_file_is_kept(tmp_path):
    path = tmp_path / "graph.json"
    write_json({"name": "first"}, path)
    with pytest.raises(FileExistsError, match="exists already"):
        write_json({"name": "second"}, path)
    assert json.loads(path.read_text())["name"] == "first"
    write_json({"name": "second"}, path, overwrite=True)
    assert json.loads(path.read_text())["name"] == "second"
    assert list(tmp_path.iterdir()) == [path]


def test_inputs_of_the_command_line():
    assert parse_input("1x3x8") == (1, 3, 8)
    assert parse_input("1x3:int64").dtype is torch.int64
    assert parse_input("batch=2x3") == (Dim("batch", 2), 3)
    assert parse_input("2xseq=9:int64").sizes == (2, Dim("seq", 9))
    for text in ("", "1x", "ax3", "1x3:", "1x3:pi", "-1x3", "n=1x3", "=2x3", "n n=2x3", "n=x3"):
        with pytest.raises(Exception, match="is not an input"):
            parse_input(text)


def test_the_file_runs_as_a_plain_script(tmp_path):
    (tmp_path / "own.py").write_text(
        "from torch import nn\n\ndef build():\n    return nn.Linear(4, 2)\n"
    )
    command = [sys.executable, str(SCRIPT), "own:build", "-o", "own.json", "--input", "3x4"]
    first = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    document = json.loads((tmp_path / "own.json").read_text())
    assert node(document, "output")["out"] == tensor(3, 2)
    assert document["training"] is False


def test_a_named_size_stays_open():
    document = export_model(Perceptron().eval(), [(Dim("batch", 2), 5, 8)], "mlp")
    assert document["symbols"] == {"batch": {"min": 0, "max": None, "hint": 2}}
    assert node(document, "up")["out"] == tensor("batch", 5, 16)


def test_one_name_is_one_size():
    class Sum(nn.Module):
        def forward(self, x, y):
            return torch.cat([x + y, y], dim=-1)

    n = Dim("n", 3)
    document = export_model(Sum(), [(2, n), (2, n)], "sum")
    assert node(document, "cat")["out"] == tensor(2, "2*n")
    with pytest.raises(FxExportError, match="n is both 3 and 4"):
        export_model(Sum(), [(2, n), (2, Dim("n", 4))], "sum")


def test_a_size_that_an_op_needs_fixed_is_refused():
    class Fixed(nn.Module):
        def forward(self, x):
            return x.reshape(6, 4)

    with pytest.raises(FxExportError, match="'reshape' .* works for n = 3 only"):
        export_model(Fixed(), [(Dim("n", 3), 8)], "fixed")
