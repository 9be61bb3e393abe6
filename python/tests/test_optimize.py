"""Packed projections and fused attention in live modules: same results, gradients, checkpoints."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
import transformers
from torch import Tensor, nn

import fusewright
from fusewright.torch import Optimization, optimize, unpack
from fusewright.torch.calling import call, difference, tensors
from fusewright.torch.kernels import kernels_of
from fusewright.torch.multihead import PackedMultiheadAttention
from fusewright.torch.packing import PackedLinear
from fusewright.transform import trace_with_decomposition

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 100,
}
IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
SHORT = {"d_model": 32, "vocab_size": 100, **IDS, "decoder_start_token_id": 1}
VISION = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 16,
    "patch_size": 4,
}


def tokens(batch: int = 2, length: int = 7) -> Tensor:
    return torch.randint(3, 99, (batch, length))


def bert(**options: Any) -> tuple[nn.Module, dict[str, Tensor]]:
    config = transformers.BertConfig(**SMALL, **IDS, **options)
    mask = torch.ones(2, 7, dtype=torch.int64)
    mask[1, 5:] = 0
    return transformers.BertModel(config), {"input_ids": tokens(), "attention_mask": mask}


def gpt2(**options: Any) -> tuple[nn.Module, dict[str, Tensor]]:
    config = transformers.GPT2Config(
        n_embd=32, n_layer=2, n_head=4, vocab_size=100, **IDS, **options
    )
    return transformers.GPT2LMHeadModel(config), {"input_ids": tokens()}


def llama(**options: Any) -> tuple[nn.Module, dict[str, Tensor]]:
    config = transformers.LlamaConfig(**SMALL, **IDS, num_key_value_heads=2, **options)
    return transformers.LlamaForCausalLM(config), {"input_ids": tokens()}


def qwen3(**options: Any) -> tuple[nn.Module, dict[str, Tensor]]:
    sizes = {"num_key_value_heads": 2, "head_dim": 8}
    config = transformers.Qwen3Config(**SMALL, **IDS, **sizes, **options)
    return transformers.Qwen3ForCausalLM(config), {"input_ids": tokens()}


def t5(**options: Any) -> tuple[nn.Module, dict[str, Tensor]]:
    sizes = {"num_layers": 2, "num_heads": 4, "d_kv": 8, "d_ff": 64}
    config = transformers.T5Config(**SHORT, **sizes, **options)
    inputs = {"input_ids": tokens(), "decoder_input_ids": tokens(2, 5)}
    return transformers.T5ForConditionalGeneration(config), inputs


def whisper(**options: Any) -> tuple[nn.Module, dict[str, Tensor]]:
    parts = {
        f"{part}_{name}": size
        for part in ("encoder", "decoder")
        for name, size in (("layers", 2), ("attention_heads", 4), ("ffn_dim", 64))
    }
    none = {"suppress_tokens": None, "begin_suppress_tokens": None}
    config = transformers.WhisperConfig(
        **SHORT, **parts, **none, max_source_positions=20, **options
    )
    inputs = {"input_features": torch.randn(2, 80, 40), "decoder_input_ids": tokens(2, 5)}
    return transformers.WhisperModel(config), inputs


def clip(**options: Any) -> tuple[nn.Module, dict[str, Tensor]]:
    text = {**SMALL, **IDS, "max_position_embeddings": 16}
    config = transformers.CLIPConfig(text_config=text, vision_config=VISION, **options)
    inputs = {"input_ids": tokens(), "pixel_values": torch.randn(2, 3, 16, 16)}
    return transformers.CLIPModel(config), inputs


def vit(**options: Any) -> tuple[nn.Module, dict[str, Tensor]]:
    config = transformers.ViTConfig(**VISION, **options)
    return transformers.ViTModel(config), {"pixel_values": torch.randn(2, 3, 16, 16)}


# Model, sets of layers that are packed, and products that this saves.
MODELS = {
    "bert": (bert, 2, 4),
    "gpt2": (gpt2, 0, 0),
    "llama": (llama, 4, 6),
    "qwen3": (qwen3, 4, 6),
    # Encoder, decoder, and the keys and values of both cross-attentions, which read one tensor.
    "t5": (t5, 5, 11),
    "whisper": (whisper, 5, 11),
    "clip": (clip, 4, 8),
    "vit": (vit, 2, 4),
}


@pytest.fixture(scope="module", params=MODELS)
def made(request):
    """A model, its inputs, the optimised model, and what was expected of it."""
    torch.manual_seed(0)
    make, sets, saved = MODELS[request.param]
    model, inputs = make()
    model.eval()
    return model, inputs, optimize(model, inputs), sets, saved


def worst(expected: Any, found: Any) -> float:
    pairs = zip(tensors(expected), tensors(found), strict=True)
    return max(difference(a, b) for a, b in pairs)


def products(model: nn.Module, inputs: Any) -> int:
    return sum(kernel.kind == "product" for kernel in kernels_of(model, inputs))


def test_outputs_are_equal(made):
    model, inputs, fast, _, _ = made
    with torch.no_grad():
        assert worst(call(model, inputs), call(fast, inputs)) <= 1e-4
    assert type(fast) is type(model) and fast.fusewright.difference <= 1e-4


def test_all_attentions_are_packed(made):
    _, _, fast, sets, saved = made
    done = fast.fusewright
    assert isinstance(done, Optimization)
    assert (len(done.packed), done.predicted_kernels_saved) == (sets, saved)
    assert done.skipped == [] and "packed" in str(done)
    names = {path.rpartition(".")[2] for paths in done.packed for path in paths}
    left = [path for path, m in fast.named_modules() if type(m) is nn.Linear]
    # Queries of a cross-attention read another tensor than its keys and values.
    alone = [p for p in left if "EncDecAttention.q" not in p and "encoder_attn.q_proj" not in p]
    assert not [p for p in alone if p.rpartition(".")[2] in names]


def test_the_profiler_sees_what_was_predicted(made):
    model, inputs, fast, _, saved = made
    assert products(model, inputs) - products(fast, inputs) == saved


def test_checkpoints_go_both_ways(made):
    model, inputs, fast, _, _ = made
    ours, theirs = fast.state_dict(), model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(theirs[name], value) for name, value in ours.items())
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.5)
    target = copy.deepcopy(fast)
    target.load_state_dict(other.state_dict())
    with torch.no_grad():
        assert worst(call(other, inputs), call(target, inputs)) <= 1e-4
    other.load_state_dict(fast.state_dict())
    with torch.no_grad():
        assert worst(call(other, inputs), call(model, inputs)) == 0


def test_gradients_are_equal(made):
    model, inputs, _, _, _ = made
    model = copy.deepcopy(model)
    fast = optimize(model, inputs)
    for each in (model, fast):
        results = [x for x in tensors(call(each, inputs)) if x.is_floating_point()]
        sum(
            (x * torch.linspace(-1, 1, x.numel()).reshape(x.shape)).sum() for x in results
        ).backward()
    unpack(fast)
    expected = {name: p.grad for name, p in model.named_parameters()}
    found = {name: p.grad for name, p in fast.named_parameters()}
    assert expected.keys() == found.keys()
    # Gradients of key biases are zero but for rounding, so the scale is that of all gradients.
    scale = max(g.abs().max() for g in expected.values() if g is not None)
    for name, grad in expected.items():
        assert (grad is None) == (found[name] is None), name
        if grad is not None:
            assert (grad - found[name]).abs().max() <= 1e-4 * scale, name


def test_unpacking_restores_the_module(made):
    model, inputs, _, _, _ = made
    fast = optimize(model, inputs)
    back = unpack(fast)
    assert back is fast and not hasattr(back, "fusewright")
    assert [type(m) for m in back.modules()] == [type(m) for m in model.modules()]
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), back.parameters(), strict=True)
    )
    with torch.no_grad():
        assert worst(call(model, inputs), call(back, inputs)) == 0
    with pytest.raises(fusewright.UsageError, match="not optimised"):
        unpack(back)


@pytest.mark.parametrize(
    "name", ["bert", "llama", pytest.param("whisper", marks=pytest.mark.heavy)]
)
def test_autocast_and_compilation(name):
    torch.manual_seed(0)
    model, inputs = MODELS[name][0]()
    model.eval()
    fast = optimize(model, inputs)
    with torch.no_grad():
        with torch.autocast("cpu", torch.bfloat16):
            assert worst(call(model, inputs), call(fast, inputs)) <= 5e-2
        compiled = torch.compile(fast, backend="aot_eager")
        assert worst(call(model, inputs), call(compiled, inputs)) <= 1e-4
        assert worst(call(model, inputs), call(compiled, inputs)) <= 1e-4


def test_a_compiled_module_has_no_graph_break():
    model, inputs = bert()
    fast = optimize(model.eval(), inputs)
    layer = fast.encoder.layer[0].attention.self
    x = torch.randn(2, 7, 32)
    with torch.no_grad():
        expected = layer(x)[0]
        compiled = torch.compile(lambda x: layer(x)[0], backend="aot_eager", fullgraph=True)
        assert difference(expected, compiled(x)) <= 1e-5


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "t5"])
def test_open_coded_attention_of_transformers_becomes_one_kernel(name):
    torch.manual_seed(0)
    model, inputs = MODELS[name][0](attn_implementation="eager")
    model.eval()
    fast = optimize(model, inputs)
    assert fast.config._attn_implementation == "sdpa"
    kinds = [kernel.kind for kernel in kernels_of(fast, inputs)]
    assert kinds.count("attention") == (2 if name != "t5" else 6)
    unpack(fast)
    assert fast.config._attn_implementation == "eager"


class OpenCoded(nn.Module):
    """Causal attention as people write it, with its mask in a buffer."""

    def __init__(self, causal: bool, kv_heads: int = 4, fill: float = -math.inf) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.fill = 4, kv_heads, fill
        self.q, self.out = nn.Linear(32, 32), nn.Linear(32, 32)
        self.k, self.v = (nn.Linear(32, 8 * kv_heads, bias=False) for _ in range(2))
        self.drop = nn.Dropout(0.1)
        self.causal = causal
        if causal:
            self.register_buffer("seen", torch.tril(torch.ones(16, 16)).view(1, 1, 16, 16))

    def forward(self, x, mask=None):
        batch, length, _ = x.shape
        q, k, v = (
            f(x).view(batch, length, heads, 8).transpose(1, 2)
            for f, heads in ((self.q, 4), (self.k, self.kv_heads), (self.v, self.kv_heads))
        )
        if self.kv_heads < self.heads:
            k, v = (each.repeat_interleave(self.heads // self.kv_heads, dim=1) for each in (k, v))
        scores = q @ k.transpose(-2, -1) / math.sqrt(8)
        if self.causal:
            scores = scores.masked_fill(self.seen[:, :, :length, :length] == 0, self.fill)
        weights = self.drop(F.softmax(scores, dim=-1))
        return self.out((weights @ v).transpose(1, 2).reshape(batch, length, -1))


class Model(nn.Module):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(OpenCoded(**options) for _ in range(2))

    def forward(self, x):
        for block in self.blocks:
            x = x + block(x)
        return x


@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("causal", [True, False])
def test_open_coded_attention_of_ones_own_becomes_one_kernel(causal, kv_heads):
    torch.manual_seed(0)
    model, x = Model(causal=causal, kv_heads=kv_heads).eval(), torch.randn(2, 9, 32)
    fast = optimize(model, x)
    assert sorted(fast.fusewright.attentions) == ["blocks.0", "blocks.1"]
    assert len(fast.fusewright.packed) == 2
    fused = [m for m in fast.modules() if type(m).__name__ == "FusedAttention"]
    assert [m.gqa for m in fused] == [kv_heads < 4] * 2
    assert [m.kinds for m in fused] == [("causal",) if causal else ()] * 2
    names = [kernel.name for kernel in kernels_of(fast, x)]
    assert not any("softmax" in name for name in names)
    other = torch.randn(3, 12, 32)
    with torch.no_grad():
        assert difference(model(other), fast(other)) <= 1e-5
    assert fast.state_dict().keys() == model.state_dict().keys()
    fast.train()
    assert all(m.training and m.dropout == 0.1 for m in fused)
    unpack(fast)
    with torch.no_grad():
        assert difference(model.eval()(other), fast.eval()(other)) == 0


def test_masks_that_are_not_understood_stay_as_they_are():
    model, x = Model(causal=True, fill=-1e4).eval(), torch.randn(2, 9, 32)
    fast = optimize(model, x)
    assert fast.fusewright.attentions == []
    assert any("-10000.0, not −∞" in skipped.reason for skipped in fast.fusewright.skipped)


class Asks(OpenCoded):
    """Drops only where it is trained, which a trace cannot know."""

    def forward(self, x):
        q, k, v = (f(x).unflatten(-1, (4, 8)).transpose(1, 2) for f in (self.q, self.k, self.v))
        weights = F.dropout(F.softmax(q @ k.mT, dim=-1), 0.5, self.training)
        return self.out((weights @ v).transpose(1, 2).flatten(-2))


class Masked(nn.Module):
    """Gives its layer a mask, which has a default."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x, mask=x)


