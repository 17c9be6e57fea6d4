"""The denoiser as CUDA graphs: hundreds of small kernels, launched by two calls a frame.

A GPU that draws one world waits for the processor to launch its kernels most of the time. A graph is captured once
for each size of batch; it reads and writes the same memory at each replay, so what goes in is copied there and what
comes out is copied from there: no prediction changes after it was handed out.

    network = Graphed(model.denoiser, Eager(model.denoiser), CudaCapture(device), torch.bfloat16)
    network.prove(*probe(model), calm)      # raises what would be a fall-back later
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from worldsim.model.denoiser import Context, Denoiser, Inputs, Prediction
from worldsim.sim.graphs import INPUT_NAMES, flat_context, flat_prediction, to_context, to_prediction
from worldsim.sim.kept import Kept, Key
from worldsim.sim.precision import autocast
from worldsim.sim.stamp import Stamp
from worldsim.sim.tape import Capture, Tape
from worldsim.sim.tolerance import fell_back, hold

if TYPE_CHECKING:
    from worldsim.sim.network import Network

T = TypeVar("T")


class Graphed:
    """A network that is captured and replayed; what can't be captured runs eagerly, after one line on stderr.

    Each graph's first result is held against eager's of the same inputs. Weights may change: they are captured again.

    Args:
        denoiser: whose weights are watched.
        eager: what results are held against, and what runs instead.
        dtype: of matrix products.
        inner: what is captured; `eager` if missing.
    """

    name = "cudagraph"
    batched = True

    def __init__(
        self,
        denoiser: Denoiser,
        eager: Network,
        capture: Capture,
        dtype: torch.dtype,
        inner: Network | None = None,
    ) -> None:
        # Values that change in place count, too: FiLM's weights are stacked in a copy of their own.
        self._weights, self._device = Stamp(denoiser.parameters()), next(denoiser.parameters()).device
        self._eager, self._inner, self._capture, self._dtype = eager, inner or eager, capture, dtype
        self._frames: Kept[_Frame] = Kept()
        self.off = 0.0
        """Largest deviation from eager of any graph's first result, see `tolerance`."""

    @torch.inference_mode()
    def prove(self, inputs: Inputs, noise: Tensor, calm: float) -> None:
        """Capture and check a frame of pure noise `[B, C, h, w]`.

        Raises:
            NumericalError: it differs too much from eager.
            RuntimeError: it can't be captured.
        """
        frame, one = self._captured(_key(inputs)), torch.ones(len(noise), device=noise.device)
        self._denoised(frame, noise, one, 0 * one, frame.context(inputs), calm)

    @torch.inference_mode()
    def context(self, inputs: Inputs) -> Context:
        """See `Network`."""
        if self._weights.changed():
            self._frames.clear()
        key = _key(inputs)
        if not self._frames.serves(key):
            return self._eager.context(inputs)
        return self._or(key, lambda: self._captured(key).context(inputs), lambda: self._eager.context(inputs))

    @torch.inference_mode()
    def denoise(
        self, x: Tensor, noise_level: Tensor, step_size: Tensor, context: Context, calm: float
    ) -> Prediction:
        """See `Network`."""
        key, given = _key(context.sources), (x, noise_level, step_size, context, calm)
        frame = self._frames.get(key)
        if frame is None:
            return self._eager.denoise(*given)
        return self._or(key, lambda: self._denoised(frame, *given), lambda: self._eager.denoise(*given))

    def captured(self, batch: int) -> bool:
        """Whether frames of that many worlds are replayed."""
        return any(frame.batch == batch for frame in self._frames)

    def _denoised(self, frame: _Frame, *given: Any) -> Prediction:
        prediction = frame.denoise(*given)
        self.off = max(self.off, frame.off)
        return prediction

    def _captured(self, key: Key) -> _Frame:
        return self._frames.get(key) or self._frames.put(
            key, _Frame(self._inner, self._eager, self._capture, self._device, self._dtype)
        )

    def _or(self, key: Key, graph: Callable[[], T], eager: Callable[[], T]) -> T:
        try:
            return graph()
        except Exception as error:  # whatever CUDA or a compiler can't do: eager always can
            self._frames.refuse(key)
            fell_back(f"{self.name}, batch {key[0]}", error)
        return eager()


