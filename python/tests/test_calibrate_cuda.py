"""What turns measurements of a GPU into a device file; the measuring itself needs a GPU."""

from __future__ import annotations

import subprocess
import tomllib
from dataclasses import replace

import pytest

from fusewright.calibrate_cuda import FAMILIES, Gpu, Measured, main, toml, write
from replay import binary

A100 = Gpu(
    name='NVIDIA "A100" SXM4-80GB',
    capability=(8, 0),
    units=108,
    memory_bytes=84_974_239_744,
    l2_bytes=40 << 20,
    on_chip_bytes=164 << 10,
    block_on_chip_bytes=163 << 10,
    registers=65_536,
    threads_per_unit=2048,
    warp=32,
    clock_ghz=1.41,
    board_w=400.0,
)
RATES = Measured(
    products={"f64": 18.0, "f32": 17.5, "tf32": 118.0, "f16": 255.0, "bf16": 261.3, "i8": 377.0},
    memory_gb_s=1791.7,
    l2_gb_s=3900.0,
    floor_us=2.1,
    dispatch_us=4.4,
)


def test_large_products_of_the_model_are_what_was_measured():
    file = tomllib.loads(toml(A100, RATES))
    assert file["peak"]["bf16"]["value"] * 0.8 == pytest.approx(261.3, rel=1e-4)
    assert file["memory"]["bandwidth_gb_s"]["value"] * 0.9 == pytest.approx(1791.7, rel=1e-4)
    assert file["peak"]["tf32"]["value"] * 2 == pytest.approx(
        file["peak"]["bf16"]["value"], rel=1e-4
    )
    assert (file["family"], file["id"]) == ("ampere", "nvidia-a100-sxm4-80gb")


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("capability", [*FAMILIES, (6, 1), (13, 0)])
def test_files_of_every_family_pass_the_check(capability, tmp_path):
    rates = RATES
    if capability < (8, 0):
        few = {
            dtype: rate for dtype, rate in RATES.products.items() if dtype not in ("bf16", "tf32")
        }
        rates = replace(RATES, products=few)
    path = tmp_path / "gpu.toml"
    write(toml(replace(A100, capability=capability, board_w=None), rates), path, overwrite=False)
    command = [binary(), "hw", "check", path]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_nothing_measured_is_said():
    with pytest.raises(ValueError, match="no product was measured"):
        toml(A100, Measured())


def test_files_are_kept_unless_asked(tmp_path):
    path = tmp_path / "gpu.toml"
    write("a", path, overwrite=False)
    with pytest.raises(FileExistsError, match="--force"):
        write("b", path, overwrite=False)
    write("b", path, overwrite=True)
    assert path.read_text() == "b"


def test_a_device_that_is_not_there_is_refused(capsys):
    assert main(["--device", "-1"]) == 2
    assert "no CUDA device" in capsys.readouterr().err
