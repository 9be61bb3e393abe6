"""What a decomposed attention looks like: its nodes, their module paths, whose weights they use."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from attention_cases import CASES, HEADS, WIDTH, Caller
from replay import assert_same, dump, fusewright, replay, write

pytestmark = [
    pytest.mark.usefixtures("built"),
    pytest.mark.filterwarnings("ignore:Support for mismatched"),
]

STEPS = [
    ("linear", "torch.nn.functional.linear"),
    ("linear", "torch.nn.functional.linear"),
    ("linear", "torch.nn.functional.linear"),
    ("size", "size"),
    ("size", "size"),
    ("reshape", "reshape"),
    ("reshape", "reshape"),
    ("reshape", "reshape"),
    ("permute", "transpose"),
    ("permute", "transpose"),
    ("permute", "transpose"),
    ("permute", "transpose"),
    ("matmul", "torch.matmul"),
    ("mul", "operator.mul"),
    ("softmax", "torch.nn.functional.softmax"),
    ("matmul", "torch.matmul"),
    ("permute", "transpose"),
    ("reshape", "reshape"),
    ("contiguous", "contiguous"),
    ("linear", "torch.nn.functional.linear"),
    ("alias", "builtins.tuple"),
]


class Block(nn.Module):
    """Attends twice with one layer: the second time over something else."""

    def __init__(self, attention: nn.MultiheadAttention | None = None) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.attention = attention or nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

    def forward(self, x):
        y = self.norm(x)
        near, _ = self.attention(y, y, y, need_weights=False)
        far, weights = self.attention(near, x, x)
        return x + far, weights


class Stack(nn.Module):
    """Two blocks, with weights between them that depend on the test."""

    def __init__(self, *, one_layer: bool = False, tied: bool = False) -> None:
        super().__init__()
        self.first = Block()
        self.second = Block(self.first.attention if one_layer else None)
        if tied:
            self.second.attention.in_proj_weight = self.first.attention.in_proj_weight
        self.register_buffer("offset", torch.randn(WIDTH), persistent=False)

    def forward(self, x):
        x, _ = self.first(x + self.offset)
        return self.second(x)


STACKS = {"apart": {}, "one_layer": {"one_layer": True}, "tied": {"tied": True}}


@pytest.fixture(params=STACKS.values(), ids=STACKS)
def stack(request) -> Stack:
    torch.manual_seed(0)
    return Stack(**request.param).eval()


def steps_of(graph: dict[str, Any], layer: str) -> list[dict[str, Any]]:
    return [node for node in graph["nodes"] if node["name"].startswith(f"{layer}:")]


def weights_of(graph: dict[str, Any]) -> dict[str, list[int]]:
    kinds = ("parameter", "buffer", "constant")
    return {value["name"]: value["shape"] for value in graph["values"] if value["kind"] in kinds}


@pytest.mark.parametrize("batch_first", [True, False])
def test_plain_self_attention_becomes_21_nodes(batch_first, scratch):
    layer = nn.MultiheadAttention(WIDTH, HEADS, batch_first=batch_first)
    model = Caller.of(layer, "self.attention(x, x, x, need_weights=False)", "first").eval()
    steps = steps_of(dump(model, [(2, 5, WIDTH)], scratch), "attention")
    moves = {("permute", "permute"): ("permute", "transpose")}
    ops = [(step["op"], step["source_op"]) for step in steps]
    assert ops == STEPS if batch_first else [moves.get(op, op) for op in ops] == STEPS
    (scale,) = (step["attributes"]["scalar"] for step in steps if step["op"] == "mul")
    assert scale == pytest.approx(1 / math.sqrt(WIDTH / HEADS), rel=1e-15)


@pytest.mark.parametrize("case", [pytest.param(case, id=str(case)) for case in CASES[::23]])
def test_every_step_has_the_path_of_its_attention(case, scratch):
    call = case.call().replace("self.attention", "self.blocks[0]['attention']")
    model = Caller.of(case.model().attention, call, case.result).eval()
    model.blocks = nn.ModuleList([nn.ModuleDict({"attention": model.attention})])
    del model.attention
    inputs = list(case.inputs(torch.float32).values())
    graph = dump(model, inputs, scratch)
    steps = steps_of(graph, "blocks_0_attention")
    assert len(steps) >= len(STEPS)
    assert {step["scope"] for step in steps} == {"blocks.0.attention"}
    others = [node for node in graph["nodes"] if node not in steps]
    assert {node["source_op"] for node in others} <= {"operator.getitem"}


def test_each_call_has_the_path_of_its_layer(scratch):
    graph = dump(Stack().eval(), [(2, 5, WIDTH)], scratch)
    scopes = Counter(node["scope"] for node in graph["nodes"] if node["op"] == "softmax")
    assert scopes == {"first.attention": 2, "second.attention": 2}


def test_layers_that_share_weights_equal_their_decomposition(stack, scratch):
    graph = dump(stack, [(2, 5, WIDTH)], scratch)
    x = torch.randn(2, 5, WIDTH)
    with torch.no_grad():
        assert_same(stack(x), replay(graph, stack, [x]), 1e-5)


def test_weights_are_those_of_the_module_each_once(stack, scratch):
    graph = dump(stack, [(2, 5, WIDTH)], scratch)
    shapes = {name: list(tensor.shape) for name, tensor in stack.named_parameters()}
    shapes |= {name: list(tensor.shape) for name, tensor in stack.named_buffers()}
    assert weights_of(graph) == shapes


@pytest.mark.parametrize("case", [pytest.param(case, id=str(case)) for case in CASES[::23]])
def test_a_layer_keeps_its_parameters(case, scratch):
    model = case.model().eval()
    graph = dump(model, list(case.inputs(torch.float32).values()), scratch)
    state = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    assert weights_of(graph) == state
    elements = sum(math.prod(shape) for shape in weights_of(graph).values())
    assert elements == sum(parameter.numel() for parameter in model.parameters())


COUNTED = [case for case in CASES[::19] if not case.hides_extra_keys()]


@pytest.mark.parametrize("case", [pytest.param(case, id=str(case)) for case in COUNTED])
def test_multiplications_are_those_that_torch_counts(case, scratch):
    model = case.model().eval().to("meta")
    inputs = [tensor.to("meta") for tensor in case.inputs(torch.float32).values()]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*inputs)
    report = fusewright("plan", write(model, inputs, scratch))
    assert report["flops"]["contraction"] == counter.get_total_flops()
    assert report["model"]["parameters"] == sum(p.numel() for p in model.parameters())


def test_projections_use_parts_of_the_packed_weight(scratch):
    graph = dump(Stack().eval(), [(2, 5, WIDTH)], scratch)
    values = {value["id"]: value for value in graph["values"]}
    for layer, path in (("first_attention", "first"), ("second_attention_1", "second")):
        for role, start in (("query", 0), ("key", WIDTH), ("value", 2 * WIDTH)):
            (linear,) = (s for s in steps_of(graph, layer) if s["name"] == f"{layer}:{role}")
            for operand, packed in zip(linear["inputs"][1:], ("weight", "bias"), strict=True):
                part = values[operand]["part_of"]
                assert part["start"] == start
                assert values[part["value"]]["name"] == f"{path}.attention.in_proj_{packed}"
