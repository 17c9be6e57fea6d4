"""What a world is like to walk about in, farther than anything given reaches:

    python -m worldsim.train.walk_exam --world voxel --walks 12 --ticks 200 --out runs/walk
    python -m worldsim.train.walk_exam --straight

A walker goes on and on, turns, and jumps now and then, from the world's own beginnings, as most people would; or, the
hardest, straight on, which turns nothing new into view and shows all that was given from ever nearer. The
world is made of blocks: so what is near has to lie on the faces of a grid. The share of near pixels that does so is
told for each quarter of the time, beside the game's own under the same walker, and a strip of the walks is drawn. A
patch of fog, or of shreds, looks much like a patch of leaves (`realism_exam`), but its pixels lie anywhere.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim import registry
from worldsim.actions import ACTION_SIZE, CAMERA, INDEX, to_dict
from worldsim.data.disk import replace_file
from worldsim.model.camera import camera_to_world, rays, tangents
from worldsim.png import grid, write_png
from worldsim.sim.world import load_world

FIRST_SEED = 600
"""Of the game's worlds."""
NEAR = 8.0
"""Blocks: farther off, faces of blocks lie too densely to be told apart."""
_ON, _LEAST = 0.06, 200  # blocks from a face, of blocks 1; near pixels, or a frame says nothing
_PITCH, _STANDING, _SHOWN = 8.0, 10, 8
_HELD, _PATIENCE = 0.08, 24  # blocks a tick, and ticks of no more than that


class Walker:
    """Goes on, in long bends, with a turn every five seconds and a jump now and then."""

    def __init__(self, seed: int) -> None:
        self._rng, self._tick = np.random.default_rng(seed), 0
        self._rate = self._wanted = 0.0

    def act(self, pose: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next action `[25]` of one whose eye has a pose `[5]`."""
        action, tick = np.zeros(ACTION_SIZE, np.float32), self._tick
        if tick % 40 == 0:
            self._wanted = 3.0 * self._rng.normal()
        if tick % 97 < 12:
            self._wanted = 10.0 * np.sign(self._wanted)
        self._rate = 0.8 * self._rate + 0.2 * self._wanted
        action[INDEX["forward"]] = tick > _STANDING
        action[INDEX["jump"]] = tick % 25 == 24
        action[CAMERA] = np.clip(_PITCH - pose[4], -3.0, 3.0) / 2, self._rate
        self._tick += 1
        return action


class Straight:
    """Goes straight on, jumps at what is in the way, and turns by a quarter if that does not help."""

    def __init__(self, seed: int) -> None:
        self._side = 1.0 if seed % 2 else -1.0
        self._last: NDArray[np.float32] | None = None
        self._tick = self._held = self._turning = 0

    def act(self, pose: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next action `[25]` of one whose eye has a pose `[5]`."""
        action, tick = np.zeros(ACTION_SIZE, np.float32), self._tick
        last = pose if self._last is None else self._last
        moved = float(np.hypot(pose[0] - last[0], pose[2] - last[2]))
        self._held = self._held + 1 if tick > _STANDING + 1 and moved < _HELD else 0
        if self._held > _PATIENCE:
            self._held, self._turning = 0, 9
        action[INDEX["forward"]] = tick > _STANDING
        action[INDEX["jump"]] = self._held > 2 and tick % 4 == 0
        if self._turning:
            action[CAMERA] = 0.0, 10.0 * self._side
            self._turning -= 1
        self._last, self._tick = pose.copy(), tick + 1
        return action


def on_grid(depth: Tensor, pose: Tensor, usable: Tensor) -> float:
    """The share of near pixels whose depth `[H, W]`, seen from `pose` `[5]`, lies on a face; nan if few are near."""
    height, width = usable.shape
    near = ((depth < NEAR) & (depth > 0) & usable).flatten()
    if int(near.sum()) < _LEAST * height * width // (96 * 160):
        return float("nan")
    points = (rays(height, width, tangents(height, width)) * depth.flatten()).T[near]
    world = points @ camera_to_world(pose.float()).T + pose[:3]
    return float(((world - world.round()).abs().amin(1) < _ON).float().mean())


def walk_dream(
    env: Any, walker: Walker | Straight, seed: int, ticks: int, usable: Tensor
) -> tuple[list[float], list[NDArray[np.uint8]]]:
    """Share on the grid, and frame, of each tick of one walk in a dream."""
    _, info = env.reset(seed=seed)
    shares, frames = [], []
    for _ in range(ticks):
        frame, _, _, _, info = env.step(to_dict(walker.act(info["state"]["pose"])))
        depth = torch.from_numpy(env.unwrapped.buffers()["depth"])
        shares.append(on_grid(depth, torch.from_numpy(info["state"]["pose"]), usable))
        frames.append(frame)
    return shares, frames


def walk_game(game: Any, walker: Walker | Straight, seed: int, ticks: int, usable: Tensor) -> list[float]:
    """The same for a walk in the game."""
    game.reset(seed)
    shares, pose = [], np.asarray(game.state()["pose"], np.float32)
    for _ in range(ticks):
        game.step(walker.act(pose))
        pose = np.array(game.state()["pose"], np.float32)
        depth = torch.from_numpy(game.render_buffers()[1].astype(np.float32))
        shares.append(on_grid(depth, torch.from_numpy(pose), usable))
    return shares


def quarters(shares: list[list[float]]) -> list[float]:
    """Means over walks and each quarter of the time, to three digits."""
    parts = np.array_split(np.array(shares), 4, axis=1)
    return [round(float(np.nanmean(part)), 3) for part in parts]


def main() -> None:
    """Parse the command line, walk and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--world", default="voxel", help="a shipped world's name or a folder")
    parser.add_argument("--walks", type=int, default=12, help="walks in the dream, and in the game")
    parser.add_argument("--ticks", type=int, default=200, help="ticks of a walk")
    parser.add_argument("--straight", action="store_true", help="walk straight on")
    parser.add_argument("--backend", default="eager", help="what runs the network")
    parser.add_argument("--out", type=Path, default=Path("runs/walk"))
    options = parser.parse_args()
    import gymnasium  # bare machines have none, and import this module all the same

    world = load_world(options.world)
    usable = world.model.usable.cpu()
    env = gymnasium.make("worldsim/Dream-v0", world=options.world, backend=options.backend)
    walker, ticks = (Straight if options.straight else Walker), options.ticks
    walks = [walk_dream(env, walker(seed), seed, ticks, usable) for seed in range(1, options.walks + 1)]
    env.close()
    height, width = usable.shape
    game = registry.resolve(registry.ENGINES, registry.GAME, "engine")(width=width, height=height)
    seeds = range(FIRST_SEED, FIRST_SEED + options.walks)
    rows = {
        "dream": quarters([shares for shares, _ in walks]),
        "game": quarters([walk_game(game, walker(seed), seed, ticks, usable) for seed in seeds]),
    }
    for name, values in rows.items():
        print(f"{name:<8}" + "".join(f"{value:8.3f}" for value in values))
    shown = np.linspace(0, ticks - 1, min(_SHOWN, ticks)).astype(int)
    write_png(options.out / "strip.png", grid([[frames[t] for t in shown] for _, frames in walks]))
    text = json.dumps(
        {"world": world.hash, "ticks": ticks, "straight": options.straight, "on_grid": rows}, indent=1
    )
    replace_file(options.out / "walk.json", (text + "\n").encode())


if __name__ == "__main__":
    main()
