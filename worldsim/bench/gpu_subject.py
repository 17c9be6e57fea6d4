"""What `bench.gpu` measures: a world, run in one of several ways, and how long its frames take."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import math
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from worldsim.actions import ACTION_SIZE, CAMERA, INDEX
from worldsim.bench.report import Row, quantiles
from worldsim.bench.scaling import frame_gflop
from worldsim.model import fused
from worldsim.model.world_model import WorldModel
from worldsim.sim.exemplars import Exemplars
from worldsim.sim.footage import seed_footage
from worldsim.sim.imagination import Imagination
from worldsim.sim.network import Eager, draw, probe, wait_for
from worldsim.sim.precision import Precision
from worldsim.sim.seeds import Seeds
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.state import WorldState
from worldsim.sim.world import lower_precision

MOMENTS = 8
"""Beginnings that worlds are forks of, at most."""
WARM, LEAST, MOST = 4, 3, 100
"""Frames before the measurement, and how many are measured at least and at most."""


@dataclasses.dataclass(frozen=True)
class Way:
    """How a world is run."""

    backend: Any = "eager"
    precision: Precision = "bfloat16"
    compile_inner: bool = False
    """Capture the compiled network instead of the eager one."""
    compile_warps: bool = False
    """Compile reprojection and filling, see `model.fused`."""
    cudnn_benchmark: bool = False
    """Let cuDNN try out its kernels."""


class Subject:
    """A world that is measured.

    Args:
        make: gives a model of its own on the device, with seeds and exemplars if it has any.
    """

    def __init__(
        self,
        name: str,
        device: torch.device,
        make: Callable[[], tuple[WorldModel, Seeds | None, Exemplars | None]],
    ) -> None:
        self.name, self.device, self._make = name, device, make
        self._kept: dict[str, tuple[WorldModel, Seeds | None]] = {}
        self._imagination: Imagination | None = None

    @cached_property
    def gflop(self) -> float:
        """Operations of a frame."""
        model, _ = next(iter(self._kept.values())) if self._kept else self._made("bfloat16")
        with torch.device("meta"):
            return frame_gflop(WorldModel(model.config).eval().requires_grad_(False))

    @contextlib.contextmanager
    def simulator(self, way: Way) -> Iterator[tuple[Simulator, list[WorldState], list[str]]]:
        """A simulator, worlds that have begun, and what was said on stderr while it was used."""
        model, seeds = self._made(way.precision)
        said = io.StringIO()
        before = torch.backends.cudnn.benchmark
        torch.backends.cudnn.benchmark = way.cudnn_benchmark
        fused.ask(way.compile_warps)
        if way.compile_inner or way.compile_warps or way.backend == "compiled":
            torch._dynamo.reset()  # it compiles one function for a few sizes only
        try:
            with contextlib.redirect_stderr(said):
                config = SimulatorConfig(precision=way.precision, backend=way.backend)
                simulator = Simulator(model, config)
                simulator.imagination = self._imagination
                if way.compile_inner:
                    _compile_inner(simulator)
                yield simulator, _begin(simulator, seeds), (lines := [])
        finally:
            torch.backends.cudnn.benchmark = before
            fused.ask(False)
        lines += said.getvalue().splitlines()

    def _made(self, precision: str) -> tuple[WorldModel, Seeds | None]:
        if precision not in self._kept:
            model, seeds, exemplars = self._make()
            lower_precision(model, getattr(torch, precision))
            self._kept[precision] = model, seeds
            if exemplars and self._imagination is None:  # takes seconds, and is the same for all
                self._imagination = Imagination(exemplars, model.usable)
        return self._kept[precision]


def steps(simulator: Simulator, begun: list[WorldState], batch: int, seconds: float) -> list[float]:
    """Milliseconds of each `Simulator.step` of a batch of worlds whose players walk, jump and look around."""
    worlds = [begun[i % len(begun)].fork(i) for i in range(batch)]
    ticks = iter(range(10**9))

    def step() -> None:
        nonlocal worlds
        worlds = simulator.step(worlds, actions(next(ticks), batch))

    taken = timed(step, simulator.device, seconds)
    if any(world.failed for world in worlds):
        raise ArithmeticError("the model's numbers are not finite")
    return taken


def networks(simulator: Simulator, batch: int, seconds: float) -> list[float]:
    """Milliseconds of each frame of the network alone: context and one step."""
    inputs, noise = probe(simulator.model)
    many = {
        name: t if name == "fixed" else t.repeat(batch, *[1] * (t.ndim - 1))
        for name, t in vars(inputs).items()
    }
    given = type(inputs)(**many), noise.repeat(batch, 1, 1, 1)
    calm, dtype = simulator.config.calm, simulator.dtype
    with torch.inference_mode():
        return timed(lambda: draw(simulator.network, *given, calm, dtype), simulator.device, seconds)


def timed(work: Callable[[], object], device: torch.device, seconds: float) -> list[float]:
    """Milliseconds of each call, waiting for the device after each, for about `seconds`."""
    for _ in range(WARM):
        work()
    wait_for(device)
    taken: list[float] = []
    while len(taken) < LEAST or (sum(taken) < 1e3 * seconds and len(taken) < MOST):
        begin = time.perf_counter()
        work()
        wait_for(device)
        taken.append((time.perf_counter() - begin) * 1e3)
    return taken


def figures(taken: list[float], batch: int) -> Row:
    """Median, p95, rate and count of frames that took so many milliseconds."""
    row = quantiles(taken, "ms")
    del row["ms_p99"]
    return {**row, "frames_per_s": batch * 1e3 / row["ms_p50"], "runs": len(taken)}


def actions(tick: int, batch: int) -> Tensor:
    """`[B, 25]`: forward and about, each world at another point of the same walk."""
    action = torch.zeros(batch, ACTION_SIZE)
    action[:, INDEX["forward"]] = 1.0
    at = tick + torch.arange(batch, dtype=torch.float32)
    action[:, INDEX["jump"]] = (at % 8 == 3).float()
    action[:, CAMERA] = torch.stack([3 * torch.sin(at / 3), 8 * torch.cos(at / 4)], 1)
    return action


def _begin(simulator: Simulator, seeds: Seeds | None) -> list[WorldState]:
    if seeds is not None:
        count = min(len(seeds), MOMENTS)
        return [simulator.begin(**vars(seed_footage(seeds, i)), seed=i) for i in range(count)]
    generator = torch.Generator().manual_seed(0)
    shape = (1, simulator.height, simulator.width)
    frames = torch.randint(0, 256, (*shape, 3), dtype=torch.uint8, generator=generator)
    depth = 2 + 20 * torch.rand(shape, generator=generator)
    return [simulator.begin(frames, seed=0, depth=depth, daytime=math.nan)]


def _compile_inner(simulator: Simulator) -> None:
    from worldsim.sim.compiled import Compiled
    from worldsim.sim.cuda_capture import CudaCapture
    from worldsim.sim.graphed import Graphed

    denoiser = simulator.model.denoiser
    eager = Eager(denoiser)
    graphed = Graphed(
        denoiser, eager, CudaCapture(simulator.device), simulator.dtype, Compiled(denoiser, eager)
    )
    graphed.prove(*probe(simulator.model), simulator.config.calm)
    simulator.network = graphed
