"""Action formats: golden files worked out by hand, and round trips with the loss that each states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from worldsim import actions, codec
from worldsim.actions import ACTION_SIZE, CAMERA, CAMERA_LIMIT, INDEX, KEYS
from worldsim.codec import minerl, mineworld, oasis, vpt, vpt_policy
from worldsim.codec.camera import CameraBins
from worldsim.data.episode import led_to
from worldsim.errors import InvalidAction, UsageError

GOLDEN = json.loads((Path(__file__).parent / "golden" / "codec.json").read_text())["cases"]
NAMES = [case["name"] for case in GOLDEN]
KEY_ENTRIES = [INDEX[key] for key in KEYS]
ALL_BINS = (oasis.CAMERA_BINS, vpt_policy.CAMERA_BINS, mineworld.CAMERA_BINS)


@st.composite
def clips(draw: st.DrawFn, limit: float = CAMERA_LIMIT) -> Any:
    """A few ticks of any keys and turns."""
    length = draw(st.integers(1, 6))
    vectors = draw(arrays.arrays(np.float32, (length, ACTION_SIZE), elements=st.sampled_from([0.0, 1.0])))
    degrees = st.floats(-limit, limit, width=32)
    vectors[:, CAMERA] = draw(arrays.arrays(np.float32, (length, 2), elements=degrees))
    return vectors


def vector(case: dict[str, Any]) -> Any:
    made = np.zeros(ACTION_SIZE, np.float32)
    made[[INDEX[key] for key in case["keys"]]] = 1
    made[CAMERA] = case["camera"]
    return made


# Golden files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", GOLDEN, ids=NAMES)
def test_golden_vpt_rows(case: dict[str, Any]) -> None:
    (row,) = vpt.from_vectors(vector(case)[None])
    assert sorted(row["keyboard"]["keys"]) == sorted(f"key.keyboard.{key}" for key in case["vpt"]["keys"])
    assert row["mouse"]["buttons"] == case["vpt"]["buttons"]
    assert row["mouse"]["dx"] == pytest.approx(case["vpt"]["dx"], rel=1e-6)
    assert row["mouse"]["dy"] == pytest.approx(case["vpt"]["dy"], rel=1e-6)


@pytest.mark.parametrize("case", GOLDEN, ids=NAMES)
def test_golden_oasis(case: dict[str, Any]) -> None:
    values = oasis.from_vectors(vector(case))
    found = {name: float(value) for name, value in zip(oasis.NAMES, values) if value}
    assert found == pytest.approx(case["oasis"])


@pytest.mark.parametrize("case", GOLDEN, ids=NAMES)
def test_golden_vpt_policy(case: dict[str, Any]) -> None:
    found = vpt_policy.from_vectors(vector(case))
    assert {name: int(value) for name, value in found.items()} == case["vpt-policy"]


@pytest.mark.parametrize("case", GOLDEN, ids=NAMES)
def test_golden_mineworld(case: dict[str, Any]) -> None:
    assert mineworld.from_vectors(vector(case)).tolist() == case["mineworld"]


def test_golden_tables() -> None:
    """Sizes and anchors of the vocabularies, as published."""
    assert (vpt_policy.BUTTONS, vpt_policy.CAMERAS, vpt_policy.NULL_CAMERA) == (8641, 121, 60)
    assert [bins.count for bins in ALL_BINS] == [81, 11, 21]
    assert [bins.zero for bins in ALL_BINS] == [40, 5, 10]
    assert (mineworld.PITCH, mineworld.YAW, mineworld.BEGIN, mineworld.NULL, mineworld.END) == (
        23,
        44,
        65,
        66,
        67,
    )
    assert mineworld.LENGTH == 11 and len(vpt_policy.FACTORED) == 20 and len(minerl.NAMES) == 24
    np.testing.assert_allclose(
        vpt_policy.CAMERA_BINS.decode(np.arange(11))[5:], 11.0 ** np.linspace(0, 1, 6) - 1, atol=1e-12
    )


# Round trips, each with its loss -----------------------------------------------------------------


@given(clips())
def test_minerl_loses_nothing(vectors: Any) -> None:
    stacked = minerl.from_vectors(vectors)
    assert list(stacked) == sorted(stacked) and stacked["camera"].shape == (len(vectors), 2)
    np.testing.assert_array_equal(minerl.to_vectors(stacked), vectors)
    singles = [actions.to_dict(v) for v in vectors]
    np.testing.assert_array_equal(minerl.to_vectors(singles), vectors)


@given(clips())
def test_vpt_rows_lose_nothing(vectors: Any) -> None:
    """Through JSON too: neither a held attack nor a changed slot is taken for the recorder's habits."""
    rows = json.loads(json.dumps(vpt.from_vectors(vectors)))
    np.testing.assert_array_equal(vpt.to_vectors(rows), vectors)


