"""What an evaluation keeps in memory: no more than metrics to come read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from worldsim.evaluate.dreamt import Dreamt
from worldsim.evaluate.fakes import Frozen, Oracle
from worldsim.evaluate.plan import Plan
from worldsim.evaluate.probes import load_probes
from worldsim.evaluate.run import survey
from worldsim.evaluate.suite import GEOMETRY, METRICS, Count, Suite, find_metric
from worldsim.evaluate.twin import GAME

SIZE = (48, 64)
SHORT = Suite("short", {"counterfactual": Count(1, 2), "play": Count(1, 8)})


def held(array: np.ndarray) -> int:
    """Bytes that stay in memory for an array: a view keeps all that it is a view of."""
    return array.nbytes if array.base is None else held(array.base)


def test_depth_and_blocks_go_when_no_metric_to_come_reads_them() -> None:
    suite = Suite("kept", {"play": Count(2, 8), "drift_explorer": Count(1, 12), "drift_stuck": Count(1, 12)})
    names = ("horizon", "following", "drift", "heads")
    plan = Plan({name: find_metric(name).scenarios(suite) for name in names})
    dreamt, last = Dreamt(Oracle(SIZE), plan, GAME, 8), {}
    for name in names:
        last[name] = dreamt.rollouts(name, lambda frames: None)
    twins = {name: [r.twin for r in rollouts] for name, rollouts in last.items()}
    for name in ("horizon", "following"):
        assert all(len(t.depth) == len(t.blocks) == len(t.frames) for t in twins[name])
    for twin in (*twins["drift"], *twins["heads"]):
        assert held(twin.depth) == held(twin.blocks) == 0 < held(twin.frames)
    assert all(np.array_equal(r.frames, r.truth) for r in last["heads"]), "pictures are as they were"


def test_strips_hold_no_episode_in_memory() -> None:
    found = survey(Oracle(SIZE), SHORT, metrics=["counterfactual"], strict=True)
    frames = [f for strip in found.sections[0].strips for _, row in strip.rows for f in row]
    assert frames and all(held(frame) == frame.nbytes for frame in frames)


def test_metrics_without_geometry_find_the_same_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = Suite("bare", {**SHORT.counts, "drift_explorer": Count(2, 16), "strange": Count(1, 2)})
    metrics = [name for name in METRICS if name not in (*GEOMETRY, "latency")]

    def found() -> list[str]:
        sections = survey(Frozen(SIZE), suite, metrics=metrics, probes=load_probes(), strict=True).sections
        return [repr(replace(section, strips=())) for section in sections]

    without = found()
    monkeypatch.setattr("worldsim.evaluate.dreamt.GEOMETRY", METRICS)
    assert without == found() and len(without) == len(metrics)
