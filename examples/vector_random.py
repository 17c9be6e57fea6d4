"""N worlds at once under random actions: speed, episodes, memory, and a fork of the first world.

Run:  python examples/vector_random.py [--env worldsim/Dream-v0] [--num-envs 16] [--steps 2000]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

import worldsim  # noqa: F401 - registers the envs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", default="worldsim/Voxel-v0", help="worldsim/Voxel-v0 or worldsim/Dream-v0")
    parser.add_argument("--world", help="for the dream: a shipped world's name or a folder")
    parser.add_argument("--num-envs", type=int, default=16, help="worlds in the vector env")
    parser.add_argument("--steps", type=int, default=2000, help="steps of all worlds together")
    parser.add_argument("--episode", type=int, default=200, help="time limit of an episode, in steps")
    parser.add_argument("--seed", type=int, default=0, help="decides worlds and actions")
    args = parser.parse_args()

    made: dict[str, Any] = {"world": args.world} if args.world else {}
    if args.env == "worldsim/Voxel-v0":
        made = {"width": 64, "height": 64}
    envs = gymnasium.make_vec(
        args.env, num_envs=args.num_envs, action_space="discrete", max_episode_steps=args.episode, **made
    )
    rng = np.random.default_rng(args.seed)
    envs.reset(seed=args.seed)
    print("actions:", ", ".join(envs.unwrapped.action_names[:12]), "...")
    play(envs, max(1, args.steps // args.num_envs), rng)
    look_ahead(envs, rng)
    envs.close()


def play(envs: Any, ticks: int, rng: np.random.Generator) -> None:
    """Random steps, and now and then a reset of some worlds."""
    ended, start, memory = 0, time.perf_counter(), 0.0
    for tick in range(ticks):
        if tick % 500 == 499:
            envs.reset(options={"reset_mask": np.append(True, rng.random(envs.num_envs - 1) < 0.1)})
        obs, _, terminated, truncated, info = envs.step(rng.integers(34, size=envs.num_envs))
        assert np.isfinite(info["state"]["pose"]).all() and obs.dtype == np.uint8
        ended += int((terminated | truncated).sum())
        if tick == min(ticks // 10, 1000):
            memory = resident()
    seconds = time.perf_counter() - start
    print(
        f"{ticks * envs.num_envs} steps, {ticks * envs.num_envs / seconds:.0f} a second, {ended} episodes ended, "
        f"memory grew by {resident() - memory:.1f} MiB after the first tenth"
    )


def look_ahead(envs: Any, rng: np.random.Generator) -> None:
    """What would happen? Every world twice, under other actions; the worlds themselves stay where they are."""
    branches = envs.unwrapped.fork(2)
    a, *_ = branches.step(rng.integers(34, size=branches.num_envs))
    apart = np.abs(a[0::2].astype(int) - a[1::2]).mean()
    print(f"{branches.num_envs} branches, {apart:.1f} grey levels apart after one step")
    branches.close()


def resident() -> float:
    """MiB that this process holds, where the system tells."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * 4096 / 2**20 if status.exists() else 0.0


if __name__ == "__main__":
    main()
