"""Writes a PyTorch model as FX JSON, the form of a live module that ``fusewright`` reads.

From Python::

    from fusewright.fx import export_model, write_json

    write_json(export_model(model, [(1, 3, 224, 224)], "my_model"), "my_model.fx.json.gz")

From a shell, without installing anything but torch and the model's library::

    python3 -m fusewright.fx torchvision:vit_b_16 -o vit_b_16.fx.json
    python3 python/fusewright/fx.py timm:deit_small_patch16_224 -o deit.fx.json.gz
    python3 -m fusewright.fx package.module:build -o model.fx.json --input 1x128:int64

Only the graph and the sizes are written; weights are neither needed nor read.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import inspect
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

if not __package__:
    # Run as a plain script, Python looks for modules beside this file and not above it.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import torch
from torch import nn

from fusewright.fx_document import export_graph, export_model
from fusewright.fx_error import FxExportError
from fusewright.fx_shapes import Dim, InputShape
from fusewright.fx_trace import trace

__all__ = ["FxExportError", "export_graph", "export_model", "main", "trace", "write_json"]

IMAGE_SHAPE = (1, 3, 224, 224)


def write_json(
    document: dict[str, Any], path: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Writes a document, compressed if the path ends in ``.gz``; the file appears whole or not.

    The same document gives the same bytes. An existing file is kept unless ``overwrite``.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; remove it or ask to overwrite it")
    content = json_bytes(document)
    if path.suffix == ".gz":
        content = compressed(content)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def json_bytes(document: dict[str, Any]) -> bytes:
    """The document as one line of JSON."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return f"{text}\n".encode("ascii")


def compressed(content: bytes) -> bytes:
    """Gzip without the time and the file name, which would differ from run to run."""
    buffer = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, buffer, mtime=0) as file:
        file.write(content)
    return buffer.getvalue()


def load_model(source: str) -> tuple[nn.Module, str, tuple[int, ...] | None]:
    """Builds the model that a source names: the model, its name, its usual input shape."""
    library, separator, name = source.partition(":")
    if not separator or not library or not name:
        raise ValueError(
            f"{source!r} is not a model: expected torchvision:NAME, timm:NAME "
            "or module.path:callable"
        )
    if library == "torchvision":
        return _build_torchvision(name), name, IMAGE_SHAPE
    if library == "timm":
        timm = importlib.import_module("timm")
        model = build(lambda: timm.create_model(name, pretrained=False))
        return model, name, (1, *model.default_cfg.get("input_size", IMAGE_SHAPE[1:]))
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    made: Any = importlib.import_module(library)
    for part in name.split("."):
        if not hasattr(made, part):
            raise ValueError(f"{library} has no {name}")
        made = getattr(made, part)
    return made if isinstance(made, nn.Module) else build(made), name.rpartition(".")[2], None


def _build_torchvision(name: str) -> nn.Module:
    models = importlib.import_module("torchvision.models")
    options = {"weights": None}
    # Detection and segmentation builders would fetch their backbone's weights by themselves.
    if "weights_backbone" in inspect.signature(models.get_model_builder(name)).parameters:
        options["weights_backbone"] = None
    return build(lambda: models.get_model(name, **options))


def build(make: Callable[[], Any]) -> nn.Module:
    """Builds a model on the meta device, or with real memory where its constructor insists."""
    try:
        with torch.device("meta"):
            model = make()
    except Exception:
        # Constructors that compute with tensor values work only on real ones; an error that
        # has another cause comes up again here.
        model = make()
    if not isinstance(model, nn.Module):
        raise ValueError(f"expected a torch.nn.Module, got {type(model).__name__}")
    return model


def parse_input(text: str) -> Any:
    """``1x3x224x224`` as a shape, ``1x128:int64`` as one with a dtype, ``batch=2x128`` as one
    whose first size stays open under a name."""
    sizes, separator, dtype_text = text.partition(":")
    try:
        shape = tuple(_parse_size(size) for size in sizes.split("x"))
        dtype = getattr(torch, dtype_text) if separator else None
    except (ValueError, AttributeError):
        dtype, shape = None, ()
    if not shape or (separator and not isinstance(dtype, torch.dtype)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an input: expected sizes, names for those that stay open, and perhaps "
            "a dtype, as 1x3x224x224, 1x128:int64 or batch=2x128:int64"
        )
    return shape if dtype is None else InputShape(shape, dtype)


def _parse_size(text: str) -> int | Dim:
    name, separator, number = text.rpartition("=")
    size = int(number)
    if size < 0 or (separator and not name.isidentifier()):
        raise ValueError(text)
    # Torch takes 0 and 1 for constants.
    if separator and size < 2:
        raise ValueError(text)
    return Dim(name, size) if separator else size


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fusewright.fx", description="Write a PyTorch model as FX JSON, without weights."
    )
    parser.add_argument("model", help="torchvision:NAME, timm:NAME or module.path:callable")
    parser.add_argument("-o", "--output", required=True, type=Path, help=".json or .json.gz")
    parser.add_argument(
        "--input",
        action="append",
        type=parse_input,
        metavar="SHAPE[:DTYPE]",
        help="one per input, as 1x3x224x224 or 1x128:int64; batch=2x3x224x224 leaves the first "
        "size open (image models: 1x3x224x224)",
    )
    parser.add_argument("--training", action="store_true", help="training mode, not inference")
    parser.add_argument("--force", action="store_true", help="overwrite the output file")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns 0, 2 for a wrong request or 3 for a model it cannot export."""
    options = _parser().parse_args(arguments)
    try:
        model, name, usual_shape = load_model(options.model)
        inputs = options.input or ([usual_shape] if usual_shape else None)
        if inputs is None:
            raise ValueError(f"give the inputs of {options.model} with --input")
        document = export_model(model.train(options.training), inputs, name)
        write_json(document, options.output, overwrite=options.force)
    except FileExistsError as error:
        print(f"error: {error} (--force)", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (ImportError, OSError, RuntimeError) as error:
        print(f"error: {options.model}: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
