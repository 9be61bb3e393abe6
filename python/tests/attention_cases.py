"""Ways to call ``nn.MultiheadAttention``, spelled as a user would, one option from each table.

The options together would make tens of thousands of cases; ``CASES`` is an even sample in which
every two options that go together do occur together.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

WIDTH, HEADS, BATCH, QUERIES, KEYS = 12, 4, 2, 5, 7

LAYERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no_bias": {"bias": False},
    "three_heads": {"num_heads": 3},
    "heads_of_width_one": {"num_heads": WIDTH},
    "key_and_value_widths": {"kdim": 6, "vdim": 10},
    "value_width": {"vdim": 10, "bias": False},
    "learned_key": {"add_bias_kv": True},
    "zero_key": {"add_zero_attn": True},
    "learned_and_zero_key": {"add_bias_kv": True, "add_zero_attn": True},
    "all_at_once": {
        "kdim": 10,
        "vdim": 6,
        "bias": False,
        "add_bias_kv": True,
        "add_zero_attn": True,
        "num_heads": 3,
    },
}

# Batch axis, and whether the layer is told that it comes first.
LAYOUTS = {
    "batch_first": (True, True),
    "sequence_first": (True, False),
    "unbatched": (False, False),
    "unbatched_batch_first": (False, True),
}

# What is given for query, key and value: equal letters are one tensor.
SOURCES = {
    "self": "xxx",
    "equal_length": "xyz",
    "other_length": "xkv",
    "memory": "xkk",
    "self_other_value": "xxz",
}

# Kinds of attention mask and of key padding mask.
MASKS = {
    "no_mask": (None, None),
    "bool": ("bool", None),
    "float": ("float", None),
    "bool_per_head": ("bool per head", None),
    "float_per_head": ("float per head", None),
    "padding": (None, "bool"),
    "float_padding": (None, "float"),
    "bool_and_padding": ("bool", "bool"),
    "float_and_float_padding": ("float", "float"),
    "bool_and_float_padding": ("bool", "float"),
    "float_and_padding": ("float", "bool"),
    "bool_per_head_and_padding": ("bool per head", "bool"),
    "float_per_head_and_float_padding": ("float per head", "float"),
    "causal": ("causal", None),
    "float_causal": ("float causal", None),
    "causal_flag": ("causal flag", None),
    "float_causal_flag": ("float causal flag", None),
    "causal_flag_and_padding": ("causal flag", "bool"),
}

# need_weights and average_attn_weights, as written in the call.
WEIGHTS: dict[str, dict[str, bool]] = {
    "default_weights": {},
    "no_weights": {"need_weights": False},
    "no_weights_per_head": {"need_weights": False, "average_attn_weights": False},
    "averaged": {"need_weights": True, "average_attn_weights": True},
    "per_head": {"average_attn_weights": False},
}

# How arguments are given, and what is done with the result.
SPELLINGS = ("by_position", "masks_by_keyword", "all_by_keyword")
RESULTS = ("whole", "first", "unpacked")

ARGUMENTS = {
    "query": None,
    "key": None,
    "value": None,
    "key_padding_mask": "None",
    "need_weights": "True",
    "attn_mask": "None",
    "average_attn_weights": "True",
    "is_causal": "False",
}


@dataclass(frozen=True)
class Case:
    """One option from each table."""

    layer: str
    layout: str
    source: str
    mask: str
    weights: str
    spelling: str
    result: str

    def __str__(self) -> str:
        return "-".join(vars(self).values())

    def possible(self) -> bool:
        """One tensor cannot be given for two arguments of different widths."""
        widths: dict[str, int] = {}
        wanted = (WIDTH, *(LAYERS[self.layer].get(name, WIDTH) for name in ("kdim", "vdim")))
        given = zip(SOURCES[self.source], wanted, strict=True)
        return all(widths.setdefault(name, width) == width for name, width in given)

    def hides_extra_keys(self) -> bool:
        """PyTorch's causal kernel hides keys that the layer appends; its masks do not."""
        options = LAYERS[self.layer]
        extra = options.get("add_bias_kv") or options.get("add_zero_attn")
        in_kernel = self.weights.startswith("no_weights") and self.mask.endswith("causal_flag")
        return bool(extra and in_kernel)

    def model(self, **options: Any) -> Caller:
        """The layer with random weights, in a module that makes this call."""
        chosen = {"num_heads": HEADS, **LAYERS[self.layer], **options}
        layer = nn.MultiheadAttention(WIDTH, batch_first=LAYOUTS[self.layout][1], **chosen)
        return Caller.of(layer, self.call(), self.result)

    def arguments(self) -> dict[str, str]:
        """The arguments of the call by name, as they are written."""
        given = dict(zip(("query", "key", "value"), SOURCES[self.source], strict=True))
        attention, padding = MASKS[self.mask]
        if padding:
            given["key_padding_mask"] = "padding"
        if attention:
            given["attn_mask"] = "mask"
            if "flag" in attention:
                given["is_causal"] = "True"
        given.update({name: str(value) for name, value in WEIGHTS[self.weights].items()})
        return given

    def call(self) -> str:
        """``self.attention(…)`` with its arguments."""
        given = self.arguments()
        if self.spelling == "by_position":
            last = max(list(ARGUMENTS).index(name) for name in given)
            written = [given.get(name, default) for name, default in ARGUMENTS.items()]
            return f"self.attention({', '.join(written[: last + 1])})"
        names = list(reversed(given)) if self.spelling == "all_by_keyword" else list(given)
        bare = ("query", "key", "value") if self.spelling == "masks_by_keyword" else ()
        written = [given[name] if name in bare else f"{name}={given[name]}" for name in names]
        return f"self.attention({', '.join(written)})"

    def inputs(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """Random tensors for the names in the call; every query sees at least the first key."""
        options, (batched, batch_first) = LAYERS[self.layer], LAYOUTS[self.layout]
        query, key, value = SOURCES[self.source]
        keys = KEYS if "k" in (key, value) else QUERIES
        heads = options.get("num_heads", HEADS)

        def sequence(length: int, width: int) -> Tensor:
            shape = (BATCH, length) if batch_first else (length, BATCH)
            return torch.randn(*(shape if batched else (length,)), width, dtype=dtype)

        tensors = {
            key: sequence(keys, options.get("kdim", WIDTH)),
            value: sequence(keys, options.get("vdim", WIDTH)),
            query: sequence(QUERIES, WIDTH),
        }
        attention, padding = MASKS[self.mask]
        if attention:
            per_head = (heads * (BATCH if batched else 1),) if "per head" in attention else ()
            tensors["mask"] = _mask(attention, (*per_head, QUERIES, keys), dtype)
        if padding:
            tensors["padding"] = _mask(padding, (*((BATCH,) if batched else ()), keys), dtype)
        return {name: tensors[name] for name in sorted(tensors)}


def _mask(kind: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    if "causal" in kind:
        mask = torch.ones(shape, dtype=torch.bool).triu(diagonal=1)
    else:
        mask = torch.rand(shape) < 0.4
        mask[..., 0] = False
    if "float" not in kind:
        return mask
    added = torch.zeros(shape) if "causal" in kind else torch.randn(shape)
    return added.to(dtype).masked_fill(mask, float("-inf"))


class Caller(nn.Module):
    """A module around an attention layer, like the ones people write."""

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        self.attention = attention
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.5)

    @staticmethod
    def of(attention: nn.MultiheadAttention, call: str, result: str = "whole") -> Caller:
        """A module whose ``forward`` makes the call and gives (part of) its result."""
        names = [name for name in ("k", "mask", "padding", "v", "x", "y", "z") if _uses(call, name)]
        body = {
            "whole": f"return {call}",
            "first": f"return {call}[0]",
            "unpacked": f"context, weights = {call}\n    return weights, context",
        }[result]
        scope: dict[str, Any] = {}
        exec(f"def forward(self, {', '.join(names)}):\n    {body}\n", scope)
        return type("Caller", (Caller,), scope)(attention)


def _uses(call: str, name: str) -> bool:
    arguments = call.partition("(")[2].rstrip(")").split(", ")
    return name in {argument.rpartition("=")[2] for argument in arguments}


TABLES = (LAYERS, LAYOUTS, SOURCES, MASKS, WEIGHTS, SPELLINGS, RESULTS)

# A step without a factor in common with any table's length visits all options evenly.
STEP = 223
CASES = [
    case
    for options in itertools.islice(itertools.product(*TABLES), 0, None, STEP)
    if (case := Case(*options)).possible()
]
