"""Lessons of the heads alone: the world is frozen, so that one costs little more than drawing a frame."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from worldsim.model.denoiser import Prediction
from worldsim.model.heads import Heads, Seen, heads_loss
from worldsim.model.noise import sample_noise
from worldsim.model.world_model import WorldModel
from worldsim.signals import PLACE, TABLE

from .clips import ClipTensors
from .examples import Example
from .objective import ObjectiveConfig, build_context

_EVENTFUL = 12.0
"""How much more often ticks of an event, and those next to them, are drawn than others."""
_DROPPED = 0.3
"""Share of features left out: frames that teach many times would else be learnt by heart."""
_RARE = [*(PLACE[signal.name] for signal in TABLE if signal.kind == "event"), PLACE["wood"]]


def draw_ticks(clips: ClipTensors, first: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Ticks `[B]` from `first` on, events and wood in reach drawn more often, and weights `[B]` that make up for it."""
    happens = (clips.signals[:, :, _RARE] * clips.told[:, :, _RARE]).amax(2)
    weight = 1 + _EVENTFUL * F.max_pool1d(happens[:, None], 5, 1, 2)[:, 0].cpu()
    weight[:, :first] = 0
    t = torch.multinomial(weight, 1, generator=generator)[:, 0]
    drawn = weight.gather(1, t[:, None])[:, 0]
    even = weight.sum(1) / (weight.shape[1] - first)
    return t.to(clips.device), (even / drawn).to(clips.device)


@torch.no_grad()
def draw(
    model: WorldModel, example: Example, config: ObjectiveConfig, generator: torch.Generator
) -> Prediction:
    """The example's frame as a dream draws it: in one step, from pure noise."""
    context, _ = build_context(model, example, config, generator)
    batch, device = len(example.target), example.target.device
    noise = sample_noise((batch, *model.latent_shape), device, generator)
    one = torch.ones(batch, device=device)
    return model.denoise(noise, one, 0 * one, context)


class Lessons:
    """What the frozen world made of the last frames, to be learnt from many times: drawing them is what takes long.

    A resumed run begins without them.
    """

    def __init__(self, heads: Heads, size: int) -> None:
        self.heads, self.size = heads, size
        self.count, self._next = 0, 0
        self._kept: dict[str, Tensor] = {}

    def add(self, prediction: Prediction, example: Example, weight: Tensor | None) -> None:
        """Keep B frames; the oldest go."""
        fresh = {name: part.half() for name, part in vars(self.heads.look(prediction.features)).items()}
        fresh |= {"signals": example.signals, "told": example.told}
        fresh["weight"] = torch.ones_like(example.told[:, 0]) if weight is None else weight
        batch = len(example.told)
        for name, part in fresh.items():
            if name not in self._kept:
                self._kept[name] = part.new_zeros((self.size, *part.shape[1:]))
            places = (self._next + torch.arange(batch, device=part.device)) % self.size
            self._kept[name][places] = part
        self._next = (self._next + batch) % self.size
        self.count = min(self.count + batch, self.size)

    def loss(self, batch: int, generator: torch.Generator) -> Tensor:
        """The heads' loss on `batch` of the frames that are kept."""
        picks = torch.randint(0, self.count, (batch,), generator=generator)
        rows = {name: part[picks.to(part.device)] for name, part in self._kept.items()}
        signals, told, weight = (rows.pop(name) for name in ("signals", "told", "weight"))
        seen = Seen(**{name: _thinned(part.float(), generator) for name, part in rows.items()})
        return heads_loss(self.heads.tell(seen), signals, told, weight)


def _thinned(features: Tensor, generator: torch.Generator) -> Tensor:
    """Features with some left out and the others larger (dropout, Srivastava et al. 2014)."""
    kept = torch.rand(features.shape, generator=generator) >= _DROPPED
    return features * kept.to(features.device) / (1 - _DROPPED)
