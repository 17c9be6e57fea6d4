"""The built-in game: same bytes everywhere, Minecraft's feel, and the geometry others rely on."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from voxel_fakes import FLOOR, arena, keys, refresh, run, stand
from worldsim.envs import voxel_blocks as blocks
from worldsim.envs import voxel_player as p
from worldsim.envs.voxel_animals import LIFE, RADIUS, X, Y, Z
from worldsim.envs.voxel_engine import VoxelEngine
from worldsim.envs.voxel_physics import box_hits
from worldsim.envs.voxel_terrain import SEA

from worldsim.actions import INDEX
from worldsim.errors import ConfigError, ResetNeeded, UsageError

DIGEST = """
import hashlib, sys
import numpy as np
from worldsim.envs.voxel_engine import VoxelEngine
def digest(seed):
    rng, sha = np.random.default_rng(7), hashlib.sha256()
    engine = VoxelEngine()
    engine.reset(seed)
    for tick in range(60):
        action = (rng.random(25) < 0.3).astype(np.float32)
        action[15:17] = rng.uniform(-8, 8, 2).round(2)
        engine.step(action)
        for part in engine.render_buffers():
            sha.update(part.tobytes())
        state = engine.state()
        sha.update(state["pose"].tobytes() + state["counts"].tobytes() + state["caption"].encode())
    return sha.hexdigest()
if __name__ == "__main__":
    print(digest(2**64 - 1), digest(5))
