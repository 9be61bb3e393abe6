"""The validation scripts and the notebook run from top to bottom."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(script: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    command = [sys.executable, str(ROOT / "validation" / script), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_reference_figures():
    page = run("attention_fusion.py")
    assert page.count("pass  ") == 20 and "all passed" in page


@pytest.mark.heavy
def test_other_models():
    page = run("models.py")
    assert page.count("outputs differ by") == 7 and "all passed" in page


def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(ROOT / "python" / "notebooks" / "tour.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "commit it without outputs"
    options = {"timeout": 300, "kernel_name": "python3"}
    client = nbclient.NotebookClient(
        notebook, resources={"metadata": {"path": tmp_path}}, **options
    )
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "python"))
    client.execute()
    shown = [o for cell in notebook.cells for o in cell.get("outputs", []) if "data" in o]
    assert any("<table>" in o["data"].get("text/html", "") for o in shown)
    assert not [
        o for cell in notebook.cells for o in cell.get("outputs", []) if o.output_type == "error"
    ]
