"""What a step of the simulator asks of the machine: milliseconds by stage, and how often each operation is called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from worldsim.bench.gpu_subject import WARM, actions
from worldsim.bench.report import Row, write_whole
from worldsim.bench.stages import STAGES, Clock, around_simulator
from worldsim.sim.network import wait_for
from worldsim.sim.simulator import Simulator
from worldsim.sim.state import WorldState

STEPS = 3
LINES = 60


def operations(simulator: Simulator, begun: list[WorldState], batch: int, path: Path) -> None:
    """Write how often and how long each operation ran in `STEPS` steps, by calls and by time on the device."""
    from torch.profiler import ProfilerActivity, profile

    step = _stepper(simulator, begun, batch)
    on_gpu = simulator.device.type == "cuda"
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as profiled:
        for _ in range(STEPS):
            step()
        wait_for(simulator.device)
    rows = [
        (e.key, e.count / STEPS, e.self_cpu_time_total / STEPS / 1e3, _on_device(e) / STEPS / 1e3)
        for e in profiled.key_averages()
    ]
    parts = [f"{STEPS} steps of {batch} worlds, figures of one; network: {simulator.network.name}\n"]
    for title, place in (("calls", 1), ("ms on the processor", 2), ("ms on the device", 3)):
        parts.append(f"\nby {title}\n{'calls':>9} {'cpu ms':>9} {'device ms':>9}  operation")
        for name, calls, cpu, device in sorted(rows, key=lambda row: -row[place])[:LINES]:
            parts.append(f"{calls:9.1f} {cpu:9.3f} {device:9.3f}  {name}")
    write_whole(path, "\n".join(parts) + "\n")


def stages(simulator: Simulator, begun: list[WorldState], batch: int, count: int = 20) -> Row:
    """Median milliseconds of each stage of a step, each waited for: together more than a step takes."""
    clock = Clock(lambda: wait_for(simulator.device))
    around_simulator(clock, simulator)
    step = _stepper(simulator, begun, batch)
    clock.take()
    taken = []
    for _ in range(count):
        step()
        taken.append(clock.take())
    found = {name: median(row[name] for row in taken) for name in STAGES}
    return {name: ms for name, ms in found.items() if ms > 0}


def _stepper(simulator: Simulator, begun: list[WorldState], batch: int) -> Callable[[], None]:
    worlds = [begun[i % len(begun)].fork(i) for i in range(batch)]
    tick = 0

    def step() -> None:
        nonlocal worlds, tick
        worlds, tick = simulator.step(worlds, actions(tick, batch)), tick + 1

    for _ in range(WARM):
        step()
    wait_for(simulator.device)
    return step


def _on_device(event: Any) -> float:
    """Microseconds; the name of it changed in torch 2.6."""
    return float(getattr(event, "self_device_time_total", getattr(event, "self_cuda_time_total", 0.0)))
