"""`gymnasium.make_vec("worldsim/Dream-v0", num_envs=N)`: N dreams that are drawn together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from worldsim.errors import ConfigError
from worldsim.signals import HANDMADE
from worldsim.sim.dream import (
    DEFAULT_WORLD,
    Beginning,
    Dream,
    open_dream,
    world_buffers,
    world_frame,
    world_info,
)
from worldsim.sim.snapshot import DreamState, check_fits, on_device
from worldsim.sim.state import WorldState
from worldsim.vector_env import BatchedEnv, Outcome, Which
from worldsim.vector_options import read_seeds
from worldsim.vector_state import VectorState


class DreamVectorEnv(BatchedEnv):
    """N worlds of one model. Observations uint8 [N, H, W, 3]; all else as `worldsim.sim.env.DreamEnv`.

    Args:
        num_envs: N.
        world, steps, prompt, device, precision, backend, imagine, action_space: see `DreamEnv`; `world` may be
            a `Dream`.
        exact: draw each world by itself, so that it is the same world, bit for bit, whatever stands beside
            it and however many; else in one batched forward pass, which is faster and may differ in the
            last bits. None: exact on the CPU, where a batch gains little, and batched on a GPU.
        autoreset_mode, max_episode_steps, render_mode: see `BatchedEnv`.

    Raises:
        UsageError, CheckpointError: no such world, or damaged weights.
        ConfigError: an argument out of range.
    """

    generated = True
    state_type = DreamState

    def __init__(
        self,
        num_envs: int = 1,
        *,
        world: str | Path | Dream = DEFAULT_WORLD,
        steps: int | None = None,
        prompt: str = "",
        device: str = "cpu",
        precision: Any = "auto",
        backend: Any = "eager",
        imagine: bool = True,
        exact: bool | None = None,
        action_space: str = "dict",
        autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        if exact is not None and not isinstance(exact, bool):
            raise ConfigError(f"exact: got {exact!r}, expected None, True or False")
        self.dream = open_dream(
            world, steps=steps, prompt=prompt, device=device, precision=precision, backend=backend,
            imagine=imagine,
        )  # fmt: skip
        self.simulator, self.world_id, self.world_hash = (
            self.dream.simulator, self.dream.world_id, self.dream.hash,
        )  # fmt: skip
        self.exact = self.simulator.device.type == "cpu" if exact is None else exact
        super().__init__(
            num_envs=num_envs, observation_space=self.dream.observation_space, action_space=action_space,
            autoreset_mode=autoreset_mode, max_episode_steps=max_episode_steps, render_mode=render_mode,
        )  # fmt: skip
        # The others are read off the picture.
        self.blind_events = HANDMADE if self.simulator.tells_handiwork else ()
        self._worlds: list[WorldState] = []
        self._episodes = [0] * self.num_envs

    @property
    def signals(self) -> tuple[str, ...]:
        """The names of `worldsim.signals` that these worlds tell."""
        return self.dream.signals

    def buffers(self) -> dict[str, NDArray[Any]]:
        """Predicted "depth" (float32 [N, H, W], blocks) and "invented", see `dream.world_buffers`."""
        self._need_started("buffers")
        return world_buffers(self._worlds)

    def fork(
        self,
        n: int,
        *,
        seeds: Sequence[int] | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.DISABLED,
    ) -> DreamVectorEnv:
        """A new env with each world n times, those of world i at i * n to i * n + n - 1; shares the weights.

        Args:
            seeds: N * n keys of noise, for futures that differ by chance; None: all go on as their world would.

        Raises:
            UsageError: n or seeds out of range.
            ResetNeeded: before the first `reset`.
        """
        return branch(
            self.dream, self.clone_state(), n, seeds, exact=self.exact, action_space=self.actions.name,
            autoreset_mode=autoreset_mode, max_episode_steps=self.max_episode_steps, render_mode=self.render_mode,
        )  # fmt: skip

    def _read_options(self, options: Any) -> Beginning:
        return self.dream.read_options(options)

    def _begin(
        self, which: Which, keys: Sequence[int], fresh: Sequence[bool], options: Sequence[Any]
    ) -> list[dict[str, Any]]:
        episodes = [0 if new else self._episodes[i] + 1 for i, new in zip(which, fresh)]
        begun = [self.dream.begin(o, key=k, episode=e) for o, k, e in zip(options, keys, episodes)]
        self._put(which, begun)
        for world, episode in zip(which, episodes):
            self._episodes[world] = episode
        return [{**world_info(world), "seed": key} for world, key in zip(begun, keys)]

    def _play(self, which: Which, vectors: NDArray[np.float32]) -> Outcome:
        after = self.dream.step([self._worlds[i] for i in which], vectors, exact=self.exact, draws=self.draws)
        self._put(which, after)
        failed = np.array([bool(world.failed) for world in after])
        infos = [world_info(world) for world in after]
        return Outcome(np.zeros(len(after)), np.zeros_like(failed), failed, infos)

    def _look(self, which: Which) -> NDArray[np.uint8]:
        frames: NDArray[np.uint8] = torch.stack([self._worlds[i].newest.frame for i in which]).cpu().numpy()
        return frames

    def _frame(self, world: int) -> NDArray[np.uint8]:
        return world_frame(self._worlds[world])

    def _clone(self, world: int) -> DreamState:
        rng = dict(self._generator(world).bit_generator.state)
        return DreamState(self._worlds[world], rng, self._episodes[world], self.world_hash)

    def _check_state(self, state: Any) -> None:
        check_fits(state, self.simulator, self.world_hash)

    def _restore(self, world: int, state: DreamState) -> None:
        if not self._worlds:
            self._worlds = [state.world] * self.num_envs
        self._worlds[world] = on_device(state.world, self.simulator.device)
        self._episodes[world] = state.episode
        self._generator(world).bit_generator.state = state.rng

    def _put(self, which: Which, worlds: Sequence[WorldState]) -> None:
        if not self._worlds:
            self._worlds = list(worlds)
        for i, world in zip(which, worlds):
            self._worlds[i] = world


def branch(
    dream: Dream, state: VectorState, n: int, seeds: Sequence[int] | None, **arguments: Any
) -> DreamVectorEnv:
    """A vector env with each world of a state n times; see `DreamVectorEnv.fork`."""
    many = state.repeat(n)
    if seeds is not None:
        keys = read_seeds(list(seeds), len(many.worlds))
        worlds = [w if k is None else replace(w, world=w.world.fork(k)) for w, k in zip(many.worlds, keys)]
        many = replace(many, worlds=tuple(worlds))
    branches = DreamVectorEnv(len(many.worlds), world=dream, **arguments)
    branches.restore_state(many)
    return branches
