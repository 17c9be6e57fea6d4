"""The segmentation probe: which block each cell of a frame shows."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from worldsim.evaluate.probes.classes import CLASSES
from worldsim.evaluate.probes.layers import Residual, halve, patches


class SegNet(nn.Module):
    """Frames `[N, 3, 96, w]` in [-1, 1] to block classes of 4x4 cells; a small U of three levels."""

    FEATURES = 64 + 96 + 96
    """Length of a frame's feature vector."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(patches(64), Residual(64))
        self.middle = nn.Sequential(halve(64, 96), Residual(96), Residual(96))
        self.coarse = nn.Sequential(halve(96, 96), Residual(96), Residual(96))
        self.up_coarse, self.up_middle = nn.Conv2d(96, 96, 1), nn.Conv2d(96, 64, 1)
        self.mix, self.join = Residual(96), Residual(64)
        self.head = nn.Conv2d(64, CLASSES, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits `[N, CLASSES, rows, columns]`."""
        fine, middle, coarse = self._levels(frames)
        middle = self.mix((middle + _onto(self.up_coarse(coarse), middle)).relu())
        joined = self.join((fine + _onto(self.up_middle(middle), fine)).relu())
        logits: Tensor = self.head(joined)
        return logits

    def features(self, frames: Tensor) -> Tensor:
        """`[N, FEATURES]`: the mean over the frame of what each level sees."""
        return torch.cat([level.float().mean((2, 3)) for level in self._levels(frames)], 1)

    def _levels(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fine: Tensor = self.fine(frames)
        middle: Tensor = self.middle(fine)
        coarse: Tensor = self.coarse(middle)
        return fine, middle, coarse


def _onto(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, like.shape[-2:], mode="nearest")
