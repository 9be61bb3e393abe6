"""Causal attention by each operator that ONNX Runtime has for it: processor time, alone on one thread.

    python3 python/attention_operators.py --lengths 32 128 512 1024 --runs 25

needs numpy, onnx and onnxruntime. Runs are interleaved, the least time counts. Keys and values of shared
heads are repeated for operators that do not share them.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import onnxruntime
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
HEADS = ((12, 12), (16, 8), (32, 8))
"""Heads of queries and of keys."""
WIDTH = 64
KINDS = ("MHA, mask", "MHA, flag", "GQA", "Attention, flag")


def repeated(name: str, nodes: list[NodeProto], shared: bool) -> str:
    """Rows of fewer heads as heads of their own, ``[batch, heads, rows, width]``."""
    if not shared:
        return name
    steps = (
        ("Reshape", ["apart"], {}),
        ("Transpose", [], {"perm": [0, 2, 1, 3]}),
        ("Unsqueeze", ["axis"], {}),
        ("Expand", ["groups"], {}),
        ("Reshape", ["together"], {}),
    )
    for number, (op, others, settings) in enumerate(steps):
        nodes.append(helper.make_node(op, [name, *others], [f"{name}{number}"], **settings))
        name = f"{name}{number}"
    return name


def model(kind: str, heads: int, kv_heads: int, length: int) -> bytes:
    """A model that is one attention over rows ``q``, ``k`` and ``v``."""
    mask = np.triu(np.full((1, 1, length, length), -1e9, np.float32), 1)
    literals = {
        "mask": mask,
        "last": np.array([length - 1], np.int32),
        "total": np.array([length], np.int32),
        "axis": np.array([2]),
        "apart": np.array([0, 0, kv_heads, WIDTH]),
        "groups": np.array([1, kv_heads, heads // kv_heads, length, WIDTH]),
        "together": np.array([1, heads, length, WIDTH]),
    }
    nodes: list[NodeProto] = []
    both = {"num_heads": heads, "domain": MICROSOFT}
    if kind.startswith("MHA"):
        keys, values = (repeated(name, nodes, heads != kv_heads) for name in "kv")
        masked = kind == "MHA, mask"
        inputs = ["q", keys, values, *(["", "", "mask"] if masked else [])]
        flag = {} if masked else {"unidirectional": 1}
        nodes.append(helper.make_node("MultiHeadAttention", inputs, ["y"], **both, **flag))
    elif kind == "GQA":
        inputs = ["q", "k", "v", "", "", "last", "total"]
        settings = both | {"kv_num_heads": kv_heads}
        nodes.append(helper.make_node("GroupQueryAttention", inputs, ["y"], **settings))
    else:
        settings = {"is_causal": 1, "q_num_heads": heads, "kv_num_heads": kv_heads}
        nodes.append(helper.make_node("Attention", ["q", "k", "v"], ["y"], **settings))

    def rows(name: str, count: int) -> ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, length, count * WIDTH])

    graph = helper.make_graph(
        nodes,
        "attention",
        [rows("q", heads), rows("k", kv_heads), rows("v", kv_heads)],
        [rows("y", heads)],
        [numpy_helper.from_array(value, name) for name, value in literals.items()],
    )
    opsets = [helper.make_opsetid("", 23), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def least_times(heads: int, kv_heads: int, length: int, runs: int) -> list[float]:
    """Least processor time of each operator, ms."""
    generator = np.random.default_rng(0)
    counts = {"q": heads, "k": kv_heads, "v": kv_heads}
    inputs = {
        name: generator.standard_normal((1, length, count * WIDTH), np.float32)
        for name, count in counts.items()
    }
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    sessions = [
        onnxruntime.InferenceSession(
            model(kind, heads, kv_heads, length), options, providers=["CPUExecutionProvider"]
        )
        for kind in KINDS
    ]
    results = [session.run(None, inputs)[0] for session in sessions]
    assert all(np.allclose(results[0], other, atol=1e-4) for other in results)
    least = [float("inf")] * len(KINDS)
    for _ in range(runs):
        for position, session in enumerate(sessions):
            start = time.process_time()
            session.run(None, inputs)
            least[position] = min(least[position], (time.process_time() - start) * 1e3)
    return least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[32, 128, 512, 1024])
    parser.add_argument("--runs", type=int, default=25)
    arguments = parser.parse_args()
    print("| heads | of keys | length |", " | ".join(KINDS), "|")
    print("|---|---|---|" + "---|" * len(KINDS))
    for heads, kv_heads in HEADS:
        for length in arguments.lengths:
            times = least_times(heads, kv_heads, length, arguments.runs)
            shown = " | ".join(f"{each:.2f}" for each in times)
            print(f"| {heads} | {kv_heads} | {length} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