def test_layers_that_a_trace_cannot_stand_for_stay_as_they_are():
    x = torch.randn(2, 9, 32)
    asks = optimize(nn.Sequential(Asks(causal=False)).eval(), x).fusewright
    masked = optimize(Masked(OpenCoded(causal=False)).eval(), x).fusewright
    assert asks.attentions == masked.attentions == []
    assert "asks whether it is trained" in asks.skipped[0].reason
    assert "arguments that have defaults" in masked.skipped[0].reason
    assert len(asks.packed) == len(masked.packed) == 1


def test_vit_b_16_runs_one_projection_and_one_attention_kernel_a_layer():
    torch.manual_seed(0)
    model = torchvision.models.vit_b_16(weights=None).eval()
    x = torch.randn(1, 3, 224, 224)
    fast = optimize(model, x, inplace=False)
    assert len(fast.fusewright.attentions) == 12 and fast.fusewright.skipped == []
    before, after = kernels_of(model, x), kernels_of(fast, x)
    kinds = [kernel.kind for kernel in after]
    # Patches, then query-key-value, output and two of the network in each layer, then the head.
    assert kinds.count("product") == 1 + 4 * 12 + 1
    assert kinds.count("attention") == 12
    assert len(before) - len(after) == 12 * 4
    with torch.no_grad():
        assert difference(model(x), fast(x)) <= 1e-4
    assert fast.state_dict().keys() == model.state_dict().keys()


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("case", ["plain", "mask", "padding", "both", "per_head", "causal"])
def test_multihead_attention_with_masks(case, batch_first):
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(16, 4, batch_first=batch_first).double().eval()
    fast = copy.deepcopy(layer)
    fast.__class__ = PackedMultiheadAttention
    x = torch.randn(*((2, 5) if batch_first else (5, 2)), 16, dtype=torch.float64)
    causal = torch.ones(5, 5, dtype=torch.bool).triu(1)
    padding = torch.zeros(2, 5, dtype=torch.bool)
    padding[1, 3:] = True
    options: dict[str, Any] = {
        "plain": {},
        "mask": {"attn_mask": causal},
        "padding": {"key_padding_mask": padding},
        "both": {"attn_mask": causal, "key_padding_mask": padding},
        "per_head": {"attn_mask": torch.randn(8, 5, 5, dtype=torch.float64)},
        "causal": {"attn_mask": causal, "is_causal": True},
    }[case]
    for training in (False, True):
        layer.train(training)
        fast.train(training)
        expected = layer(x, x, x, need_weights=False, **options)[0]
        assert difference(expected, fast(x, x, x, need_weights=False, **options)[0]) <= 1e-12
    assert fast(x, x, x, **options)[1] is not None
    other = torch.randn_like(x)
    expected = layer(x, other, other, need_weights=False, **options)[0]
    assert difference(expected, fast(x, other, other, need_weights=False, **options)[0]) <= 1e-12


