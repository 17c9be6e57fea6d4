"""What remembered depth tells of the space around the player."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from worldsim.model import surroundings
from worldsim.model.surroundings import ACROSS, HEIGHTS, POINTS, Remembered, distances_torch, sense

HEIGHT, WIDTH, EYE = 48, 80, 1.62


def _level_ground(pitch: float, eye: float = EYE) -> Tensor:
    """Depth `[1, 1, 48, 80]` of endless level ground, `eye` blocks below, seen at `pitch` degrees."""
    from worldsim.model.camera import tangents

    _, tan_y = tangents(HEIGHT, WIDTH)
    rows = ((torch.arange(HEIGHT) + 0.5) / HEIGHT * 2 - 1) * tan_y
    angle = torch.deg2rad(torch.tensor(pitch))
    falls = rows * angle.cos() + angle.sin()  # how far a ray of forward length 1 goes down
    depth = torch.where(falls > 1e-3, eye / falls.clamp(min=1e-3), torch.tensor(512.0)).clamp(max=512.0)
    return depth[None, None, :, None].expand(1, 1, HEIGHT, WIDTH)


def _sensed(frames: Remembered) -> tuple[Tensor, Tensor]:
    usable = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    out = sense(frames, torch.zeros(1, 3), torch.zeros(1), usable)[0]
    shape = (len(ACROSS), len(HEIGHTS), len(ACROSS))
    return out[:POINTS].view(shape), out[POINTS:].view(shape)


def test_ground_under_the_feet_is_known_from_a_frame_that_saw_it_from_behind() -> None:
    behind = torch.tensor([[[0.0, 0.0, -3.0, 0.0, 20.0]]])  # three blocks back, looking ahead and down
    distance, known = _sensed(Remembered(_level_ground(20.0), behind, torch.ones(1, 1, dtype=torch.bool)))
    middle = len(ACROSS) // 2
    above, below = HEIGHTS.index(-1.5), HEIGHTS.index(-2.6)
    assert known[middle, above, middle] == 1
    assert distance[middle, above, middle] > 0  # just above the ground: free
    assert distance[middle, below, middle] == -1  # a block into it: nothing was seen there


def test_without_frames_nothing_is_known() -> None:
    pose = torch.zeros(1, 1, 5)
    distance, known = _sensed(Remembered(_level_ground(0.0), pose, torch.zeros(1, 1, dtype=torch.bool)))
    assert not known.any()
    assert (distance == -1).all()


def test_the_newest_frame_that_tells_decides() -> None:
    """A wall was placed since the older frame saw through its place."""
    pose = torch.tensor([[[0.0, 0.0, 0.0, 0.0, 0.0]] * 2])
    depth = torch.cat([torch.full((1, 1, HEIGHT, WIDTH), 1.2), torch.full((1, 1, HEIGHT, WIDTH), 9.0)], 1)
    both = torch.ones(1, 2, dtype=torch.bool)
    ahead = ACROSS.index(1.2)
    middle, level = len(ACROSS) // 2, HEIGHTS.index(0.2)
    now, _ = _sensed(Remembered(depth, pose, both))
    before, _ = _sensed(Remembered(depth.flip(1), pose, both))
    assert abs(float(now[middle, level, ahead])) < 0.1
    assert float(before[middle, level, ahead]) == 1.0


def test_turning_turns_the_grid() -> None:
    """What lies ahead at yaw 0 lies to the left after a turn to the right."""
    pose, wall = torch.zeros(1, 1, 5), torch.full((1, 1, HEIGHT, WIDTH), 1.2)
    frames = Remembered(wall, pose, torch.ones(1, 1, dtype=torch.bool))
    usable = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    out = sense(frames, torch.zeros(1, 3), torch.tensor([90.0]), usable)[0]
    turned = out[:POINTS].view(len(ACROSS), len(HEIGHTS), len(ACROSS))
    level, middle = HEIGHTS.index(0.2), len(ACROSS) // 2
    assert abs(float(turned[ACROSS.index(-1.2), level, middle])) < 0.1


def test_compiled_and_plain_look_ups_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    pose = torch.randn(3, 6, 5, generator=generator) * torch.tensor([1.0, 1.0, 1.0, 90.0, 20.0])
    depth = torch.rand(3, 6, HEIGHT, WIDTH, generator=generator) * 4 + 0.1
    frames = Remembered(depth, pose, torch.rand(3, 6, generator=generator) > 0.3)
    usable = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    usable[40:] = False
    eye, yaw = torch.randn(3, 3, generator=generator), torch.tensor([0.0, 50.0, 200.0])
    compiled = sense(frames, eye, yaw, usable)
    monkeypatch.setattr(surroundings, "_distances_compiled", distances_torch)
    plain = sense(frames, eye, yaw, usable)
    assert 0.1 < float(plain[:, POINTS:].mean()) < 0.9
    assert torch.allclose(compiled, plain, atol=1e-3)


def test_depth_in_float16_is_looked_up_as_it_is() -> None:
    generator = torch.Generator().manual_seed(0)
    pose = torch.randn(2, 5, 5, generator=generator) * torch.tensor([1.0, 1.0, 1.0, 90.0, 20.0])
    depth = (torch.rand(2, 5, HEIGHT, WIDTH, generator=generator) * 4 + 0.1).half()
    valid, usable = torch.ones(2, 5, dtype=torch.bool), torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    eye, yaw = torch.zeros(2, 3), torch.tensor([10.0, 200.0])
    half, whole = (sense(Remembered(d, pose, valid), eye, yaw, usable) for d in (depth, depth.float()))
    assert torch.equal(half, whole) and half[:, POINTS:].any()


def test_all_numbers_of_float16_are_known() -> None:
    every = torch.arange(2**16).to(torch.int32).to(torch.int16).view(torch.float16)
    assert torch.equal(torch.from_numpy(surroundings._halves()).nan_to_num(), every.float().nan_to_num())
