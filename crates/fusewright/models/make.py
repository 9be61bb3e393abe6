"""Makes the FX JSON captures beside this file from torchvision's models, without weights.

    python3 crates/fusewright/models/make.py            # write them all
    python3 crates/fusewright/models/make.py --check    # compare with the committed ones

A capture is kept in git so that the built-in models need neither Python nor torch. `--check`
makes each again in memory and compares everything but the versions of its producer.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "python"))

from fusewright.fx import export_model, load_model, write_json  # noqa: E402

MODELS = ("efficientnet_b0", "resnet50", "vit_b_16", "vit_l_16")


def capture(name: str) -> dict:
    """The document of one model at inference, for its usual image size."""
    model, _, shape = load_model(f"torchvision:{name}")
    return export_model(model.eval(), [shape], name)


def difference(made: dict, committed: dict) -> str | None:
    """Where two documents differ, apart from their producers."""
    for key in sorted((made.keys() | committed.keys()) - {"producer"}):
        if made.get(key) != committed.get(key):
            return key
    return None


def check(name: str, path: Path) -> bool:
    """Says whether the committed capture is what would be made now."""
    if not path.exists():
        print(f"{path.name}: missing; run make.py", file=sys.stderr)
        return False
    key = difference(capture(name), json.loads(gzip.decompress(path.read_bytes())))
    if key is not None:
        print(f"{path.name}: `{key}` differs; run make.py and read the diff", file=sys.stderr)
    return key is None


def main() -> int:
    """Writes or checks every capture; returns 1 if one is not up to date."""
    parser = argparse.ArgumentParser(description="Make the built-in FX JSON captures.")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args()
    current = True
    for name in MODELS:
        path = HERE / f"{name}.fx.json.gz"
        if options.check:
            current &= check(name, path)
        else:
            write_json(capture(name), path, overwrite=True)
    return 0 if current else 1


if __name__ == "__main__":
    sys.exit(main())
