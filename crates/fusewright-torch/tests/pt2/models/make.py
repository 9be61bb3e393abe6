"""Makes the `.pt2` fixtures of this folder and `counts.json`.

    python make.py [NAME...]

Needs torch, torchvision and transformers. Weights are random or on the meta device; weights, sample inputs and stack
traces are left out of what is written, so that each file is small. The counts are those of PyTorch itself: unique
parameters of the module, and `torch.utils.flop_counter` over one run.

With an older torch that has no transformers beside it, the models that need none of it can be made alone; the torch
version becomes a part of their names: `python make.py flat`.
"""

import copy
import io
import json
import sys
import zipfile
from pathlib import Path

import torch
from torch import nn
from torch.export import Dim
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

HERE = Path(__file__).parent
KEPT = ("archive_format", "archive_version", "byteorder", "version")


def grouped_product(input_shape, weight_shape, *_, **__):
    """Rows times matrices: every row meets one matrix of the group. PyTorch's own counter does not know the op."""
    return 2 * input_shape[0] * weight_shape[1] * weight_shape[2]


def extra_counts():
    ops = {torch.ops.aten._grouped_mm: grouped_product} if hasattr(torch.ops.aten, "_grouped_mm") else {}
    if hasattr(torch.ops, "transformers") and hasattr(torch.ops.transformers, "grouped_mm_fallback"):
        ops[torch.ops.transformers.grouped_mm_fallback] = grouped_product
    return ops


def without_traces(graph):
    for node in graph["nodes"]:
        for key in ("stack_trace", "from_node"):
            node.get("metadata", {}).pop(key, None)
        for argument in node["inputs"]:
            if "as_graph" in argument["arg"]:
                without_traces(argument["arg"]["as_graph"]["graph"])


def strip(archive):
    """The archive without weights, sample inputs and stack traces, compressed, with fixed dates. Empty files stay: the
    weights of a model on the meta device are one."""
    source, packed = zipfile.ZipFile(io.BytesIO(archive)), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        for name in source.namelist():
            last, data = name.rsplit("/", 1)[-1], source.read(name)
            if data and not (last.endswith(".json") or last in KEPT):
                continue
            if last.endswith(".json") and "config" not in last:
                program = json.loads(data)
                without_traces(program["graph_module"]["graph"])
                data = json.dumps(program, separators=(",", ":")).encode()
            entry = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))
            target.writestr(entry, data, zipfile.ZIP_DEFLATED, 9)
    return packed.getvalue()


def to_meta(value):
    if isinstance(value, torch.Tensor):
        return value.to("meta")
    if isinstance(value, dict):
        return {key: to_meta(item) for key, item in value.items()}
    return [to_meta(item) for item in value] if isinstance(value, (list, tuple)) else value


def flops(model, args, kwargs):
    """Counted on the meta device; where a model looks at its inputs, on the CPU with attention as plain products."""
    counter = FlopCounterMode(display=False, custom_mapping=extra_counts())
    try:
        with torch.device("meta"), torch.no_grad(), counter:
            meta_copy(model)(*to_meta(args), **to_meta(kwargs))
    except RuntimeError:
        counter = FlopCounterMode(display=False, custom_mapping=extra_counts())
        with sdpa_kernel(SDPBackend.MATH), torch.no_grad(), counter:
            model(*args, **kwargs)
    return counter.get_total_flops()


def meta_copy(model):
    model = copy.deepcopy(model).to("meta")
    for module in model.modules():
        for name, value in vars(module).items():
            if isinstance(value, torch.Tensor):
                setattr(module, name, value.to("meta"))
    return model


def export(model, args=(), kwargs=None, grad=False, decompose=False, dynamic=None, sizes=()):
    """Bytes and counts; `sizes` are pairs of dims and keyword arguments to count once more."""
    kwargs = kwargs or {}
    model = model.eval()
    with torch.set_grad_enabled(grad):
        program = torch.export.export(model, tuple(args), kwargs, dynamic_shapes=dynamic, strict=False)
        if decompose:
            program = program.run_decompositions()
    file = io.BytesIO()
    torch.export.save(program, file)
    counts = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "parameters_by_name": sum(parameter.numel() for _, parameter in model.named_parameters(remove_duplicate=False)),
        "flops": flops(model, args, kwargs),
        "torch": torch.__version__.split("+")[0],
    }
    if sizes:
        counts["sizes"] = [{"dims": dims, "flops": flops(model, (), given)} for dims, given in sizes]
    return strip(file.getvalue()), counts


def on_meta(build):
    with torch.device("meta"):
        return build()


def ids(*shape):
    return torch.ones(shape, dtype=torch.long)


def vision(name, **options):
    import torchvision

    model = on_meta(lambda: getattr(torchvision.models, name)())
    return export(model, [torch.empty(1, 3, 224, 224, device="meta")], **options)


def transformer(model_class, config_class, values, inputs, attention="sdpa", meta=False, **options):
    import transformers

    config = getattr(transformers, config_class)(**values)
    config._attn_implementation = attention
    build = lambda: getattr(transformers, model_class)(config)
    model = on_meta(build) if meta else build()
    return export(model, kwargs=to_meta(inputs) if meta else inputs, **options)


BERT_TINY = dict(vocab_size=1000, hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512)
LLAMA_TINY = dict(
    vocab_size=1000, hidden_size=64, intermediate_size=172, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, use_cache=False,
)
MIXTRAL_TINY = dict(
    vocab_size=1000, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2, use_cache=False,
)
T5_SMALL = dict(use_cache=False)


