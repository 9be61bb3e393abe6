"""The replay itself: it runs what a dump lists, and refuses what it cannot vouch for."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import replay as replayed
from replay import ReplayError, Unavailable, UnknownOp, assert_same, dump, replay


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Flatten(0)).eval()


@pytest.fixture
def graph(model, scratch, built):
    return dump(model, [(3, 4)], scratch)


def altered(graph, table, name, /, **entries):
    graph = copy.deepcopy(graph)
    next(entry for entry in graph[table] if entry["name"] == name).update(entries)
    return graph


def test_the_listed_nodes_run(model, graph):
    x = torch.randn(3, 4)
    assert_same(model(x), replay(graph, model, [x]), 1e-6)
    (found,) = replay(altered(graph, "nodes", "_1", op="relu"), model, [x])
    assert torch.equal(found, model[0](x).relu().flatten())


def test_an_unknown_op_is_named(model, graph):
    other = altered(
        graph, "nodes", "_1", op="opaque", attributes={"name": "torch.own", "reason": "x"}
    )
    with pytest.raises(UnknownOp, match="`_1`: nothing known about `opaque` torch.own x"):
        replay(other, model, [torch.randn(3, 4)])


def test_an_attribute_that_is_not_heeded_is_an_error(model, graph):
    other = altered(graph, "nodes", "_1", op="relu", attributes={"slope": 0.5})
    with pytest.raises(ReplayError, match="the row of `relu` ignores slope"):
        replay(other, model, [torch.randn(3, 4)])


def test_no_row_stands_for_a_whole_attention_layer(model, graph):
    other = altered(graph, "nodes", "_1", op="multihead_attention")
    with pytest.raises(UnknownOp, match="multihead_attention"):
        replay(other, model, [torch.randn(3, 4)])


@pytest.mark.parametrize("wrong", [{"shape": [6, 3]}, {"dtype": "f64"}])
@pytest.mark.parametrize("value", ["input_1", "0.weight", "_0", "_2"])
def test_a_type_that_a_value_does_not_have_is_an_error(value, wrong, model, graph):
    with pytest.raises(ReplayError, match=f"{value}`: the dump says"):
        replay(altered(graph, "values", value, **wrong), model, [torch.randn(3, 4)])


def test_weights_are_found_by_name_only(model, graph):
    with pytest.raises(ReplayError, match="no parameter `0.weights`"):
        replay(altered(graph, "values", "0.weight", name="0.weights"), model, [torch.randn(3, 4)])


def test_live_dropout_must_be_given_a_meaning(scratch, built):
    model = nn.Sequential(nn.Dropout(0.25)).train()
    graph, x = dump(model, [(3, 4)], scratch), torch.randn(3, 4)
    with pytest.raises(ReplayError, match="dropout is live"):
        replay(graph, model, [x])
    (found,) = replay(graph, model, [x], drop=lambda value, p: value * p)
    assert torch.equal(found, x * 0.25)


def test_nan_infinity_and_size_count_in_a_comparison():
    x = torch.tensor([1.0, float("nan"), float("inf")])
    assert_same(x, [x.clone()], 0)
    assert_same((x, None, [x]), [x, x], 0)
    for other in ([1.0, 2.0, float("inf")], [1.0, float("nan"), -float("inf")], [1.1, *x[1:]]):
        with pytest.raises(AssertionError):
            assert_same(x, [torch.tensor(other)], 1e-2)
    with pytest.raises(AssertionError):
        assert_same(torch.zeros(2, 1), [torch.zeros(1, 2)], 1.0)


def test_without_a_binary_the_message_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.delenv("FUSEWRIGHT_BIN", raising=False)
    monkeypatch.setattr(replayed, "BUILDS", (tmp_path / "fusewright",))
    with pytest.raises(Unavailable, match="cargo build -p fusewright"):
        replayed.binary()
    monkeypatch.setenv("FUSEWRIGHT_BIN", str(tmp_path / "other"))
    with pytest.raises(Unavailable, match="other, which is not a file"):
        replayed.binary()
