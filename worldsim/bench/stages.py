"""Where the milliseconds of a played frame go: run by `worldsim bench play` in a process of its own.

    python -m worldsim.bench.stages TICKS PLAIN ARGUMENTS...

Plays `TICKS` ticks with the given arguments of `worldsim play`, draws each in a window (SDL's dummy driver will
do) and prints one line of JSON. PLAIN is 1 for the straightforward loop: torch operations one by one, no compiled
kernel for reprojection.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

STAGES = (
    "input",
    "motion",
    "references",
    "hands",
    "overlay",
    "context",
    "denoise",
    "decode",
    "bookkeeping",
    "draw",
)
"""Sampling of the action and the policy; where the action leads; retrieval, warps, imagination and fill; what is
broken and placed; hotbar and arm; what sampler steps share; the steps; latents to a frame with its signals; env,
history and view; the window."""
WARM = 10


class Clock:
    """Adds up the time that is spent in each stage and in none of those called from it."""

    def __init__(self, wait: Callable[[], None]) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._wait, self._inner = wait, [0.0]

    def around(self, owner: Any, name: str, stage: str) -> None:
        """Time the function `name` of a module or an object."""
        function = getattr(owner, name)

        def timed(*arguments: Any, **options: Any) -> Any:
            begin = time.perf_counter()
            self._inner.append(0.0)
            try:
                return function(*arguments, **options)
            finally:
                self._wait()
                taken = time.perf_counter() - begin
                self.spent[stage] += taken - self._inner.pop()
                self._inner[-1] += taken

        setattr(owner, name, timed)

    def take(self) -> dict[str, float]:
        """Milliseconds in each stage since the last call."""
        taken = {stage: self.spent[stage] * 1e3 for stage in STAGES}
        self.spent.clear()
        return taken


def play(ticks: int, plain: bool, options: Any) -> dict[str, Any]:
    """Live and draw `ticks` ticks; each stage's milliseconds a tick, and those from action to frame."""
    import pygame

    from worldsim.actions import noop
    from worldsim.play.headless import headless_options
    from worldsim.play.inputs import Inputs
    from worldsim.play.session import Session
    from worldsim.play.window import Window

    if plain:
        _plain_torch()
    options = headless_options(options)
    session = Session(options, auto_restart=True)
    window = Window(options, Inputs())
    simulator = getattr(session.world.env.unwrapped, "simulator", None)
    clock = _clock(session, window, simulator)
    rows, latencies = [], []
    for tick in range(WARM + ticks):
        begin = time.perf_counter()
        session.tick(noop)
        window._draw(session.view())
        pygame.display.flip()
        latency = (time.perf_counter() - begin) * 1e3
        row = clock.take()
        if tick >= WARM:
            row["bookkeeping"] += latency - sum(row.values())
            rows.append(row)
            latencies.append(latency)
    threads = getattr(session.world, "_governor", None)
    facts = _network_facts(simulator)
    session.close()
    window.close()
    return {"stages": rows, "latencies": latencies, "threads": threads and threads.threads, **facts}


def _clock(session: Any, window: Any, simulator: Any) -> Clock:
    import torch

    cuda = simulator is not None and simulator.device.type == "cuda"
    clock = Clock(torch.cuda.synchronize if cuda else lambda: None)
    clock.around(session.autopilot, "act", "input")
    clock.around(window, "_draw", "draw")
    if simulator is not None:
        around_simulator(clock, simulator)
    return clock


def around_simulator(clock: Clock, simulator: Any) -> None:
    """Time the stages of `Simulator.step`; what is left of it is nobody's."""
    for owner, name, stage in (
        (simulator.legs, "tread", "motion"), (simulator, "_look", "references"),
        (simulator, "_work", "hands"), (simulator, "_dress", "overlay"),
        (simulator.eyes, "inputs", "references"),
        (simulator.network, "context", "context"), (simulator.network, "denoise", "denoise"),
        (simulator, "_noise", "denoise"), (simulator, "_advance", "decode"),
    ):  # fmt: skip
        clock.around(owner, name, stage)


def _network_facts(simulator: Any) -> dict[str, Any]:
    """What runs the network, and how many operations a frame of it takes."""
    if simulator is None:
        return {"backend": "game", "flops": None}
    from worldsim.bench.ceilings import count_flops
    from worldsim.sim.network import Eager, draw, probe

    inputs, noise = probe(simulator.model)
    flops = None
    if simulator.device.type == "cpu":
        eager = Eager(simulator.model.denoiser)
        flops = count_flops(lambda: draw(eager, inputs, noise, simulator.config.calm, simulator.dtype))
    return {"backend": simulator.network.name, "flops": flops}


def _plain_torch() -> None:
    """The loop as one would first write it."""
    from worldsim.model import camera, composition, fill, grounding, references, retrieval, surroundings
    from worldsim.model.warp import warp_torch

    references.warp = grounding.warp = warp_torch  # type: ignore[attr-defined]
    fill._copy_compiled = fill.copy_torch
    for module in (camera, composition, fill, retrieval, surroundings):
        module.has_numbers = lambda _: False  # type: ignore[attr-defined]


def main(arguments: list[str]) -> int:
    """See the module's docstring."""
    from worldsim.cli import _share_the_processor
    from worldsim.commands.parse import parse
    from worldsim.play.options import PlayOptions

    _share_the_processor()
    options = parse(PlayOptions, arguments[2:], program="stages", summary="stages of a frame", examples=())
    print(json.dumps(play(int(arguments[0]), arguments[1] == "1", options)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
