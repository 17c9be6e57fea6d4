"""CUDA graphs without a GPU: everything about them but the capture itself, which a stand-in does by running again."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from model_fakes import LATENT, TINY, tiny_clips, tiny_model
from torch import Tensor

from worldsim.errors import ConfigError, NumericalError
from worldsim.model.denoiser import Context, Inputs, Prediction
from worldsim.sim import compiled, cuda_capture, graphed, network
from worldsim.sim.graphed import Graphed
from worldsim.sim.graphed_eyes import GraphedEyes
from worldsim.sim.graphs import INPUT_NAMES, flat_context, flat_prediction, to_prediction
from worldsim.sim.kept import KEPT, PATIENCE
from worldsim.sim.network import Eager, draw, open_network, probe
from worldsim.sim.precision import autocast
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.tolerance import ROUGH_TOLERANCE, TOLERANCE, deviation, hold

CALM = 0.03


class Again:
    """A capture that runs nothing, as CUDA's does, and whose replay runs the work and fills the same memory."""

    def __init__(self, *_: Any) -> None:
        self.captures, self.replays = 0, 0

    def pool(self) -> object:
        return object()

    def capture(self, work: Callable[[], list[Tensor]], pool: Any) -> tuple[list[Tensor], Callable[[], None]]:
        self.captures += 1
        out = [torch.full_like(t, 1 if t.dtype == torch.bool else torch.nan) for t in work()]

        def replay() -> None:
            self.replays += 1
            for place, tensor in zip(out, work()):
                place.copy_(tensor)

        return out, replay


class Failing(Again):
    """Captures batches up to some size."""

    def __init__(self, largest: int) -> None:
        super().__init__()
        self.largest = largest

    def capture(self, work: Callable[[], list[Tensor]], pool: Any) -> tuple[list[Tensor], Callable[[], None]]:
        if len(work()[0]) > self.largest:
            raise RuntimeError("CUDA out of memory\nof some kind")
        return super().capture(work, pool)


def inputs_of(model: Any, batch: int, seed: int) -> tuple[Inputs, Tensor]:
    """A frame's inputs that differ with the seed."""
    inputs, noise = probe(model, batch)
    shift = torch.Generator().manual_seed(seed)
    moved = {
        name: t + torch.rand(t.shape, generator=shift) * 0.1 for name, t in vars(inputs).items()
        if name in ("warped", "newest", "references", "motion", "actions")
    }  # fmt: skip
    return dataclasses.replace(inputs, **moved), noise + 0.1 * seed


def same(a: Prediction, b: Prediction) -> bool:
    return all(torch.equal(x, y) for x, y in zip(flat_prediction(a), flat_prediction(b), strict=True))


def opened(dtype: torch.dtype = torch.float32, capture: Any = None) -> tuple[Any, Eager, Graphed]:
    model = tiny_model().requires_grad_(False)
    eager = Eager(model.denoiser)
    return model, eager, Graphed(model.denoiser, eager, capture or Again(), dtype)


def test_a_prediction_survives_being_laid_flat() -> None:
    model, eager, _ = opened()
    prediction = draw(eager, *probe(model), CALM)
    flat = flat_prediction(prediction)
    assert all(a is b for a, b in zip(flat_prediction(to_prediction(flat)), flat))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_each_frame_is_what_eager_draws_and_stays_it(dtype: torch.dtype) -> None:
    model, eager, graphs = opened(dtype)
    drawn: list[tuple[Prediction, Prediction]] = []
    for seed, batch in enumerate([1, 1, 3, 1, 3, 2]):
        inputs, noise = inputs_of(model, batch, seed)
        drawn.append(tuple(draw(n, inputs, noise, CALM, dtype) for n in (graphs, eager)))  # type: ignore[arg-type]
        assert same(*drawn[-1])
    assert all(same(*pair) for pair in drawn)  # none was overwritten by a later one
    assert not same(drawn[0][0], drawn[1][0])
    assert graphs.off == 0 and graphs._capture.captures == 2 * 3  # type: ignore[attr-defined]
    assert graphs.captured(3) and not graphs.captured(4)


