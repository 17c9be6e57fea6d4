"""Agents: they learn, are saved without a pickle, go on where they stopped, and plan in forks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agent_fakes import ACTIONS, Quiz
from model_fakes import HEADED, save_tiny_world

from worldsim import cli
from worldsim.arena.arena import make_arena
from worldsim.arena.config import ArenaConfig
from worldsim.arena.contest import play
from worldsim.arena.folder import find_agent
from worldsim.arena.options import TrainOptions
from worldsim.data.episode import Episode
from worldsim.data.storage import EpisodeStore
from worldsim.errors import ConfigError, UsageError
from worldsim.registry import AGENTS, LEARNERS, resolve
from worldsim.tracking import read_metrics

PPO = (
    "train agent --task beacon --limit 16 --size 64x48 --num-envs 2 --rollout 8 --batch 16 --epochs 1 "
    "--checkpoints 2 --videos 1 --wandb disabled"
)


def trained(folder: Path, *more: str) -> Path:
    assert cli.main([*PPO.split(), "--steps", "32", "--out", str(folder), *more]) == 0
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("stable_baselines3", reason="pip install 'worldsim[rl]'")
    return trained(tmp_path_factory.mktemp("runs") / "ppo")


def test_ppo_learns_what_pays() -> None:
    pytest.importorskip("stable_baselines3", reason="pip install 'worldsim[rl]'")
    from worldsim.sb3 import SB3VecEnv

    ppo = sys.modules[resolve(LEARNERS, "ppo", "--algo").__module__]
    quiz = Quiz()
    options = TrainOptions(num_envs=4, rollout=64, batch=64, epochs=4, learning_rate=2e-3, gamma=0.0, seed=1)
    model = ppo.make_model(SB3VecEnv(quiz), options)
    model.learn(3000)
    network_module = sys.modules[ppo.PolicyNetwork.__module__]
    config = network_module.NetworkConfig(16, 16, 2, ACTIONS)
    network = ppo.PolicyNetwork(config)
    policy = model.policy
    for ours, theirs in (
        (network.trunk, policy.features_extractor.trunk),
        (network.actor, policy.action_net),
        (network.critic, policy.value_net),
    ):
        ours.load_state_dict(theirs.state_dict())
    obs, _ = quiz.reset(seed=5)
    paid = []
    for _ in range(50):
        logits, values = network(torch.from_numpy(obs["frame"]), torch.from_numpy(obs["told"]))
        theirs = policy.predict_values({k: torch.from_numpy(v) for k, v in _channels_first(obs).items()})
        assert torch.allclose(values, theirs[:, 0], atol=1e-5)  # the same network, without SB3
        obs, rewards, *_ = quiz.step(logits.argmax(1).numpy())
        paid.append(rewards.mean())
    assert np.mean(paid) > 0.95


def _channels_first(obs: dict[str, Any]) -> dict[str, Any]:
    return {"frame": np.moveaxis(obs["frame"], -1, 1), "told": obs["told"]}


def test_a_run_leaves_an_agent_checkpoints_curves_and_a_video(run: Path) -> None:
    assert {p.name for p in run.iterdir()} >= {"agent", "checkpoints", "videos", "state", "options.json"}
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == ["000000016", "000000032"]
    assert [p.name for p in (run / "videos").iterdir()] == ["000000032.mp4"]
    lines = read_metrics(run)
    assert [line["step"] for line in lines if "value_loss" in line] == [16, 32]
    assert any("return" in line and line["length"] == 4 for line in lines)
    assert not [p for p in run.rglob("*") if p.suffix in (".zip", ".pkl", ".pth", ".pt")]


def test_the_agent_plays_without_sb3(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    out = tmp_path / "score.json"
    line = ["evaluate-agent", "--agent", str(run), "--episodes", "2", "--json", str(out)]
    assert cli.main([*line, "--video", str(tmp_path / "clip.mp4")]) == 0
    document = json.loads(out.read_text())
    assert document["arena"]["limit"] == 16 and document["learnt_from"] == 32
    assert document["score"]["agent"] == "ppo" and len(document["score"]["returns"]) == 2
    assert (tmp_path / "clip.mp4").stat().st_size > 500
    assert cli.main([*line, "--task", "dry", "--greedy"]) == 0  # the same actions: it can try another task
    assert (
        cli.main(["evaluate-agent", "--agent", str(run / "checkpoints" / "000000016"), "--episodes", "1"])
        == 0
    )


def test_the_same_seed_gives_the_same_agent_and_another_another(run: Path, tmp_path: Path) -> None:
    twin, other = trained(tmp_path / "twin"), trained(tmp_path / "other", "--seed", "1")
    weights = "agent/weights-00001-of-00001.safetensors"
    assert (twin / weights).read_bytes() == (run / weights).read_bytes()
    assert (other / weights).read_bytes() != (run / weights).read_bytes()


def test_a_run_goes_on(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = trained(tmp_path / "run")
    line = ["train", "agent", "--out", str(folder), "--wandb", "disabled"]
    assert cli.main([*line, "--resume", "--steps", "64"]) == 0
    assert find_agent(str(folder)).step == 64
    assert max(entry["step"] for entry in read_metrics(folder)) == 64
    capsys.readouterr()
    assert cli.main(line) == 2
    assert "--resume" in capsys.readouterr().err
    assert cli.main(["train", "agent", "--resume", "--out", str(tmp_path / "none")]) == 4


def test_ppo_trains_in_a_dream(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3", reason="pip install 'worldsim[rl]'")
    world = save_tiny_world(tmp_path / "world", config=HEADED)
    arguments = ["--env", "worldsim/Dream-v0", "--task", "collect", "--world", str(world)]
    folder = tmp_path / "run"
    line = [*PPO.split(), "--steps", "16", "--out", str(folder), *arguments, "--max-uncertainty", "200"]
    line[line.index("beacon")] = "collect"
    at = len(line) - 1 - line[::-1].index("--task")
    assert cli.main(line[:at] + line[at + 2 :]) == 0
    found = find_agent(str(folder))
    assert found.arena is not None and found.arena.env == "worldsim/Dream-v0"
    assert (
        cli.main(["evaluate-agent", "--agent", str(folder), "--env", "worldsim/Voxel-v0", "--episodes", "1"])
        == 0
    )


@pytest.mark.parametrize(
    ("line", "code", "match"),
    [
        ("--algo sac", 2, "did you mean"),
        ("--task fly", 2, "expected one of"),
        ("--env worldsim/Luanti-v0", 2, "many worlds"),
        ("--steps 0", 2, "--steps"),
        ("--gamma 2", 2, "--gamma"),
        ("--set reach=3", 3, "no key 'reach'"),
        ("--world voxel", 2, "--world: for --env worldsim/Dream-v0 only"),
        ("--algo bc", 2, "--data"),
        ("--algo bc --data nowhere", 5, "nowhere"),
    ],
)
def test_bad_input(
    line: str, code: int, match: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert cli.main(["train", "agent", "--wandb", "disabled", "--out", str(out), *line.split()]) == code
    error = capsys.readouterr().err
    assert match in error and error.count("\n") == 1
    assert not (out / "agent").exists()


def test_a_world_without_heads_has_no_logs_to_collect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("stable_baselines3", reason="pip install 'worldsim[rl]'")
    world = save_tiny_world(tmp_path / "world")
    line = f"train agent --env worldsim/Dream-v0 --task collect --world {world} --out {tmp_path / 'run'}"
    assert cli.main(line.split()) == 2
    assert "does not tell" in capsys.readouterr().err


def test_an_agent_refuses_an_arena_of_another_size_or_other_actions(run: Path) -> None:
    agent = find_agent(str(run)).agent
    for change in ({"size": "80x48"}, {"size": "64x48", "actions": "build"}):
        arena = make_arena(ArenaConfig(**change), 1, renews=False)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="learnt with"):
            play(agent, arena, 1)
        arena.close()


def test_cloning_names_the_action_that_the_picture_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    with EpisodeStore(tmp_path / "data", write=True) as store:
        for _ in range(4):
            right = rng.random(60) < 0.5
            frames = rng.integers(0, 80, (61, 48, 64, 3), np.uint8)
            frames[:-1][right] += 100
            actions = np.zeros((60, 25), np.float32)
            actions[:, 16] = np.where(right, 15, -15)
            store.write(Episode(frames, actions, np.zeros(60, np.float32), truncated=True))
    line = [
        "train",
        "agent",
        "--algo",
        "bc",
        "--data",
        str(tmp_path / "data"),
        "--size",
        "64x48",
        "--batch",
        "32",
    ]
    line += ["--wandb", "disabled", "--out", str(tmp_path / "run"), "--learning-rate", "0.002"]
    assert cli.main([*line, "--steps", "60"]) == 0
    assert "accuracy" in capsys.readouterr().out
    found = find_agent(str(tmp_path / "run"))
    result = read_metrics(tmp_path / "run")[-1]
    assert result["accuracy"] > 0.9 > result["majority"]
    assert found.agent.name == "bc" and found.arena is not None and found.arena.frame_skip == 1
    assert cli.main(["train", "agent", "--resume", "--steps", "70", "--out", str(tmp_path / "run")]) == 0
    assert find_agent(str(tmp_path / "run")).step == 70


def test_the_planner_finds_the_beacon_in_forks_of_the_game_and_leaves_it_as_it_is() -> None:
    config = ArenaConfig(size="64x48", settings=("distance=3", "near=1.0"), limit=80)
    arena = make_arena(config, 1, renews=False)
    planner = resolve(AGENTS, "cem", "agent")(population=8, horizon=4, iterations=2)
    score = play(planner, arena, 1, seed=3)
    assert score.mean > 1.5 and score.terminated == 1
    obs, _ = arena.reset(seed=4)
    before = arena.worlds.clone_state().to_bytes()
    planner.renew([0], [4])
    planner.act(obs, [{}])
    assert arena.worlds.clone_state().to_bytes() == before
    arena.close()


def test_the_planner_turns_towards_a_picture() -> None:
    config = ArenaConfig(size="64x48")
    arena = make_arena(config, 1, renews=False)
    left = config.action_names.index("turn left 3")
    arena.reset(seed=0)
    goal = arena.step(np.array([left]))[0]["frame"][0]
    planner = resolve(AGENTS, "cem", "agent")(population=24, horizon=1, iterations=1, goal=goal)
    planner.start(arena)
    obs, _ = arena.reset(seed=0)
    planner.renew([0], [0])
    assert planner.act(obs, [{}]).tolist() == [left]
    arena.close()


@pytest.mark.parametrize("given", [{"horizon": 0}, {"population": 0}, {"elites": 0.0}, {"iterations": 2.5}])
def test_bad_planners(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        resolve(AGENTS, "cem", "agent")(**given)
