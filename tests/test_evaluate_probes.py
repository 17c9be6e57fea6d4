"""The probes that ship, and the metrics that read the world through them, on fakes whose faults are known."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch

from worldsim.actions import INDEX
from worldsim.evaluate import edits, following, physics, revisit
from worldsim.evaluate.fakes import FAKES
from worldsim.evaluate.probes import load_probes
from worldsim.evaluate.probes.acting import KEYS, acting, steps_of, turns_of
from worldsim.evaluate.probes.align import align
from worldsim.evaluate.probes.bundle import to_input
from worldsim.evaluate.probes.classes import ANIMAL, classes_of, grid_of, in_cells
from worldsim.evaluate.probes.motion import read_keys
from worldsim.evaluate.reading import read
from worldsim.evaluate.result import Section
from worldsim.evaluate.rollout import Rollout, roll
from worldsim.evaluate.suite import Count, Suite, find_suite
from worldsim.evaluate.twin import play
from worldsim.evaluate.views import agreement, mean_iou, shifted

SUITE = Suite(
    "fakes",
    {
        "play": Count(4, 48), "turn": Count(3, 30), "there_and_back": Count(2, 44), "edits": Count(4, 36),
        "physics": Count(4, 26),
    },
)  # fmt: skip
METRICS = {"following": following, "revisit": revisit, "edits": edits, "physics": physics}


@functools.lru_cache(maxsize=64)
def rollouts(metric: str, fake: str) -> tuple[Rollout, ...]:
    return tuple(roll(FAKES[fake](), twins(metric)))


@functools.lru_cache(maxsize=8)
def twins(metric: str) -> tuple:
    return tuple(play(s, width=160, height=96) for s in METRICS[metric].scenarios(SUITE))


@functools.lru_cache(maxsize=64)
def found(metric: str, fake: str) -> Section:
    return METRICS[metric].measure(rollouts(metric, fake), load_probes())


def value(metric: str, fake: str, figure: str) -> float:
    return found(metric, fake).figure(figure).value


def test_fakes_following() -> None:
    assert value("following", "oracle", "following_64") == pytest.approx(1.0)
    assert value("following", "oracle", "yaw_gain") == pytest.approx(1.0)
    assert value("following", "oracle", "yaw_lag") == 0
    assert value("following", "frozen", "following_64") < 0.35
    assert abs(value("following", "frozen", "yaw_gain")) < 0.2
    assert value("following", "drifter", "following_64") > 0.9


def test_fakes_revisit() -> None:
    for group in ("turn", "round"):
        assert value("revisit", "oracle", f"{group}_kept") == pytest.approx(1.0)
        assert value("revisit", "frozen", f"{group}_kept") == 0.0
        assert value("revisit", "amnesiac", f"{group}_kept") < 0.5
    assert value("revisit", "drifter", "turn_kept") > 0.85
    assert value("revisit", "oracle", "turn_offset") == 0.0


def test_fakes_edits() -> None:
    for name in ("oracle", "drifter"):
        assert value("edits", name, "made") == 1.0
        assert value("edits", name, "kept_fair") == 1.0
    assert value("edits", "frozen", "made") == 0.0
    assert value("edits", "frozen", "made_fair") == 0.5
    assert value("edits", "amnesiac", "made") == 1.0
    assert value("edits", "amnesiac", "kept_fair") < 0.9  # the world it forgets into is edited as well
    assert value("edits", "oracle", "collateral") == pytest.approx(0.0, abs=0.05)


def test_fakes_physics() -> None:
    assert value("physics", "oracle", "violations") == value("physics", "oracle", "violations_game")
    assert value("physics", "oracle", "violations") < 100
    assert value("physics", "oracle", "ghost_walls") < 350
    assert value("physics", "oracle", "landing_error") == 0.0
    assert value("physics", "oracle", "fall_depth") == pytest.approx(1.0)
    assert value("physics", "frozen", "ghost_walls") > 700
    assert (
        value("physics", "oracle", "violations_near") == value("physics", "oracle", "ghost_walls_near") == 0.0
    )
    assert value("physics", "frozen", "ghost_walls_near") == 1000.0
    assert abs(value("physics", "frozen", "fall_depth")) < 0.4


def test_fakes_walk_through_walls() -> None:
    """A dream that shows a free walk, and believes its depth, where the game's player is held."""
    walls = [r for r in rollouts("physics", "oracle") if r.twin.scenario.group == "wall"]
    other = Suite("free", {"there_and_back": Count(1, 60)})
    free = next(s for s in revisit.scenarios(other) if s.group == "walk")
    walk = play(replace(free, context=1), width=160, height=96)
    step = steps_of(walk.pose)[:, 2]
    ahead = np.flatnonzero(step > 0.15)
    part = slice(ahead[0], ahead[-1] + 1)
    frames, depth = walk.frames[part], walk.depth[part, ::2, ::2]
    ghosts = [
        replace(
            r,
            frames=np.resize(frames, r.frames.shape),
            depth=np.resize(depth, (len(r.frames), *depth.shape[1:])),
        )
        for r in walls
    ]
    assert physics.measure(ghosts, load_probes()).figure("violations").value > 500


@pytest.mark.parametrize("metric", METRICS)
def test_without_probes_a_metric_says_so(metric: str) -> None:
    section = METRICS[metric].measure((), None)
    assert section.figures[0].note == "needs the probes" and np.isnan(section.figures[0].value)


