"""Signals: what rewards and ends are made of, as one row of numbers a tick.

`from_columns` takes them from the game's state or a recording's columns, `to_state` puts a row back
under the game's names. Rows are float32 [..., S] in the order of `SIGNALS`; what is not known is nan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float32]
Kind = Literal["flag", "value", "circle", "choice", "event", "joint"]

LOGS = (7, 13, 15, 26)
"""Block ids of wood in `worldsim/Voxel-v0`: oak, birch, spruce and acacia logs."""
OUT_OF_REACH = 6.0
"""The target distance, in blocks, where no block is in reach (4.5 to its face)."""
SLOTS = 9


@dataclass(frozen=True)
class Signal:
    """One number a tick.

    A flag is 0 or 1 and lasts; an event is 1 in the tick it happens; a circle runs from 0 to 1 and over;
    a choice is one of `SLOTS`. A joint event is too rare to be learnt by itself: it is that others meet.
    """

    name: str
    kind: Kind
    scale: float = 1.0
    """Brings it to the order of one."""
    low: float = 0.0
    high: float = 1.0


TABLE: tuple[Signal, ...] = (
    Signal("on_ground", "flag"),
    Signal("in_water", "flag"),
    Signal("contact", "flag"),
    Signal("break_progress", "value"),
    Signal("health", "value", 20.0, high=20.0),
    Signal("time_of_day", "circle"),
    Signal("slot", "choice", 8.0, high=8.0),
    Signal("broke", "event"),  # a block
    Signal("broke_log", "joint"),  # a block of wood: broke, and what was aimed at is wood
    Signal("placed", "event"),
    Signal("hurt", "event"),
    Signal("damage", "value", 20.0, high=20.0),  # points of health lost this tick
    Signal("dead", "event"),
    Signal("aimed", "flag"),  # a block is in reach of the crosshair
    Signal("target_distance", "value", OUT_OF_REACH, high=OUT_OF_REACH),  # eye to its centre, in blocks
    Signal("held", "value", 64.0, high=64.0),  # how many of the item in hand
    Signal("wood", "flag"),  # what was in reach a tick earlier is wood
)
"""The first seven are states of the player that the first worlds know as well."""
SIGNALS: tuple[str, ...] = tuple(signal.name for signal in TABLE)
PLACE: dict[str, int] = {name: i for i, name in enumerate(SIGNALS)}
SCALE: tuple[float, ...] = tuple(signal.scale for signal in TABLE)
HANDMADE = ("broke", "broke_log", "placed")
"""What hands do: known before anything is drawn, in worlds that have hands."""
FIRST = 7
"""How many of them worlds without heads, and their training, know."""


def told_by(count: int) -> tuple[str, ...]:
    """The signals that a dream tells whose rows have `count` entries: all, or the first and what follows from them."""
    return SIGNALS if count == len(SIGNALS) else (*SIGNALS[:count], "dead")


def from_state(state: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Row:
    """The signals [S] of a state, the game's or a dream's.

    Args:
        state: as in `info["state"]`; any entry may be missing.
        before: the state a tick earlier: it says which block was broken.
    """
    row: Row = _rows(_batch(state), None if before is None else _batch(before), 1)[0]
    return row


def from_states(state: Mapping[str, Any], before: Mapping[str, Any] | None = None, *, count: int) -> Row:
    """Signals [N, S] of N worlds whose states are gathered, as vector envs do it: arrays [N, ...]."""
    return _rows(_flat(state), None if before is None else _flat(before), count)


def from_columns(columns: Mapping[str, NDArray[Any]]) -> Row | None:
    """Signals [n, S] of an episode's columns [n, ...], one row a frame; None if no column is of use."""
    if not known(columns):
        return None
    now = _flat(columns)
    before = {name: np.concatenate([column[:1], column[:-1]]) for name, column in now.items()}
    rows = _rows(now, before, len(next(iter(now.values()))))
    rows[0, PLACE["wood"]] = np.nan  # nothing was before it
    return rows


