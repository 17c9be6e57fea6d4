"""Samplers: pure functions from noise to a frame, all with one signature.

`denoise(x, noise_level, step_size) -> x_hat` is the network with everything but the noise bound.
The schedule, the noise source and the callback are arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Denoise = Callable[[Tensor, Tensor, Tensor], Tensor]
Callback = Callable[[dict[str, Any]], None]
Sampler = Callable[..., Tensor]


def euler(
    denoise: Denoise,
    noise: Tensor,
    levels: list[float],
    *,
    fresh_noise: Callable[[int], Tensor] | None = None,
    callback: Callback | None = None,
) -> Tensor:
    """Euler steps along the flow's straight lines; deterministic given the noise.

    Args:
        noise: `[B, ...]` at level `levels[0]`.
        levels: decreasing noise levels, the last one 0.
        fresh_noise: not used.
        callback: called after each step with `x`, `x_hat`, `step` and `noise_level`.
    """
    del fresh_noise
    x = noise
    for step, (now, then) in enumerate(zip(levels[:-1], levels[1:])):
        x_hat = denoise(x, _full(x, now), _full(x, now - then))
        x = x_hat + (x - x_hat) * (then / now) if then > 0 else x_hat
        _report(callback, x, x_hat, step, then)
    return x


def ancestral(
    denoise: Denoise,
    noise: Tensor,
    levels: list[float],
    *,
    fresh_noise: Callable[[int], Tensor] | None = None,
    callback: Callback | None = None,
) -> Tensor:
    """Predict, then renoise with fresh noise (the multistep sampler of consistency models, Song et al. 2023).

    Args:
        fresh_noise: `step -> [B, ...]` standard normal, needed for more than one step.
    """
    x = noise
    for step, (now, then) in enumerate(zip(levels[:-1], levels[1:])):
        x_hat = denoise(x, _full(x, now), _full(x, now - then))
        x = x_hat
        if then > 0:
            assert fresh_noise is not None
            x = (1 - then) * x_hat + then * fresh_noise(step + 1)
        _report(callback, x, x_hat, step, then)
    return x


SAMPLERS: dict[str, Sampler] = {"euler": euler, "ancestral": ancestral}


def _full(x: Tensor, value: float) -> Tensor:
    return torch.full((x.shape[0],), value, device=x.device)


def _report(callback: Callback | None, x: Tensor, x_hat: Tensor, step: int, noise_level: float) -> None:
    if callback is not None:
        callback({"x": x, "x_hat": x_hat, "step": step, "noise_level": noise_level})
