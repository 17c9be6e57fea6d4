"""Train an agent with PPO in the game (or the dream) on a CPU, and set it beside one that plays at random.

Needs Stable-Baselines3:  pip install 'worldsim[rl]'

Run:  python examples/train_ppo.py [--steps 20000] [--env worldsim/Voxel-v0] [--task beacon] [--out runs/ppo]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from worldsim.arena.arena import make_arena
from worldsim.arena.contest import play
from worldsim.arena.folder import find_agent
from worldsim.arena.options import TrainOptions
from worldsim.registry import LEARNERS, resolve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--steps", type=int, default=20_000, help="decisions to learn from, of four ticks each"
    )
    parser.add_argument("--env", default="worldsim/Voxel-v0", help="worldsim/Voxel-v0 or worldsim/Dream-v0")
    parser.add_argument("--world", help="for the dream: a shipped world's name or a folder")
    parser.add_argument("--task", default="beacon", help="collect, beacon, roam, tower, dry or night")
    parser.add_argument("--limit", type=int, help="ticks an episode may take")
    parser.add_argument("--episodes", type=int, default=20, help="episodes that agents are judged by")
    parser.add_argument("--out", default="runs/ppo", help="folder of the run")
    parser.add_argument("--seed", type=int, default=0, help="decides first weights, worlds and chance")
    args = parser.parse_args()

    options = TrainOptions(
        env=args.env, world=args.world, task=args.task, limit=args.limit, steps=args.steps,
        out=f"{args.out}-{args.seed}", seed=args.seed, wandb="disabled", rollout=min(128, max(2, args.steps // 8)),
    )  # fmt: skip
    start = time.perf_counter()
    folder: Path = resolve(LEARNERS, "ppo", "algo")(options)
    minutes = (time.perf_counter() - start) / 60
    print(
        f"{folder}: {args.steps} decisions in {minutes:.1f} minutes, {args.steps / minutes / 60:.0f} a second"
    )

    arena = make_arena(options.arena(), min(8, args.episodes), renews=False)
    for name in ("random", str(folder)):
        # Seeds that training has not seen.
        print(play(find_agent(name).agent, arena, args.episodes, seed=10**9).line())
    arena.close()


if __name__ == "__main__":
    main()