@given(clips(limit=20))
def test_oasis_loses_a_quarter_of_a_degree(vectors: Any) -> None:
    back = oasis.to_vectors(oasis.from_vectors(vectors))
    np.testing.assert_array_equal(back[:, KEY_ENTRIES], vectors[:, KEY_ENTRIES])
    assert np.abs(back - vectors).max() <= 0.25 + 1e-5
    np.testing.assert_array_equal(oasis.from_vectors(back), oasis.from_vectors(vectors))
    np.testing.assert_array_equal(oasis.from_stored(oasis.to_stored(vectors)), back)


@given(clips())
def test_vpt_policy_loses_what_it_says(vectors: Any) -> None:
    back = vpt_policy.to_vectors(vpt_policy.from_vectors(vectors))
    for before, after in zip(vectors, back):
        check_policy(before, after)
    again = vpt_policy.from_vectors(back)
    assert all(np.array_equal(again[name], vpt_policy.from_vectors(vectors)[name]) for name in again)


def check_policy(before: Any, after: Any) -> None:
    down = {key for key in KEYS if before[INDEX[key]]}
    if "inventory" in down:
        expected, turns = {"inventory"}, np.zeros(2)
    else:
        expected, turns = down - {"ESC", "swapHands", "pickItem"}, np.clip(before[CAMERA], -10, 10)
        slots = sorted(key for key in down if key.startswith("hotbar."))
        expected -= set(slots[:-1])
        for pair in ({"forward", "back"}, {"left", "right"}):
            expected -= pair if pair <= down else set()
        expected -= {"sprint"} if "sneak" in down else set()
    assert {key for key in KEYS if after[INDEX[key]]} == expected
    assert np.abs(after[CAMERA] - turns).max() <= vpt_policy.CAMERA_BINS.loss() + 1e-5 < 2.36


