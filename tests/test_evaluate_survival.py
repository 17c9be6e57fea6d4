"""Detectors of dreams that came apart: each finds its fault, and the game itself sets off none."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from worldsim.actions import INDEX
from worldsim.evaluate.rollout import Rollout
from worldsim.evaluate.scenario import Scenario
from worldsim.evaluate.survival import CAUSES, RUN, Course
from worldsim.evaluate.traits import COLOUR, TRAITS, motion, spread, traits
from worldsim.evaluate.twin import Twin, play

W, H, TICKS, BAD = 64, 48, 40, 12
Frames = NDArray[np.uint8]


@functools.lru_cache(maxsize=4)
def twin(degrees: float) -> Twin:
    actions = np.zeros((TICKS, 25), np.float32)
    actions[:, INDEX["camera_yaw"]] = degrees
    return play(Scenario(3, actions, 1), width=W, height=H)


def course(change: Callable[[Frames], Frames], degrees: float = 6.0) -> Course:
    """A dream that is the game's up to frame `BAD`, and `change` of it from there on."""
    frames = twin(degrees).frames[1:].copy()
    frames[BAD:] = change(frames[BAD:])
    return Course.of(Rollout(twin(degrees), frames))


def flash(frames: Frames) -> Frames:
    rng = np.random.default_rng(0)
    return np.clip(frames + rng.integers(-60, 61, frames.shape), 0, 255).astype(np.uint8)


def mush(frames: Frames) -> Frames:
    return np.broadcast_to(frames.mean((1, 2), keepdims=True), frames.shape).astype(np.uint8)


def tint(frames: Frames) -> Frames:
    return np.clip(frames * np.array([2.2, 0.4, 0.4]), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("degrees", (0.0, 6.0, 90.0))
def test_the_game_itself_stays_whole(degrees: float) -> None:
    found = course(lambda frames: frames, degrees)
    assert found.ends == {} and found.cause == "" and found.end == TICKS


@pytest.mark.parametrize(
    ("cause", "change", "degrees"),
    (
        ("mush", mush, 6.0),
        ("mush", mush, 0.0),
        ("colour", tint, 6.0),
        ("flicker", flash, 0.0),
        ("frozen", lambda frames: np.broadcast_to(frames[:1], frames.shape), 6.0),
        ("cut", lambda frames: 255 - frames, 0.0),
    ),
)
def test_faults_are_found_where_they_begin(
    cause: str, change: Callable[[Frames], Frames], degrees: float
) -> None:
    found = course(change, degrees)
    assert cause in found.ends and cause in CAUSES
    assert abs(found.ends[cause] - BAD) <= RUN and found.end <= BAD + 1


def test_numbers_that_break_end_a_dream_at_once() -> None:
    doubt = np.ones(TICKS, np.float32)
    doubt[20] = np.nan
    found = Course.of(Rollout(twin(6.0), twin(6.0).frames[1:], uncertainty=doubt))
    assert found.ends == {"broken": 20} and found.cause == "broken"


def test_a_dream_that_walks_where_the_game_stands_is_wrong_but_alive() -> None:
    actions = np.zeros((TICKS, 25), np.float32)
    actions[:, INDEX["forward"]] = actions[:, INDEX["jump"]] = 1
    walking = play(Scenario(3, actions, 1), width=W, height=H)
    assert Course.of(Rollout(twin(0.0), walking.frames[1:])).ends.keys() <= {"colour"}
    assert "frozen" not in Course.of(Rollout(walking, twin(0.0).frames[1:])).ends


def turning(seed: int, degrees: float = 40.0) -> Frames:
    actions = twin(degrees).scenario.actions
    return play(Scenario(seed, actions, 1), width=W, height=H).frames[1:]


@pytest.mark.parametrize("degrees", (12.0, 40.0))
def test_a_turn_in_the_sun_is_no_fault_though_the_game_is_in_a_cave(degrees: float) -> None:
    given, *rest = twin(degrees).frames
    cave = replace(twin(degrees), frames=np.stack([given, *(frame // 20 for frame in rest)]))
    assert not {"cut", "flicker"} & Course.of(Rollout(cave, turning(3, degrees))).ends.keys()


def test_another_scene_is_a_cut_while_the_camera_turns_too() -> None:
    frames = turning(3).copy()
    frames[BAD:] = 255 - turning(5)[BAD:]
    assert Course.of(Rollout(twin(40.0), frames)).ends["cut"] == BAD


def test_a_thing_that_is_passed_by_close_at_hand_is_no_cut() -> None:
    frames = twin(0.0).frames[1:].copy()
    frames[BAD:, :, : W * 2 // 5] = 255 - frames[BAD:, :, : W * 2 // 5]
    assert "cut" not in Course.of(Rollout(twin(0.0), frames)).ends


def test_short_dreams_have_courses_too() -> None:
    short = twin(6.0).cut(Scenario(3, twin(6.0).scenario.actions[:2], 1))
    assert Course.of(Rollout(short, short.frames[1:])).end == 2


def test_traits_have_a_spread_and_answer_to_what_they_name() -> None:
    frames = twin(6.0).frames[:4]
    usual, sigma = traits(frames), spread(W, H)
    assert usual.shape == (4, len(TRAITS)) and sigma.shape == (len(TRAITS),) and (sigma > 0).all()
    red = traits(np.concatenate([np.full_like(frames[..., :1], 255), frames[..., 1:]], -1))
    assert (red[:, COLOUR.index("redness")] > usual[:, COLOUR.index("redness")] + 4 * sigma[1]).all()
    grey = traits(np.repeat(frames.mean(-1, keepdims=True), 3, -1).astype(np.uint8))
    assert np.allclose(grey[:, COLOUR.index("saturation")], 0)
    assert (traits(mush(frames))[:, TRAITS.index("detail")] < usual[:, TRAITS.index("detail")] - 1).all()
    assert (traits(np.zeros_like(frames))[:, TRAITS.index("clipped")] == 1).all()


def test_motion_counts_from_the_frame_before() -> None:
    frames = twin(6.0).frames
    assert motion(frames[1:3], frames[0])[0] == pytest.approx(
        np.abs(frames[1].astype(int) - frames[0]).mean()
    )
    assert motion(frames[:1], frames[0])[0] == 0
