"""Whether dreams, wherever they have got to, still look like the game:

    python -m worldsim.train.realism_exam --world voxel --worlds 16 --frames 200 --out runs/realism

Dreams go on from 8 recorded frames of as many game worlds, under the explorer's actions, with the world's exemplars and
without. Their frames are held against the game's frames of other worlds by Voxel-FD (`evaluate.realism`), which doesn't
ask whether the right place is shown. Writes `realism.json` and strips: odd rows the game, even rows the dream.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim import registry
from worldsim.data.disk import replace_file
from worldsim.evaluate.frechet import Moments, frechet, pooled
from worldsim.evaluate.probes import Probes, load_probes
from worldsim.evaluate.realism import patches
from worldsim.sim.simulator import SimulatorConfig
from worldsim.sim.world import World, load_world

from . import preview

FIRST_SEED, TICKS, EVERY = 100, 248, 24
"""Evaluation worlds that frames to compare with come from, how long they are played, and how often one is taken."""
_SKIPPED, _STRIDE, _BATCH = 100, 6, 64


def main() -> None:
    """Parse the command line, dream, compare and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--world", default="voxel", help="a shipped world's name or a folder")
    parser.add_argument("--worlds", type=int, default=16, help="game worlds to dream along")
    parser.add_argument("--frames", type=int, default=200, help="frames to dream")
    parser.add_argument("--others", type=int, default=80, help="game worlds to compare with")
    parser.add_argument("--out", type=Path, default=Path("runs/realism"))
    options = parser.parse_args()
    world, probes = load_world(options.world), load_probes()
    d = world.model.config.denoiser
    frames = views(options.others, width=d.width, height=d.height)
    middle = len(frames) // 2  # worlds, one after the other
    halves = [pooled(seen(half, probes)) for half in (frames[:middle], frames[middle:])]
    game = pooled(halves)
    twin = preview.record_twin(
        registry.GAME, "explorer", worlds=options.worlds, frames=preview.CONTEXT + options.frames,
        width=d.width, height=d.height,
    )  # fmt: skip
    rows: dict[str, Any] = {"the game, half against half": [frechet(*halves)]}
    for name, imagine in (("without exemplars", False), ("with exemplars", True)):
        if imagine and world.exemplars is None:
            continue
        rows[name] = exam(world, twin, game, probes, imagine, options.out / f"strip-{name.split()[0]}.png")
    for name, values in rows.items():
        print(f"{name:<28}" + "".join(f"{value:8.2f}" for value in values))
    spans = [f"{a} to {b}" for a, b in _spans(options.frames)]
    text = json.dumps({"world": world.hash, "frames": spans, "voxel_fd": rows}, indent=1)
    replace_file(options.out / "realism.json", (text + "\n").encode())


def exam(
    world: World, twin: preview.Twin, game: Moments, probes: Probes, imagine: bool, strip: Path
) -> list[float]:
    """Voxel-FD of the dreams' frames in each quarter of the time."""
    config = SimulatorConfig(imagine=imagine)
    dreamt, _ = preview.dream(world.model, twin, config, exemplars=world.exemplars)
    frames = dreamt.shape[1] - preview.CONTEXT
    shown = sorted({1, 8, 32, *(end for _, end in _spans(frames))} & set(range(1, frames + 1)))
    preview.strip(dreamt, twin, strip, 16, horizons=shown)
    own: NDArray[np.uint8] = dreamt[:, preview.CONTEXT :].numpy()
    return [
        frechet(pooled(seen(own[:, a:b:_STRIDE].reshape(-1, *own.shape[2:]), probes)), game)
        for a, b in _spans(frames)
    ]


def views(worlds: int, *, width: int, height: int) -> NDArray[np.uint8]:
    """Frames `[N, H, W, 3]` of the game under the explorer."""
    game = registry.resolve(registry.ENGINES, registry.GAME, "engine")(width=width, height=height)
    player = registry.resolve(registry.POLICIES, "explorer", "policy")(0)
    frames = []
    for seed in range(FIRST_SEED, FIRST_SEED + worlds):
        game.reset(seed)
        player.reset(seed)
        for tick in range(TICKS):
            game.step(player.act(game.state()))
            if tick >= _SKIPPED and tick % EVERY == 0:
                frames.append(game.render_buffers()[0])
    return np.stack(frames)


def seen(frames: NDArray[np.uint8], probes: Probes) -> list[Moments]:
    """What the probe makes of the frames, in parts."""
    return [patches(frames[i : i + _BATCH], probes) for i in range(0, len(frames), _BATCH)]


def _spans(frames: int) -> list[tuple[int, int]]:
    """First frame and end of each quarter."""
    ends = [frames * k // 4 for k in range(5)]
    return list(zip(ends[:-1], ends[1:]))


if __name__ == "__main__":
    main()
