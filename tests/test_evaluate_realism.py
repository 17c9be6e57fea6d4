"""The Frechet distance as mathematics, and Voxel-FD on dreams whose faults are known."""

from __future__ import annotations

import functools
from math import isnan

import numpy as np
import pytest
import torch

from worldsim.evaluate import realism
from worldsim.evaluate.fakes import Amnesiac, ColourDrifter, Frozen, Oracle
from worldsim.evaluate.frechet import frechet, jackknife, moments, pooled
from worldsim.evaluate.probes.bundle import Probes
from worldsim.evaluate.probes.motion import HotbarNet
from worldsim.evaluate.probes.seg import SegNet
from worldsim.evaluate.rollout import roll
from worldsim.evaluate.suite import Count, Suite
from worldsim.evaluate.twin import Twin, play

SIZE = (48, 80)
SUITE = Suite("test", {"play": Count(4, 20), "drift_explorer": Count(1, 24)})


def probes() -> Probes:
    """Untrained: filters at random still tell patches apart, and the test needs no weights."""
    torch.manual_seed(0)
    return Probes(SegNet(), HotbarNet(), hash="0" * 64, accuracy={})


@functools.lru_cache(maxsize=1)
def twins() -> list[Twin]:
    return [play(s, height=SIZE[0], width=SIZE[1]) for s in realism.scenarios(SUITE)]


def test_distance_of_known_normals() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 3))
    x = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T, bias=True))).T  # exactly standard
    a = moments(x.astype(np.float64))
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)
    moved = moments(x + np.array([1.0, 2.0, 0.0]))
    assert frechet(a, moved) == pytest.approx(5.0)
    wider = moments(x * np.array([2.0, 1.0, 3.0]))  # sum of (s1 - s2)^2
    assert frechet(a, wider) == pytest.approx(5.0)
    assert frechet(wider, moved) == pytest.approx(frechet(moved, wider))


def test_distance_survives_fewer_vectors_than_dimensions() -> None:
    rng = np.random.default_rng(0)
    few, other = moments(rng.normal(size=(5, 40))), moments(rng.normal(size=(5, 40)))
    assert frechet(few, few) == pytest.approx(0, abs=1e-6) and frechet(few, other) > 0


def test_moments_add_up() -> None:
    x = np.random.default_rng(0).normal(size=(30, 4))
    whole, parts = moments(x), [moments(x[:10]), moments(x[10:])]
    assert np.allclose(pooled(parts).covariance, np.cov(x.T, bias=True))
    assert np.allclose((whole - parts[0]).mean, x[10:].mean(0))


def test_pseudo_values_average_to_the_corrected_distance() -> None:
    rng = np.random.default_rng(0)
    a = [moments(rng.normal(size=(50, 3))) for _ in range(6)]
    b = [moments(rng.normal(size=(50, 3))) for _ in range(6)]
    value, pseudo = jackknife(a, b)
    assert len(pseudo) == 6 and pseudo.mean() < value  # the plug-in distance of finite sets is too large
    assert jackknife(a[:1], b[:1])[1].size == 0


def test_window_ends_at_the_horizon() -> None:
    assert realism.window(4).tolist() == [3]
    assert realism.window(16).tolist() == [12, 13, 14, 15]
    times = realism.window(200)
    assert len(times) == realism.FRAMES and times[0] == 150 and times[-1] == 199


def test_blur_keeps_flat_pictures_and_softens_edges() -> None:
    frames = np.full((1, 12, 16, 3), 77, np.uint8)
    assert (realism.blurred(frames) == 77).all()
    frames[:, :, 8:] = 200
    soft = realism.blurred(frames)[0, 6, :, 0].astype(int)
    assert 77 < soft[7] < 138 < soft[8] < 200 and (np.diff(soft) >= 0).all()


def test_fakes_are_separated() -> None:
    found = {}
    for fake in (Oracle(SIZE), Frozen(SIZE), ColourDrifter(SIZE, rate=0.02), Amnesiac(SIZE, degrees=20.0)):
        section = realism.measure(roll(fake, twins()), probes())
        found[fake.name] = {f.name: f for f in section.figures}
    at = {name: figures["voxel_fd_16"] for name, figures in found.items()}
    assert at["oracle"].value == pytest.approx(0, abs=1e-6)
    assert at["frozen"].value == pytest.approx(found["oracle"]["voxel_fd_copy_16"].value, rel=0.5)
    for name in ("frozen", "colour drifter", "amnesiac"):
        assert at[name].value > 100 * max(at["oracle"].value, 1e-6), name
    assert found["oracle"]["voxel_fd_blurred_16"].value > 0
    assert found["oracle"]["voxel_fd_elsewhere_16"].value > 0
    # one dream a world: the long episode of the first world stands for its short one
    assert at["oracle"].count == 4 and len(at["oracle"].episodes) == 4


def test_without_probes_there_is_a_reason() -> None:
    (figure,) = realism.measure(roll(Oracle(SIZE), twins()[:1]), None).figures
    assert isnan(figure.value) and "probes" in figure.note