def test_a_graph_module_is_rewritten():
    torch.manual_seed(0)
    encoder = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(encoder, 2).eval()
    traced = trace_with_decomposition(model)
    x = torch.randn(2, 5, 32)
    fast = optimize(traced, x)
    assert len(fast.fusewright.packed) == 2 and len(fast.fusewright.attentions) == 2
    with torch.no_grad():
        assert difference(traced(x), fast(x)) <= 1e-5
    assert products(traced, x) - products(fast, x) == 2 * (2 + 2)
    assert fast.state_dict().keys() == traced.state_dict().keys()
    unpack(fast)
    assert [n.name for n in fast.graph.nodes] == [n.name for n in traced.graph.nodes]


class Shared(nn.Module):
    """Projections that cannot all be packed, each for its own reason."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.tied, self.frozen, self.watched = (nn.Linear(8, 8) for _ in range(5))
        self.head = nn.Linear(8, 8)
        self.head.weight = self.tied.weight
        self.frozen.requires_grad_(False)
        self.watched.register_forward_hook(lambda *_: None)

    def forward(self, x):
        y = self.a(x) + self.b(x) + self.tied(x) + self.frozen(x) + self.watched(x)
        return self.head(y)


def test_what_cannot_be_packed_is_named():
    fast = optimize(Shared(), torch.randn(2, 8))
    assert fast.fusewright.packed == [("a", "b")]
    reasons = {skipped.paths[0]: skipped.reason for skipped in fast.fusewright.skipped}
    assert "shared" in reasons["tied"]
    assert "requires_grad" in reasons["frozen"]
    assert "hooks" in reasons["watched"]


class Calls(nn.Module):
    """Calls its layers as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 4, bias=False)

    def forward(self, x):
        return self.a(x), self.b(x)


