"""The soak: it runs, counts, and says where a number went wrong or memory grew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from worldsim import cli
from worldsim.bench.soak import SoakOptions, need_finite, soak
from worldsim.errors import NumericalError


@pytest.mark.parametrize("env", ["worldsim/Dream-v0", "worldsim/Voxel-v0"])
def test_random_actions_and_resets(env: str, tmp_path: Path) -> None:
    line = f"bench soak --env {env} --num-envs 3 --steps 90 --episode 7 --resets 0.1 --growth 2000 --json"
    assert cli.main([*line.split(), str(tmp_path / "soak.json")]) == 0
    (row,) = json.loads((tmp_path / "soak.json").read_text())["rows"]
    assert row["steps"] == 90 and row["episodes"] >= 12 and row["failed"] == 0 and row["mib_at_the_end"] > 0


def test_a_number_that_is_not_finite_is_named() -> None:
    fine = {"state": {"pose": np.zeros((2, 5))}, "final_obs": np.array([None, None], object), "seed": 3}
    need_finite(fine, 1)
    fine["final_info"] = {"state": {"health": np.array([20.0, np.nan])}}
    with pytest.raises(NumericalError, match=r"step 7: info\.final_info\.state\.health"):
        need_finite(fine, 7)


def test_rewards_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sick:
        num_envs = 1
        single_action_space = type("Space", (), {"n": 3})

        def reset(self, **_: Any) -> Any:
            return np.zeros((1, 2, 2, 3), np.uint8), {}

        def step(self, _: Any) -> Any:
            flags = np.zeros(1, bool)
            return np.zeros((1, 2, 2, 3), np.uint8), np.array([np.inf]), flags, flags, {}

    with pytest.raises(NumericalError, match="step 0"):
        soak(Sick(), SoakOptions(steps=10, num_envs=1))


@pytest.mark.parametrize(
    "line", ["--steps 3", "--env CartPole-v1", "--resets 2", "--growth -1", "--num-envs 0", "--world nowhere"]
)
def test_bad_options(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "soak", *line.split()]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_growth_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    grown = iter(range(100, 10_000, 50))
    monkeypatch.setattr("worldsim.bench.soak.resident", lambda: float(next(grown)))
    assert cli.main(["bench", "soak", "--num-envs", "2", "--steps", "20"]) == 9
    assert "memory grew" in capsys.readouterr().err
