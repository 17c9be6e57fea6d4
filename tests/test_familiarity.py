"""A dream that begins from something that no game shows says so."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from model_fakes import H, W, tiny_model
from torch import Tensor
from worldsim.train.exemplars import record_exemplars

from worldsim import registry
from worldsim.actions import ACTION_SIZE
from worldsim.sim.doubt import UNRELATED
from worldsim.sim.exemplars import Exemplars, joined
from worldsim.sim.familiarity import Familiarity
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.snapshot import DreamState


@cache
def exemplars() -> Exemplars:
    return record_exemplars("worldsim/Voxel-v0", "explorer", count=60, places=0, caves=0, width=W, height=H)


@cache
def views() -> Tensor:
    """Of worlds that exemplars are not from."""
    game = registry.resolve(registry.ENGINES, "worldsim/Voxel-v0", "engine")(width=W, height=H)
    shown = []
    for seed in range(12):
        game.reset(seed)
        shown.append(game.render())
    return torch.from_numpy(np.stack(shown))


def test_views_of_the_game_are_familiar_and_others_are_not() -> None:
    familiarity = Familiarity(exemplars())
    assert np.median([familiarity.strangeness(v) for v in views()]) == 0
    for strange in (255 - views()[0], views()[0].flip(0)):
        assert familiarity.strangeness(strange) > 0.5
    assert familiarity.strangeness(torch.zeros(H, W, 3, dtype=torch.uint8)) == 1


def test_views_that_are_all_alike_are_familiar_to_each_other() -> None:
    one = exemplars()
    twice = joined([Exemplars(*(part[:1] for part in vars(one).values()))] * 2)
    assert Familiarity(twice).strangeness(torch.from_numpy(one.frames[0])) == 0
    assert Familiarity(twice).strangeness(torch.from_numpy(one.frames[1])) == 1


@pytest.mark.parametrize("known", [True, False])
def test_a_strange_beginning_is_told_with_every_frame_and_kept_in_states(known: bool) -> None:
    simulator = Simulator(
        tiny_model(),
        SimulatorConfig(precision="float32", imagine=False),
        exemplars=exemplars() if known else None,
    )
    doubts = {}
    for name, frame in (("usual", views()[:1]), ("black", torch.zeros(1, H, W, 3, dtype=torch.uint8))):
        world = simulator.begin(frame, seed=0, depth=torch.full((1, H, W), 8.0))
        again = DreamState.from_bytes(
            DreamState(world, np.random.default_rng(0).bit_generator.state, 0, "x").to_bytes()
        ).world
        assert again.strange == world.strange
        for _ in range(3):
            (world,) = simulator.step([world], torch.zeros(1, ACTION_SIZE))
        doubts[name] = world.uncertainty
    assert (doubts["black"] >= UNRELATED > doubts["usual"]) == known
