"""What runs the denoiser: the same numbers whatever it is, a fall-back when it isn't, one line when it can't."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from model_fakes import tiny_clips, tiny_model

from worldsim.errors import ConfigError, MissingDependency
from worldsim.play.threads import FIRST, TRIAL, Governor
from worldsim.sim import compiled, exported, network, quantised
from worldsim.sim.graphs import flat_context, to_context
from worldsim.sim.network import Eager, check, open_network, probe
from worldsim.sim.precision import choose_precision
from worldsim.sim.seeds import Seeds
from worldsim.sim.simulator import Simulator, SimulatorConfig

CALM = 0.03


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_a_context_survives_being_laid_flat() -> None:
    model = tiny_model()
    inputs, _ = probe(model)
    context = model.denoiser.context(inputs)
    flat = flat_context(context)
    assert all(a is b for a, b in zip(flat_context(to_context(flat, inputs)), flat))


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_exported_graphs_draw_what_eager_draws(backend: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime" if backend == "onnx" else "openvino")
    model, clips = tiny_model(), tiny_clips()
    frames = torch.from_numpy(clips.frames[0, :3])
    worlds = []
    for name in ("eager", backend):
        simulator = Simulator(model, SimulatorConfig(precision="float32", backend=name, steps=2))
        assert simulator.network.name == name
        world = simulator.begin(frames, seed=4)
        # One tick: noise for a past makes last bits grow from tick to tick.
        worlds.append(simulator.step([world], torch.zeros(1, 25))[0])
        assert len(simulator.step([world, world], torch.zeros(2, 25))) == 2  # a batch: eagerly
    off = (worlds[0].newest.frame.int() - worlds[1].newest.frame.int()).abs()
    assert int(off.max()) <= 1
    kept = sorted((tmp_path / "worldsim" / "backends").glob("*.onnx"))
    assert len(kept) == 2
    before = [path.stat().st_mtime_ns for path in kept]
    open_network(model, backend, calm=CALM, dtype=torch.float32)  # type: ignore[arg-type]
    assert [path.stat().st_mtime_ns for path in kept] == before
    kept[0].write_bytes(b"damaged")
    assert open_network(model, backend, calm=CALM, dtype=torch.float32).name == "eager"  # type: ignore[arg-type]


def test_eight_bits_stay_near_eager_or_are_not_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    model, clips = tiny_model(), tiny_clips(2, 3)
    assert clips.depth is not None and clips.pose is not None
    captions, daytime = np.array(clips.captions), np.full(len(clips.frames), 0.5, np.float32)
    seeds = Seeds(clips.frames, clips.depth, clips.pose, clips.actions[:, 1:], captions, daytime)
    config = SimulatorConfig(precision="float32", backend="int8")
    monkeypatch.setattr(quantised, "GREY", 4.0)  # weights by chance are rougher than trained ones
    small = Simulator(model, config, seeds).network
    assert isinstance(small, quantised.Quantised) and 0 < small.off <= quantised.GREY
    monkeypatch.setattr(quantised, "GREY", small.off / 2)
    assert Simulator(model, config, seeds).network.name == "eager"
    assert "backend int8: differs from eager by" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="no seed frames"):
        Simulator(model, config)


def test_a_backend_that_differs_is_not_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Wrong(Eager):
        name = "onnx"

        def denoise(self, x, *rest):  # type: ignore[no-untyped-def]
            return super().denoise(x + 0.5, *rest)

    model = tiny_model()
    monkeypatch.setattr(network, "_make", lambda *_: Wrong(model.denoiser))
    assert open_network(model, "onnx", calm=CALM, dtype=torch.float32).name == "eager"
    said = capsys.readouterr().err.splitlines()
    assert (
        len(said) == 1 and "backend onnx: differs from eager" in said[0] and "eager torch is used" in said[0]
    )


def test_whatever_a_runtime_raises_leaves_a_world_that_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such operator\nmore lines")

    monkeypatch.setattr(network, "_make", fail)
    assert open_network(tiny_model(), "openvino", calm=CALM, dtype=torch.float32).name == "eager"
    assert capsys.readouterr().err == "worldsim: backend openvino: no such operator; eager torch is used\n"


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    monkeypatch.setattr(exported, "_missing", lambda name: ["onnxruntime"])
    with pytest.raises(MissingDependency, match=r"onnxruntime not installed; run  pip install"):
        open_network(model, "onnx", calm=CALM, dtype=torch.float32)
    monkeypatch.setattr(compiled.shutil, "which", lambda name: None)
    with pytest.raises(MissingDependency, match="needs a C"):
        open_network(model, "compiled", calm=CALM, dtype=torch.float32)
    with pytest.raises(ConfigError, match=r"backend: got 'tpu', expected auto, eager"):
        open_network(model, "tpu", calm=CALM, dtype=torch.float32)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="float32 on a CPU only"):
        open_network(model, "onnx", calm=CALM, dtype=torch.bfloat16)
    assert open_network(model, "auto", calm=CALM, dtype=torch.bfloat16).name == "eager"


def test_auto_measures_once_and_takes_the_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    model, measured = tiny_model(), []

    class Fast(Eager):
        name = "onnx"

    def times(networks, *_):  # type: ignore[no-untyped-def]
        measured.append(sorted(networks))
        return {"eager": 10.0, "onnx": 5.0}

    monkeypatch.setattr(exported, "installed", lambda: ["onnx"])
    monkeypatch.setattr(network, "_make", lambda *_: Fast(model.denoiser))
    monkeypatch.setattr(network, "measure", times)
    for _ in range(2):
        assert open_network(model, "auto", calm=CALM, dtype=torch.float32).name == "onnx"
    assert measured == [["eager", "onnx"]]
    monkeypatch.setattr(exported, "installed", list)
    assert open_network(model, "auto", calm=CALM, dtype=torch.float32).name == "eager"


@pytest.mark.skipif(not shutil.which("g++"), reason="no compiler")
def test_compiled_draws_what_eager_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced, but not built: that takes a minute and more."""
    compile_ = torch.compile
    monkeypatch.setattr(compiled.torch, "compile", lambda f, **_: compile_(f, backend="aot_eager"))
    model = tiny_model().requires_grad_(False)
    run = open_network(model, "compiled", calm=CALM, dtype=torch.float32)
    assert run.name == "compiled"
    assert check(run, Eager(model.denoiser), model, CALM) < 1e-3


