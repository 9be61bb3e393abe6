"""Scores predicted kernel times: `python3 -m accuracy --data DIR`, run from `python/`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from accuracy.cases import read
from accuracy.harness import predictions
from accuracy.page import replaced
from accuracy.sections import jumps, merges, times

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "accuracy.md"
TEXT = Path(__file__).with_name("kernels.md")


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0, or 2 for a wrong request."""
    parser = argparse.ArgumentParser(prog="accuracy", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the measured tables")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/fusewright")
    parser.add_argument("--page", type=Path, help=f"write the part into it, e.g. {PAGE.name}")
    options = parser.parse_args(arguments)
    if not options.binary.is_file():
        print(f"error: {options.binary} is not there; build it or name one", file=sys.stderr)
        return 2
    cases = read(options.data)
    predicted = predictions(options.binary.resolve(), cases)
    tables = {
        "times": "\n".join(times(cases, predicted)),
        "jumps": "\n".join(jumps(cases, predicted)),
        "merges": "\n".join(merges(cases, predicted)),
    }
    text = TEXT.read_text().format(**tables)
    if options.page:
        options.page.write_text(replaced(options.page, "kernels", text))
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
