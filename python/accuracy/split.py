"""Which rows the fit did not see: the same hash as in crates/fusewright-fit/src/split.rs."""

from __future__ import annotations


def held_out(*sizes: int) -> bool:
    """Whether a shape was left out of the fit; its sizes in the order of the fit."""
    return (_fnv1a(",".join(map(str, sizes)).encode()) >> 32) & 1 == 1


def _fnv1a(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value
