"""What the probes are asked in training: degraded frames and their losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from worldsim.evaluate.probes.bundle import to_input

from .probe_footage import Footage

Lesson = Callable[[], tuple[Tensor, int, str]]
"""Returns the loss of one optimiser step, how many frames it saw and a few words about it."""


def seg_lessons(net: Any, footage: Footage, rng: np.random.Generator) -> Lesson:
    """Blocks in degraded frames, also mirrored; rare ones weigh more."""
    noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
    order = _shuffled(len(footage.frames), 16, rng)
    counts = np.bincount(footage.classes.ravel(), minlength=37) + 1000.0
    weight = torch.from_numpy((counts.mean() / counts) ** 0.3).float().clamp(0.5, 3.0)

    def lesson() -> tuple[Tensor, int, str]:
        chosen = next(order)
        classes = torch.from_numpy(footage.classes[chosen]).long()
        images = degrade(to_input(torch.from_numpy(footage.frames[chosen, -1])), noise)
        if rng.random() < 0.5:
            images, classes = images.flip(3), classes.flip(2)
        logits = _run(net, images)
        loss = functional.cross_entropy(logits, classes, weight)
        return loss, len(chosen), _right(logits, classes)

    return lesson


def hotbar_lessons(net: Any, footage: Footage, rng: np.random.Generator) -> Lesson:
    """The chosen slot in degraded frames."""
    noise = torch.Generator().manual_seed(int(rng.integers(2**31)))
    order = _shuffled(len(footage.frames), 32, rng)

    def lesson() -> tuple[Tensor, int, str]:
        chosen = next(order)
        slots = torch.from_numpy(footage.slot[chosen, -1])
        logits = _run(net, degrade(to_input(torch.from_numpy(footage.frames[chosen, -1])), noise))
        return functional.cross_entropy(logits, slots), len(chosen), _right(logits, slots)

    return lesson


def degrade(images: Tensor, rng: torch.Generator, share: float = 0.7) -> Tensor:
    """Blur, coarsen and roughen pictures a little, `[B, 3, h, w]` in [-1, 1], as a dream might."""
    count = len(images)

    def dice(low: float, high: float) -> Tensor:
        return torch.rand(count, 1, 1, 1, generator=rng) * (high - low) + low

    hit, soft = dice(0, 1) < share, blur(images)
    out = images + dice(0, 1).square() * 1.2 * (soft - images)
    out = torch.where(dice(0, 1) < 0.15, blur(soft), out)
    out = out * dice(0.9, 1.1) + dice(-0.06, 0.06)
    out = out + torch.randn(images.shape, generator=rng) * dice(0, 1).square() * 0.06
    levels = dice(4.0, 7.5).exp2()
    out = torch.where(dice(0, 1) < 0.5, (out * levels / 2).round() * 2 / levels, out)
    return torch.where(hit, out.clamp(-1, 1), images)


def blur(images: Tensor) -> Tensor:
    """Mean over 3x3 pixels of pictures `[N, 3, h, w]`."""
    return functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)


def _run(net: Any, images: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=bool(torch.cpu._is_amx_tile_supported())):
        logits: Tensor = net(images.contiguous(memory_format=torch.channels_last))
    return logits.float()


def _right(logits: Tensor, true: Tensor) -> str:
    return f"{float((logits.detach().argmax(1) == true).float().mean()):.3f} right"


def _shuffled(count: int, batch: int, rng: np.random.Generator) -> Iterator[Any]:
    batch = min(batch, count)
    while True:
        order = rng.permutation(count)
        for first in range(0, count - batch + 1, batch):
            yield order[first : first + batch]
