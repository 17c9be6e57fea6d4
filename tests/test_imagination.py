"""Imagination: what a dream takes to be where nothing given tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from model_fakes import H, W, save_tiny_world, tiny_model
from torch import Tensor
from worldsim.train.exemplars import choose

from worldsim.actions import CAMERA
from worldsim.checkpoint import world_hash
from worldsim.errors import CheckpointError, ConfigError
from worldsim.model.references import View
from worldsim.model.retrieval import GRID, magnification
from worldsim.sim.exemplars import (
    EXEMPLARS_FILE,
    Exemplars,
    encode_exemplars,
    joined,
    load_exemplars,
    single,
    unplaced,
)
from worldsim.sim.foresight import AHEAD, foreseen
from worldsim.sim.imagination import REST, _underground
from worldsim.sim.sight import Sight, united
from worldsim.sim.sight import choose as choose_frames
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.snapshot import DreamState
from worldsim.sim.state import KeyFrame, WorldState

CONFIG = SimulatorConfig(precision="float32")
GREY, GREYER, RED = (120, 120, 120), (126, 126, 126), (250, 0, 0)


def walls(*colours: tuple[int, int, int], depth: float = 8.0) -> Exemplars:
    """Flat walls seen head on, one of each colour."""
    frames = np.stack([np.full((H, W, 3), colour, np.uint8) for colour in colours])
    return single(
        frames,
        np.full((len(colours), H, W), depth, np.float16),
        unplaced(np.zeros(len(colours), np.float32)),
        np.full(len(colours), np.nan, np.float32),
    )


def begin(simulator: Simulator, seed: int = 0) -> WorldState:
    """A player before a grey wall, eight blocks away."""
    scene = walls(GREY)
    return simulator.begin(
        torch.from_numpy(scene.frames), seed=seed, depth=torch.from_numpy(scene.depth), pose=torch.zeros(1, 5)
    )


def turned(
    simulator: Simulator, worlds: list[WorldState], degrees: float, ticks: int = 1
) -> list[WorldState]:
    actions = torch.zeros(len(worlds), 25)
    actions[:, CAMERA.start + 1] = degrees
    for _ in range(ticks):
        worlds = simulator.step(worlds, actions)
    return worlds


def imagined(world: WorldState) -> list[KeyFrame]:
    return [key for key in world.memory.frames if key.imagined]


def colour(key: KeyFrame) -> list[int]:
    return key.frame[0, 0].tolist()  # type: ignore[no-any-return]


def test_a_turn_to_the_unknown_is_answered_by_the_place_that_goes_on_best() -> None:
    simulator = Simulator(tiny_model(), CONFIG, exemplars=walls(RED, GREYER))
    world = turned(simulator, [begin(simulator)], 45.0)[0]
    key = imagined(world)[0]
    assert colour(key) == list(GREYER) and not key.ground.any(), "a guess, and told as one"
    assert 0 < float(key.pose[3]) <= 115 and world.invented > 0.2
    assert torch.equal(key.pose[:3], world.pose[:3]), "seen from where the player stands"


def test_a_place_is_thought_of_before_a_slow_turn_comes_to_it() -> None:
    simulator = Simulator(tiny_model(), CONFIG, exemplars=walls(GREY, RED))
    (world,) = turned(simulator, [begin(simulator)], 4.0, ticks=2)
    (idea,) = imagined(world)
    assert colour(idea) == list(GREY)
    (later,) = turned(simulator, [world], 4.0, ticks=2)
    assert imagined(later) == [idea]  # it is there now, and waits


def test_nobody_foresees_more_than_a_step_aside_or_while_at_rest() -> None:
    here = torch.tensor([0.0, 1.62, 0.0, 178.0, 80.0])
    assert foreseen(here, here) is None
    moved = torch.tensor([0.1, 1.62, -5.0, -179.0, 85.0])  # by 3 degrees of yaw
    later = foreseen(here, moved)
    assert later is not None
    assert later.tolist() == pytest.approx([0.1 + 0.1 * AHEAD, 1.62, -8.0, -179.0 + 3.0 * AHEAD, 90.0])
    assert torch.equal(here, torch.tensor([0.0, 1.62, 0.0, 178.0, 80.0]))


def test_what_is_known_needs_no_imagination() -> None:
    simulator = Simulator(tiny_model(), CONFIG, exemplars=walls(GREYER))
    assert not imagined(turned(simulator, [begin(simulator)], 0.0, 3)[0])


def test_a_place_that_does_not_go_on_from_here_is_not_taken() -> None:
    simulator = Simulator(tiny_model(), CONFIG, exemplars=walls(RED))
    assert not imagined(turned(simulator, [begin(simulator)], 45.0)[0])


def test_a_place_is_lit_as_the_world_is() -> None:
    night, dusk, morning = (
        replace(walls(GREYER), daytime=np.array([t], np.float32)) for t in (0.9, 0.75, 0.35)
    )
    for places, daytime, thought_of in (
        (night, 0.5, False), (night, 0.1, True), (night, np.nan, True), (dusk, 0.65, False), (dusk, 0.25, True),
        (morning, 0.65, True), (morning, 0.23, False), (walls(GREYER), 0.5, True),
    ):  # fmt: skip
        simulator = Simulator(tiny_model(), CONFIG, exemplars=places)
        world = replace(begin(simulator), daytime=daytime)
        assert bool(imagined(turned(simulator, [world], 30.0, 4)[0])) == thought_of


def test_underground_lies_a_cave_and_in_the_open_none() -> None:
    """A meadow that looks alike is no answer in a cave, nor the other way round."""
    shades = (30, 30, 30), (36, 36, 36)
    cave = replace(
        walls(*[shades[1]] * 8, depth=4.0),
        pose=np.array([[0.5, 1.62, 0.5, 45.0 * k, 0.0] for k in range(8)], np.float32),
        place=np.zeros(8, np.int32),
    )
    both = joined([walls(shades[0], depth=200.0), cave])
    for depth, expected in ((4.0, shades[1]), (200.0, shades[0])):
        simulator = Simulator(tiny_model(), CONFIG, exemplars=both)
        seen = walls(shades[0], depth=depth)
        world = simulator.begin(
            torch.from_numpy(seen.frames), seed=0, depth=torch.from_numpy(seen.depth), pose=torch.zeros(1, 5)
        )
        ideas = imagined(turned(simulator, [world], 45.0)[0])
        assert ideas and {tuple(colour(key)) for key in ideas} == {expected}


def test_a_pale_block_before_the_eyes_is_not_the_sun() -> None:
    dark, pale = (30, 30, 30), (120, 120, 120)
    simulator = Simulator(tiny_model(), CONFIG)
    for shown, expected in (((dark, pale, dark, dark), True), ((pale, pale, dark, dark), False)):
        seen = walls(*shown, depth=4.0)
        pose = torch.tensor([[0.5, 1.62, 0.5, 40.0 * k, 0.0] for k in range(len(shown))])
        frames, depth = torch.from_numpy(seen.frames), torch.from_numpy(seen.depth)
        world = simulator.begin(frames, seed=0, depth=depth, pose=pose)
        assert len(world.memory.frames) == 2 and _underground(world) == expected


def test_it_can_be_turned_off_and_needs_exemplars() -> None:
    for simulator in (
        Simulator(tiny_model(), replace(CONFIG, imagine=False), exemplars=walls(GREYER)),
        Simulator(tiny_model(), CONFIG),
    ):
        assert not imagined(turned(simulator, [begin(simulator)], 45.0)[0])


def test_ideas_keep_their_distance_in_time() -> None:
    simulator = Simulator(tiny_model(), CONFIG, exemplars=walls(GREY, GREYER))
    ticks = [key.tick for key in imagined(turned(simulator, [begin(simulator)], 30.0, 20)[0])]
    assert len(ticks) > 1 and min(np.diff(ticks)) >= REST


def test_who_is_turned_to_where_nothing_is_known_need_not_rest() -> None:
    """The network would draw the last frame again, and what was behind would be ahead, too, for good."""
    simulator = Simulator(tiny_model(), CONFIG, exemplars=walls(RED, GREYER))
    worlds = turned(simulator, [begin(simulator)], 110.0)
    assert len(imagined(turned(simulator, worlds, 110.0)[0])) == 2

    actions = torch.zeros(1, 25)
    actions[:, CAMERA.start] = -90.0
    up = replace(walls(RED), pose=unplaced(np.full(1, -58.0, np.float32)))  # nothing looks farther up
    (world,) = Simulator(tiny_model(), CONFIG, exemplars=up).step([begin(simulator)], actions)
    assert len(imagined(world)) == 1


def test_which_of_several_places_is_the_noises_choice() -> None:
    simulator = Simulator(tiny_model(), CONFIG, exemplars=walls(GREY, (121, 120, 120)))
    chosen = [
        colour(imagined(turned(simulator, [begin(simulator, seed)], 45.0)[0])[0])[0] for seed in range(12)
    ]
    assert len(set(chosen)) == 2
    again = [
        colour(imagined(turned(simulator, [begin(simulator, seed)], 45.0)[0])[0])[0] for seed in range(12)
    ]
    assert chosen == again


def test_each_world_of_a_batch_has_its_own_ideas() -> None:
    simulator = Simulator(tiny_model(), CONFIG, exemplars=walls(GREY, GREYER))
    alone = [turned(simulator, [begin(simulator, seed)], 45.0)[0] for seed in range(3)]
    together = turned(simulator, [begin(simulator, seed) for seed in range(3)], 45.0)
    for a, b in zip(alone, together):
        (one,), (other,) = imagined(a), imagined(b)
        assert torch.equal(one.frame, other.frame)
        assert torch.allclose(
            one.pose, other.pose, atol=1e-4
        )  # kernels differ with the batch in the last bits


def test_an_idea_survives_a_snapshot() -> None:
    simulator = Simulator(tiny_model(), CONFIG, exemplars=walls(GREYER))
    world = turned(simulator, [replace(begin(simulator), daytime=0.25)], 45.0)[0]
    state = DreamState(world, dict(np.random.default_rng(0).bit_generator.state), 0, "")
    back = DreamState.from_bytes(state.to_bytes()).world
    assert [k.imagined for k in back.memory.frames] == [k.imagined for k in world.memory.frames]
    assert back.daytime == 0.25 and back.scene == world.scene and world.scene.place >= 0
    after = [turned(simulator, [w], 9.0, 4)[0].newest.frame for w in (world, back)]
    assert torch.equal(*after)


def sight(view: View, imagined: list[bool], ground: float = 0.0) -> Sight:
    return Sight(
        references=None,  # type: ignore[arg-type]
        imagined=torch.tensor([imagined]), view=view, ground=torch.full((1, 1, H, W), ground),
    )  # fmt: skip


def view(warped: Tensor, known: Tensor, depth: float = 8.0) -> View:
    """Slots as they are seen: colours `[R]` as flat pictures, known `[R, H, W]`."""
    slots = len(warped)
    pictures = warped.view(1, slots, 1, 1, 1).expand(1, slots, 3, H, W).clone()
    return View(
        warped=pictures * known[None, :, None], depth=torch.full((1, slots, 1, H, W), depth),
        known=known[None, :, None].clone(), newest=pictures[:, 0], frames=pictures,
        description=torch.zeros(1, slots, 17), valid=torch.ones(1, slots, dtype=torch.bool),
    )  # fmt: skip


def test_a_gap_is_filled_with_what_is_imagined_and_a_crack_is_not() -> None:
    known = torch.ones(3, H, W)
    known[:2, :, : W // 2] = 0
    known[:2, 4, W - 4] = 0
    after = united(sight(view(torch.tensor([0.5, 0.5, -0.5]), known), [False, False, True]))
    assert (after.warped[0, 0, :, :, : W // 4] == -0.5).all() and (
        after.known[0, 0, 0, :, : W // 4] == 1
    ).all()
    assert after.known[0, 0, 0, 4, W - 4] == 0
    assert (after.warped[0, 0, :, :4, -3:] == 0.5).all(), "what is seen there is another thing, and stays"


def test_a_surface_seen_from_far_too_near_is_a_lattice_and_not_taken_for_one() -> None:
    known = torch.ones(3, H, W)
    known[:2] = 0
    known[0, ::3, ::3] = 1
    known[2, :, W // 2 :] = 0
    known[2, ::3, ::3] = 1
    seen = view(torch.tensor([0.5, 0.5, -0.5]), known)
    after = united(sight(seen, [False, False, True]))
    inner = after.known[0, 0, 0, :, W // 2 + 5 :], after.known[0, 0, 0, :, : W // 2 - 5]
    assert not inner[0].any() and inner[1].all()
    assert (after.warped[0, 0, :, :, : W // 2 - 5] == -0.5).all(), "its dots don't show through"
    given = united(sight(seen, [False, False, True], ground=0.9))
    assert given.known[0, 0, 0, 0, W - 1 - (W - 1) % 3] == 1, "what follows from what was given stays"


def test_the_same_surface_is_drawn_from_where_it_is_sharp() -> None:
    before = view(torch.tensor([0.5, 0.5, 0.55]), torch.ones(3, H, W))
    for made, ground, expected in (
        (True, 0.0, 0.55), (True, 0.45, 0.55), (False, 0.0, 0.5), (True, 0.9, 0.5),
    ):  # fmt: skip
        after = united(sight(before, [False, False, made], ground))
        assert torch.allclose(after.warped[0, 0], torch.tensor(expected))


def test_what_was_given_is_looked_up_before_what_was_thought_of() -> None:
    simulator = Simulator(tiny_model(), CONFIG, exemplars=walls(GREYER))
    world = turned(simulator, [begin(simulator)], 30.0, 4)[0]
    assert imagined(world)
    back = world.newest.pose.clone()
    back[3] = 0.0
    chosen = choose_frames([world], back[None], simulator.slots, W / H)[0]
    given = [key for key in chosen if key is not None and key.tick <= 0]
    assert given and torch.equal(given[0].frame, begin(simulator).newest.frame)


def test_only_what_is_a_guess_is_drawn_decisively() -> None:
    model = tiny_model()
    drawn = {}
    for decisive in (1.0, 0.1):
        simulator = Simulator(model, replace(CONFIG, decisive=decisive), exemplars=walls(GREYER))
        still, away = (turned(simulator, [begin(simulator)], degrees, 3)[0] for degrees in (0.0, 30.0))
        assert imagined(away) and not imagined(still)
        drawn[decisive] = still.newest.frame, away.newest.frame
    assert torch.equal(drawn[1.0][0], drawn[0.1][0])
    assert not torch.equal(drawn[1.0][1], drawn[0.1][1])


def test_a_temperature_of_nothing_is_refused() -> None:
    for wrong in (0.0, 1.5, float("nan")):
        with pytest.raises(ConfigError, match="decisive: got"):
            Simulator(tiny_model(), replace(CONFIG, decisive=wrong))


def test_magnification_is_the_share_of_the_way_that_is_left() -> None:
    wall, away = torch.full((1, 1, *GRID), 8.0), torch.zeros(1, 5)
    near = away.clone()
    near[0, 2] = 4.0
    larger = magnification(wall, away[:, None], near, W / H, torch.full((1, 240), 4.0))
    seen = larger[larger.isfinite()]
    assert len(seen) > 50 and torch.allclose(seen, torch.tensor(2.0))
    hidden = magnification(wall, away[:, None], near, W / H, torch.full((1, 240), 1.0))
    assert not hidden.isfinite().any(), "something else stands before it"


def test_exemplars_come_back_as_they_were_but_for_rounding(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    kept = single(
        rng.integers(0, 256, (3, H, W, 3), np.uint8), (rng.random((3, H, W)) * 99).astype(np.float16),
        unplaced(np.array([-3.5, 0, 88], np.float32)), np.array([0.5, np.nan, 0.9], np.float32),
    )  # fmt: skip
    assert load_exemplars(tmp_path, (H, W)) is None
    (tmp_path / EXEMPLARS_FILE).write_bytes(encode_exemplars(kept))
    back = load_exemplars(tmp_path, (H, W))
    assert back is not None and len(back) == 3
    for name in ("pose", "daytime", "place"):
        assert np.array_equal(getattr(back, name), getattr(kept, name), equal_nan=name in ("pose", "daytime"))
    assert np.abs(back.frames.astype(int) - kept.frames).max() <= 3, "colours to a few grey levels"
    assert np.abs(back.depth.astype(float) / kept.depth - 1).max() <= 1 / 500
    (tmp_path / EXEMPLARS_FILE).write_bytes(encode_exemplars(back))
    again = load_exemplars(tmp_path, (H, W))
    assert again is not None and np.array_equal(again.frames, back.frames)
    assert np.array_equal(again.depth, back.depth), "and no more is lost by packing it again"


def test_exemplars_of_before_are_each_of_another_place(tmp_path: Path) -> None:
    new = walls(GREY, RED)
    path = tmp_path / EXEMPLARS_FILE
    path.write_bytes(encode_exemplars(new))
    with np.load(path) as arrays:
        old = {name: arrays[name] for name in arrays.files if name not in ("views", "place")}
    along = np.diff(new.frames, axis=2, prepend=np.uint8(0)).astype(np.uint8)
    older = {name: array for name, array in old.items() if name != "pose"}
    for kept in (old, {**older, "pitch": np.array([3.0, -4.0], np.float32)}):
        with path.open("wb") as file:
            np.savez_compressed(file, frames=along, **kept)
        back = load_exemplars(tmp_path, (H, W))
        assert back is not None and np.array_equal(back.frames, new.frames)
        assert back.place.tolist() == [0, 1]
        pitch = kept["pitch"] if "pitch" in kept else np.zeros(2, np.float32)
        assert np.array_equal(back.pose, unplaced(pitch), equal_nan=True)


def test_damaged_or_foreign_exemplars_are_refused_in_one_line(tmp_path: Path) -> None:
    data = encode_exemplars(walls(GREY))
    for bad in (b"PK not a zip", data[: len(data) // 2], b""):
        (tmp_path / EXEMPLARS_FILE).write_bytes(bad)
        with pytest.raises(CheckpointError, match=r"exemplars\.npz.*copy the world again"):
            load_exemplars(tmp_path, (H, W))
    (tmp_path / EXEMPLARS_FILE).write_bytes(data)
    with pytest.raises(CheckpointError, match=f"expected \\[N, {H}, {W + 8}, 3\\]"):
        load_exemplars(tmp_path, (H, W + 8))


def test_exemplars_are_part_of_what_a_world_is(tmp_path: Path) -> None:
    folder = save_tiny_world(tmp_path / "world")
    before = world_hash(folder)
    (folder / EXEMPLARS_FILE).write_bytes(encode_exemplars(walls(RED)))
    assert world_hash(folder) != before


def test_the_chosen_views_differ_and_are_not_close_ups() -> None:
    colours = [(k % 4 * 60, k % 4 * 60, 255 - k % 4 * 60) for k in range(40)]
    crowd = walls(*colours)
    crowd.depth[::2] = 0.6
    kept = choose(crowd, 2)
    assert len(kept) == 2 and (kept.depth > 1).all()
    assert len({tuple(frame[0, 0]) for frame in kept.frames.tolist() for frame in [np.array(frame)]}) == 2
    assert np.array_equal(choose(crowd, 2).frames, kept.frames)
