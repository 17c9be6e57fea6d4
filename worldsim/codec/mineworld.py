"""MineWorld's 11 tokens an action: begin, pitch, yaw, seven choices, end.

Token ids begin at 8192, above the ids of its image tokens. In a group of two keys that exclude each
other, both pressed is the null token. The camera has 21 mu-law bins an axis up to ±90 degrees.
(Source: MineWorld, `mcdataset.py`, which also cancels jump with sneak, sprint with sneak and attack
with use, one pair after the other.)

Loses: inventory, ESC and swapHands; all but the first of several hotbar keys; keys that cancel out;
camera turns beyond ±90 degrees, and up to 11.6 degrees by rounding (1.6 below 4 degrees).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldsim.actions import CAMERA, INDEX
from worldsim.codec.camera import CameraBins
from worldsim.codec.keys import HOTBAR, columns, empty, first, integers, only, press, pressed
from worldsim.errors import InvalidAction

CAMERA_BINS = CameraBins(limit=90, size=9, mu=11.4887)
OFFSET = 8192
KEY_TOKENS: tuple[str, ...] = (
    "use", "attack", "forward", "back", "left", "right", "jump", "sneak", "sprint", "drop",
    "swapHands", "pickItem", "inventory", "ESC", *HOTBAR,
)  # fmt: skip
"""Keys in the order of their tokens, from `OFFSET` on; then pitch bins, yaw bins, begin, null, end."""
PITCH = len(KEY_TOKENS)
YAW = PITCH + CAMERA_BINS.count
BEGIN = YAW + CAMERA_BINS.count
NULL, END = BEGIN + 1, BEGIN + 2
CHOICES: tuple[tuple[str, ...], ...] = (
    HOTBAR, ("forward", "back"), ("left", "right"), ("sprint", "sneak"), ("use", "attack"), ("jump",),
    ("drop", "pickItem"),
)  # fmt: skip
"""What tokens 3 to 9 choose between."""
LENGTH = len(CHOICES) + 4
CANCEL: tuple[tuple[str, str], ...] = (
    ("forward", "back"), ("left", "right"), ("jump", "sneak"), ("sprint", "sneak"), ("attack", "use"),
)  # fmt: skip


def from_vectors(vectors: Any) -> NDArray[np.int64]:
    """Vectors `[..., 25]` as token ids int64 `[..., 11]`."""
    down = pressed(vectors)
    for one, other in CANCEL:
        both = down[..., INDEX[one]] & down[..., INDEX[other]]
        down[..., [INDEX[one], INDEX[other]]] &= ~both[..., None]
    bins = CAMERA_BINS.encode(np.asarray(vectors, np.float32)[..., CAMERA])
    tokens = np.full((*down.shape[:-1], LENGTH), NULL, np.int64)
    tokens[..., 0], tokens[..., -1] = BEGIN, END
    tokens[..., 1], tokens[..., 2] = PITCH + bins[..., 0], YAW + bins[..., 1]
    for place, group in enumerate(CHOICES, 3):
        choose = first if group is HOTBAR else only
        tokens[..., place] = _ids(group)[choose(columns(down, group))]
    return tokens + OFFSET


def to_vectors(tokens: Any) -> NDArray[np.float32]:
    """Token ids `[..., 11]` as vectors float32 `[..., 25]`.

    Raises:
        InvalidAction: not 11 tokens, or a token that does not belong at its place.
    """
    ids = integers(tokens, "tokens", OFFSET + END + 1) - OFFSET
    if ids.shape[-1:] != (LENGTH,):
        raise InvalidAction(f"tokens: got shape {ids.shape}, expected [..., {LENGTH}]")
    vectors = empty(ids.shape[:-1])
    for place, one in ((0, BEGIN), (LENGTH - 1, END)):
        _choice(ids, place, np.array([one]))
    for axis, start in enumerate((PITCH, YAW)):
        bins = _choice(ids, 1 + axis, start + np.arange(CAMERA_BINS.count))
        vectors[..., CAMERA.start + axis] = CAMERA_BINS.decode(bins)
    for place, group in enumerate(CHOICES, 3):
        press(vectors, group, _choice(ids, place, _ids(group)))
    return vectors


def _ids(group: tuple[str, ...]) -> NDArray[np.int64]:
    return np.array([NULL, *(KEY_TOKENS.index(name) for name in group)])


def _choice(ids: NDArray[np.int64], place: int, allowed: NDArray[np.int64]) -> NDArray[np.int64]:
    matches = ids[..., place, None] == allowed
    if not matches.any(axis=-1).all():
        wrong = ids[..., place][~matches.any(axis=-1)].flat[0] + OFFSET
        raise InvalidAction(
            f"tokens[..., {place}]: got {wrong}, expected one of {(allowed + OFFSET).tolist()[:12]}"
        )
    choice: NDArray[np.int64] = np.argmax(matches, axis=-1)
    return choice
