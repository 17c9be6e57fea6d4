"""Surveys: places of the game seen from several sides, and how a dream walks about in them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from model_fakes import H, W, tiny_model
from worldsim.train.exemplars import choose_places, record_exemplars
from worldsim.train.surveys import PITCHES, SIDES, STANDS, VIEWS, record_surveys, survey

from worldsim.actions import CAMERA
from worldsim.model.camera import relative_pose, tangents
from worldsim.model.tokenizer import frames_to_float
from worldsim.model.warp import warp
from worldsim.sim.exemplars import Exemplars, joined, single, unplaced
from worldsim.sim.placing import Placing
from worldsim.sim.scenery import COMES, redrawn
from worldsim.sim.sight import choose, see
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.state import KeyFrame, Memory, WorldState

CONFIG = SimulatorConfig(precision="float32")
SEEN = torch.ones(H, W, dtype=torch.bool)


@cache
def places(count: int = 3) -> Exemplars:
    return record_surveys("worldsim/Voxel-v0", first=1_500_000, places=count, width=W, height=H)


def agreement(
    frames: torch.Tensor, depth: torch.Tensor, pose: torch.Tensor, a: int, b: int
) -> tuple[float, float]:
    """Share of view b that view a shows, and the share of that where both say how far it is to the same thing."""
    moved = relative_pose(pose[a : a + 1], pose[b : b + 1])
    seen = warp(frames_to_float(frames[a : a + 1]), depth[a : a + 1, None], *moved, SEEN)
    known = seen.known[0, 0] > 0.5
    same = (torch.log2(seen.depth[0, 0]) - torch.log2(depth[b])).abs() < 0.15
    return float(known.float().mean()), float(same[known].float().mean())


def test_a_place_is_seen_to_all_sides_from_stands_a_few_steps_apart() -> None:
    found = places()
    assert found.place.tolist() == np.arange(3).repeat(VIEWS).tolist()
    for place in range(3):
        pose = found.pose[found.place == place].reshape(STANDS, len(PITCHES), SIDES, 5)
        assert np.ptp(pose[..., :3], axis=(1, 2)).max() < 0.01, "who looks about does not move"
        apart = np.linalg.norm(np.diff(pose[:, 0, 0, [0, 2]], axis=0), axis=1)
        assert (apart >= 5).all() and (apart < 7).all()
        turns = np.diff(pose[..., 3], axis=2) % 360
        assert np.allclose(turns, 90, atol=0.1)
        level, up = pose[:, 0, :, 4], pose[:, 1, :, 4]
        assert np.allclose(level, 8, atol=0.1) and np.allclose(up, -30, atol=0.1)


def test_where_nobody_can_walk_there_is_no_place() -> None:
    class Walled:
        """A game in which one can turn, and go nowhere."""

        def __init__(self) -> None:
            self.pose = np.zeros(5)

        def step(self, action: Any) -> None:
            self.pose[[4, 3]] += action[CAMERA]

        def state(self) -> dict[str, Any]:
            return {"pose": self.pose.copy(), "in_water": False, "health": 20.0}

        def render_buffers(self) -> tuple[Any, Any, Any]:
            return np.zeros((H, W, 3), np.uint8), np.full((H, W), 9.0, np.float32), None

    assert survey(Walled(), yaw=0.0) is None


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_views_of_a_place_stay_one_place_wherever_it_is_put(mirrored: bool) -> None:
    found = places()
    index = np.flatnonzero(found.place == 1)
    placing, eye = Placing(torch.from_numpy(found.pose)), torch.tensor([7.3, 31.62, -2.2, 120.0, 8.0])
    ways = placing.around(eye, torch.ones(len(found), dtype=torch.bool))
    of_it = torch.isin(ways.index, torch.from_numpy(index)) & (ways.mirrored == mirrored)
    put = ways.one(int(of_it.nonzero()[-1]))
    others = torch.from_numpy(index)
    laid = placing.beside(put, others)
    assert torch.allclose(laid.pose[others == put.index], put.pose, atol=1e-3)
    frames, depth = torch.from_numpy(found.frames), torch.from_numpy(found.depth).float()
    if mirrored:
        frames, depth = frames.flip(2), depth.flip(2)
    next_stand = SIDES * len(PITCHES)
    pairs = [(a, next_stand + b) for a in range(SIDES) for b in range(SIDES)]
    shares = [agreement(frames[index], depth[index], laid.pose, a, b) for a, b in pairs]
    many = [same for shown, same in shares if shown > 0.2]
    assert len(many) >= 4 and np.median(many) > 0.7


def test_the_chosen_places_are_whole() -> None:
    chosen = choose_places(places(), 2)
    assert len(chosen) == 2 * VIEWS
    for place in np.unique(chosen.place):
        assert np.array_equal(chosen.frames[chosen.place == place], places().frames[places().place == place])


def test_a_world_brings_single_views_and_places_along() -> None:
    found = record_exemplars("worldsim/Voxel-v0", "explorer", count=3, places=1, caves=1, width=W, height=H)
    *rest, cave = np.unique(found.place, return_counts=True)[1].tolist()
    assert rest == [1, 1, 1, VIEWS] and cave in (8, 16, 24)
    views = found.place == found.place.max()
    assert found.frames[views].mean() < 75 and float(found.depth[views].max()) < 100, "dark, and nothing far"
    assert np.isnan(found.daytime[views]).all(), "it is as dark at noon"


def test_places_of_one_part_are_no_places_of_another() -> None:
    assert joined([places(), places()]).place.tolist() == np.arange(6).repeat(VIEWS).tolist()


COLOURS = ((120, 120, 120), (160, 110, 110), (110, 160, 110), (110, 110, 160))


def room(first: float = 40.0) -> Exemplars:
    """A square room of four walls, each of another colour and eight blocks away, seen to four sides."""
    seen = [looked(first + 90.0 * side) for side in range(4)]
    pose = np.array([[0.5, 1.62, 0.5, first + 90.0 * side, 0.0] for side in range(4)], np.float32)
    frames, depth = (np.stack(part) for part in zip(*seen))
    return Exemplars(frames, depth, pose, np.full(4, np.nan, np.float32), np.zeros(4, np.int32))


def looked(yaw: float) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The room from its middle: uint8 `[H, W, 3]`, float16 `[H, W]`."""
    aside = (np.arange(W) + 0.5) / W * 2 - 1
    aside, angle = aside * tangents(H, W)[0], np.radians(yaw)
    along = (
        np.cos(angle) - np.sin(angle) * aside,
        -np.sin(angle) - np.cos(angle) * aside,
    )  # z and x of the rays
    far = np.abs(along[0]) > np.abs(along[1])
    wall = np.where(far, np.where(along[0] > 0, 0, 2), np.where(along[1] < 0, 1, 3))
    depth = 8.0 / np.maximum(np.abs(along[0]), np.abs(along[1]))
    frame = np.array(COLOURS, np.uint8)[wall]
    return np.tile(frame, (H, 1, 1)), np.tile(depth.astype(np.float16), (H, 1))