def known(names: Iterable[str]) -> bool:
    """Whether columns of these names tell any signal."""
    return any(name in _SOURCES for name in names)


def to_state(row: NDArray[Any]) -> dict[str, Any]:
    """A row, of all signals or the first seven, under the names of the game's state.

    Flags are told as bools, but "wood" as a probability. "events" has probabilities in [0, 1]: "broken", "log"
    (a broken block of wood), "placed", "hurt", "dead"; and "damage", the points expected.
    """
    values = {name: float(value) for name, value in zip(SIGNALS, row)}
    state: dict[str, Any] = {
        name: np.bool_(values[name] > 0.5) for name in ("on_ground", "in_water", "contact")
    }
    for name in ("break_progress", "health", "time_of_day"):
        state[name] = np.float32(values[name])
    state["slot"] = np.int32(round(values["slot"]))
    if len(row) < len(TABLE):
        return state
    state["aimed"] = np.bool_(values["aimed"] > 0.5)
    for name in ("target_distance", "held", "wood"):
        state[name] = np.float32(values[name])
    state["events"] = {theirs: np.float32(values[ours]) for theirs, ours in _EVENTS.items()}
    return state


_EVENTS = {
    "broken": "broke", "log": "broke_log", "placed": "placed", "hurt": "hurt", "dead": "dead", "damage": "damage",
}  # fmt: skip
_SOURCES = (*SIGNALS[:FIRST], "target", "counts", *(f"events.{name}" for name in _EVENTS))
_TOLD = ("pose", "aimed", "target_distance", "held", "wood")

Columns = Mapping[str, NDArray[Any]]


def _rows(now: Columns, before: Columns | None, count: int) -> Row:
    rows = np.full((count, len(TABLE)), np.nan, np.float32)

    def put(name: str, values: Any) -> None:
        rows[:, PLACE[name]] = values

    for name in (*SIGNALS[:FIRST], "aimed", "target_distance", "held"):
        if name in now:
            put(name, now[name])
    if "target" in now:
        seen = now["target"][:, 3] > 0
        put("aimed", seen)
        if "pose" in now:
            away = np.linalg.norm(now["target"][:, :3] + 0.5 - now["pose"][:, :3], axis=1)
            put("target_distance", np.where(seen, np.minimum(away, OUT_OF_REACH), OUT_OF_REACH))
    if "counts" in now and "slot" in now:
        put("held", np.take_along_axis(now["counts"], now["slot"].astype(np.int64)[:, None], 1)[:, 0])
    if "health" in now:
        put("dead", now["health"] <= 0)
    for theirs, ours in _EVENTS.items():
        if f"events.{theirs}" in now:  # a number of the game, a probability of a dream
            value = now[f"events.{theirs}"]
            put(ours, value if ours == "damage" else np.minimum(value, 1))
    if "events.hurt" not in now and "events.damage" in now:
        put("hurt", now["events.damage"] > 0)
    wood = _wood(now, before, count)
    put("wood", wood)
    if "events.log" not in now and "events.broken" in now:
        put("broke_log", np.where(now["events.broken"] > 0, wood, 0.0))
    return rows


def _wood(now: Columns, before: Columns | None, count: int) -> Row:
    """Whether what was aimed at a tick earlier is wood; nan where that is not known."""
    if before is None or "target" not in before:
        return np.asarray(now.get("wood", np.full(count, np.nan)), np.float32)
    return np.isin(before["target"][:, 3], LOGS).astype(np.float32)


def _flat(state: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The columns of a state that signals are made of: nested events as "events.broken", and so on."""
    events = {f"events.{name}": value for name, value in state.get("events", {}).items()}
    columns = {**state, **events}
    return {name: np.asarray(columns[name]) for name in (*_SOURCES, *_TOLD) if name in columns}


def _batch(state: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    return {name: column[None] for name, column in _flat(state).items()}
