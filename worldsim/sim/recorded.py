"""Frames as the network is really asked for them: what a backend is made from or held against."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from worldsim.actions import ACTION_SIZE, CAMERA, INDEX
from worldsim.model.denoiser import Context, Inputs, Prediction
from worldsim.sim.footage import seed_footage
from worldsim.sim.seeds import Seeds

if TYPE_CHECKING:
    from worldsim.sim.network import Network
    from worldsim.sim.simulator import Simulator


@dataclass(frozen=True)
class Drawn:
    """One step of a sampler: what the network was given and what it answered."""

    x: Tensor
    noise_level: Tensor
    step_size: Tensor
    context: Context
    prediction: Prediction


Record = Callable[[int, int], list[Drawn]]
"""(index of the seed moment, frames) to frames drawn from there."""


class Recorder:
    """A network that remembers what passes through it."""

    name = "recorder"
    batched = True

    def __init__(self, network: Network) -> None:
        self._network = network
        self.drawn: list[Drawn] = []

    def context(self, inputs: Inputs) -> Context:
        """See `Network`."""
        return self._network.context(inputs)

    def denoise(
        self, x: Tensor, noise_level: Tensor, step_size: Tensor, context: Context, calm: float
    ) -> Prediction:
        """See `Network`."""
        prediction = self._network.denoise(x, noise_level, step_size, context, calm)
        self.drawn.append(Drawn(x, noise_level, step_size, context, prediction))
        return prediction


def record(simulator: Simulator, seeds: Seeds, moment: int, frames: int) -> list[Drawn]:
    """Walk, look around and jump from a seed moment for some frames, with the simulator's present network."""
    network = simulator.network
    world = simulator.begin(**vars(seed_footage(seeds, moment % len(seeds))), seed=moment)
    recorder = Recorder(network)
    simulator.network = recorder
    try:
        for tick in range(frames):
            world = simulator.step([world], _action(tick))[0]
    finally:
        simulator.network = network
    return recorder.drawn


def _action(tick: int) -> Tensor:
    action = torch.zeros(1, ACTION_SIZE)
    action[0, INDEX["forward"]] = 1.0
    action[0, INDEX["jump"]] = float(tick % 8 == 3)
    action[0, CAMERA] = torch.tensor([3 * math.sin(tick / 3), 8 * math.cos(tick / 4)])
    return action
