"""The game through the Gymnasium API, with random actions or the scripted explorer.

Run:  python examples/play_voxel_random.py [--steps 200] [--window] [--explorer]
"""

from __future__ import annotations

import argparse

import gymnasium

import worldsim.actions
from worldsim import registry


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200, help="ticks to play, 20 a second")
    parser.add_argument("--seed", type=int, default=0, help="the world")
    parser.add_argument("--window", action="store_true", help="show it")
    parser.add_argument("--explorer", action="store_true", help="let the scripted player play")
    args = parser.parse_args()

    env = gymnasium.make("worldsim/Voxel-v0", render_mode="human" if args.window else None)
    env.action_space.seed(args.seed)
    player = registry.resolve(registry.POLICIES, "explorer", "policy")(args.seed)

    obs, info = env.reset(seed=args.seed)
    for _ in range(args.steps):
        scripted = worldsim.actions.to_dict(player.act(info["state"]))
        action = scripted if args.explorer else env.action_space.sample()
        obs, _, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            obs, info = env.reset()

    state = info["state"]
    x, y, z = state["pose"][:3]
    print(f"after {args.steps} ticks: frame {obs.shape}, at ({x:.1f}, {y:.1f}, {z:.1f}), {state['caption']}")
    env.close()


if __name__ == "__main__":
    main()
