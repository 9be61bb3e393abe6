"""Plans beside what PyTorch launches."""

from __future__ import annotations

import shutil

import pytest
import torch
from test_optimize import bert
from torch import nn

from fusewright.fx_shapes import slow_attention_path
from fusewright.torch import capture, count_kernels, kernels_of

needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None and shutil.which("clang++") is None,
    reason="torch.compile writes C++ for the processor",
)


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(16, 64), nn.Linear(64, 16)
        self.norm = nn.LayerNorm(16)

    def forward(self, x):
        y = self.down(torch.nn.functional.gelu(self.up(x.transpose(0, 1).contiguous())))
        return self.norm(y + 1.0).reshape(-1)


def test_kernels_are_operators_that_do_work():
    counts = count_kernels(Mlp().eval(), torch.randn(4, 3, 16))
    assert counts == {
        "aten::clone": 1,
        "aten::addmm": 2,
        "aten::gelu": 1,
        "aten::add": 1,
        "aten::native_layer_norm": 1,
    }
    kinds = [kernel.kind for kernel in kernels_of(Mlp(), torch.randn(4, 3, 16))]
    assert kinds == ["other", "product", "other", "product", "other", "other"]


def test_an_eager_pass_launches_what_the_eager_plan_says():
    seen = capture(Mlp().eval(), torch.randn(4, 3, 16), compile=False)
    assert seen.predicted == seen.measured == {"product": 2, "other": 4}
    assert seen.matched == len(seen.kernels) == 6
    assert all(match.measured_us > 0 for match in seen.matches)
    # The norm also writes mean and deviation of its twelve rows, for a backward pass.
    assert seen.eager_bytes - seen.predicted_bytes == 12 * 2 * 4
    assert "6 kernels launched (eager), 6 predicted" in str(seen)


def test_attention_layers_are_planned_as_pytorch_runs_them():
    class Attends(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

        def forward(self, x):
            return self.attention(x, x, x, need_weights=False)[0]

    with slow_attention_path():
        seen = capture(Attends().eval(), torch.randn(2, 5, 16), compile=False)
    assert seen.analysis.name == "Attends"
    assert seen.predicted["attention"] == seen.measured["attention"] == 1
    assert seen.predicted["product"] == seen.measured["product"] == 2
    assert {"attention", "product"} <= {match.kind for match in seen.matches if match.kernel}


@pytest.mark.heavy
@needs_compiler
def test_a_compiled_pass_beside_the_compiled_plan():
    torch.manual_seed(0)
    model, inputs = bert()
    seen = capture(model.eval(), inputs)
    assert seen.measured["product"] == seen.predicted["product"] == 13
    assert seen.measured["attention"] == seen.predicted["attention"] == 2
    assert 0 < seen.measured["loop"] <= seen.predicted["loop"]
    assert seen.matched >= 15
    names = {match.kernel for match in seen.matches if match.group is not None and match.kernel}
    assert any("cpp_fused" in name for name in names)
    assert seen.compiled_bytes < seen.eager_bytes
    assert seen.predicted_bytes == pytest.approx(seen.compiled_bytes, rel=0.1)
    assert {"group", "kernel", "predicted_us"} <= set(seen.rows()[0])
