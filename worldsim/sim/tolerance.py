"""How far a backend may be from eager, and what is said when one can't be used."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from torch import Tensor

from worldsim.errors import NumericalError

TOLERANCE = 2e-3
"""Largest difference from eager, in units of [-1, 1] (a quarter of a grey level; of other outputs: of their size)."""
ROUGH_TOLERANCE = 1e-2
"""In bfloat16: root of the mean squared difference from eager, as a share of eager's own root mean square.

Kernels that round in other places differ by as much as eager in bfloat16 does from eager in float32: 6e-3 for
pictures and depth of the shipped world. Single pixels differ by 0.1 then, so the largest difference says nothing.
A replay of the same kernels differs by nothing at all; one that reads stale memory by about 1.
"""


def deviation(found: Sequence[Tensor], expected: Sequence[Tensor], dtype: torch.dtype) -> float:
    """How far tensors are from eager's, computed in `dtype`: the worst of them, by the measure of its tolerance."""
    off = _largest if dtype == torch.float32 else _usual
    return max((off(a.float(), b.float()) for a, b in zip(found, expected, strict=True)), key=_nan_last)


def hold(found: Sequence[Tensor], expected: Sequence[Tensor], dtype: torch.dtype) -> float:
    """`deviation`, if it is allowed.

    Raises:
        NumericalError: it is above the tolerance of `dtype`, or not a number.
    """
    worst, allowed = (
        deviation(found, expected, dtype),
        TOLERANCE if dtype == torch.float32 else ROUGH_TOLERANCE,
    )
    if not worst <= allowed:
        raise NumericalError(f"differs from eager by {worst:.2g}, allowed are {allowed:.0e}")
    return worst


def fell_back(what: str, error: Exception) -> None:
    """Say in one line on stderr why a backend is not used, and that eager is."""
    said = str(error).strip()
    reason = said.splitlines()[0] if said else type(error).__name__
    print(f"worldsim: backend {what}: {reason}; eager torch is used", file=sys.stderr, flush=True)


def _largest(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max().clamp(min=1))


def _usual(a: Tensor, b: Tensor) -> float:
    return float((a - b).square().mean().sqrt() / b.square().mean().sqrt().clamp(min=1e-3))


def _nan_last(value: float) -> float:
    return value if value == value else float("inf")
