"""``fusewright run`` of a folder of the hub computes what the class of transformers computes."""

from __future__ import annotations

import inspect
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file, save_file
from transformers import AutoConfig

from execution.agreement import difference, run_fusewright, tensors_of
from replay import binary

CONFIGS = Path(__file__).parents[2] / "crates/fusewright-hf/tests/configs"
WORDS = 12

DIFFERENT = {
    "clip-text-projected": "the word that stands for a text is the last one in the graph",
    "clip-towers": "the word that stands for a text is the last one in the graph",
    "gemma3-bidirectional": "the graph has no window where attention looks both ways",
    "falcon-alibi": "the class rounds its bias to 16 bits",
    "dinov2-swiglu": "gates and values are one tensor in checkpoints",
}
"""Configurations whose results differ, and why."""

QUICK = ["llama-biases", "gpt2-scales", "bert-masked", "t5-gated", "marian-tiny", "mixtral-window"]
QUICK += ["gemma2-small", "vit-model", "swin-shifted", "segformer-masks", "bloom-after-norm"]
OTHERS = sorted({path.stem for path in CONFIGS.glob("*.json")} - set(QUICK) - set(DIFFERENT))

ROPES: dict[str, dict[str, Any]] = {
    "plain": {"rope_theta": 500000.0},
    "linear": {"rope_type": "linear", "factor": 4.0},
    "dynamic": {"rope_type": "dynamic", "factor": 4.0},
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16},
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    },
    "longrope": {
        "rope_type": "longrope",
        "factor": 4.0,
        "original_max_position_embeddings": 8,
        "short_factor": [1.0 + step / 8 for step in range(8)],
        "long_factor": [2.0 + step for step in range(8)],
    },
}
"""Ways to stretch rotary positions."""

CONFIG_CLASS = transformers.models.auto.configuration_auto.CONFIG_MAPPING


def class_of(values: dict[str, Any]) -> Any:
    """The class that a configuration names, else the usual one of its type."""
    for name in values.get("architectures") or []:
        return getattr(transformers, name)
    config = CONFIG_CLASS[values["model_type"]]
    pairs, masked, causal, plain = (
        getattr(transformers, f"AutoModel{head}")._model_mapping
        for head in ("ForSeq2SeqLM", "ForMaskedLM", "ForCausalLM", "")
    )
    if config in pairs:
        return pairs[config]
    return causal[config] if config in causal and config not in masked else plain[config]


def saved(values: dict[str, Any], folder: Path) -> Any:
    """A model with random weights that was written to a folder and read again."""
    torch.manual_seed(0)
    given = dict(values)
    config = AutoConfig.for_model(given.pop("model_type"), **given)
    config.dtype = torch.float32
    model = class_of(values)(config).float().eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if config.model_type == "marian" and "embed_positions" in name:
                continue
            spread = 0.1 if value.ndim < 2 else 0.5 if "embed" in name else value.shape[-1] ** -0.5
            value.add_(torch.randn_like(value) * spread)
        for name, value in model.named_buffers():
            if name.endswith("running_var"):
                value.copy_(torch.rand_like(value) + 0.5)
    model.save_pretrained(folder)
    read = type(model).from_pretrained(
        folder, attn_implementation="eager", experts_implementation="eager", dtype=torch.float32
    )
    return read.eval()


def inputs_of(model: Any) -> dict[str, torch.Tensor]:
    """What the model takes: words, an image, a spectrogram."""
    generator = torch.Generator().manual_seed(1)
    config, takes = model.config, set(inspect.signature(model.forward).parameters)
    given: dict[str, torch.Tensor] = {}
    for name in ("input_ids", "decoder_input_ids"):
        if name in takes:
            given[name] = torch.randint(3, 50, (1, WORDS), generator=generator)
    if "pixel_values" in takes:
        seen = getattr(config, "vision_config", config)
        size = getattr(seen, "image_size", 224)
        size = list(size) if isinstance(size, (list, tuple)) else [size, size]
        given["pixel_values"] = torch.randn(1, seen.num_channels, *size, generator=generator)
    if "input_features" in takes:
        shape = (1, config.num_mel_bins, 2 * config.max_source_positions)
        given["input_features"] = torch.randn(shape, generator=generator)
        given.pop("input_ids", None)
    return given


def check(values: dict[str, Any], folder: Path) -> None:
    model = saved(values, folder)
    given = inputs_of(model)
    uses_cache = "use_cache" in inspect.signature(model.forward).parameters
    with torch.no_grad():
        expected = tensors_of(model(**given, **({"use_cache": False} if uses_cache else {})))
    dims = [f"{name}={WORDS}" for name in ("seq", "target_seq")]
    sizes = {"input_ids": dims[:1], "decoder_input_ids": dims[1:]}
    if "decoder_input_ids" in given and "input_ids" in given:
        sizes = {"decoder_input_ids": dims}
    bound = [dim for name in given for dim in sizes.get(name, [])]
    found = run_fusewright(
        binary(),
        folder / "config.json",
        {name: value.numpy() for name, value in given.items()},
        dims=bound,
    )
    first = found[0]
    alike = [value.numpy() for value in expected if tuple(value.shape) == first.shape]
    if not alike:
        # A head whose columns the class hands out one by one.
        alike = [
            torch.stack(
                [value for value in expected if value.shape == first.shape[:-1]], -1
            ).numpy()
        ]
    assert min(difference(value, first) for value in alike) < 1e-4


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("name", QUICK)
def test_a_checkpoint_is_run(name, tmp_path):
    check(json.loads((CONFIGS / f"{name}.json").read_text()), tmp_path)


@pytest.mark.heavy
@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("name", OTHERS)
def test_checkpoints_of_all_families_are_run(name, tmp_path):
    check(json.loads((CONFIGS / f"{name}.json").read_text()), tmp_path)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("kind", ROPES)
def test_stretched_positions_are_those_of_the_class(kind, tmp_path):
    values = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "vocab_size": 100}
    values |= {"num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64}
    check(values | {"rope_parameters": {"rope_theta": 10000.0} | ROPES[kind]}, tmp_path)


@pytest.mark.usefixtures("built")
def test_what_a_checkpoint_lacks_is_said(tmp_path):
    values = json.loads((CONFIGS / "llama-biases.json").read_text())
    saved(values, tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    gone = next(name for name in tensors if name.endswith("q_proj.weight"))
    del tensors[gone]
    save_file(
        {name: np.ascontiguousarray(value) for name, value in tensors.items()},
        tmp_path / "model.safetensors",
    )
    shown = subprocess.run([binary(), "plan", tmp_path], capture_output=True, text=True)
    assert gone in shown.stdout + shown.stderr
