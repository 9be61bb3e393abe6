"""Two analyses side by side, figure by figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fusewright.table import html_table


@dataclass(frozen=True)
class Change:
    """A figure before and after."""

    figure: str
    before: float | None
    after: float | None

    @property
    def ratio(self) -> float | None:
        """after / before; ``None`` where that says nothing."""
        if not self.before or self.after is None:
            return None
        return self.after / self.before


FIGURES = {
    "nodes": lambda a: a.model.nodes,
    "parameters": lambda a: a.model.parameters,
    "contraction FLOPs": lambda a: a.flops.contraction,
    "attentions": lambda a: a.attention.found,
}
OF_PLANS = {
    "kernels": lambda plan: plan.kernels,
    "bytes": lambda plan: plan.bytes.read + plan.bytes.written,
    "peak memory bytes": lambda plan: plan.peak_memory_bytes,
    "parallel merges": lambda plan: plan.parallel_merges,
    "attention chains": lambda plan: plan.attention_chains,
    "latency µs": lambda plan: plan.latency_us.mid if plan.latency_us else None,
    "energy mJ": lambda plan: plan.energy_mj,
}


class Comparison:
    """``changes`` has every figure that both have; ``differing`` those that are not equal."""

    def __init__(self, before: Any, after: Any) -> None:
        self.before = before
        self.after = after
        self.changes = [Change(name, get(before), get(after)) for name, get in FIGURES.items()]
        names = {plan.name for plan in after.strategies}
        for plan in before.strategies:
            if plan.name in names:
                other = after[plan.name]
                self.changes += [
                    Change(f"{plan.name}: {name}", get(plan), get(other))
                    for name, get in OF_PLANS.items()
                    if get(plan) is not None or get(other) is not None
                ]

    @property
    def differing(self) -> list[Change]:
        """The figures that changed."""
        return [change for change in self.changes if change.before != change.after]

    def __getitem__(self, figure: str) -> Change:
        """One figure by name: ``comparison["attention: kernels"]``."""
        for change in self.changes:
            if change.figure == figure:
                return change
        raise KeyError(figure)

    def __repr__(self) -> str:
        lines = [f"{self.before.name} → {self.after.name}"]
        for change in self.differing:
            ratio = "" if change.ratio is None else f"  ×{change.ratio:.3f}"
            before, after = (
                "–"
                if value is None
                else f"{value:,.4g}"
                if isinstance(value, float)
                else f"{value:,}"
                for value in (change.before, change.after)
            )
            lines.append(f"{change.figure:<32} {before:>18} → {after:>18}{ratio}")
        return "\n".join(lines if len(lines) > 1 else [*lines, "all figures are equal"])

    def _repr_html_(self) -> str:
        rows = [[c.figure, c.before, c.after, c.ratio] for c in self.changes]
        return html_table(["figure", "before", "after", "ratio"], rows)
