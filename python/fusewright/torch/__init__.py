"""Plans applied to live modules, and plans held against what PyTorch launches.

import fusewright.torch

fast = fusewright.torch.optimize(model, example_inputs)
print(fast.fusewright)
seen = fusewright.torch.capture(model, example_inputs)
"""

from fusewright.torch.capture import Capture, capture
from fusewright.torch.kernels import Kernel, count_kernels, kernels_of
from fusewright.torch.optimize import Optimization, optimize, unpack

__all__ = [
    "Capture",
    "Kernel",
    "Optimization",
    "capture",
    "count_kernels",
    "kernels_of",
    "optimize",
    "unpack",
]
