"""VPT's rows: the recorder's habits one by one, and the published loader's bugs on demand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recording_fakes import row

from worldsim.actions import CAMERA, INDEX, KEYS
from worldsim.codec import vpt
from worldsim.codec.vpt_reader import Row, RowReader
from worldsim.errors import DatasetError, InvalidAction

FOLDER = Path(__file__).parent / "golden"
SEGMENT = [json.loads(line) for line in (FOLDER / "vpt_segment.jsonl").read_text().splitlines()]
MEANING = json.loads((FOLDER / "vpt_segment.json").read_text())


def read(rows: list[dict[str, Any]], **options: Any) -> list[Row]:
    reader = RowReader(**options)
    return [reader.read(r, f"row {i}") for i, r in enumerate(rows)]


def held(r: Row) -> list[str]:
    return sorted(key for key in KEYS if r.action[INDEX[key]])


@pytest.mark.parametrize("compat", [None, "openai"])
def test_golden_segment(compat: Any) -> None:
    found = read(SEGMENT, compat=compat)
    for number, (got, expected) in enumerate(zip(found, MEANING[compat or "ours"])):
        keys, camera, null = expected
        assert (held(got), got.null) == (sorted(keys), null), number
        np.testing.assert_array_equal(got.action[CAMERA], np.float32(camera), err_msg=str(number))
    assert len(found) == len(MEANING["ours"]) == 10


def test_golden_segment_beside_the_keys() -> None:
    found = read(SEGMENT)
    assert [r.slot for r in found] == [4, 4, 5, 5, 5, 2, 2, 2, 2, None]
    assert [r.gui for r in found] == [False] * 7 + [True] + [False] * 2
    assert found[7].cursor == (200, 100) and found[9].cursor is None and found[9].pose is None
    assert found[0].pose is not None
    np.testing.assert_allclose(found[0].pose, [841.364694, 64.62, 24.956354, -112.35006, 8.099996], rtol=1e-6)


def test_compat_truncates_degrees_and_ours_does_not() -> None:
    """The published loader keeps degrees in an integer array: 9 units are 1.35 degrees, not 1."""
    turn = [row(mouse_dx=9.0, mouse_dy=-9.0)]
    assert vpt.to_vectors(turn)[0, CAMERA].tolist() == [np.float32(-1.35), np.float32(1.35)]
    assert vpt.to_vectors(turn, compat="openai")[0, CAMERA].tolist() == [-1, 1]


def test_compat_never_clips_and_ours_does() -> None:
    turn = [row(mouse_dx=2000.0)]
    assert vpt.to_vectors(turn)[0, CAMERA].tolist() == [0, 180]
    assert vpt.to_vectors(turn, compat="openai")[0, CAMERA].tolist() == [0, 300]


@pytest.mark.parametrize("first", [[0], [0, 1], [1], []])
def test_a_stuck_attack_is_dropped_until_it_is_pressed_again(first: list[int]) -> None:
    rows = [row(mouse_buttons=[0], mouse_newButtons=new) for new in (first, [], [0], [])]
    attacks = [held(r) == ["attack"] for r in read(rows)]
    assert attacks == ([False, False, True, True] if first == [0] else [True] * 4)


def test_a_stuck_attack_alone_is_a_null_action() -> None:
    (only,) = read([row(mouse_buttons=[0], mouse_newButtons=[0])])
    assert only.null and held(only) == []


def test_the_wheel_presses_the_key_of_the_new_slot() -> None:
    rows = [row(hotbar=slot) for slot in (3, 3, 4, 4, 0)]
    assert [held(r) for r in read(rows)] == [[], [], ["hotbar.5"], [], ["hotbar.1"]]
    assert [held(r) for r in read(rows, compat="openai")] == [
        ["hotbar.4"],
        [],
        ["hotbar.5"],
        [],
        ["hotbar.1"],
    ]


@pytest.mark.parametrize("cause", [{"keyboard_keys": ["key.keyboard.5"]}, {"mouse_buttons": [2]}])
@pytest.mark.parametrize("late", [0, 1])
def test_a_slot_that_a_key_explains_is_no_wheel(cause: dict[str, Any], late: int) -> None:
    """Recorders differ in whether the row of the key or the next one shows the new slot."""
    rows = [row(), row(**cause, hotbar=0 if late else 4), row(hotbar=4)]
    assert [len(held(r)) for r in read(rows)] == [0, 1, 0]


def test_a_missing_slot_is_no_change() -> None:
    rows = [row(hotbar=2), row(hotbar=None), row(hotbar=2)]
    assert [held(r) for r in read(rows)] == [[], [], []]


def test_null_is_told_before_the_slot_is_looked_at() -> None:
    assert read([row(hotbar=0), row(hotbar=3)])[1].null
    assert not read([row(mouse_dx=1.0)])[0].null
    assert not read([row(keyboard_keys=["key.keyboard.f"])])[0].null
    assert read([row(keyboard_keys=["key.keyboard.f3", "key.keyboard.tab"], mouse_buttons=[5])])[0].null


@pytest.mark.parametrize(
    ("version", "scale"), [(None, 1), ("5.7", 0.5), ("6.8", 2), ("6.9", 2), ("6.10", 1), ("8.0", 1)]
)
def test_old_recorders_scale_the_mouse_in_screens(version: str | None, scale: float) -> None:
    rows = [row(mouse_dx=100.0), row(mouse_dx=100.0, isGuiOpen=True)]
    turns = vpt.to_vectors(rows, version=version)[:, INDEX["camera_yaw"]]
    assert turns.tolist() == [15, 15 * scale]
    unscaled = vpt.to_vectors(rows, version=version, compat="openai")[:, INDEX["camera_yaw"]]
    assert unscaled.tolist() == [15, 15]


def test_escape_as_vpt_was_trained() -> None:
    rows = [row(keyboard_keys=["key.keyboard.escape"], isGuiOpen=gui) for gui in (False, True)]
    assert [held(r) for r in read(rows)] == [["ESC"], ["ESC"]]
    assert [held(r) for r in read(rows, escape="inventory")] == [[], ["inventory"]]


@pytest.mark.parametrize(
    "stripped",
    [{}, {"mouse": None, "keyboard": None}, {"mouse": {}, "keyboard": {}}, {"mouse": {"dx": None}}],
)
def test_everything_may_be_missing(stripped: dict[str, Any]) -> None:
    (only,) = read([stripped])
    assert only.null and not only.action.any() and not only.gui
    assert (only.cursor, only.slot, only.pose) == (None, None, None)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mouse": 3}, r"row 0: mouse is '3', expected an object"),
        ({"mouse_dx": "9"}, r"row 0: mouse: dx is '9', expected a finite number"),
        ({"mouse_dy": float("inf")}, "mouse: dy"),
        ({"mouse_dx": 1e300}, "mouse: dx"),
        ({"mouse_dx": True}, "mouse: dx"),
        ({"mouse_buttons": [0.5]}, "mouse: buttons"),
        ({"mouse_buttons": 0}, "mouse: buttons"),
        ({"keyboard_keys": [4]}, "keyboard: keys"),
        ({"keyboard_keys": "key.keyboard.w"}, "keyboard: keys"),
        ({"hotbar": 9}, "hotbar is '9', expected an integer from 0 to 8"),
        ({"hotbar": 1.0}, "hotbar"),
    ],
)
def test_bad_fields_are_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        vpt.to_vectors([row(**fields)])


def test_rows_have_every_field_that_the_published_loader_reads() -> None:
    vectors = np.zeros((4, 25), np.float32)
    vectors[:3, INDEX["attack"]] = 1
    vectors[2, INDEX["hotbar.7"]] = 1
    rows = vpt.from_vectors(vectors)
    assert [r["mouse"]["newButtons"] for r in rows] == [[], [], [], []], "held from the start: not new"
    assert [r["hotbar"] for r in rows] == [0, 0, 0, 6]
    assert all({"dx", "dy", "x", "y", "buttons", "newButtons"} <= r["mouse"].keys() for r in rows)
    assert all(type(r["isGuiOpen"]) is bool and "keys" in r["keyboard"] for r in rows)


def test_rows_tell_slots_poses_and_screens() -> None:
    poses = np.float32([[1, 65.62, 3, 90, -10], [2, 65.62, 3, 91, -9]])
    rows = list(
        vpt.rows(np.zeros((2, 25)), slots=np.array([7, 8]), poses=poses, gui=np.array([0, 1]), fps=10)
    )
    assert [r["hotbar"] for r in rows] == [7, 8] and [r["isGuiOpen"] for r in rows] == [False, True]
    assert rows[0]["ypos"] == pytest.approx(64, abs=1e-5) and rows[1]["milli"] == 100
    back = read(json.loads(json.dumps(rows)))
    np.testing.assert_array_equal([r.pose for r in back], poses)


def test_rows_want_time_and_range() -> None:
    with pytest.raises(InvalidAction, match=r"expected \[T, 25\]"):
        vpt.from_vectors(np.zeros(25))
    with pytest.raises(InvalidAction):
        vpt.from_vectors(np.full((1, 25), np.nan))
