"""What the probes are asked in training: degraded frames, true flow, and the losses."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from worldsim.evaluate.probes.motion import Seen

TAN_HALF_FOV = 0.7002075382097097
_FARTHEST_TURN = 45.0  # degrees: beyond, too little of the first view is left


def degrade(images: Tensor, rng: torch.Generator, share: float = 0.7) -> Tensor:
    """Blur, coarsen and roughen whole clips a little, `[B, T, 3, h, w]` in [-1, 1], as a dream might."""
    b = len(images)

    def dice(low: float, high: float) -> Tensor:
        return (torch.rand(b, 1, 1, 1, 1, generator=rng) * (high - low) + low).to(images.device)

    hit = dice(0, 1) < share
    soft = blur(images)
    out = images + dice(0, 1).square() * 1.2 * (soft - images)
    if float(torch.rand((), generator=rng)) < 0.3:
        out = torch.where(dice(0, 1) < 0.5, blur(soft), out)
    out = out + dice(-0.06, 0.06) + (dice(0.9, 1.1) - 1.0) * out
    noise = torch.randn(images.shape, generator=rng).to(images.device)
    out = out + noise * dice(0, 1).square() * 0.06
    levels = dice(4.0, 7.5).exp2()
    out = torch.where(dice(0, 1) < 0.5, (out * levels / 2).round() * 2 / levels, out)
    return torch.where(hit, out.clamp(-1, 1), images)


def blur(images: Tensor) -> Tensor:
    """Mean over 3x3 pixels."""
    flat = images.flatten(0, -4)
    return functional.avg_pool2d(flat, 3, 1, 1, count_include_pad=False).view(images.shape)


def true_flow(depth: Tensor, step: Tensor, turn: Tensor, pitch: Tensor) -> tuple[Tensor, Tensor]:
    """Where the middle of each 8x8 cell goes between two frames.

    Args:
        depth: `[P, h, w]` blocks along the view axis of the first frame.
        step, turn: `[P, 3]` right, up, ahead of the second frame's yaw; `[P, 2]` yaw and pitch.
        pitch: `[P]` degrees of the first frame.

    Returns:
        flow `[P, 2, h, w]` in units of the frame's height, and where it stays in view, bool `[P, h, w]`.
    """
    rows, columns = depth.shape[-2:]
    scale = 2 * TAN_HALF_FOV
    v = ((torch.arange(rows) + 0.5) / rows - 0.5)[:, None].expand(rows, columns)
    u = (((torch.arange(columns) + 0.5) - columns / 2) / rows)[None].expand(rows, columns)
    yaw, down, after = (x.deg2rad()[:, None, None] for x in (turn[:, 0], pitch, pitch + turn[:, 1]))
    forth, right, up = depth, depth * u * scale, -depth * v * scale
    ahead, high = forth * down.cos() + up * down.sin(), up * down.cos() - forth * down.sin()
    right, ahead = right * yaw.cos() - ahead * yaw.sin(), right * yaw.sin() + ahead * yaw.cos()
    moved = step[:, :, None, None]
    right, high, ahead = right - moved[:, 0], high - moved[:, 1], ahead - moved[:, 2]
    forth, up = ahead * after.cos() - high * after.sin(), ahead * after.sin() + high * after.cos()
    near = forth.clamp(min=0.1) * scale
    there = torch.stack([right / near, -up / near], 1)
    edge = torch.tensor([columns / rows / 2, 0.5]).view(1, 2, 1, 1)
    seen = (forth > 0.1) & (there.abs() < edge).all(1)
    return there - torch.stack([u, v]), seen


def motion_loss(seen: Seen, truth: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """Errors of step and turn in units of what matters, cross-entropies of keys and slot, flow.

    Args:
        truth: fields of `Footage` as tensors `[B, ...]`.
    """
    turn, step = truth["turn"], truth["step"]
    fair = (turn.abs().amax(2) < _FARTHEST_TURN).float()
    turned = _robust((seen.turn - turn) / (0.5 + 0.1 * turn.abs())).mean(2)
    stepped = _robust((seen.step - step) / (0.05 + 0.2 * step.abs())).mean(2)
    weight = torch.where(truth["pressed"], 3.0, 1.0) * truth["known"]
    bce = functional.binary_cross_entropy_with_logits(seen.keys, truth["pressed"].float(), reduction="none")
    keys = (bce * weight).sum() / weight.sum()
    slot = functional.cross_entropy(seen.slot.flatten(0, 1), truth["slot"].flatten())
    flow, inside = true_flow(
        truth["depth"].flatten(0, 1).float(),
        step.flatten(0, 1),
        turn.flatten(0, 1),
        truth["pitch"][:, :-1].flatten(),
    )
    off = _robust((seen.flow.flatten(0, 1) - flow) / 0.02).mean(1)
    matched = (off * inside).sum() / inside.sum().clamp(min=1)
    parts = {
        "turn": (turned * fair).sum() / fair.sum().clamp(min=1),
        "step": (stepped * fair).sum() / fair.sum().clamp(min=1),
        "keys": 2.0 * keys, "slot": 0.3 * slot, "flow": 0.2 * matched,
    }  # fmt: skip
    return torch.stack(list(parts.values())).sum(), {name: float(part) for name, part in parts.items()}


def _robust(error: Any) -> Tensor:
    """Quadratic below 1 and growing as a logarithm beyond, so that a few hopeless pairs don't lead."""
    return (1.0 + error.square()).log()
