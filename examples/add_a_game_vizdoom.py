"""Add a game: Doom (ViZDoom, with the levels of Freedoom that come with it) as an env that we record and train on.

Run:  python examples/add_a_game_vizdoom.py [--out runs/doom] [--episodes 2] [--steps 200] [--picture doom.png]
Or:   PYTHONPATH=examples worldsim record --env add_a_game_vizdoom:Doom-v0 --policy random --out runs/doom

All that a game needs is in this file: frames uint8 [H, W, 3], MineRL's action space at 20 steps a second, and, so that
a world can be trained on its recordings, `info["state"]["pose"]`. Needs  pip install vizdoom.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from worldsim.actions import action_space, noop, to_vector
from worldsim.data.recorder import Recorder
from worldsim.data.storage import EpisodeStore
from worldsim.data.verify import verify
from worldsim.png import grid, write_png

WIDTH, HEIGHT, SCALE = 160, 96, 2
FOV = 99  # degrees across: 160x96 then show 70 from top to bottom, as our other games do
UNITS = 32.0  # of Doom's in a block, which is about a metre
TICS = (2, 2, 2, 1)  # 35 of Doom's a second are 7 in 4 of our steps
BUTTONS = {
    "forward": "MOVE_FORWARD", "back": "MOVE_BACKWARD", "left": "MOVE_LEFT", "right": "MOVE_RIGHT", "jump": "JUMP",
    "sneak": "CROUCH", "sprint": "SPEED", "attack": "ATTACK", "use": "USE",
    **{f"hotbar.{n}": f"SELECT_WEAPON{n}" for n in range(1, 8)},
}  # fmt: skip
"""MineRL's keys and the buttons that mean most nearly the same; the other keys do nothing."""
TURNS = ("TURN_LEFT_RIGHT_DELTA", "LOOK_UP_DOWN_DELTA")
VARIABLES = (
    "CAMERA_POSITION_X", "CAMERA_POSITION_Y", "CAMERA_POSITION_Z", "CAMERA_ANGLE", "CAMERA_PITCH", "HEALTH",
    "SELECTED_WEAPON", "KILLCOUNT",
)  # fmt: skip


class Doom(gymnasium.Env[NDArray[np.uint8], dict[str, Any]]):
    """A level of Freedoom. A step is 1/20 s on average; the reward is the number of monsters killed in it."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 20}

    def __init__(self, level: str = "map01", skill: int = 3, render_mode: str | None = None) -> None:
        try:
            import vizdoom
        except ImportError as error:
            raise SystemExit(
                "ViZDoom is not installed; expected it for this example: pip install vizdoom"
            ) from error
        self.render_mode = render_mode
        self.observation_space = gymnasium.spaces.Box(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
        self.action_space = action_space()
        self._game, self._closed = vizdoom.DoomGame(), False
        self._game.set_doom_game_path(os.path.join(os.path.dirname(vizdoom.__file__), "freedoom2.wad"))
        self._game.set_doom_map(level)
        self._game.set_doom_skill(skill)
        self._game.set_window_visible(False)
        self._game.set_screen_format(vizdoom.ScreenFormat.RGB24)
        self._game.set_screen_resolution(vizdoom.ScreenResolution.RES_320X240)
        self._game.set_render_hud(False)
        self._game.set_available_buttons([getattr(vizdoom.Button, n) for n in (*BUTTONS.values(), *TURNS)])
        self._game.set_available_game_variables([getattr(vizdoom.GameVariable, name) for name in VARIABLES])
        self._game.set_episode_timeout(0)
        self._started = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin the level; the seed decides what its monsters do."""
        super().reset(seed=seed)
        self._game.set_seed(int(self.np_random.integers(2**31)))
        if not self._started:
            self._game.init()
            self._started = True
        self._game.new_episode()
        self._game.send_game_command(f"fov {FOV}")
        self._steps, self._kills, self._before = 0, 0.0, None
        self._advance(noop(), 10)  # the field of view takes a few tics to change
        self._frame, state = self._look()
        return self._frame.copy(), {"state": state}

    def step(self, action: dict[str, Any]) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Take one of MineRL's actions."""
        self._advance(action, TICS[self._steps % len(TICS)])
        self._steps += 1
        over = bool(self._game.is_episode_finished())
        if over:  # there is no picture any more: the last one stays
            return self._frame.copy(), 0.0, True, False, {"state": self._before}
        self._frame, state = self._look()
        kills, self._kills = self._kills, self._read["KILLCOUNT"]
        return self._frame.copy(), self._kills - kills, False, False, {"state": state}

    def render(self) -> NDArray[np.uint8]:
        """The newest frame."""
        return self._frame.copy()

    def close(self) -> None:
        """End the game."""
        if not self._closed:
            self._closed = True
            self._game.close()

    def _advance(self, action: dict[str, Any], tics: int) -> None:
        """Let tics pass with the action's keys held; the whole turn is in the first one."""
        keys = [float(action[name]) for name in BUTTONS]
        pitch, yaw = (float(v) for v in action["camera"])
        for tic in range(tics):
            if self._game.is_episode_finished():
                return
            turn = [yaw, -pitch] if tic == 0 else [0.0, 0.0]
            self._game.set_action([*keys, *turn])
            self._game.advance_action(1)

    def _look(self) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """The frame, and the state in our units and axes: x runs west, y up, z north, yaw clockwise from +z."""
        now = self._game.get_state()
        top = (now.screen_buffer.shape[0] - SCALE * HEIGHT) // 2
        cut = now.screen_buffer[top : top + SCALE * HEIGHT].reshape(HEIGHT, SCALE, WIDTH, SCALE, 3)
        frame = cut.mean((1, 3)).round().astype(np.uint8)
        self._read = dict(zip(VARIABLES, map(float, now.game_variables)))
        x, y, z, angle, pitch = (self._read[name] for name in VARIABLES[:5])
        yaw = (90.0 - angle + 180.0) % 360.0 - 180.0
        health = 0.2 * self._read["HEALTH"]
        hurt = 0.0 if self._before is None else max(0.0, float(self._before["health"]) - health)
        state = {
            "pose": np.array([-x / UNITS, z / UNITS, y / UNITS, yaw, pitch], np.float32),
            "health": np.float32(health),
            "slot": np.int32(np.clip(self._read["SELECTED_WEAPON"] - 1, 0, 8)),
            "events": {"damage": np.float32(hurt)},
        }
        self._before = state
        return frame, state


