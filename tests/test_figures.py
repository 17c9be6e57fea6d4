"""A card's figures: the oracle tops them, the frozen world is the copy baseline, and they run on any world."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from model_fakes import H, W, tiny_clips, tiny_model
from worldsim.train import preview
from worldsim.train.figures import measure

from worldsim.sim.simulator import SimulatorConfig
from worldsim.sim.world import World

FRAMES = 24


@pytest.fixture
def twin() -> preview.Twin:
    return preview.Twin(tiny_clips(2, preview.CONTEXT + FRAMES))


def test_the_oracle_and_the_frozen_world(twin: preview.Twin) -> None:
    real, still = torch.from_numpy(twin.clips.frames), torch.zeros(2, FRAMES)
    perfect = preview.figures(real, twin, still)
    assert perfect["psnr_16"] > 60 and perfect["detail_16"] == pytest.approx(1)
    last = real[:, preview.CONTEXT - 1 : preview.CONTEXT]
    frozen = preview.figures(last.expand_as(real), twin, still)
    assert frozen["psnr_16"] == pytest.approx(frozen["copy_16"]) and frozen["psnr_16"] < 20


def test_measures_a_world_and_draws_it(twin: preview.Twin, tmp_path: Path) -> None:
    world = World("tiny", "0" * 64, tiny_model(), None)
    values, dreamt = measure(world, twin, SimulatorConfig(steps=1, precision="float32"))
    assert dreamt.shape == (2, preview.CONTEXT + FRAMES, H, W, 3)
    assert {"psnr_1", "copy_16", "shuffled_1", "shuffled_16", "level_16"} <= values.keys()
    assert all(np.isfinite(v) for v in values.values())
    preview.strip(dreamt, twin, tmp_path / "s" / "strip.png", horizons=(1, 16))
    assert (tmp_path / "s" / "strip.png").read_bytes()[:4] == b"\x89PNG"
