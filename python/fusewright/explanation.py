"""Why something is not one kernel: what the analysis found, in sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fusewright.errors import UsageError


@dataclass(frozen=True)
class Reason:
    """One thing that stands in the way."""

    kind: str
    """``rule-miss``, ``attention``, ``merge``, ``device``, ``rule``, ``graph`` or ``uncounted``."""
    nodes: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"[{self.kind}] {self.text}"


class Reasons(Sequence[Reason]):
    """What stands in the way of more fusion, the most telling first."""

    def __init__(self, reasons: list[Reason]) -> None:
        self._reasons = reasons

    def __getitem__(self, index: Any) -> Any:
        return self._reasons[index]

    def __len__(self) -> int:
        return len(self._reasons)

    def __iter__(self) -> Iterator[Reason]:
        return iter(self._reasons)

    def top(self, count: int = 5) -> Reasons:
        """The first of them."""
        return Reasons(self._reasons[:count])

    def __repr__(self) -> str:
        return "\n".join(map(str, self._reasons)) or "nothing stands in the way of more fusion"


def explain(analysis: Any, nodes: Sequence[str]) -> Reasons:
    """All reasons of an analysis, or those about one node, or about joining two."""
    if len(nodes) > 2:
        raise UsageError("why_not takes no name, one node, or two")
    found = [
        *_misses(analysis),
        *_attentions(analysis),
        *_merges(analysis),
        *_device(analysis),
        *_uncounted(analysis),
    ]
    if not nodes:
        return Reasons(found)
    graph = _Graph(analysis)
    for name in nodes:
        graph.require(name)
    about = [reason for reason in found if any(name in reason.nodes for name in nodes)]
    if len(nodes) == 2:
        return Reasons([*_pair(analysis, graph, *nodes), *about])
    for reader in graph.readers(nodes[0]):
        about += _pair(analysis, graph, nodes[0], reader)
    return Reasons(about)


def _misses(analysis: Any) -> list[Reason]:
    """Places where all but one constraint of a rule hold, those that would save most first."""
    misses = sorted(analysis.findings().misses, key=lambda miss: -miss.saving.bytes)
    reasons = []
    for miss in misses:
        evidence = miss.evidence
        text = (
            f"{miss.rule} misses in {miss.module or 'the model itself'}: {miss.title}; "
            f"found {evidence.found}, expected {evidence.expected}; it would save "
            f"{miss.saving.kernels} kernels and {miss.saving.bytes:,} bytes; {miss.change}"
        )
        named = (*miss.nodes, evidence.node, evidence.value)
        reasons.append(Reason("rule-miss", tuple(name for name in named if name), text))
    return reasons


def _attentions(analysis: Any) -> list[Reason]:
    reasons = []
    for missed in analysis.attention.missed:
        stop = f", at `{missed.stopped_by}`" if missed.stopped_by else ""
        text = f"softmax `{missed.node}` is no attention: {missed.reason}{stop}"
        named = (missed.node, missed.value, missed.stopped_by)
        reasons.append(Reason("attention", tuple(name for name in named if name), text))
    return reasons


def _merges(analysis: Any) -> list[Reason]:
    reasons = []
    for plan in analysis.strategies:
        for merge in plan.times.refused_merges if plan.times else []:
            text = (
                f"{plan.name}: {', '.join(merge.nodes)} stay apart: one wide product takes "
                f"{merge.merged_us:.3g} µs, the products one by one {merge.apart_us:.3g} µs"
            )
            reasons.append(Reason("merge", tuple(merge.nodes), text))
    return reasons


def _device(analysis: Any) -> list[Reason]:
    reasons = []
    for plan in analysis.strategies:
        for row in plan.times.not_realizable if plan.times else []:
            text = f"{plan.name}: {row.groups} groups take several kernels: {row.reason}"
            reasons.append(Reason("device", (), text))
    return reasons


def _uncounted(analysis: Any) -> list[Reason]:
    return [
        Reason("uncounted", (op.name,), f"`{op.name}` × {op.count}: {op.reason or 'unknown op'}")
        for op in analysis.model.uncounted_ops
    ]


def _pair(analysis: Any, graph: _Graph, first: str, second: str) -> list[Reason]:
    """Why two nodes are in different groups of the best plan; nothing where they are in one."""
    groups = {
        name: row
        for row in analysis.groups.where(strategy=analysis.best.name)
        for name in row["nodes"]
    }
    one, other = groups[first], groups[second]
    if one["id"] == other["id"]:
        return []
    both = (first, second)
    where = (
        f"`{first}` ({graph.op(first)}) is in group {one['id']}, "
        f"`{second}` ({graph.op(second)}) in group {other['id']}"
    )
    reasons = [Reason("graph", both, where)]
    readers = graph.readers(first)
    if second not in readers and first not in graph.readers(second):
        text = f"neither of `{first}` and `{second}` reads the other: a chain cannot join them"
        return [*reasons, Reason("graph", both, text)]
    if second in readers and len(readers) > 1:
        shown = ", ".join(f"`{name}`" for name in readers)
        text = f"`{first}` is read by {len(readers)} nodes ({shown}): a chain ends at a fork"
        reasons.append(Reason("graph", (first, *readers), text))
    else:
        rule = f"{graph.op(first)} → {graph.op(second)}"
        text = f"no rule of the {analysis.best.name} plan joins {rule} here"
        reasons.append(Reason("rule", both, text))
    return reasons


class _Graph:
    """Who reads whom, by names of nodes."""

    def __init__(self, analysis: Any) -> None:
        document = json.loads(analysis.dump(decompose=True, format="json"))
        maker = {value: node["name"] for node in document["nodes"] for value in node["outputs"]}
        tensors = {value["id"] for value in document["values"] if value.get("shape") is not None}
        self._ops = {node["name"]: node["op"] for node in document["nodes"]}
        self._readers: dict[str, list[str]] = {name: [] for name in self._ops}
        for node in document["nodes"]:
            if tensors.isdisjoint(node["outputs"]):
                # What asks for a size reads no memory.
                continue
            for made_by in dict.fromkeys(maker.get(value) for value in node["inputs"]):
                if made_by is not None:
                    self._readers[made_by].append(node["name"])

    def require(self, name: str) -> None:
        if name not in self._ops:
            near = [known for known in self._ops if name in known][:4]
            raise UsageError(
                f"the plan has no node `{name}`",
                f"did you mean {' or '.join(near)}?" if near else "analysis.groups has all names",
            )

    def op(self, name: str) -> str:
        return self._ops[name]

    def readers(self, name: str) -> list[str]:
        return self._readers[name]
