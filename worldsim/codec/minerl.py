"""MineRL 1.0's dict with a leading time axis: 23 keys int64 `[...]` and `camera` float32 `[..., 2]`.

Loses nothing, except that a key between 0 and 1 becomes 0 or 1. One action without a time axis is
`worldsim.actions.to_vector` and `to_dict`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import CAMERA, INDEX, KEYS, check_vector, to_vector
from worldsim.codec.keys import empty, integers, pressed
from worldsim.errors import InvalidAction

NAMES: tuple[str, ...] = tuple(sorted((*KEYS, "camera")))
"""The 24 entries in MineRL's own order."""


def from_vectors(vectors: Any) -> dict[str, NDArray[Any]]:
    """Vectors `[..., 25]` as one dict of arrays, in MineRL's order."""
    down, camera = pressed(vectors), check_vector(vectors)[..., CAMERA]
    return {name: camera if name == "camera" else down[..., INDEX[name]].astype(np.int64) for name in NAMES}


def to_vectors(actions: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> NDArray[np.float32]:
    """A dict of arrays, or a sequence of single actions, as vectors float32 `[..., 25]`.

    Raises:
        InvalidAction: keys are missing, unknown, out of range or of different lengths.
    """
    if not isinstance(actions, Mapping):
        return np.stack([to_vector(action) for action in actions]) if len(actions) else empty((0,))
    if actions.keys() != set(NAMES):
        missing, unknown = sorted(set(NAMES) - actions.keys()), sorted(map(str, actions.keys() - set(NAMES)))
        raise InvalidAction(f"actions: missing keys {missing}, unknown keys {unknown}; expected MineRL's 24")
    camera = np.asarray(actions["camera"])
    if camera.shape[-1:] != (2,) or camera.dtype.kind not in "iuf":
        raise InvalidAction(
            f"actions['camera']: got {camera.dtype} {camera.shape}, expected degrees [..., 2] (pitch, yaw)"
        )
    vectors = empty(camera.shape[:-1])
    vectors[..., CAMERA] = camera
    for key in KEYS:
        values = np.asarray(actions[key])
        values = integers(
            values.astype(np.int64) if values.dtype.kind == "b" else values, f"actions[{key!r}]", 2
        )
        if values.shape != camera.shape[:-1]:
            raise InvalidAction(f"actions[{key!r}]: got shape {values.shape}, expected {camera.shape[:-1]}")
        vectors[..., INDEX[key]] = values
    return check_vector(vectors)