def before_grey(simulator: Simulator) -> WorldState:
    frame, depth, pose = (
        torch.from_numpy(getattr(room(0.0), name)[:1]) for name in ("frames", "depth", "pose")
    )
    return simulator.begin(frame, seed=0, depth=depth, pose=pose)


def turned(simulator: Simulator, world: WorldState, degrees: float, ticks: int) -> WorldState:
    actions = torch.zeros(1, 25)
    actions[:, CAMERA.start + 1] = degrees
    for _ in range(ticks):
        (world,) = simulator.step([world], actions)
    return world


def test_who_thinks_of_a_view_knows_all_sides_of_its_place() -> None:
    simulator = Simulator(tiny_model(), CONFIG, exemplars=room())
    world = turned(simulator, before_grey(simulator), 40.0, 1)
    made = [key for key in world.memory.frames if key.imagined]
    assert len(made) == 4 and len({key.tick for key in made}) == 1
    yaws = sorted(float(key.pose[3]) % 360 for key in made)
    assert np.allclose(np.diff(yaws), 90, atol=1e-3)
    assert not any(bool(key.ground.any()) for key in made), "all of it is a guess"


def test_what_is_imagined_does_not_wear_off_however_often_it_is_looked_at() -> None:
    # Weights as they begin copy what they are given.
    simulator = Simulator(tiny_model(lively=False), CONFIG, exemplars=room())
    world = turned(simulator, before_grey(simulator), 45.0, 4)  # to the other side
    wall = [int(c) for c in world.newest.frame[H // 4, W // 2]]
    assert min(np.abs(np.array(wall) - colour).max() for colour in COLOURS[1:]) <= 2
    for _ in range(10):
        world = turned(simulator, turned(simulator, world, 3.3, 1), -3.3, 1)
    middle = world.newest.frame[H // 8 : H // 2, W // 3 : -W // 3].float()
    assert float((middle - torch.tensor(wall).float()).abs().max()) <= 2


def test_what_was_given_is_not_drawn_over() -> None:
    simulator = Simulator(tiny_model(lively=False), CONFIG, exemplars=room())
    home = turned(simulator, turned(simulator, before_grey(simulator), 40.0, 9), 0.0, 1)
    middle = home.newest.frame[H // 8 : H // 2, W // 3 : -W // 3].float()
    assert float((middle - 120).abs().mean()) < 4


def test_pieces_of_what_was_given_are_given_up_among_guesses() -> None:
    """A wall that was walked through hangs about in pieces; a crack in a wall is no guess."""
    simulator = Simulator(tiny_model(lively=False), CONFIG, exemplars=room())
    world = turned(simulator, before_grey(simulator), 45.0, 4)
    world = replace(world, tick=world.tick + COMES)  # the scene has come
    here = world.newest.pose[None]
    sight = see(simulator.eyes, [world], choose([world], here, 4, W / H), here, 0.05)
    torn = torch.zeros(1, 1, H, W)
    torn[..., ::4, ::4] = 1.0
    torn[..., W // 2 :] = 1.0
    torn[..., 20, W - 8] = 0.0
    warped = sight.view.warped.clone()
    warped[:, 0] = torch.where(torn > 0, 1.0, warped[:, 0])
    _, after = redrawn(
        simulator.eyes,
        [world],
        here,
        replace(sight, ground=torn, view=replace(sight.view, warped=warped)),
        sight.view.known[:, 0],
    )
    left, right = slice(8, W // 2 - 8), slice(W // 2 + 8, None)
    assert not bool(after.ground[..., 8:-8, left].any()), "what is drawn over is given no longer"
    assert float(after.view.warped[0, 0, :, 8 : H // 2, left].max()) < 0.9
    assert torch.equal(after.ground[..., right], torn[..., right])
    assert torch.equal(after.view.warped[0, 0, :, :, right], warped[0, 0, :, :, right])


def key(tick: int, given: int = 0) -> KeyFrame:
    ground = torch.full((H // 2, W // 2), given, dtype=torch.uint8)
    return KeyFrame(
        torch.zeros(H, W, 3, dtype=torch.uint8), torch.ones(H, W).half(), torch.zeros(5), tick, ground
    )


def test_what_was_given_is_remembered_for_longer_than_guesses() -> None:
    memory = Memory()
    for tick in range(8):
        memory = memory.add(key(tick, given=255 if tick in (1, 2) else 0), 4)
    assert [k.tick for k in memory.frames] == [1, 2, 6, 7]
    assert memory.coarse is not None and memory.poses is not None
    assert len(memory.coarse) == len(memory.poses) == 4
    for tick in range(8, 12):
        memory = memory.add(key(tick, given=255), 4)
    assert [k.tick for k in memory.frames] == [8, 9, 10, 11], "of what was given the oldest goes"
    assert [k.tick for k in memory.add_behind([key(20), key(21)], 1, 4).frames] == [10, 20, 21, 11]


def test_a_place_is_put_behind_what_was_seen_last() -> None:
    memory = Memory()
    for tick in range(4):
        memory = memory.add(key(tick), 6)
    after = memory.add_behind([key(10), key(11), key(12)], 2, 6)
    assert [k.tick for k in after.frames] == [1, 10, 11, 12, 2, 3], "the oldest is forgotten"
    assert after.coarse is not None and len(after.coarse) == 6
    assert [k.tick for k in memory.add_behind([key(9)], 18, 6).frames] == [9, 0, 1, 2, 3]
    assert [k.tick for k in Memory().add_behind([key(9)], 18, 6).frames] == [9]


def test_single_views_stand_alone() -> None:
    alone = single(room().frames, room().depth, unplaced(np.zeros(4, np.float32)), room().daytime)
    simulator = Simulator(tiny_model(), CONFIG, exemplars=alone)
    world = turned(simulator, before_grey(simulator), 40.0, 1)
    assert len([key for key in world.memory.frames if key.imagined]) == 1


def test_views_that_nobody_knows_the_pose_of_are_no_place_together() -> None:
    nowhere = replace(room(), pose=unplaced(np.zeros(4, np.float32)))
    simulator = Simulator(tiny_model(), CONFIG, exemplars=nowhere)
    made = [key for key in turned(simulator, before_grey(simulator), 40.0, 1).memory.frames if key.imagined]
    assert len(made) == 1 and bool(made[0].pose.isfinite().all())
