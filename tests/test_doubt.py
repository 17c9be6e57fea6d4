"""What is guessed is doubted by how far it is from places like the one that the dream began in."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from model_fakes import H, W, tiny_model
from torch import Tensor

from worldsim.errors import UsageError
from worldsim.sim.doubt import UNRELATED, Doubt
from worldsim.sim.exemplars import Exemplars
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.snapshot import DreamState, check_fits

LEVELS, UP, DOWN = (20, 220), -30.0, 30.0


def plain(level: int) -> Tensor:
    return torch.full((H, W, 3), level, dtype=torch.uint8)


def exemplars() -> Exemplars:
    """A dark place and a bright one; of each a view up, in its colour, and one down, 30 levels brighter."""
    shades = [level + (30 if pitch == DOWN else 0) for level in LEVELS for pitch in (UP, DOWN)]
    pose = np.full((4, 5), np.nan, np.float32)
    pose[:, 4] = [UP, DOWN] * 2
    frames = np.stack([plain(shade).numpy() for shade in shades])
    return Exemplars(
        frames, np.full((4, H, W), 8.0, np.float16), pose, np.full(4, np.nan, np.float32),
        np.array([0, 0, 1, 1], np.int32),
    )  # fmt: skip


def expected(
    frame: Tensor, begun: Tensor | None, *, pitch: float = UP, ground: float = 0.0, spread: float = 0.1
) -> float:
    doubt = Doubt(exemplars(), torch.ones(H, W, dtype=torch.bool))
    world: Any = SimpleNamespace(apart=None if begun is None else doubt.apart(begun), strange=0.0)
    size = (1, 1, H, W)
    told = doubt.expected(
        frame[None], torch.full(size, spread), torch.full(size, ground), [world], torch.tensor([pitch])
    )
    return told[0]


def test_a_guess_is_held_against_places_like_the_one_that_was_given() -> None:
    assert expected(plain(20), plain(20)) == pytest.approx(0, abs=0.1)
    assert expected(plain(220), plain(20)) == pytest.approx(200, abs=0.1)
    assert expected(plain(220), plain(220)) == pytest.approx(0, abs=0.1)


def test_a_guess_is_held_against_views_that_are_as_steep() -> None:
    assert expected(plain(50), plain(20), pitch=DOWN) == pytest.approx(0, abs=0.1)
    assert expected(plain(50), plain(20), pitch=UP) == pytest.approx(30, abs=0.1)


def test_what_was_given_is_as_far_off_as_the_network_says() -> None:
    assert expected(plain(220), plain(20), ground=1.0) == pytest.approx(12.75, abs=0.1)
    assert expected(plain(220), plain(20), ground=0.5) == pytest.approx((200 + 12.75) / 2, abs=0.1)


def test_a_dream_that_does_not_know_what_it_began_from_expects_what_most_are_off_by() -> None:
    assert expected(plain(220), None) == pytest.approx(UNRELATED, abs=0.1)
    none = Doubt(None, torch.ones(H, W, dtype=torch.bool))
    assert none.apart(plain(20)) is None


def test_what_is_under_the_hud_is_never_a_guess() -> None:
    usable = torch.ones(H, W, dtype=torch.bool)
    usable[H // 2 :] = False
    doubt = Doubt(exemplars(), usable)
    frame = plain(20)
    frame[H // 2 :] = 255
    apart = doubt.apart(frame)
    assert apart is not None
    assert apart.tolist() == pytest.approx([0, 200])


def test_states_keep_it_and_worlds_beside_each_other_expect_what_they_do_alone() -> None:
    simulator = Simulator(tiny_model(), SimulatorConfig(precision="float32"), exemplars=exemplars())
    given = [torch.stack([plain(level)]) for level in LEVELS]
    worlds = [
        simulator.begin(frames, seed=i, depth=torch.full((1, H, W), 8.0)) for i, frames in enumerate(given)
    ]
    worlds.append(replace(worlds[0], apart=None))
    beside = simulator.step(worlds, torch.zeros(3, 25))
    for world, after in zip(worlds, beside):
        state = DreamState(world, np.random.default_rng(0).bit_generator.state, 0, "x")
        again = DreamState.from_bytes(state.to_bytes())
        check_fits(again, simulator, "x")
        (alone,) = simulator.step([again.world], torch.zeros(1, 25))
        assert alone.uncertainty == pytest.approx(after.uncertainty, rel=1e-5)
    wrong = replace(worlds[0], apart=torch.zeros(7))
    with pytest.raises(UsageError, match="sizes"):
        check_fits(DreamState(wrong, {}, 0, "x"), simulator, "x")
