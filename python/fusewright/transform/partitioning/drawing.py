"""A partition to look at: nodes beside their subgraphs, and Graphviz."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fusewright.transform.partitioning.structures import FusedSubgraph

LEFT = 44


def side_by_side(
    fx_graph: torch.fx.GraphModule,
    subgraphs: Sequence[FusedSubgraph],
    start: int | None,
    end: int | None,
) -> str:
    """One line a node: what it is, and at the first node of a subgraph what that is."""
    owner = {name: subgraph for subgraph in subgraphs for name in subgraph.node_names}
    lines = [f"{'graph':<{LEFT}}  subgraph"]
    for node in list(fx_graph.graph.nodes)[start:end]:
        left = f"{node.name} ({node.op})"
        if len(left) > LEFT:
            left = left[: LEFT - 1] + "…"
        subgraph = owner.get(node.name)
        lines.append(f"{left:<{LEFT}}  {_mark(node.name, subgraph)}".rstrip())
    return "\n".join(lines)


def _mark(name: str, subgraph: FusedSubgraph | None) -> str:
    if subgraph is None:
        return ""
    if name != subgraph.node_names[0]:
        last = name == subgraph.node_names[-1]
        return f"{'└' if last else '│'} #{subgraph.subgraph_id}"
    frame = "┌" if subgraph.num_operators > 1 else "─"
    return (
        f"{frame} #{subgraph.subgraph_id} {subgraph.fusion_pattern}, "
        f"{subgraph.total_flops / 1e6:,.1f} MFLOP, "
        f"{(subgraph.total_input_bytes + subgraph.total_output_bytes) / 1e3:,.1f} kB"
    )


def dot(fx_graph: torch.fx.GraphModule, subgraphs: Sequence[FusedSubgraph]) -> str:
    """A box a node, a frame a subgraph of several."""
    lines = ["digraph partition {", "  rankdir=TB;", "  node [shape=box, fontsize=10];"]
    framed = set()
    for subgraph in subgraphs:
        if subgraph.num_operators > 1:
            framed.update(subgraph.node_names)
            nodes = " ".join(f'"{name}";' for name in subgraph.node_names)
            lines += [
                f"  subgraph cluster_{subgraph.subgraph_id} {{",
                f'    label="#{subgraph.subgraph_id} {subgraph.fusion_pattern}"; {nodes}',
                "  }",
            ]
    for node in fx_graph.graph.nodes:
        if node.name not in framed:
            lines.append(f'  "{node.name}";')
        lines += [f'  "{operand.name}" -> "{node.name}";' for operand in node.all_input_nodes]
    return "\n".join([*lines, "}"]) + "\n"
