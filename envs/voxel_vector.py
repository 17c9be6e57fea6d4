"""`gymnasium.make_vec("worldsim/Voxel-v0", num_envs=N)`: N games, stepped and drawn on several threads.

The compiled kernels hold no lock of Python's, so that threads run them at the same time, with one copy
of the code and without sending frames between processes; docs/envs.md has the figures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from worldsim.errors import ConfigError, UsageError, brief
from worldsim.vector_env import BatchedEnv, Outcome, Which
from worldsim.vector_state import VectorState

from .voxel_engine import VoxelEngine
from .voxel_episode import View, begin, new_engine, read_options
from .voxel_state import VoxelState

MOST_THREADS = 256


class VoxelVectorEnv(BatchedEnv):
    """N games. Observations uint8 [N, H, W, 3], or a dict of batched buffers; all else as `VoxelEnv`.

    Args:
        num_envs: N.
        width, height, depth, block_ids, action_space: see `VoxelEnv`.
        engines: the games to go on with, for `fork`; they say the size.
        threads: how many work on the N games; None for one a core that this process may use.
        autoreset_mode, max_episode_steps, render_mode: see `BatchedEnv`.

    Raises:
        ConfigError: an argument out of range.
    """

    world_id = "worldsim/Voxel-v0"
    state_type = VoxelState

    def __init__(
        self,
        num_envs: int = 1,
        *,
        width: int = 160,
        height: int = 96,
        depth: bool = False,
        block_ids: bool = False,
        threads: int | None = None,
        action_space: str = "dict",
        autoreset_mode: str | AutoresetMode = AutoresetMode.SAME_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        engines: Sequence[VoxelEngine] = (),
    ) -> None:
        first = engines[0] if engines else new_engine(width, height)
        self.view = View(first.width, first.height, depth=depth, block_ids=block_ids)
        self.width, self.height = first.width, first.height
        super().__init__(
            num_envs=num_envs, observation_space=self.view.space, action_space=action_space,
            autoreset_mode=autoreset_mode, max_episode_steps=max_episode_steps, render_mode=render_mode,
        )  # fmt: skip
        self._crew = Crew(_threads(threads, self.num_envs))
        made = engines or [first, *(first.fork() for _ in range(self.num_envs - 1))]
        self.engines = list(made)
        self._seen: list[Any] = [None] * self.num_envs
        self._behind = np.zeros(self.num_envs, np.bool_)
        """Worlds that have moved on since they were last drawn."""

    def buffers(self) -> dict[str, NDArray[Any]]:
        """True "depth" (float32 [N, H, W], blocks) and "block_ids" (uint8 [N, H, W]) of the current views."""
        self._need_open("buffers")
        self._need_started("buffers")
        parts = self._crew.do(lambda i: self.engines[i].render_buffers(), range(self.num_envs))
        return {name: np.stack([part[k] for part in parts]) for k, name in ((1, "depth"), (2, "block_ids"))}

    def fork(self, n: int, *, autoreset_mode: str | AutoresetMode = AutoresetMode.DISABLED) -> VoxelVectorEnv:
        """A new env with each world n times, those of world i at i * n to i * n + n - 1.

        Raises:
            UsageError: n out of range.
            ResetNeeded: before the first `reset`.
        """
        return branch(
            self.engines, self.view, self.clone_state(), n, action_space=self.actions.name,
            autoreset_mode=autoreset_mode, max_episode_steps=self.max_episode_steps,
            render_mode=self.render_mode,
        )  # fmt: skip

    def close_extras(self, **kwargs: Any) -> None:
        """End the threads; called by `close`."""
        self._crew.close()

    def _read_options(self, options: Any) -> Any:
        return read_options(options)

    def _begin(
        self, which: Which, keys: Sequence[int], fresh: Sequence[bool], options: Sequence[Any]
    ) -> list[dict[str, Any]]:
        given = {int(i): (key, chosen) for i, key, chosen in zip(which, keys, options)}

        def one(world: int) -> dict[str, Any]:
            begin(self.engines[world], *given[world])
            return {**self._see(world), "seed": given[world][0]}

        return self._crew.do(one, [int(i) for i in which])

    def _play(self, which: Which, vectors: NDArray[np.float32]) -> Outcome:
        taken = {int(i): vector for i, vector in zip(which, vectors)}

        def one(world: int) -> dict[str, Any]:
            self.engines[world].step(taken[world])
            return self._see(world)

        infos = self._crew.do(one, list(taken))
        dead = np.array([bool(info["state"]["health"] <= 0) for info in infos])
        return Outcome(np.zeros(len(infos)), dead, np.zeros_like(dead), infos)

    def _see(self, world: int) -> dict[str, Any]:
        if self.draws or self._seen[world] is None:
            self._seen[world] = self._observe(world)
        self._behind[world] = not self.draws
        return {"state": self.engines[world].state()}

    def _look(self, which: Which) -> Any:
        missing = [int(i) for i in which if self._seen[i] is None or (self.draws and self._behind[i])]
        for world, seen in zip(missing, self._crew.do(self._observe, missing)):
            self._seen[world], self._behind[world] = seen, False
        return self.view.stack([self._seen[i] for i in which])

    def _observe(self, world: int) -> Any:
        return self.view.observe(self.engines[world])

    def _frame(self, world: int) -> NDArray[np.uint8]:
        return self.engines[world].render()

    def _clone(self, world: int) -> VoxelState:
        rng = dict(self._generator(world).bit_generator.state)
        return VoxelState(self.engines[world].clone(), bool(self._ended[world]), rng)

    def _check_state(self, state: Any) -> None:
        if not isinstance(state, VoxelState):
            raise UsageError(f"restore_state: got {brief(state)}, expected what clone_state() returned")

    def _restore(self, world: int, state: VoxelState) -> None:
        self.engines[world].restore(state.engine)
        self._generator(world).bit_generator.state = state.rng
        self._seen[world] = None


class Crew:
    """Threads that share out work on numbered worlds; the caller's thread is one of them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._pool: ThreadPoolExecutor | None = None

    def do(self, task: Callable[[int], Any], worlds: Sequence[int]) -> list[Any]:
        """`[task(world) for world in worlds]`, each world once, in no particular order."""
        size = min(self.size, len(worlds))
        if size < 2:
            return [task(world) for world in worlds]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.size - 1, thread_name_prefix="voxel")
        results: list[Any] = [None] * len(worlds)
        places = iter(range(len(worlds)))

        def work() -> None:
            for k in places:  # advancing a range iterator is one step of the interpreter: no lock is needed
                results[k] = task(worlds[k])

        others = [self._pool.submit(work) for _ in range(size - 1)]
        work()
        for other in others:
            other.result()
        return results

    def close(self) -> None:
        """Wait for the threads and end them."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None


def branch(
    engines: Sequence[VoxelEngine], view: View, state: VectorState, n: int, **arguments: Any
) -> VoxelVectorEnv:
    """A vector env with each engine's world n times; see `VoxelVectorEnv.fork`."""
    many = state.repeat(n)
    twins = [engine.fork() for engine in engines for _ in range(n)]
    wanted = {name: name in view.buffers for name in ("depth", "block_ids")}
    branches = VoxelVectorEnv(len(twins), engines=twins, **wanted, **arguments)
    branches.restore_state(many)
    return branches


def _threads(threads: Any, worlds: int) -> int:
    if threads is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(cores, worlds)
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= MOST_THREADS:
        raise ConfigError(f"threads: got {brief(threads)}, expected an integer from 1 to {MOST_THREADS}")
    return threads
