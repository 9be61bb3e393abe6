"""Optimizers of ONNX models side by side: what they fuse, what it takes and what it is worth.

    PYTHONPATH=python python3 python/optimizers.py --models vit bert gpt2 --lengths 128 512
    PYTHONPATH=python python3 python/optimizers.py --files model.onnx --runs 30

needs torch, torchvision, transformers, onnx, onnxruntime and, for its row, onnxslim, and the built
``fusewright`` (``--binary``). Latencies are medians of interleaved runs in ONNX Runtime, on
``--threads`` threads; peak memory is that of a process which runs the one file.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

FUSED = {"Attention", "MultiHeadAttention", "GroupQueryAttention", "PackedAttention"}
PRODUCTS = {"MatMul", "Gemm", "FusedMatMul"}
BERT = {"vocab_size": 2000, "num_hidden_layers": 12}


def build(name: str, length: int, path: Path) -> dict[str, np.ndarray]:
    """Exports a model at its published width with random weights; gives inputs for it."""
    import torch
    import transformers
    from torchvision.models import vit_b_16

    from fusewright.fx_shapes import slow_attention_path

    torch.manual_seed(0)
    words = {"input_ids": torch.randint(3, 2000, (1, length))}
    classes = {
        "bert": ("BertModel", BERT | {"max_position_embeddings": max(512, length)}),
        "gpt2": ("GPT2LMHeadModel", {"vocab_size": 2000, "n_positions": max(1024, length)}),
        "llama": (
            "LlamaForCausalLM",
            {
                "vocab_size": 2000,
                "hidden_size": 768,
                "intermediate_size": 2048,
                "num_hidden_layers": 8,
                "num_attention_heads": 12,
                "num_key_value_heads": 4,
            },
        ),
    }
    if name == "vit":
        model, inputs = vit_b_16(weights=None), {"x": torch.randn(1, 3, 224, 224)}
    else:
        class_name, config = classes[name]
        wanted = getattr(transformers, class_name)
        model = wanted._from_config(wanted.config_class(**config, use_cache=False))
        inputs = words
    with torch.no_grad(), slow_attention_path():
        torch.onnx.export(
            model.eval(),
            tuple(inputs.values()),
            path,
            dynamo=True,
            opset_version=20,
            input_names=list(inputs),
            verbose=False,
        )
    return {name: value.numpy() for name, value in inputs.items()}


def random_inputs(path: Path) -> dict[str, np.ndarray]:
    """Inputs for a file: open extents are 1, or 128 for any axis but the first."""
    generator = np.random.default_rng(0)
    inputs = {}
    for each in session(path, 1).get_inputs():
        shape = [
            extent if isinstance(extent, int) else (1 if axis == 0 else 128)
            for axis, extent in enumerate(each.shape)
        ]
        if "int" in each.type:
            inputs[each.name] = np.ones(shape, dtype=np.int64)
        else:
            inputs[each.name] = generator.standard_normal(shape).astype(np.float32)
    return inputs


def session(
    path: Path, threads: int, optimized: Path | None = None
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    # Threads of one session that wait busily would take the cores from the next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def session_optimizer(before: Path, after: Path) -> None:
    session(before, 1, after)


def transformer_optimizer(before: Path, after: Path) -> None:
    from onnxruntime.transformers.optimizer import optimize_model

    kind = "gpt2" if "gpt2" in before.name else "vit" if "vit" in before.name else "bert"
    optimize_model(str(before), model_type=kind, opt_level=0).save_model_to_file(str(after))


def onnxslim(before: Path, after: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "onnxslim", before, after], check=True, capture_output=True
    )


def fusewright(binary: str, *options: str) -> Callable[[Path, Path], None]:
    def run(before: Path, after: Path) -> None:
        command = [binary, "optimize", before, "-o", after, "--force", "-q", *options]
        subprocess.run(command, check=True)

    return run


def difference(before: list[np.ndarray], after: list[np.ndarray]) -> float:
    pairs = zip(before, after, strict=True)
    return max(float(np.max(np.abs(a - b)) / max(float(np.max(np.abs(a))), 1e-9)) for a, b in pairs)


def peak_memory(path: Path, inputs: dict[str, np.ndarray], threads: int) -> float:
    """The peak resident memory, MB, of a process of its own that runs a file twice."""
    values = path.with_suffix(".npz")
    np.savez(values, **inputs)
    command = [sys.executable, __file__, "--peak", path, values, "--threads", str(threads)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(answer.stdout)


def run_alone(path: Path, values: Path, threads: int) -> None:
    """What :func:`peak_memory` starts: runs a file and prints the peak of this process, MB."""
    inputs = dict(np.load(values))
    alone = session(path, threads)
    for _ in range(2):
        alone.run(None, inputs)
    # `getrusage` would tell the peak of the process that started this one.
    status = Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6)


def compare(path: Path, inputs: dict[str, np.ndarray], args: argparse.Namespace) -> None:
    """Prints a row for the export and for what each tool makes of it."""
    tools: dict[str, Callable[[Path, Path], None]] = {
        "session optimizer": session_optimizer,
        "transformer optimizer": transformer_optimizer,
        "onnxslim": onnxslim,
        "fusewright, ort": fusewright(args.binary, "--target", "ort"),
        "fusewright, opset 23": fusewright(args.binary, "--opset", "23"),
    }
    if args.tools:
        tools = {name: tool for name, tool in tools.items() if name in args.tools}
    files, seconds = {"export": path}, {"export": 0.0}
    for name, tool in tools.items():
        after = path.with_name(f"{path.stem}-{len(files)}.onnx")
        start = time.perf_counter()
        try:
            tool(path, after)
        except Exception as error:  # noqa: BLE001 - a tool that fails has no row
            print(f"| {path.stem} | {name} | fails: {type(error).__name__} | | | | | | |")
            continue
        files[name], seconds[name] = after, time.perf_counter() - start
    sessions = {name: session(file, args.threads) for name, file in files.items()}
    results = {name: each.run(None, inputs) for name, each in sessions.items()}
    times: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(args.runs):
        for name, each in sessions.items():
            start = time.perf_counter()
            each.run(None, inputs)
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) if values else 0.0 for name, values in times.items()}
    for name, file in files.items():
        nodes = onnx.load(file, load_external_data=False).graph.node
        fused = sum(node.op_type in FUSED for node in nodes)
        products = sum(node.op_type in PRODUCTS for node in nodes)
        ratio = medians["export"] / medians[name] if medians[name] else 0.0
        error = difference(results["export"], results[name])
        memory = peak_memory(file, inputs, args.threads)
        print(
            f"| {path.stem} | {name} | {len(nodes)} | {fused} | {products} | {error:.1e} "
            f"| {seconds[name]:.1f} | {memory:.0f} | {1000 * medians[name]:.1f} | {ratio:.2f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=[], choices=["vit", "bert", "gpt2", "llama"])
    parser.add_argument("--lengths", nargs="*", type=int, default=[128])
    parser.add_argument("--files", nargs="*", type=Path, default=[])
    parser.add_argument("--binary", default="target/release/fusewright")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tools", nargs="*", default=[], help="only these rows [default: all]")
    parser.add_argument("--peak", nargs=2, type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peak:
        run_alone(*args.peak, args.threads)
        return
    print(
        "| model | tool | nodes | attentions fused | products | difference "
        "| tool, s | peak, MB | latency, ms | × export |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for file in args.files:
            copy = Path(folder) / file.name
            copy.write_bytes(file.read_bytes())
            compare(copy, random_inputs(copy), args)
        for name in args.models:
            for length in args.lengths if name != "vit" else args.lengths[:1]:
                path = Path(folder) / (name if name == "vit" else f"{name}-{length}")
                path = path.with_suffix(".onnx")
                compare(path, build(name, length, path), args)


if __name__ == "__main__":
    main()
