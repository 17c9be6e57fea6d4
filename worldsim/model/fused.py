"""Long chains of small tensor operations that can be compiled into a few kernels.

On a GPU each of them would read and write all of its memory for every operation; reprojection
alone takes as long as the network so. Compiling takes half a minute, so that it is left to long runs:
training with `recipe.compile` asks for it, playing doesn't.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

_Function = TypeVar("_Function", bound=Callable[..., Any])
_asked = False


def ask(wanted: bool = True) -> None:
    """Compile the fusible functions from now on, when they are called with tensors on a GPU; or stop to."""
    global _asked
    _asked = wanted


def fusible(function: _Function) -> _Function:
    """Mark a function whose first argument is a tensor and which depends on its arguments alone."""
    compiled: Callable[..., Any] | None = None

    @functools.wraps(function)
    def call(first: Tensor, *rest: Any) -> Any:
        nonlocal compiled
        if not _asked or first.device.type == "cpu":
            return function(first, *rest)
        if compiled is None:
            compiled = torch.compile(function, dynamic=False)
        return compiled(first, *rest)

    return cast(_Function, call)
