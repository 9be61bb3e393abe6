"""``fusewright run`` computes what PyTorch and ONNX Runtime compute, for every export of a model."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
import torch

from agreement.models import chosen
from execution.agreement import FORMS, agreement, difference, run_fusewright
from replay import binary

QUICK = [each.name for each in chosen([], "quick") if "tiny" in each.sizes]
LARGE = ["vit_b_16", "bert-base", "gpt2", "t5-small"]


def disagreements(name, size, forms, folder):
    rows = [agreement(chosen([name], "")[0], size, form, binary(), folder) for form in forms]
    ran = [row for row in rows if not row.problem.startswith("not exported")]
    assert ran, f"no form of {name} could be exported"
    return [row for row in ran if not row.agrees]


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("name", QUICK)
def test_exports_run_as_in_torch_and_onnx_runtime(name, tmp_path):
    assert not disagreements(name, "tiny", FORMS, tmp_path)


@pytest.mark.heavy
@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("name", LARGE)
def test_models_of_usual_widths_agree_too(name, tmp_path):
    assert not disagreements(name, "short", ("pt2", "onnx-20"), tmp_path)


def plain(path, activation):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), activation, torch.nn.Linear(16, 4)).eval()
    torch.export.save(torch.export.export(model, (torch.zeros(3, 8),)), path)
    return model


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("strategy", ["eager", "attention", "optimal"])
def test_plans_give_what_the_module_gives(strategy, tmp_path):
    file = tmp_path / "model.pt2"
    model = plain(file, torch.nn.GELU())
    x = torch.randn(3, 8)
    (found,) = run_fusewright(binary(), file, {"input": x.numpy()}, strategy)
    assert difference(model(x).detach().numpy(), found) < 1e-5


@pytest.mark.usefixtures("built")
def test_verify_tells_equal_models_from_different_ones(tmp_path):
    for name, activation in {
        "a": torch.nn.GELU(),
        "b": torch.nn.GELU(),
        "c": torch.nn.ReLU(),
    }.items():
        plain(tmp_path / f"{name}.pt2", activation)

    def verify(other):
        command = [str(binary()), "verify", str(tmp_path / "a.pt2"), str(tmp_path / other)]
        return subprocess.run(command, capture_output=True, text=True)

    assert verify("b.pt2").returncode == 0
    found = verify("c.pt2")
    assert found.returncode == 1
    assert "first difference" in found.stdout


def test_a_difference_counts_shape_nan_and_infinity():
    x = np.array([1.0, -4.0, np.nan])
    assert difference(x, x) == 0.0
    assert difference(x, np.array([1.5, -4.0, np.nan])) == pytest.approx(0.125)
    assert difference(x, np.array([1.0, -4.0, 0.0])) == float("inf")
    assert difference(x, x[:2]) == float("inf")
