"""Measures a CUDA GPU with PyTorch and writes its device file for ``fusewright --hw``.

    python3 python/fusewright/calibrate_cuda.py -o my-gpu.toml
    fusewright hw check my-gpu.toml

Needs torch with CUDA and nothing else; takes about a minute on an idle GPU. Measured: large products by element type,
bandwidth of main memory and of L2, the shortest kernel of a replayed CUDA graph, what the host spends on an eager
operator. Sizes come from the driver; power is the limit that ``nvidia-smi`` states, else an estimate.

A device file holds peaks, not what products reach: rates that were measured are divided by the share that the cost model
says large products reach (0.8) and long transfers (0.9), so that the model gives back what was measured. Types whose
rates stand in a fixed ratio to bf16 in the GPU's family get that ratio.

On an H100 SXM it takes ten seconds, most of it CUDA's start; what turns measurements into a file is tested without a GPU.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if not __package__:
    # Run as a plain script, Python looks for modules beside this file, where one is called torch.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

PRODUCT_SHARE = 0.8
"""Share of the peak that large products reach."""

TRANSFER_SHARE = 0.9
"""Share of the bandwidth that long copies reach."""

FAMILIES = {
    (7, 0): "volta",
    (7, 5): "turing",
    (8, 0): "ampere",
    (8, 6): "ampere",
    (8, 7): "ampere",
    (8, 9): "ada",
    (9, 0): "hopper",
    (10, 0): "blackwell",
    (10, 3): "blackwell",
    (12, 0): "blackwell",
}
"""Family by compute capability."""

RATIOS = {
    "volta": {},
    "turing": {"i8": 2.0},
    "ampere": {"tf32": 0.5, "f16": 1.0, "i8": 2.0},
    "ada": {"tf32": 0.5, "f16": 1.0, "f8": 2.0, "i8": 2.0},
    "hopper": {"tf32": 0.5, "f16": 1.0, "f8": 2.0, "i8": 2.0},
    "blackwell": {"tf32": 0.5, "f16": 1.0, "f8": 2.0, "i8": 2.0},
}
"""Peaks of a family as multiples of the 16-bit peak."""


@dataclass(frozen=True)
class Gpu:
    """What the driver says of a GPU."""

    name: str
    capability: tuple[int, int]
    units: int
    memory_bytes: int
    l2_bytes: int
    on_chip_bytes: int
    block_on_chip_bytes: int
    registers: int
    threads_per_unit: int
    warp: int
    clock_ghz: float
    board_w: float | None = None

    @property
    def family(self) -> str:
        """The name that device files have for the architecture."""
        return FAMILIES.get(self.capability, "cuda")


@dataclass(frozen=True)
class Measured:
    """What was measured: 10¹² operations and 10⁹ bytes a second, microseconds."""

    products: dict[str, float] = field(default_factory=dict)
    memory_gb_s: float = 0.0
    l2_gb_s: float = 0.0
    floor_us: float = 0.0
    dispatch_us: float = 0.0


def toml(gpu: Gpu, measured: Measured) -> str:
    """The text of a device file."""
    peaks = _peaks(gpu, measured)
    main = next((dtype for dtype in ("bf16", "f16", "f32") if dtype in peaks), None)
    if main is None:
        raise ValueError("no product was measured in bf16, f16 or f32: there is no peak to write")
    fma = peaks[main][0] * 1e3 / (gpu.units * 2 * gpu.clock_ghz)
    memory = measured.memory_gb_s / TRANSFER_SHARE
    board = gpu.board_w or 300.0
    power_source = "measured" if gpu.board_w else "estimated"
    power_note = "limit that nvidia-smi states" if gpu.board_w else "the driver states no limit"
    lines = [
        f'id = "{_kebab(gpu.name)}"',
        f'name = "{_plain(gpu.name)}"',
        "revision = 1",
        'class = "gpu"',
        f'family = "{gpu.family}"',
        'references = ["measured by calibrate_cuda.py with PyTorch"]',
        "",
        "[peak]",
        *(_quantity(dtype, *peaks[dtype]) for dtype in peaks),
        "",
        "[memory]",
        _quantity(
            "bandwidth_gb_s", memory, "measured", f"a copy reached {measured.memory_gb_s:.0f} GB/s"
        ),
        _quantity("capacity_gb", gpu.memory_bytes / 1e9, "measured", "as the driver states it"),
        _quantity("last_level_mib", gpu.l2_bytes / 2**20, "measured", "as the driver states it"),
        _quantity("last_level_gb_s", max(measured.l2_gb_s, memory), "measured", "copies inside L2"),
        "",
        "[units]",
        _quantity("count", gpu.units, "measured", "as the driver states it"),
        _quantity("clock_ghz", gpu.clock_ghz, "measured", "highest, as the driver states it"),
        _quantity("fma_per_clock", fma, "estimated", "from the peak at this clock"),
        f'fma_dtype = "{main}"',
        _quantity("on_chip_kib", gpu.on_chip_bytes / 1024, "measured", "as the driver states it"),
        _quantity("registers_kib", gpu.registers * 4 / 1024, "measured", "as the driver states it"),
        "",
        "[power]",
        _quantity("board_w", board, power_source, power_note),
        _quantity("idle_w", 0.15 * board, "estimated", "15 % of board power"),
        _quantity("dram_pj_per_byte", 60, "estimated", "HBM or GDDR at the device"),
        _quantity("last_level_pj_per_byte", 10, "estimated", "as on other GPUs"),
        _quantity("on_chip_pj_per_byte", 2, "estimated", "as on other GPUs"),
        "",
        "[launch]",
        _quantity(
            "floor_us", max(measured.floor_us, 0.5), "measured", "smallest kernel of a CUDA graph"
        ),
        _quantity(
            "dispatch_us", measured.dispatch_us, "measured", "eager operators one after the other"
        ),
        "",
        "[gpu]",
        f'compute_capability = "{gpu.capability[0]}.{gpu.capability[1]}"',
        _quantity("block_on_chip_kib", gpu.block_on_chip_bytes / 1024, "measured", "with opt-in"),
        _count("threads_per_unit", gpu.threads_per_unit),
        _count("warp", gpu.warp),
        f"streaming_attention = {str(gpu.capability >= (8, 0)).lower()}",
    ]
    return "\n".join(lines) + "\n"


def _peaks(gpu: Gpu, measured: Measured) -> dict[str, tuple[float, str, str]]:
    """Peak by element type: value, source, note; in the order of the file."""
    order = ("f64", "f32", "tf32", "f16", "bf16", "f8", "i8")
    peaks = {
        dtype: (rate / PRODUCT_SHARE, "measured", f"products reached {_digits(rate)}, 0.8 of it")
        for dtype, rate in measured.products.items()
        if rate > 0
    }
    base = "bf16" if "bf16" in peaks else "f16"
    if base in peaks:
        for dtype, ratio in RATIOS.get(gpu.family, {}).items():
            if dtype != base:
                reached = measured.products.get(dtype)
                seen = f", products reached {_digits(reached)}" if reached else ""
                note = f"{ratio:g} times {base} in this family{seen}"
                peaks[dtype] = (peaks[base][0] * ratio, "estimated", note)
    if gpu.family == "volta" and "f32" in peaks:
        peaks["i8"] = (4 * peaks["f32"][0], "estimated", "4 times f32 in this family")
    # No wider type is faster: noise may say otherwise where both run in the same units.
    for wide, narrow in (("f64", "f32"), ("f32", "tf32"), ("f32", "f16"), ("f32", "bf16")):
        if wide in peaks and narrow in peaks and peaks[wide][0] > peaks[narrow][0]:
            peaks[wide] = (peaks[narrow][0], *peaks[wide][1:])
    return {dtype: peaks[dtype] for dtype in order if dtype in peaks}


def _quantity(name: str, value: float, source: str, note: str) -> str:
    return f'{name} = {{ value = {_digits(value)}, source = "{source}", note = "{note}" }}'


def _count(name: str, value: int) -> str:
    return f'{name} = {{ value = {value}, source = "measured", note = "as the driver states it" }}'


def _digits(value: float) -> str:
    """Whole numbers whole, others with five significant digits."""
    if float(value).is_integer():
        return str(int(value))
    return str(float(f"{value:.5g}"))


def _plain(name: str) -> str:
    return re.sub(r'["\\\x00-\x1f\x7f]', " ", name).strip() or "GPU"


def _kebab(name: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", name.lower())) or "gpu"


def describe(torch: Any, index: int) -> Gpu:
    """Asks the driver."""
    found = torch.cuda.get_device_properties(index)

    def get(name: str, default: int) -> int:
        return int(getattr(found, name, default) or default)

    asked = _nvidia_smi(index)
    clock_mhz = asked.get("clocks.max.sm") or getattr(found, "clock_rate", 0) / 1e3 or 1500.0
    on_chip = get("shared_memory_per_multiprocessor", 64 << 10)
    return Gpu(
        name=found.name,
        capability=(found.major, found.minor),
        units=found.multi_processor_count,
        memory_bytes=found.total_memory,
        l2_bytes=get("L2_cache_size", 4 << 20),
        on_chip_bytes=on_chip,
        block_on_chip_bytes=min(get("shared_memory_per_block_optin", 48 << 10), on_chip),
        registers=get("regs_per_multiprocessor", 65_536),
        threads_per_unit=get("max_threads_per_multi_processor", 2048),
        warp=get("warp_size", 32),
        clock_ghz=clock_mhz / 1e3,
        board_w=asked.get("power.limit"),
    )


def _nvidia_smi(index: int) -> dict[str, float]:
    """What the driver's tool states, where there is one."""
    fields = ["power.limit", "clocks.max.sm"]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return {}
    command = [
        tool,
        f"--id={index}",
        f"--query-gpu={','.join(fields)}",
        "--format=csv,noheader,nounits",
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    values = run.stdout.strip().split(",") if run.returncode == 0 else []
    found = {}
    for name, text in zip(fields, values, strict=False):
        try:
            found[name] = float(text)
        except ValueError:
            continue
    return found


def measure(torch: Any, gpu: Gpu) -> Measured:
    """Measures the current CUDA device."""
    products = {dtype: rate for dtype in MAKERS if (rate := _product(torch, dtype))}
    return Measured(
        products=products,
        memory_gb_s=_copy_gb_s(torch, min(1 << 30, gpu.memory_bytes // 8)),
        l2_gb_s=_copy_gb_s(torch, max(gpu.l2_bytes // 4, 1 << 20)),
        floor_us=_floor_us(torch),
        dispatch_us=_dispatch_us(torch),
    )


def _seconds(torch: Any, call: Callable[[], object], repetitions: int) -> float:
    """Shortest time of a call among several stretches of repetitions, by the device's own clock."""
    for _ in range(3):
        call()
    best = float("inf")
    for _ in range(5):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(repetitions):
            call()
        end.record()
        end.synchronize()
        best = min(best, start.elapsed_time(end) / 1e3 / repetitions)
    return best


def _plain_product(dtype: str) -> Callable[[Any, int], Callable[[], object]]:
    def make(torch: Any, size: int) -> Callable[[], object]:
        a = torch.randn(size, size, device="cuda").to(getattr(torch, dtype))
        b = torch.randn(size, size, device="cuda").to(getattr(torch, dtype))
        out = torch.empty_like(a)
        return lambda: torch.mm(a, b, out=out)

    return make


def _int_product(torch: Any, size: int) -> Callable[[], object]:
    a, b = (torch.randint(-8, 8, (size, size), device="cuda", dtype=torch.int8) for _ in range(2))
    return lambda: torch._int_mm(a, b)


def _f8_product(torch: Any, size: int) -> Callable[[], object]:
    a, b = (torch.randn(size, size, device="cuda").to(torch.float8_e4m3fn) for _ in range(2))
    one = torch.ones((), device="cuda")
    right = b.t()
    return lambda: torch._scaled_mm(a, right, one, one, out_dtype=torch.bfloat16)


MAKERS: dict[str, tuple[Callable[[Any, int], Callable[[], object]], int]] = {
    "f64": (_plain_product("float64"), 4096),
    "f32": (_plain_product("float32"), 8192),
    "tf32": (_plain_product("float32"), 8192),
    "f16": (_plain_product("float16"), 8192),
    "bf16": (_plain_product("bfloat16"), 8192),
    "f8": (_f8_product, 8192),
    "i8": (_int_product, 8192),
}
"""How to make a product of square matrices of each type, and how large."""


def _product(torch: Any, dtype: str) -> float | None:
    """Best rate of a large product, 10¹² operations a second; nothing where the device has none."""
    make, size = MAKERS[dtype]
    capability = torch.cuda.get_device_capability()
    if (dtype in ("bf16", "tf32") and capability < (8, 0)) or (
        dtype == "f8" and capability < (8, 9)
    ):
        return None
    allowed = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = dtype == "tf32"
    try:
        seconds = _seconds(torch, make(torch, size), 10)
    except (RuntimeError, AttributeError, NotImplementedError) as error:
        print(f"note: no product in {dtype}: {str(error).splitlines()[0]}", file=sys.stderr)
        return None
    finally:
        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.cuda.empty_cache()
    return 2 * size**3 / seconds / 1e12


def _copy_gb_s(torch: Any, size: int) -> float:
    """Bytes read and written by a copy of ``size`` bytes, 10⁹ a second."""
    source = torch.zeros(size // 4, device="cuda")
    target = torch.empty_like(source)
    repetitions = max(10, (1 << 30) // size)
    return 2 * size / _seconds(torch, lambda: target.copy_(source), repetitions) / 1e9


def _floor_us(torch: Any) -> float:
    """Time of a kernel that does next to nothing, in a replayed graph."""
    kernels = 1000
    x = torch.zeros(1, device="cuda")
    x.add_(1)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(kernels):
            x.add_(1)
    return _seconds(torch, graph.replay, 5) * 1e6 / kernels


def _dispatch_us(torch: Any) -> float:
    """What the host spends on an eager operator."""
    operators = 2000
    x = torch.zeros(1, device="cuda")
    best = float("inf")
    for _ in range(5):
        torch.cuda.synchronize()
        before = time.perf_counter()
        for _ in range(operators):
            x.add_(1)
        best = min(best, time.perf_counter() - before)
        torch.cuda.synchronize()
    return best * 1e6 / operators


def write(text: str, path: Path, *, overwrite: bool) -> None:
    """Writes a file that appears whole or not at all; an existing one is kept unless ``overwrite``."""
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already; give --force to overwrite it")
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


def main(arguments: list[str] | None = None) -> int:
    """Measures and writes; 2 where there is no CUDA device."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "-o", "--output", type=Path, help="file to write instead of standard output"
    )
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")
    parser.add_argument("--device", type=int, default=0, help="which GPU [default: 0]")
    options = parser.parse_args(arguments)
    try:
        import torch
    except ImportError:
        print("error: this script measures with PyTorch; install torch with CUDA", file=sys.stderr)
        return 2
    if options.output and options.output.exists() and not options.force:
        print(f"error: {options.output} exists already; give --force", file=sys.stderr)
        return 2
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not 0 <= options.device < count:
        print(
            f"error: no CUDA device {options.device}: PyTorch sees {count}; "
            "check the driver and that torch was built with CUDA",
            file=sys.stderr,
        )
        return 2
    with torch.cuda.device(options.device):
        gpu = describe(torch, options.device)
        text = toml(gpu, measure(torch, gpu))
    if options.output:
        write(text, options.output, overwrite=options.force)
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
