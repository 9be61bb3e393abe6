"""Makes `containers/`: small archives with their weights, by a torch that saves weights and constants in one container
each (2.6 to 2.8), and what the model gives for its input.

    python containers.py

The file is named after the torch that wrote it. Needs nothing but that torch.
"""

import json
from pathlib import Path

import torch
from torch import nn

FOLDER = Path(__file__).parent.parent / "containers"


class Model(nn.Module):
    """Has a tied weight, one that is stored the other way round, a part of a larger storage, and a constant."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(3, 4, bias=False)
        self.second.weight = self.first.weight
        self.turned = nn.Parameter(torch.arange(8.0).reshape(2, 4).t())
        self.register_buffer("shift", torch.arange(6.0)[2:4])
        self.narrow = nn.Parameter(torch.tensor([0.5, -0.25], dtype=torch.bfloat16))

    def forward(self, x):
        x = (self.first(x) + self.second(x)) @ self.turned
        return x * torch.tensor([2.0, 3.0]) + self.shift + self.narrow


def main():
    torch.manual_seed(0)
    model, x = Model().eval(), torch.tensor([[1.0, -2.0, 0.5]])
    FOLDER.mkdir(exist_ok=True)
    version = ".".join(torch.__version__.split(".")[:2])
    torch.export.save(torch.export.export(model, (x,)), FOLDER / f"torch{version}.pt2")
    tensors = {name: value.float().tolist() for name, value in model.state_dict().items()}
    expected = {"tensors": tensors, "result": model(x).tolist()}
    (FOLDER / f"torch{version}.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
