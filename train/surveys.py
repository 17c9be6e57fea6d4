"""Surveys: places of a game seen from several sides, for a world's invention to walk about in.

A surveyor stands somewhere, looks at all four sides and up at all four sides, walks a few blocks on, and looks again.
What single views leave open, what is behind a tree, beside the path or overhead, the others of the same place show.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim import registry
from worldsim.actions import ACTION_SIZE, CAMERA, INDEX
from worldsim.sim.exemplars import Exemplars

STANDS, SIDES = 3, 4
PITCHES = (8.0, -30.0)
"""Degrees that a surveyor looks down: a view spans 70."""
VIEWS = STANDS * SIDES * len(PITCHES)
"""Views of a place."""
_APART = 5.0  # blocks from one stand to the next
_SETTLE, _STUCK, _WALK = 6, 12, 80  # ticks to come to rest, without getting on, and on the way at most
_NEAR, _CLOSE = 2.0, 0.25  # blocks, and the share of a place that may be nearer
_GOLDEN = 222.49  # degrees: a golden section of the circle, which repeats last
_WHOLE = 15.0  # health that a surveyor has to keep: who falls or drowns has not walked

View = tuple[NDArray[np.uint8], NDArray[np.float16], NDArray[np.float32], float]
"""Frame, depth, pose and time of day."""


def record_surveys(engine: str, *, first: int, places: int, width: int, height: int) -> Exemplars:
    """Survey `places` worlds of a game, from seed `first` on; those where nobody can walk about are skipped."""
    game = registry.resolve(registry.ENGINES, engine, "engine")(width=width, height=height)
    found: list[list[View]] = []
    seed = first
    while len(found) < places:
        game.reset(seed)
        # To any side, since a place is turned by quarters alone when it is put somewhere.
        views = survey(game, yaw=seed * _GOLDEN % 360.0)
        if views is not None:
            found.append(views)
        seed += 1
    place = np.arange(places, dtype=np.int32).repeat(VIEWS)
    return gathered([view for views in found for view in views], place)


def survey(game: Any, *, yaw: float) -> list[View] | None:
    """The views of one place: stand by stand, level, then up, to the right; None where nobody can walk about.

    Args:
        game: an engine, reset.
        yaw: degrees of the first of the four sides, to which the surveyor walks on if that can be done.
    """
    views: list[View] = []
    for stand in range(STANDS):
        if stand and not any(walk(game, yaw + turn) for turn in (0.0, 90.0, -90.0)):
            return None
        _act(game, ticks=_SETTLE)
        if game.state()["in_water"] or game.state()["health"] < _WHOLE:
            return None
        views += views_from_here(game, yaw)
    near = np.mean([(depth[::4, ::4] < _NEAR).mean() for _, depth, _, _ in views])
    return views if near <= _CLOSE else None


def views_from_here(game: Any, yaw: float) -> list[View]:
    """What is seen to all four sides, level, then up, `yaw` first."""
    views = []
    for pitch in PITCHES:
        for side in range(SIDES):
            _face(game, yaw + 90.0 * side, pitch)
            views.append(look(game))
    return views


def walk(game: Any, yaw: float, blocks: float = _APART) -> bool:
    """Go on to the next stand; False if something is in the way."""
    _face(game, yaw)
    begin, stuck = _eye(game), 0
    for _ in range(_WALK):
        before = _eye(game)
        _act(game, "forward", *(("jump",) if stuck > 1 else ()))
        here = _eye(game)
        stuck = stuck + 1 if _apart(before, here) < 0.05 else 0
        if _apart(begin, here) >= blocks:
            return True
        if stuck > _STUCK or game.state()["in_water"]:
            return False
    return False


def _face(game: Any, yaw: float, pitch: float = PITCHES[0]) -> None:
    for _ in range(_SETTLE):
        pose = game.state()["pose"]
        _act(game, camera=(pitch - pose[4], (yaw - pose[3] + 180.0) % 360.0 - 180.0))


def _act(game: Any, *keys: str, camera: tuple[float, float] = (0.0, 0.0), ticks: int = 1) -> None:
    action = np.zeros(ACTION_SIZE, np.float32)
    action[[INDEX[key] for key in keys]] = 1.0
    action[CAMERA] = camera
    for _ in range(ticks):
        game.step(action)


def look(game: Any) -> View:
    """What a game's player sees now."""
    frame, depth, _ids = game.render_buffers()
    state = game.state()
    pose, daytime = np.asarray(state["pose"], np.float32), float(state.get("time_of_day", np.nan))
    return frame, depth.astype(np.float16), pose, daytime


def gathered(views: Sequence[View], place: NDArray[np.int32]) -> Exemplars:
    """Views, and which place `[N]` each is of, as exemplars."""
    frames, depth, pose, daytime = zip(*views)
    return Exemplars(np.stack(frames), np.stack(depth), np.stack(pose), np.array(daytime, np.float32), place)


def _eye(game: Any) -> NDArray[np.float64]:
    return np.array(game.state()["pose"][:3], np.float64)


def _apart(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Blocks between two places, heights aside."""
    return float(np.hypot(a[0] - b[0], a[2] - b[2]))