@pytest.mark.parametrize("metric", METRICS)
def test_scenarios_repeat_and_fit_their_suite(metric: str) -> None:
    suite = find_suite("tiny")
    first, second = (METRICS[metric].scenarios(suite) for _ in range(2))
    assert [s.seed for s in first] == [s.seed for s in second]
    assert all(np.array_equal(a.actions, b.actions) for a, b in zip(first, second))
    assert all(0 <= s.seed < 1000 and s.context == suite.context for s in first)
    assert all(s.context <= t <= len(s.actions) for s in first for k, t in s.marks.items() if k != "wait")


def test_probes_ship_with_their_accuracy() -> None:
    probes = load_probes()
    assert len(probes.hash) == 64
    for name in ("blocks", "f1"):
        assert probes.accuracy[name] - probes.accuracy[f"{name}_degraded"] < 0.05
    assert abs(probes.accuracy["yaw_gain"] - 1) < 0.1


def test_probes_take_frames_of_other_sizes() -> None:
    probes = load_probes()
    for height, width in ((48, 64), (96, 160), (192, 320)):
        frames = np.zeros((3, height, width, 3), np.uint8)
        assert probes.blocks(frames).shape == (3, *grid_of(height, width))
        assert classes_of(frames[..., 0]).shape == (3, *grid_of(height, width))
        moves = probes.moves(
            frames, depth=np.ones((2, 24, 40)), pitch=np.zeros(2, np.float32),
            expected=np.zeros((2, 2), np.float32), hud=np.zeros((height, width), bool),
        )  # fmt: skip
        assert moves.turn.shape == (2, 2) and moves.keys.shape == (2, len(KEYS)) and moves.slot.shape == (3,)


def test_motion_of_the_game_is_read_off_its_pictures() -> None:
    r = rollouts("following", "oracle")[0]
    dream, game = read(r, load_probes())
    assert np.array_equal(dream.step, game.step)
    ticks = slice(r.twin.scenario.context - 1, None)
    turn, step = turns_of(r.twin.pose)[ticks], steps_of(r.twin.pose)[ticks]
    fair = np.abs(turn).max(1) < 30
    assert np.median(np.abs(dream.turn - turn)[fair]) < 0.15
    assert np.median(np.abs(dream.step - step)[fair]) < 0.02


def test_a_picture_that_stays_has_not_moved_whatever_was_expected() -> None:
    frames = torch.from_numpy(rollouts("following", "oracle")[0].frames[:1]).float().mean(3).repeat(3, 1, 1)
    motion, doubt = align(
        frames,
        torch.full((2, 48, 80), 5.0),
        torch.zeros(2),
        torch.tensor([[12.0, 3.0]] * 2),
        torch.ones(96, 160),
    )
    assert motion.abs().max() < 0.02 and doubt.max() < 0.01


def test_keys_follow_from_steps() -> None:
    """Three ticks of walking, one of drifting on, one of running to the right."""
    step = np.zeros((6, 3), np.float32)
    step[1:5, 2] = (0.098, 0.152, 0.181, 0.099)
    step[5, 0] = 0.1
    turn = np.zeros((6, 2), np.float32)
    keys = read_keys(turn, step, np.zeros((7, 96, 160, 3), np.uint8))
    assert keys[:, KEYS.index("forward")].tolist() == [False, True, True, True, False, False]
    assert keys[:, KEYS.index("right")].tolist() == [False] * 5 + [True]
    assert not keys[:, KEYS.index("attack")].any()


def test_cells_take_the_commonest_block() -> None:
    blocks = np.zeros((1, 96, 160), np.uint8)
    blocks[0, :4, :4] = 3
    blocks[0, 0, 0] = 5
    blocks[0, 4:8, :4] = 201
    classes = classes_of(blocks)
    assert (classes[0, 0, 0], classes[0, 1, 0], classes[0, 2, 0]) == (3, ANIMAL, 0)
    assert in_cells(blocks == 3, 0.9)[0].sum() == 1


def test_steps_are_seen_by_the_player() -> None:
    pose = np.array([[0, 0, 0, 90, 0], [-2, 1, 3, 90, 5]], np.float32)  # yaw 90 looks to -x; its right is -z
    np.testing.assert_allclose(steps_of(pose), [[-3, 1, 2]], atol=1e-6)
    np.testing.assert_allclose(turns_of(pose), [[0, 5]])


def test_keys_pressed_in_vain_are_not_asked() -> None:
    actions = np.zeros((3, 25), np.float32)
    actions[:, INDEX["forward"]] = 1
    pose = np.zeros((4, 5), np.float32)
    pose[:, 2] = (0.0, 0.2, 0.2, 0.4)  # a wall at the second tick
    columns = {
        "on_ground": np.ones(4, bool),
        "in_water": np.zeros(4, bool),
        "contact": np.zeros(4, bool),
        "events.placed": np.zeros(4, int),
    }
    pressed, known = acting(actions, pose, columns)
    ahead = KEYS.index("forward")
    assert pressed[:, ahead].all() and known[:, ahead].tolist() == [True, False, True]


def test_views_compare() -> None:
    a, b = np.zeros((1, 4, 4), np.uint8), np.zeros((1, 4, 4), np.uint8)
    b[0, :2] = 1
    kept = np.ones((4, 4), bool)
    assert agreement(a, b, kept) == 0.5 and mean_iou(a, b, kept) == pytest.approx(0.25)
    frame = np.arange(5, dtype=np.uint8)[None, :, None] * np.ones((2, 1, 3), np.uint8)
    assert shifted(frame, 1)[0, :, 0].tolist() == [0, 0, 1, 2, 3]


def test_input_is_scaled() -> None:
    frames = torch.full((2, 3, 48, 64, 3), 255, dtype=torch.uint8)
    images = to_input(frames)
    assert images.shape == (2, 3, 3, 96, 128) and float(images.max()) == pytest.approx(1.0)
