"""The joint action space of the VPT models: 8641 button choices and 121 camera choices.

A button choice is one of 10 hotbar keys (or none), three of forward/back, left/right and
sprint/sneak, two of use, drop, attack and jump, and whether the camera turns: 10·3·3·3·2·2·2·2·2 =
8640, the last digit fastest, and one more for `inventory`, which excludes everything else. A camera
choice is `pitch bin · 11 + yaw bin` of 11 mu-law bins an axis up to ±10 degrees. (Source: Baker et
al. 2022, appendix; Video-Pre-Training `lib/action_mapping.py`, `lib/actions.py`.)

Loses: ESC, swapHands and pickItem; all but the last of several hotbar keys; forward with back, and
left with right; sprint under sneak; everything beside inventory; camera turns beyond ±10 degrees,
and up to 2.35 degrees by rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import CAMERA, INDEX
from worldsim.codec.camera import CameraBins
from worldsim.codec.keys import HOTBAR, columns, empty, integers, last, only, press, pressed
from worldsim.errors import InvalidAction

CAMERA_BINS = CameraBins(limit=10, size=2, mu=10)
GROUPS: tuple[tuple[str, ...], ...] = (
    HOTBAR, ("forward", "back"), ("left", "right"), ("sprint", "sneak"),
    ("use",), ("drop",), ("attack",), ("jump",), ("camera",),
)  # fmt: skip
RADIX: tuple[int, ...] = tuple(len(group) + 1 for group in GROUPS)
INVENTORY = math.prod(RADIX)
BUTTONS = INVENTORY + 1
CAMERAS = CAMERA_BINS.count**2
NULL_CAMERA = CAMERA_BINS.zero * CAMERA_BINS.count + CAMERA_BINS.zero
FACTORED: tuple[str, ...] = (
    "attack", "back", "forward", "jump", "left", "right", "sneak", "sprint", "use", "drop", "inventory", *HOTBAR
)  # fmt: skip
"""The 20 buttons of the factored space, in its order."""


def from_vectors(vectors: Any) -> dict[str, NDArray[np.int64]]:
    """Vectors `[..., 25]` as `{"buttons": int64 [...] below 8641, "camera": int64 [...] below 121}`."""
    down = pressed(vectors)
    bins = CAMERA_BINS.encode(np.asarray(vectors, np.float32)[..., CAMERA])
    inventory = down[..., INDEX["inventory"]]
    turns = (bins != CAMERA_BINS.zero).any(axis=-1)
    choices = [last(columns(down, HOTBAR))]
    choices += [only(columns(down, group)) for group in GROUPS[1:3]]
    choices += [last(columns(down, group)) for group in GROUPS[3:-1]]
    buttons = np.ravel_multi_index((*choices, turns.astype(np.int64)), RADIX)
    camera = bins[..., 0] * CAMERA_BINS.count + bins[..., 1]
    return {
        "buttons": np.where(inventory, INVENTORY, buttons),
        "camera": np.where(inventory, NULL_CAMERA, camera),
    }


def to_vectors(actions: Mapping[str, Any]) -> NDArray[np.float32]:
    """`{"buttons": [...], "camera": [...]}` as vectors float32 `[..., 25]`.

    The camera counts only where the button choice says that it turns, as in the models.

    Raises:
        InvalidAction: an index out of range, or two shapes.
    """
    if not isinstance(actions, Mapping) or actions.keys() != {"buttons", "camera"}:
        raise InvalidAction("vpt-policy: expected a dict with 'buttons' and 'camera'")
    buttons = integers(actions["buttons"], "buttons", BUTTONS)
    camera = integers(actions["camera"], "camera", CAMERAS)
    if buttons.shape != camera.shape:
        raise InvalidAction(f"camera: got shape {camera.shape}, expected that of buttons, {buttons.shape}")
    inventory = buttons == INVENTORY
    choices = np.unravel_index(np.where(inventory, 0, buttons), RADIX)
    vectors = empty(buttons.shape)
    for group, choice in zip(GROUPS[:-1], choices):
        press(vectors, group, choice)
    bins = np.stack(np.divmod(camera, CAMERA_BINS.count), axis=-1)
    vectors[..., CAMERA] = np.where(choices[-1][..., None] == 1, CAMERA_BINS.decode(bins), 0)
    vectors[..., INDEX["inventory"]] = inventory
    return vectors


def to_factored(vectors: Any) -> dict[str, NDArray[np.int64]]:
    """Vectors `[..., 25]` in the factored space that the inverse-dynamics model predicts.

    `{"buttons": 0 or 1 [..., 20] in the order of FACTORED, "camera": bins [..., 2]}`; nothing
    excludes anything here.
    """
    bins = CAMERA_BINS.encode(np.asarray(vectors, np.float32)[..., CAMERA])
    return {"buttons": columns(pressed(vectors), FACTORED).astype(np.int64), "camera": bins}


def from_factored(actions: Mapping[str, Any]) -> NDArray[np.float32]:
    """The factored space's `{"buttons": [..., 20], "camera": [..., 2]}` as vectors `[..., 25]`."""
    buttons = integers(actions["buttons"], "buttons", 2)
    degrees = CAMERA_BINS.decode(actions["camera"])
    if buttons.shape[-1:] != (len(FACTORED),) or degrees.shape != (*buttons.shape[:-1], 2):
        raise InvalidAction(
            f"factored: got buttons {buttons.shape} and camera {degrees.shape}, expected [..., 20] and [..., 2]"
        )
    vectors = empty(buttons.shape[:-1])
    vectors[..., [INDEX[name] for name in FACTORED]] = buttons
    vectors[..., CAMERA] = degrees
    return vectors