def test_parts_of_a_pack_are_right_whoever_calls_them_and_when():
    torch.manual_seed(0)
    model = Calls()
    fast = optimize(model, torch.randn(2, 8))
    assert isinstance(fast.a, PackedLinear)
    assert fast.b.bias is None and torch.equal(fast.b.weight, model.b.weight)
    assert (fast.b.in_features, fast.b.out_features) == (8, 4)
    x, y = torch.randn(2, 8), torch.randn(2, 8)
    # In the other order, twice, and with other tensors between.
    for layer, given in [("b", x), ("a", x), ("a", x), ("b", y), ("a", x), ("b", x), ("b", x)]:
        assert difference(getattr(model, layer)(given), getattr(fast, layer)(given)) <= 1e-6
    # A tensor that is written to between the calls is another tensor.
    fast.a(x)
    x.mul_(2.0)
    assert difference(model.b(x), fast.b(x)) <= 1e-6
    # So is a weight.
    fast.a(x)
    with torch.no_grad():
        fast.a.pack.weight.mul_(2.0)
        model.b.weight.mul_(2.0)
    assert difference(model.b(x), fast.b(x)) <= 1e-6
    # What was computed without gradients is not handed to who needs them.
    with torch.no_grad():
        fast.a(x)
    assert fast.b(x).requires_grad


