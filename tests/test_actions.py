"""MineRL dicts and the 25-float vector: round trips, and bad input that changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldsim import actions
from worldsim.errors import InvalidAction

DEGREES = st.floats(-actions.CAMERA_LIMIT, actions.CAMERA_LIMIT, width=32)
DICTS = st.fixed_dictionaries(
    {
        **{key: st.integers(0, 1) for key in actions.KEYS},
        "camera": st.tuples(DEGREES, DEGREES).map(lambda c: np.array(c, np.float32)),
    }
)


def changed(**entries: Any) -> actions.Action:
    return {**actions.noop(), **{key.replace("_", "."): value for key, value in entries.items()}}


def test_the_order_is_oasis() -> None:
    """Golden: trained weights and recordings depend on it."""
    assert actions.VECTOR_NAMES == (
        "inventory", "ESC", "hotbar.1", "hotbar.2", "hotbar.3", "hotbar.4", "hotbar.5", "hotbar.6", "hotbar.7",
        "hotbar.8", "hotbar.9", "forward", "back", "left", "right", "camera_pitch", "camera_yaw", "jump", "sneak",
        "sprint", "swapHands", "attack", "use", "pickItem", "drop",
    )  # fmt: skip
    assert actions.ACTION_SIZE == 25 and len(actions.KEYS) == 23


@given(DICTS)
def test_dict_to_vector_and_back(action: actions.Action) -> None:
    back = actions.to_dict(actions.to_vector(action))
    assert back.keys() == action.keys()
    assert all(back[key] == action[key] for key in actions.KEYS)
    assert np.array_equal(back["camera"], action["camera"])


@given(DICTS)
def test_vector_to_dict_and_back(action: actions.Action) -> None:
    vector = actions.to_vector(action)
    assert vector.dtype == np.float32 and vector.shape == (25,)
    assert np.array_equal(actions.to_vector(actions.to_dict(vector)), vector)


@given(st.integers(0, 2**32 - 1))
def test_samples_of_the_space_convert(seed: int) -> None:
    space = actions.action_space()
    space.seed(seed)
    sample = space.sample()
    assert actions.to_dict(actions.to_vector(sample)) in space


def test_noop_is_in_the_space() -> None:
    assert actions.noop() in actions.action_space()
    assert not actions.to_vector(actions.noop()).any()


def test_camera_is_pitch_then_yaw_and_never_truncated() -> None:
    vector = actions.to_vector(changed(camera=np.array([1.35, -0.15])))
    assert vector[actions.INDEX["camera_pitch"]] == np.float32(1.35)
    assert vector[actions.INDEX["camera_yaw"]] == np.float32(-0.15)


@pytest.mark.parametrize("value", [1, True, np.int8(1), np.uint8(1), np.array(1), np.bool_(True)], ids=repr)
def test_integers_of_any_kind_press(value: Any) -> None:
    assert actions.to_vector(changed(jump=value))[actions.INDEX["jump"]] == 1.0


def test_contradictory_keys_are_kept() -> None:
    """Left and right together are neutral in the world, not refused here."""
    vector = actions.to_vector(changed(left=1, right=1))
    assert vector[actions.INDEX["left"]] == vector[actions.INDEX["right"]] == 1.0


@pytest.mark.parametrize(
    "value",
    [-1, 2, 2**63, 1.0, 1.5, "1", None, np.array([1]), np.float32(1), b"1", np.array("1"), [1], np.nan],
    ids=repr,
)
def test_bad_keys(value: Any) -> None:  # ACT-2, ACT-4
    with pytest.raises(InvalidAction, match=r"action\['attack'\]"):
        actions.to_vector(changed(attack=value))


@pytest.mark.parametrize(
    "value",
    [
        [np.nan, 0.0], [0.0, np.inf], [-np.inf, 0.0], [1e38, 0.0], [180.1, 0.0], [0.0, -181], [1e400, 0],
    ],
    ids=repr,
)  # fmt: skip
def test_bad_degrees(value: Any) -> None:  # ACT-1: out of range raises, it is never clipped
    with pytest.raises(InvalidAction, match=r"finite degrees within ±180"):
        actions.to_vector(changed(camera=value))


@pytest.mark.parametrize(
    "value",
    [
        0.0, [], [1.0], [1.0, 2.0, 3.0], [[1.0, 2.0]], [[1.0], [2.0, 3.0]], "ab", None, ["a", "b"],
        np.zeros(2, complex), np.zeros(2, object), np.zeros((0, 2)), {"pitch": 1},
    ],
    ids=repr,
)  # fmt: skip
def test_bad_camera_shapes_and_types(value: Any) -> None:  # ACT-3, ACT-4
    with pytest.raises(InvalidAction, match=r"action\['camera'\]"):
        actions.to_vector(changed(camera=value))


@pytest.mark.parametrize(
    "value", [[-0.0, 1e-45], [180, -180], np.array([1, 2], ">f8"), np.float16([1, 2]), (1, 2)]
)
def test_good_cameras(value: Any) -> None:  # ACT-1, ACT-4
    assert np.isfinite(actions.to_vector(changed(camera=value))).all()


def test_missing_and_unknown_keys_are_named() -> None:  # ACT-5
    action = actions.noop()
    del action["jump"]
    action["fly"] = 1
    with pytest.raises(InvalidAction, match=r"missing keys \['jump'\], unknown keys \['fly'\]"):
        actions.to_vector(action)


@pytest.mark.parametrize("action", [None, 3, "jump", [0] * 25, np.zeros(25)], ids=lambda a: type(a).__name__)
def test_not_a_dict(action: Any) -> None:
    with pytest.raises(InvalidAction, match="expected a dict with 23 keys"):
        actions.to_vector(action)


def test_the_order_of_keys_does_not_matter() -> None:  # ACT-5
    action = changed(forward=1, camera=np.float32([3, 4]))
    backwards = dict(reversed(action.items()))
    assert np.array_equal(actions.to_vector(action), actions.to_vector(backwards))


def test_the_vector_is_a_copy() -> None:  # ACT-4: memory changed by the caller afterwards
    source = np.zeros(25, np.float32)
    copy = actions.check_vector(source)
    source[:] = 1
    assert not copy.any()
    action = actions.to_dict(copy)
    copy[actions.CAMERA] = 9
    assert not action["camera"].any()


@pytest.mark.parametrize(
    "vector",
    [
        np.zeros(24), np.zeros(26), np.zeros((25, 1)), np.float32(0), np.zeros((0,)), None, "x" * 25,
        [[0.0] * 25, [0.0]],
        np.full(25, np.nan), np.full(25, np.inf), np.full(25, 2.0), np.full(25, -0.5), np.array(["a"] * 25),
    ],
    ids=lambda v: f"{type(v).__name__}{getattr(v, 'shape', '')}",
)  # fmt: skip
def test_bad_vectors(vector: Any) -> None:  # ACT-1..4
    with pytest.raises(InvalidAction, match=r"^action"):
        actions.check_vector(vector)


@pytest.mark.parametrize("position", [0, 3, 7])
@pytest.mark.parametrize("value", [np.nan, np.inf, 181.0])
def test_one_bad_row_refuses_the_batch(position: int, value: float) -> None:  # ACT-7
    batch = np.zeros((8, 25), np.float32)
    batch[position, actions.INDEX["camera_yaw"]] = value
    with pytest.raises(InvalidAction):
        actions.check_vector(batch)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int64, np.bool_, ">f4"])
def test_safe_casts(dtype: Any) -> None:  # ACT-4
    vector = np.zeros((3, 25), dtype)[::2]
    vector.flags.writeable = False
    assert actions.check_vector(vector).dtype == np.float32
