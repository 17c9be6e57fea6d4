"""N worlds behind one `gymnasium.vector.VectorEnv`: autoreset, masks, the time limit, snapshots.

What a world is, is left to those who fill in the five methods marked "of one kind of world":
`worldsim.sim.vector` (the dream) and the game's vector env. Everything that a Gymnasium vector env
promises about episodes is here, once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from worldsim.action_sets import action_set
from worldsim.errors import ConfigError, EnvClosed, ResetNeeded, UsageError, brief
from worldsim.signals import SIGNALS
from worldsim.vector_info import gather
from worldsim.vector_options import read_modes, read_reset, read_seeds
from worldsim.vector_state import VectorState

Which = NDArray[np.int64]
"""Indices of worlds, ascending."""


@dataclass(frozen=True)
class Outcome:
    """What a tick did in some worlds; rewards float64, flags bool, all of length len(which)."""

    rewards: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    infos: list[dict[str, Any]]


class BatchedEnv(VectorEnv[Any, Any, NDArray[Any]]):
    """See the module's docstring.

    Args:
        num_envs: N, at least 1.
        observation_space: of one world.
        action_space: "dict", "discrete" or "multi_discrete", see `worldsim.action_sets`.
        autoreset_mode: "SameStep", "NextStep" or "Disabled", or the enum of Gymnasium.
        max_episode_steps: ticks after which an episode is truncated; None for no limit.
        render_mode: None or "rgb_array".

    Raises:
        ConfigError: an argument out of range.
    """

    state_type: type[Any]
    """What `clone_state` of one world returns."""
    draws = True
    """False lets `step` return observations of earlier ticks, as drawing takes time, for those who skip frames.
    `look` gives the present ones of a game; a dream that is not drawn has none, and moves its players alone."""
    blind_events: tuple[str, ...] = SIGNALS
    """Signals that infos tell of ticks that are not drawn, too: a dream reads most events off its pictures."""

    def __init__(
        self,
        *,
        num_envs: int,
        observation_space: spaces.Space[Any],
        action_space: str,
        autoreset_mode: str | AutoresetMode,
        max_episode_steps: int | None,
        render_mode: str | None,
    ) -> None:
        self.num_envs, self.autoreset_mode, self.max_episode_steps = read_modes(
            num_envs, autoreset_mode, max_episode_steps
        )
        if render_mode not in (None, "rgb_array"):
            raise ConfigError(f"render_mode: got {brief(render_mode)}, expected None or 'rgb_array'")
        self.render_mode = render_mode
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": 20,
            "autoreset_mode": self.autoreset_mode,
        }
        self.actions = action_set(action_space)
        self.action_names = self.actions.action_names
        self.single_observation_space, self.single_action_space = observation_space, self.actions.space
        self._started, self._ended = (np.zeros(self.num_envs, np.bool_) for _ in range(2))
        self._elapsed = np.zeros(self.num_envs, np.int64)
        self._generators: list[np.random.Generator | None] = [None] * self.num_envs
        self._generator_seeds: list[int] = [-1] * self.num_envs

    # Made when they are asked for: for large frames that takes longer than a fork may.
    @cached_property
    def observation_space(self) -> spaces.Space[Any]:  # type: ignore[override]
        """The batch of `single_observation_space`."""
        return batch_space(self.single_observation_space, self.num_envs)

    @cached_property
    def action_space(self) -> spaces.Space[Any]:  # type: ignore[override]
        """The batch of `single_action_space`."""
        return batch_space(self.single_action_space, self.num_envs)

    # Of one kind of world: everything below may count on checked input.

    @abstractmethod
    def _read_options(self, options: Any) -> Any:
        """Check one world's reset options.

        Raises:
            UsageError: unknown or bad ones.
        """

    @abstractmethod
    def _begin(
        self, which: Which, keys: Sequence[int], fresh: Sequence[bool], options: Sequence[Any]
    ) -> list[dict[str, Any]]:
        """Begin an episode in some worlds; `fresh` ones were given their seed. Returns their infos."""

    @abstractmethod
    def _play(self, which: Which, vectors: NDArray[np.float32]) -> Outcome:
        """Play one tick in some worlds under action vectors float32 [len(which), 25]."""

    @abstractmethod
    def _look(self, which: Which) -> Any:
        """Fresh observations of some worlds, batched."""

    @abstractmethod
    def _clone(self, world: int) -> Any:
        """One world's state, of `state_type`."""

    @abstractmethod
    def _restore(self, world: int, state: Any) -> None:
        """Bring one world to a state that `_check_state` has accepted."""

    @abstractmethod
    def _check_state(self, state: Any) -> None:
        """Raise UsageError unless `state` is one that this env can go to."""

    @abstractmethod
    def _frame(self, world: int) -> NDArray[np.uint8]:
        """A fresh frame uint8 [H, W, 3] of one world."""

    # Of all kinds.

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes.

        Args:
            seed: s for seeds s, s + 1, ...; or one seed (or None) a world; None draws on.
            options: what the scalar env takes, for all worlds; "worlds": a list of N of them (or None), one
                a world; "reset_mask": bool [N], which worlds begin anew, the others stay as they are.

        Returns:
            Observations of all N worlds, and infos of those that began.

        Raises:
            UsageError: a seed or an option that does not fit; nothing has changed then.
            ResetNeeded: the mask leaves out worlds that have never begun.
            EnvClosed: after `close`.
        """
        self._need_open("reset")
        which, each = read_reset(options, self.num_envs)
        seeds = read_seeds(seed, self.num_envs)
        read = [self._read_options(each[i]) for i in which]
        left_out = ~self._started
        left_out[which] = False
        if left_out.any():
            raise ResetNeeded(
                f"reset: reset_mask leaves out worlds {np.flatnonzero(left_out)[:8].tolist()} that have never "
                "begun; call reset() without it first"
            )
        infos = self._renew(which, [seeds[i] for i in which], read)
        return self._look(np.arange(self.num_envs)), gather(infos)

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Play one tick in all worlds.

        Args:
            actions: an element of `action_space`: a dict of columns, integers [N] or integers [N, 7].

        Returns:
            Observations, rewards float64 [N], terminations and truncations bool [N], and infos. With
            SAME_STEP an episode's last observation and info are "final_obs" and "final_info".

        Raises:
            InvalidAction: one wrong action; no world has changed then.
            ResetNeeded: before the first `reset`, or with DISABLED after the end of an episode.
            EnvClosed: after `close`.
        """
        self._need_open("step")
        self._need_started("step")
        vectors = self.actions.to_vectors(actions, self.num_envs)
        if self.autoreset_mode == AutoresetMode.DISABLED and self._ended.any():
            raise ResetNeeded(
                f"step: the episodes of worlds {np.flatnonzero(self._ended)[:8].tolist()} have ended; call "
                "reset(options={'reset_mask': terminations | truncations}) first"
            )
        due = self._ended.copy()  # only with NEXT_STEP is anything left to renew here
        rewards, (terminated, truncated) = np.zeros(self.num_envs), np.zeros((2, self.num_envs), np.bool_)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        going = np.flatnonzero(~due)
        if len(going):
            outcome = self._play(going, vectors[going])
            rewards[going], terminated[going], truncated[going] = (
                outcome.rewards, outcome.terminated, outcome.truncated,
            )  # fmt: skip
            for world, info in zip(going, outcome.infos):
                infos[world] = info
            self._elapsed[going] += 1
        if self.max_episode_steps is not None:
            truncated |= ~due & (self._elapsed >= self.max_episode_steps)
        self._ended = terminated | truncated
        if due.any():
            for world, info in zip(np.flatnonzero(due), self._draw_on(np.flatnonzero(due))):
                infos[world] = info
        obs = self._look(np.arange(self.num_envs))
        if self.autoreset_mode == AutoresetMode.SAME_STEP and self._ended.any():
            self._renew_at_once(obs, infos)
        return obs, rewards, terminated, truncated, gather(infos)

    @property
    def ended(self) -> NDArray[np.bool_]:
        """Worlds [N] whose episode has ended, and which wait for a reset."""
        ended: NDArray[np.bool_] = self._ended.copy()
        return ended

    def look(self) -> Any:
        """Fresh observations of all N worlds as they are now."""
        self._need_open("look")
        self._need_started("look")
        before, self.draws = self.draws, True
        try:
            return self._look(np.arange(self.num_envs))
        finally:
            self.draws = before

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """The current frame of each world, uint8 [H, W, 3]; None without a render mode."""
        self._need_open("render")
        self._need_started("render")
        return None if self.render_mode is None else tuple(self._frame(i) for i in range(self.num_envs))

    def clone_state(self) -> VectorState:
        """Everything that decides what happens next in all worlds; see `restore_state`."""
        self._need_open("clone_state")
        self._need_started("clone_state")
        worlds = tuple(self._clone(i) for i in range(self.num_envs))
        return VectorState(worlds, tuple(self._elapsed.tolist()), tuple(self._ended.tolist()))

    def restore_state(self, state: Any, mask: NDArray[np.bool_] | None = None) -> None:
        """Go back to a cloned state, exactly.

        Args:
            state: of this env, or of one world (of a scalar env, too), which all worlds then go to; or the
                bytes of either.
            mask: bool [N], the worlds to restore; None for all.

        Raises:
            UsageError: not a state that fits, or damaged bytes; nothing has changed then.
        """
        self._need_open("restore_state")
        whole = self._read_state(state)
        which, _ = read_reset(None if mask is None else {"reset_mask": mask}, self.num_envs, name="mask")
        for i in which:
            self._restore(int(i), whole.worlds[i])
            self._elapsed[i], self._ended[i], self._started[i] = whole.elapsed[i], whole.ended[i], True

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """One generator a world, as Gymnasium's own vector envs have: each decides that world's next seeds."""
        return tuple(self._generator(i) for i in range(self.num_envs))

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """What the worlds' generators were seeded with; -1 where that is not known."""
        return tuple(self._generator_seeds)

    def _read_state(self, state: Any) -> VectorState:
        if isinstance(state, (bytes, bytearray, memoryview)):
            state = VectorState.read(state, self.state_type)
        if isinstance(state, self.state_type):
            state = VectorState(
                (state,) * self.num_envs, (0,) * self.num_envs, (state.ended,) * self.num_envs
            )
        if not isinstance(state, VectorState):
            raise UsageError(f"restore_state: got {brief(state)}, expected what clone_state() returned")
        if len(state.worlds) != self.num_envs:
            raise UsageError(
                f"restore_state: got a state of {len(state.worlds)} worlds, expected {self.num_envs}"
            )
        for world in {id(world): world for world in state.worlds}.values():
            self._check_state(world)
        return state

    def _renew(
        self, which: Which, seeds: Sequence[int | None], options: Sequence[Any]
    ) -> list[dict[str, Any]]:
        """Begin episodes in some worlds; the infos of all N, empty for the others."""
        keys = []
        for world, seed in zip(which, seeds):
            if seed is not None:
                self._generators[world], self._generator_seeds[world] = seeding.np_random(seed)
            keys.append(int(self._generator(world).integers(2**63)) if seed is None else seed)
        began = self._begin(which, keys, [seed is not None for seed in seeds], options)
        self._started[which], self._ended[which], self._elapsed[which] = True, False, 0
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for world, info in zip(which, began):
            infos[world] = info
        return infos

    def _draw_on(self, which: Which) -> list[dict[str, Any]]:
        nothing = self._read_options(None)
        infos = self._renew(which, [None] * len(which), [nothing] * len(which))
        return [infos[i] for i in which]

    def _renew_at_once(self, obs: Any, infos: list[dict[str, Any]]) -> None:
        """SAME_STEP: keep what ended as final_obs and final_info, and put the new episode in its place."""
        which = np.flatnonzero(self._ended)
        finals = [_at(obs, int(i)) for i in which]
        for world, final, info in zip(which, finals, self._draw_on(which)):
            infos[world] = {"final_obs": final, "final_info": infos[world], **info}
        _put(obs, which, self._look(which))

    def _generator(self, world: int) -> np.random.Generator:
        generator = self._generators[world]
        if generator is None:
            generator, self._generator_seeds[world] = seeding.np_random()
            self._generators[world] = generator
        return generator

    def _need_open(self, what: str) -> None:
        if self.closed:
            raise EnvClosed(f"{what}: the env is closed; make a new one")

    def _need_started(self, what: str) -> None:
        if not self._started.all():
            raise ResetNeeded(f"{what}: no episode has begun; call reset() first")


def _at(obs: Any, world: int) -> Any:
    return {k: v[world].copy() for k, v in obs.items()} if isinstance(obs, dict) else obs[world].copy()


def _put(obs: Any, which: Which, part: Any) -> None:
    for name in obs if isinstance(obs, dict) else ():
        obs[name][which] = part[name]
    if not isinstance(obs, dict):
        obs[which] = part
