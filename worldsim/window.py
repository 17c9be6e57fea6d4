"""A pygame window that shows one frame a tick, for `render_mode="human"`."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import DisplayError, MissingDependency

_FITS = (1280, 720)  # a window no larger than this, in whole multiples of the frame


class Window:
    """Shows frames, enlarged by a whole factor, no faster than `fps`.

    Where there is no display SDL draws into memory; that is said once and play goes on. After the
    user has closed the window, `show` does nothing but keep the time.

    Raises:
        MissingDependency: pygame is not installed.
        DisplayError: SDL can open no window.
    """

    def __init__(self, width: int, height: int, *, title: str, fps: int) -> None:
        self._pygame = _import_pygame()
        self._fps = fps
        factor = max(1, min(_FITS[0] // width, _FITS[1] // height))
        try:
            self._pygame.display.init()
            self._screen: Any = self._pygame.display.set_mode((width * factor, height * factor))
        except self._pygame.error as error:
            self._pygame.display.quit()
            raise DisplayError(f"window: {error}; use render_mode='rgb_array' or set DISPLAY") from error
        self._pygame.display.set_caption(title)
        if self._pygame.display.get_driver() == "offscreen" and "SDL_VIDEODRIVER" not in os.environ:
            logging.getLogger("worldsim").warning("no display: the window is drawn into memory")
        self._clock = self._pygame.time.Clock()

    def show(self, frame: NDArray[np.uint8]) -> None:
        """Show one frame, uint8 [H, W, 3], and wait for the tick's end."""
        if self._screen is not None:
            if any(event.type == self._pygame.QUIT for event in self._pygame.event.get()):
                self.close()
            else:
                surface = self._pygame.surfarray.make_surface(frame.swapaxes(0, 1))
                self._pygame.transform.scale(surface, self._screen.get_size(), self._screen)
                self._pygame.display.flip()
        self._clock.tick(self._fps)

    def close(self) -> None:
        """Close the window; closing twice is fine."""
        if self._screen is not None:
            self._screen = None
            self._pygame.display.quit()


def _import_pygame() -> Any:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    # Pictures come ready made. With OpenGL SDL loads Mesa's LLVM, beside which torch's Triton crashes.
    os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pygame 2.6 imports pkg_resources where old setuptools have it
            import pygame
    except ImportError as error:
        raise MissingDependency("render_mode='human' needs pygame: pip install pygame") from error
    return pygame
