"""How well a world's motion head knows where the player goes, by kind of tick:

    python -m worldsim.train.motion_exam --world voxel --worlds 24 --ticks 160 --out runs/motion.json

The game is played in worlds that training never sees; at every third tick the head is asked for the
step that follows, from the true past. Errors are distances in blocks.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

from worldsim import registry
from worldsim.atomic import write_file
from worldsim.data.episode import SIGNALS, ClipBatch
from worldsim.model.world_model import WorldModel
from worldsim.sim.world import load_world

from .clips import ClipTensors
from .moments import build_moment
from .motion_lessons import together, watched

FIRST_SEED, SKIPPED, EVERY = 600, 42, 3
"""Evaluation worlds; ticks before there is a past to remember; how often the head is asked."""
_CONTACT = SIGNALS.index("contact")


def play(worlds: int, ticks: int, *, width: int, height: int, policy: str = "explorer") -> ClipBatch:
    """What a scripted player does in `worlds` evaluation worlds."""
    game = registry.resolve(registry.ENGINES, "worldsim/Voxel-v0", "engine")(width=width, height=height)
    player = registry.resolve(registry.POLICIES, policy, "policy")(0)
    rows = []
    for seed in range(FIRST_SEED, FIRST_SEED + worlds):
        game.reset(seed)
        player.reset(seed)
        rows.append(watched(game, player, ticks))
    return together(rows)


@torch.no_grad()
def ask(model: WorldModel, clips: ClipTensors) -> tuple[Tensor, Tensor, Tensor]:
    """Predicted and true steps `[N, 3]`, and whether a wall was touched `[N]`."""
    predicted, true, contact = [], [], []
    for tick in range(SKIPPED, clips.length, EVERY):
        t = torch.full((len(clips.rows),), tick)
        moment = build_moment(clips, t, history=model.config.denoiser.action_history, usable=model.usable)
        predicted.append(model.move(moment.pitch, moment.actions, moment.past, moment.space))
        true.append(moment.step)
        contact.append(clips.signals[:, tick, _CONTACT] > 0.5)
    return torch.cat(predicted), torch.cat(true), torch.cat(contact)


def kinds(true: Tensor, contact: Tensor) -> dict[str, Tensor]:
    """Which ticks `[N]` are of which kind."""
    level, up = true[:, [0, 2]].norm(dim=1), true[:, 1]
    return {
        "all": torch.ones_like(contact),
        "at rest": (level < 0.005) & (up.abs() < 0.005),
        "walking": (level > 0.1) & (up.abs() < 0.01),
        "jumping off": up > 0.3,
        "falling": up < -0.15,
        "touching a wall": contact,
        "held by a wall": contact & (level < 0.02),
    }


def table(predicted: Tensor, true: Tensor, contact: Tensor) -> dict[str, dict[str, float]]:
    """Ticks, mean and 90th percentile of the error of each kind."""
    error = (predicted - true).norm(dim=1)
    rows: dict[str, dict[str, float]] = {}
    for name, mask in kinds(true, contact).items():
        picked = error[mask]
        if len(picked):
            p90 = float(picked.quantile(0.9))
            rows[name] = {"ticks": len(picked), "error": round(float(picked.mean()), 4), "p90": round(p90, 4)}
    return rows


def main() -> None:
    """Parse the command line, measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--world", default="voxel", help="a shipped world's name or a folder")
    parser.add_argument("--worlds", type=int, default=24, help="game worlds")
    parser.add_argument("--ticks", type=int, default=160, help="ticks in each, above 42")
    parser.add_argument(
        "--policy",
        default="explorer",
        help="scripted player: explorer, tinker, who digs and builds, or dancer, who steps to all sides",
    )
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    world = load_world(options.world)
    d = world.model.config.denoiser
    batch = play(options.worlds, options.ticks, width=d.width, height=d.height, policy=options.policy)
    rows = table(*ask(world.model.eval(), ClipTensors(batch, torch.device("cpu"))))
    print(f"{'ticks':>18} {'number':>7} {'error':>8} {'p90':>8}   (blocks)")
    for name, row in rows.items():
        print(f"{name:>18} {row['ticks']:>7.0f} {row['error']:>8.4f} {row['p90']:>8.4f}")
    if options.out is not None:
        text = json.dumps({"world": world.hash, "kinds": rows}, indent=1)
        write_file(options.out, (text + "\n").encode())


if __name__ == "__main__":
    main()
