"""The denoiser as functions from tensors to tensors: what compilers and exporters understand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from worldsim.model.denoiser import Context, Denoiser, Features, Inputs, Prediction, Raw, draw
from worldsim.model.threads import all_threads

if TYPE_CHECKING:
    from worldsim.sim.network import Network

INPUT_NAMES = tuple(field.name for field in dataclasses.fields(Inputs))


def flat_context(context: Context) -> list[Tensor]:
    """A context's own tensors in a fixed order, its sources apart; undone by `to_context`."""
    memory = [part for pair in context.memory for part in pair]
    return [context.stem, context.cond, *memory, context.memory_mask]


def to_context(tensors: list[Tensor], inputs: Inputs) -> Context:
    """Undo `flat_context`."""
    stem, cond, *memory, mask = tensors
    return Context(inputs, stem, cond, list(zip(memory[::2], memory[1::2])), mask)


def flat_raw(raw: Raw) -> list[Tensor]:
    """The network's outputs in a fixed order; undone by `to_raw`."""
    return [raw.out, raw.signals, raw.features.inner, raw.features.outer, raw.features.cond]


def to_raw(tensors: list[Tensor]) -> Raw:
    """Undo `flat_raw`."""
    out, signals, *features = tensors
    return Raw(out, signals, Features(*features))


def flat_prediction(prediction: Prediction) -> list[Tensor]:
    """A prediction's tensors in a fixed order."""
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
    """`Denoiser.outputs` as a function from tensors to tensors.

    What follows, the mixing of pixels, is left to `composition`, which does it in a quarter of a runtime's time.
    """

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, x: Tensor, noise_level: Tensor, step_size: Tensor, *context: Tensor) -> list[Tensor]:
        """In the order of `flat_context` and of `flat_raw`."""
        nothing: Any = None
        return flat_raw(self.denoiser.outputs(x, noise_level, step_size, to_context(list(context), nothing)))


class Graphs:
    """A network of two functions of tensors.

    Args:
        batched: whether they serve any batch; else all but one world at a time runs eagerly.
    """

    name = "graphs"

    def __init__(
        self,
        context: Callable[[list[Tensor]], list[Tensor]],
        denoise: Callable[[list[Tensor]], list[Tensor]],
        eager: Network,
        *,
        batched: bool = False,
    ) -> None:
        self._context, self._denoise, self._eager, self.batched = context, denoise, eager, batched

    def context(self, inputs: Inputs) -> Context:
        """See `Network`."""
        if len(inputs.newest) != 1 and not self.batched:
            return self._eager.context(inputs)
        with all_threads():
            tensors = self._context([getattr(inputs, name) for name in INPUT_NAMES])
        return to_context(tensors, inputs)

    def denoise(
        self, x: Tensor, noise_level: Tensor, step_size: Tensor, context: Context, calm: float
    ) -> Prediction:
        """See `Network`."""
        if len(x) != 1 and not self.batched:
            return self._eager.denoise(x, noise_level, step_size, context, calm)
        with all_threads():
            raw = to_raw(self._denoise([x, noise_level, step_size, *flat_context(context)]))
        return draw(raw, x, noise_level, context, calm)


def thread_counts(most: int) -> list[int]:
    """Numbers of threads worth having on a machine that lets one use `most`: all, half, one."""
    return list(dict.fromkeys([most, max(1, most // 2), 1]))
