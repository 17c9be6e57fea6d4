"""`worldsim/Luanti-v0`: Debian's unmodified Luanti (minetest) as a Gymnasium environment, in lockstep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from worldsim.actions import CAMERA, KEYS, Action, action_space, to_vector
from worldsim.actions import INDEX as ACTION_INDEX
from worldsim.errors import ConfigError, ResetNeeded, UsageError
from worldsim.seeding import check_seed
from worldsim.window import Window

from .luanti_episode import begin, check_options, go_on, write_snapshot
from .luanti_game import LuantiGame
from .luanti_settings import DEGREES_PER_PIXEL, LuantiSettings
from .luanti_state import Senses

_STEEPEST = 89.5
"""Degrees: the game looks no further up or down."""


class LuantiEnv(gymnasium.Env[NDArray[np.uint8], Action]):
    """Luanti with `minetest_game`, seen in first person; 20 ticks a second, MineRL 1.0's actions.

    Each step is exactly 50 ms of the game's time, however long it takes. Observations are frames,
    uint8 [H, W, 3] RGB; `info["state"]` has the true pose and what the server knows (docs/envs.md). The
    mouse turns in pixels of 0.15 degrees, as in Minecraft: what is left over of a camera action is
    turned with the next, so that the sum never drifts. swapHands and pickItem do nothing, sprint
    neither (the game has none), and ESC closes a form but never pauses.

    The reward is 0. With `damage`, an episode terminates when the player dies.

    Args:
        width, height: frame size in pixels, even, 64x48 to 1920x1080.
        render_mode: None, "rgb_array", or "human" for a window at 20 frames/s.
        mapgen: v7, v6, v5, carpathian, valleys, fractal, flat or singlenode.
        view: how far one sees, in blocks, 20 to 400.
        day_speed: how many times faster than the real day the game's passes; 72 is 20 minutes a day.
        damage: whether falling, drowning and lava hurt.
        hud: show the hotbar, the crosshair and the hand.
        clouds: draw clouds. They drift while the game loads, so that the sky is not the same in each run.
        clock: "auto", "shim" (needs a C compiler once) or "faketime" (libfaketime, slower).
        options: further lines of minetest.conf.

    Raises:
        ConfigError: an argument out of range.
        MissingDependency: from `reset`, if minetest, Xvfb, python-xlib or a clock is not installed.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": 20}  # noqa: RUF012
    world_id = "worldsim/Luanti-v0"

    def __init__(
        self,
        *,
        width: int = 320,
        height: int = 180,
        render_mode: str | None = None,
        mapgen: str = "v7",
        view: int = 80,
        day_speed: float = 72.0,
        damage: bool = False,
        hud: bool = True,
        clouds: bool = False,
        clock: str = "auto",
        options: Mapping[str, str] | None = None,
    ) -> None:
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ConfigError(f"render_mode: got {render_mode!r}, expected None, 'human' or 'rgb_array'")
        self.settings = LuantiSettings(
            width=width, height=height, mapgen=mapgen, view=view, day_speed=day_speed, damage=damage, hud=hud,
            clouds=clouds, clock=clock, options=options,
        )  # fmt: skip
        self.width, self.height, self.render_mode = width, height, render_mode
        self.action_space = action_space()
        self.observation_space = spaces.Box(0, 255, (height, width, 3), np.uint8)
        self._game: LuantiGame | None = None
        self._ended = False
        self._seed = 0
        self._window: Window | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """End the game that runs, if one does, and begin another; takes some seconds.

        Args:
            seed: the world, the place, the direction and the time of day, 0 <= seed < 2**64; None draws the
                next one from `np_random`.
            options: None or a dict with any of
                "time_of_day": 0..1 (0.25 sunrise, 0.5 noon);
                "spawn": (x, z), or (x, y, z) with y that of the feet;
                "inventory": up to 32 item strings such as "default:cobble 99", the first nine the hotbar;
                "world": a folder that `save_world` wrote, or a world of minetest_game: begin there.

        Returns:
            The first observation and info, with "state" and the world's "seed".

        Raises:
            UsageError: a seed out of range or a bad option; nothing has changed then.
            MissingDependency: something is not installed.
            EngineError: the game does not start.
        """
        world = None if seed is None else check_seed(seed)
        chosen = check_options(options)
        super().reset(seed=world)
        if world is None:
            world = int(self.np_random.integers(2**63))
        self._end_game()
        self._game = begin(self.settings, world, chosen)
        return self._started(world)

    def step(self, action: Action) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Play one tick of 50 ms.

        Args:
            action: a MineRL action dict, see `worldsim.actions.noop`.

        Returns:
            observation, reward 0.0, terminated (the player died), truncated False, info with "state".

        Raises:
            InvalidAction: an action outside the action space; the world has not changed then.
            ResetNeeded: before the first `reset`, after the end of an episode, or after an EngineError.
            EngineError: the game ended or does not answer; it is closed, `reset` starts another.
        """
        game = self._running("step")
        if self._ended:
            raise ResetNeeded("step: the episode has ended; call reset() first")
        vector = to_vector(action)
        keys = frozenset(key for key in KEYS if vector[ACTION_INDEX[key]] > 0.5)
        if not self._form_open:
            keys -= {"ESC"}  # it would pause the game
        self._do(lambda: game.step(keys, *self._pixels(vector[CAMERA])))
        events = game.take_events()
        self._ended = bool(events["died"])
        return self._look(), 0.0, self._ended, False, {"state": self._sense(keys, events)}

    def render(self) -> NDArray[np.uint8] | None:
        """The current frame, uint8 [H, W, 3], in mode "rgb_array"; "human" shows frames by itself."""
        game = self._running("render")
        if self.render_mode is None:
            gymnasium.logger.warn("render() without a render_mode; make the env with render_mode='rgb_array'")
        return game.picture() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """End the game and close the window; closing twice is fine."""
        self._end_game()
        if self._window is not None:
            self._window.close()
            self._window = None

    def save_world(self, folder: str | Path) -> Path:
        """Save the world as it is, and go on; `reset(options={"world": folder})` begins there again.

        The game saves on ending, so it is started anew from the copy: some seconds. The land, the
        inventory, the time and the pose are kept; things that fall or fly are not, nor is an open form.

        Args:
            folder: one that is not there yet, or is empty.

        Raises:
            UsageError: the folder is not empty.
            ResetNeeded: no episode has begun.
        """
        game = self._running("save_world")

        def save_and_go_on() -> LuantiGame:
            write_snapshot(game, Path(folder), self._seed)
            return go_on(self.settings, Path(folder))

        self._game = self._do(save_and_go_on)
        self._sense(frozenset(), self._game.take_events())
        return Path(folder)

    def _started(self, seed: int) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        assert self._game is not None
        self._seed, self._ended = seed, False
        self._senses, self._rest = Senses(), np.zeros(2)
        state = self._sense(frozenset(), self._game.take_events())
        return self._look(), {"state": state, "seed": seed}

    def _pixels(self, camera: NDArray[np.float32]) -> tuple[int, int]:
        """Whole pixels of the mouse for (pitch, yaw) in degrees; the rest is kept for the next tick."""
        pitch = float(self._state["pose"][4])
        wanted = np.array([camera[1], np.clip(camera[0], -_STEEPEST - pitch, _STEEPEST - pitch)], np.float64)
        exact = wanted / DEGREES_PER_PIXEL + self._rest
        pixels = np.round(exact)
        self._rest = exact - pixels
        return int(pixels[0]), int(pixels[1])

    def _sense(self, keys: frozenset[str], events: dict[str, Any]) -> dict[str, Any]:
        assert self._game is not None
        self._form_open = self._game.form_open()
        self._state = self._senses.state(
            self._game.client, self._game.state, events, keys=keys, form_open=self._form_open
        )
        return self._state

    def _look(self) -> NDArray[np.uint8]:
        assert self._game is not None
        frame = self._game.picture()
        if self.render_mode == "human":
            if self._window is None:
                self._window = Window(self.width, self.height, title=self.world_id, fps=20)
            self._window.show(frame)
        return frame

    def _do(self, deed: Any) -> Any:
        """Do something with the game; after a failure in the middle of it there is no game any more."""
        try:
            return deed()
        except UsageError:
            raise
        except BaseException:  # Ctrl-C too: half a tick can't be gone on from
            self._end_game()
            raise

    def _running(self, what: str) -> LuantiGame:
        if self._game is None:
            raise ResetNeeded(f"{what}: no game is running; call reset() first")
        return self._game

    def _end_game(self) -> None:
        game, self._game = self._game, None
        if game is not None:
            game.close()
