"""What a world is like to walk about in, farther than anything given reaches:

    python -m worldsim.train.walk_exam --world voxel --walks 12 --ticks 200 --out runs/walk

A walker goes on and on, turns, and jumps now and then, from the world's own beginnings, as most people would. The
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


class Walker:
    """Goes on, in long bends, with a turn every five seconds and a jump now and then."""

    def __init__(self, seed: int) -> None:
        self._rng, self._tick = np.random.default_rng(seed), 0
        self._rate = self._wanted = 0.0

    def act(self, pitch: float) -> NDArray[np.float32]:
        """The next action `[25]` of one who looks down by so many degrees."""
        action, tick = np.zeros(ACTION_SIZE, np.float32), self._tick
        if tick % 40 == 0:
            self._wanted = 3.0 * self._rng.normal()
        if tick % 97 < 12:
            self._wanted = 10.0 * np.sign(self._wanted)
        self._rate = 0.8 * self._rate + 0.2 * self._wanted
        action[INDEX["forward"]] = tick > _STANDING
        action[INDEX["jump"]] = tick % 25 == 24
        action[CAMERA] = np.clip(_PITCH - pitch, -3.0, 3.0) / 2, self._rate
        self._tick += 1
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
    env: Any, seed: int, ticks: int, usable: Tensor
) -> tuple[list[float], list[NDArray[np.uint8]]]:
    """Share on the grid, and frame, of each tick of one walk in a dream."""
    _, info = env.reset(seed=seed)
    walker, shares, frames = Walker(seed), [], []
    for _ in range(ticks):
        frame, _, _, _, info = env.step(to_dict(walker.act(float(info["state"]["pose"][4]))))
        depth = torch.from_numpy(env.unwrapped.buffers()["depth"])
        shares.append(on_grid(depth, torch.from_numpy(info["state"]["pose"]), usable))
        frames.append(frame)
    return shares, frames


def walk_game(game: Any, seed: int, ticks: int, usable: Tensor) -> list[float]:
    """The same for a walk in the game."""
    game.reset(seed)
    walker, shares = Walker(seed), []
    for _ in range(ticks):
        game.step(walker.act(float(game.state()["pose"][4])))
        depth = torch.from_numpy(game.render_buffers()[1].astype(np.float32))
        shares.append(on_grid(depth, torch.tensor(np.asarray(game.state()["pose"], np.float32)), usable))
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
    parser.add_argument("--backend", default="eager", help="what runs the network")
    parser.add_argument("--out", type=Path, default=Path("runs/walk"))
    options = parser.parse_args()
    import gymnasium  # bare machines have none, and import this module all the same

    world = load_world(options.world)
    usable = world.model.usable.cpu()
    env = gymnasium.make("worldsim/Dream-v0", world=options.world, backend=options.backend)
    walks = [walk_dream(env, seed, options.ticks, usable) for seed in range(1, options.walks + 1)]
    env.close()
    height, width = usable.shape
    game = registry.resolve(registry.ENGINES, registry.GAME, "engine")(width=width, height=height)
    seeds = range(FIRST_SEED, FIRST_SEED + options.walks)
    rows = {
        "dream": quarters([shares for shares, _ in walks]),
        "game": quarters([walk_game(game, seed, options.ticks, usable) for seed in seeds]),
    }
    for name, values in rows.items():
        print(f"{name:<8}" + "".join(f"{value:8.3f}" for value in values))
    shown = np.linspace(0, options.ticks - 1, min(_SHOWN, options.ticks)).astype(int)
    write_png(options.out / "strip.png", grid([[frames[t] for t in shown] for _, frames in walks]))
    text = json.dumps({"world": world.hash, "ticks": options.ticks, "on_grid": rows}, indent=1)
    replace_file(options.out / "walk.json", (text + "\n").encode())


if __name__ == "__main__":
    main()
