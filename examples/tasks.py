"""What the scripted players earn in each task, in the game or in a dream.

Run:  python examples/tasks.py [--env worldsim/Voxel-v0] [--world voxel] [--tasks collect dry] [--episodes 4]
"""

from __future__ import annotations

import argparse
from typing import Any

import gymnasium
import numpy as np

import worldsim  # noqa: F401 - registers the envs
from worldsim import registry
from worldsim.actions import to_dict
from worldsim.task_env import TaskEnv
from worldsim.tasks import TASKS


def play(env: TaskEnv, policy: str, seed: int) -> tuple[float, int, str]:
    """One episode: what it paid, how many ticks it took and how it ended."""
    player = registry.resolve(registry.POLICIES, policy, "policy")(seed)
    _, info = env.reset(seed=seed)
    paid, ticks, terminated, truncated = 0.0, 0, False, False
    while not (terminated or truncated):
        _, reward, terminated, truncated, info = env.step(to_dict(player.act(info["state"])))
        paid, ticks = paid + reward, ticks + 1
    return paid, ticks, "done or dead" if terminated else str(info.get("reason", "out of time"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", default="worldsim/Voxel-v0", help="worldsim/Voxel-v0 or worldsim/Dream-v0")
    parser.add_argument("--world", default="voxel", help="of a dream: a shipped world's name or a folder")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), help=", ".join(TASKS))
    parser.add_argument("--episodes", type=int, default=4, help="for each task and player")
    parser.add_argument("--limit", type=int, default=None, help="ticks an episode; default: the task's own")
    parser.add_argument("--max-uncertainty", type=float, default=None, help="grey levels that end a dream")
    args = parser.parse_args()

    dream = args.env == "worldsim/Dream-v0"
    arguments: dict[str, Any] = {"world": args.world} if dream else {}
    for task in args.tasks:
        env = TaskEnv(
            gymnasium.make(args.env, **arguments),
            task,
            limit=args.limit,
            max_uncertainty=args.max_uncertainty,
        )
        for policy in ("explorer", "random"):
            ran = [play(env, policy, seed) for seed in range(args.episodes)]
            paid = np.array([one[0] for one in ran])
            ends = ", ".join(sorted({one[2] for one in ran}))
            print(f"{task:8} {policy:9} {paid.mean():6.2f} ± {paid.std():.2f}, {ran[-1][1]} ticks, {ends}")
        env.close()


if __name__ == "__main__":
    main()
