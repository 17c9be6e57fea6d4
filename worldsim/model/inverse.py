"""Inverse dynamics: which action led from each frame of a video to the next.

Three things are looked at: how far the camera turned (`turns`); how far the picture still moves once that is taken
back, region by region, by trying displacements (block matching): steps and jumps show in it; and the frames
themselves, two in colour and two more on either side in grey, for what moves nothing. Of these only the last
is learned.
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
from worldsim.model.turns import BRIGHTNESS, find_turns, grey, moves, sharpened, turn_back

BEFORE, AFTER = 2, 2
"""Frames seen before the first and after the second of the two."""
MU = 11.4887
"""Companding of degrees, so that small turns count as much as large ones."""
REGIONS = (3, 4)
"""Rows and columns of regions whose motion is told apart."""
MOTION = 2 * 4 * REGIONS[0] * REGIONS[1] + 3
"""Numbers that say how a pair of frames moved: at two sizes, four for each region; and the turn (`turns`)."""
PAIRS = BEFORE + 1 + AFTER
_SHARPNESS = 12.0
_UNIT, _NOTICED = 5.0, 2.0  # degrees
_ENOUGH = 20  # turns that a lens is told by
_MISFIT = 0.06  # at which half of the turns that were found are wrong
_KEYS = [INDEX[key] for key in KEYS]
_CHUNK = 256  # frames of a video that are looked at together


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

    mean: Tensor
    scale: Tensor
    """Of the motion that it was trained on."""
    lens: Tensor
    """Degrees of the game's a degree that is found."""

    def __init__(self, config: InverseConfig) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        self.register_buffer("mean", torch.zeros(MOTION))
        self.register_buffer("scale", torch.ones(MOTION))
        self.register_buffer("lens", torch.ones(()))
        self.pixels = nn.Sequential(
            nn.Conv2d(6 + BEFORE + AFTER, c, 7, 4, 3), nn.SiLU(), nn.Conv2d(c, 2 * c, 3, 2, 1), nn.SiLU(),
            nn.Conv2d(2 * c, 3 * c, 3, 2, 1), nn.SiLU(),
        )  # fmt: skip
        self.head = nn.Sequential(
            nn.Dropout(0.1), nn.Linear(12 * c + PAIRS * MOTION, 8 * c), nn.SiLU(),
            nn.Linear(8 * c, 8 * c), nn.SiLU(), nn.Linear(8 * c, len(KEYS) + 2),
        )  # fmt: skip
        for layer in [*self.pixels.children(), *self.head.children()]:
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        last = self.head[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)  # at first, turns are what was found
        nn.init.zeros_(last.bias)

    @torch.no_grad()
    def fit(self, moved: Tensor, turns: Tensor) -> None:
        """Set `mean`, `scale` and `lens` from pairs `[N, 99]` and their turns `[N, 2]` in degrees.

        Turns are found for a lens of our own; another's are as many times larger on both axes.
        """
        self.mean.copy_(moved.mean(0))
        self.scale.copy_(moved.std(0) + 1e-3)
        found, misfit = moved[:, -3:-1], moved[:, -1:]
        sure = (found.abs() > _NOTICED) & (turns.abs() > _NOTICED) & (misfit <= misfit.median())
        if int(sure.sum()) >= _ENOUGH:
            self.lens.fill_(float((turns[sure] / found[sure]).median().clamp(0.2, 5.0)))

    def forward(self, window: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
        """Read windows `[B, 6, 3, H, W]` in [-1, 1] and the motion of their pairs `[B, 5, 99]`.

        Returns logits of the keys `[B, 23]` in the order of `KEYS`, and turns `[B, 2]` in degrees, of the
        action between frames 2 and 3 of each.
        """
        shades = _grey(window)
        stacked = [window[:, BEFORE], window[:, BEFORE + 1], shades[:, :BEFORE], shades[:, BEFORE + 2 :]]
        seen = F.adaptive_avg_pool2d(self.pixels(torch.cat(stacked, 1)), 2).flatten(1)
        out = self.head(torch.cat([seen, ((moved - self.mean) / self.scale).flatten(1)], 1))
        found, misfit = moved[:, BEFORE, -3:-1], moved[:, BEFORE, -1:]
        # Where one frame lies well on the other, the turn that was found is hard to better.
        doubt = (misfit / _MISFIT).clamp(0, 1).square()
        return out[:, : len(KEYS)], self.lens * found + _UNIT * doubt * out[:, len(KEYS) :]

    @torch.inference_mode()
    def motion(self, frames: NDArray[np.uint8]) -> Tensor:
        """How the picture moves: frames uint8 `[T, H, W, 3]` to `[T - 1, 99]`."""
        parts = [torch.zeros(0, MOTION)]
        for start in range(0, len(frames) - 1, _CHUNK):
            parts.append(self._motion(frames[start : start + _CHUNK + 1]))
        return torch.cat(parts)

    def _motion(self, frames: NDArray[np.uint8]) -> Tensor:
        sizes = sharpened(grey(frames))
        turns = find_turns(sizes, moves(sizes[2]))
        matched = []
        for size in (sizes[1], sizes[0]):
            back = torch.from_numpy(turn_back(size, turns))
            pairs = zip(back.split(32), torch.from_numpy(size[1:]).split(32))
            matched.append(torch.cat([displacements(one, two, self.config.reach) for one, two in pairs]))
        return torch.cat([*matched, torch.from_numpy(turns)], 1)

    @torch.inference_mode()
    def read(self, window: Tensor, moved: Tensor) -> NDArray[np.float32]:
        """The most likely actions `[B, 25]` inside windows as `forward` takes them."""
        keys, turns = self(window, moved)
        vectors = np.zeros((len(window), ACTION_SIZE), np.float32)
        vectors[:, _KEYS] = (keys > 0).float().cpu().numpy()
        vectors[:, CAMERA] = turns.clamp(-CAMERA_LIMIT, CAMERA_LIMIT).cpu().numpy()
        return vectors

    def predict(self, frames: NDArray[np.uint8], batch: int = 32) -> NDArray[np.float32]:
        """Label a video: uint8 `[T, H, W, 3]` of the model's size to actions float32 `[T - 1, 25]`."""
        moved = self.motion(frames)
        parts = [np.zeros((0, ACTION_SIZE), np.float32)]
        for start in range(0, len(frames) - 1, batch):
            times = np.arange(start, min(start + batch, len(frames) - 1))[:, None]
            around = np.clip(times + np.arange(-BEFORE, AFTER + 2), 0, len(frames) - 1)
            pairs = torch.from_numpy(np.clip(times + np.arange(-BEFORE, AFTER + 1), 0, len(moved) - 1))
            parts.append(self.read(self._floats(frames[around]), moved[pairs].to(self.mean.device)))
        return np.concatenate(parts)

    def _floats(self, frames: NDArray[np.uint8]) -> Tensor:
        return frames_to_float(torch.from_numpy(np.ascontiguousarray(frames)).to(self.mean.device))


def displacements(one: Tensor, two: Tensor, reach: tuple[int, int]) -> Tensor:
    """Match pictures `[B, h, w]` by blocks: for each of 3 x 4 regions where it went, and how surely.

    Returns `[B, 48]`: the expected displacement in x and y, in parts of `reach`, and the least and the
    mean difference.
    """
    x, y = reach
    height, width = one.shape[-2:]
    block = (height // REGIONS[0], width // REGIONS[1])
    padded = F.pad(two[:, None], (x, x, y, y), mode="replicate")[:, 0]
    shifts = [(dy, dx) for dy in range(2 * y + 1) for dx in range(2 * x + 1)]
    costs = [
        F.avg_pool2d((one - padded[:, dy : dy + height, dx : dx + width]).abs(), block) for dy, dx in shifts
    ]
    cost = torch.stack(costs, 1)[..., : REGIONS[0], : REGIONS[1]].flatten(2)  # [B, shifts, regions]
    least, mean = cost.min(1).values, cost.mean(1)
    chance = torch.softmax(-_SHARPNESS * (cost - least[:, None]) / (mean - least + 0.01)[:, None], 1)
    at = one.new_tensor([(dx / x - 1, dy / y - 1) for dy, dx in shifts])
    expected = torch.einsum("bsr,sd->brd", chance, at)
    return torch.cat([expected.flatten(1), least, mean], 1)


def compand(degrees: Tensor) -> Tensor:
    """Degrees to [-1, 1] by the mu-law, finer near 0."""
    turn = (degrees / CAMERA_LIMIT).clamp(-1, 1)
    return turn.sign() * torch.log1p(MU * 10 * turn.abs()) / float(np.log1p(MU * 10))


def _grey(frames: Tensor) -> Tensor:
    return (frames * frames.new_tensor(BRIGHTNESS)[:, None, None]).sum(-3)
