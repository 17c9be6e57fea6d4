"""A video of an episode that an agent plays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from worldsim.arena.arena import make_arena
from worldsim.arena.config import ArenaConfig
from worldsim.arena.contest import Score, play
from worldsim.data.disk import disk_errors
from worldsim.data.episode import FPS
from worldsim.data.video import VideoWriter


def film(agent: Any, config: ArenaConfig, path: Path, *, seed: int = 0) -> Score:
    """Play one episode and write it as an mp4 that browsers play, a frame a decision, at the speed of the world.

    Raises:
        ResourceLimitError: it can't be written.
    """
    arena = make_arena(config, 1, render=True, renews=False)
    try:
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "wb") as file:
                video = VideoWriter(file, fps=FPS / config.frame_skip, viewable=True)
                score = play(
                    agent, arena, 1, seed=seed, watch=lambda: video.append((arena.render() or ())[0])
                )
                video.close()
    finally:
        arena.close()
    return score
