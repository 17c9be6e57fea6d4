"""How far a camera turned is seen to a fraction of a degree, whatever lies over the picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from worldsim.envs.voxel_engine import VoxelEngine
from worldsim.train import recorded_overlay, world

from worldsim.actions import ACTION_SIZE, CAMERA, INDEX
from worldsim.data.episode import Episode
from worldsim.data.storage import EpisodeStore
from worldsim.model.denoiser import DenoiserConfig
from worldsim.model.inverse import MOTION, InverseConfig, InverseModel
from worldsim.model.turns import find_overlay, find_turns, grey, moves, turn_back
from worldsim.model.world_model import WorldModel, WorldModelConfig


def looking_around(
    keys: tuple[str, ...] = (), seed: int = 3
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Frames of a game in which somebody turns every tick, and the turns (pitch, yaw) in degrees."""
    engine, rng = VoxelEngine(width=160, height=96), np.random.default_rng(0)
    engine.reset(seed)
    frames, turns = [engine.render().copy()], []
    for _ in range(24):
        action = np.zeros(ACTION_SIZE, np.float32)
        # Never far from level: the game stops at the zenith.
        pitch = float(engine.state()["pose"][4])
        action[CAMERA] = rng.uniform(-10, 10) - 0.3 * pitch, rng.uniform(-20, 20)
        action[[INDEX[key] for key in keys]] = 1.0
        engine.step(action)
        frames.append(engine.render().copy())
        turns.append(action[CAMERA].copy())
    return np.stack(frames), np.stack(turns)


def motion(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    moved: NDArray[np.float32] = InverseModel(InverseConfig()).motion(frames).numpy()
    assert moved.shape == (len(frames) - 1, MOTION)
    return moved


@pytest.mark.parametrize(("keys", "most"), [((), 0.2), (("forward",), 0.5)])
def test_turns_are_seen_standing_and_walking(keys: tuple[str, ...], most: float) -> None:
    frames, turns = looking_around(keys)
    off = np.abs(motion(frames)[:, -3:-1] - turns)
    assert np.median(off) < most / 2 and (off < most).mean() > 0.8, off


def test_who_stands_does_not_turn() -> None:
    frames = looking_around()[0][:1].repeat(10, 0)
    assert np.abs(motion(frames)[:, -3:-1]).max() < 0.01


def test_what_lies_over_the_picture_is_found_and_left_out() -> None:
    frames, _ = looking_around()
    found = moves(grey(frames))
    assert not found[-8:, 60:100].any(), "the hotbar"
    assert found[10:60].mean() > 0.95
    assert moves(grey(frames)[:3]).all(), "a few frames do not tell"


def test_the_overlay_is_what_stays_when_the_camera_turns() -> None:
    videos = [looking_around(seed=seed)[0] for seed in (3, 4)]
    found = find_overlay(videos)
    assert found is not None
    true = VoxelEngine(width=160, height=96).overlay_mask()
    assert found[true].mean() > 0.6 and found[~true].mean() < 0.05
    assert found[-6:, 60:100].mean() > 0.95 and found[48, 80], "hotbar and crosshair"
    assert find_overlay(videos[:1]) is None, "24 turns do not tell"


def test_a_picture_that_is_turned_back_lies_on_the_next() -> None:
    rng = np.random.default_rng(1)
    picture = rng.normal(size=(1, 24, 40)).astype(np.float32).repeat(2, 0)
    still = np.zeros((1, 3), np.float32)
    assert np.allclose(turn_back(picture, still), picture[:1], atol=1e-5)
    away = np.array([[0.0, 170.0, 0.0]], np.float32)
    assert np.array_equal(turn_back(picture, away), picture[1:]), "nothing of it is in view: the next one"


def test_small_pictures_are_no_error() -> None:
    sizes = tuple(np.zeros((3, 32 // n, 48 // n), np.float32) for n in (4, 2, 1))
    turns = find_turns(sizes, np.ones((32, 48), np.bool_))  # type: ignore[arg-type]
    assert turns.shape == (2, 3) and np.isfinite(turns[:, :2]).all()


def test_a_world_of_another_game_learns_where_its_overlay_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with EpisodeStore(tmp_path, write=True) as store:
        for seed in (3, 4):
            frames, turns = looking_around(seed=seed)
            actions = np.zeros((len(turns), ACTION_SIZE), np.float32)
            actions[:, CAMERA] = turns
            meta = {"action_space": "minerl", "env": "other/Game-v0"}
            store.write(Episode(frames, actions, np.zeros(len(turns), np.float32), meta=meta))
    model = WorldModel(replace(WorldModelConfig(), denoiser=DenoiserConfig(channels=16, head_size=16)))
    world._mark_overlay(model, world.TrainOptions(data=str(tmp_path)))
    shown = model.usable.numpy()
    assert not shown[-6:, 60:100].any() and shown[:60].mean() > 0.95
    assert not capsys.readouterr().err
    assert recorded_overlay.recorded_overlay(tmp_path) is not None
    with EpisodeStore(tmp_path / "still", write=True) as store:
        store.write(
            Episode(
                frames[:1].repeat(40, 0), np.zeros((39, 25), np.float32), np.zeros(39, np.float32), meta=meta
            )
        )
    assert recorded_overlay.recorded_overlay(tmp_path / "still") is None
    assert "too few turns" in capsys.readouterr().err
