"""`worldsim/Dream-v0` as a Gymnasium environment."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from model_fakes import H, W, save_tiny_world
from worldsim.envs.voxel_sky import DAY_TICKS

from worldsim.actions import noop
from worldsim.errors import CheckpointError, ConfigError, InvalidAction, ResetNeeded, UsageError
from worldsim.locate import WORLDS
from worldsim.sim.env import DreamEnv


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_world(tmp_path_factory.mktemp("worlds") / "tiny")


@pytest.fixture
def env(world: Path) -> DreamEnv:
    return DreamEnv(world=world, precision="float32")


def forward() -> dict[str, Any]:
    return {**noop(), "forward": 1, "camera": np.array([2.0, -9.0], np.float32)}


def test_env_checker_has_nothing_to_say(world: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make("worldsim/Dream-v0", world=world).unwrapped)


def test_made_by_id_with_a_mode(world: Path) -> None:
    made = gymnasium.make("worldsim/Dream-v0", world=str(world), render_mode="rgb_array", steps=1)
    obs, info = made.reset(seed=3)
    assert obs.shape == (H, W, 3) and obs.dtype == np.uint8
    assert info["generated"] and info["seed"] == 3 and info["state"]["pose"].shape == (5,)
    obs, reward, terminated, truncated, info = made.step(forward())
    assert np.array_equal(made.render(), obs)
    assert (reward, terminated, truncated) == (0.0, False, False) and info["uncertainty"] > 0
    made.close()


def rollout(env: DreamEnv, seed: int, ticks: int = 4) -> str:
    digest = hashlib.sha256(env.reset(seed=seed)[0].tobytes())
    for _ in range(ticks):
        digest.update(env.step(forward())[0].tobytes())
    return digest.hexdigest()


def test_seeds_decide_everything(env: DreamEnv) -> None:
    assert rollout(env, 7) == rollout(env, 7)
    assert len({rollout(env, seed) for seed in range(4)}) == 4


def test_another_process_dreams_the_same_bytes(env: DreamEnv, world: Path) -> None:
    code = (
        "import sys; from test_dream_env import rollout; from worldsim.sim.env import DreamEnv; "
        "print(rollout(DreamEnv(world=sys.argv[1], precision='float32'), 7))"
    )
    here = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", code, str(world)], cwd=here, capture_output=True, text=True)
    assert done.stdout.strip() == rollout(env, 7), done.stderr


def test_clone_and_restore_are_exact(env: DreamEnv) -> None:
    env.reset(seed=1)
    env.step(forward())
    state = env.clone_state()
    first = [env.step(forward())[0] for _ in range(3)]
    env.restore_state(state)
    assert all(np.array_equal(a, env.step(forward())[0]) for a in first)


def test_observations_are_the_callers_own(env: DreamEnv) -> None:
    obs, _ = env.reset(seed=1)
    state = env.clone_state()
    expected = env.step(noop())[0].copy()
    env.restore_state(state)
    obs[:] = 0
    assert np.array_equal(env.step(noop())[0], expected)


def test_begins_from_footage(env: DreamEnv) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, H, W, 3), dtype=np.uint8)
    obs, _ = env.reset(seed=0, options={"frames": frames, "actions": [forward(), noop()], "pitch": -5.0})
    assert np.array_equal(obs, frames[-1])
    obs, _ = env.reset(
        seed=0, options={"frames": frames[:1], "caption": "a desert at dusk", "time_of_day": 0.75}
    )
    assert env.clone_state().world.daytime == 0.75
    assert np.array_equal(obs, frames[0])
    assert env.buffers()["depth"].shape == (H, W)


def test_a_time_of_day_that_was_given_goes_on_as_the_games_does(env: DreamEnv) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (1, H, W, 3), dtype=np.uint8)
    env.reset(seed=0, options={"frames": frames, "time_of_day": 0.99999})
    assert env.simulator.config.day == DAY_TICKS
    for n in range(1, 4):
        told = env.step(noop())[4]["state"]["time_of_day"]
        assert told == pytest.approx((0.99999 + n / DAY_TICKS) % 1, abs=1e-6)


def test_what_is_invented_is_said(env: DreamEnv) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (1, H, W, 3), dtype=np.uint8)
    near = np.full((1, H, W), 4.0, np.float32)
    env.reset(seed=0, options={"frames": frames, "depth": near})
    assert env.buffers()["invented"].max() == 0  # all of it was given
    _, _, _, _, rested = env.step(noop())
    turn = {**noop(), "camera": np.array([0.0, 45.0], np.float32)}
    _, _, _, _, turned = env.step(turn)
    invented = env.buffers()["invented"]
    assert invented.shape == (H, W)
    assert rested["invented"] < 0.1 < turned["invented"]
    assert rested["uncertainty"] < turned["uncertainty"]
    world = H // 4  # above the HUD
    assert invented[:world, -W // 4 :].mean() > 0.9 > 0.5 > invented[:world, : W // 4].mean()
    env.step({**noop(), "camera": np.array([0.0, -45.0], np.float32)})
    assert env.buffers()["invented"][:world].mean() < 0.5  # what was given is still remembered


BAD_RESETS: list[tuple[dict[str, Any], str]] = [
    ({"seed": -1}, "seed"),
    ({"seed": 2**64}, "seed"),
    ({"seed": 1.5}, "seed"),
    ({"options": {"unknown": 1}}, "unknown"),
    ({"options": 3}, "options"),
    ({"options": {"frames": np.zeros((1, H, W, 3), np.float32)}}, "frames"),
    ({"options": {"frames": np.zeros((0, H, W, 3), np.uint8)}}, "frames"),
    ({"options": {"frames": np.zeros((1, H, W + 1, 3), np.uint8)}}, "frames"),
    ({"options": {"actions": [noop()]}}, "actions"),
    ({"options": {"frames": np.zeros((2, H, W, 3), np.uint8), "actions": []}}, "actions"),
    ({"options": {"frames": np.zeros((1, H, W, 3), np.uint8), "pitch": 100}}, "pitch"),
    ({"options": {"frames": np.zeros((1, H, W, 3), np.uint8), "pitch": float("nan")}}, "pitch"),
    ({"options": {"frames": np.zeros((1, H, W, 3), np.uint8), "time_of_day": 1.5}}, "a number from 0 to 1"),
    ({"options": {"time_of_day": 0.5}}, "time_of_day without frames"),
    ({"options": {"frames": np.zeros((1, H, W, 3), np.uint8), "depth": np.full((1, H, W), np.nan)}}, "depth"),
]


@pytest.mark.parametrize(("arguments", "field"), BAD_RESETS)
def test_bad_resets_change_nothing(env: DreamEnv, arguments: dict[str, Any], field: str) -> None:
    env.reset(seed=5)
    state = env.clone_state()
    expected = env.step(noop())[0]
    env.restore_state(state)
    with pytest.raises(UsageError, match=field) as raised:
        env.reset(**arguments)
    assert "\n" not in str(raised.value)
    assert np.array_equal(env.step(noop())[0], expected)


@pytest.mark.parametrize(
    "bad", [{}, {**noop(), "camera": [np.nan, 0]}, {**noop(), "jump": 2}, "forward", None]
)
def test_bad_actions_change_nothing(env: DreamEnv, bad: Any) -> None:
    env.reset(seed=5)
    state = env.clone_state()
    with pytest.raises(InvalidAction):
        env.step(bad)
    assert env.clone_state().world is state.world


def test_order_of_calls(env: DreamEnv) -> None:
    with pytest.raises(ResetNeeded):
        env.step(noop())
    with pytest.raises(UsageError):
        env.restore_state("nonsense")  # type: ignore[arg-type]
    env.close()
    env.close()


@pytest.mark.parametrize(
    "arguments",
    [{"steps": 0}, {"steps": 1.5}, {"precision": "half"}, {"render_mode": "ascii"}, {"imagine": 1}],
)
def test_bad_arguments(world: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        DreamEnv(world=world, **arguments)


def test_missing_and_foreign_worlds(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such world"):
        DreamEnv(world="nowhere")
    (tmp_path / "model.pt").write_bytes(b"pickle")
    with pytest.raises(CheckpointError):
        DreamEnv(world=tmp_path)
    with pytest.raises(UsageError, match="device"):
        DreamEnv(world=save_tiny_world(tmp_path / "w"), device="cuda:99")


def test_a_damaged_seed_file_is_named(tmp_path: Path) -> None:
    folder = save_tiny_world(tmp_path / "w")
    (folder / "seeds.npz").write_bytes(b"PK not a zip")
    with pytest.raises(CheckpointError, match=r"seeds\.npz"):
        DreamEnv(world=folder)
    path = WORLDS / "voxel_small" / "seeds.npz"
    bent = bytearray(path.read_bytes())
    bent[2000:2064] = b"\xff" * 64  # inside the first array, which then can't be unpacked
    (folder / "seeds.npz").write_bytes(bytes(bent))
    with pytest.raises(CheckpointError, match=r"seeds\.npz: can't be read"):
        DreamEnv(world=folder)
    (folder / "seeds.npz").unlink()
    with pytest.raises(UsageError, match="frames"):
        DreamEnv(world=folder).reset(seed=0)
