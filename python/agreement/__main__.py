"""The command line: exports models, asks the binary, writes the table or checks it."""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

# One export at a time is not faster with more threads, and several would fight for them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from agreement.counting import count
from agreement.exports import FORMS
from agreement.model import SIZES, Model, NoSuchModel
from agreement.models import chosen
from agreement.rows import Row, row
from agreement.table import cells, page

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "agreement.md"

TITLE = "Agreement with PyTorch"

INTRODUCTION = """\
Each model is written in every form that fusewright reads. What `fusewright plan` says of each file
is held against what PyTorch says of the module itself:

- *parameters*: elements of the module's parameters, shared ones once;
- *FLOPs*: matrix products and convolutions, by `torch.utils.flop_counter` on the meta device;
- *attentions*: known from the configuration;
- *merges*: sets of linear layers that are called with the same tensor, against the parallel merges
  of the attention strategy.

Models have the published widths or near, but few layers and words, so that their weights can be
written. `python3 -m agreement --help`, run from `python/`, says how to make this page."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agreement", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these models")
    parser.add_argument("--tag", default="main", help="main (usual), worked, wide or quick")
    parser.add_argument("--quick", action="store_true", help="tiny models: --tag quick --size tiny")
    parser.add_argument("--size", choices=SIZES, default="short", help="usual: short")
    parser.add_argument(
        "--forms",
        nargs="+",
        choices=FORMS,
        default=list(FORMS),
        metavar="FORM",
        help=f"of {', '.join(FORMS)}",
    )
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/fusewright")
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="keep the exports there, and use those that are there already",
    )
    parser.add_argument("--jobs", type=int, default=1, help="models at a time (usual: 1)")
    parser.add_argument("--output", type=Path, help="write the page there, not to the terminal")
    parser.add_argument(
        "--check", action="store_true", help=f"fail if a cell is not as in {PAGE.relative_to(ROOT)}"
    )
    parser.add_argument(
        "--count",
        action="store_true",
        help="only print PyTorch's figures, which needs neither files nor binary",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0, 1 where figures differ or the page is stale, 2 for a wrong request."""
    options = _parser().parse_args(arguments)
    if options.quick:
        options.tag, options.size = "quick", "tiny"
    try:
        models = [each for each in chosen(options.only, options.tag) if options.size in each.sizes]
    except NoSuchModel as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.count:
        return _print_counts(models, options.size)
    if not options.binary.is_file():
        print(
            f"error: {options.binary} is not there; build it or name one with --binary",
            file=sys.stderr,
        )
        return 2
    rows = list(_rows(models, options))
    text = page(TITLE, INTRODUCTION, rows, options.forms)
    if options.check:
        return _check(text)
    if options.output:
        options.output.write_text(text)
    else:
        print(text)
    failed = {"different", "refused"}
    return int(any(cell.verdict in failed for each in rows for cell in each.cells.values()))


def _print_counts(models: Sequence[Model], size: str) -> int:
    for model in models:
        found = count(model, size)
        print(
            f"{model.name}: {found.parameters:,} parameters, {found.contraction:,} FLOPs, "
            f"{found.attentions} attentions ({model.how}), {found.merges} merges"
        )
    return 0


def _rows(models: Sequence[Model], options: argparse.Namespace) -> Iterator[Row]:
    work = partial(_one, options=options)
    if options.jobs > 1:
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            yield from _filled(models, pool.map(work, [each.name for each in models]))
    else:
        yield from _filled(models, map(work, [each.name for each in models]))


def _filled(models: Sequence[Model], found: Iterator[Row | str]) -> Iterator[Row]:
    for model, each in zip(models, found, strict=True):
        if isinstance(each, str):
            print(f"{model.name}: PyTorch itself fails: {each}", file=sys.stderr)
        else:
            yield each


def _one(name: str, options: argparse.Namespace) -> Row | str:
    start = time.monotonic()
    folder = Path(options.keep or tempfile.mkdtemp(prefix="agreement-")) / options.size / name
    try:
        made = row(chosen([name], "")[0], options.size, options.forms, options.binary, folder)
    except Exception as error:  # noqa: BLE001 - one model that fails must not end the run
        return f"{type(error).__name__}: {error}"
    finally:
        if not options.keep:
            shutil.rmtree(folder.parents[1])
        gc.collect()
    verdicts = ", ".join(f"{form} {cell.verdict}" for form, cell in made.cells.items())
    print(f"{name} ({time.monotonic() - start:.0f} s): {verdicts}", file=sys.stderr)
    return made


def _check(text: str) -> int:
    """Fails for cells that the page does not have just so."""
    written = cells(PAGE.read_text()) if PAGE.is_file() else {}
    stale = [(place, now) for place, now in cells(text).items() if written.get(place) != now]
    for (model, column), now in stale:
        before = written.get((model, column), "nothing")
        print(f"{PAGE.name} has {before!r} for {model}, {column}; now {now!r}", file=sys.stderr)
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main())
