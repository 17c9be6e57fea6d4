"""A player written by hand that walks a square, in the game and in a dream: it can't tell them apart.

Run:  python examples/custom_policy.py [--world voxel] [--ticks 200]

All it knows is `info["state"]["pose"]`: x, y, z of the eye, yaw and pitch in degrees. In a dream
that is where the model believes the player to be.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import gymnasium
import numpy as np

import worldsim  # noqa: F401 - registers the envs
from worldsim.actions import Action, noop

SIDE = 4.0


class SquareWalker:
    """Walks from corner to corner, level-eyed, and jumps when it does not get on."""

    def __init__(self) -> None:
        self.corners: list[tuple[float, float]] = []
        self.before = (math.inf, math.inf)

    def act(self, state: dict[str, Any]) -> Action:
        x, _, z, yaw, pitch = (float(v) for v in state["pose"])
        if not self.corners:
            self.corners = [(x + SIDE, z), (x + SIDE, z + SIDE), (x, z + SIDE), (x, z)]
        if math.dist((x, z), self.corners[0]) < 0.5:
            self.corners.append(self.corners.pop(0))
        dx, dz = self.corners[0][0] - x, self.corners[0][1] - z
        turn = (math.degrees(math.atan2(-dx, dz)) - yaw + 180) % 360 - 180  # yaw 0 looks along +z
        action = noop()
        action["camera"] = np.clip([-pitch, turn], -15, 15).astype(np.float32)
        action["forward"] = int(abs(turn) < 30)
        action["jump"] = int(math.dist((x, z), self.before) < 0.02)
        self.before = (x, z)
        return action


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", default="voxel", help="a shipped world's name or a folder")
    parser.add_argument("--ticks", type=int, default=200, help="ticks to play, 20 a second")
    args = parser.parse_args()

    for env_id, settings in (("worldsim/Voxel-v0", {}), ("worldsim/Dream-v0", {"world": args.world})):
        env, player = gymnasium.make(env_id, **settings), SquareWalker()
        _, info = env.reset(seed=3)
        path = [info["state"]["pose"]]
        for _ in range(args.ticks):
            _, _, terminated, truncated, info = env.step(player.act(info["state"]))
            path.append(info["state"]["pose"])
            if terminated or truncated:
                break
        env.close()
        walked = np.linalg.norm(np.diff(np.array(path)[:, [0, 2]], axis=0), axis=1).sum()
        print(f"{env_id}: {len(path) - 1} ticks, {walked:.1f} blocks walked")


if __name__ == "__main__":
    main()
