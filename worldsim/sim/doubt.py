"""Doubt: how far off a frame is expected to be, in grey levels.

What follows from what was given is as far off as the network expects. Of what is a guess the network knows nothing,
but any place like the one that the dream began from might be there: how far what is shown is from exemplars of such
places, looked at as steeply, is on average what a guess is wrong by. A meadow guessed in a meadow is doubted less than
a wood guessed in a desert.

    doubt = Doubt(exemplars, usable)
    apart = doubt.apart(frame)                        # once: `WorldState.apart`
    doubt.expected(frames, spread, ground, worlds)    # B numbers
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from worldsim.sim.exemplars import Exemplars
from worldsim.sim.state import WorldState

UNRELATED = 56.0
"""Mean absolute error of what is invented, in grey levels, where nothing more is known.

Dreams of the first world had 48 to 67, by horizon; two frames that have nothing to do with each other differ by 68.
"""
_STRIDE = 8
"""Pixels between two that are compared."""
_LIKE = 10.0
"""Grey levels that one place may be farther than another from what the dream began from, and counts 1/e of it."""
_STEEP = 10.0
"""Degrees of pitch, standard deviation of the weights by it."""
_VIEWS = 64
"""Exemplars that a guess is held against: those that weigh most."""


class Doubt:
    """Holds a pixel in 64 of each exemplar; see the module's docstring.

    Args:
        exemplars: None: what is invented is `UNRELATED`.
        usable: bool `[H, W]`, False over the HUD, which is never a guess.
    """

    def __init__(self, exemplars: Exemplars | None, usable: Tensor) -> None:
        self.places = 0
        if exemplars is None:
            return
        self._kept = _sampled(usable[None, :, :, None])[0, :, 0].nonzero()[:, 0]
        place = torch.from_numpy(exemplars.place).long().to(usable.device)
        self.places = int(place.max()) + 1
        self._views = self._compared(torch.from_numpy(exemplars.frames).to(usable.device))
        self._pitch = torch.from_numpy(exemplars.pose[:, 4]).to(usable.device)
        self._place, self._many = place, place.bincount()[place].float().log()

    def apart(self, frame: Tensor) -> Tensor | None:
        """How far uint8 `[H, W, 3]` is from the view of each place that is most like it: `[P]` grey levels."""
        if self.places == 0:
            return None
        shown = self._compared(frame[None].to(self._views.device))
        off = (shown.float() - self._views.float()).abs().mean(1)
        least = torch.full((self.places,), torch.inf, device=off.device)
        return least.scatter_reduce(0, self._place, off, "amin").cpu()

    def expected(
        self, frames: Tensor, spread: Tensor, ground: Tensor, worlds: Sequence[WorldState], pitch: Tensor
    ) -> list[float]:
        """Expected mean absolute error of frames just drawn for B worlds.

        Of a dream that began from something that no game shows the network's own says nothing.

        Args:
            frames: uint8 `[B, H, W, 3]`.
            spread: `[B, 1, H, W]` what the network expects, in units of [-1, 1].
            ground: `[B, 1, H, W]` in [0, 1]: how far pixels follow from what was given.
            pitch: `[B]` degrees.
        """
        known, guessed = (ground * spread.float() * 127.5).mean((1, 2, 3)), (1 - ground).mean((1, 2, 3))
        if self.places:
            off = self._elsewhere(frames, ground, worlds, pitch.to(frames.device))
        else:
            off = torch.full_like(guessed, UNRELATED)
        expected = (known + guessed * off).tolist()
        return [(1 - w.strange) * own + w.strange * max(own, UNRELATED) for own, w in zip(expected, worlds)]

    def _elsewhere(
        self, frames: Tensor, ground: Tensor, worlds: Sequence[WorldState], pitch: Tensor
    ) -> Tensor:
        """How far what is guessed is from what might be there: `[B]` grey levels."""
        told = torch.tensor([w.apart is not None for w in worlds], device=frames.device)
        none = torch.zeros(self.places)
        apart = torch.stack([none if w.apart is None else w.apart for w in worlds]).to(frames.device)
        guessed = 1 - self._compared(ground.movedim(1, 3))
        steep = (pitch[:, None] - self._pitch) / _STEEP
        like = -apart[:, self._place] / _LIKE - steep.square() / 2 - self._many
        weight, views = like.topk(min(_VIEWS, len(self._pitch)), dim=1)
        shown = self._compared(frames)[:, None].float()
        # A product, as means over three colours are slow.
        share = (guessed / guessed.sum(1, keepdim=True).clamp(min=1e-6) / 3).repeat_interleave(3, 1)
        off = (shown - self._views[views].float()).abs() @ share[:, :, None]
        return torch.where(told, (weight.softmax(1) * off[:, :, 0]).sum(1), UNRELATED)

    def _compared(self, pictures: Tensor) -> Tensor:
        """What is compared of `[N, H, W, C]`: `[N, M * C]`."""
        return _sampled(pictures).index_select(1, self._kept).flatten(1)


def _sampled(pictures: Tensor) -> Tensor:
    """Every eighth pixel of every eighth row of `[N, H, W, C]`: `[N, M, C]`."""
    begin = _STRIDE // 2
    return pictures[:, begin::_STRIDE, begin::_STRIDE].flatten(1, 2)