class Wanderer:
    """Walks, and turns where it gets no further; shoots now and then. Any function of the state will do."""

    def __init__(self, seed: int) -> None:
        self._rng, self._turn, self._place = np.random.default_rng(seed), 0.0, np.zeros(3)

    def act(self, state: dict[str, Any]) -> dict[str, Any]:
        place, rng = np.asarray(state["pose"][:3], np.float64), self._rng
        if np.linalg.norm(place - self._place) < 0.05:
            self._turn = float(rng.choice([-6.0, 6.0]))
        elif rng.random() < 0.15:
            self._turn = float(rng.normal(0.0, 2.0))
        self._place = place
        pitch = -0.1 * float(state["pose"][4]) + rng.normal(0.0, 0.5)
        keys = {"forward": int(rng.random() < 0.9), "sprint": 1, "attack": int(rng.random() < 0.1), "use": 1}
        return {**noop(), **keys, "camera": np.array([pitch, self._turn], np.float32)}


gymnasium.register("Doom-v0", entry_point=Doom)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", default="runs/doom", help="folder of the dataset; continued if it is there")
    parser.add_argument("--episodes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=200, help="ticks an episode, 20 a second")
    parser.add_argument("--picture", default="doom.png", help="PNG of frames, eight an episode")
    args = parser.parse_args()
    env = Recorder(gymnasium.make("Doom-v0", max_episode_steps=args.steps), args.out, policy="wanderer")
    rows = []
    for seed in range(args.episodes):
        obs, info = env.reset(seed=seed)
        player, frames, over = Wanderer(seed), [obs], False
        while not over:
            obs, _reward, terminated, truncated, info = env.step(player.act(info["state"]))
            frames.append(obs)
            over = terminated or truncated
        rows.append(np.stack([frames[i] for i in np.linspace(0, len(frames) - 1, 8).astype(int)]))
    env.close()
    report = verify(args.out)
    store = EpisodeStore(args.out)
    print(f"{args.out}: {len(store)} episodes, {'all as committed' if report.ok else 'damaged'}")
    episode = store.read(len(store) - 1)
    forward = int(to_vector({**noop(), "forward": 1}).argmax())
    print(
        f"the last one: {len(episode)} actions, forward in {episode.actions[:, forward].mean():.0%} of them"
    )
    write_png(Path(args.picture), grid(rows))
    print(args.picture)


if __name__ == "__main__":
    main()