@given(st.integers(0, 8640), st.integers(0, 120))
def test_every_vpt_choice_comes_back(buttons: int, camera: int) -> None:
    """Except that a camera choice counts only with the camera on, and no turn switches it off."""
    vectors = vpt_policy.to_vectors({"buttons": buttons, "camera": camera})
    found = vpt_policy.from_vectors(vectors)
    on = buttons != vpt_policy.INVENTORY and buttons % 2 == 1 and camera != vpt_policy.NULL_CAMERA
    assert found["camera"] == (camera if on else vpt_policy.NULL_CAMERA)
    assert found["buttons"] == (buttons if on or buttons == vpt_policy.INVENTORY else buttons // 2 * 2)


@given(clips())
def test_the_factored_space_keeps_contradictions(vectors: Any) -> None:
    back = vpt_policy.from_factored(vpt_policy.to_factored(vectors))
    kept = [INDEX[name] for name in vpt_policy.FACTORED]
    np.testing.assert_array_equal(back[:, kept], vectors[:, kept])
    assert np.abs(back - np.clip(vectors, -10, 10))[:, CAMERA].max() <= 2.36


@given(clips())
def test_mineworld_loses_what_it_says(vectors: Any) -> None:
    tokens = mineworld.from_vectors(vectors)
    assert tokens.shape == (len(vectors), 11) and tokens.min() >= 8192 and tokens.max() < 8260
    back = mineworld.to_vectors(tokens)
    np.testing.assert_array_equal(mineworld.from_vectors(back), tokens)
    turns = np.clip(vectors[:, CAMERA], -90, 90)
    assert np.abs(back[:, CAMERA] - turns).max() <= mineworld.CAMERA_BINS.loss() + 1e-5 < 11.61
    assert not (back[:, KEY_ENTRIES] > vectors[:, KEY_ENTRIES]).any(), "a key that nobody pressed"
    small = np.abs(turns) < 4
    assert np.abs(back[:, CAMERA] - turns)[small].max(initial=0) <= 1.6


@settings(max_examples=30)
@given(clips(), st.sampled_from(sorted(codec.FORMATS)), st.sampled_from(sorted(codec.FORMATS)))
def test_any_format_to_any_other(vectors: Any, source: str, target: str) -> None:
    """The same as by way of the vectors; two ways of one loss agree."""
    made = codec.convert(vectors, "vectors", source)
    direct = codec.convert(made, source, target)
    by_hand = codec.convert(codec.convert(made, source, "vectors"), "vectors", target)
    assert repr(direct) == repr(by_hand)


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_any_leading_axes(shape: tuple[int, ...]) -> None:
    vectors = np.zeros((*shape, ACTION_SIZE), np.float32)
    vectors[..., INDEX["forward"]] = 1
    for name in ("minerl", "oasis", "vpt-policy", "mineworld"):
        back = codec.convert(codec.convert(vectors, "vectors", name), name, "vectors")
        np.testing.assert_array_equal(back, vectors)


# Axes, units, time -------------------------------------------------------------------------------


def test_axes_and_units() -> None:
    """A mouse moved 9 units right and 20 down: 1.35 degrees of yaw, 3 of pitch, in every format."""
    row = {"mouse": {"dx": 9.0, "dy": 20.0}, "keyboard": {}}
    (vector,) = vpt.to_vectors([row])
    assert vector[INDEX["camera_pitch"]] == 3 and vector[INDEX["camera_yaw"]] == np.float32(1.35)
    assert minerl.from_vectors(vector)["camera"].tolist() == [3, np.float32(1.35)]
    values = dict(zip(oasis.NAMES, oasis.from_vectors(vector)))
    assert values["cameraX"] == np.float32(3 / 20) and values["cameraY"] == np.float32(1.5 / 20)
    assert np.divmod(vpt_policy.from_vectors(vector)["camera"], 11) == (8, 7)  # 3.2 and 1.6 degrees
    assert mineworld.from_vectors(vector)[1:3].tolist() == [8192 + 23 + 11, 8192 + 44 + 11]


def test_oasis_conditions_a_frame_on_the_action_that_led_to_it() -> None:
    """The off-by-one: action t leads from frame t to t + 1, and Oasis' entry t + 1 is action t."""
    vectors = np.zeros((3, ACTION_SIZE), np.float32)
    vectors[1, INDEX["camera_yaw"]] = 10
    shifted = led_to(oasis.from_vectors(vectors))
    assert shifted[:, INDEX["camera_yaw"]].tolist() == [0, 0, 0.5, 0]


def test_camera_is_never_truncated_to_integers() -> None:
    for name in ("minerl", "vpt"):
        vectors = np.zeros((1, ACTION_SIZE), np.float32)
        vectors[0, CAMERA] = [0.9, -0.9]
        back = codec.convert(codec.convert(vectors, "vectors", name), name, "vectors")
        np.testing.assert_array_equal(back, vectors)


@pytest.mark.parametrize("bins", ALL_BINS, ids=["oasis", "vpt", "mineworld"])
def test_bins(bins: CameraBins) -> None:
    every = np.arange(bins.count)
    degrees = bins.decode(every)
    np.testing.assert_array_equal(bins.encode(degrees), every)
    np.testing.assert_allclose(degrees, -degrees[::-1], atol=1e-9)
    assert degrees[bins.zero] == 0 and degrees[-1] == pytest.approx(bins.limit)
    fine = np.linspace(-bins.limit, bins.limit, 20_001)
    assert np.abs(bins.decode(bins.encode(fine)) - fine).max() <= bins.loss() + 1e-9
    assert bins.encode([-1000, 1000]).tolist() == [0, bins.count - 1]


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actions_in", "source", "message"),
    [
        (np.zeros((2, 24)), "vectors", "got shape"),
        ({"forward": [1]}, "minerl", "missing keys"),
        ([{"forward": 1}], "minerl", "missing keys"),
        (np.full((1, 25), 2.0), "oasis", "keys have to be within"),
        (np.full((1, 25), np.nan), "oasis", "keys have to be within"),
        (np.zeros((1, 24)), "oasis", "expected \\[..., 25\\]"),
        ("left", "oasis", "expected floats"),
        ({"buttons": [8641], "camera": [0]}, "vpt-policy", "buttons: got int64"),
        ({"buttons": [0], "camera": [121]}, "vpt-policy", "camera: got int64"),
        ({"buttons": [0, 0], "camera": [0]}, "vpt-policy", "camera: got shape"),
        ({"buttons": [0.0], "camera": [0]}, "vpt-policy", "expected integers"),
        ([0, 1], "vpt-policy", "expected a dict"),
        (np.zeros((1, 11), int), "mineworld", r"tokens\[..., 0\]: got 0"),
        (np.full((1, 10), 8258), "mineworld", "expected \\[..., 11\\]"),
        ([[8257, 8225, 8246, 8194, *[8258] * 6, 8259]], "mineworld", r"tokens\[..., 3\]: got 8194"),
        ([[8257], [1, 2]], "mineworld", "ragged"),
    ],
)
def test_bad_actions(actions_in: Any, source: str, message: str) -> None:
    with pytest.raises(InvalidAction, match=message):
        codec.convert(actions_in, source, "vectors")


def test_stacked_minerl_is_checked_whole() -> None:
    good = minerl.from_vectors(np.zeros((3, ACTION_SIZE)))
    for change in ({"jump": [0, 1]}, {"jump": [0, 2, 0]}, {"jump": [0.0] * 3}, {"camera": [[181, 0]] * 3}):
        with pytest.raises(InvalidAction):
            minerl.to_vectors({**good, **change})
    flags = {**good, "jump": np.array([True, False, True])}
    assert minerl.to_vectors(flags)[:, INDEX["jump"]].tolist() == [1, 0, 1]


def test_unknown_formats_name_near_ones() -> None:
    with pytest.raises(UsageError, match="did you mean mineworld"):
        codec.convert(np.zeros((1, 25)), "vectors", "minewrld")
