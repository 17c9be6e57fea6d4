"""Whether a picture that a dream begins from looks like the game that the world was trained on.

Every cell's mean colour and contrast is held against the same cell of all exemplars: the nearest neighbour
at each place, as in SPADE (Cohen and Hoshen 2020), and the worst place decides. How far exemplars are from
each other says what is usual.

    familiarity = Familiarity(exemplars)
    strange = familiarity.strangeness(frame)        # 0, most of the time
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim.model.retrieval import GRID
from worldsim.sim.exemplars import Exemplars

_USUAL = 0.95
"""Quantile of the exemplars' own distances that counts as usual."""
_FROM, _TO = 1.15, 1.5
"""How many times as far a picture begins to be strange, and is entirely."""
_COMPARED = 100
"""Exemplars that are held against all others."""


class Familiarity:
    """Holds the cells of exemplars; see the module's docstring. Exemplars of at least two places are needed."""

    def __init__(self, exemplars: Exemplars) -> None:
        frames = torch.from_numpy(exemplars.frames)
        self._cells = torch.cat([_cells(part) for part in frames.split(64)])
        some = torch.linspace(0, len(frames) - 1, min(_COMPARED, len(frames))).long()
        place = torch.from_numpy(exemplars.place)
        others = torch.stack([self._distance(self._cells[i], without=place == place[i]) for i in some])
        self._usual = float(others.quantile(_USUAL))

    def strangeness(self, frame: Tensor) -> float:
        """How sure it is that uint8 `[H, W, 3]` is not of the game, in [0, 1]."""
        times = float(self._distance(_cells(frame[None].cpu())[0])) / max(self._usual, 1e-6)
        return min(max((times - _FROM) / (_TO - _FROM), 0.0), 1.0)

    def _distance(self, cells: Tensor, *, without: Tensor | None = None) -> Tensor:
        """Of the cell `[4, 12, 20]` that is farthest from what any exemplar shows there."""
        apart = (cells - self._cells).square().sum(1)
        if without is not None:
            apart[without] = torch.inf
        return apart.amin(0).amax().sqrt()


def _cells(frames: Tensor) -> Tensor:
    """Mean colour, and twice the mean contrast, of each cell `[N, 4, 12, 20]` of uint8 `[N, H, W, 3]`, in [0, 1]."""
    pixels = frames.permute(0, 3, 1, 2).float() / 255
    mean = F.adaptive_avg_pool2d(pixels, GRID)
    spread = (F.adaptive_avg_pool2d(pixels**2, GRID) - mean**2).clamp(min=0).sqrt()
    return torch.cat([mean, 2 * spread.mean(1, keepdim=True)], 1)
