"""Writes the rows left out of the fit that the tests of the repository hold: `python3 -m accuracy.sample`."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from accuracy.cases import read
from accuracy.harness import COLUMNS

SAMPLE = (
    Path(__file__).resolve().parents[2] / "crates" / "fusewright" / "tests" / "data" / "kernels.csv"
)
ROWS = 60


def main() -> None:
    """Takes every n-th row of each table and device, so that about ROWS of each are kept."""
    parser = argparse.ArgumentParser(prog="accuracy.sample", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the measured tables")
    options = parser.parse_args()
    chosen = [
        case
        for case in read(options.data)
        if case.held_out and not case.eager and len(case.kernels) == 1 and case.table != "jump"
    ]
    SAMPLE.parent.mkdir(parents=True, exist_ok=True)
    with SAMPLE.open("w", newline="") as file:
        writer = csv.DictWriter(
            file,
            ["device", "table", *COLUMNS[1:14], "measured_us"],
            restval="",
            lineterminator="\n",
        )
        writer.writeheader()
        for key in sorted({(case.table, case.device) for case in chosen}):
            own = [case for case in chosen if (case.table, case.device) == key]
            for case in own[:: max(1, len(own) // ROWS)]:
                row = case.kernels[0] | {"device": case.device, "table": case.table}
                writer.writerow(row | {"measured_us": case.us})


if __name__ == "__main__":
    main()
