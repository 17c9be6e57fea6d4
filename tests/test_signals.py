"""Signals: one row a tick from the game's state, from columns and from a dream, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from worldsim import registry
from worldsim.actions import ACTION_SIZE, INDEX
from worldsim.evaluate.scenario import Scenario
from worldsim.evaluate.twin import play
from worldsim.signals import (
    FIRST,
    OUT_OF_REACH,
    PLACE,
    SIGNALS,
    from_columns,
    from_state,
    from_states,
    to_state,
)


def state(**changes: Any) -> dict[str, Any]:
    whole = {
        "pose": np.array([0.5, 2.0, 0.5, 0, 0], np.float32), "on_ground": np.bool_(True), "in_water": np.bool_(False),
        "contact": np.bool_(False), "break_progress": np.float32(0.5), "slot": np.int32(2), "health": np.float32(17),
        "time_of_day": np.float32(0.3), "target": np.array([0, 0, 0, 7], np.int32),
        "counts": np.array([0, 0, 5, 0, 0, 0, 0, 0, 0]), "items": np.zeros(9), "biome": "desert",
        "events": {"broken": 0, "placed": 0, "fell": 0, "damage": 0},
    }  # fmt: skip
    return {**whole, **changes}


def get(row: Any, name: str) -> float:
    return float(row[PLACE[name]])


def test_a_state_of_the_game() -> None:
    row = from_state(state(events={"broken": 0, "placed": 1, "damage": 3}))
    assert SIGNALS[:FIRST] == (
        "on_ground", "in_water", "contact", "break_progress", "health", "time_of_day", "slot",
    )  # fmt: skip
    assert row[:FIRST].tolist() == pytest.approx([1, 0, 0, 0.5, 17, 0.3, 2])
    assert get(row, "target_distance") == pytest.approx(1.5) and get(row, "aimed") == 1
    assert get(row, "held") == 5
    assert (get(row, "placed"), get(row, "hurt"), get(row, "damage"), get(row, "dead")) == (1, 1, 3, 0)
    assert get(from_state(state(health=np.float32(0))), "dead") == 1
    assert get(from_state(state(target=np.zeros(4, np.int32))), "target_distance") == OUT_OF_REACH


def test_wood_is_told_by_what_was_aimed_at_before() -> None:
    broke, stone = state(events={"broken": 1}), state(target=np.array([0, 0, 0, 3]))
    assert get(from_state(broke, state()), "broke_log") == 1
    assert get(from_state(broke, stone), "broke_log") == 0
    assert np.isnan(get(from_state(broke), "broke_log"))
    assert get(from_state(state()), "broke_log") == 0  # nothing broke: nothing to ask


def test_what_is_missing_is_not_known() -> None:
    row = from_state({"pose": np.zeros(5), "health": 20.0})
    assert np.isnan(row).sum() == len(SIGNALS) - 2  # health, and that it is alive
    assert from_columns({"pose": np.zeros((3, 5)), "uncertainty": np.zeros(3)}) is None


def test_columns_are_states_one_below_the_other() -> None:
    actions = np.zeros((60, ACTION_SIZE), np.float32)
    actions[:8, INDEX["camera_pitch"]], actions[8:, INDEX["attack"]] = 7.0, 1.0
    twin = play(Scenario(3, actions, 4), engine="worldsim/Voxel-v0", width=64, height=48)
    game = registry.resolve(registry.ENGINES, "worldsim/Voxel-v0", "engine")(width=64, height=48)
    game.reset(3)
    states = [game.state()]
    for action in actions:
        game.step(action)
        states.append(game.state())
    rows = [from_state(now, before) for now, before in zip(states, [None, *states])]
    columns = from_columns({**twin.columns, "pose": twin.pose})
    np.testing.assert_array_equal(columns, np.stack(rows))
    assert columns is not None and columns[:, PLACE["broke"]].sum() >= 1
    gathered = {
        "pose": np.stack([s["pose"] for s in states]), "target": np.stack([s["target"] for s in states]),
        "events": {"broken": np.array([s["events"]["broken"] for s in states])},
        "biome": np.array(["x"] * len(states), object),
    }  # fmt: skip
    many = from_states(gathered, gathered, count=len(states))
    np.testing.assert_array_equal(many[:, PLACE["broke"]], columns[:, PLACE["broke"]])


def test_a_dreams_belief_has_the_games_names_and_comes_back() -> None:
    row = np.array([0.9, 0.2, 0.1, 0.4, 20, 0.2, 3, 0.3, 0.2, 0.1, 0.05, 0.5, 0.01, 0.8, 2.5, 12, 0.5])
    told = to_state(row)
    assert told["on_ground"] and not told["in_water"] and told["health"] == 20
    assert told["time_of_day"] == pytest.approx(0.2) and told["slot"] == 3
    assert told["events"]["broken"] == pytest.approx(0.3) and told["events"]["log"] == pytest.approx(0.2)
    again = from_state(told)
    for name in (
        "broke",
        "broke_log",
        "placed",
        "hurt",
        "damage",
        "dead",
        "held",
        "target_distance",
        "health",
    ):
        assert get(again, name) == pytest.approx(get(row, name)), name
    assert set(to_state(row[:FIRST])) == set(SIGNALS[:FIRST])
