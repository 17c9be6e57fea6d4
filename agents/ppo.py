"""Proximal policy optimisation (Schulman et al. 2017) through Stable-Baselines3, in any arena.

The policy is `network.PolicyNetwork`, so that what has been learnt plays without SB3. Nothing is pickled:
`agent/` has tensors and JSON, `state/` the optimiser's state to resume from. Episodes that were in progress when a
run stopped begin anew.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from worldsim.arena.arena import Arena, make_arena
from worldsim.arena.config import ArenaConfig
from worldsim.arena.film import film
from worldsim.arena.folder import AGENT_FOLDER, CHECKPOINTS, STATE_FOLDER
from worldsim.arena.options import TrainOptions
from worldsim.checkpoint import load_into, save_training_state
from worldsim.errors import NumericalError
from worldsim.tracking import Tracker

from .due import Due
from .network import NetworkAgent, NetworkConfig, PolicyNetwork, Trunk, save

VIDEOS = "videos"
_RECENT = 100
"""Episodes that the curves average over."""


def train(options: TrainOptions, saved: dict[str, Any] | None = None) -> Path:
    """Train until `options.total` decisions; returns the run's folder.

    Args:
        saved: the training state to go on from.

    Raises:
        MissingDependency: Stable-Baselines3 is not installed.
        UsageError, ConfigError: an arena that can't be.
        NumericalError: the weights are no longer finite.
    """
    from worldsim.sb3 import SB3VecEnv

    config, folder = options.arena(), Path(options.out)
    arena = make_arena(config, options.num_envs)
    try:
        model = make_model(SB3VecEnv(arena), options)
        if saved is not None:
            restore(model, saved)
        with Tracker(folder, options.wandb, config=dataclasses.asdict(options)) as tracker:
            Run(model, arena, config, options, tracker).go()
    finally:
        arena.close()
    return folder


def make_model(envs: Any, options: TrainOptions) -> Any:
    """SB3's PPO around our network, with a silent logger."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.logger import Logger

    # SB3 warns about a last minibatch that is cut off: the largest that fits is taken.
    rollout = options.rollout * options.num_envs
    batch = next(size for size in range(min(options.batch, rollout), 0, -1) if rollout % size == 0)
    model = PPO(
        "MultiInputPolicy",
        envs,
        learning_rate=options.learning_rate,
        n_steps=options.rollout,
        batch_size=batch,
        n_epochs=options.epochs,
        gamma=options.gamma,
        ent_coef=options.entropy,
        seed=options.seed,
        device="cpu",
        policy_kwargs={"features_extractor_class": _extractor(), "net_arch": [], "activation_fn": nn.ReLU},
    )
    model.set_logger(Logger(folder=None, output_formats=[]))
    return model


def network_of(model: Any, config: ArenaConfig) -> PolicyNetwork:
    """A copy of the policy as a network of our own."""
    network = PolicyNetwork(network_config(model.observation_space, config))
    policy = model.policy
    parts = {"trunk": policy.features_extractor.trunk, "actor": policy.action_net, "critic": policy.value_net}
    tensors = {
        f"{n}.{k}": v.detach().clone() for n, part in parts.items() for k, v in part.state_dict().items()
    }
    load_into(network, tensors)
    return network


def network_config(space: Any, config: ArenaConfig) -> NetworkConfig:
    """Sizes for an arena."""
    return NetworkConfig(config.width, config.height, space["told"].shape[0], config.action_names)


def _extractor() -> type[Any]:
    """SB3's feature extractor that holds our trunk; SB3 has to be there to define it."""
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

    class Extractor(BaseFeaturesExtractor):  # type: ignore[misc, unused-ignore]
        def __init__(self, space: Any) -> None:
            # SB3 hands images over with the channels first, and divided by 255.
            height, width = space["frame"].shape[1:]
            config = NetworkConfig(width, height, space["told"].shape[0], ("none",))
            super().__init__(space, config.features)
            self.trunk = Trunk(config)

        def forward(self, obs: dict[str, Tensor]) -> Tensor:
            return self.trunk(obs["frame"], obs["told"])  # type: ignore[no-any-return]

    return Extractor


def state_of(model: Any) -> dict[str, Any]:
    """What a run needs to go on: weights, Adam's averages, counters, torch's generator."""
    return {
        "policy": dict(model.policy.state_dict()),
        "optimizer": model.policy.optimizer.state_dict(),
        "steps": model.num_timesteps,
        "updates": model._n_updates,
        "torch": torch.get_rng_state(),
    }


