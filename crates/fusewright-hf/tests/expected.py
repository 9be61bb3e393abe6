"""Writes tests/expected.json: what the classes of transformers compute for each committed configuration.

Each model is built on the meta device from the very file that the reader reads, run with B = 1 and S = 128 (and, where
it generates, for one more token after those), and counted: unique parameters, FLOPs of contractions, attentions. Three
things are added to what torch's counter sees, as its registry or the class's code does not show them:

- experts: tokens x chosen experts pairs, by the shapes of the expert weights (the class of Llama 4 computes all pairs
  and weighs most of them with zero: they are not counted);
- rotary tables: one product of frequencies and positions for each sequence, however the class writes it (Falcon makes
  them even where its attention uses a bias instead: not counted);
- nothing else.

Run with a Python that has torch and transformers: `python tests/expected.py [NAME...]`.
"""

import json
import pathlib
import sys

import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig

HERE = pathlib.Path(__file__).parent
FOLDERS = [HERE.parent / "configs", HERE / "configs"]
OUTPUT = HERE / "expected.json"
TOKENS = 128


class Extra:
    """FLOPs and attentions that hooks add up."""

    def __init__(self):
        self.flops = 0
        self.attentions = 0


def build(values):
    given = dict(values)
    config = AutoConfig.for_model(given.pop("model_type"), **given)
    config._attn_implementation = "eager"
    for sub in ("text_config", "vision_config", "encoder", "decoder"):
        if getattr(config, sub, None) is not None:
            getattr(config, sub)._attn_implementation = "eager"
    name = (values.get("architectures") or [None])[0]
    if name is None:
        name = transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[config.model_type]
    with torch.device("meta"):
        return getattr(transformers, name)(config).eval()


def is_attention(module):
    return "Attention" in type(module).__name__


def watch(model, counter, extra):
    for module in model.modules():
        name = type(module).__name__
        if is_attention(module) and not any(is_attention(inner) for inner in list(module.modules())[1:]):
            module.register_forward_hook(lambda *_: setattr(extra, "attentions", extra.attentions + 1))
        if name.endswith("Experts"):
            module.forward = experts(module, model.config, extra)
        if name.endswith("RotaryEmbedding") and not getattr(model.config, "alibi", False):
            watch_rotary(module, counter, extra)


def experts(module, config, extra):
    weights = [p for p in module.parameters() if p.dim() == 3]

    def forward(hidden, chosen=None, *_, **__):
        if chosen is None:
            pairs = hidden.shape[0] // module.num_experts * config.num_experts_per_tok
        else:
            pairs = chosen.numel()
        extra.flops += sum(2 * pairs * p.shape[1] * p.shape[2] for p in weights)
        return torch.empty_like(hidden)

    return forward


def watch_rotary(module, counter, extra):
    frequencies = [b for n, b in module.named_buffers() if n.endswith("inv_freq")]
    seen = []
    module.register_forward_pre_hook(lambda *_: seen.append(counter.get_total_flops()))

    def after(_, __, result):
        result = result[0] if isinstance(result, tuple) else result
        tokens = result.shape[0] * result.shape[1]
        if frequencies and counter.get_total_flops() == seen.pop():
            extra.flops += 2 * tokens * frequencies[0].numel()

    module.register_forward_hook(after)


def inputs(model, tokens):
    return {"input_ids": torch.zeros(1, tokens, dtype=torch.long, device="meta")}


def measure(model, **given):
    extra, counter = Extra(), FlopCounterMode(display=False)
    handles = [module for module in model.modules()]
    for module in handles:
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    watch(model, counter, extra)
    with torch.no_grad(), counter:
        result = model(**given)
    return counter.get_total_flops() + extra.flops, extra.attentions, result


def count(values):
    model = build(values)
    row = {"parameters": sum(p.numel() for p in model.parameters())}
    row["flops"], row["attentions"], result = measure(model, **inputs(model, TOKENS))
    cache = getattr(result, "past_key_values", None)
    if cache is not None:
        row["decode_flops"], _, _ = measure(model, past_key_values=cache, **inputs(model, 1))
    return row


def main():
    rows = json.loads(OUTPUT.read_text()) if OUTPUT.exists() and len(sys.argv) > 1 else {}
    rows.pop("transformers", None)
    elsewhere = json.loads((HERE / "encoders_expected.json").read_text())
    for path in sorted(path for folder in FOLDERS for path in folder.glob("*.json")):
        if path.stem in elsewhere or len(sys.argv) > 1 and path.stem not in sys.argv[1:]:
            continue
        try:
            rows[path.stem] = count(json.loads(path.read_text()))
            print(path.stem, rows[path.stem], flush=True)
        except Exception as error:  # noqa: BLE001
            print(f"{path.stem}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    lines = [f'"transformers": {json.dumps(transformers.__version__)}']
    lines += [f"{json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(rows.items())]
    OUTPUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
