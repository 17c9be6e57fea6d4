"""The denoiser compiled by torch (inductor): a minute at first use, a few seconds from its cache later."""

from __future__ import annotations

import shutil
import sys
from typing import Any

import torch
from torch import Tensor

from worldsim.errors import MissingDependency
from worldsim.model.denoiser import Denoiser
from worldsim.sim.graphs import ContextGraph, DenoiseGraph, Graphs
from worldsim.sim.network import Network

_COMPILERS = ("g++", "clang++", "c++", "cl")


class Compiled(Graphs):
    """Two compiled graphs: on a CPU of one world, weights laid out for it; on a GPU of any batch, each compiled anew.

    Raises:
        MissingDependency: there is no C++ compiler. What a GPU's compiler lacks is said at the first frame.
    """

    name = "compiled"

    def __init__(self, denoiser: Denoiser, eager: Network) -> None:
        on_gpu = next(denoiser.parameters()).device.type == "cuda"
        if not on_gpu:
            _need_compiler()
        # What is frozen is compiled in float32 and can't be changed any more: of use on a CPU alone.
        options: Any = None if on_gpu else {"freezing": True}
        context: Any = torch.compile(ContextGraph(denoiser).eval(), dynamic=False, options=options)
        denoise: Any = torch.compile(DenoiseGraph(denoiser).eval(), dynamic=False, options=options)

        def run(function: Any, tensors: list[Tensor]) -> list[Tensor]:
            return list(function(*(t.contiguous() for t in tensors)))

        super().__init__(lambda t: run(context, t), lambda t: run(denoise, t), eager, batched=on_gpu)


def _need_compiler() -> None:
    if not any(shutil.which(name) for name in _COMPILERS):
        install = "xcode-select --install" if sys.platform == "darwin" else "apt-get install g++"
        raise MissingDependency(
            f"backend 'compiled': needs a C++ compiler and there is none; run  {install}  or use 'eager'"
        )
