"""`worldsim bench env`: environments as an agent sees them, through `gymnasium.make`."""

from __future__ import annotations

import dataclasses
import time
from functools import partial
from typing import Any

from worldsim import registry
from worldsim.bench.report import Report, Row, at_least, machine, median_of, quantiles
from worldsim.errors import UsageError


@dataclasses.dataclass(frozen=True)
class EnvBenchOptions:
    """Step environments with sampled actions and time `step` and `reset`."""

    env: tuple[str, ...] = ("worldsim/Voxel-v0", "worldsim/Dream-v0")
    """Gymnasium ids."""
    world: str | None = None
    """World for `worldsim/Dream-v0`: a shipped name or a folder."""
    steps: int = 200
    """Steps each repeat."""
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


def run(options: EnvBenchOptions) -> None:
    """Measure every id and publish the table."""
    facts = machine()
    rows = []
    for env_id in options.env:
        start = time.perf_counter()
        env = _make(env_id, options)
        make_s = time.perf_counter() - start
        try:
            _episode(env, options.seed, min(20, options.steps))  # compiles, warms caches
            row = median_of(partial(_numbered, env, options), options.repeats)
        finally:
            env.close()
        rows.append({"env": env_id, **row, "make_s": make_s})
    Report("env", dataclasses.asdict(options), rows, facts).publish(options.json)


def _make(env_id: str, options: EnvBenchOptions) -> Any:
    import gymnasium

    if env_id not in gymnasium.registry:
        known = " or ".join(sorted(registry.ENVS))
        raise UsageError(f"--env {env_id!r}: unknown to Gymnasium; ours are {known}")
    arguments: dict[str, Any] = (
        {"world": options.world} if options.world and env_id == "worldsim/Dream-v0" else {}
    )
    return gymnasium.make(env_id, disable_env_checker=True, **arguments)


def _numbered(env: Any, options: EnvBenchOptions, repeat: int) -> Row:
    return _episode(env, options.seed + repeat, options.steps)


def _episode(env: Any, seed: int, steps: int) -> Row:
    env.action_space.seed(seed)
    start = time.perf_counter()
    env.reset(seed=seed)
    reset_ms = (time.perf_counter() - start) * 1e3
    taken = []
    for _ in range(steps):
        action = env.action_space.sample()
        action["ESC"] = 0
        start = time.perf_counter()
        _, _, terminated, truncated, _ = env.step(action)
        taken.append((time.perf_counter() - start) * 1e3)
        if terminated or truncated:
            env.reset()
    return {"steps_per_s": 1e3 * steps / sum(taken), **quantiles(taken, "step_ms"), "reset_ms": reset_ms}
