"""Keys, mouse and time: what the player does becomes the newest action."""

import numpy as np
import pytest

from worldsim.actions import KEYS, to_vector
from worldsim.play.clock import Meter, Pacer, Rate
from worldsim.play.inputs import ARROW_DEGREES, Inputs
from worldsim.play.keymap import ACTION_KEYS, COMMAND_KEYS, HELP, MOUSE_BUTTONS, TURN_KEYS
from worldsim.play.layout import Box, arrange, letterbox
from worldsim.play.view import View


def pressed(action):
    return {key for key in KEYS if action[key]}


def test_keys_name_actions_that_exist_and_no_key_has_two_meanings():
    assert {*ACTION_KEYS.values(), *MOUSE_BUTTONS.values()} <= set(KEYS)
    assert not set(ACTION_KEYS) & set(COMMAND_KEYS) and not set(TURN_KEYS) & set(ACTION_KEYS)
    shown = " ".join(key for _, rows in HELP for key, _ in rows).lower()
    for key in ("f2", "f3", "f5", "f11", "tab", "backspace", "esc", "space"):
        assert key in shown


def test_a_held_key_stays_and_a_tap_lasts_one_tick():
    inputs = Inputs()
    inputs.press("forward")
    inputs.press("drop")
    inputs.release("drop")
    assert pressed(inputs.take()) == {"forward", "drop"}
    assert pressed(inputs.take()) == {"forward"}
    inputs.release_all()
    assert pressed(inputs.take()) == set()


def test_turns_add_up_once_and_stay_within_the_action_space():
    inputs = Inputs()
    inputs.turn(1.0, -2.0)
    inputs.turn(0.5, -1.0)
    assert np.allclose(inputs.take()["camera"], [1.5, -3.0])
    assert np.allclose(inputs.take()["camera"], 0)
    inputs.turn(0, 1e6)
    action = inputs.take()
    assert to_vector(action)[16] == 180


def test_arrows_turn_while_held():
    inputs = Inputs()
    inputs.arrow((0.0, 1.0), True)
    inputs.take()
    assert inputs.take()["camera"][1] == ARROW_DEGREES
    inputs.arrow((0.0, 1.0), False)
    assert inputs.take()["camera"][1] == 0


def test_the_wheel_starts_from_the_slot_that_the_world_shows():
    inputs = Inputs()
    inputs.set_slot(8)
    inputs.wheel(1)
    assert pressed(inputs.take()) == {"hotbar.1"}
    inputs.wheel(1)
    inputs.set_slot(5)  # an old frame must not undo what is being chosen
    inputs.wheel(1)
    assert pressed(inputs.take()) == {"hotbar.3"}
    inputs.press("hotbar.7")
    inputs.wheel(-1)
    assert "hotbar.6" in pressed(inputs.take())


def test_a_late_tick_is_not_made_up_for():
    now = [0.0]
    pacer = Pacer(20, now=lambda: now[0])
    assert pacer.remaining() == 0
    pacer.advance()
    assert pacer.remaining() == pytest.approx(0.05)
    now[0] = 1.0  # twenty ticks late: one tick now, one more when it is done,
    pacer.advance()
    now[0] = 1.01
    assert pacer.remaining() == 0
    pacer.advance()
    assert pacer.remaining() == pytest.approx(0.04)  # and the beat is even again


def test_meters():
    now = [0.0]
    rate, meter = Rate(window=2.0, now=lambda: now[0]), Meter(size=3)
    for _ in range(11):
        rate.add()
        now[0] += 0.1
    assert rate.per_second() == pytest.approx(10)
    now[0] += 5
    assert rate.per_second() == 0
    assert np.isnan(meter.percentile_ms(50))
    for value in (9.0, 0.01, 0.02, 0.03):
        meter.add(value)
    assert meter.percentile_ms(50) == pytest.approx(20)


@pytest.mark.parametrize("window", [(960, 576), (240, 160), (300, 900), (1920, 300), (641, 479)])
@pytest.mark.parametrize("whole", [True, False])
def test_pictures_keep_their_proportions_inside_any_window(window, whole):
    for count in (1, 2):
        boxes = arrange([(160, 96)] * count, window, whole=whole)
        for box in boxes:
            assert box.left >= 0 and box.top >= 0
            assert box.left + box.width <= window[0] + 1 and box.top + box.height <= window[1] + 1
            assert abs(box.width / box.height - 160 / 96) < 0.05
        if count == 2:
            assert (
                boxes[0].left + boxes[0].width <= boxes[1].left
                or boxes[0].top + boxes[0].height <= boxes[1].top
            )


def test_sharp_pixels_are_whole_where_that_costs_little():
    assert letterbox(160, 96, Box(0, 0, 1000, 600), whole=True) == Box(20, 12, 960, 576)
    assert letterbox(160, 96, Box(0, 0, 1000, 600), whole=False) == Box(0, 0, 1000, 600)


def test_a_view_is_a_plain_value():
    assert View((), 0) == View((), 0)
