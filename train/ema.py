"""An exponential moving average of a module's weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from worldsim.errors import CheckpointError

from .schedule import ema_decay


class EMA:
    """Averages a module's parameters in float32 and carries its buffers along.

    `decay_fn(n)` is the decay in [0, 1) of update number `n`, counted from 0. Give the module
    itself and not what `torch.compile` made of it, so that the names match its checkpoints.
    """

    def __init__(self, module: nn.Module, decay_fn: Callable[[int], float] = ema_decay) -> None:
        self.module = module
        self.decay_fn = decay_fn
        self.updates = 0
        self.values: dict[str, Tensor] = {
            name: value.detach().float().clone() for name, value in module.named_parameters()
        }

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the module's present parameters."""
        weight = 1.0 - self.decay_fn(self.updates)
        shadow = list(self.values.values())
        now = [value.detach().float() for value in self.module.parameters()]
        torch._foreach_lerp_(shadow, now, weight)
        self.updates += 1

    @contextmanager
    def swap(self) -> Iterator[nn.Module]:
        """Put the averaged parameters into the module for the length of the `with` block."""
        kept = {name: value.detach().clone() for name, value in self.module.named_parameters()}
        self._copy_into(self.values)
        try:
            yield self.module
        finally:
            self._copy_into(kept)

    def module_state(self) -> dict[str, Tensor]:
        """The module's state dict with averaged parameters, as copies: what a checkpoint ships."""
        with self.swap():
            return {name: value.detach().clone() for name, value in self.module.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "values": {n: v.clone() for n, v in self.values.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        values: dict[str, Tensor] = state["values"]
        wrong = sorted(values.keys() ^ self.values.keys())
        wrong += [n for n in values.keys() & self.values.keys() if values[n].shape != self.values[n].shape]
        if wrong:
            raise CheckpointError(f"ema: {', '.join(wrong[:10])}: do not fit this model; start a new run")
        for name, value in self.values.items():
            value.copy_(values[name])
        self.updates = int(state["updates"])

    @torch.no_grad()
    def _copy_into(self, values: dict[str, Tensor]) -> None:
        for name, parameter in self.module.named_parameters():
            parameter.copy_(values[name])