def bert_dynamic():
    batch, sequence = Dim("batch", max=64), Dim("sequence", max=512)
    inputs = lambda b, s: dict(input_ids=ids(b, s), attention_mask=ids(b, s))
    axes = {0: batch, 1: sequence}
    return transformer(
        "BertModel", "BertConfig", BERT_TINY, inputs(2, 16),
        dynamic=dict(input_ids=axes, attention_mask=axes),
        sizes=[({"batch": 3, "seq": 40}, inputs(3, 40)), ({"input_ids.1": 64}, inputs(2, 64))],
    )


class Block(nn.Module):
    """An attention layer and an MLP, written with the plain modules that every version exports."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(100, 32)
        self.register_buffer("steps", torch.zeros(1), persistent=True)
        self.register_buffer("scale", torch.ones(32), persistent=False)
        self.offset = torch.ones(32)
        self.norm = nn.LayerNorm(32)
        self.qkv = nn.Linear(32, 96)
        self.out = nn.Linear(32, 32, bias=False)
        self.up, self.down = nn.Linear(32, 64), nn.Linear(64, 32)
        self.head = nn.Linear(32, 100, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens, mask=None, causal=False):
        self.steps.add_(1)
        x = self.embed(tokens) * self.scale + self.offset
        q, k, v = (part.unflatten(-1, (4, 8)).transpose(1, 2) for part in self.qkv(self.norm(x)).split(32, dim=-1))
        scores = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        x = x + self.out(scores.transpose(1, 2).reshape(x.shape))
        with torch.no_grad():
            gate = torch.sigmoid(x)
        hidden = nn.functional.gelu(self.up(x))
        values, places = torch.topk(self.head(x + self.down(hidden) * gate), 3)
        return {"values": values, "places": places}


def flat(**options):
    return export(Block(), [ids(2, 6)], dict(mask=None, causal=True), **options)


def flat_dynamic():
    batch, sequence = Dim("batch", min=2, max=16), Dim("sequence", min=2, max=64)
    dynamic = dict(tokens={0: batch, 1: sequence}, mask=None, causal=None)
    return flat(dynamic=dynamic)


MODELS = {
    "vit_b_16": lambda: vision("vit_b_16"),
    "swin_t": lambda: vision("swin_t"),
    "swin_t.decomposed": lambda: vision("swin_t", decompose=True),
    "resnet50": lambda: vision("resnet50"),
    "bert": lambda: transformer("BertModel", "BertConfig", {}, dict(input_ids=ids(1, 128)), meta=True),
    "bert_tiny": lambda: transformer("BertModel", "BertConfig", BERT_TINY, dict(input_ids=ids(1, 16))),
    "bert_tiny.eager": lambda: transformer("BertModel", "BertConfig", BERT_TINY, dict(input_ids=ids(1, 16)), "eager"),
    "bert_tiny.decomposed": lambda: transformer(
        "BertModel", "BertConfig", BERT_TINY, dict(input_ids=ids(1, 16)), decompose=True
    ),
    "bert_tiny.dynamic": bert_dynamic,
    "gpt2": lambda: transformer("GPT2LMHeadModel", "GPT2Config", dict(use_cache=False), dict(input_ids=ids(1, 128))),
    "llama_tiny": lambda: transformer("LlamaForCausalLM", "LlamaConfig", LLAMA_TINY, dict(input_ids=ids(1, 16)), grad=True),
    "t5_small": lambda: transformer(
        "T5ForConditionalGeneration", "T5Config", T5_SMALL,
        dict(input_ids=ids(1, 128), decoder_input_ids=ids(1, 128)),
    ),
    "whisper_tiny": lambda: transformer(
        "WhisperForConditionalGeneration", "WhisperConfig",
        dict(use_cache=False, d_model=384, encoder_layers=4, decoder_layers=4, encoder_attention_heads=6,
             decoder_attention_heads=6, encoder_ffn_dim=1536, decoder_ffn_dim=1536),
        dict(input_features=torch.zeros(1, 80, 3000), decoder_input_ids=ids(1, 128)),
    ),
    "mixtral_tiny": lambda: transformer("MixtralForCausalLM", "MixtralConfig", MIXTRAL_TINY, dict(input_ids=ids(1, 16))),
    "clip": lambda: transformer(
        "CLIPModel", "CLIPConfig", {},
        dict(input_ids=ids(1, 77), pixel_values=torch.zeros(1, 3, 224, 224)), meta=True,
    ),
    "block": flat,
    "block.grad": lambda: flat(grad=True),
    "block.dynamic": flat_dynamic,
    "block.decomposed": lambda: flat(decompose=True),
}


def main(names):
    if names == ["flat"]:
        suffix = ".torch" + ".".join(torch.__version__.split(".")[:2])
        wanted = {name + suffix: make for name, make in MODELS.items() if name.startswith("block")}
    else:
        wanted = {name: MODELS[name] for name in names or MODELS}
    table = HERE / "counts.json"
    counts = json.loads(table.read_text()) if table.exists() else {}
    for name, make in wanted.items():
        torch.manual_seed(0)
        data, counted = make()
        (HERE / f"{name}.pt2").write_bytes(data)
        counts[name] = counted
        table.write_text(json.dumps(dict(sorted(counts.items())), indent=2) + "\n")
        print(name, len(data), counted, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
