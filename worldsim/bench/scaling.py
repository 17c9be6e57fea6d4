"""`worldsim bench scaling`: what a frame costs as the world grows: references, frame size, parameters, batch."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

from worldsim.bench.ceilings import ceilings, count_flops
from worldsim.bench.engine import parse_size
from worldsim.bench.report import Report, Row, at_least, machine

LARGE = ("640x352", 704, 8)
"""Frame size, channels and pixels a cell of the world of the estimate: about 500 million parameters."""
H100_TFLOP_S = 989.0
"""Dense bfloat16 rate that the maker states for an H100 SXM."""


@dataclasses.dataclass(frozen=True)
class ScalingOptions:
    """Time the network of worlds with random weights, one property changed at a time, eagerly, one step a frame.

    `slope` is that of the logarithm of the time against the logarithm of the property: 1 is proportional. The last
    row is an estimate by operations and a utilisation, not a measurement.
    """

    references: tuple[int, ...] = (2, 4, 8)
    """Numbers of reference frames."""
    sizes: tuple[str, ...] = ("96x48", "160x96", "320x192")
    """Frame sizes, width x height, multiples of 16."""
    channels: tuple[int, ...] = (48, 96, 192)
    """Widths of the outermost level."""
    batch: tuple[int, ...] = (1, 4, 16)
    """Worlds drawn at once."""
    frames: int = 5
    """Frames each; the figures are medians over them."""
    utilisation: float = 0.3
    """Share of its stated rate that the H100 of the estimate reaches."""
    device: str = "cpu"
    """Device of the measurement."""
    json: str | None = None
    """File to write all figures to; `-` prints them as JSON."""

    def __post_init__(self) -> None:
        for name in ("references", "channels", "batch"):
            for value in getattr(self, name):
                at_least(name, value, 1)
        at_least("frames", self.frames, 1)
        at_least("utilisation", self.utilisation, 1e-6)
        for size in self.sizes:
            parse_size(size)


def run(options: ScalingOptions) -> None:
    """Measure and publish."""
    facts, top = machine(), ceilings(options.device)
    rows = [*_rows(options, top["matrix_gflop_s"]), estimate(options.utilisation)]
    Report("scaling", {**dataclasses.asdict(options), **top}, rows, facts).publish(options.json)


def slope(values: list[float], times: list[float]) -> float:
    """Least squares of log(time) on log(value)."""
    x, y = [math.log(v) for v in values], [math.log(t) for t in times]
    mx, my = sum(x) / len(x), sum(y) / len(y)
    spread = sum((a - mx) ** 2 for a in x)
    return sum((a - mx) * (b - my) for a, b in zip(x, y)) / spread if spread else math.nan


def estimate(utilisation: float) -> Row:
    """What a frame of a world of 500 million parameters costs on an H100, by its operations."""
    size, channels, factor = LARGE
    width, height = parse_size(size)
    row = _counted(width, height, channels, references=4, factor=factor)
    ms = row["gflop"] / (utilisation * H100_TFLOP_S)
    return {
        "axis": "estimate, H100", "value": f"{size} at {utilisation:.0%}", **row, "ms_p50": ms,
        "frames_per_s": 1e3 / ms,
    }  # fmt: skip


def _rows(options: ScalingOptions, matrix_gflop_s: float) -> Iterator[Row]:
    from worldsim.sim.network import Eager, draw, probe

    for axis, changes in _axes(options).items():
        found: list[tuple[float, Row]] = []
        for value, change in changes:
            model, batch = _model(options.device, **change)
            inputs, noise = probe(model, batch)
            eager: Any = Eager(model.denoiser)
            spent = []
            for _ in range(options.frames + 1):
                begin = time.perf_counter()
                draw(eager, inputs, noise, 0.03)
                spent.append((time.perf_counter() - begin) * 1e3)
            gflop = count_flops(lambda e=eager, i=inputs, n=noise: draw(e, i, n, 0.03)) / 1e9  # type: ignore[misc]
            ms = median(spent[1:])
            row = {**_facts(model), "gflop": gflop, "ms_p50": ms, "frames_per_s": batch * 1e3 / ms}
            row["of_matrix_pct"] = 100 * gflop / ms * 1e3 / matrix_gflop_s
            found.append((value, row))
        fitted = slope([v for v, _ in found], [row["ms_p50"] for _, row in found])
        for number, (value, row) in enumerate(found):
            last = {"slope": fitted} if number == len(found) - 1 else {}
            yield {"axis": axis, "value": value, **row, **last}


def _axes(options: ScalingOptions) -> dict[str, list[tuple[float, Row]]]:
    sizes = [parse_size(size) for size in options.sizes]
    return {
        "references": [(n, {"references": n}) for n in options.references],
        "pixels": [(w * h, {"width": w, "height": h}) for w, h in sizes],
        "channels": [(n, {"channels": n}) for n in options.channels],
        "batch": [(n, {"batch": n}) for n in options.batch],
    }


def _model(device: str, *, batch: int = 1, **sizes: int) -> tuple[Any, int]:
    return random_model(device, **sizes), batch


def random_model(
    device: str, width: int = 160, height: int = 96, channels: int = 96, references: int = 4, factor: int = 4
) -> Any:
    """A `WorldModel` with random weights and nothing but what draws frames."""
    import torch

    from worldsim.model.denoiser import DenoiserConfig
    from worldsim.model.tokenizer import TokenizerConfig
    from worldsim.model.world_model import WorldModel, WorldModelConfig

    denoiser = DenoiserConfig(
        width=width, height=height, channels=channels, references=references,
        tokenizer=TokenizerConfig(factor=factor),
    )  # fmt: skip
    torch.manual_seed(0)
    with torch.device(device):
        return WorldModel(WorldModelConfig(denoiser)).eval().requires_grad_(False)


def _facts(model: Any) -> Row:
    count = sum(p.numel() for p in model.denoiser.parameters())
    pixels = model.config.denoiser.width * model.config.denoiser.height
    # A remembered frame: colours, half-precision depth, a quarter of a byte of grounding a pixel.
    return {
        "parameters_m": count / 1e6, "weights_mib": count * 4 / 2**20,
        "memory_of_128_frames_mib": 128 * 5.25 * pixels / 2**20,
    }  # fmt: skip


def _counted(width: int, height: int, channels: int, *, references: int, factor: int) -> Row:
    """Parameters and operations by shapes alone: nothing is allocated."""
    model = random_model("meta", width, height, channels, references, factor)
    return {**_facts(model), "gflop": frame_gflop(model)}


def frame_gflop(model: Any) -> float:
    """Operations of the network's products in a frame of one world, by a model without data ("meta")."""
    from worldsim.sim.network import Eager, draw, probe

    inputs, noise = probe(model)
    eager = Eager(model.denoiser)
    return count_flops(lambda: draw(eager, inputs, noise, 0.03)) / 1e9