def restore(model: Any, saved: dict[str, Any]) -> None:
    """Go on from `state_of`; the worlds to come are others than those before."""
    load_into(model.policy, saved["policy"])
    model.policy.optimizer.load_state_dict(saved["optimizer"])
    model.num_timesteps, model._n_updates = int(saved["steps"]), int(saved["updates"])
    torch.set_rng_state(saved["torch"])
    model.env.seed(int(np.random.default_rng([model.seed, model.num_timesteps]).integers(2**32)))


class Run:
    """The loop around SB3: rollout, update, report, and now and then a checkpoint and a video."""

    def __init__(
        self, model: Any, arena: Arena, config: ArenaConfig, options: TrainOptions, tracker: Tracker
    ) -> None:
        self.model, self.arena, self.config, self.options, self.tracker = (
            model, arena, config, options, tracker,
        )  # fmt: skip
        self.folder, self.network = Path(options.out), network_of(model, config)
        self._agents = Due(options.checkpoints, options.total, model.num_timesteps)
        self._films = Due(options.videos, options.total, model.num_timesteps)
        self._recent: deque[tuple[float, int]] = deque(maxlen=_RECENT)

    def go(self) -> None:
        """Learn until enough decisions were made; Ctrl-C keeps what has been learnt."""
        from tqdm import tqdm

        model, options = self.model, self.options
        callback = self._begin()
        with tqdm(
            total=options.total, initial=model.num_timesteps, desc="ppo", unit=" steps", disable=None
        ) as bar:
            try:
                while model.num_timesteps < options.total:
                    before, began = model.num_timesteps, time.perf_counter()
                    model.collect_rollouts(model.env, callback, model.rollout_buffer, options.rollout)
                    model._current_progress_remaining = max(0.0, 1 - model.num_timesteps / options.total)
                    model.train()
                    self._report((model.num_timesteps - before) / (time.perf_counter() - began), bar)
                    bar.update(model.num_timesteps - before)
            finally:
                self._save(self.folder / AGENT_FOLDER)
                save_training_state(self.folder / STATE_FOLDER, state_of(model))

    def _begin(self) -> Any:
        """What `learn` does before its loop: first observations, and a callback that hears of episodes."""
        from stable_baselines3.common.callbacks import BaseCallback

        run = self

        class Listener(BaseCallback):  # type: ignore[misc, unused-ignore]
            def _on_step(self) -> bool:
                run.hear(self.locals["rewards"], self.locals["dones"])
                return True

        self._paid = np.zeros(self.arena.num_envs)
        self._long = np.zeros(self.arena.num_envs, np.int64)
        steps = self.model.num_timesteps
        _, callback = self.model._setup_learn(
            self.options.total, Listener(), reset_num_timesteps=steps == 0, progress_bar=False
        )
        return callback

    def hear(self, rewards: Any, dones: Any) -> None:
        """Add up the rewards of episodes."""
        self._paid += rewards
        self._long += 1
        for world in np.flatnonzero(dones):
            self._recent.append((float(self._paid[world]), int(self._long[world])))
            self._paid[world], self._long[world] = 0.0, 0

    def _report(self, speed: float, bar: Any) -> None:
        model, steps = self.model, self.model.num_timesteps
        if not all(bool(p.isfinite().all()) for p in model.policy.parameters()):
            raise NumericalError(
                f"ppo: weights are no longer finite after {steps} decisions; lower --learning-rate"
            )
        values = {name.replace("train/", ""): value for name, value in model.logger.name_to_value.items()}
        if self._recent:
            returns, lengths = zip(*self._recent)
            values |= {"return": float(np.mean(returns)), "length": float(np.mean(lengths))}
            bar.set_postfix_str(f"return {values['return']:.2f}", refresh=False)
        self.tracker.log({**values, "decisions_per_s": speed}, steps)
        model.logger.name_to_value.clear()
        if self._agents.due(steps):
            self._save(self.folder / CHECKPOINTS / f"{steps:09d}")
        if self._films.due(steps):
            path = self.folder / VIDEOS / f"{steps:09d}.mp4"
            score = film(self._agent(), self.config, path, seed=self.options.seed)
            self.tracker.video("episode", path, steps)
            self.tracker.log({"video_return": score.mean}, steps)

    def _agent(self) -> NetworkAgent:
        self.network = network_of(self.model, self.config)
        return NetworkAgent(self.network, name="ppo")

    def _save(self, folder: Path) -> None:
        info = {"algo": "ppo", "step": self.model.num_timesteps, "seed": self.options.seed}
        save(folder, self._agent().network, self.config, info)
