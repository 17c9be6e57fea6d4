"""Tasks: the same code pays and ends episodes in the game and in a dream, one by one and batched."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from model_fakes import HEADED, save_tiny_world

from worldsim.actions import noop
from worldsim.errors import ConfigError, InvalidAction, ResetNeeded, UsageError
from worldsim.signals import PLACE, SIGNALS
from worldsim.sim.env import DreamEnv
from worldsim.task_env import TaskEnv
from worldsim.task_vector import TaskVectorEnv, scatter
from worldsim.tasks import LEAST, TASKS, Beacon, Collect, Dry, Night, Roam, Task, Tower
from worldsim.vector_info import gather

RNG = np.random.default_rng(0)


def play(
    task: Task, ticks: list[dict[str, float]], poses: list[Any] | None = None
) -> tuple[list[float], list[bool]]:
    """Rewards and ends of one episode; signals that are not named are 0, the pose stays unless given."""
    pose = np.array([[0.0, 2.0, 0.0, 0.0, 0.0]])
    memory, rewards, ends = task.begin(pose, RNG), [], []
    for k, told in enumerate(ticks):
        row = np.zeros((1, len(SIGNALS)))
        for name, value in told.items():
            row[0, PLACE[name]] = value
        at = pose if poses is None else np.array([poses[k]], float)
        memory, reward, done = task.judge(memory, row, at)
        rewards.append(float(reward[0]))
        ends.append(bool(done[0]))
    return rewards, ends


def test_logs_pay_and_leaves_do_not() -> None:
    rewards, ends = play(Collect(goal=2), [{"broke": 1}, {"broke": 1, "broke_log": 1}, {}, {"broke_log": 1}])
    assert rewards == [0, 1, 0, 1] and ends == [False, False, False, True]


def test_a_dream_is_paid_by_probability_and_not_for_decimals() -> None:
    rewards, _ = play(Collect(), [{"broke_log": 0.3}, {"broke_log": 0.6}, {"broke_log": LEAST / 2}])
    assert rewards == pytest.approx([0.3, 0.6, 0])


def test_shaping_lends_and_takes_back() -> None:
    aims, cracks = {"wood": 1.0}, {"wood": 1.0, "break_progress": 0.5}
    rewards, _ = play(Collect(shaping=0.4), [aims, cracks, {"wood": 1.0, "broke_log": 1}, {}])
    assert rewards == pytest.approx([0.2, 0.1, 1 - 0.1, -0.2])
    assert sum(rewards) == pytest.approx(1)  # what is left is the log


def test_the_way_to_the_beacon_pays_once() -> None:
    task = Beacon(distance=10)
    walk = [(0, 2, z, 0, 0) for z in (2.0, 5.0, 3.0, 9.0)]
    rewards, ends = play(task, [{}] * 4, walk)
    assert rewards == pytest.approx([0.2, 0.3, -0.2, 0.6 + 1]) and ends == [False, False, False, True]
    turned = task.tell(task.begin(np.zeros((1, 5)), RNG), np.array([[0.0, 2, 0, 90, 0]]))["goal"][0]
    assert turned == pytest.approx([-10, 0], abs=1e-9)  # who has turned right has it to the left


def test_roaming_pays_for_new_distance_alone() -> None:
    poses = [[x, 2.0, 0.0, 0.0, 0.0] for x in (3.0, 1.0, -3.0, 5.0)]
    rewards, ends = play(Roam(goal=4.5), [{}] * 4, poses)
    assert rewards == pytest.approx([0.3, 0, 0, 0.2]) and ends == [False, False, False, True]


def test_a_tower_is_height_on_blocks_of_ones_own() -> None:
    def at(*heights: float) -> list[Any]:
        return [(0, 2 + h, 0, 0, 0) for h in heights]

    standing = {"on_ground": 1.0}
    hill, _ = play(Tower(), [standing] * 2, at(1, 2))
    floor, _ = play(Tower(), [{**standing, "placed": 1}] * 3, at(0, 0, 0))
    jump, _ = play(Tower(), [{"placed": 1}, {}], at(1.2, 1.2))
    assert hill == [0, 0] and floor == [0, 0, 0] and jump == [0, 0]
    rewards, ends = play(
        Tower(goal=2), [{"placed": 1}, standing, {"placed": 1}, standing], at(1.2, 1, 2.2, 2)
    )
    assert rewards == [0, 1, 0, 1] and ends == [False, False, False, True]
    down, _ = play(Tower(), [{**standing, "placed": 1}, standing, standing], at(1, 0, 1))
    assert down == [1, 0, 0]  # the same block is not paid twice


def test_water_and_night() -> None:
    rewards, ends = play(Dry(), [{}, {"in_water": 1}, {}, *[{"in_water": 1}] * 3])
    assert rewards == pytest.approx([0.05, 0, 0.05, 0, 0, 0]) and ends == [*[False] * 5, True]
    night, day = {"time_of_day": 0.2}, {"time_of_day": 0.3}
    rewards, ends = play(Night(), [night, {**night, "hurt": 1, "damage": 3}, *[day] * 20])
    assert rewards[:2] == pytest.approx([0.05, 0.05 - 0.3]) and ends == [*[False] * 21, True]
    assert not any(play(Night(), [day] * 40)[1])  # a day is no night survived


def voxel(**arguments: Any) -> gymnasium.Env[Any, Any]:
    return gymnasium.make("worldsim/Voxel-v0", width=64, height=48, **arguments)


def test_in_the_game() -> None:
    env = TaskEnv(voxel(), "beacon", limit=30)
    _, info = env.reset(seed=4)
    start = info["task"]["goal"]
    assert info["task"]["name"] == "beacon" and start == pytest.approx([0, 12], abs=1e-4)
    paid, walk = 0.0, {**noop(), "forward": 1, "sprint": 1, "jump": 1}
    for tick in range(30):
        _, reward, terminated, truncated, info = env.step(walk)
        paid += reward
        assert truncated == (tick == 29)
        if terminated or truncated:
            break
    gone = 12 - float(np.linalg.norm(info["task"]["goal"]))
    assert paid == pytest.approx(gone / 12 + terminated, abs=1e-4)
    with pytest.raises(ResetNeeded):
        env.step(walk)


def test_the_night_begins_at_night() -> None:
    env = TaskEnv(voxel(), "night")
    assert env.reset(seed=4)[1]["state"]["time_of_day"] == pytest.approx(0.2, abs=1e-4)
    assert env.reset(seed=4, options={"time_of_day": 0.1})[1]["state"]["time_of_day"] == pytest.approx(
        0.1, abs=1e-4
    )


def test_a_tower_and_a_block_are_paid_in_the_game() -> None:
    env = TaskEnv(voxel(), "tower")
    _, info = env.reset(seed=4)
    env.step({**noop(), "camera": np.array([90, 0], np.float32)})
    slot = int(np.argmax(info["state"]["counts"] > 0))
    env.step({**noop(), f"hotbar.{slot + 1}": 1})
    up = {**noop(), "jump": 1, "use": 1, "camera": np.array([10, 0], np.float32)}
    paid, done = 0.0, False
    while not done:
        _, reward, terminated, truncated, info = env.step(up)
        paid, done = paid + reward, terminated or truncated
    assert terminated and paid == pytest.approx(4, abs=0.3) and info["task"]["height"] == pytest.approx(paid)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_world(tmp_path_factory.mktemp("worlds") / "headed", config=HEADED)


@pytest.mark.parametrize("task", list(TASKS))
def test_in_a_dream_by_its_beliefs(world: Path, task: str) -> None:
    env = TaskEnv(DreamEnv(world=world, precision="float32"), task, limit=4)
    env.reset(seed=2)
    for _ in range(4):
        _, reward, terminated, truncated, info = env.step(noop())
        assert math.isfinite(reward) and info["task"]["name"] == task
        if terminated or truncated:
            break
    assert terminated or truncated


def test_a_dream_in_doubt_is_truncated_and_says_so(world: Path) -> None:
    turn = {**noop(), "camera": np.array([0, 60], np.float32)}
    sure = TaskEnv(DreamEnv(world=world, precision="float32"), "beacon", max_uncertainty=255)
    sure.reset(seed=2)
    _, _, _, truncated, info = sure.step(turn)
    assert not truncated and "reason" not in info
    unsure = TaskEnv(DreamEnv(world=world, precision="float32"), max_uncertainty=info["uncertainty"] / 2)
    unsure.reset(seed=2)
    _, _, terminated, truncated, info = unsure.step(turn)
    assert truncated and not terminated and "uncertainty" in info["reason"]


def test_a_world_without_heads_can_do_what_it_knows(tmp_path: Path) -> None:
    env = DreamEnv(world=save_tiny_world(tmp_path / "w"), precision="float32")
    with pytest.raises(UsageError, match=r"broke_log.*only=heads"):
        TaskEnv(env, "collect")
    for task in ("dry", "beacon"):
        one = TaskEnv(env, task)
        one.reset(seed=1)
        assert math.isfinite(one.step(noop())[1])


def test_states_carry_the_task(world: Path) -> None:
    for env in (TaskEnv(voxel(), "dry"), TaskEnv(DreamEnv(world=world, precision="float32"), "dry", limit=9)):
        env.reset(seed=3)
        env.step(noop())
        state = env.clone_state()
        first = [env.step(noop())[1:4] for _ in range(2)]
        env.restore_state(state)
        assert [env.step(noop())[1:4] for _ in range(2)] == first
        with pytest.raises(UsageError, match="clone_state"):
            env.restore_state(state.env)


def test_rewards_of_ones_own() -> None:
    env = TaskEnv(
        voxel(),
        reward=lambda frame, info: frame.mean() / 255,
        terminated=lambda frame, info: info["state"]["slot"] == 3,
    )
    env.reset(seed=1)
    obs, reward, terminated, _, _ = env.step(noop())
    assert reward == pytest.approx(obs.mean() / 255) and not terminated
    assert env.step({**noop(), "hotbar.4": 1})[2]
    bad = TaskEnv(voxel(), reward=lambda frame, info: float("nan"))
    bad.reset(seed=1)
    with pytest.raises(UsageError, match="finite"):
        bad.step(noop())


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"task": "colect"}, UsageError, "collect"),
        ({"task": 3}, UsageError, "int"),
        ({"task": "dry", "limit": 0}, ConfigError, "limit"),
        ({"task": "dry", "limit": 1.5}, ConfigError, "limit"),
        ({"max_uncertainty": float("nan")}, ConfigError, "max_uncertainty"),
        ({"max_uncertainty": -1}, ConfigError, "max_uncertainty"),
        ({"reward": 3}, ConfigError, "reward"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match) as raised:
        TaskEnv(voxel(), **arguments)
    assert "\n" not in str(raised.value)


def test_a_bad_action_changes_nothing() -> None:
    env = TaskEnv(voxel(), "dry")
    env.reset(seed=1)
    before = env.referee.clone()
    with pytest.raises(InvalidAction):
        env.step({**noop(), "jump": 2})
    assert env.referee.clone() == before


def vector(count: int, native: bool = True) -> gymnasium.vector.VectorEnv:
    if native:
        return gymnasium.make_vec(
            "worldsim/Voxel-v0", num_envs=count, autoreset_mode="Disabled", width=64, height=48
        )
    return gymnasium.make_vec(
        "worldsim/Voxel-v0", num_envs=count, vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.DISABLED}, width=64, height=48,
    )  # fmt: skip


@pytest.mark.parametrize("native", [True, False])
def test_many_worlds_are_judged_as_each_alone(native: bool) -> None:
    envs = TaskVectorEnv(vector(2, native), "beacon", limit=5)
    _, info = envs.reset(seed=7)
    alone = [TaskEnv(voxel(), "beacon", limit=5) for _ in range(2)]
    goals = [env.reset(seed=7 + i)[1]["task"]["goal"] for i, env in enumerate(alone)]
    np.testing.assert_array_equal(info["task"]["goal"], goals)
    walk = {**noop(), "forward": 1}
    both = {name: np.stack([np.asarray(value)] * 2) for name, value in walk.items()}
    for tick in range(5):
        obs, rewards, terminated, truncated, info = envs.step(both)
        one = [env.step(walk) for env in alone]
        assert rewards.tolist() == [o[1] for o in one]
        assert (truncated.tolist(), terminated.tolist()) == ([tick == 4] * 2, [False] * 2)
    # the same step has begun the next episodes, and keeps what ended
    np.testing.assert_array_equal(info["final_obs"][0], one[0][0])
    np.testing.assert_array_equal(info["final_info"]["task"]["goal"][1], one[1][4]["task"]["goal"])
    assert not np.array_equal(obs[0], one[0][0])
    assert envs.step(both)[3].tolist() == [False, False]
    assert envs.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    envs.close()


def test_a_dream_and_a_game_begin_again_as_the_task_wants(world: Path) -> None:
    dreams = gymnasium.make_vec(
        "worldsim/Dream-v0", num_envs=2, autoreset_mode="Disabled", world=world, precision="float32"
    )
    inside = (vector(2), vector(2, native=False), dreams)
    for envs in (TaskVectorEnv(one, "night", limit=1) for one in inside):
        envs.reset(seed=1)
        still = {name: np.stack([np.asarray(value)] * 2) for name, value in noop().items()}
        _, _, _, truncated, info = envs.step(still)
        assert truncated.all() and info["_final_info"].all()
        time = info["state"].get("time_of_day")
        assert time is None or time == pytest.approx([0.2, 0.2], abs=1e-3)
        envs.close()


def test_the_env_inside_must_not_reset_itself() -> None:
    inner = gymnasium.make_vec(
        "worldsim/Voxel-v0", num_envs=1, vectorization_mode="sync", width=64, height=48
    )
    with pytest.raises(ConfigError, match="Disabled"):
        TaskVectorEnv(inner, "dry")


def test_infos_come_apart_as_they_were_gathered() -> None:
    infos = [
        {"a": 1.5, "state": {"pose": np.arange(5.0), "events": {"broken": 1}}},
        {},
        {"a": 2.5, "word": "x"},
    ]
    apart = scatter(gather(infos), 3)
    assert apart[1] == {} and apart[2] == {"a": 2.5, "word": "x"} and apart[0]["a"] == 1.5
    np.testing.assert_array_equal(apart[0]["state"]["pose"], np.arange(5.0))
    assert apart[0]["state"]["events"]["broken"] == 1
