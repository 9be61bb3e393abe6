"""Writes tests/encoders_expected.json: what the classes of transformers compute for encoders, encoder-decoders and vision
models.

Each model is built on the meta device from the very file that the reader reads and run with B = 1, S = 128 and as many
target tokens (fewer where there are fewer positions), images and sounds of the size that the configuration says. Counted
are unique parameters, FLOPs of contractions, and attentions, one softmax each. A model that generates is also run for
one more token after those, with what it has cached. Rotary tables are added where the class multiplies element by
element: one product of frequencies and positions for each sequence. For the small configurations of tests/configs the
names of all parameters are kept as well, all those of a shared one in one line.

Run with a Python that has torch and transformers: `python tests/encoders.py [NAME...]`.
"""

import json
import pathlib
import sys

import torch
import transformers
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig

HERE = pathlib.Path(__file__).parent
OUTPUT = HERE / "encoders_expected.json"
TOKENS = 128

TEXT = {
    "albert": "AlbertModel",
    "bert": "BertModel",
    "camembert": "CamembertModel",
    "deberta-v2": "DebertaV2Model",
    "distilbert": "DistilBertModel",
    "electra": "ElectraModel",
    "modernbert": "ModernBertModel",
    "mpnet": "MPNetModel",
    "roberta": "RobertaModel",
    "xlm-roberta": "XLMRobertaModel",
    "clip_text_model": "CLIPTextModel",
    "siglip_text_model": "SiglipTextModel",
}
PAIRS = {
    "bart": "BartForConditionalGeneration",
    "m2m_100": "M2M100ForConditionalGeneration",
    "marian": "MarianMTModel",
    "mbart": "MBartForConditionalGeneration",
    "mt5": "MT5ForConditionalGeneration",
    "pegasus": "PegasusForConditionalGeneration",
    "t5": "T5ForConditionalGeneration",
    "umt5": "UMT5ForConditionalGeneration",
    "whisper": "WhisperForConditionalGeneration",
}
IMAGES = {
    "beit": "BeitModel",
    "convnext": "ConvNextModel",
    "deit": "DeiTModel",
    "dinov2": "Dinov2Model",
    "segformer": "SegformerModel",
    "swin": "SwinModel",
    "vit": "ViTModel",
    "clip_vision_model": "CLIPVisionModel",
    "siglip_vision_model": "SiglipVisionModel",
}
BOTH = {"clip": "CLIPModel", "siglip": "SiglipModel"}
CLASSES = {**TEXT, **PAIRS, **IMAGES, **BOTH}


class Softmaxes(TorchDispatchMode):
    """Counts applications of softmax."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function in (torch.ops.aten._softmax.default, torch.ops.aten._safe_softmax.default)
        return function(*args, **(kwargs or {}))


def device(config):
    # DeBERTa reads an element of a tensor, which no meta tensor has.
    return "cpu" if config.model_type == "deberta-v2" else "meta"


def build(values):
    given = dict(values)
    config = AutoConfig.for_model(given.pop("model_type"), **given)
    config._attn_implementation = "eager"
    name = (values.get("architectures") or [None])[0] or CLASSES[config.model_type]
    with torch.device(device(config)):
        return getattr(transformers, name)(config).eval().requires_grad_(False)


def ids(config, tokens=TOKENS):
    positions = getattr(config, "max_position_embeddings", None)
    if positions and config.model_type in ("clip_text_model", "siglip_text_model"):
        tokens = min(tokens, positions)
    return torch.zeros(1, tokens, dtype=torch.long, device=device(config))


def image(config):
    size = config.image_size
    size = list(size) if isinstance(size, (list, tuple)) else [size, size]
    return torch.zeros(1, config.num_channels, *size, device="meta")


def inputs(config):
    kind = config.model_type
    if kind == "whisper":
        sound = torch.zeros(1, config.num_mel_bins, 2 * config.max_source_positions, device="meta")
        return {"input_features": sound, "decoder_input_ids": ids(config)}
    if kind in PAIRS:
        return {"input_ids": ids(config), "decoder_input_ids": ids(config)}
    if kind in BOTH:
        return {"input_ids": ids(config.text_config), "pixel_values": image(config.vision_config)}
    return {"pixel_values": image(config)} if kind in IMAGES else {"input_ids": ids(config)}


def rotary_flops(model, given):
    total = 0
    for module in model.modules():
        if type(module).__name__.endswith("RotaryEmbedding"):
            frequencies = [b for n, b in module.named_buffers() if n.endswith("inv_freq") and "original" not in n]
            total += sum(2 * given["input_ids"].numel() * b.numel() for b in frequencies)
    return total


def measure(model, given):
    counter, softmaxes = FlopCounterMode(display=False), Softmaxes()
    with torch.no_grad(), counter, softmaxes:
        result = model(**given)
    return counter.get_total_flops(), softmaxes.count, result


def count(values, names):
    model = build(values)
    given = inputs(model.config)
    flops, attentions, result = measure(model, given)
    row = {"parameters": sum(p.numel() for p in model.parameters())}
    row["flops"], row["attentions"] = flops + rotary_flops(model, given), attentions
    if model.config.model_type in PAIRS and hasattr(result, "logits") and result.past_key_values is not None:
        memory = (result.encoder_last_hidden_state,)
        step = {"decoder_input_ids": ids(model.config, 1), "past_key_values": result.past_key_values}
        row["decode_flops"], _, _ = measure(model, {"encoder_outputs": memory, **step})
    if names:
        shared = {}
        for name, parameter in model.named_parameters(remove_duplicate=False):
            shared.setdefault(id(parameter), []).append(name)
        row["names"] = sorted(" ".join(names) for names in shared.values())
    return row


def main():
    rows = json.loads(OUTPUT.read_text()) if OUTPUT.exists() and len(sys.argv) > 1 else {}
    rows.pop("transformers", None)
    for folder in (HERE.parent / "configs", HERE / "configs"):
        for path in sorted(folder.glob("*.json")):
            values = json.loads(path.read_text())
            if values["model_type"] not in CLASSES or len(sys.argv) > 1 and path.stem not in sys.argv[1:]:
                continue
            try:
                rows[path.stem] = count(values, folder.parent == HERE)
            except Exception as error:  # noqa: BLE001
                print(f"{path.stem}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                continue
            print(path.stem, {key: value for key, value in rows[path.stem].items() if key != "names"}, flush=True)
    lines = [f'"transformers": {json.dumps(transformers.__version__)}']
    lines += [f"{json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(rows.items())]
    OUTPUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
