"""Handiwork: what the player breaks and places in a dream is there, from every side, and stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from model_fakes import HEADED, H, W, tiny_model
from torch import Tensor

from worldsim.actions import ACTION_SIZE, CAMERA, INDEX
from worldsim.errors import UsageError
from worldsim.model.cells import window_of
from worldsim.model.hands import Grasp, Hands, HandsConfig, Skin, crop_of, strip_of
from worldsim.model.world_model import WorldModel
from worldsim.signals import PLACE
from worldsim.sim.handiwork import _draw_compiled, draw_torch
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.snapshot import DreamState
from worldsim.sim.state import Grip, KeyFrame, WorldState

RED = (255, 0, 0)
AFTER = 3
"""Ticks of attack that break a block."""


class Sure(Hands):
    """Breaks after three ticks and places at once; all it touches is red, and rock goes on behind it."""

    solid = 1.0

    def act(self, seen: Tensor) -> Tensor:
        held = seen[:, -50 + ACTION_SIZE] * 8
        return torch.stack([9 * (held - AFTER + 0.5), torch.ones_like(held)], 1)

    def skin(self, seen: Tensor, *, placed: bool) -> Skin:
        textures = torch.tensor([1.0, -1.0, -1.0])[None, None, :, None, None].expand(1, 3, 3, 16, 16)
        return Skin(textures, torch.ones(1, 6), torch.full((1, 6), self.solid))


class Hollow(Sure):
    """As `Sure`, but there is nothing behind what breaks."""

    solid = 0.0


def press(*keys: str, yaw: float = 0.0) -> Tensor:
    action = torch.zeros(1, ACTION_SIZE)
    action[0, [INDEX[key] for key in keys]] = 1.0
    action[0, CAMERA.start + 1] = yaw
    return action


def with_hands(kind: type[Hands] = Sure) -> Simulator:
    model = tiny_model(replace(HEADED, hands=HandsConfig(width=8)))
    still(model)
    model.hands = kind(HandsConfig(width=8)).eval()
    return Simulator(model, SimulatorConfig(precision="float32"))


def still(model: WorldModel) -> None:
    """Nobody moves by himself."""
    with torch.no_grad():
        for parameter in model.motion.parameters():
            parameter.zero_()


def before_a_wall(simulator: Simulator) -> WorldState:
    """A grey wall of blocks two blocks ahead: its face is the plane z = 3."""
    frame = torch.full((1, H, W, 3), 120, dtype=torch.uint8)
    pose = torch.tensor([[0.5, 1.5, 1.0, 0.0, 0.0]])
    return simulator.begin(frame, seed=0, depth=torch.full((1, H, W), 2.0), pose=pose)


def play(simulator: Simulator, world: WorldState, *actions: Tensor) -> WorldState:
    """Act, standing still, in a world whose network draws what it is given: random weights would draw noise."""
    for action in actions:
        world = simulator.step([world], action)[0]
        drawn = replace(world.recent[1], tick=world.newest.tick)
        world = replace(world, recent=(drawn, world.recent[1]))
    return world


def test_a_placed_block_stands_in_all_that_is_remembered() -> None:
    simulator = with_hands()
    world = before_a_wall(simulator)
    after = play(simulator, world, press("use"))
    given = after.recent[1]
    shown = (given.frame == torch.tensor(RED, dtype=torch.uint8)).all(-1)
    assert shown[H // 2, W // 2] and 0.05 < float(shown.float().mean()) < 0.9
    assert float(given.depth[H // 2, W // 2]) == pytest.approx(1.0, abs=0.01), "a block nearer than the wall"
    assert float(given.depth[2, 2]) == 2.0
    assert int(given.ground[H // 4, W // 4]) < 255, "how it looks is no longer quite given"
    assert after.signals is not None and after.signals[PLACE["placed"]] == 1
    assert world.newest.frame.float().std() == 0, "the world before it is as it was"


def test_a_block_breaks_when_attack_was_held_on_it_long_enough() -> None:
    simulator = with_hands()
    world = before_a_wall(simulator)
    worlds = [world]
    for _ in range(AFTER):
        worlds.append(play(simulator, worlds[-1], press("attack")))
    told = [float(w.signals[PLACE["broke"]]) for w in worlds[1:] if w.signals is not None]
    assert told == [0.0, 0.0, 1.0] and [w.grip.held for w in worlds] == [0, 1, 2, 0]
    let_go = play(
        simulator, world, press("attack"), press("attack"), press(), press("attack"), press("attack")
    )
    assert not let_go.grip.broke and let_go.grip.held == 2


def test_a_hole_is_whole_where_what_was_dreamt_is_off_as_a_whole() -> None:
    simulator = with_hands()
    world = before_a_wall(simulator)
    off = replace(world.newest, depth=world.newest.depth + 0.25)
    world = play(simulator, replace(world, recent=(off,)), *[press("attack")] * AFTER)
    given = next(key for key in (*world.memory.frames, *world.recent) if key.tick == 0)
    red = (given.frame == torch.tensor(RED, dtype=torch.uint8)).all(-1)
    rows, columns = red.nonzero().min(0).values, red.nonzero().max(0).values
    inside = (
        red[rows[0] : columns[0] + 1, rows[1] : columns[1] + 1]
        | ~simulator.model.usable[rows[0] : columns[0] + 1, rows[1] : columns[1] + 1]
    )
    assert red.any() and float(inside.float().mean()) > 0.95
    assert float(given.depth[H // 2, W // 2]) == pytest.approx(3.25, abs=0.02)


def test_behind_a_broken_block_there_is_rock_or_nobody_knows() -> None:
    for kind, far in ((Sure, 3.0), (Hollow, 0.0)):
        simulator = with_hands(kind)
        world = play(simulator, before_a_wall(simulator), *[press("attack")] * AFTER)
        # By the time it breaks, the given frame is the oldest that is remembered.
        given = next(key for key in (*world.memory.frames, *world.recent) if key.tick == 0)
        assert float(given.depth[H // 2, W // 2]) == pytest.approx(far, abs=0.02), kind
        assert float(given.depth[2, 2]) == 2.0
        assert (given.frame[H // 2, W // 2] == torch.tensor(RED, dtype=torch.uint8)).all()


@pytest.mark.parametrize("placed", [True, False])
def test_compiled_edits_are_those_in_torch(placed: bool) -> None:
    rng = torch.Generator().manual_seed(0)
    usable = torch.rand(H, W, generator=rng) > 0.1
    light, solid = torch.rand(1, 6, generator=rng) + 0.5, torch.rand(1, 6, generator=rng)
    skin = Skin(torch.rand(1, 3, 3, 16, 16, generator=rng) * 2 - 1, light, solid)
    for yaw, pitch in ((0.0, 0.0), (20.0, 30.0), (-35.0, -20.0)):
        frame = torch.randint(256, (H, W, 3), dtype=torch.uint8, generator=rng)
        depth = (torch.rand(H, W, generator=rng) * 3 + 1).half()
        key = KeyFrame(
            frame, depth, torch.tensor([0.4, 1.3, -2.0, yaw, pitch]), 0, torch.zeros(H // 2, W // 2)
        )
        window = window_of(key.pose, (0, 1, 0), H, W)
        assert window is not None
        fast, plain = (
            draw(key, (0, 1, 0), window, skin, usable, placed) for draw in (_draw_compiled, draw_torch)
        )
        same = fast[2].bool() == plain[2].bool()
        assert float(same.float().mean()) > 0.999 and int(plain[2].sum()) > 10
        both = fast[2].bool() & plain[2].bool()
        off = (fast[0][both].float() - plain[0][both].float()).abs().amax(1)
        assert float((off <= 1).float().mean()) > 0.98, "but for texels at whose border rounding decides"
        assert float((fast[1].float() - plain[1].float())[both].abs().max()) < 0.01


def test_what_was_placed_is_still_there_after_looking_away() -> None:
    simulator = with_hands()
    world = play(simulator, before_a_wall(simulator), press("use"))
    turns = [press(yaw=40.0)] * 3 + [press(yaw=-40.0)] * 3
    for turn in turns:
        world = simulator.step([world], turn)[0]
    given = [key for key in (*world.memory.frames, *world.recent) if key.tick == 0]
    assert given and (given[0].frame[H // 2, W // 2] == torch.tensor(RED, dtype=torch.uint8)).all()
    assert world.memory.coarse is not None
    row = world.memory.frames.index(given[0])
    assert float(world.memory.coarse[row].min()) < 1.5, "what is asked for views of the place knows it, too"


def test_hands_work_in_ticks_that_are_not_drawn() -> None:
    simulator = with_hands()
    world = play(simulator, before_a_wall(simulator), press())
    walked = simulator.walk([world], press("use"))[0]
    assert walked.signals is not None and walked.signals[PLACE["placed"]] == 1
    assert walked.newest.tick == world.newest.tick and not torch.equal(
        walked.newest.frame, world.newest.frame
    )
    after = simulator.walk([walked], press())[0]
    assert after.signals is not None and after.signals[PLACE["placed"]] == 0
    assert simulator.tells_handiwork


def test_the_slot_is_the_last_that_was_chosen() -> None:
    simulator = with_hands()
    world = before_a_wall(simulator)
    assert world.grip.slot == -1
    assert play(simulator, world, press("hotbar.4"), press("forward")).grip.slot == 3


def test_idle_hands_change_nothing() -> None:
    simulator, plain = with_hands(), with_hands()
    plain.model.hands = None
    actions = torch.stack([press("forward"), press(yaw=10.0)])
    a, b = before_a_wall(simulator), before_a_wall(plain)
    for action in actions:
        a, b = simulator.step([a], action)[0], plain.step([b], action)[0]
    assert torch.equal(a.newest.frame, b.newest.frame) and torch.equal(a.newest.depth, b.newest.depth)


def test_worlds_beside_each_other_do_not_touch_each_others_blocks() -> None:
    simulator = with_hands()
    worlds = [before_a_wall(simulator), before_a_wall(simulator)]
    both = simulator.step(worlds, torch.cat([press("use"), press()]))
    assert both[0].grip.placed and not both[1].grip.placed
    assert both[1].recent[1].frame.float().std() == 0


def test_a_grip_survives_as_bytes_and_a_damaged_one_is_refused() -> None:
    simulator = with_hands()
    world = play(simulator, before_a_wall(simulator), press("hotbar.2"), press("attack"))
    rng = dict(np.random.default_rng(0).bit_generator.state)
    assert DreamState.from_bytes(DreamState(world, rng, 0, "").to_bytes()).world.grip == world.grip
    wrong = replace(world, grip=Grip(slot=9))
    with pytest.raises(UsageError, match="slot 9"):
        DreamState.from_bytes(DreamState(wrong, rng, 0, "").to_bytes())


def test_hands_look_at_small_frames_too() -> None:
    frame = torch.ones(1, 3, 20, 24)
    assert crop_of(frame).shape == (1, 3, 32, 32) and strip_of(frame).shape == (1, 3, 32, 24)
    hands = Hands(HandsConfig(width=8))
    seen = hands.see(Grasp(crop_of(frame), strip_of(frame), torch.zeros(1, 50)))
    assert hands.act(seen).shape == (1, 2) and hands.skin(seen, placed=True).solid.shape == (1, 6)
