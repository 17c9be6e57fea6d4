"""The denoiser as functions from tensors to tensors: what compilers and exporters understand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from worldsim.model.denoiser import Context, Denoiser, Features, Inputs, Prediction

if TYPE_CHECKING:
    from worldsim.sim.network import Network

INPUT_NAMES = tuple(field.name for field in dataclasses.fields(Inputs))
_BEFORE, _AFTER = (
    ("stem", "cond"),
    ("memory_mask", "candidates", "candidate_depth", "bias", "unknown", "begun", "temperature"),
)


def flat_context(context: Context) -> list[Tensor]:
    """A context's tensors in a fixed order; undone by `to_context`."""
    memory = [part for pair in context.memory for part in pair]
    return [*(getattr(context, n) for n in _BEFORE), *memory, *(getattr(context, n) for n in _AFTER)]


def to_context(tensors: list[Tensor]) -> Context:
    """Undo `flat_context`."""
    first, last = len(_BEFORE), len(tensors) - len(_AFTER)
    memory = tensors[first:last]
    return Context(
        **dict(zip(_BEFORE, tensors[:first])), memory=list(zip(memory[::2], memory[1::2])),
        **dict(zip(_AFTER, tensors[last:])),
    )  # fmt: skip


def flat_prediction(prediction: Prediction) -> list[Tensor]:
    """A prediction's tensors in a fixed order; undone by `to_prediction`."""
    p, f = prediction, prediction.features
    return [p.latents, p.depth, p.spread, p.signals, f.inner, f.outer, f.cond]


def to_prediction(tensors: list[Tensor]) -> Prediction:
    """Undo `flat_prediction`."""
    latents, depth, spread, signals, *features = tensors
    return Prediction(latents, depth, spread, signals, Features(*features))


class ContextGraph(torch.nn.Module):
    """`Denoiser.context` as a function from tensors to tensors, for compilers and exporters."""

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, *tensors: Tensor) -> list[Tensor]:
        """In the order of `INPUT_NAMES` and of `flat_context`."""
        return flat_context(self.denoiser.context(Inputs(**dict(zip(INPUT_NAMES, tensors)))))


class DenoiseGraph(torch.nn.Module):
    """`Denoiser.forward` as a function from tensors to tensors."""

    def __init__(self, denoiser: Denoiser, calm: float) -> None:
        super().__init__()
        self.denoiser, self.calm = denoiser, calm

    def forward(self, x: Tensor, noise_level: Tensor, step_size: Tensor, *context: Tensor) -> list[Tensor]:
        """In the order of `flat_context` and of `flat_prediction`."""
        return flat_prediction(self.denoiser(x, noise_level, step_size, to_context(list(context)), self.calm))


class Graphs:
    """A network of two functions of tensors; frames of other batches or thresholds run eagerly."""

    name = "graphs"

    def __init__(
        self,
        context: Callable[[list[Tensor]], list[Tensor]],
        denoise: Callable[[list[Tensor]], list[Tensor]],
        eager: Network,
        calm: float,
    ) -> None:
        self._context, self._denoise, self._eager, self._calm = context, denoise, eager, calm

    def context(self, inputs: Inputs) -> Context:
        """See `Network`."""
        if len(inputs.newest) != 1:
            return self._eager.context(inputs)
        return to_context(self._context([getattr(inputs, name) for name in INPUT_NAMES]))

    def denoise(
        self, x: Tensor, noise_level: Tensor, step_size: Tensor, context: Context, calm: float
    ) -> Prediction:
        """See `Network`."""
        if len(x) != 1 or calm != self._calm:
            return self._eager.denoise(x, noise_level, step_size, context, calm)
        return to_prediction(self._denoise([x, noise_level, step_size, *flat_context(context)]))


def thread_counts(most: int) -> list[int]:
    """Numbers of threads worth having on a machine that lets one use `most`: all, half, one."""
    return list(dict.fromkeys([most, max(1, most // 2), 1]))
