"""Every world that ships can be played, built in, and tells what it is."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

import worldsim  # noqa: F401  registers the ids
from worldsim.locate import WORLDS, shipped_worlds
from worldsim.sim.world import load_world


@pytest.mark.parametrize("name", shipped_worlds())
def test_it_is_played_at_its_own_size(name: str) -> None:
    env = gymnasium.make("worldsim/Dream-v0", world=name)
    frame, info = env.reset(seed=3)
    d = load_world(name).model.config.denoiser
    assert frame.shape == (d.height, d.width, 3) and frame.dtype == np.uint8
    assert info["generated"] is True
    action = {key: np.zeros_like(value) for key, value in env.action_space.sample().items()}
    before = frame
    for _ in range(3):
        frame, *_, info = env.step({**action, "attack": 1})
    assert (
        frame.shape == before.shape and np.abs(frame.astype(int) - before).mean() < 20
    )  # who stands sees the same
    env.close()


@pytest.mark.parametrize("name", shipped_worlds())
def test_it_can_build_and_has_a_card(name: str) -> None:
    world = load_world(name)
    assert world.model.hands is not None and world.model.heads is not None
    assert world.seeds is not None and world.exemplars is not None
    card = (WORLDS / name / "CARD.md").read_text(encoding="utf-8")
    assert card.startswith("# ") and world.hash[:16] in card


@pytest.mark.parametrize("name", shipped_worlds())
def test_it_is_played_in_bfloat16_with_hands_from_one_picture(name: str) -> None:
    env = gymnasium.make("worldsim/Dream-v0", world=name, precision="bfloat16")
    given, _ = env.reset(seed=3)
    frame, _ = env.reset(seed=3, options={"frames": given[None]})
    action = {key: np.zeros_like(value) for key, value in env.action_space.sample().items()}
    for _ in range(2):
        frame, *_ = env.step({**action, "attack": 1})
    assert np.abs(frame.astype(int) - given).mean() < 20
    env.close()
