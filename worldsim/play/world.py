"""One Gymnasium env as something to play: frames, a past to go back to, ends and failures."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import Action
from worldsim.errors import UsageError
from worldsim.play.history import History, Moment
from worldsim.play.threads import Governor

FRAME_KEYS = ("frame", "pov", "rgb")
"""Names under which envs with dict observations keep the picture."""


@dataclass(frozen=True)
class Step:
    """One step of a world: what a recording has to know beside the two moments."""

    moment: Moment
    reward: float
    terminated: bool
    truncated: bool


class World:
    """A Gymnasium env, its past and its present; real and learned worlds look the same.

    `moment` is the present: frame, tick and info. Errors of the env pass through and leave the
    present as it was.

    Args:
        title: what the player calls it.
        generated: whether a model makes the frames.
        recorded: the env records itself, so that its time goes forward only.
        governor: is told how long each step took.
    """

    def __init__(
        self,
        env: Any,
        *,
        title: str,
        generated: bool,
        recorded: bool = False,
        governor: Governor | None = None,
    ) -> None:
        self.env, self._governor = env, governor
        self.title = title
        self.generated = generated
        self.seed: int | None = None
        self.origin = ""
        self.history = History()
        self.world_id = str(getattr(env.unwrapped, "world_id", getattr(env.spec, "id", title)))
        self.can_rewind = not recorded and all(
            hasattr(env.unwrapped, name) for name in ("clone_state", "restore_state")
        )

    @property
    def moment(self) -> Moment:
        """The present."""
        return self.history.newest

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the frames, known before the first reset."""
        space = self.env.observation_space
        for key in FRAME_KEYS:
            if hasattr(space, "spaces") and key in space.spaces:
                space = space.spaces[key]
        height, width = space.shape[:2]
        return int(width), int(height)

    def reset(self, seed: int, options: dict[str, Any] | None = None, *, origin: str = "") -> Moment:
        """Begin a new episode; `options` may hold footage to start from (`frames`, `actions`).

        Args:
            origin: what the footage is, for the player; without it the seed is shown.
        """
        observation, info = self.env.reset(seed=seed, options=options)
        self.seed = None if options else seed
        self.origin = origin or f"seed {seed}"
        self.history.start(Moment(0, frame_of(observation), self._kept(info)), self._snapshot())
        return self.moment

    def step(self, action: Action) -> Step:
        """Live one tick; call it only while `moment.ended` is None."""
        begin = time.perf_counter()
        observation, reward, terminated, truncated, info = self.env.step(action)
        if self._governor is not None:
            self._governor.took(time.perf_counter() - begin)
        ended = _end(bool(terminated), bool(truncated), info)
        moment = Moment(self.moment.tick + 1, frame_of(observation), self._kept(info), action, ended)
        wanted = self.can_rewind and self.history.wants_snapshot(moment.tick)
        self.history.add(moment, self._snapshot() if wanted else None)
        return Step(moment, float(reward), bool(terminated), bool(truncated))

    def _kept(self, info: dict[str, Any]) -> dict[str, Any]:
        """What the player may be shown of a tick, with the map of what is invented, uint8 [H, W]."""
        kept: dict[str, Any] = {key: info[key] for key in ("state", "uncertainty") if key in info}
        if "invented" in info:
            kept["invented"] = np.round(self.env.unwrapped.buffers()["invented"] * 255).astype(np.uint8)
        return kept

    def rewind_to(self, tick: int) -> Moment:
        """Stand at `tick`, or as near as the history goes, exactly as one stood there before.

        Raises:
            UsageError: the env has no `clone_state` and `restore_state`.
        """
        if not self.can_rewind:
            raise UsageError(f"{self.world_id}: has no clone_state, so it can't be rewound")
        target = self.history.at(tick)
        snapshot, actions = self.history.way_to(target.tick)
        self.env.unwrapped.restore_state(snapshot)
        for action in actions:
            self.env.step(action)
        self.history.cut_after(target.tick)
        return self.moment

    def footage(self, count: int) -> dict[str, Any]:
        """The last `count` frames as reset options for a learned world, which goes on from there.

        `frames` uint8 [T, H, W, 3] and `actions`, T - 1 dicts; `pose` float32 [T, 5], true `depth`
        float32 [T, H, W], `time_of_day` and `caption` where the world knows them.
        """
        moments = self.history.last(count)
        options: dict[str, Any] = {
            "frames": np.stack([m.frame for m in moments]),
            "actions": [m.action for m in moments[1:]],
        }
        states = [m.info.get("state", {}) for m in moments]
        if all("pose" in state for state in states):
            options["pose"] = np.stack([np.asarray(state["pose"], np.float32) for state in states])
        # A dream may have read it off the picture, and badly.
        if not self.generated and "time_of_day" in states[-1]:
            options["time_of_day"] = float(states[-1]["time_of_day"])
        if states[-1].get("caption"):
            options["caption"] = str(states[-1]["caption"])
        depth = self._depths(moments)
        return options if depth is None else {**options, "depth": depth}

    def depth(self) -> NDArray[np.float32] | None:
        """True depth [H, W] of the present frame in blocks; None where the world is only guessing."""
        buffers = getattr(self.env.unwrapped, "buffers", None)
        if self.generated or buffers is None:
            return None
        found: NDArray[np.float32] | None = buffers().get("depth")
        return found

    def close(self) -> None:
        """Close the env."""
        self.env.close()

    def _depths(self, moments: list[Moment]) -> NDArray[np.float32] | None:
        """True depth of the given newest moments, by living them once more and coming back."""
        newest = self.depth()
        if newest is None or not self.can_rewind:
            return None
        now = self.env.unwrapped.clone_state()
        snapshot, actions = self.history.way_to(moments[0].tick)
        self.env.unwrapped.restore_state(snapshot)
        depths = []
        try:
            for action in actions:
                self.env.step(action)
            for later in (*moments[1:], None):
                depths.append(self.depth())
                if later is not None:
                    self.env.step(later.action)
        finally:
            self.env.unwrapped.restore_state(now)
        return np.stack([newest if d is None else d for d in depths])

    def _snapshot(self) -> object:
        return self.env.unwrapped.clone_state() if self.can_rewind else object()


def frame_of(observation: Any) -> NDArray[np.uint8]:
    """The picture uint8 [H, W, 3] in an observation: the array itself, or a dict's `frame`, `pov`, `rgb`.

    Raises:
        UsageError: there is no such picture.
    """
    if isinstance(observation, dict):
        observation = next((observation[k] for k in FRAME_KEYS if k in observation), None)
    frame = np.asarray(observation)
    if frame.ndim != 3 or frame.shape[-1] != 3 or frame.dtype != np.uint8:
        raise UsageError(f"observation: got {frame.dtype} {frame.shape}, expected a picture uint8 [H, W, 3]")
    return frame


def _end(terminated: bool, truncated: bool, info: dict[str, Any]) -> str | None:
    if not terminated and not truncated:
        return None
    reason = info.get("reason") or info.get("truncated_reason")
    return str(reason) if reason else ("the episode is over" if terminated else "the episode was cut off")
