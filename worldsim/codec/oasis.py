"""The 25 floats that Oasis is conditioned on: our order of keys, the camera in 81 linear bins.

`cameraX` is the **pitch** and `cameraY` the **yaw**, whatever their names say. Oasis' recordings
hold bins 0 to 80 (40 is no turn), half a degree each; the model's input is `(bin - 40) / 40`, that
is degrees / 20. Oasis pairs each frame with the action that led to it, so its input for a clip is
`data.episode.led_to(from_vectors(actions))`: one zero row goes first. (Source: open-oasis, `utils.py`.)

Loses: turns are rounded to half degrees (an error up to 0.25) and clipped to ±20.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import CAMERA, VECTOR_NAMES, to_vector
from worldsim.codec.camera import CameraBins
from worldsim.codec.keys import pressed
from worldsim.errors import InvalidAction

CAMERA_BINS = CameraBins(limit=20, size=0.5)
NAMES: tuple[str, ...] = tuple(
    {"camera_pitch": "cameraX", "camera_yaw": "cameraY"}.get(name, name) for name in VECTOR_NAMES
)


def from_vectors(vectors: Any) -> NDArray[np.float32]:
    """Vectors `[..., 25]` in degrees as Oasis' `[..., 25]` with the camera in [-1, 1]."""
    values = pressed(vectors).astype(np.float32)
    bins = CAMERA_BINS.encode(np.asarray(vectors, np.float32)[..., CAMERA])
    values[..., CAMERA] = (bins - CAMERA_BINS.zero) / CAMERA_BINS.zero
    return values


def to_vectors(values: Any) -> NDArray[np.float32]:
    """Oasis' values `[..., 25]` as vectors in degrees; the camera need not lie on a bin.

    Raises:
        InvalidAction: the last axis is not 25 long, or a value is out of range or not finite.
    """
    try:
        array = np.array(values, np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidAction(f"oasis: got {type(values).__name__}, expected floats [..., 25]") from error
    if array.shape[-1:] != (len(NAMES),):
        raise InvalidAction(f"oasis: got shape {array.shape}, expected [..., {len(NAMES)}]")
    camera, keys = array[..., CAMERA], np.delete(array, np.r_[CAMERA], axis=-1)
    if not np.isfinite(array).all() or (np.abs(camera) > 1).any() or ((keys < 0) | (keys > 1)).any():
        raise InvalidAction("oasis: keys have to be within [0, 1], cameraX and cameraY within [-1, 1]")
    vectors = (array > 0.5).astype(np.float32)
    vectors[..., CAMERA] = camera * CAMERA_BINS.limit
    return vectors


def from_stored(actions: Sequence[Mapping[str, Any]]) -> NDArray[np.float32]:
    """The dicts of Oasis' recordings, MineRL's keys with `camera` as two bins, as vectors `[T, 25]`."""
    rows = [
        to_vector({**action, "camera": CAMERA_BINS.decode(np.asarray(action.get("camera", ())))})
        for action in actions
    ]
    return np.stack(rows) if rows else np.zeros((0, len(NAMES)), np.float32)


def to_stored(vectors: Any) -> list[dict[str, Any]]:
    """Vectors `[T, 25]` as the dicts of Oasis' recordings: the camera as two bins from 0 to 80."""
    from worldsim.codec import minerl

    columns = minerl.from_vectors(vectors)
    columns["camera"] = CAMERA_BINS.encode(columns["camera"])
    length = len(columns["camera"])
    return [{name: values[t].tolist() for name, values in columns.items()} for t in range(length)]
