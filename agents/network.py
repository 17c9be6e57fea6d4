"""A small policy network, the agent that plays by it, and how it is saved: safetensors and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from worldsim.checkpoint import Checkpoint, load_into, save_checkpoint
from worldsim.config import from_json, to_json
from worldsim.errors import CheckpointError, ConfigError, UsageError

from .agent import Chance, Infos, Obs

KIND = "network"


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network; 80x48 and the defaults make about 100,000 parameters."""

    width: int
    height: int
    told: int
    """Numbers beside the picture."""
    actions: tuple[str, ...]
    """Names of the actions, in the order of their numbers."""
    channels: int = 16
    features: int = 128

    def __post_init__(self) -> None:
        for name, low, high in (
            ("width", 16, 640), ("height", 16, 640), ("told", 0, 64), ("channels", 4, 256), ("features", 8, 4096),
        ):  # fmt: skip
            if not low <= getattr(self, name) <= high:
                raise ConfigError(f"network.{name}: got {getattr(self, name)}, expected {low} to {high}")
        if not 1 <= len(self.actions) <= 1024:
            raise ConfigError(f"network.actions: got {len(self.actions)}, expected 1 to 1024 names")


class Trunk(nn.Module):
    """Picture and numbers to features: three strided convolutions and a layer over all."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        c = config.channels
        self.convs = nn.Sequential(
            nn.Conv2d(3, c, 4, 4), nn.ReLU(),
            nn.Conv2d(c, 2 * c, 3, 2, 1), nn.ReLU(),
            nn.Conv2d(2 * c, 2 * c, 3, 2, 1), nn.ReLU(), nn.Flatten(),
        )  # fmt: skip
        with torch.no_grad():
            flat = self.convs(torch.zeros(1, 3, config.height, config.width)).shape[1]
        self.join = nn.Sequential(nn.Linear(flat + config.told, config.features), nn.ReLU())

    def forward(self, frame: Tensor, told: Tensor) -> Tensor:
        """Features [B, F] of frames [B, 3, H, W] in [0, 1] and numbers [B, K]."""
        features: Tensor = self.join(torch.cat([self.convs(frame), told], 1))
        return features


class PolicyNetwork(nn.Module):
    """The trunk with two heads: logits of the actions, and the value."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config)
        self.actor = nn.Linear(config.features, len(config.actions))
        self.critic = nn.Linear(config.features, 1)

    def forward(self, frames: Tensor, told: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [B, A] and values [B] of frames uint8 [B, H, W, 3] and numbers float32 [B, K]."""
        features = self.trunk(frames.movedim(-1, 1).float() / 255, told)
        return self.actor(features), self.critic(features)[:, 0]


class NetworkAgent:
    """Plays by a policy network.

    Args:
        greedy: take the likeliest action instead of drawing one.
    """

    def __init__(self, network: PolicyNetwork, *, name: str = KIND, greedy: bool = False) -> None:
        self.network, self.name, self.greedy = network.eval(), name, greedy

    def start(self, arena: Any) -> None:
        """See `Agent.start`; the size of the frames and the names of the actions have to be the network's."""
        config = self.network.config
        own = (config.width, config.height, config.told, tuple(config.actions))
        space = arena.single_observation_space
        height, width = space["frame"].shape[:2]
        given = (width, height, space["told"].shape[0], tuple(arena.action_names))
        for what, got, expected in zip(("width", "height", "told", "actions"), given, own):
            if got != expected:
                raise UsageError(
                    f"agent: learnt with {what} {expected!r:.80}, got an arena with {got!r:.80}; leave --actions "
                    "and --size to the agent"
                )
        self._chance = Chance(arena.num_envs)

    def renew(self, worlds: Sequence[int], seeds: Sequence[int]) -> None:
        """Begin the random numbers of these worlds."""
        self._chance.renew(worlds, seeds)

    def act(self, obs: Obs, infos: Infos) -> NDArray[np.int64]:
        """Numbers [N]."""
        with torch.no_grad():
            logits, _ = self.network(torch.from_numpy(obs["frame"]), torch.from_numpy(obs["told"]))
        scores = logits.double().numpy()
        chosen = scores if self.greedy else scores + self._chance.gumbel(scores.shape[1])
        return np.asarray(chosen.argmax(1))


def save(folder: Path, network: PolicyNetwork, arena: Any, info: Mapping[str, Any]) -> None:
    """Write an agent's folder: tensors, the network's sizes, the arena it learnt in, and facts about it.

    Args:
        arena: the `ArenaConfig`.
    """
    config = {"kind": KIND, "network": to_json(network.config), "arena": to_json(arena)}
    save_checkpoint(folder, network.state_dict(), config, info=dict(info))


def load(checkpoint: Checkpoint, *, greedy: bool = False) -> NetworkAgent:
    """The agent of a folder that `save` wrote.

    Raises:
        CheckpointError, ConfigError: it is none, or its weights do not fit.
    """
    if checkpoint.config.get("kind") != KIND:
        raise CheckpointError(f"agent: kind: got {checkpoint.config.get('kind')!r:.40}, expected {KIND!r}")
    network = PolicyNetwork(from_json(NetworkConfig, checkpoint.config.get("network"), "config.network"))
    load_into(network, checkpoint.tensors)
    return NetworkAgent(network, name=str(checkpoint.info.get("algo", KIND))[:40], greedy=greedy)
