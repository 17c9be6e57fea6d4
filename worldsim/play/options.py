"""What `worldsim play` can be told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from worldsim.errors import UsageError
from worldsim.registry import DREAM as DREAM
from worldsim.registry import GAME as GAME

LUANTI = "worldsim/Luanti-v0"
SIZED = (GAME, LUANTI)
"""Games that draw frames of any size."""


@dataclass(frozen=True)
class PlayOptions:
    """Play a world: in a window by default, or with a policy and no display (`headless`)."""

    env: str = DREAM
    """Gymnasium id of the world to start in; Tab switches between dream and game."""
    world: str | None = None
    """Learned world: a shipped name or a folder that training wrote; default: the shipped one."""
    steps: int | None = None
    """Sampler steps a frame of the learned world; default: what the world was made for."""
    device: str = "cpu"
    """Device of the learned world: cpu, cuda, cuda:1."""
    backend: Literal["auto", "eager", "compiled", "onnx", "int8", "openvino", "cudagraph"] = "auto"
    """What runs the learned world's network; auto: the fastest of those installed, measured once (docs/speed.md)."""
    threads: int | None = None
    """Processor threads of the learned world; default: as many as are free, tried out while playing."""
    seed: int | None = None
    """Seed of the first episode, 0 to 2**64 - 1; default 0. The key G goes to the next one."""
    image: str | None = None
    """Picture (PNG, JPEG or WEBP) to start the learned world from."""
    width: int | None = None
    """Width of a game's frames in pixels, a multiple of 16; a learned world has its own."""
    height: int | None = None
    """Height of a game's frames in pixels, a multiple of 16 (Luanti: even); a learned world has its own."""
    scale: int | None = None
    """Window pixels for each pixel of a frame at the start; default: what fits a window of 960 x 576."""
    smooth: bool = False
    """Scale frames smoothly instead of in sharp pixels; the key V changes it."""
    fullscreen: bool = False
    """Start on the full screen; F11 changes it."""
    sensitivity: float = 1.0
    """Mouse speed: 1 turns 0.15 degrees a pixel, as Minecraft does; negative swaps both directions."""
    side_by_side: bool = False
    """Start with dream and game side by side under the same keys, as the key B does."""
    headless: bool = False
    """No window at all: a policy plays, and figures are printed."""
    ticks: int | None = None
    """Stop after so many ticks; default: never in a window, 200 headless."""
    video: str | None = None
    """MP4 file to write the frames to; headless only."""
    policy: str = "human"
    """Who plays: human, explorer, random or noop; headless, human stands for explorer."""
    record: str | None = None
    """Folder to record episodes into from the start; F5 switches recording (default runs/play)."""
    json: str | None = None
    """File to write the headless figures to as JSON; `-` prints them."""
    fps: int = 20
    """Ticks a second in a window, and the video's frame rate."""
    free: bool = False
    """In a window, live as fast as the world can instead of `fps` ticks a second."""
    figures: bool = True
    """Show frames/s, latency and uncertainty in the corner; F3 changes it."""

    def __post_init__(self) -> None:
        _within("seed", self.seed, 0, 2**64 - 1)
        _within("ticks", self.ticks, 1, 10**9)
        _within("fps", self.fps, 1, 240)
        _within("scale", self.scale, 1, 40)
        _within("threads", self.threads, 1, 1024)
        _within("steps", self.steps, 1, 64)
        _within("width", self.width, 64, 640)
        _within("height", self.height, 48, 384)
        if not math.isfinite(self.sensitivity) or not 0 < abs(self.sensitivity) <= 20:
            raise UsageError(f"--sensitivity: got {self.sensitivity}, expected a number up to 20, not 0")
        if self.video is not None and not self.headless:
            raise UsageError("--video: only with --headless; in a window, record with F5 or --record DIR")
        if self.json is not None and not self.headless:
            raise UsageError("--json: only with --headless")
        if self.image is not None and self.env in SIZED:
            raise UsageError(f"--image: {self.env} can't start from a picture; use --env {DREAM}")


def _within(name: str, value: int | None, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise UsageError(f"--{name.replace('_', '-')}: got {value}, expected {low} to {high}")
