"""fusewright: plan, prove and apply operator fusion in transformer graphs.

``fusewright.fx`` writes a live PyTorch module as the FX JSON that the planner reads.
Importing the package alone does not import torch.
"""
