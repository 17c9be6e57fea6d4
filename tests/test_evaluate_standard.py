"""LPIPS, FID and FVD behind their extra: here with stand-ins, for neither packages nor weights are at hand."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from worldsim.errors import MissingDependency
from worldsim.evaluate import standard
from worldsim.evaluate.fakes import Frozen, Oracle
from worldsim.evaluate.rollout import roll
from worldsim.evaluate.suite import Count, Suite
from worldsim.evaluate.twin import explored, play

SIZE = (48, 64)


def stand_ins() -> standard.Backbones:
    """Each takes what the real ones take and is 0 for equal input."""

    def each(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        assert a.dtype == b.dtype == np.uint8 and a.shape == b.shape and a.shape[1:] == (*SIZE, 3)
        return np.abs(a.astype(float) - b).mean((1, 2, 3))

    def clips(a: np.ndarray, b: np.ndarray) -> float:
        assert a.shape == b.shape and a.shape[1:] == (standard.CLIP, *SIZE, 3)
        return float(np.abs(a.astype(float) - b).mean())

    return standard.Backbones(each, lambda a, b: float(each(a, b).mean()), clips)


def test_all_three_at_the_horizons_that_are_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standard, "load", stand_ins)
    twins = [play(explored(i, "explorer", 17, context=4), height=SIZE[0], width=SIZE[1]) for i in range(2)]
    good, bad = (standard.measure(roll(fake, twins), None) for fake in (Oracle(SIZE), Frozen(SIZE)))
    assert [f.name for f in good.figures] == ["lpips_1", "lpips_16", "fid_16", "fvd_16"]
    assert all(f.value == 0 for f in good.figures)
    assert all(f.value > 0 for f in bad.figures[1:]) and len(bad.figures[1].episodes) == 2


@pytest.mark.skipif(all(find_spec(name) for name in standard.PACKAGES), reason="the extra is installed")
def test_without_the_extra_one_line_names_it() -> None:
    with pytest.raises(MissingDependency, match=r'pip install "worldsim\[metrics\]"') as caught:
        standard.scenarios(Suite("test", {"play": Count(1, 2)}))
    assert "\n" not in str(caught.value)
    assert not any(name in sys.modules for name in standard.PACKAGES)


def test_weights_that_cannot_be_fetched_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __init__(self, *args: object, **kwargs: object) -> None:
            raise OSError("no route to host")

    image = type(sys)("torchmetrics.image")
    lpip, fid, cdfvd = (type(sys)(name) for name in ("lpip", "fid", "cdfvd"))
    lpip.LearnedPerceptualImagePatchSimilarity = fid.FrechetInceptionDistance = Broken
    cdfvd.fvd = Broken
    fakes = {
        "torchmetrics": type(sys)("torchmetrics"), "torchmetrics.image": image, "cdfvd": cdfvd,
        "torchmetrics.image.lpip": lpip, "torchmetrics.image.fid": fid,
    }  # fmt: skip
    monkeypatch.setattr(standard, "check", lambda: None)
    for name, module in fakes.items():
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(MissingDependency, match="weights can't be fetched"):
        standard.load()
