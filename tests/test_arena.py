"""The arena: what agents see, how long an action lasts, how episodes end, and how agents are judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from model_fakes import HEADED, save_tiny_world

from worldsim import cli
from worldsim.arena.arena import Arena, make_arena
from worldsim.arena.config import ArenaConfig
from worldsim.arena.contest import play
from worldsim.arena.shrink import shrink
from worldsim.errors import ConfigError, InvalidAction, UsageError
from worldsim.registry import AGENTS, resolve
from worldsim.task_vector import TaskVectorEnv

SMALL = ArenaConfig(size="64x48")
FORWARD = SMALL.action_names.index("forward")


@pytest.fixture
def arena() -> Any:
    made = make_arena(SMALL, 2)
    yield made
    made.close()


def test_frames_are_made_smaller_by_averaging() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 12, 20, 3), np.uint8)
    assert shrink(frames, 20, 12) is frames
    blocks = frames.reshape(2, 6, 2, 10, 2, 3).astype(float).mean((2, 4))
    assert np.abs(shrink(frames, 10, 6) - blocks).max() <= 0.5
    odd = shrink(frames, 7, 5)
    assert odd.shape == (2, 5, 7, 3) and abs(odd.mean() - frames.mean()) < 2
    assert (shrink(np.full((1, 48, 64, 3), 77, np.uint8), 25, 19) == 77).all()
    assert shrink(frames, 40, 24).shape == (2, 24, 40, 3)


def test_an_action_lasts_frame_skip_ticks_and_their_rewards_add_up(arena: Arena) -> None:
    inner = gymnasium.make_vec(
        "worldsim/Voxel-v0",
        num_envs=2,
        width=64,
        height=48,
        action_space="discrete",
        autoreset_mode="Disabled",
    )
    twin = TaskVectorEnv(inner, "beacon", autoreset_mode=AutoresetMode.DISABLED)
    obs, _ = arena.reset(seed=3)
    raw, _ = twin.reset(seed=3)
    assert obs["frame"].dtype == np.uint8 and np.array_equal(obs["frame"], raw)
    assert obs["told"][:, 2].tolist() == [1, 1]  # the beacon is 12 blocks ahead
    assert arena.observation_space.contains(obs)
    for action in ([FORWARD, 0], [4, FORWARD], [FORWARD, FORWARD]):
        obs, rewards, _, _, info = arena.step(np.array(action))
        paid = np.zeros(2)
        for _ in range(4):
            raw, reward, _, _, told = twin.step(arena._numbers[action])
            paid += reward
        assert np.allclose(rewards, paid) and np.array_equal(obs["frame"], raw)
        assert np.array_equal(info["state"]["pose"], told["state"]["pose"])
    assert np.allclose(obs["told"][:, 0], 12 / 400)
    twin.close()


def test_a_game_that_does_not_draw_is_the_same_game() -> None:
    made = {"num_envs": 2, "width": 64, "height": 48, "action_space": "discrete"}
    drawn, blind = (gymnasium.make_vec("worldsim/Voxel-v0", **made).unwrapped for _ in range(2))
    for envs in (drawn, blind):
        envs.reset(seed=2)
    blind.draws = False
    for _ in range(3):
        seen, *_, info = drawn.step(np.array([1, 15]))
        stale, *_, told = blind.step(np.array([1, 15]))
    assert np.array_equal(info["state"]["pose"], told["state"]["pose"])
    assert not np.array_equal(stale, seen) and np.array_equal(blind.look(), seen)
    assert not blind.draws and not blind.ended.any()
    blind.draws = True
    assert np.array_equal(blind.step(np.array([0, 0]))[0], drawn.step(np.array([0, 0]))[0])
    for envs in (drawn, blind):
        envs.close()


def test_an_episode_that_ends_in_the_middle_of_an_action_is_followed_by_a_new_one() -> None:
    arena = make_arena(ArenaConfig(size="64x48", limit=6), 2)
    arena.reset(seed=0)
    arena.step(np.array([FORWARD, 0]))
    obs, _, terminated, truncated, info = arena.step(np.array([FORWARD, 0]))
    assert truncated.all() and not terminated.any() and info["_final_obs"].all()
    final = info["final_obs"][0]
    assert final["frame"].shape == (48, 64, 3) and final["told"][0] == 1.0
    assert not np.array_equal(final["frame"], obs["frame"][0]) and (obs["told"][:, 0] == 0).all()
    assert arena.ticks_played == 2 * 6
    _, _, _, truncated, info = arena.step(np.array([0, 0]))
    assert not truncated.any() and "final_obs" not in info
    arena.close()


def test_a_dead_player_does_not_stop_the_others(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    arena.reset(seed=0)
    original, calls = arena.worlds._play, []

    def deadly(which: Any, vectors: Any) -> Any:
        outcome = original(which, vectors)
        calls.append(len(which))
        if len(calls) == 2:
            outcome.terminated[0] = True
        return outcome

    monkeypatch.setattr(arena.worlds, "_play", deadly)
    before = arena._ticks.copy()
    obs, _, terminated, truncated, info = arena.step(np.array([FORWARD, FORWARD]))
    assert terminated.tolist() == [True, False] and not truncated.any() and calls == [2, 2, 2, 2]
    assert info["_final_obs"].tolist() == [True, False]
    assert (arena._ticks - before).tolist() == [0, 4] and obs["told"][0, 0] == 0


def test_without_renewal_what_is_over_stands_still_until_it_is_reset() -> None:
    arena = make_arena(ArenaConfig(size="64x48", limit=4), 2, renews=False)
    arena.reset(seed=0)
    _, _, _, truncated, _ = arena.step(np.array([FORWARD, FORWARD]))
    assert truncated.all()
    arena.reset(seed=[5, None], options={"reset_mask": np.array([True, False])})
    _, rewards, _, truncated, _ = arena.step(np.array([FORWARD, FORWARD]))
    assert truncated.tolist() == [True, False] and rewards[1] == 0
    arena.close()


def test_forks_go_on_with_their_task(arena: Arena) -> None:
    arena.reset(seed=1)
    arena.step(np.array([FORWARD, 0]))
    forks = arena.fork(2)
    branch, rewards, *_ = forks.step(np.array([FORWARD, 4, 0, FORWARD]))
    obs, own, *_ = arena.step(np.array([FORWARD, FORWARD]))
    assert rewards[[0, 3]].tolist() == own.tolist()
    assert np.array_equal(branch["frame"][[0, 3]], obs["frame"])
    assert np.array_equal(branch["told"][[0, 3]], obs["told"])
    forks.close()


@pytest.mark.parametrize(
    "actions", [[0, 99], [0, -1], [0.0, 1.0], [0], [[0], [1]], None, ["a", "b"], [True, False]]
)
def test_wrong_actions_change_nothing(arena: Arena, actions: Any) -> None:
    arena.reset(seed=0)
    before = arena.worlds.clone_state().to_bytes()
    with pytest.raises(InvalidAction):
        arena.step(np.array(actions))
    assert arena.worlds.clone_state().to_bytes() == before


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"env": "worldsim/Luanti-v0"}, UsageError, "many worlds"),
        ({"env": "nothing"}, UsageError, "--env 'nothing'"),
        ({"task": "fly"}, UsageError, "collect, beacon"),
        ({"settings": ("reach=3",)}, ConfigError, "no key 'reach'"),
        ({"actions": "dance"}, ConfigError, "gather"),
        ({"frame_skip": 0}, ConfigError, "frame_skip"),
        ({"size": "80"}, UsageError, "--size"),
        ({"size": "8x8"}, UsageError, "16 to 640"),
    ],
)
def test_bad_arenas(given: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        ArenaConfig(**given)


def test_what_belongs_to_the_dream_is_refused_in_the_game() -> None:
    with pytest.raises(UsageError, match=r"--world: for --env worldsim/Dream-v0 only"):
        make_arena(ArenaConfig(world="voxel"), 1)
    with pytest.raises(UsageError, match="--render"):
        make_arena(ArenaConfig("worldsim/Dream-v0", render="160x96"), 1)


@pytest.mark.parametrize("name", ["random", "scripted"])
def test_a_score_does_not_depend_on_how_many_play_beside_each_other(name: str) -> None:
    config = ArenaConfig(size="64x48", limit=60)
    scores = []
    for count in (1, 3):
        arena = make_arena(config, count, renews=False)
        scores.append(play(resolve(AGENTS, name, "agent")(), arena, 4, seed=11))
        arena.close()
    alone, beside = scores
    assert alone.returns == beside.returns and alone.lengths == beside.lengths
    assert alone.low <= alone.mean <= alone.high and len(set(alone.returns)) > 1


def test_the_scripted_agent_reaches_the_beacon_and_the_random_one_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for name in ("random", "scripted"):
        line = f"evaluate-agent --agent {name} --task beacon --set spread=60 --size 64x48 --episodes 4"
        assert cli.main([*line.split(), "--json", str(tmp_path / name)]) == 0
        assert re_line(capsys.readouterr().out, name)
        found[name] = json.loads((tmp_path / name).read_text())["score"]
    assert found["scripted"]["mean"] > 1 > found["random"]["high"]
    assert found["scripted"]["ticks_per_s"] > 0 and len(found["scripted"]["returns"]) == 4


def test_one_episode_has_no_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "evaluate-agent --agent random --size 64x48 --limit 8 --episodes 1 --json"
    assert cli.main([*line.split(), str(tmp_path / "score")]) == 0
    assert "one episode" in capsys.readouterr().out
    score = json.loads((tmp_path / "score").read_text(), parse_constant=pytest.fail)["score"]
    assert score["low"] is None and score["mean"] is not None


def re_line(out: str, name: str) -> bool:
    return out.startswith(f"{name}: ") and "4 episodes" in out and "ticks/s" in out


@pytest.mark.parametrize("task", ["collect", "tower", "dry", "night"])
def test_every_task_has_a_rule(task: str) -> None:
    arena = make_arena(ArenaConfig(size="64x48", task=task, limit=40), 1, renews=False)
    score = play(resolve(AGENTS, "scripted", "agent")(), arena, 1)
    assert np.isfinite(score.mean)
    arena.close()


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("--agent nobody", "nor a folder"),
        ("--agent random --episodes 0", "--episodes"),
        ("--agent scripted --task collect --actions walk", "needs the action 'attack'"),
        ("--agent random --env worldsim/Luanti-v0", "many worlds"),
        ("--agent random --task fly", "expected one of"),
        ("--agent random --video clip.gif --episodes 1 --limit 4", ".mp4"),
    ],
)
def test_bad_command_lines(line: str, match: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evaluate-agent", *line.split()]) in (2, 3)
    error = capsys.readouterr().err
    assert match in error and error.count("\n") == 1


def test_a_folder_that_is_no_agent_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from model_fakes import save_tiny_world

    world = save_tiny_world(tmp_path / "world")
    assert cli.main(["evaluate-agent", "--agent", str(world)]) == 4
    assert "is no agent" in capsys.readouterr().err
    assert cli.main(["evaluate-agent", "--agent", str(tmp_path)]) == 4


def test_a_dream_is_drawn_once_an_action_unless_the_task_lives_on_events(tmp_path: Path) -> None:
    world = save_tiny_world(tmp_path / "world", config=HEADED)
    for task, drawn in (("beacon", 1), ("tower", 4)):
        dreams = make_arena(ArenaConfig("worldsim/Dream-v0", task, world=str(world)), num_envs=2)
        dreams.reset(seed=0)
        dreams.step(np.zeros(2, np.int64))  # a world's first tick is drawn, too
        drew = dreams.worlds.simulator.step
        calls = 0

        def count(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            return drew(*arguments)  # noqa: B023

        dreams.worlds.simulator.step = count
        before = [w.tick for w in dreams.worlds._worlds]
        dreams.step(np.zeros(2, np.int64))
        assert [w.tick - b for w, b in zip(dreams.worlds._worlds, before)] == [4, 4]
        assert calls == 2 * drawn, "one call a world"
