"""How long a frame takes, one dream at a time, as a player has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from worldsim.evaluate.result import Figure, Section
from worldsim.evaluate.rollout import ALONE, Rollout
from worldsim.evaluate.scenario import Scenario
from worldsim.evaluate.suite import Suite
from worldsim.evaluate.twin import explored

if TYPE_CHECKING:
    from worldsim.evaluate.probes import Probes

WARM = 4
"""First frames that are not timed: buffers and kernels are made then."""
TEXT = (
    "Time from an action to its frame, one dream at a time, on the machine named above; drawing it on a "
    "screen comes on top (worldsim bench play). Other programs on the machine make it longer."
)


def scenarios(suite: Suite) -> list[Scenario]:
    """Episodes that are dreamt alone."""
    count = suite.count("latency")
    found = [
        explored(suite.first_seed + i, "explorer", WARM + count.frames, context=suite.context)
        for i in range(count.episodes)
    ]
    return [replace(s, group=ALONE) for s in found]


def measure(rollouts: Sequence[Rollout], probes: Probes | None) -> Section:
    """Milliseconds a frame; probes are not needed."""
    times = 1000 * np.concatenate([r.times[WARM:] for r in rollouts if r.times is not None])
    p50, p95, p99 = (float(v) for v in np.quantile(times, (0.5, 0.95, 0.99)))
    start = float(np.median([r.start for r in rollouts]))
    return Section(
        "latency",
        "Speed",
        TEXT,
        (
            Figure("frame_ms", p50, unit="ms", better="lower", reach="at most 66", count=len(times), note="median"),
            Figure("frame_ms_95", p95, unit="ms", better="lower", count=len(times), note="95 % are faster"),
            Figure("frame_ms_99", p99, unit="ms", better="lower", count=len(times), note="99 % are faster"),
            Figure(
                "frames_per_second", 1000 / max(1e-6, float(times.mean())), unit="frames/s", better="higher",
                reach="at least 15", count=len(times),
            ),
            Figure("start_ms", 1000 * start, unit="ms", better="lower", count=len(rollouts), note="to begin a dream"),
        ),
    )  # fmt: skip
