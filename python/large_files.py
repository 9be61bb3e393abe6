"""Writes model files as large as people have them: ``python3 large_files.py FOLDER``.

For measuring that planning reads no weights. ``bert.pt2`` is what ``torch.export.save`` makes of
BERT-base, 439 MB. The ONNX files hold 48 linear layers with 3.2 GB of zeros, in the file itself
and beside it; on file systems with holes the zeros take no room.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import transformers
from onnx import TensorProto, helper

LAYERS, WIDTH, ROWS = 48, 4096, 128
SIZE = WIDTH * WIDTH * 4

# Numbers of fields, with the mark of a field that has a length.
GRAPH, INITIALIZER, RAW_DATA = (number << 3 | 2 for number in (7, 5, 9))


def bert(path: Path) -> None:
    """BERT-base with random weights."""
    model = transformers.BertModel(transformers.BertConfig()).eval()
    words = {"input_ids": torch.ones(1, ROWS, dtype=torch.int64)}
    with torch.no_grad():
        torch.export.save(torch.export.export(model, (), words, strict=False), path)


def weight(layer: int) -> TensorProto:
    """The matrix of a layer without its data."""
    return TensorProto(name=f"w{layer}", data_type=TensorProto.FLOAT, dims=[WIDTH, WIDTH])


def graph(weights: list[TensorProto]) -> bytes:
    """The layers with these weights."""
    nodes = []
    for layer in range(LAYERS):
        nodes += [
            helper.make_node("MatMul", [f"h{layer}", f"w{layer}"], [f"m{layer}"]),
            helper.make_node("Relu", [f"m{layer}"], [f"h{layer + 1}"]),
        ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, ROWS, WIDTH])
        for name in ("h0", f"h{LAYERS}")
    ]
    made = helper.make_graph(nodes, "layers", ends[:1], ends[1:], weights)
    return made.SerializeToString()


def header() -> bytes:
    """All of a model but its graph."""
    empty = helper.make_model(
        helper.make_graph([], "", [], []), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    empty.ClearField("graph")
    return empty.SerializeToString()


def number(value: int) -> bytes:
    """A length as protobuf writes it."""
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + number(rest) if rest else bytes([low])


def weights_inside(path: Path) -> None:
    """A file beyond the 2 GB that protobuf libraries write, so by hand."""
    rest = graph([])
    heads = []
    for layer in range(LAYERS):
        tensor = weight(layer).SerializeToString() + bytes([RAW_DATA]) + number(SIZE)
        heads.append(bytes([INITIALIZER]) + number(len(tensor) + SIZE) + tensor)
    length = len(rest) + sum(len(head) + SIZE for head in heads)
    with path.open("wb") as file:
        file.write(header() + bytes([GRAPH]) + number(length))
        for head in heads:
            file.write(head)
            file.seek(SIZE, 1)
        file.write(rest)


def weights_beside(path: Path) -> None:
    """The same model with its weights in another file."""
    data = path.with_name(f"{path.name}.data")
    weights = [weight(layer) for layer in range(LAYERS)]
    for layer, tensor in enumerate(weights):
        tensor.data_location = TensorProto.EXTERNAL
        place = {"location": data.name, "offset": layer * SIZE, "length": SIZE}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
    content = graph(weights)
    path.write_bytes(header() + bytes([GRAPH]) + number(len(content)) + content)
    with data.open("wb") as file:
        file.truncate(LAYERS * SIZE)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    bert(folder / "bert.pt2")
    weights_inside(folder / "inside.onnx")
    weights_beside(folder / "beside.onnx")
