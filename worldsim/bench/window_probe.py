"""Opens the player's window once and says how long that took: run by `worldsim bench play`.

    python -m worldsim.bench.window_probe SPAWNED_AT ARGUMENTS...

Prints `{"window_s": ..., "frame_s": ...}`: seconds from `SPAWNED_AT` (by `time.time()` of the
parent) until something is shown, and until the first frame of the world is.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any


def main(arguments: list[str]) -> int:
    """Play with the given arguments of `worldsim play` until the first frame is on the screen."""
    spawned = float(arguments[0])
    import pygame

    from worldsim.cli import main as program
    from worldsim.play.window import Window

    seen: dict[str, float] = {}
    flip, draw = pygame.display.flip, Window._draw

    def timed_flip() -> None:
        flip()
        seen.setdefault("window_s", time.time() - spawned)
        if "drawn" in seen:
            print(json.dumps({"window_s": seen["window_s"], "frame_s": time.time() - spawned}), flush=True)
            os._exit(0)

    def noted_draw(window: Window, view: Any) -> None:
        draw(window, view)
        seen["drawn"] = 1.0

    pygame.display.flip = timed_flip
    Window._draw = noted_draw  # type: ignore[method-assign, assignment]
    return program(["play", *arguments[1:]]) or 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