def test_steps_and_contexts_may_be_mixed() -> None:
    """Two frames of one size under way at once, several steps each, other thresholds."""
    model, eager, graphs = opened()
    frames = [inputs_of(model, 2, seed) for seed in (1, 2)]
    contexts = [(graphs.context(i), eager.context(i)) for i, _ in frames]
    assert all(torch.equal(a, b) for pair in contexts for a, b in zip(*map(flat_context, pair)))
    for level, calm in ((1.0, CALM), (0.5, CALM), (0.5, 0.0)):
        for (_, noise), (ours, theirs) in zip(frames, contexts):
            for _ in range(2):
                given = noise, torch.full((2,), level), torch.full((2,), level / 2)
                assert same(graphs.denoise(*given, ours, calm), eager.denoise(*given, theirs, calm))
    # A context that eager made will do, too.
    given = frames[0][1], torch.ones(2), torch.zeros(2)
    assert same(graphs.denoise(*given, contexts[0][1], CALM), eager.denoise(*given, contexts[0][1], CALM))


@pytest.mark.parametrize("config", [TINY, LATENT], ids=["pixels", "learned latents"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_world_dreams_the_same(config: Any, precision: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """With the view, the network's inputs, the context and the step replayed; in batches of two and of one."""
    model, clips = tiny_model(config), tiny_clips()
    simulator = Simulator(model, SimulatorConfig(precision=precision, steps=2))
    begun = [
        simulator.begin(torch.from_numpy(frames[:3]), seed=i, depth=torch.ones(3, 48, 64))
        for i, frames in enumerate(clips.frames)
    ]
    dreams = []
    capture = Again()
    for _ in range(2):
        worlds = begun
        for tick in range(3):
            worlds = simulator.step(worlds, torch.from_numpy(clips.actions[:, tick]))
            (again,) = simulator.step(worlds[:1], torch.from_numpy(clips.actions[:1, tick]))
        dreams.append([*worlds, again])
        simulator.network = Graphed(model.denoiser, Eager(model.denoiser), capture, simulator.dtype)
        simulator.eyes = GraphedEyes(model, capture, simulator.dtype)
    for a, b in zip(*dreams):
        assert not a.failed and torch.equal(a.newest.frame, b.newest.frame)
        assert torch.equal(a.newest.depth, b.newest.depth) and a.uncertainty == b.uncertainty
    assert capture.captures == 2 * 4 and capture.replays == 6 * 5 and not capsys.readouterr().err


def test_a_view_that_cannot_be_captured_is_seen_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    model, clips = tiny_model(), tiny_clips()
    simulator = Simulator(model, SimulatorConfig(precision="float32"))
    world = simulator.begin(torch.from_numpy(clips.frames[0, :1]), seed=0, depth=torch.ones(1, 48, 64))
    plain = simulator.step([world], torch.zeros(1, 25))[0]
    simulator.eyes = GraphedEyes(model, Wrong(), torch.float32)
    for _ in range(2):
        assert torch.equal(simulator.step([world], torch.zeros(1, 25))[0].newest.frame, plain.newest.frame)
    said = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in said] == [
        "backend cudagraph, view of batch 1",
        "backend cudagraph, inputs of batch 1",
    ]


def test_learned_latents_in_bfloat16_have_graphs_of_their_own() -> None:
    model = tiny_model(LATENT).requires_grad_(False)
    eager = Eager(model.denoiser)
    graphs = Graphed(model.denoiser, eager, Again(), torch.bfloat16)
    inputs, noise = probe(model)
    rough = dataclasses.replace(
        inputs, **{n: getattr(inputs, n).bfloat16() for n in ("warped", "newest", "references", "held")}
    )
    for given in (inputs, rough, inputs):
        pair = [draw(n, given, noise, CALM, torch.bfloat16) for n in (graphs, eager)]
        assert same(*pair)
    assert graphs._capture.captures == 4  # type: ignore[attr-defined]


def test_a_few_sizes_are_kept_and_others_wait_their_turn() -> None:
    model, _, graphs = opened()
    capture: Any = graphs._capture

    def drawn(batch: int) -> None:
        graphs.context(probe(model, batch)[0])

    for batch in range(1, KEPT + 1):
        drawn(batch)
    drawn(1)
    before = capture.captures
    for _ in range(PATIENCE):
        drawn(9)
    assert capture.captures == before and not graphs.captured(9)
    drawn(9)
    assert graphs.captured(9) and graphs.captured(1) and not graphs.captured(2)


def test_weights_that_change_are_captured_again() -> None:
    model, eager, graphs = opened()
    inputs, noise = probe(model)
    draw(graphs, inputs, noise, CALM)
    with torch.no_grad():
        model.denoiser.enter[0][0].film.weight.mul_(2.0)
    assert same(draw(graphs, inputs, noise, CALM), draw(eager, inputs, noise, CALM))
    model.denoiser.out.weight.data = model.denoiser.out.weight.data * 2
    assert same(draw(graphs, inputs, noise, CALM), draw(eager, inputs, noise, CALM))
    assert graphs._capture.captures == 6  # type: ignore[attr-defined]


def test_a_size_that_cannot_be_captured_runs_eagerly_after_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model, eager, graphs = opened(capture=Failing(2))
    for batch in (1, 3, 3, 2):
        inputs, noise = probe(model, batch)
        assert same(draw(graphs, inputs, noise, CALM), draw(eager, inputs, noise, CALM))
    said = "worldsim: backend cudagraph, batch 3: CUDA out of memory; eager torch is used\n"
    assert capsys.readouterr().err == said
    assert graphs.captured(2) and not graphs.captured(3)


def test_a_step_that_cannot_be_captured_is_drawn_from_its_context(capsys: pytest.CaptureFixture[str]) -> None:
    model, eager, graphs = opened()
    inputs, noise = probe(model)
    context = graphs.context(inputs)
    graphs._capture.capture = None  # type: ignore[method-assign, assignment]
    found = graphs.denoise(noise, torch.ones(1), torch.zeros(1), context, CALM)
    assert same(found, draw(eager, inputs, noise, CALM))
    assert capsys.readouterr().err.count("\n") == 1 and not graphs.captured(1)


class Wrong(Again):
    """Replays what was captured with: the mistake that graphs invite."""

    def capture(self, work: Callable[[], list[Tensor]], pool: Any) -> tuple[list[Tensor], Callable[[], None]]:
        out, _ = super().capture(work, pool)
        return out, lambda: None


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Makes worlds look as if they were on a GPU, captured as told."""

    def pretend(capture: Any) -> None:
        monkeypatch.setattr(cuda_capture, "CudaCapture", capture)

    return pretend


def on_gpu(model: Any, backend: Any, dtype: torch.dtype = torch.bfloat16) -> Any:
    return network._on_gpu(model, backend, Eager(model.denoiser), CALM, dtype)


def test_a_wrong_result_is_refused(gpu: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gpu(Wrong)
    model = tiny_model().requires_grad_(False)
    for backend in ("auto", "cudagraph"):
        assert on_gpu(model, backend).name == "eager"
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1 and said[0].startswith("worldsim: backend cudagraph: differs from eager by")


def test_a_failing_capture_leaves_eager(gpu: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gpu(lambda device: Failing(0))
    assert on_gpu(tiny_model(), "cudagraph").name == "eager"
    assert capsys.readouterr().err == "worldsim: backend cudagraph: CUDA out of memory; eager torch is used\n"


@pytest.mark.parametrize(("graphs_ms", "chosen"), [(5.0, "cudagraph"), (9.9, "eager")])
def test_auto_takes_graphs_where_they_gain(
    gpu: Any, monkeypatch: pytest.MonkeyPatch, graphs_ms: float, chosen: str
) -> None:
    gpu(Again)
    seen: list[Any] = []

    def measured(networks: dict[str, Any], *rest: Any) -> dict[str, float]:
        seen.append((sorted(networks), rest[-1]))
        return {"eager": 10.0, "cudagraph": graphs_ms}

    monkeypatch.setattr(network, "measure", measured)
    assert on_gpu(tiny_model(), "auto").name == chosen
    assert seen == [(["cudagraph", "eager"], torch.bfloat16)]


def test_both_are_timed_in_the_precision_they_are_used_in(gpu: Any) -> None:
    gpu(Again)
    model = tiny_model().requires_grad_(False)
    networks = {"eager": Eager(model.denoiser), "cudagraph": on_gpu(model, "cudagraph")}
    times = network.measure(networks, model, CALM, torch.bfloat16)
    assert sorted(times) == ["cudagraph", "eager"] and all(ms > 0 for ms in times.values())


def test_what_runs_where_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = tiny_model()
    with pytest.raises(ConfigError, match="'cudagraph' runs on a CUDA device only; got cpu"):
        open_network(model, "cudagraph", calm=CALM, dtype=torch.float32)
    asked: list[str] = []
    monkeypatch.setattr(network, "_on_gpu", lambda model, backend, *_: asked.append(backend))
    model = SimpleNamespace(denoiser=model.denoiser, usable=SimpleNamespace(device=torch.device("cuda")))
    for backend in ("onnx", "int8", "openvino"):
        with pytest.raises(
            ConfigError, match=r"float32 on a CPU only; got cuda and bfloat16; use backend 'eager'"
        ):
            open_network(model, backend, calm=CALM, dtype=torch.bfloat16)  # type: ignore[arg-type]
    for backend in network.ON_GPU:
        open_network(model, backend, calm=CALM, dtype=torch.bfloat16)  # type: ignore[arg-type]
    assert asked == ["auto", "compiled", "cudagraph"]  # and eager needs no asking


@pytest.mark.skipif(not shutil.which("g++"), reason="no compiler")
def test_what_is_captured_may_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced, but not built; batches as on a GPU."""
    compile_ = torch.compile
    monkeypatch.setattr(compiled.torch, "compile", lambda f, **_: compile_(f, backend="aot_eager"))
    model = tiny_model().requires_grad_(False)
    eager = Eager(model.denoiser)
    inner = compiled.Compiled(model.denoiser, eager)
    inner.batched = True
    graphs = Graphed(model.denoiser, eager, Again(), torch.float32, inner)
    inputs, noise = probe(model, 2)
    off = deviation(
        flat_prediction(draw(graphs, inputs, noise, CALM)), flat_prediction(draw(eager, inputs, noise, CALM)),
        torch.float32,
    )  # fmt: skip
    assert off < 1e-3 and graphs.captured(2)


def test_what_bfloat16_may_differ_by_is_what_it_does() -> None:
    """Rounding in other places passes, stale memory and numbers that are none don't."""
    exact = torch.randn(4, 1000, generator=torch.Generator().manual_seed(0))
    rough = exact.bfloat16()
    assert hold([rough], [exact], torch.bfloat16) < ROUGH_TOLERANCE / 2
    assert hold([exact], [exact], torch.float32) == 0 < TOLERANCE
    for wrong in (exact.roll(1, 0), exact * torch.nan):
        for dtype in (torch.float32, torch.bfloat16):
            with pytest.raises(NumericalError, match="differs from eager"):
                hold([exact, wrong], [exact, exact], dtype)


def test_no_conversion_of_weights_is_kept_from_a_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(
        graphed, "autocast", lambda *a, cache=True: [asked.append(cache), autocast(*a, cache=cache)][1]
    )
    model, _, graphs = opened(torch.bfloat16)
    graphs.prove(*probe(model), CALM)
    # Captured, replayed, checked; for the context and for the step.
    assert asked == [False, False, True] * 2
    assert isinstance(graphs.context(probe(model)[0]), Context) and len(INPUT_NAMES) == 16