def live(governor: Governor, ticks: int, cost: dict[int, float], chosen: list[int]) -> None:
    for _ in range(ticks):
        governor.took(cost[chosen[-1]])


def test_threads_follow_the_load() -> None:
    chosen: list[int] = []
    governor = Governor([2, 1], chosen.append)
    quiet, busy = {2: 0.03, 1: 0.05}, {2: 0.14, 1: 0.055}
    live(governor, 10 * FIRST, quiet, chosen)
    assert governor.threads == 2 and 1 in chosen  # tried and left
    live(governor, FIRST, busy, chosen)
    assert governor.threads == 1  # long before the next trial was due
    live(governor, 12 * FIRST, quiet, chosen)
    assert governor.threads == 2
    before = len(chosen)
    live(governor, 2000, quiet, chosen)
    assert len(chosen) - before < 12 and TRIAL < FIRST  # trials become rare


def test_a_fixed_number_of_threads_stays() -> None:
    chosen: list[int] = []
    governor = Governor([3], chosen.append)
    live(governor, 200, {3: 0.2}, chosen)
    assert chosen == [3]


def test_a_processor_that_is_fast_in_bfloat16_still_takes_the_backends_that_are_faster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    cpu = torch.device("cpu")
    assert choose_precision("auto", cpu) == torch.bfloat16
    assert {choose_precision("auto", cpu, name) for name in network.BACKENDS if name != "eager"} == {
        torch.float32
    }
    assert choose_precision("bfloat16", cpu, "onnx") == torch.bfloat16
    assert choose_precision("auto", torch.device("cuda"), "cudagraph") == torch.bfloat16
