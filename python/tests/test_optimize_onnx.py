"""Optimized models against the exports they come from, both run by ONNX Runtime."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from optimize_models import CASES, FORMS, case, export, feeds
from torch.onnx.errors import OnnxExporterError

TOLERANCE = 1e-4
"""Largest difference, relative to the largest element of a result, in single precision."""

TARGETS = {
    "ort": ["--target", "ort"],
    "onnx": ["--target", "onnx", "--opset", "23"],
}

# Where an exporter fails, or writes a model that runs at the sizes of the export only.
NOT_EXPORTED = {
    ("gpt2", "ts-17"),
    ("llama", "ts-17"),
    ("qwen3", "ts-17"),
    ("whisper", "ts-17"),
}

GROUPED = {"falcon", "gpt2", "llama", "qwen3"}
"""Decoders without a mask of the caller: each of their attentions is one of grouped queries for ONNX Runtime."""

QUICK = [
    ("bert-masked", "ts-17", True),
    ("llama-masked", "ts-17", True),
    ("llama", "dynamo-20", True),
    ("gpt2-masked", "dynamo-20", True),
    ("t5", "ts-17", True),
    ("vit", "ts-17", True),
    ("swin", "ts-17", False),
]
ALL = [
    (each.name, form, dynamic)
    for each in CASES
    for form in FORMS
    for dynamic in (False, True)
    # Sizes that are written in the file are the easier case, and the same for all versions of operators.
    if (each.name, form) not in NOT_EXPORTED and (dynamic or form == "ts-17")
]


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def results(path: Path, inputs: list[dict[str, np.ndarray]]) -> list[list[np.ndarray]]:
    made = session(path)
    names = {each.name for each in made.get_inputs()}
    return [
        made.run(None, {name: value for name, value in each.items() if name in names})
        for each in inputs
    ]


def difference(before: np.ndarray, after: np.ndarray) -> float:
    assert before.shape == after.shape
    assert np.array_equal(np.isnan(before), np.isnan(after))
    largest = max(float(np.nanmax(np.abs(before), initial=0)), 1e-9)
    return float(np.nanmax(np.abs(before - after), initial=0)) / largest


def interface(path: Path) -> list[tuple[str, str]]:
    graph = onnx.load(path, load_external_data=False).graph
    return [(each.name, str(each.type)) for each in (*graph.input, *graph.output)]


def check(built: Path, folder: Path, name: str, form: str, dynamic: bool) -> None:
    wanted = case(name)
    model = folder / "model.onnx"
    export(wanted, form, dynamic, model)
    inputs = list(feeds(wanted, dynamic))
    try:
        before = results(model, inputs)
    except Exception as error:  # noqa: BLE001 - runtimes raise anything
        pytest.skip(f"the export itself does not run: {error}")
    for target, options in TARGETS.items():
        output = folder / f"{target}.onnx"
        arguments = ["optimize", model, "-o", output, "--force", "--format", "json", *options]
        ran = subprocess.run([built, *arguments], capture_output=True, text=True, check=True)
        report = json.loads(ran.stdout)
        attention = report["attention"]
        assert attention["found"] == wanted.attentions
        assert attention["fused"] + attention["already"] == attention["found"], report["skipped"]
        assert interface(output) == interface(model)
        if target == "ort" and name in GROUPED and form == "dynamo-20":
            fused = [
                each["operator"] for each in report["changes"] if each["rewrite"] == "attention"
            ]
            assert fused == ["com.microsoft.GroupQueryAttention"] * wanted.attentions
        if target == "onnx":
            onnx.checker.check_model(output, full_check=True)
        for one, other in zip(before, results(output, inputs), strict=True):
            for left, right in zip(one, other, strict=True):
                assert difference(left, right) <= TOLERANCE


@pytest.mark.parametrize(("name", "form", "dynamic"), QUICK)
def test_optimized_models_agree(built, tmp_path, name, form, dynamic):
    check(built, tmp_path, name, form, dynamic)


@pytest.mark.parametrize("name", ["llama-masked", "bert-eager"])
@pytest.mark.parametrize("form", ["ts-17", "dynamo-20"])
def test_rows_that_see_nothing_are_what_they_were(built, tmp_path, name, form):
    model = tmp_path / "model.onnx"
    export(case(name), form, True, model)
    # Texts that begin late: the first rows of a decoder see no word.
    mask = np.ones((2, 9), np.int64)
    mask[1, :3] = 0
    words = np.random.default_rng(0).integers(3, 90, (2, 9))
    inputs = [{"input_ids": words, "attention_mask": mask}]
    before = results(model, inputs)
    for target, options in TARGETS.items():
        output = tmp_path / f"{target}.onnx"
        arguments = ["optimize", model, "-o", output, "--force", *options]
        subprocess.run([built, *arguments], capture_output=True, check=True)
        for left, right in zip(before[0], results(output, inputs)[0], strict=True):
            assert difference(left, right) <= TOLERANCE


def test_a_device_decides_what_is_packed(built, tmp_path):
    model = tmp_path / "model.onnx"
    export(case("llama"), "dynamo-20", False, model)
    inputs = list(feeds(case("llama"), False))
    before = results(model, inputs)
    packed = {}
    for options in (["--pack"], ["--hw", "h100-sxm"], []):
        output = tmp_path / "packed.onnx"
        arguments = ["optimize", model, "-o", output, "--force", "--format", "json"]
        ran = subprocess.run(
            [built, *arguments, "--target", "ort", *options],
            capture_output=True,
            text=True,
            check=True,
        )
        changes = json.loads(ran.stdout)["changes"]
        packed["".join(options)] = sum(each["rewrite"] == "packed-projections" for each in changes)
        for one, other in zip(before, results(output, inputs), strict=True):
            for left, right in zip(one, other, strict=True):
                assert difference(left, right) <= TOLERANCE
    assert packed[""] == 0
    assert 0 < packed["--hwh100-sxm"] <= packed["--pack"]


@pytest.mark.heavy
@pytest.mark.parametrize(("name", "form", "dynamic"), ALL)
def test_all_optimized_models_agree(built, tmp_path, name, form, dynamic):
    try:
        check(built, tmp_path, name, form, dynamic)
    except OnnxExporterError as error:
        pytest.skip(f"the exporter fails: {error}")
