"""Exports models to ONNX with both exporters, takes the weights out, and writes what PyTorch counts beside them.

    python make.py OUT [NAME...]

writes `OUT/<model>-<exporter>.onnx.gz` and `OUT/expected.json`. Names select models; without any, the captures that are
kept beside this script are made. Weights above 2 KiB become references to a file that is not there, so a capture holds
the graph, the names and the small tensors only.
"""

import gzip
import json
import logging
import os
import sys
import tempfile
import warnings

import onnx
import torch
from torch.utils.flop_counter import FlopCounterMode

EXPORTERS = {"ts17": (False, 17), "dynamo20": (True, 20), "dynamo23": (True, 23)}
KEPT_BYTES = 2048
TEXT = {"batch": 1, "seq": 128}


class Pick(torch.nn.Module):
    """Calls a model with positional inputs and gives its main result."""

    def __init__(self, model, names, result):
        super().__init__()
        self.model, self.names, self.result = model, names, result

    def forward(self, *inputs):
        given = dict(zip(self.names, inputs))
        if "decoder_input_ids" in given or self.result == "logits":
            given["use_cache"] = False
        results = self.model(**given)
        return tuple(results[name] for name in self.result.split(","))


def plain(make, *shape):
    return lambda: (make().eval(), (torch.zeros(*shape),), ["x"])


def vision(name):
    def build():
        import torchvision

        return getattr(torchvision.models, name)().eval(), (torch.zeros(1, 3, 224, 224),), ["x"]

    return build


def timm_model(name):
    def build():
        import timm

        return timm.create_model(name).eval(), (torch.zeros(1, 3, 224, 224),), ["x"]

    return build


def huggingface(kind, result, inputs=("input_ids",), head=None, shapes=None, **settings):
    def build():
        import transformers

        # Looks at the positions for packed sequences, which neither exporter nor the meta device can follow.
        transformers.masking_utils.find_packed_sequence_indices = lambda *given, **named: None
        config = getattr(transformers, kind + "Config")(**settings)
        model = getattr(transformers, kind + (head or "Model"))(config).eval()
        tensors = []
        for name in inputs:
            shape = (shapes or {}).get(name, (1, 128))
            whole = name.endswith("ids") or name.endswith("mask")
            tensors.append(torch.ones(shape, dtype=torch.int64) if whole else torch.zeros(shape))
        return Pick(model, inputs, result), tuple(tensors), list(inputs)

    return build


