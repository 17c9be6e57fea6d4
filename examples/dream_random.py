"""A dream under random actions, written as a strip of pictures: a learned world is a Gymnasium env.

Run:  python examples/dream_random.py [--world voxel] [--ticks 60] [--out runs/dream.png]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gymnasium

import worldsim  # noqa: F401 - registers the envs
from worldsim import registry
from worldsim.actions import to_dict
from worldsim.png import grid, write_png


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", default="voxel", help="a shipped world's name or a folder")
    parser.add_argument("--ticks", type=int, default=60, help="frames to dream, 20 a second")
    parser.add_argument("--every", type=int, default=10, help="ticks between two pictures")
    parser.add_argument("--seed", type=int, default=0, help="decides beginning, noise and player")
    parser.add_argument("--out", type=Path, default=Path("runs/dream.png"), help="picture to write")
    args = parser.parse_args()

    env = gymnasium.make("worldsim/Dream-v0", world=args.world)
    player = registry.resolve(registry.POLICIES, "random", "policy")(args.seed)
    obs, info = env.reset(seed=args.seed)
    pictures = [obs]
    for tick in range(1, args.ticks + 1):
        obs, _, terminated, truncated, info = env.step(to_dict(player.act(info["state"])))
        if tick % args.every == 0:
            pictures.append(obs)
        if terminated or truncated:
            break
    env.close()

    rows = [pictures[i : i + 4] for i in range(0, len(pictures) - len(pictures) % 4, 4)] or [pictures]
    write_png(args.out, grid(rows))
    print(f"{tick} ticks, expected error {info['uncertainty']:.1f} grey levels, {args.out}")


if __name__ == "__main__":
    main()
