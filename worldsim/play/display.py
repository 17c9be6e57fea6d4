"""Opening a pygame display, or saying in one line why there is none; saving pictures of it."""

from __future__ import annotations

import contextlib
import datetime
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from worldsim.errors import DisplayError, MissingDependency, ResourceLimitError
from worldsim.play.options import PlayOptions

if TYPE_CHECKING:
    import pygame

DEFAULT_SIZE = (960, 576)
SMALLEST_SIZE = (240, 160)
SCREENSHOTS = Path("runs/screenshots")
REMEDY = "play without one:  worldsim play --headless --ticks 200 --video out.mp4"


def first_size(options: PlayOptions) -> tuple[int, int]:
    """Width and height of the window when it opens."""
    if options.scale is None:
        return DEFAULT_SIZE
    width, height = (options.width or 160) * options.scale, (options.height or 96) * options.scale
    return max(width, SMALLEST_SIZE[0]), max(height, SMALLEST_SIZE[1])


def open_display(size: tuple[int, int], *, fullscreen: bool) -> pygame.Surface:
    """Open a resizable window, or take the whole screen.

    Raises:
        DisplayError: there is no display, or it does not answer.
        MissingDependency: pygame is not installed.
    """
    _check_pygame()
    import pygame

    asked = os.environ.get("SDL_VIDEODRIVER")
    here = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not asked and not here:
        raise DisplayError(f"display: DISPLAY is not set, so no window can be opened; {REMEDY}")
    try:
        pygame.display.init()
        pygame.font.init()
        # SDL falls back to a driver without a screen and says nothing.
        if pygame.display.get_driver() in ("offscreen", "dummy") and not asked:
            raise pygame.error(f"no display answers at {here}")
        flags = pygame.FULLSCREEN if fullscreen else pygame.RESIZABLE
        screen = pygame.display.set_mode((0, 0) if fullscreen else size, flags)
    except pygame.error as error:
        pygame.quit()
        raise DisplayError(f"display: {error}; {REMEDY}") from error
    pygame.display.set_caption("worldsim")
    return screen


def save_screenshot(screen: pygame.Surface) -> Path:
    """Write what the window shows as a PNG below `runs/screenshots`, whole or not at all.

    Raises:
        ResourceLimitError: the folder can't be written.
    """
    import pygame

    name = datetime.datetime.now().strftime("%Y-%m-%d_%H.%M.%S.%f")[:-4]
    target = SCREENSHOTS / f"{name}.png"
    part = target.with_name(f".{name}.part.png")
    try:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        pygame.image.save(screen, str(part))
        os.replace(part, target)
    except (OSError, pygame.error) as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise ResourceLimitError(f"screenshot {target}: {error}; free space or play elsewhere") from error
    return target


def _check_pygame() -> None:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    # Pictures come ready made. With OpenGL SDL loads Mesa's LLVM, beside which torch's Triton crashes.
    os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
    try:
        import pygame  # noqa: F401
    except ImportError as error:
        raise MissingDependency("pygame: not installed; run  pip install 'pygame>=2.6,<3'") from error
