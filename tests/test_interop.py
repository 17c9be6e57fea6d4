"""RL libraries train on our envs unchanged: Stable-Baselines3 through our adapter, torchrl as it is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agent_fakes import Quiz
from gymnasium.vector import AutoresetMode
from model_fakes import HEADED, save_tiny_world
from vector_fakes import make

from worldsim import cli
from worldsim.errors import ConfigError
from worldsim.plain_info import PlainInfo


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_world(tmp_path_factory.mktemp("world"), config=HEADED)


@pytest.fixture
def sb3() -> Any:
    return pytest.importorskip("stable_baselines3", reason="pip install 'worldsim[rl]'")


def test_sb3_is_told_how_episodes_end(sb3: Any) -> None:
    from worldsim.sb3 import SB3VecEnv

    quiz = Quiz(num_envs=2, length=3)
    envs = SB3VecEnv(quiz)
    envs.seed(40)
    envs.reset()
    assert quiz.seeds == [40, 41]
    kinds = []
    for step in range(6):
        _, rewards, dones, infos = envs.step(np.zeros(2, int))
        assert rewards.dtype == np.float32 and isinstance(infos, list) and len(infos) == 2
        assert dones.all() == (step % 3 == 2)
        if dones.all():
            kinds.append(infos[0]["TimeLimit.truncated"])
            final = infos[0]["terminal_observation"]
            assert final["frame"].shape == (16, 16, 3) and "final_obs" not in infos[0]
        else:
            assert "terminal_observation" not in infos[0] and not infos[0]["TimeLimit.truncated"]
    assert kinds == [True, False]
    envs.reset()
    assert quiz.seeds is None  # seeds are used once, as SB3's own envs do it
    assert envs.get_attr("length") == [3, 3] and envs.env_is_wrapped(object) == [False, False]


def test_sb3_needs_envs_that_reset_in_the_same_step(sb3: Any) -> None:
    from worldsim.sb3 import SB3VecEnv

    with pytest.raises(ConfigError, match="SameStep"):
        SB3VecEnv(Quiz(mode=AutoresetMode.NEXT_STEP))


@pytest.mark.parametrize("kind", ["game", "dream"])
def test_sb3_trains_on_our_envs(sb3: Any, kind: str, world: Path) -> None:
    from worldsim.sb3 import SB3VecEnv

    envs = SB3VecEnv(make(kind, world, 2, max_episode_steps=5))
    model = sb3.PPO("CnnPolicy", envs, n_steps=8, batch_size=16, n_epochs=1, seed=0, device="cpu")
    before = [p.detach().clone() for p in model.policy.parameters()]
    model.learn(32)
    assert model.num_timesteps == 32
    assert any(not torch.equal(a, b) for a, b in zip(before, model.policy.parameters()))
    assert len(model.ep_info_buffer) == 0  # without VecMonitor nobody counts
    envs.close()


def test_sb3_counts_episodes_with_its_own_monitor(sb3: Any, world: Path) -> None:
    from stable_baselines3.common.vec_env import VecMonitor

    from worldsim.sb3 import SB3VecEnv

    envs = VecMonitor(SB3VecEnv(make("game", world, 2, max_episode_steps=5)))
    envs.seed(0)
    first = envs.reset()
    for _ in range(5):
        _, _, dones, infos = envs.step(np.zeros(2, int))
    assert dones.all() and infos[0]["episode"]["l"] == 5 and infos[0]["TimeLimit.truncated"]
    envs.seed(0)
    assert np.array_equal(envs.reset(), first)
    envs.close()


def test_one_line_says_how_to_get_sb3(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    monkeypatch.setitem(sys.modules, "stable_baselines3.common", None)
    monkeypatch.setitem(sys.modules, "stable_baselines3.common.vec_env", None)
    monkeypatch.delitem(sys.modules, "worldsim.sb3", raising=False)
    line = ["train", "agent", "--steps", "16", "--out", str(tmp_path / "run")]
    assert cli.main(line) == 14
    error = capsys.readouterr().err
    assert "pip install 'worldsim[rl]'" in error and error.count("\n") == 1


@pytest.mark.filterwarnings("ignore")  # of torchrl's own deprecations
@pytest.mark.parametrize("kind", ["game", "dream"])
def test_torchrl_trains_on_our_envs(kind: str, world: Path) -> None:
    pytest.importorskip("torchrl", reason="pip install torchrl")
    from tensordict.nn import TensorDictModule
    from torch import nn
    from torchrl.collectors import Collector
    from torchrl.envs import GymWrapper
    from torchrl.modules import ProbabilisticActor, ValueOperator
    from torchrl.objectives import ClipPPOLoss

    envs = PlainInfo(make(kind, world, 2, max_episode_steps=5))
    env = GymWrapper(envs, categorical_action_encoding=True)

    class Net(nn.Module):
        def __init__(self, outputs: int) -> None:
            super().__init__()
            self.net = nn.Sequential(
                nn.Flatten(-3), nn.Linear(48 * 64 * 3, 16), nn.Tanh(), nn.Linear(16, outputs)
            )

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.net(pixels.float() / 255)

    key = "observation"
    actor = ProbabilisticActor(
        TensorDictModule(Net(34), [key], ["logits"]),
        spec=env.action_spec,
        in_keys=["logits"],
        distribution_class=torch.distributions.Categorical,
        return_log_prob=True,
    )
    critic = ValueOperator(Net(1), in_keys=[key])
    loss = ClipPPOLoss(actor, critic)
    loss.make_value_estimator(gamma=0.99)
    optimizer = torch.optim.Adam(loss.parameters(), 1e-3)
    before = [p.detach().clone() for p in actor.parameters()]
    collector = Collector(env, actor, frames_per_batch=16, total_frames=32)
    for data in collector:
        assert data.batch_size == torch.Size([2, 8]) and data[key].dtype == torch.uint8
        assert bool(data["next", "truncated"].any())
        with torch.no_grad():
            loss.value_estimator(data)
        values = loss(data.reshape(-1))
        sum(v for name, v in values.items() if name.startswith("loss_")).backward()
        optimizer.step()
        optimizer.zero_grad()
    collector.shutdown()
    assert any(not torch.equal(a, b) for a, b in zip(before, actor.parameters()))
