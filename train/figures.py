"""Figures and pictures of a world for its card:

    python -m worldsim.train.figures --world runs/mine --worlds 16 --frames 200 --steps 1 2 --out runs/figures

Dreams along recorded play in worlds that training never sees, from 8 frames of it on, with the game's
actions and the model's own idea of where they lead. Writes `figures.json` and one strip for each number
of sampler steps: odd rows the game, even rows the dream.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from worldsim.sim.simulator import SimulatorConfig
from worldsim.sim.world import World, load_world

from . import preview

HORIZONS = (1, 4, 8, 16, 32, 64, 128, 200)


def main() -> None:
    """Parse the command line, measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--world", default="voxel", help="a shipped world's name or a folder")
    parser.add_argument("--worlds", type=int, default=16, help="game worlds to dream along")
    parser.add_argument("--frames", type=int, default=200, help="frames to dream, at most 400")
    parser.add_argument("--steps", type=int, nargs="+", default=[2], help="sampler steps a frame")
    parser.add_argument("--plain", action="store_true", help="without the world's exemplars")
    parser.add_argument("--out", type=Path, default=Path("runs/figures"))
    options = parser.parse_args()
    world = load_world(options.world)
    twin = record(world, options.worlds, options.frames)
    results: dict[str, Any] = {"world": world.hash, "worlds": options.worlds, "machine": platform.processor()}
    for steps in options.steps:
        began = time.monotonic()
        values, dreamt = measure(world, twin, SimulatorConfig(steps=steps, imagine=not options.plain))
        shown = [h for h in HORIZONS if h <= options.frames]
        preview.strip(dreamt, twin, options.out / f"strip-{steps}.png", 8, horizons=shown)
        results[f"steps_{steps}"] = {**values, "seconds": round(time.monotonic() - began, 1)}
        print(f"{steps} steps:", json.dumps(results[f"steps_{steps}"], indent=1), flush=True)
    (options.out / "figures.json").write_text(json.dumps(results, indent=1) + "\n")


def record(world: World, worlds: int, frames: int) -> preview.Twin:
    """What the game does in the first evaluation worlds under the explorer."""
    d = world.model.config.denoiser
    return preview.record_twin(
        "worldsim/Voxel-v0",
        "explorer",
        worlds=worlds,
        frames=preview.CONTEXT + frames,
        width=d.width,
        height=d.height,
    )


def measure(world: World, twin: preview.Twin, config: SimulatorConfig) -> tuple[dict[str, float], Tensor]:
    """Figures at growing horizons, and what actions of another world would have cost."""
    dreamt, drift = preview.dream(world.model, twin, config, exemplars=world.exemplars)
    values = preview.figures(dreamt, twin, drift, HORIZONS)
    real = torch.from_numpy(twin.clips.frames)
    short = preview.CONTEXT + 16
    other = replace(twin.clips, actions=twin.clips.actions[[*range(1, len(real)), 0]])
    cut = {k: v[:, :short] for k, v in vars(other).items() if k != "captions" and v is not None}
    shuffled = preview.Twin(replace(other, **cut))
    wrong, _ = preview.dream(world.model, shuffled, config, exemplars=world.exemplars)
    for horizon in (1, 16):
        t = preview.CONTEXT + horizon - 1
        values[f"shuffled_{horizon}"] = preview.psnr(wrong[:, t], real[:, t])
    for horizon in (h for h in HORIZONS if preview.CONTEXT + h <= real.shape[1]):
        t = preview.CONTEXT + horizon - 1
        levels = dreamt[:, t].float().mean((1, 2, 3)) - real[:, t].float().mean((1, 2, 3))
        values[f"level_{horizon}"] = float(levels.abs().median())
    return {k: round(v, 3) for k, v in values.items()}, dreamt


if __name__ == "__main__":
    main()
