"""Annotated models beside the exports they come from: valid, equal in what they compute, and with the plan in them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from optimize_models import case, export, feeds
from test_optimize_onnx import interface, results

QUICK = [
    ("bert-masked", "ts-17", True),
    ("llama-masked", "dynamo-20", False),
    ("swin", "ts-17", False),
]


def notes(entries) -> dict[str, str]:
    return {each.key: each.value for each in entries if each.key.startswith("fusewright.")}


def without_notes(node: onnx.NodeProto) -> bytes:
    bare = onnx.NodeProto.FromString(node.SerializeToString())
    kept = [each for each in bare.metadata_props if not each.key.startswith("fusewright.")]
    del bare.metadata_props[:]
    bare.metadata_props.extend(kept)
    return bare.SerializeToString(deterministic=True)


@pytest.mark.parametrize(("name", "form", "dynamic"), QUICK)
def test_annotated_models_are_the_same_models(built: Path, tmp_path: Path, name, form, dynamic):
    wanted = case(name)
    model, output = tmp_path / "model.onnx", tmp_path / "planned.onnx"
    export(wanted, form, dynamic, model)
    words = ["--strategy", "attention", "--groups", "--format", "json", "--hw", "a100-sxm-80", "-q"]
    ran = subprocess.run(
        [built, "plan", model, "--annotate", output, *words],
        capture_output=True,
        text=True,
        check=True,
    )
    groups = json.loads(ran.stdout)["groups"]
    onnx.checker.check_model(output, full_check=True)
    assert interface(output) == interface(model)
    before, after = onnx.load(model), onnx.load(output)
    assert notes(after.metadata_props)["fusewright.strategy"] == "attention"
    assert [without_notes(node) for node in after.graph.node] == [
        without_notes(node) for node in before.graph.node
    ]
    # Every kernel of the plan is said of some node, and what is said is what the plan says.
    said: dict[str, str] = {}
    for node in after.graph.node:
        of_node = notes(node.metadata_props)
        if of_node:
            numbers, patterns = (
                of_node[f"fusewright.{key}"].split(", ") for key in ("group", "pattern")
            )
            said |= dict(zip(numbers, patterns, strict=True))
    kernels = {str(group["id"]): group for group in groups if group["kind"] != "view"}
    assert kernels.keys() <= said.keys()
    for number, group in kernels.items():
        if group["kind"] == "fused":
            assert said[number] == group["pattern"]
    inputs = list(feeds(wanted, dynamic))
    for one, other in zip(results(model, inputs), results(output, inputs), strict=True):
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)
