"""MineRL 1.0 actions and the 25-float vector that the world model is conditioned on.

The vector has the order of Oasis' 25 entries: 23 keys in {0, 1} and the camera, here
`camera_pitch` and `camera_yaw` in degrees (positive down and right), never truncated.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldsim.errors import InvalidAction, brief

if TYPE_CHECKING:
    from gymnasium import spaces

VECTOR_NAMES: tuple[str, ...] = (
    "inventory", "ESC",
    "hotbar.1", "hotbar.2", "hotbar.3", "hotbar.4", "hotbar.5",
    "hotbar.6", "hotbar.7", "hotbar.8", "hotbar.9",
    "forward", "back", "left", "right",
    "camera_pitch", "camera_yaw",
    "jump", "sneak", "sprint", "swapHands", "attack", "use", "pickItem", "drop",
)  # fmt: skip
ACTION_SIZE = len(VECTOR_NAMES)
INDEX: dict[str, int] = {name: i for i, name in enumerate(VECTOR_NAMES)}
CAMERA = slice(INDEX["camera_pitch"], INDEX["camera_yaw"] + 1)
KEYS: tuple[str, ...] = tuple(sorted(n for n in VECTOR_NAMES if not n.startswith("camera_")))
"""The 23 `Discrete(2)` keys, alphabetically as MineRL lists them."""
CAMERA_LIMIT = 180.0

Action = dict[str, Any]


def action_space() -> spaces.Dict:
    """MineRL 1.0's action space: 23 keys and `camera = Box(-180, 180, (2,), float32)`."""
    from gymnasium import spaces

    # MineRL's camera is ±180 degrees by definition: the checker's advice to normalise it can't be taken.
    warnings.filterwarnings(
        "ignore", ".*symmetric and normalized space", module=r"gymnasium\.utils\.env_checker"
    )
    entries: dict[str, spaces.Space[Any]] = {key: spaces.Discrete(2) for key in KEYS}
    entries["camera"] = spaces.Box(-CAMERA_LIMIT, CAMERA_LIMIT, (2,), np.float32)
    return spaces.Dict(entries)


def noop() -> Action:
    """The action that presses nothing and turns nowhere."""
    return {**{key: 0 for key in KEYS}, "camera": np.zeros(2, np.float32)}


def to_vector(action: Mapping[str, Any]) -> NDArray[np.float32]:
    """Turn one MineRL action dict into its vector `float32 [25]`.

    Every key has to be there: 23 keys with 0 or 1 (a bool or any 0-d integer will do) and
    `camera` with two finite degrees within ±180.

    Raises:
        InvalidAction: a key is missing, unknown or out of range; the message names it.
    """
    if not isinstance(action, Mapping):
        raise InvalidAction(
            f"action: got {type(action).__name__}, expected a dict with {len(KEYS)} keys and "
            "'camera'; start from worldsim.actions.noop()"
        )
    expected = {*KEYS, "camera"}
    if action.keys() != expected:
        missing, unknown = sorted(expected - action.keys()), sorted(map(str, action.keys() - expected))
        raise InvalidAction(
            f"action: missing keys {missing}, unknown keys {unknown}; start from worldsim.actions.noop()"
        )
    vector = np.zeros(ACTION_SIZE, np.float32)
    for key in KEYS:
        vector[INDEX[key]] = _pressed(key, action[key])
    vector[CAMERA] = _camera(action["camera"])
    return vector


def to_dict(vector: NDArray[np.floating[Any]]) -> Action:
    """Turn a vector `[25]` into the MineRL action dict it stands for (keys above 0.5 are pressed)."""
    values = check_vector(vector)
    action: Action = {key: int(values[INDEX[key]] > 0.5) for key in KEYS}
    action["camera"] = values[CAMERA].copy()
    return action


def check_vector(vector: Any) -> NDArray[np.float32]:
    """Return a float32 copy of an action vector, or vectors, `[..., 25]`.

    Raises:
        InvalidAction: the last axis is not 25 long, or a value is not finite or out of range.
    """
    try:
        values = np.array(vector, np.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidAction(
            f"action: got {type(vector).__name__}, expected floats [..., 25]: {error}"
        ) from error
    if values.ndim == 0 or values.shape[-1] != ACTION_SIZE:
        raise InvalidAction(f"action: got shape {values.shape}, expected [..., {ACTION_SIZE}]")
    keys = np.delete(values, [INDEX["camera_pitch"], INDEX["camera_yaw"]], axis=-1)
    if not np.isfinite(values).all() or (np.abs(values[..., CAMERA]) > CAMERA_LIMIT).any():
        raise InvalidAction(f"action: camera has to be finite and within ±{CAMERA_LIMIT:g} degrees")
    if ((keys < 0) | (keys > 1)).any():
        raise InvalidAction("action: keys have to be between 0 and 1")
    return values


def _pressed(key: str, value: Any) -> float:
    array = as_array(value, f"action[{key!r}]", "the integer 0 or 1")
    if array.shape != () or array.dtype.kind not in "iub" or int(array) not in (0, 1):
        raise InvalidAction(f"action[{key!r}]: got {brief(value)}, expected the integer 0 or 1")
    return float(array)


def _camera(value: Any) -> NDArray[np.float32]:
    camera = as_array(value, "action['camera']", "two degrees (pitch, yaw)")
    if camera.shape != (2,) or camera.dtype.kind not in "iuf":
        raise InvalidAction(f"action['camera']: got {brief(value)}, expected two degrees (pitch, yaw)")
    if not np.isfinite(camera).all() or (np.abs(camera) > CAMERA_LIMIT).any():
        raise InvalidAction(
            f"action['camera']: got {brief(value)}, expected finite degrees within ±{CAMERA_LIMIT:g}"
        )
    return camera.astype(np.float32)


def as_array(value: Any, name: str, expected: str) -> NDArray[Any]:
    """`np.asarray(value)`, or an InvalidAction where that fails: ragged lists, tensors on a GPU."""
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidAction(f"{name}: got {brief(value)}, expected {expected}") from error
