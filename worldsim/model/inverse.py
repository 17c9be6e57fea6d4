"""Inverse dynamics: which action led from each frame of a video to the next.

Two things are looked at: how far the picture has moved, region by region, by trying displacements
(block matching, which has nothing to learn and is what a turn of the camera or a step shows in),
and the frames themselves, two in colour and two more on either side in grey, for what moves nothing.
Seeing what comes after makes labelling a video far easier than playing from it (VPT; Baker et al.
2022).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.actions import ACTION_SIZE, CAMERA, CAMERA_LIMIT, INDEX, KEYS
from worldsim.errors import ConfigError
from worldsim.model.tokenizer import frames_to_float

BEFORE, AFTER = 2, 2
"""Frames seen before the first and after the second of the two."""
MU = 11.4887
"""Companding of degrees, so that small turns count as much as large ones."""
REGIONS = (3, 4)
"""Rows and columns of regions whose motion is told apart."""
_SHARPNESS = 12.0
_KEYS = [INDEX[key] for key in KEYS]
_GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class InverseConfig:
    """The frames that the model reads, and its size."""

    width: int = 160
    height: int = 96
    channels: int = 32
    reach: tuple[int, int] = (8, 5)
    """Displacements that are tried, in x and y to each side, in cells of two and of four pixels."""

    def __post_init__(self) -> None:
        for name, value, low in (("width", self.width, 32), ("height", self.height, 32)):
            if not low <= value <= 1024:
                raise ConfigError(f"inverse.{name}: got {value}, expected {low} to 1024")
        if self.channels not in range(8, 513, 8):
            raise ConfigError(f"inverse.channels: got {self.channels}, expected a multiple of 8 up to 512")
        if len(self.reach) != 2 or not all(1 <= cells <= 16 for cells in self.reach):
            raise ConfigError(f"inverse.reach: got {self.reach}, expected two numbers from 1 to 16")


class InverseModel(nn.Module):
    """Reads windows of frames and says what was pressed and turned."""

    def __init__(self, config: InverseConfig) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        pairs = 1 + BEFORE + 1 + AFTER  # the one in question finely, all of them coarsely
        self.pixels = nn.Sequential(
            nn.Conv2d(6 + BEFORE + AFTER, c, 7, 4, 3),
            nn.SiLU(),
            nn.Conv2d(c, 2 * c, 3, 2, 1),
            nn.SiLU(),
            nn.Conv2d(2 * c, 3 * c, 3, 2, 1),
            nn.SiLU(),
        )
        moved = pairs * 4 * REGIONS[0] * REGIONS[1]
        self.straight = nn.Linear(moved, 2)
        self.head = nn.Sequential(
            nn.Linear(12 * c + moved, 8 * c), nn.SiLU(), nn.Linear(8 * c, 8 * c), nn.SiLU(),
            nn.Linear(8 * c, len(KEYS) + 2),
        )  # fmt: skip
        for layer in (*self.pixels, *self.head[:-1]):
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
        """Read windows `[B, 6, 3, H, W]` in [-1, 1], the action between frames 2 and 3 of each.

        Returns logits of the keys `[B, 23]` in the order of `KEYS`, and companded turns `[B, 2]`.
        """
        grey = (window * window.new_tensor(_GREY)[:, None, None]).sum(2)
        around = torch.cat([grey[:, :BEFORE], grey[:, BEFORE + 2 :]], 1)
        stacked = torch.cat([window[:, BEFORE], window[:, BEFORE + 1], around], 1)
        seen = F.adaptive_avg_pool2d(self.pixels(stacked), 2).flatten(1)
        moved = self._motion(grey)
        out = self.head(torch.cat([seen, moved], 1))
        return out[:, : len(KEYS)], out[:, len(KEYS) :] + self.straight(moved)

    @torch.no_grad()
    def _motion(self, grey: Tensor) -> Tensor:
        """How far the picture moves in each region, for every pair of frames of `[B, 6, H, W]`."""
        grey = grey - F.avg_pool2d(grey, 17, 1, 8, count_include_pad=False)  # a change of light is no motion
        fine, coarse = F.avg_pool2d(grey, 2), F.avg_pool2d(grey, 4)
        pairs = [(fine[:, BEFORE], fine[:, BEFORE + 1])]
        pairs += [(coarse[:, t], coarse[:, t + 1]) for t in range(grey.shape[1] - 1)]
        return torch.cat([displacements(one, two, self.config.reach) for one, two in pairs], 1)

    @torch.inference_mode()
    def read(self, window: Tensor) -> NDArray[np.float32]:
        """The most likely actions `[B, 25]` inside windows as `forward` takes them."""
        keys, turns = self(window)
        vectors = np.zeros((len(window), ACTION_SIZE), np.float32)
        vectors[:, _KEYS] = (keys > 0).float().cpu().numpy()
        vectors[:, CAMERA] = expand(turns).cpu().numpy()
        return vectors

    def predict(self, frames: NDArray[np.uint8], batch: int = 32) -> NDArray[np.float32]:
        """Label a video: uint8 `[T, H, W, 3]` of the model's size to actions float32 `[T - 1, 25]`."""
        device = next(self.parameters()).device
        parts = [np.zeros((0, ACTION_SIZE), np.float32)]
        for start in range(0, len(frames) - 1, batch):
            times = np.arange(start, min(start + batch, len(frames) - 1))
            around = np.clip(times[:, None] + np.arange(-BEFORE, AFTER + 2), 0, len(frames) - 1)
            parts.append(self.read(frames_to_float(torch.from_numpy(frames[around]).to(device))))
        return np.concatenate(parts)


def displacements(one: Tensor, two: Tensor, reach: tuple[int, int]) -> Tensor:
    """Match pictures `[B, h, w]` by blocks: for each of 3 x 4 regions where it went, and how surely.

    Returns `[B, 48]`: the expected displacement in x and y, in parts of `reach`, and the least and the
    mean difference.
    """
    x, y = reach
    height, width = one.shape[-2:]
    padded = F.pad(two[:, None], (x, x, y, y), mode="replicate")[:, 0]
    shifts = [(dy, dx) for dy in range(2 * y + 1) for dx in range(2 * x + 1)]
    costs = [
        F.adaptive_avg_pool2d((one - padded[:, dy : dy + height, dx : dx + width]).abs(), REGIONS)
        for dy, dx in shifts
    ]
    cost = torch.stack(costs, 1).flatten(2)  # [B, shifts, regions]
    least, mean = cost.min(1).values, cost.mean(1)
    chance = torch.softmax(-_SHARPNESS * (cost - least[:, None]) / (mean - least + 0.01)[:, None], 1)
    at = one.new_tensor([(dx / x - 1, dy / y - 1) for dy, dx in shifts])
    expected = torch.einsum("bsr,sd->brd", chance, at)
    return torch.cat([expected.flatten(1), least, mean], 1)


def compand(degrees: Tensor) -> Tensor:
    """Degrees to [-1, 1] by the mu-law, finer near 0."""
    turn = (degrees / CAMERA_LIMIT).clamp(-1, 1)
    return turn.sign() * torch.log1p(MU * 10 * turn.abs()) / float(np.log1p(MU * 10))


def expand(turn: Tensor) -> Tensor:
    """Undo `compand`."""
    size = turn.abs().clamp(max=1) * float(np.log1p(MU * 10))
    return turn.sign() * torch.expm1(size) / (MU * 10) * CAMERA_LIMIT
