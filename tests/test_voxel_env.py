"""The game as a Gymnasium env: the contract, seeds, branches, bad input."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from worldsim import actions
from worldsim.errors import ConfigError, InvalidAction, ResetNeeded, UsageError
from worldsim.registry import ENVS, POLICIES, resolve

VoxelEnv = resolve(ENVS, "worldsim/Voxel-v0", "env")
SMALL = {"width": 64, "height": 48}


@pytest.fixture(autouse=True)
def no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


@pytest.fixture
def env() -> Iterator[Any]:
    made = VoxelEnv(**SMALL)
    yield made
    made.close()


def explorer(seed: int = 0) -> Any:
    return resolve(POLICIES, "explorer", "policy")(seed)


def play(env: Any, player: Any, info: dict[str, Any], ticks: int) -> list[bytes]:
    """The frames and poses of some ticks under a player, as bytes."""
    seen = []
    for _ in range(ticks):
        obs, _, terminated, _, info = env.step(actions.to_dict(player.act(info["state"])))
        seen.append(obs.tobytes() + info["state"]["pose"].tobytes())
        if terminated:
            obs, info = env.reset()
    return seen


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return bool(np.array_equal(a, b))


@pytest.mark.parametrize("arguments", [{}, {"depth": True, "block_ids": True}, {"render_mode": "rgb_array"}])
def test_checker_finds_nothing(arguments: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = gymnasium.make("worldsim/Voxel-v0", **SMALL, **arguments)
        check_env(made.unwrapped)
        made.close()


def test_default_size_and_metadata() -> None:
    made = VoxelEnv()
    assert made.observation_space == gymnasium.spaces.Box(0, 255, (96, 160, 3), np.uint8)
    assert made.action_space == actions.action_space()
    assert made.metadata == {"render_modes": ["human", "rgb_array"], "render_fps": 20}
    assert made.world_id == "worldsim/Voxel-v0"


def test_same_seed_same_bytes(env: Any) -> None:
    first, info = env.reset(seed=7)
    one = play(env, explorer(), info, 40)
    again, info = env.reset(seed=7)
    assert np.array_equal(first, again)
    assert play(env, explorer(), info, 40) == one
    assert not np.array_equal(env.reset(seed=8)[0], first)


def test_same_bytes_in_another_process(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import hashlib, sys, gymnasium, worldsim\n"
        "from worldsim import actions, registry\n"
        "env = gymnasium.make('worldsim/Voxel-v0', width=64, height=48)\n"
        "player = registry.resolve(registry.POLICIES, 'explorer', 'policy')(5)\n"
        "obs, info = env.reset(seed=3)\n"
        "digest = hashlib.sha256(obs.tobytes())\n"
        "for _ in range(60):\n"
        "    obs, *_, info = env.step(actions.to_dict(player.act(info['state'])))\n"
        "    digest.update(obs.tobytes() + info['state']['pose'].tobytes())\n"
        "print(digest.hexdigest())\n"
    )
    runs = [
        subprocess.run([sys.executable, script], capture_output=True, text=True, check=True) for _ in range(2)
    ]
    assert runs[0].stdout == runs[1].stdout != ""


def test_worlds_after_the_first_follow_from_its_seed(env: Any) -> None:
    def worlds() -> list[int]:
        return [env.reset(seed=11)[1]["seed"], env.reset()[1]["seed"], env.reset()[1]["seed"]]

    first = worlds()
    assert worlds() == first
    assert len(set(first)) == 3


def test_the_seed_is_the_world(env: Any) -> None:
    obs, info = env.reset(seed=2**64 - 1)
    assert info["seed"] == 2**64 - 1
    assert np.array_equal(env.reset(seed=np.uint64(2**64 - 1))[0], obs)


def test_time_of_day(env: Any) -> None:
    noon, info = env.reset(seed=1, options={"time_of_day": 0.5})
    assert info["state"]["time_of_day"] == pytest.approx(0.5, abs=0.01)
    night, info = env.reset(seed=1, options={"time_of_day": 0})
    assert info["state"]["time_of_day"] == pytest.approx(0.0, abs=0.01)
    assert night.mean() < noon.mean()


def test_observations_are_fresh(env: Any) -> None:
    env.reset(seed=0)
    saved = env.clone_state()
    first, *_, info = env.step(actions.noop())
    env.restore_state(saved)
    second, *_, kept = env.step(actions.noop())
    assert not np.may_share_memory(first, second)
    first[:] = 0
    info["state"]["pose"][:] = 0
    env.restore_state(saved)
    third, *_, clean = env.step(actions.noop())
    assert np.array_equal(second, third)
    assert same(kept["state"], clean["state"])


def test_spoiled_observation_does_not_show_in_render() -> None:
    env = VoxelEnv(**SMALL, render_mode="rgb_array")
    obs, _ = env.reset(seed=0)
    expected = obs.copy()
    obs[:] = 0
    env.render()[:] = 0
    assert np.array_equal(env.render(), expected)


def test_buffers_fit_the_frame() -> None:
    env = VoxelEnv(**SMALL, depth=True, block_ids=True)
    obs, _ = env.reset(seed=4, options={"time_of_day": 0.5})
    assert obs in env.observation_space
    buffers = env.buffers()
    assert np.array_equal(buffers["depth"], obs["depth"])
    assert np.array_equal(buffers["block_ids"], obs["block_ids"])
    assert (obs["depth"] > 0).all() and (obs["depth"] <= 512).all()
    plain = VoxelEnv(**SMALL)
    assert np.array_equal(plain.reset(seed=4, options={"time_of_day": 0.5})[0], obs["frame"])
    only = VoxelEnv(**SMALL, depth=True)
    assert set(only.reset(seed=4)[0]) == {"frame", "depth"}


def test_branches_are_exact(env: Any) -> None:
    player = explorer(2)
    _, info = env.reset(seed=21)
    play(env, player, info, 60)
    saved = pickle.loads(pickle.dumps(env.clone_state()))
    script = [actions.to_dict(player.act({})) for _ in range(60)]

    def run(which: Any) -> list[bytes]:
        return [which.step(action)[0].tobytes() for action in script]

    first = run(env)
    env.restore_state(saved)
    assert run(env) == first
    other = VoxelEnv(**SMALL)
    other.restore_state(saved)  # without a reset, in another env
    assert run(other) == first
    assert env.reset()[1]["seed"] == other.reset()[1]["seed"]


def test_restore_after_another_world(env: Any) -> None:
    env.reset(seed=1)
    saved = env.clone_state()
    expected = env.step(actions.noop())[0]
    env.reset(seed=2)
    env.restore_state(saved)
    assert np.array_equal(env.step(actions.noop())[0], expected)


BAD_ACTIONS: dict[str, Any] = {
    "none": None,
    "vector": np.zeros(25, np.float32),
    "empty": {},
    "missing key": {key: value for key, value in actions.noop().items() if key != "jump"},
    "unknown key": {**actions.noop(), "fly": 1},
    "key of 2": {**actions.noop(), "jump": 2},
    "key of 0.5": {**actions.noop(), "jump": 0.5},
    "key of text": {**actions.noop(), "jump": "1"},
    "camera of one": {**actions.noop(), "camera": np.zeros(1, np.float32)},
    "camera of nan": {**actions.noop(), "camera": np.array([np.nan, 0], np.float32)},
    "camera of inf": {**actions.noop(), "camera": np.array([0, np.inf], np.float32)},
    "camera of 181": {**actions.noop(), "camera": np.array([0, 181], np.float32)},
    "camera of text": {**actions.noop(), "camera": "left"},
}


@pytest.mark.parametrize("name", BAD_ACTIONS)
def test_wrong_action_changes_nothing(name: str) -> None:
    env = VoxelEnv(**SMALL)
    _, info = env.reset(seed=5)
    play(env, explorer(), info, 5)
    state, frame = env.engine.state(), env.engine.render()
    with pytest.raises(InvalidAction) as error:
        env.step(BAD_ACTIONS[name])
    assert "\n" not in str(error.value)
    assert same(env.engine.state(), state)
    assert np.array_equal(env.engine.render(), frame)


@pytest.mark.parametrize(
    "arguments",
    [
        {"width": 0}, {"width": -160}, {"width": 100}, {"height": 90}, {"width": 10**9}, {"height": 400},
        {"width": 48}, {"height": 32}, {"width": 160.0}, {"width": "160"}, {"width": None}, {"width": True},
        {"height": float("nan")}, {"render_mode": "ansi"}, {"render_mode": 3},
    ],
)  # fmt: skip
def test_wrong_arguments(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as error:
        VoxelEnv(**arguments)
    assert "\n" not in str(error.value)
    assert next(iter(arguments)) in str(error.value)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "7", True, [1]])
def test_wrong_seed(env: Any, seed: Any) -> None:
    env.reset(seed=1)
    before = env.engine.render()
    with pytest.raises(UsageError, match="seed: got"):
        env.reset(seed=seed)
    assert np.array_equal(env.engine.render(), before)


@pytest.mark.parametrize(
    "options",
    [
        {"tod": 0.5},
        {1: 2},
        {"time_of_day": 2.0},
        {"time_of_day": "noon"},
        {"time_of_day": float("nan")},
        [1],
        "x",
    ],
)
def test_wrong_options(env: Any, options: Any) -> None:
    env.reset(seed=1)
    before = env.engine.render()
    with pytest.raises(UsageError, match="time_of_day"):
        env.reset(seed=2, options=options)
    assert np.array_equal(env.engine.render(), before)


@pytest.mark.parametrize("call", ["step", "render", "buffers", "clone_state"])
def test_before_reset(env: Any, call: str) -> None:
    with pytest.raises(ResetNeeded, match=call):
        env.step(actions.noop()) if call == "step" else getattr(env, call)()


@pytest.mark.parametrize("state", [None, 3, {}, b"state"])
def test_restoring_something_else(env: Any, state: Any) -> None:
    with pytest.raises(UsageError, match="state"):
        env.restore_state(state)


def test_end_of_an_episode(env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    env.reset(seed=1)
    dead = {**env.engine.state(), "health": 0.0}
    with monkeypatch.context() as patch:
        patch.setattr(env.engine, "state", lambda: dead)
        _, reward, terminated, truncated, _ = env.step(actions.noop())
    assert (reward, terminated, truncated) == (0.0, True, False)
    with pytest.raises(ResetNeeded, match="ended"):
        env.step(actions.noop())
    env.reset()
    env.step(actions.noop())


def test_window() -> None:
    env = VoxelEnv(**SMALL, render_mode="human")
    env.reset(seed=1)
    for _ in range(3):
        env.step(actions.noop())
    assert env.render() is None
    import pygame

    assert pygame.display.get_surface().get_size() == (64 * 15, 48 * 15)
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    assert np.array_equal(shown[7::15, 7::15], env.engine.render())
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    env.step(actions.noop())
    assert pygame.display.get_surface() is None
    env.step(actions.noop())  # play goes on without the window
    env.close()
    env.close()


def test_example_runs() -> None:
    example = Path(__file__).parents[1] / "examples" / "play_voxel_random.py"
    run = subprocess.run(
        [sys.executable, example, "--steps", "30", "--explorer"], capture_output=True, text=True, check=True
    )
    assert "after 30 ticks" in run.stdout
