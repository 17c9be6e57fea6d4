"""The overlay: hotbar and arm obey their keys, and stay to the byte where nothing happens."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from model_fakes import TINY, H, W, save_tiny_world, tiny_model
from torch import Tensor
from worldsim.train.lesson_pool import together
from worldsim.train.overlay import Example, bar_of, loss_of, play

from worldsim import registry
from worldsim.actions import ACTION_SIZE, INDEX
from worldsim.cli import main
from worldsim.model.hands import STRIP
from worldsim.model.overlay import Drawn, Overlay, OverlayConfig, swung, tell
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.snapshot import DreamState
from worldsim.sim.state import WorldState
from worldsim.sim.world import load_world

CONFIG = OverlayConfig(width=8, arms=4, cells=8)


class Painted(Overlay):
    """A bar over the lowest four rows whose colour is the slot, and an arm that is white while it swings."""

    def __init__(self) -> None:
        super().__init__(CONFIG, W)
        self.fixed[:, -4:] = 1.0

    def forward(self, strip: Tensor, told: Tensor) -> Drawn:
        slot = told[:, :9].argmax(1)[:, None, None, None] / 9.0
        known = told[:, :9].any(1)[:, None, None, None].float()
        swinging = 1 - told[:, 9][:, None, None, None]
        bar = slot.expand_as(strip)
        changed = known.expand(-1, 1, STRIP, self.columns)
        return Drawn(swinging.expand(-1, 4, STRIP, self.reach), bar, changed)


def begin(simulator: Simulator) -> WorldState:
    frames = torch.full((1, H, W, 3), 90, dtype=torch.uint8)
    return simulator.begin(frames, seed=0, depth=torch.full((1, H, W), 8.0), pose=torch.zeros(1, 5))


def press(*keys: str) -> Tensor:
    action = torch.zeros(1, ACTION_SIZE)
    action[0, [INDEX[key] for key in keys]] = 1.0
    return action


def painted() -> Simulator:
    model = tiny_model(TINY)
    model.overlay = Painted().eval()
    return Simulator(model, SimulatorConfig(precision="float32"))


def play_on(simulator: Simulator, world: WorldState, *actions: Tensor) -> WorldState:
    for action in actions:
        world = simulator.step([world], action)[0]
    return world


def test_a_number_key_changes_the_bar_and_nothing_else_does() -> None:
    simulator = painted()
    world = play_on(simulator, begin(simulator), press("hotbar.4"))
    bar = world.newest.frame[-4:]
    assert (bar == round(3 / 9 * 255)).all()
    later = play_on(simulator, world, press("forward"), press(), press("jump"))
    assert torch.equal(later.newest.frame[-4:], bar) and later.overlay is world.overlay
    assert (play_on(simulator, later, press("hotbar.9")).newest.frame[-4:] == round(8 / 9 * 255)).all()


def test_the_first_tick_keeps_the_bar_that_was_given() -> None:
    simulator = painted()
    assert (play_on(simulator, begin(simulator), press()).newest.frame[-4:] == 90).all()


def test_a_given_arm_is_kept_until_it_moves() -> None:
    torch.manual_seed(0)
    model = tiny_model(TINY)
    model.overlay = Overlay(CONFIG, W).eval()
    with torch.no_grad():
        model.overlay.rest[3] = 9.0  # opaque
    simulator = Simulator(model, SimulatorConfig(precision="float32"))
    frames = torch.randint(256, (1, H, W, 3), dtype=torch.uint8)
    world = simulator.begin(frames, seed=0, depth=torch.full((1, H, W), 8.0), pose=torch.zeros(1, 5))
    arm = (slice(-STRIP, None), slice(W - model.overlay.reach, None))
    later = play_on(simulator, world, press(), press("forward"))
    assert torch.equal(later.newest.frame[arm], frames[0][arm])
    assert not torch.equal(play_on(simulator, later, press("attack")).newest.frame[arm], frames[0][arm])


def test_attack_swings_the_arm_to_its_end() -> None:
    simulator = painted()
    world = play_on(simulator, begin(simulator), press("attack"))
    right = slice(W - Painted().reach, None)
    swinging = []
    for _ in range(8):
        swinging.append(bool((world.newest.frame[-STRIP:-4, right] == 255).all()))
        world = play_on(simulator, world, press())
    assert swinging == [True] * 5 + [False] * 3


def test_phases_of_the_arm() -> None:
    assert [swung(phase, False, False) for phase in range(6)] == [0, 2, 3, 4, 5, 0]
    assert swung(0, True, False) == 1 and swung(0, False, True) == 1 and swung(3, True, True) == 4


def test_what_happens_in_the_dark_shows_when_it_is_light_again() -> None:
    simulator = painted()
    world = play_on(simulator, begin(simulator), press("hotbar.1"))
    world = play_on(simulator, simulator.walk([world], press("hotbar.7"))[0], press())
    assert (world.newest.frame[-4:] == round(6 / 9 * 255)).all()


def test_an_overlay_survives_as_bytes() -> None:
    simulator = painted()
    world = play_on(simulator, begin(simulator), press("hotbar.3", "attack"))
    rng = dict(np.random.default_rng(0).bit_generator.state)
    kept = DreamState.from_bytes(DreamState(world, rng, 0, "").to_bytes()).world
    assert kept.overlay is not None and world.overlay is not None and torch.equal(kept.overlay, world.overlay)
    a, b = (play_on(simulator, w, press("attack")) for w in (world, kept))
    assert torch.equal(a.newest.frame, b.newest.frame)


def test_what_stays_stays_to_the_byte_in_a_learned_overlay() -> None:
    torch.manual_seed(0)
    overlay = Overlay(CONFIG, W)
    overlay.fixed[:] = 1.0
    strip = (torch.randint(256, (1, 3, STRIP, W)).float() / 127.5) - 1
    drawn = overlay(strip, tell(2, 0, False, False)[None])
    after = overlay.after(drawn, strip)[:, :3]
    same = (drawn.changed < 0.5).expand_as(after)
    assert same.any() and torch.equal((after * 255).round()[same], ((strip + 1) * 127.5).round()[same])


def test_the_game_tells_its_overlay() -> None:
    game = registry.resolve(registry.ENGINES, registry.GAME, "engine")(width=160, height=96)
    game.reset(3)
    over, frame, mask = game.overlay(), game.render(), game.overlay_mask()
    opacity = over[..., 3:].astype(np.float32) / 255
    assert not over[~mask].any() and (over[mask][:, 3] == 255).mean() > 0.5
    opaque = over[..., 3] == 255
    assert np.abs(over[opaque][:, :3].astype(int) - frame[opaque].astype(int)).max() <= 1
    assert 0 < float(opacity.mean()) < 0.3


def test_an_overlay_learns(tmp_path: Path) -> None:
    examples = together(list(islice(play(registry.GAME, 0, width=160, height=96), 48)))
    torch.manual_seed(0)
    overlay = Overlay(OverlayConfig(width=16, arms=16, cells=16), 160)
    optimiser = torch.optim.AdamW(overlay.parameters(), lr=5e-3)
    overlay.fixed.copy_(bar_of(examples))
    assert 0.2 < float(overlay.fixed.mean()) < 0.6, "the bar is the lower edge's middle"
    first = float(loss_of(overlay, examples).detach())
    for _ in range(40):
        loss = loss_of(overlay, examples)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.6 * first


def test_examples_know_what_was_chosen_and_what_came_of_it() -> None:
    examples = list(islice(play(registry.GAME, 5, width=160, height=96), 60))
    assert any(bool((one.before != one.after).any()) for one in examples)
    batch: Example = together(examples)
    assert batch.strip.shape == (60, 3, STRIP, 160) and batch.after.shape == (60, 4, STRIP, 160)
    assert (batch.told[:, 9:15].sum(1) == 1).all()


def test_a_world_is_given_an_overlay_and_keeps_its_hands(tmp_path: Path) -> None:
    home = save_tiny_world(tmp_path / "tiny")
    handy, out = tmp_path / "handy", tmp_path / "o"
    main(f"train hands --world {home} --out {handy} --steps 1 --workers 0 --width 8 --exam 5".split())
    main(f"train overlay --world {handy} --out {out} --steps 1 --workers 0 --width 8 --exam 5".split())
    world = load_world(out)
    assert world.model.overlay is not None and world.model.hands is not None
    assert json.loads((out / "overlay.json").read_text())["steps"] == 1
    simulator = Simulator(world.model, SimulatorConfig(precision="float32"))
    assert play_on(simulator, begin(simulator), press("use", "attack")).overlay is not None


@pytest.mark.parametrize("slot", [-1, 0, 8])
def test_what_is_told_of_the_slot(slot: int) -> None:
    told = tell(slot, 2, True, False)
    assert float(told[:9].sum()) == (0 if slot < 0 else 1) and told[9 + 2] == 1 and told[-2] == 1


def test_worlds_without_an_overlay_keep_none() -> None:
    simulator = Simulator(tiny_model(replace(TINY)), SimulatorConfig(precision="float32"))
    assert play_on(simulator, begin(simulator), press("attack", "hotbar.2")).overlay is None