SMALL = {"num_hidden_layers": 2, "hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 8}
MODELS = {
    "vit_b_16": vision("vit_b_16"),
    "swin_t": vision("swin_t"),
    "resnet50": vision("resnet50"),
    "convnext_tiny": vision("convnext_tiny"),
    "deit_small": timm_model("deit_small_patch16_224"),
    "efficientnet_b0": timm_model("efficientnet_b0"),
    "bert_base": huggingface("Bert", "last_hidden_state,pooler_output"),
    "bert_masked": huggingface(
        "Bert", "last_hidden_state,pooler_output", ("input_ids", "attention_mask"), **SMALL, vocab_size=1000
    ),
    # What onnxruntime's optimiser finds attention in.
    "bert_eager": huggingface(
        "Bert", "last_hidden_state,pooler_output", ("input_ids", "attention_mask"), **SMALL, vocab_size=1000,
        attn_implementation="eager",
    ),
    "bert_lm": huggingface("Bert", "logits", head="ForMaskedLM", **SMALL, vocab_size=1000),
    "distilbert": huggingface("DistilBert", "last_hidden_state", n_layers=2, n_heads=8, dim=256, hidden_dim=512, vocab_size=1000),
    "gpt2": huggingface("GPT2", "logits", head="LMHeadModel"),
    "gpt2_small": huggingface("GPT2", "logits", head="LMHeadModel", n_layer=2, n_embd=192, vocab_size=1000),
    "llama": huggingface(
        "Llama", "logits", head="ForCausalLM", **SMALL, num_key_value_heads=2, vocab_size=1000
    ),
    # Shared key heads are more than the older exporter can write.
    "llama_mha": huggingface("Llama", "logits", head="ForCausalLM", **SMALL, num_key_value_heads=8, vocab_size=1000),
    "qwen2": huggingface(
        "Qwen2", "logits", head="ForCausalLM", **SMALL, num_key_value_heads=2, vocab_size=1000,
        tie_word_embeddings=True,
    ),
    "t5": huggingface(
        "T5", "logits", ("input_ids", "decoder_input_ids"), head="ForConditionalGeneration",
        d_model=128, d_kv=32, d_ff=256, num_layers=2, num_heads=4, vocab_size=1000,
    ),
    "whisper": huggingface(
        "Whisper", "logits", ("input_features", "decoder_input_ids"), head="ForConditionalGeneration",
        shapes={"input_features": (1, 80, 3000), "decoder_input_ids": (1, 128)},
        d_model=128, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4,
        encoder_ffn_dim=256, decoder_ffn_dim=256, vocab_size=1000, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1,
    ),
    "clip": huggingface(
        "CLIP", "logits_per_image", ("input_ids", "pixel_values"),
        shapes={"input_ids": (1, 77), "pixel_values": (1, 3, 224, 224)},
        text_config={**SMALL, "vocab_size": 1000, "projection_dim": 64},
        vision_config={**SMALL, "patch_size": 32, "projection_dim": 64}, projection_dim=64,
    ),
}
DYNAMIC = {
    "vit_b_16": {"x": {0: "batch"}},
    "bert_base": {"input_ids": {0: "batch", 1: "seq"}},
    "llama": {"input_ids": {0: "batch", 1: "seq"}},
    "llama_mha": {"input_ids": {0: "batch", 1: "seq"}},
    "gpt2_small": {"input_ids": {0: "batch", 1: "seq"}},
}
KEPT = [
    "vit_b_16-ts17", "vit_b_16-dynamo20", "vit_b_16-dynamo23", "vit_b_16-dynamo20-dynamic", "vit_b_16-ts17-dynamic",
    "bert_base-ts17", "bert_base-dynamo20", "bert_base-dynamo23", "bert_base-ts17-dynamic", "bert_base-dynamo20-dynamic",
    "bert_base-ts17-merged", "bert_base-dynamo20-merged", "bert_lm-dynamo20",
    "swin_t-ts17", "swin_t-dynamo20", "resnet50-ts17", "resnet50-dynamo20", "convnext_tiny-ts17",
    "convnext_tiny-dynamo20", "deit_small-ts17", "deit_small-dynamo20", "efficientnet_b0-ts17",
    "efficientnet_b0-dynamo20", "distilbert-ts17", "distilbert-dynamo20", "gpt2-dynamo20", "gpt2_small-ts17",
    "gpt2_small-dynamo20-dynamic", "llama_mha-ts17", "llama-dynamo20", "llama-dynamo23", "llama-dynamo23-dynamic",
    "llama_mha-ts17-dynamic", "qwen2-dynamo23", "t5-ts17", "t5-dynamo20", "whisper-ts17", "whisper-dynamo20",
    "clip-ts17", "clip-dynamo20",
]


def tensor_elements(tensors):
    return sum(tensor.numel() for tensor in {id(tensor): tensor for tensor in tensors}.values())


def figures(build):
    """What PyTorch says about a model: its tensors, and the work that it counts on the meta device."""
    with torch.device("meta"):
        model, inputs, names = build()
    if "attention_mask" in names:
        # Looking into a mask is nothing that the meta device can do; it changes no product.
        kept = [at for at, name in enumerate(names) if name != "attention_mask"]
        model.names, inputs = [names[at] for at in kept], [inputs[at] for at in kept]
    counter = FlopCounterMode(display=False, depth=20)
    with torch.no_grad(), counter:
        model(*inputs)
    tables = sum(
        sum(work.values())
        for module, work in counter.get_flop_counts().items()
        if module.endswith("rotary_emb")
    )
    return {
        "parameters": tensor_elements(model.parameters()),
        "contraction_flops": counter.get_total_flops(),
        "position_table_flops": tables,
    }


def strip(model):
    """Points every large tensor to a file that is not there, and drops what only debuggers read."""
    offset = 0
    for tensor in model.graph.initializer:
        length = len(tensor.raw_data)
        if tensor.data_location == onnx.TensorProto.EXTERNAL or length <= KEPT_BYTES:
            continue
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", "weights.bin"), ("offset", str(offset)), ("length", str(length))):
            tensor.external_data.add(key=key, value=value)
        offset += length
    for item in [*model.graph.node, *model.graph.value_info, *model.graph.initializer]:
        kept = [p for p in item.metadata_props if not p.key.endswith("stack_trace")]
        del item.metadata_props[:]
        item.metadata_props.extend(kept)
        if hasattr(item, "doc_string"):
            item.ClearField("doc_string")


def distinct(model):
    """Gives every tensor elements of its own: exporters store equal tensors once and drop biases that are zero."""
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            if tensor.is_floating_point() and tensor.dim() > 0:
                tensor.copy_(torch.rand_like(tensor) * 0.02 + 0.01)


def fuse(path):
    """The model as onnxruntime's optimiser writes it, with operators of `com.microsoft`."""
    from onnxruntime.transformers import optimizer

    heads, width = SMALL["num_attention_heads"], SMALL["hidden_size"]
    optimised = optimizer.optimize_model(path, model_type="bert", num_heads=heads, hidden_size=width, opt_level=0)
    return optimised.model


def export(build, exporter, axes, merged=False, fused=False):
    model, inputs, names = build()
    if not merged:
        distinct(model)
    dynamo, opset = EXPORTERS[exporter]
    dynamic = {}
    if axes and dynamo:
        dims = {name: torch.export.Dim(name, min=2) for shape in axes.values() for name in shape.values()}
        named = {given: {axis: dims[dim] for axis, dim in shape.items()} for given, shape in axes.items()}
        inputs = tuple(t.expand(2, *t.shape[1:]).contiguous() for t in inputs)
        shapes = tuple(named.get(name, {}) for name in names)
        dynamic = {"dynamic_shapes": shapes if not isinstance(model, Pick) else (shapes,)}
    elif axes:
        dynamic = {"dynamic_axes": axes}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        with torch.no_grad():
            torch.onnx.export(
                model, inputs, path, dynamo=dynamo, opset_version=opset, input_names=names, **dynamic,
                **({"verbose": False} if dynamo else {}),
            )
        loaded = fuse(path) if fused else onnx.load(path)
        if os.environ.get("KEEP_WEIGHTS"):
            onnx.save(loaded, os.environ["KEEP_WEIGHTS"])
    strip(loaded)
    return loaded.SerializeToString(deterministic=True)


def main():
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.manual_seed(0)
    torch.backends.mha.set_fastpath_enabled(False)
    out, wanted = sys.argv[1], sys.argv[2:] or KEPT
    os.makedirs(out, exist_ok=True)
    path = os.path.join(out, "expected.json")
    expected = {}
    if os.path.exists(path):
        with open(path) as file:
            expected = json.load(file)
    for capture in wanted:
        name, exporter, *rest = capture.split("-")
        build = MODELS[name]
        try:
            axes = DYNAMIC[name] if "dynamic" in rest else None
            model = export(build, exporter, axes, "merged" in rest, "fused" in rest)
            if name not in expected:
                expected[name] = figures(build)
        except Exception as error:
            print(f"{capture}: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr, flush=True)
            continue
        with open(os.path.join(out, f"{capture}.onnx.gz"), "wb") as file:
            file.write(gzip.compress(model, 9, mtime=0))
        print(capture, os.path.getsize(os.path.join(out, f"{capture}.onnx.gz")), expected[name], flush=True)
        with open(path, "w") as file:
            json.dump(expected, file, indent=1, sort_keys=True)
            file.write("\n")


if __name__ == "__main__":
    main()