def test_a_missing_bias_stays_missing_in_training():
    model = Calls()
    fast = optimize(model, torch.randn(2, 8))
    optimizer = torch.optim.SGD(fast.parameters(), lr=1.0)
    sum(y.sum() for y in fast(torch.randn(2, 8))).backward()
    optimizer.step()
    assert torch.equal(fast.a.pack.bias[8:], torch.zeros(4))
    assert "b.bias" not in fast.state_dict()
    again = copy.deepcopy(fast)
    sum(y.sum() for y in again(torch.randn(2, 8))).backward()
    assert torch.equal(again.a.pack.bias.grad[8:], torch.zeros(4))


class Breaks(nn.Module):
    """Gives another result each time."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.count = nn.Linear(8, 8), nn.Linear(8, 8), 0

    def forward(self, x):
        self.count += 1
        return (self.a(x) + self.b(x)) * self.count


def test_a_difference_undoes_everything():
    model = Breaks()
    with pytest.raises(fusewright.NotEquivalentError, match="differs"):
        optimize(model, torch.randn(2, 8), inplace=True)
    assert type(model.a) is nn.Linear and model.a.weight.shape == (8, 8)
    assert not hasattr(model, "fusewright") and model.training


def test_a_device_decides_what_pays():
    model, inputs = bert()
    fast = optimize(model.eval(), inputs, hw="a100-sxm-80")
    kept = [s for s in fast.fusewright.skipped if "the plan keeps them apart" in s.reason]
    assert len(fast.fusewright.packed) + len(kept) >= 2


def test_copies_work_and_say_that_they_cannot_be_unpacked():
    model, inputs = bert()
    fast = optimize(model.eval(), inputs)
    for twin in (copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):
        with torch.no_grad():
            assert worst(call(model, inputs), call(twin, inputs)) <= 1e-5
        assert twin.state_dict().keys() == model.state_dict().keys()
        with pytest.raises(fusewright.UsageError, match="copy"):
            unpack(twin)
    unpack(fast)


def test_inference_mode_works():
    model, inputs = bert()
    fast = optimize(model.eval(), inputs)
    with torch.inference_mode():
        assert worst(call(model, inputs), call(fast, inputs)) <= 1e-5
        again = optimize(model, {name: value.clone() for name, value in inputs.items()})
    with torch.no_grad():
        assert worst(call(model, inputs), call(again, inputs)) <= 1e-5


def test_generation_and_caches_work():
    torch.manual_seed(0)
    model, inputs = llama()
    fast = optimize(model.eval(), inputs)
    options = {"max_new_tokens": 5, "do_sample": False}
    assert torch.equal(model.generate(**inputs, **options), fast.generate(**inputs, **options))


def test_a_saved_model_is_one_of_transformers(tmp_path):
    model, inputs = llama()
    optimize(model.eval(), inputs).save_pretrained(tmp_path)
    loaded = transformers.LlamaForCausalLM.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        assert worst(call(model, inputs), call(loaded, inputs)) == 0


def test_requests_that_make_no_sense():
    with pytest.raises(fusewright.UsageError, match="expected a torch.nn.Module"):
        optimize("vit_b_16", ())
    fast = optimize(Calls(), torch.randn(2, 8))
    with pytest.raises(fusewright.UsageError, match="already"):
        optimize(fast, torch.randn(2, 8))


def test_an_analysis_applies_its_plan():
    model, inputs = bert()
    found = fusewright.analyze(model.eval(), inputs)
    assert found.via == "torch.export"
    assert len(found.optimize(inputs).fusewright.packed) == 2
