"""The simulator: a pure function of worlds and actions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from model_fakes import H, W, tiny_clips, tiny_model

from worldsim.actions import CAMERA, INDEX
from worldsim.model import threads, warp
from worldsim.model.retrieval import coverage, resolution
from worldsim.signals import TABLE
from worldsim.sim import simulator as simulation
from worldsim.sim.beliefs import unseen
from worldsim.sim.legs import settle
from worldsim.sim.sight import choose
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.snapshot import DreamState
from worldsim.sim.state import Memory, WorldState

EXACT = SimulatorConfig(precision="float32")


def begin(simulator: Simulator, seed: int = 0, clip: int = 0) -> WorldState:
    clips = tiny_clips()
    assert clips.depth is not None and clips.pose is not None
    return simulator.begin(
        torch.from_numpy(clips.frames[clip, :4]), seed=seed, actions=torch.from_numpy(clips.actions[clip, 1:4]),
        depth=torch.from_numpy(clips.depth[clip, :4]), pose=torch.from_numpy(clips.pose[clip, :4]),
    )  # fmt: skip


def walk(simulator: Simulator, worlds: list[WorldState], ticks: int) -> list[WorldState]:
    generator = torch.Generator().manual_seed(3)
    for _ in range(ticks):
        actions = torch.zeros(len(worlds), 25)
        actions[:, 15:17] = torch.randn(2, generator=generator) * 8
        actions[:, 11] = 1
        worlds = simulator.step(worlds, actions)
    return worlds


def same(a: WorldState, b: WorldState) -> bool:
    return torch.equal(a.newest.frame, b.newest.frame) and torch.equal(a.newest.pose, b.newest.pose)


def test_equal_seeds_and_actions_give_equal_bytes() -> None:
    simulator = Simulator(tiny_model(), EXACT)
    first = walk(simulator, [begin(simulator)], 6)[0]
    assert same(first, walk(simulator, [begin(simulator)], 6)[0])
    assert not same(first, walk(simulator, [begin(simulator, seed=1)], 6)[0])


def test_a_state_is_a_snapshot_that_nothing_changes() -> None:
    simulator = Simulator(tiny_model(), EXACT)
    middle = walk(simulator, [begin(simulator)], 3)[0]
    kept = middle.newest.frame.clone()
    once = walk(simulator, [middle], 4)[0]
    assert torch.equal(middle.newest.frame, kept)
    assert same(once, walk(simulator, [middle], 4)[0])


def test_forks_differ_by_their_noise_alone() -> None:
    simulator = Simulator(tiny_model(), EXACT)
    middle = walk(simulator, [begin(simulator)], 2)[0]
    a, b = walk(simulator, [middle.fork(5), middle.fork(6)], 1)
    assert torch.equal(a.newest.pose, b.newest.pose) and not torch.equal(a.newest.frame, b.newest.frame)


def test_a_world_in_a_batch_is_the_world_alone() -> None:
    simulator = Simulator(tiny_model(), EXACT)
    alone = walk(simulator, [begin(simulator)], 1)[0]
    together = walk(simulator, [begin(simulator), begin(simulator, seed=9, clip=1)], 1)[0]
    off = (alone.newest.frame.int() - together.newest.frame.int()).abs()
    assert (off > 1).float().mean() < 0.01  # kernels differ with the batch in the last bits
    assert torch.allclose(alone.newest.pose, together.newest.pose, atol=1e-4)


def test_one_sick_world_ends_alone() -> None:
    simulator = Simulator(tiny_model(), EXACT)
    well, sick = begin(simulator), begin(simulator, seed=1)
    sick = replace(sick, caption=torch.full_like(sick.caption, float("nan")))
    a, b = simulator.step([well, sick], torch.zeros(2, 25))
    assert not a.failed and a.tick == 1
    assert "not finite" in b.failed and torch.equal(b.newest.frame, sick.newest.frame)


@pytest.mark.parametrize("part", ["latents", "depth", "spread", "signals"])
def test_no_number_that_is_not_finite_passes(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = Simulator(tiny_model(), EXACT)
    draw = simulator._draw

    def spoilt(*arguments: Any) -> Any:
        prediction = draw(*arguments)
        values = getattr(prediction, part).clone()
        values[1, 0] = float("nan")
        return replace(prediction, **{part: values})

    monkeypatch.setattr(simulator, "_draw", spoilt)
    a, b = simulator.step([begin(simulator), begin(simulator, seed=1)], torch.zeros(2, 25))
    assert not a.failed and "not finite" in b.failed and b.tick == 0


def test_a_frame_keeps_no_batch_in_memory() -> None:
    simulator = Simulator(tiny_model(), EXACT)
    for world in simulator.step([begin(simulator), begin(simulator, seed=1)], torch.zeros(2, 25)):
        assert world.newest.frame.untyped_storage().nbytes() == H * W * 3
        assert world.newest.depth.untyped_storage().nbytes() == H * W * 2


def test_a_picture_is_enough_to_begin() -> None:
    simulator = Simulator(tiny_model(), EXACT)
    picture = torch.randint(0, 256, (1, H, W, 3), dtype=torch.uint8)
    world = simulator.begin(picture, seed=0, pitch=10.0)
    assert torch.equal(world.newest.frame, picture[0])
    assert world.newest.depth.isfinite().all() and float(world.newest.pose[4]) == 10
    assert walk(simulator, [world], 2)[0].tick == 2


def test_turning_is_exact_and_pitch_is_bounded() -> None:
    simulator = Simulator(tiny_model(), EXACT)
    world = begin(simulator)
    actions = torch.zeros(1, 25)
    actions[0, 15], actions[0, 16] = 120.0, -33.25
    after = simulator.step([world], actions)[0]
    turned = after.newest.pose[3] - world.newest.pose[3]
    assert float(turned) == pytest.approx(-33.25, abs=1e-3) and float(after.newest.pose[4]) == 90


def test_memory_keeps_what_is_new_and_forgets_the_oldest() -> None:
    simulator = Simulator(tiny_model(), SimulatorConfig(precision="float32", memory=5))
    world = walk(simulator, [begin(simulator)], 20)[0]
    ticks = [k.tick for k in world.memory.frames]
    assert len(ticks) == 5 and ticks == sorted(ticks) and ticks[-1] <= world.tick - 2
    still = begin(simulator)
    for _ in range(5):
        stood = simulator.step([still], torch.zeros(1, 25))[0]
        still = replace(stood, recent=tuple(replace(k, pose=world.newest.pose) for k in stood.recent))
    assert len(still.memory.frames) <= 4


def test_worlds_that_remember_more_and_less_choose_as_each_alone() -> None:
    simulator = Simulator(tiny_model(), EXACT)
    worlds = [walk(simulator, [begin(simulator)], steps)[0] for steps in (0, 20, 9)]
    worlds[0] = replace(worlds[0], memory=Memory())
    assert len({len(world.memory.frames) for world in worlds}) == 3
    pose = torch.stack([world.pose for world in worlds])
    alone = [choose([world], pose[i : i + 1], 4, W / H)[0] for i, world in enumerate(worlds)]
    for together, one in zip(choose(worlds, pose, 4, W / H), alone):
        assert [key and id(key) for key in together] == [key and id(key) for key in one]


def test_memory_answers_the_same_when_it_is_asked_again() -> None:
    memory = walk(Simulator(tiny_model(), EXACT), [begin(Simulator(tiny_model(), EXACT))], 20)[0].memory
    poses = [memory.frames[0].pose + step * torch.tensor([0.3, 0.0, 0.2, 9.0, 1.0]) for step in range(7)]
    first = [memory.shown(pose, W / H) for pose in poses]
    assert memory.coarse is not None and memory.poses is not None
    for pose, answer in [*zip(poses, first), *zip(reversed(poses), reversed(first))]:
        given = memory.coarse[None], memory.poses[None], pose[None], W / H
        for again in (answer, memory.shown(pose, W / H)):
            assert torch.equal(again[0], coverage(*given)[0]) and torch.equal(again[1], resolution(*given)[0])


def test_a_second_core_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    simulator, count = Simulator(tiny_model(), EXACT), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        two = walk(simulator, [begin(simulator)], 6)[0]
        assert torch.get_num_threads() == 2
        for module in (threads, warp, simulation):
            monkeypatch.setattr(module, "spare", lambda: False)
        alone = walk(simulator, [begin(simulator)], 6)[0]
    finally:
        torch.set_num_threads(count)
    assert torch.equal(alone.newest.frame, two.newest.frame)
    assert torch.equal(alone.newest.depth, two.newest.depth)


def test_a_player_at_rest_stays_and_one_that_falls_or_walks_does_not() -> None:
    creeping, falling = torch.tensor([[0.01, -0.02, 0.015]]), torch.tensor([[0.0, -0.08, 0.0]])
    idle, walking = torch.zeros(1, 25), torch.zeros(1, 25)
    walking[0, 11] = 1
    assert not settle(creeping, idle).any()
    assert torch.equal(settle(falling, idle), falling)
    assert settle(creeping, walking)[0].tolist() == pytest.approx([0.01, 0, 0.015])


def test_a_world_may_go_on_without_being_drawn() -> None:
    simulator = Simulator(tiny_model(), EXACT)
    world = begin(simulator)
    forward = torch.zeros(1, 25)
    forward[0, INDEX["forward"]], forward[0, CAMERA] = 1.0, torch.tensor([2.0, 5.0])
    drawn = simulator.step([world], forward)[0]
    walked = simulator.walk([world], forward)[0]
    assert torch.equal(walked.pose, drawn.pose) and torch.equal(walked.past, drawn.past)
    assert walked.newest is world.newest and walked.tick == drawn.tick and world.eye is None
    twice = simulator.walk([walked], forward)[0]
    assert twice.pose[3] == world.pose[3] + 10
    again = simulator.step([twice], forward)[0]
    assert again.eye is None and again.pose[3] == world.pose[3] + 15 and again.tick == world.tick + 3
    assert torch.equal(again.newest.pose, again.pose)
    rng = dict(np.random.default_rng(0).bit_generator.state)
    kept = DreamState.from_bytes(DreamState(twice, rng, 0, "").to_bytes()).world
    assert torch.equal(kept.pose, twice.pose)


def test_nothing_happens_in_a_tick_that_is_not_drawn() -> None:
    signals = torch.rand(len(TABLE))
    world = replace(begin(Simulator(tiny_model(), EXACT)), signals=signals)
    calm = unseen(world, torch.zeros(3))
    for i, signal in enumerate(TABLE[1:], 1):
        happens = signal.kind in ("event", "joint") or signal.name == "damage"
        assert calm[i] == (0 if happens else signals[i])


def test_who_neither_rises_nor_falls_for_two_ticks_stands() -> None:
    world = replace(begin(Simulator(tiny_model(), EXACT)), signals=torch.zeros(len(TABLE)))
    rising = replace(world, past=torch.tensor([[0.0, 0.08, 0.0], [0.0, 0.16, 0.0]]))
    stands = [float(unseen(w, torch.tensor(step))[0]) for w, step in (
        (world, [0.2, 0.0, 0.0]), (world, [0.0, 0.42, 0.0]), (rising, [0.0, 0.0, 0.0]),
    )]  # fmt: skip
    assert stands == [1.0, 0.0, 0.0]
