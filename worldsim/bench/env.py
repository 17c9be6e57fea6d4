"""`worldsim bench env`: environments as an agent sees them, through `gymnasium.make` and `make_vec`."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from worldsim import registry
from worldsim.bench.engine import parse_size
from worldsim.bench.report import Report, Row, at_least, machine, median_of, quantiles
from worldsim.errors import UsageError
from worldsim.registry import DREAM as DREAM
from worldsim.registry import GAME as GAME


@dataclasses.dataclass(frozen=True)
class EnvBenchOptions:
    """Step environments with sampled actions and time `step`, `reset` and `fork`.

    One row for the scalar env, then one for each number of worlds in a vector env. `steps_per_s` counts the
    steps of all worlds; `step_ms` and `fork_ms` are of all worlds at once; `overhead_pct` is the time of a step
    outside of the simulator, as a share of the time in it. A dream has two rows: each world by itself
    ("exact") and all in one forward pass ("batched").
    """

    env: tuple[str, ...] = (GAME, DREAM)
    """Gymnasium ids."""
    world: str | None = None
    """World for `worldsim/Dream-v0`: a shipped name or a folder."""
    size: str = "64x64"
    """Frame size of the game, width x height."""
    num_envs: tuple[int, ...] = (1, 4, 16, 64)
    """Worlds of the vector envs."""
    steps: int = 200
    """Steps each repeat, all worlds together."""
    repeats: int = 3
    """Episodes; the figures are medians over them."""
    seed: int = 0
    """Seed of the first episode and of the actions."""
    json: str | None = None
    """File to write all figures to; `-` prints them as JSON."""

    def __post_init__(self) -> None:
        for name in ("steps", "repeats"):
            at_least(name, getattr(self, name), 1)
        at_least("seed", self.seed, 0)
        for number in self.num_envs:
            at_least("num-envs", number, 1)
        parse_size(self.size)


@dataclasses.dataclass(frozen=True)
class Subject:
    """One row: an id, how it is made, how many worlds it has."""

    env_id: str
    mode: str
    num_envs: int
    arguments: dict[str, Any]

    def make(self) -> Any:
        """The env."""
        import gymnasium

        if self.mode == "scalar":
            return gymnasium.make(self.env_id, disable_env_checker=True, **self.arguments)
        return gymnasium.make_vec(self.env_id, num_envs=self.num_envs, **self.arguments)


def run(options: EnvBenchOptions) -> None:
    """Measure every id and publish the table."""
    facts = machine()
    rows = [_row(subject, options) for env_id in options.env for subject in subjects(env_id, options)]
    Report("env", dataclasses.asdict(options), rows, facts).publish(options.json)


def subjects(env_id: str, options: EnvBenchOptions) -> list[Subject]:
    """The rows of one id.

    Raises:
        UsageError: Gymnasium does not know it.
    """
    import gymnasium

    if env_id not in gymnasium.registry:
        known = " or ".join(sorted(registry.ENVS))
        raise UsageError(f"--env {env_id!r}: unknown to Gymnasium; ours are {known}")
    width, height = parse_size(options.size)
    arguments: dict[str, Any] = {"width": width, "height": height} if env_id == GAME else {}
    if options.world and env_id == DREAM:
        arguments = {"world": options.world}
    found = [Subject(env_id, "scalar", 1, arguments)]
    for number in options.num_envs if env_id in registry.VECTOR_ENVS else ():
        for exact in (True, False) if env_id == DREAM else (None,):
            mode = "vector" if exact is None else "exact" if exact else "batched"
            extra = {} if exact is None else {"exact": exact}
            found.append(Subject(env_id, mode, number, {**arguments, **extra}))
    return found


def _row(subject: Subject, options: EnvBenchOptions) -> Row:
    start = time.perf_counter()
    env = subject.make()
    make_s = time.perf_counter() - start
    ticks = max(2, options.steps // subject.num_envs)
    try:
        _episode(env, options.seed, min(20, ticks), subject.num_envs)  # compiles, warms caches
        measured = median_of(
            lambda repeat: _episode(env, options.seed + repeat, ticks, subject.num_envs), options.repeats
        )
        fork_ms = _fork_ms(env)
    finally:
        env.close()
    return {
        "env": subject.env_id,
        "mode": subject.mode,
        "num_envs": subject.num_envs,
        **measured,
        "fork_ms": fork_ms,
        "make_s": make_s,
    }


def _episode(env: Any, seed: int, ticks: int, num_envs: int) -> Row:
    env.action_space.seed(seed)
    start = time.perf_counter()
    env.reset(seed=seed)
    reset_ms = (time.perf_counter() - start) * 1e3
    taken = []
    with _simulator_clock(env) as inside:
        for _ in range(ticks):
            action = env.action_space.sample()
            action["ESC"] *= 0
            start = time.perf_counter()
            _, _, terminated, truncated, _ = env.step(action)
            taken.append((time.perf_counter() - start) * 1e3)
            if not hasattr(env, "num_envs") and (terminated or truncated):
                env.reset()
    row = {"steps_per_s": 1e3 * ticks * num_envs / sum(taken), **quantiles(taken, "step_ms")}
    overhead = 100 * (sum(taken) - inside[0]) / inside[0] if inside[0] else None
    return {**row, "overhead_pct": overhead, "reset_ms": reset_ms}


@contextmanager
def _simulator_clock(env: Any) -> Iterator[list[float]]:
    """Adds up the milliseconds that an env spends in its simulator, if it has one."""
    simulator, spent = getattr(env.unwrapped, "simulator", None), [0.0]
    if simulator is None:
        yield spent
        return
    step = simulator.step

    def timed(*arguments: Any) -> Any:
        start = time.perf_counter()
        after = step(*arguments)
        spent[0] += (time.perf_counter() - start) * 1e3
        return after

    simulator.step = timed
    try:
        yield spent
    finally:
        del simulator.step


def _fork_ms(env: Any) -> float | None:
    """Milliseconds until as many worlds more stand where those of a vector env stand."""
    if not hasattr(env.unwrapped, "fork") or not hasattr(env.unwrapped, "num_envs"):
        return None
    start = time.perf_counter()
    branches = env.unwrapped.fork(1)
    taken = (time.perf_counter() - start) * 1e3
    branches.close()
    return taken