class _Frame:
    """The graphs of one size of batch: one for the context and, by threshold of the residual, one for a step.

    A step's graph reads the context, and what it was made from, where the context's graph leaves them: in a dream
    nothing has to be copied from one to the other.
    """

    def __init__(
        self, inner: Network, eager: Network, capture: Capture, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._inner, self._eager, self._capture, self._pool = inner, eager, capture, capture.pool()
        self._device, self._dtype = device, dtype
        self._sources: list[Tensor] = []
        self._context: Tape | None = None
        self._steps: dict[float, Tape] = {}
        self._holds: Callable[[], Context | None] = lambda: None
        self.off = 0.0

    @property
    def batch(self) -> int:
        """Worlds it is for; 0 before anything was captured."""
        return len(self._sources[INPUT_NAMES.index("newest")]) if self._sources else 0

    def context(self, inputs: Inputs) -> Context:
        """See `Network`."""
        given = [getattr(inputs, name) for name in INPUT_NAMES]
        first = self._context is None
        if self._context is None:
            self._sources = own = [t.clone() for t in given]
            self._context = self._taped(lambda: flat_context(self._inner.context(_inputs(own))), own)
        context = to_context(self._context.play(given), inputs)
        if first:
            self._check(flat_context(context), lambda: flat_context(self._eager.context(inputs)))
        self._holds = weakref.ref(context)
        return context

    def denoise(
        self, x: Tensor, noise_level: Tensor, step_size: Tensor, context: Context, calm: float
    ) -> Prediction:
        """See `Network`."""
        assert self._context is not None
        if self._holds() is not context:
            torch._foreach_copy_(self._sources, [getattr(context.sources, name) for name in INPUT_NAMES])
            torch._foreach_copy_(self._context.out, flat_context(context))
            self._holds = weakref.ref(context)
        given, first = (x, noise_level, step_size), calm not in self._steps
        if first:
            self._steps[calm] = self._step(x.clone(), noise_level.clone(), step_size.clone(), calm)
        found = self._steps[calm].play(given)
        if first:
            self._check(found, lambda: flat_prediction(self._eager.denoise(*given, context, calm)))
        return to_prediction(found)

    def _step(self, x: Tensor, noise_level: Tensor, step_size: Tensor, calm: float) -> Tape:
        assert self._context is not None
        context = self._context.out

        def work() -> list[Tensor]:
            sources = _inputs(self._sources)  # anew, for it remembers what was worked out of it
            given = to_context(context, sources)
            return flat_prediction(self._inner.denoise(x, noise_level, step_size, given, calm))

        return self._taped(work, [x, noise_level, step_size])

    def _taped(self, work: Callable[[], list[Tensor]], given: list[Tensor]) -> Tape:
        def cast() -> list[Tensor]:
            with autocast(self._device, self._dtype, cache=False):
                return work()

        return Tape(self._capture, self._pool, cast, given)

    def _check(self, found: list[Tensor], expected: Callable[[], list[Tensor]]) -> None:
        with autocast(self._device, self._dtype):
            self.off = max(self.off, hold(found, expected(), self._dtype))


def _inputs(tensors: list[Tensor]) -> Inputs:
    return Inputs(**dict(zip(INPUT_NAMES, tensors)))


def _key(inputs: Inputs) -> Key:
    """The size of the batch, and all else that a graph is captured for."""
    tensors = [getattr(inputs, name) for name in INPUT_NAMES]
    return len(inputs.newest), *((t.shape, t.dtype) for t in tensors)
