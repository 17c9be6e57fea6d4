"""Train a tiny world for a minute, straight from the game, then dream on in it beside the game.

Run:  python examples/train_tiny_world.py [--minutes 1] [--out runs/tiny]

The strip has the game above and the dream below, both under the same actions. After a minute the
dream still blurs; more minutes and the recipe `cpu` make it a world.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gymnasium
import numpy as np
from worldsim.train.world import TrainOptions
from worldsim.train.world import main as train

from worldsim import registry
from worldsim.actions import to_dict
from worldsim.png import grid, write_png


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="time to train")
    parser.add_argument("--out", type=Path, default=Path("runs/tiny"), help="run folder; a new one")
    parser.add_argument("--set", action="append", default=[], help="change of the recipe, such as batch=4")
    args = parser.parse_args()

    changes = ("preview_minutes=null", *args.set)
    options = TrainOptions(
        recipe="debug", minutes=args.minutes, out=str(args.out), set=changes, wandb="disabled"
    )
    world = train(options)

    dream = gymnasium.make("worldsim/Dream-v0", world=world)
    height, width, _ = dream.observation_space.shape or ()
    game = gymnasium.make("worldsim/Voxel-v0", width=width, height=height, depth=True)
    player = registry.resolve(registry.POLICIES, "explorer", "policy")(1)

    # The dream begins from what the game shows, and then has only the actions.
    seen, info = game.reset(seed=1)
    beginning = {
        "frames": seen["frame"][None],
        "depth": seen["depth"][None],
        "pose": info["state"]["pose"][None],
    }
    dreamt, _ = dream.reset(seed=1, options=beginning)
    real, imagined = [seen["frame"]], [dreamt]
    for tick in range(1, 33):
        action = to_dict(player.act(info["state"]))
        seen, _, _, _, info = game.step(action)
        dreamt, *_ = dream.step(action)
        if tick % 8 == 0:
            real.append(seen["frame"])
            imagined.append(dreamt)
    write_png(args.out / "strip.png", grid([real, imagined]))
    error = np.abs(np.subtract(seen["frame"], dreamt, dtype=np.float32)).mean()
    print(f"{world}: after 32 ticks {error:.1f} grey levels from the game; {args.out / 'strip.png'}")


if __name__ == "__main__":
    main()
