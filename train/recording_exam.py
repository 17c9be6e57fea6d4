"""How well a world dreams along recordings that it never saw, of another game or of ours:

    python -m worldsim.train.recording_exam --world runs/luanti/world --data runs/luanti-held --out runs/exam

From 8 frames of each clip on it dreams with the recorded actions, once along the recorded steps and once along
those of its own motion head. Beside it stand what costs nothing (the last frame again, the last frame
turned as the player turned), the actions of other clips, and the world that it was made from. Writes `exam.json`
and strips: odd rows the recording, even rows the dream.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from worldsim.data.dataset import ClipDataset
from worldsim.data.episode import ClipBatch
from worldsim.model.camera import FAR
from worldsim.model.references import References, look
from worldsim.model.tokenizer import float_to_frames, frames_to_float
from worldsim.model.world_model import WorldModel
from worldsim.sim.simulator import SimulatorConfig
from worldsim.sim.world import load_world

from . import preview
from .preview import CONTEXT, HORIZONS, Twin, dream


def main() -> None:
    """Parse the command line, measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--world", required=True, help="a shipped world's name or a folder")
    parser.add_argument("--before", default="voxel", help="the world it was made from; none leaves it out")
    parser.add_argument("--data", required=True, help="recordings with poses that it never saw")
    parser.add_argument("--clips", type=int, default=24, help="clips to dream along")
    parser.add_argument("--frames", type=int, default=64, help="frames to dream")
    parser.add_argument("--seed", type=int, default=0, help="decides which clips")
    parser.add_argument("--out", type=Path, default=Path("runs/exam"))
    options = parser.parse_args()
    began = time.monotonic()
    twin = draw(options.data, options.clips, options.frames, options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = measure(load_world(options.world).model, twin, options.out)
    if options.before != "none":
        before = load_world(options.before).model
        rows["before"] = _psnr(dream(before, twin, SimulatorConfig(), led_by=twin.clips)[0], twin)
    print(table(rows))
    facts = {"data": options.data, "clips": options.clips, "seconds": round(time.monotonic() - began, 1)}
    (options.out / "exam.json").write_text(json.dumps({**facts, "psnr": rows}, indent=1) + "\n")


def draw(folder: str, clips: int, frames: int, seed: int) -> Twin:
    """Clips of recordings, as long as the dream and the frames that are given.

    Raises:
        DatasetError: none is as long.
    """
    # What has no pose is turned as its actions say, as in training.
    return Twin(ClipDataset(folder, length=CONTEXT + frames, batch=clips, seed=seed, turns=True).sample())


def measure(model: WorldModel, twin: Twin, out: Path) -> dict[str, dict[int, float]]:
    """PSNR in dB by horizon, for the dream and for what it is compared with; strips go to `out`."""
    config = SimulatorConfig()
    real = torch.from_numpy(twin.clips.frames)
    led, _ = dream(model, twin, config, led_by=twin.clips)
    own, _ = dream(model, twin, config)
    others = _shuffled(twin.clips)
    wrong, _ = dream(model, Twin(replace(twin.clips, actions=others.actions)), config, led_by=others)
    for name, dreamt in (("led", led), ("own", own), ("shuffled", wrong)):
        preview.strip(dreamt, twin, out / f"strip-{name}.png")
    still = real[:, CONTEXT - 1 : CONTEXT].expand_as(real)
    return {
        "led": _psnr(led, twin), "own": _psnr(own, twin), "shuffled": _psnr(wrong, twin),
        "copy": _psnr(still, twin), "turned": _psnr(turned(twin.clips, model.usable), twin),
    }  # fmt: skip


def turned(clips: ClipBatch, usable: Tensor) -> Tensor:
    """The last frame that is given, turned as the player turned, itself where it shows nothing: uint8 as the frames."""
    frames, pose = torch.from_numpy(clips.frames), torch.from_numpy(clips.pose)
    last = frames_to_float(frames[:, CONTEXT - 1])
    out = frames.clone()
    one = torch.ones(len(frames), 1)
    references = References(
        frames=last[:, None], depth=torch.full_like(last[:, None, :1], FAR), pose=pose[:, CONTEXT - 1, None],
        time=-one, noise_level=0 * one, valid=one > 0,
    )  # fmt: skip
    for t in range(CONTEXT, frames.shape[1]):
        view = look(references, pose[:, t], usable, "rotation")
        out[:, t] = float_to_frames(torch.where(view.known[:, 0] > 0, view.warped[:, 0], last))
    return out


def table(rows: dict[str, dict[int, float]]) -> str:
    """Markdown: a line for each, a column for each horizon."""
    horizons = list(next(iter(rows.values())))
    head = [f"| PSNR, dB, at frame | {' | '.join(map(str, horizons))} |", "|---" * (len(horizons) + 1) + "|"]
    lines = [f"| {n} | {' | '.join(f'{row[h]:.2f}' for h in horizons)} |" for n, row in rows.items()]
    return "\n".join([*head, *lines])


def _shuffled(clips: ClipBatch) -> ClipBatch:
    """Each clip with the actions and the path of the next one."""
    order = [*range(1, len(clips)), 0]
    assert clips.pose is not None
    return replace(clips, actions=clips.actions[order], pose=clips.pose[order])


def _psnr(dreamt: Tensor, twin: Twin) -> dict[int, float]:
    real = torch.from_numpy(twin.clips.frames)
    shown = [h for h in HORIZONS if CONTEXT + h <= real.shape[1]]
    return {h: round(preview.psnr(dreamt[:, CONTEXT + h - 1], real[:, CONTEXT + h - 1]), 2) for h in shown}


if __name__ == "__main__":
    main()
