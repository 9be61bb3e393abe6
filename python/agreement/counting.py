"""PyTorch's own figures for a model: parameters, contraction FLOPs, and what the calls share.

The FLOP counter sees fused attention only on the meta device, where it is computed in steps; on
the CPU it would count zero for it. Grouped products, which its registry lacks, have rows here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from agreement.model import Model, frozen_buffers, modules_of


@dataclass(frozen=True)
class Reference:
    """What PyTorch says of a model."""

    parameters: int
    """Elements of the parameters, shared ones once."""
    contraction: int
    """FLOPs of matrix products and convolutions in one call."""
    attentions: int
    """Attentions computed in one call, known from the configuration."""
    merges: int
    """Sets of two or more linear layers that read the same tensor."""
    tables: int
    """Part of ``contraction`` that depends on positions alone: rotary angles."""
    folded: int
    """Parameters that are left out where batch normalisations are folded into convolutions."""
    opaque_layers: int
    """Attention layers that symbolic tracing keeps whole, with Q, K and V in one matrix."""
    device: str
    """Where the call was counted."""
    ahead: int = 0
    """Parameters that exporters compute with: tables of relative positions, and scalars."""
    added: int = 0
    """Elements of buffers that results are added to or scaled by."""
    angles: int = 0
    """FLOPs of rotary angles if they are products of a column and a row, one term a sum."""

    def as_json(self) -> dict[str, Any]:
        """For the files beside the exports."""
        return asdict(self)


def _grouped(a: tuple[int, ...], b: tuple[int, ...], *_: Any, out_shape: Any = None) -> int:
    # Every row of a meets one matrix of b, whichever it is.
    return 2 * a[0] * b[-2] * b[-1]


def _grouped_products() -> dict[Any, Any]:
    rows = {}
    for library, name in (("aten", "_grouped_mm"), ("transformers", "grouped_mm_fallback")):
        if hasattr(getattr(torch.ops, library), name):
            rows[getattr(getattr(torch.ops, library), name)] = _grouped
    return rows


WINDOW_LAYERS = ("ShiftedWindowAttention", "ShiftedWindowAttentionV2")
"""What torchvision wraps for symbolic tracing, as it does ``nn.MultiheadAttention``."""


class Folding:
    """Batch normalisations that alone read a convolution, which exporters fold into it."""

    def __init__(self, module: nn.Module) -> None:
        self._parts: list[tuple[Tensor, int]] = []
        self._made: dict[int, tuple[Tensor, bool]] = {}
        for each in module.modules():
            if isinstance(each, nn.Conv2d):
                each.register_forward_hook(self._note)
            elif isinstance(each, nn.BatchNorm2d) and each.affine:
                each.register_forward_pre_hook(self._fold)

    def _note(self, convolution: nn.Module, _: Any, result: Tensor) -> None:
        # The result is kept alive, so that no other tensor gets its identity.
        self._made[id(result)] = (result, convolution.bias is not None)

    def _fold(self, norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        _, has_bias = self._made.get(id(given[0]), (None, None))
        if has_bias is not None:
            # Scale and shift become a bias, where the convolution has none of its own.
            self._parts.append((given[0], norm.num_features * (2 if has_bias else 1)))

    def parameters(self, reads: Counter[int]) -> int:
        """How many are gone; ``reads`` counts other calls by the tensors they read."""
        return sum(gone for tensor, gone in self._parts if reads[id(tensor)] == 0)


AHEAD = (
    "relative_position",
    "rel_pos",
    "relative_bias",
    "relative_attention_bias",
    "logit_scale",
)
"""Parts of the names of parameters that calls read only to compute a constant."""


def _ahead(module: nn.Module) -> int:
    named = module.named_parameters()
    return sum(each.numel() for name, each in named if any(part in name for part in AHEAD))


def _added(module: nn.Module) -> int:
    added = sum(
        each.numel()
        for name, each in module.named_buffers()
        if name.endswith(("logits_bias", "k_bias"))
    )
    # Of the four vectors of a frozen normalisation, two are left in a file: a scale and a shift.
    return added + sum(each.numel() for each in frozen_buffers(module)) // 2


class Siblings(TorchFunctionMode):
    """Notes which tensor each linear layer reads, and how often attention is called."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: Counter[tuple[int, ...]] = Counter()
        self.reads: Counter[int] = Counter()
        self.attention_calls = 0
        self.layers = 0
        # Kept alive, so that no two of them share an address.
        self._inputs: list[Tensor] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is Tensor.__bool__ and args[0].is_meta:
            # Models ask whether masks are trivial; without padding they are.
            return True
        if func is F.linear:
            self._read(args[0], args[1] if len(args) > 1 else kwargs["weight"])
        elif func is torch.addmm:
            self._read(args[1], args[2])
        elif func in (F.scaled_dot_product_attention, F.multi_head_attention_forward):
            self.attention_calls += 1
            self.layers += func is F.multi_head_attention_forward
        result = func(*args, **kwargs)
        if isinstance(result, Tensor) and func not in (F.batch_norm, torch.batch_norm):
            read = [each for each in args if isinstance(each, Tensor)]
            self.reads.update(map(id, read))
            self._inputs.extend(read)
        return result

    def _read(self, x: Tensor, weight: Tensor) -> None:
        if isinstance(weight, nn.Parameter) or weight._is_view():
            self._inputs.append(x)
            storage = x.untyped_storage()._cdata
            self.readers[storage, x.storage_offset(), x.numel(), x.shape[-1]] += 1

    @property
    def merges(self) -> int:
        return sum(readers > 1 for readers in self.readers.values())


def count(model: Model, size: str) -> Reference:
    """Runs one call on the meta device, or where a model needs values, on the CPU in steps."""
    try:
        return _count_on(model, size, "meta")
    except (RuntimeError, NotImplementedError, ValueError):
        if size == "full":
            raise
        with sdpa_kernel(SDPBackend.MATH):
            return _count_on(model, size, "cpu")


def _count_on(model: Model, size: str, device: str) -> Reference:
    # The counter follows modules by their gradients where there are any.
    module = model.build(size, device).requires_grad_(False)
    # The names by which the counter reports a module's part.
    tables = {
        f"{type(module).__name__}.{name}"
        for name, each in module.named_modules()
        if type(each).__name__.endswith("RotaryEmbedding")
    }
    angles = 0

    def note(_: nn.Module, __: Any, found: Any) -> None:
        nonlocal angles
        # Cosines hold each angle twice, and an angle takes one multiply-add.
        angles += found[0].numel() if isinstance(found, tuple) else 0

    folding = Folding(module)
    for each in module.modules():
        if type(each).__name__.endswith("RotaryEmbedding"):
            each.register_forward_hook(note)
    counter = FlopCounterMode(display=False, custom_mapping=_grouped_products())
    siblings = Siblings()
    with torch.no_grad(), counter, siblings:
        module(**model.arguments(size, device))
    parts = counter.get_flop_counts()
    expected = model.attentions(module)
    if siblings.attention_calls > expected:
        raise AssertionError(
            f"{model.name}: {siblings.attention_calls} attention calls, "
            f"but {expected} attentions by {model.how}"
        )
    return Reference(
        parameters=sum(each.numel() for each in module.parameters()),
        contraction=counter.get_total_flops(),
        attentions=expected,
        merges=siblings.merges,
        tables=sum(sum(parts[name].values()) for name in tables if name in parts),
        folded=folding.parameters(siblings.reads),
        ahead=_ahead(module),
        added=_added(module),
        opaque_layers=siblings.layers or modules_of(*WINDOW_LAYERS)(module),
        device=device,
        angles=angles,
    )
