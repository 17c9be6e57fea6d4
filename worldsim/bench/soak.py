"""`worldsim bench soak`: a very long run of random actions and resets, which must change nothing but the worlds."""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import math
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.bench.env import DREAM, GAME
from worldsim.bench.report import Report, Row, at_least, machine
from worldsim.errors import NumericalError, ResourceLimitError, UsageError

TINY = "tiny"


@dataclasses.dataclass(frozen=True)
class SoakOptions:
    """Random valid actions and resets in a vector env; ends at the first exception or number that is not finite.

    Memory is what the process keeps after a tenth of the steps and at the end. The default world, `tiny`, has random
    weights and small frames: what is tried is the machinery, not a picture.
    """

    env: str = DREAM
    """worldsim/Dream-v0 or worldsim/Voxel-v0."""
    world: str = TINY
    """World of the dream: tiny, a shipped name or a folder."""
    steps: int = 1_000_000
    """Steps of all worlds together."""
    num_envs: int = 64
    """Worlds."""
    episode: int = 200
    """Time limit of an episode, in steps."""
    resets: float = 0.002
    """Chance a step that a world is reset on top of that."""
    growth: float = 16.0
    """MiB that the process may grow by after the first tenth."""
    seed: int = 0
    """Decides worlds, actions and resets."""
    json: str | None = None
    """File to write the figures to; `-` prints them as JSON."""

    def __post_init__(self) -> None:
        for name, low in (
            ("steps", 10),
            ("num_envs", 1),
            ("episode", 1),
            ("resets", 0),
            ("growth", 0),
            ("seed", 0),
        ):
            at_least(name.replace("_", "-"), getattr(self, name), low)
        if self.env not in (DREAM, GAME):
            raise UsageError(f"--env {self.env!r:.60}: expected {DREAM} or {GAME}")
        if self.resets > 1:
            raise UsageError(f"--resets: got {self.resets}, expected a chance from 0 to 1")


def run(options: SoakOptions) -> None:
    """Play, and publish the figures.

    Raises:
        NumericalError: a number that is not finite; the message names it and the step.
        ResourceLimitError: memory has grown by more than `growth`.
    """
    facts = machine()
    with _envs(options) as envs:
        row = soak(envs, options)
    Report("soak", dataclasses.asdict(options), [row], facts).publish(options.json)
    if row["growth_mib"] > options.growth:
        raise ResourceLimitError(
            f"soak: memory grew by {row['growth_mib']:.1f} MiB after the first tenth, expected {options.growth:g} "
            "at most; something is kept"
        )


def soak(envs: Any, options: SoakOptions) -> Row:
    """The loop, on an env that has not begun."""
    from tqdm import tqdm

    rng = np.random.default_rng(options.seed)
    count, ticks = envs.num_envs, max(10, options.steps // options.num_envs)
    actions, episodes, early, memory = int(envs.single_action_space.n), 0, 0, 0.0
    _, info = envs.reset(seed=options.seed)
    need_finite(info, 0)
    start = time.perf_counter()
    with tqdm(total=ticks * count, unit=" steps", desc="soak", delay=2, leave=False, disable=None) as bar:
        for tick in range(ticks):
            obs, rewards, terminated, truncated, info = envs.step(rng.integers(actions, size=count))
            if obs.dtype != np.uint8 or not np.isfinite(rewards).all():
                raise NumericalError(f"soak: step {tick}: rewards are not finite or frames no bytes")
            need_finite(info, tick)
            early += int((truncated & ~terminated & _failed(info, count)).sum())
            episodes += int((terminated | truncated).sum())
            if (mask := rng.random(count) < options.resets).any():
                envs.reset(options={"reset_mask": mask})
                episodes += int(mask.sum())
            if tick == ticks // 10:
                memory = resident()
            bar.update(count)
    seconds = time.perf_counter() - start
    return {
        "env": options.env,
        "num_envs": count,
        "steps": ticks * count,
        "episodes": episodes,
        "failed": early,
        "steps_per_s": ticks * count / seconds,
        "minutes": seconds / 60,
        "mib_at_a_tenth": memory,
        "mib_at_the_end": resident(),
        "growth_mib": resident() - memory,
    }


def need_finite(info: Mapping[str, Any], tick: int, path: str = "info") -> None:
    """Raise NumericalError if a number in an info is not finite, however deep it lies."""
    for name, value in info.items():
        if isinstance(value, Mapping):
            need_finite(value, tick, f"{path}.{name}")
        elif isinstance(value, np.ndarray) and value.dtype.kind == "O":
            for one in value:
                if isinstance(one, Mapping):
                    need_finite(one, tick, f"{path}.{name}")
        elif isinstance(value, (float, np.ndarray, np.generic)):
            array = np.asarray(value)
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise NumericalError(
                    f"soak: step {tick}: {path}.{name} is not finite: {array[~np.isfinite(array)][:4]}"
                )


def _failed(info: Mapping[str, Any], count: int) -> NDArray[np.bool_]:
    """Worlds that ended because their numbers went wrong: they say so in their last info."""
    finals = info.get("final_info", {})
    reasons = finals.get("_reason") if isinstance(finals, Mapping) else None
    return np.zeros(count, np.bool_) if reasons is None else np.asarray(reasons, np.bool_)


def resident() -> float:
    """MiB that this process holds, once what has been freed is back with the system; nan where that is not told.

    Without handing it back the figure wanders by tens of MiB with the holes in the C library's heap.
    """
    status = Path("/proc/self/statm")
    if not status.exists():
        return math.nan
    gc.collect()
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def _envs(options: SoakOptions) -> Iterator[Any]:
    import gymnasium

    with tempfile.TemporaryDirectory() as scratch:
        made: dict[str, Any] = {"width": 64, "height": 48}
        if options.env == DREAM:
            world = tiny_world(Path(scratch) / TINY) if options.world == TINY else options.world
            made = {"world": str(world), "exact": False}
        envs = gymnasium.make_vec(
            options.env, num_envs=options.num_envs, action_space="discrete",
            max_episode_steps=options.episode, **made,
        )  # fmt: skip
        try:
            yield envs
        finally:
            envs.close()


def tiny_world(folder: Path, *, seed: int = 0) -> Path:
    """A world of random weights and 64x48 frames that `worldsim/Dream-v0` can open."""
    import torch

    from worldsim.checkpoint import save_checkpoint
    from worldsim.config import to_json
    from worldsim.model.denoiser import DenoiserConfig
    from worldsim.model.heads import HeadsConfig
    from worldsim.model.motion import MotionConfig
    from worldsim.model.world_model import WorldModel, WorldModelConfig
    from worldsim.sim.seeds import SEEDS_FILE, Seeds, encode_seeds

    config = WorldModelConfig(
        DenoiserConfig(height=48, width=64, channels=8, blocks=1, attention=1, head_size=8, cond=16),
        MotionConfig(width=16),
        heads=HeadsConfig(width=8, cells=4, detail=2, crosshair=2),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = WorldModel(config)
    save_checkpoint(folder, model.state_dict(), to_json(config), info={"step": 0, "frames": 0})
    rng = np.random.default_rng(seed)
    count, length, shape = 4, 3, (48, 64)
    moments = Seeds(
        rng.integers(0, 256, (count, length, *shape, 3), np.uint8),
        np.full((count, length, *shape), 8, np.float16),
        np.zeros((count, length, 5), np.float32),
        np.zeros((count, length - 1, 25), np.float32),
        np.array([""] * count),
        np.full(count, np.nan, np.float32),
    )
    (folder / SEEDS_FILE).write_bytes(encode_seeds(moments))
    return folder
