"""The compact actions, written out: what each presses and how far it turns the camera.

An entry is a list of keys and camera turns: `pitch` is positive down and `yaw` positive to the
right, in degrees a tick. docs/envs.md shows both tables; tests keep it true.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import ACTION_SIZE, INDEX

Entry = dict[str, float]

TURN, GLANCE = 15.0, 3.0
"""Degrees of a large and a small turn of the discrete set."""
BINS = (-20.0, -6.0, -2.0, 0.0, 2.0, 6.0, 20.0)
"""Degrees of the factored camera: fine near zero, as VPT's mu-law bins are."""


def _press(*keys: str, pitch: float = 0.0, yaw: float = 0.0) -> Entry:
    return {**dict.fromkeys(keys, 1.0), "camera_pitch": pitch, "camera_yaw": yaw}


def _turns(degrees: float) -> dict[str, Entry]:
    return {
        f"turn left {degrees:g}": _press(yaw=-degrees),
        f"turn right {degrees:g}": _press(yaw=degrees),
        f"look up {degrees:g}": _press(pitch=-degrees),
        f"look down {degrees:g}": _press(pitch=degrees),
    }


DISCRETE: dict[str, Entry] = {
    "noop": _press(),
    "forward": _press("forward"),
    "back": _press("back"),
    "left": _press("left"),
    "right": _press("right"),
    "jump": _press("jump"),
    "sneak": _press("sneak"),
    "forward jump": _press("forward", "jump"),
    "forward sprint": _press("forward", "sprint"),
    "forward sprint jump": _press("forward", "sprint", "jump"),
    "attack": _press("attack"),
    "forward attack": _press("forward", "attack"),
    "use": _press("use"),
    "jump use": _press("jump", "use"),
    **_turns(TURN),
    **_turns(GLANCE),
    f"forward turn left {TURN:g}": _press("forward", yaw=-TURN),
    f"forward turn right {TURN:g}": _press("forward", yaw=TURN),
    "drop": _press("drop"),
    **{f"hotbar.{slot}": _press(f"hotbar.{slot}") for slot in range(1, 10)},
}
"""34 actions; the first does nothing."""

FACTORS: dict[str, dict[str, Entry]] = {
    "walk": {
        "still": _press(),
        "forward": _press("forward"),
        "back": _press("back"),
        "sprint": _press("forward", "sprint"),
    },
    "strafe": {"none": _press(), "left": _press("left"), "right": _press("right")},
    "rise": {"none": _press(), "jump": _press("jump"), "sneak": _press("sneak")},
    "hands": {
        "none": _press(),
        "attack": _press("attack"),
        "use": _press("use"),
        "pickItem": _press("pickItem"),
        "drop": _press("drop"),
    },
    "pitch": {f"{degrees:+g}": _press(pitch=degrees) for degrees in BINS},
    "yaw": {f"{degrees:+g}": _press(yaw=degrees) for degrees in BINS},
    "hotbar": {
        "keep": _press(),
        **{f"hotbar.{slot}": _press(f"hotbar.{slot}") for slot in range(1, 10)},
    },
}
"""Seven factors of 4, 3, 3, 5, 7, 7 and 10 choices."""


def entry_vector(entry: Entry) -> NDArray[np.float32]:
    """The vector float32 [25] that an entry stands for."""
    vector = np.zeros(ACTION_SIZE, np.float32)
    for name, value in entry.items():
        vector[INDEX[name]] = value
    return vector
