"""``python3 -m execution``: a table of how far fusewright's results are from those of PyTorch and
ONNX Runtime.

    cd python && python3 -m execution --size tiny
    cd python && python3 -m execution --size full vit_b_16 bert-base gpt2 t5-small
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from agreement.models import chosen
from execution.agreement import FORMS, agreement

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="execution", description=__doc__)
    parser.add_argument("names", nargs="*", help="models [default: those with the tag]")
    parser.add_argument("--tag", default="quick", help="which models")
    parser.add_argument("--size", default="tiny", help="tiny, short or full")
    parser.add_argument("--form", action="append", choices=FORMS, help="which exports")
    parser.add_argument("--binary", type=Path, default=ROOT / "target" / "release" / "fusewright")
    options = parser.parse_args()
    print("| model | form | from PyTorch | from ONNX Runtime | |\n|---|---|---|---|---|")
    wrong = 0
    for model in chosen(options.names, options.tag):
        if options.size not in model.sizes:
            continue
        for form in options.form or FORMS:
            with tempfile.TemporaryDirectory() as folder:
                row = agreement(model, options.size, form, options.binary, Path(folder))
            skipped = row.problem.startswith("not exported")
            wrong += not row.agrees and not skipped
            runtime = "" if row.onnxruntime is None else f"{row.onnxruntime:.1e}"
            torch = "" if row.problem else f"{row.torch:.1e}"
            verdict = row.problem or ("" if row.agrees else "differs")
            print(f"| {model.name} | {form} | {torch} | {runtime} | {verdict} |", flush=True)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
