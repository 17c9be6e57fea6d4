"""What goes before the network as CUDA graphs: two thousand small kernels, launched by two calls a frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from worldsim.model.denoiser import Inputs
from worldsim.model.references import References, View
from worldsim.model.world_model import WorldModel
from worldsim.sim.eyes import Eyes
from worldsim.sim.graphs import INPUT_NAMES
from worldsim.sim.kept import Kept, Key
from worldsim.sim.precision import autocast
from worldsim.sim.stamp import Stamp
from worldsim.sim.tape import Capture, Tape
from worldsim.sim.tolerance import fell_back, hold

LARGEST = 64
"""Worlds at once that graphs are captured for: with more, kernels take longer than it takes to launch them."""
_REFERENCES = tuple(field.name for field in dataclasses.fields(References))
_VIEW = tuple(field.name for field in dataclasses.fields(View))


class GraphedEyes(Eyes):
    """As `Eyes`, captured once for each size of batch and held against them; what can't be captured runs as there."""

    def __init__(self, model: WorldModel, capture: Capture, dtype: torch.dtype) -> None:
        super().__init__(model)
        self._see = _Replayed("view", self._see_flat, capture, self.device, torch.float32)
        self._inputs = _Replayed("inputs", self._inputs_flat, capture, self.device, dtype)
        self._weights = Stamp([model.usable, *model.tokenizer.parameters()])

    def see(self, references: References, known: Tensor, pose: Tensor) -> tuple[View, Tensor]:
        """See `Eyes`."""
        if len(pose) > LARGEST:
            return super().see(references, known, pose)
        if self._weights.changed():
            self._see.forget()
            self._inputs.forget()
        warped, depth, shown, description, grounds = self._see([*_flat(references, _REFERENCES), known, pose])
        frames, valid = references.frames, references.valid
        return View(warped, depth, shown, frames[:, 0], frames, description, valid), grounds

    def inputs(
        self, view: View, references: References, pose: Tensor, step: Tensor, actions: Tensor, caption: Tensor,
        temperature: Tensor,
    ) -> Inputs:  # fmt: skip
        """See `Eyes`."""
        given = (pose, step, actions, caption, temperature)
        if len(pose) > LARGEST:
            return super().inputs(view, references, *given)
        found = self._inputs([*_flat(view, _VIEW), *_flat(references, _REFERENCES), *given])
        return Inputs(**dict(zip(INPUT_NAMES, found)))

    def _see_flat(self, tensors: list[Tensor]) -> list[Tensor]:
        *references, known, pose = tensors
        view, grounds = Eyes.see(self, References(*references), known, pose)
        return [view.warped, view.depth, view.known, view.description, grounds]

    def _inputs_flat(self, tensors: list[Tensor]) -> list[Tensor]:
        view, rest = View(*tensors[: len(_VIEW)]), tensors[len(_VIEW) :]
        references, given = References(*rest[: len(_REFERENCES)]), rest[len(_REFERENCES) :]
        return _flat(Eyes.inputs(self, view, references, *given), INPUT_NAMES)


class _Replayed:
    """A function of tensors that are all of a batch, captured for each size of it."""

    def __init__(
        self, what: str, function: Callable[[list[Tensor]], list[Tensor]], capture: Capture, device: torch.device,
        dtype: torch.dtype,
    ) -> None:  # fmt: skip
        self._what, self._function, self._capture = what, function, capture
        self._device, self._dtype = device, dtype
        self._kept: Kept[Tape] = Kept()

    @torch.inference_mode()
    def __call__(self, tensors: list[Tensor]) -> list[Tensor]:
        key: Key = (len(tensors[0]), *((t.shape, t.dtype) for t in tensors))
        if self._kept.serves(key):
            try:
                tape, first = self._kept.get(key), False
                if tape is None:
                    tape, first = self._kept.put(key, self._tape([t.clone() for t in tensors])), True
                found = tape.play(tensors)
                if first:
                    hold(found, self._run(tensors), self._dtype)
                return found
            except Exception as error:  # whatever CUDA can't do: operations one by one always can
                self._kept.refuse(key)
                fell_back(f"cudagraph, {self._what} of batch {key[0]}", error)
        return self._run(tensors)

    def forget(self) -> None:
        """Capture anew."""
        self._kept.clear()

    def _tape(self, given: list[Tensor]) -> Tape:
        return Tape(self._capture, self._capture.pool(), lambda: self._run(given, cache=False), given)

    def _run(self, tensors: list[Tensor], *, cache: bool = True) -> list[Tensor]:
        with autocast(self._device, self._dtype, cache=cache):
            return self._function(tensors)


def _flat(batch: References | View | Inputs, names: tuple[str, ...]) -> list[Tensor]:
    return [getattr(batch, name) for name in names]