"""


def test_same_bytes_in_two_processes() -> None:
    command = [sys.executable, "-c", DIGEST]
    first, second = (subprocess.check_output(command, text=True).split() for _ in range(2))
    assert first == second
    assert first[0] != first[1]
    space: dict = {"__name__": "digest"}
    exec(DIGEST, space)
    assert space["digest"](5) == first[1]


@pytest.mark.parametrize(
    ("held", "speed"), [("forward", 4.317), ("forward sprint", 5.612), ("forward sneak", 1.295)]
)
def test_walking_speeds(held: str, speed: float) -> None:
    engine = arena()
    before = run(engine, 20, keys(*held.split()))["pose"]
    after = run(engine, 20, keys(*held.split()))["pose"]
    assert after[2] - before[2] == pytest.approx(speed, rel=0.01)
    assert after[0] == before[0]


def test_directions_are_minecrafts() -> None:
    cases = ((0, "forward", 2, 1), (90, "forward", 0, -1), (0, "right", 0, -1), (-90, "back", 0, -1))
    for yaw, name, axis, sign in cases:
        engine = arena()
        stand(engine, 64.5, FLOOR, 64.5, yaw=yaw)
        moved = run(engine, 10, keys(name))["pose"][[0, 2]] - 64.5
        assert sign * moved[axis // 2] > 1.0
        assert abs(moved[1 - axis // 2]) < 1e-6


def test_wall_stops_the_player() -> None:
    engine = arena()
    engine._vox[:, 67, :] = blocks.BRICK
    refresh(engine)
    state = run(engine, 40, keys("forward", "sprint"))
    assert state["pose"][2] == pytest.approx(67 - p.RADIUS, abs=1e-4)
    assert state["contact"]
    assert state["velocity"][2] == 0.0


def test_one_block_needs_a_jump_and_two_are_too_high() -> None:
    engine = arena()
    engine._vox[:, 67:, FLOOR] = blocks.STONE
    refresh(engine)
    assert run(engine, 20, keys("forward"))["pose"][2] < 67
    assert run(engine, 20, keys("forward", "jump"))["pose"][2] > 67.5
    engine._vox[:, 67:, FLOOR + 1] = blocks.STONE
    refresh(engine)
    stand(engine, 64.5, FLOOR, 64.5)
    assert run(engine, 30, keys("forward", "jump"))["pose"][2] < 67


def test_jump_height_and_fall_damage() -> None:
    engine = arena()
    heights = [run(engine, 1, keys("jump"))["pose"][1] for _ in range(8)]
    assert max(heights) - (FLOOR + p.EYE_STANDING) == pytest.approx(1.252, abs=0.01)
    stand(engine, 64.5, FLOOR + 10, 64.5)
    before = float(engine.state()["velocity"][1])
    engine.step(keys())
    assert float(engine.state()["velocity"][1]) == pytest.approx((before - 0.08) * 0.98)
    events = []
    for _ in range(40):
        engine.step(keys())
        events.append(engine.state()["events"])
    assert sum(e["fell"] for e in events) == 10
    assert sum(e["damage"] for e in events) == 7
    assert engine.state()["health"] == 13


def test_sneaking_never_falls_off_an_edge() -> None:
    engine = arena()
    engine._vox[:] = 0
    engine._vox[60:68, 60:68, :FLOOR] = blocks.STONE
    refresh(engine)
    stand(engine, 64.5, FLOOR, 64.5, yaw=30.0)
    for yaw in (0.0, 33.0, 90.0, 135.0):
        for _ in range(3):
            state = run(engine, 60, keys("forward", "sneak", yaw=0.0))
        assert state["on_ground"]
        assert state["pose"][1] == pytest.approx(FLOOR + p.EYE_SNEAKING, abs=1e-3)
        engine.step(keys("sneak", yaw=yaw))
    assert run(engine, 60, keys("forward"))["pose"][1] < FLOOR


def test_swimming_rises_and_idling_sinks() -> None:
    engine = arena(floor=SEA - 12)
    engine._vox[:, :, SEA - 12 : SEA] = blocks.WATER
    refresh(engine)
    stand(engine, 64.5, SEA - 8, 64.5)
    state = engine.state()
    assert state["in_water"] and state["caption"].startswith("under water")
    sunk = run(engine, 20, keys())
    assert sunk["pose"][1] < state["pose"][1] - 0.5
    risen = run(engine, 100, keys("jump"))
    assert risen["pose"][1] > SEA
    assert risen["health"] == 20


def test_breaking_takes_ticks_and_fills_a_slot() -> None:
    engine = arena()
    stand(engine, 64.5, FLOOR, 64.5, pitch=80.0)
    engine._items[:], engine._counts[:] = 0, 0
    target = engine.state()["target"]
    assert target.tolist() == [64, FLOOR - 1, 64, blocks.STONE]
    progress = [float(run(engine, 1, keys("attack"))["break_progress"]) for _ in range(29)]
    assert progress == sorted(progress) and progress[0] > 0
    assert engine.state()["counts"].sum() == 0
    state = run(engine, 1, keys("attack"))
    assert state["events"]["broken"] == 1
    assert state["items"][0] == blocks.COBBLE and state["counts"][0] == 1
    run(engine, 10, keys("attack"))
    assert run(engine, 1, keys())["break_progress"] == 0


def test_placing_takes_one_and_never_inside_the_player() -> None:
    engine = arena()
    engine._items[:], engine._counts[:] = blocks.PLANKS, 5
    stand(engine, 64.5, FLOOR, 64.5, pitch=45.0)
    state = run(engine, 1, keys("use", "hotbar.4"))
    assert state["slot"] == 3 and state["counts"][3] == 4 and state["events"]["placed"] == 1
    assert (engine._vox == blocks.PLANKS).sum() == 1
    stand(engine, 64.5, FLOOR, 20.5, pitch=90.0)
    assert run(engine, 12, keys("use"))["counts"][3] == 4


def test_pick_drop_and_swap() -> None:
    engine = arena()
    engine._items[:], engine._counts[:] = blocks.DIRT, 9
    engine._items[6] = blocks.COBBLE
    stand(engine, 64.5, FLOOR, 64.5, pitch=60.0)
    assert run(engine, 1, keys("pickItem"))["slot"] == 6
    assert run(engine, 5, keys("drop"))["counts"][6] == 8
    assert run(engine, 3, keys("swapHands"))["counts"][6] == 0
    run(engine, 1, keys())
    assert run(engine, 1, keys("swapHands"))["counts"][6] == 8


def test_sand_comes_down_and_water_flows_in() -> None:
    engine = arena()
    engine._vox[64, 66, FLOOR : FLOOR + 3] = blocks.SAND
    refresh(engine)
    stand(engine, 64.5, FLOOR, 64.5, pitch=25.0)
    assert engine.state()["target"][3] == blocks.SAND
    run(engine, blocks.BREAK_TICKS[blocks.SAND], keys("attack"))
    assert engine._vox[64, 66, FLOOR : FLOOR + 3].tolist() == [blocks.SAND, blocks.SAND, blocks.AIR]


def test_sand_never_buries_who_digs_below_it() -> None:
    engine = arena()
    shaft = engine._vox[63:66, 63:66]
    shaft[:, :, FLOOR : FLOOR + 8] = blocks.STONE
    engine._vox[64, 64, FLOOR : FLOOR + 8] = [*[blocks.AIR] * 2, *[blocks.SAND] * 4, blocks.AIR, blocks.AIR]
    engine._counts[:] = 0
    engine._items[:] = blocks.AIR
    refresh(engine)
    stand(engine, 64.5, FLOOR, 64.5, pitch=-89.0)
    run(engine, blocks.BREAK_TICKS[blocks.SAND] + 3, keys("attack"))
    assert not box_hits(engine._vox, *engine._player[:3], p.RADIUS, p.TALL)
    state = engine.state()
    left = int((engine._vox[64, 64] == blocks.SAND).sum())
    assert state["items"][0] == blocks.SAND and state["counts"][0] + left == 4


def test_sand_that_is_placed_in_the_air_falls() -> None:
    engine = arena()
    engine._items[:], engine._counts[:] = blocks.SAND, 5
    engine._vox[64, 66, FLOOR : FLOOR + 3] = blocks.STONE
    refresh(engine)
    stand(engine, 64.5, FLOOR, 63.5, pitch=-10.0)
    assert run(engine, 1, keys("use"))["events"]["placed"] == 1
    assert engine._vox[64, 65, FLOOR : FLOOR + 3].tolist() == [blocks.SAND, blocks.AIR, blocks.AIR]


@pytest.mark.parametrize("item", [blocks.PLANKS, blocks.SAND])
def test_no_block_is_placed_into_an_animal(item: int) -> None:
    engine = arena()
    engine._items[:], engine._counts[:] = item, 5
    engine._animals[3, [X, Y, Z, LIFE]] = 64.5 + 128, FLOOR, 66.5, 4.0  # once round the world
    stand(engine, 64.5, FLOOR, 64.5, pitch=39.0)
    assert engine.state()["target"][:3].tolist() == [64, FLOOR - 1, 66]
    assert run(engine, 1, keys("use"))["counts"][engine.state()["slot"]] == 5
    assert not (engine._vox == item).any()


def test_bodies_are_never_in_blocks() -> None:
    engine = VoxelEngine(width=64, height=48)
    for seed in (0, 3, 13):
        engine.reset(seed)
        rng, held, pitch = np.random.default_rng(seed), keys(), 0.0
        for tick in range(1500):
            if tick % 20 == 0:
                held, pitch = (rng.random(25) < 0.3).astype(np.float32), rng.choice([-90, -45, 0, 45, 90])
                held[INDEX["attack"]], held[INDEX["drop"]] = rng.random() < 0.6, 0.0
            held[INDEX["camera_pitch"]] = np.clip(pitch - engine._player[p.PITCH], -15, 15)
            held[INDEX["camera_yaw"]] = rng.normal() * 5
            engine.step(held)
            assert not box_hits(engine._vox, *engine._player[:3], p.RADIUS, p.TALL), (seed, tick)
            for a in engine._animals[engine._animals[:, LIFE] > 0]:
                assert not box_hits(engine._vox, a[X], a[Y], a[Z], RADIUS, 0.9), (seed, tick)
            assert ((engine._counts == 0) == (engine._items == blocks.AIR)).all()
            if engine.state()["health"] <= 0:
                break


def test_clone_and_restore_are_exact() -> None:
    engine = VoxelEngine(width=64, height=48)
    engine.reset(11)
    rng = np.random.default_rng(0)
    actions = (rng.random((200, 25)) < 0.35).astype(np.float32)
    actions[:, 15:17] = rng.uniform(-9, 9, (200, 2))
    actions[:, INDEX["attack"]] = np.arange(200) % 50 < 40
    for action in actions[:100]:
        engine.step(action)
    snapshot = pickle.loads(pickle.dumps(engine.clone()))
    world = engine._vox.copy()
    ends = []
    for other in (engine, engine, VoxelEngine(width=64, height=48)):
        other.restore(snapshot)
        assert (other._vox == world).all()
        for action in actions[100:]:
            other.step(action)
        parts = (other.render(), other._vox, other._tops, other.state()["pose"])
        ends.append([part.tobytes() for part in parts])
    assert ends[0] == ends[1] == ends[2]
    assert len(pickle.dumps(snapshot)) < 20_000
    assert engine._edits > 0


def test_every_world_has_land_light_and_life() -> None:
    engine = VoxelEngine(width=64, height=48)
    biomes, animals, times = set(), 0, []
    for seed in range(24):
        engine.reset(seed)
        state = engine.state()
        biomes.add(state["biome"])
        animals += int((engine._animals[:, 9] > 0).sum())
        times.append(float(state["time_of_day"]))
        assert state["pose"][1] > SEA and not state["in_water"]
        for _ in range(3):
            engine.step(keys())
        assert engine.state()["health"] == 20 and engine.state()["on_ground"]
    assert len(biomes) >= 5 and animals > 24 * 6
    assert sum(0.28 < t < 0.7 for t in times) >= 14


def test_state_has_the_promised_types() -> None:
    engine = VoxelEngine(width=64, height=48)
    engine.reset(3)
    state = run(engine, 3, keys("forward"))
    for name, length, dtype in (
        ("pose", 5, "float32"), ("velocity", 3, "float32"), ("target", 4, "int32"), ("items", 9, "uint8"),
        ("counts", 9, "int32"),
    ):  # fmt: skip
        assert state[name].shape == (length,) and state[name].dtype == dtype
    assert set(state["events"]) == {"broken", "placed", "fell", "damage"}
    assert 0 <= state["time_of_day"] < 1 and isinstance(state["caption"], str)


@pytest.mark.parametrize("size", [(64, 48), (128, 80), (640, 384)])
def test_sizes(size: tuple[int, int]) -> None:
    engine = VoxelEngine(width=size[0], height=size[1])
    engine.reset(0)
    frame, depth, ids = engine.render_buffers()
    assert frame.shape == (size[1], size[0], 3) and frame.dtype == np.uint8
    assert depth.shape == ids.shape == (size[1], size[0]) and depth.dtype == np.float32


def test_bad_arguments_say_what_to_do() -> None:
    with pytest.raises(ConfigError, match="width: got 100"):
        VoxelEngine(width=100)
    with pytest.raises(ConfigError, match="height: got 400"):
        VoxelEngine(height=400)
    engine = VoxelEngine()
    with pytest.raises(ResetNeeded, match="reset"):
        engine.render()
    with pytest.raises(UsageError, match="seed: got -1"):
        engine.reset(-1)
