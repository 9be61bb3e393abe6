"""Holds predicted times of whole models against measured ones, and writes `docs/accuracy-models.md`.

    python -m accuracy.timm_exports pairs.csv exports/
    python -m accuracy.timm_exports pairs.csv unseen/ --without exports/ --per-family 1 --largest 30
    python -m accuracy.whole_models pairs.csv exports/ --also later/ --unseen unseen/ -o ../docs/accuracy-models.md

Every model that was exported is planned twice as it runs under autocast to f16: one kernel for each op, and as a loop
compiler fuses it. The predicted time of a plan, for one image of the batch that was measured, is held against the measured
time for one image. Families are shown in two halves that do not change when others are added; coefficients of whole models
were found while both were in view, so neither is a test on unseen models.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from accuracy.model_plans import Planner, joined
from accuracy.model_scores import Row, page
from accuracy.totals import section

DEVICES = Path(__file__).parents[2] / "crates/fusewright-device/devices"
"""The device files of this project."""


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path, help="measured times: model, img, torch, eager_us, …")
    parser.add_argument("folder", type=Path, help="what `timm_exports` wrote")
    parser.add_argument(
        "--also", type=Path, nargs="*", default=[], help="more of it, exported and looked at later"
    )
    parser.add_argument("--unseen", type=Path, help="the same, models that nothing was found on")
    parser.add_argument("--binary", type=Path, default=Path("../target/release/fusewright"))
    parser.add_argument("--devices", type=Path, default=DEVICES, help="folder of device files")
    parser.add_argument("--hw", default="rtx-4090")
    parser.add_argument("-o", "--output", type=Path, help="the page; standard output without it")
    parser.add_argument("--rows", type=Path, help="also write every row, as CSV")
    arguments = parser.parse_args()
    problems: list[tuple[str, str]] = []
    with TemporaryDirectory() as scratch:
        device = arguments.devices / f"{arguments.hw}.toml"
        planner = Planner(arguments.binary, device, Path(scratch))

        def of(folder: Path | None) -> list[Row]:
            return joined(arguments.pairs, folder, planner, problems) if folder else []

        rows, unseen = of(arguments.folder), of(arguments.unseen)
        also = [row for folder in arguments.also for row in of(folder)]
    if not rows:
        print("error: no exported model is in the table of measurements", file=sys.stderr)
        return 2
    if arguments.rows:
        with arguments.rows.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["set", *Row.__dataclass_fields__])
            for name, some in (("first", rows), ("also", also), ("unseen", unseen)):
                writer.writerows(
                    [name, *(getattr(row, field) for field in Row.__dataclass_fields__)]
                    for row in some
                )
    with arguments.pairs.open(newline="") as file:
        baseline = section(csv.DictReader(file))
    text = page(rows, also, unseen, problems, arguments.hw, baseline)
    if arguments.output:
        arguments.output.write_text(text)
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
