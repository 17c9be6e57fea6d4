"""The motion probe: how the eye moved between two frames, and which keys were seen to act."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldsim.evaluate.probes.acting import KEYS
from worldsim.evaluate.probes.layers import Residual, halve, patches

SLOTS = 9
_HOTBAR = (16, 112)  # rows from the bottom and columns around the middle that hold it, at 96 rows
_MATCH = 32
_PAIR = 96
_LOOKS = 6
_TURN = 10.0  # degrees in one unit of the head
_STEP = 0.2  # blocks


@dataclass(frozen=True)
class Seen:
    """What the probe says of B clips of T frames; T - 1 ticks lie between them."""

    step: Tensor
    """`[B, T - 1, 3]` blocks to the right, up and ahead, of the eye."""
    turn: Tensor
    """`[B, T - 1, 2]` degrees of yaw (right) and pitch (down)."""
    keys: Tensor
    """`[B, T - 1, 9]` logits of `KEYS`."""
    slot: Tensor
    """`[B, T, 9]` logits of the chosen hotbar slot."""
    flow: Tensor
    """`[B, T - 1, 2, h, w]` where each cell of the first frame went, in units of the frame's height."""


class MotionNet(nn.Module):
    """Matches cells of two frames, reads the motion off the matches, and keys off neighbouring ticks."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(patches(48), Residual(48))
        self.deep = nn.Sequential(halve(48, 64), Residual(64))
        self.query, self.match = nn.Conv2d(64, _MATCH, 1), nn.Conv2d(64, _MATCH, 1)
        self.sharpness = nn.Parameter(torch.tensor(2.5))
        self.near = nn.Sequential(nn.Conv2d(96, 48, 1), nn.ReLU(), halve(48, 64))
        self.mix = nn.Sequential(
            nn.Conv2d(64 * 2 + _MATCH * 2 + 5, _PAIR, 1), nn.ReLU(), Residual(_PAIR), Residual(_PAIR)
        )
        self.look = nn.Conv2d(_PAIR, _LOOKS, 1)
        self.pair = nn.Sequential(
            nn.Linear((1 + _LOOKS) * _PAIR + _LOOKS * 2, 160), nn.ReLU(), nn.Linear(160, _PAIR), nn.ReLU()
        )
        self.motion = nn.Linear(_PAIR, 5)
        self.time = nn.ModuleList([nn.Conv1d(_PAIR + 5, 96, 3), nn.Conv1d(96, 96, 3)])
        self.keys = nn.Linear(96 + _PAIR, len(KEYS))
        self.hotbar = nn.Sequential(
            patches(16), nn.Flatten(), nn.Linear(16 * (_HOTBAR[0] // 4) * (_HOTBAR[1] // 4), SLOTS)
        )

    def forward(self, frames: Tensor) -> Seen:
        """Clips `[B, T, 3, 96, w]` in [-1, 1], T at least 2."""
        b, t = frames.shape[:2]
        flat = frames.flatten(0, 1)
        fine = self.fine(flat)
        deep = self.deep(fine)
        slot = self.hotbar(_bottom(flat)).view(b, t, SLOTS)
        fine, deep = fine.unflatten(0, (b, t)), deep.unflatten(0, (b, t))
        pairs, flow = self._pairs(
            *(part.flatten(0, 1) for part in (fine[:, :-1], fine[:, 1:], deep[:, :-1], deep[:, 1:]))
        )
        motion = self.motion(pairs).float()
        known = torch.cat([pairs, motion.detach().to(pairs.dtype)], 1).view(b, t - 1, -1)
        return Seen(
            motion[:, 2:].view(b, t - 1, 3) * _STEP,
            motion[:, :2].view(b, t - 1, 2) * _TURN,
            self._keys(known, pairs.view(b, t - 1, -1)).float(),
            slot.float(),
            flow.unflatten(0, (b, t - 1)),
        )

    def _pairs(self, fine_a: Tensor, fine_b: Tensor, deep_a: Tensor, deep_b: Tensor) -> tuple[Tensor, Tensor]:
        """Features `[P, _PAIR]` and flow of P pairs."""
        grid = deep_a.shape[-2:]
        query = functional.normalize(_rows(self.query(deep_a)), dim=2)
        match = functional.normalize(_rows(self.match(deep_b)), dim=2)
        weights = (self.sharpness.exp().to(query.dtype) * (query @ match.transpose(1, 2))).float().softmax(2)
        here = _places(grid[0], grid[1], deep_a)
        flow = weights @ here - here
        found = weights.to(match.dtype) @ match
        sure = weights.amax(2, keepdim=True)
        where = here.expand(len(flow), -1, -1)
        matched = torch.cat([found, query, *(part.to(query.dtype) for part in (flow, sure, where))], 2)
        near = self.near(torch.cat([fine_a, fine_b - fine_a], 1))
        x = self.mix(torch.cat([deep_a, near, matched.unflatten(1, grid).permute(0, 3, 1, 2)], 1))
        looks, flat = _rows(self.look(x)).float().softmax(1), _rows(x)
        seen = (looks.to(flat.dtype).transpose(1, 2) @ flat).flatten(1)
        moved = (looks.transpose(1, 2) @ flow).flatten(1)
        summary = torch.cat([flat.mean(1), seen, (moved * 4.0).to(flat.dtype)], 1)
        return self.pair(summary), flow.transpose(1, 2).unflatten(2, grid)

    def _keys(self, ticks: Tensor, pairs: Tensor) -> Tensor:
        x = ticks.transpose(1, 2)
        for layer in self.time:
            x = layer(functional.pad(x, (1, 1), mode="replicate")).relu()
        logits: Tensor = self.keys(torch.cat([x.transpose(1, 2), pairs], 2))
        return logits


def _rows(x: Tensor) -> Tensor:
    """`[N, C, h, w]` as `[N, h * w, C]`."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _places(rows: int, columns: int, like: Tensor) -> Tensor:
    """Centres of cells `[rows * columns, 2]` (right, down) from the middle, in units of the frame's height."""
    y = (torch.arange(rows, device=like.device, dtype=torch.float32) + 0.5) / rows - 0.5
    x = ((torch.arange(columns, device=like.device, dtype=torch.float32) + 0.5) - columns / 2) / rows
    return torch.stack([x.repeat(rows), y.repeat_interleave(columns)], 1)


def _bottom(frames: Tensor) -> Tensor:
    """Where the hotbar is."""
    rows, columns = _HOTBAR
    missing = max(0, columns - frames.shape[-1])
    frames = functional.pad(frames[..., -rows:, :], (missing // 2, missing - missing // 2))
    left = (frames.shape[-1] - columns) // 2
    return frames[..., left : left + columns]
