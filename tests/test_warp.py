"""Reprojection: geometry that a player would notice if it were wrong."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from worldsim.model.camera import (
    decode_depth,
    encode_depth,
    from_yaw_frame,
    relative_pose,
    tangents,
    to_yaw_frame,
    turn,
)
from worldsim.model.retrieval import coverage, shrink_depth
from worldsim.model.warp import warp, warp_torch

H, W = 48, 80
EVERYWHERE = torch.ones(H, W, dtype=torch.bool)


def _scene(n: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(n, 3, H, W, generator=generator) * 2 - 1
    depth = torch.rand(n, 1, H // 8, W // 8, generator=generator) * 20 + 1
    return frames, depth.repeat_interleave(8, 2).repeat_interleave(8, 3)


def test_standing_still_changes_nothing() -> None:
    frames, depth = _scene()
    seen = warp(frames, depth, torch.eye(3).repeat(2, 1, 1), torch.zeros(2, 3), EVERYWHERE)
    assert torch.equal(seen.known, torch.ones_like(seen.known))
    assert torch.allclose(seen.frames, frames, atol=1e-5)
    assert torch.allclose(seen.depth, depth)


@pytest.mark.parametrize("solid", (False, True))
@pytest.mark.parametrize("seed", range(3))
def test_compiled_and_torch_agree(seed: int, solid: bool) -> None:
    frames, depth = _scene()
    offset = torch.randn(2, 5, generator=torch.Generator().manual_seed(seed))
    pose = offset * torch.tensor([0.3, 0.2, 0.3, 10.0, 5.0])
    rotation, translation = relative_pose(torch.zeros(2, 5), pose)
    usable = EVERYWHERE.clone()
    usable[-8:, 20:60] = False
    a = warp(frames, depth, rotation, translation, usable, solid=solid)
    b = warp_torch(frames, depth, rotation, translation, usable, solid=solid)
    assert (a.known != b.known).float().mean() < 2e-3
    assert (a.frames - b.frames).abs().mean() < 2e-3
    assert (a.depth - b.depth).abs().median() < 1e-4


def test_half_precision_leaves_geometry_alone() -> None:
    frames, depth = _scene()
    pose = torch.tensor([[120.3, 70.1, -44.7, 31.0, 12.0], [118.9, 70.1, -44.2, 20.0, -7.0]])

    def seen() -> list[torch.Tensor]:
        rotation, translation = relative_pose(pose, pose[:1])
        warped = warp_torch(frames, depth, rotation, translation, EVERYWHERE)
        coarse = shrink_depth(depth[:, 0])[None]
        return [
            rotation,
            translation,
            warped.frames,
            warped.depth,
            coverage(coarse, pose[None], pose[:1], 1.6),
        ]

    exact = seen()
    with torch.autocast("cpu", torch.bfloat16):
        assert all(torch.equal(a, b) for a, b in zip(seen(), exact))


@pytest.mark.parametrize("size", [(96, 160), (48, 64), (352, 640), (36, 100)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_coarse_depth_is_that_of_the_middle_of_each_cell(size: tuple[int, int], dtype: torch.dtype) -> None:
    depth = torch.rand(2, *size, generator=torch.Generator().manual_seed(0)).to(dtype)
    rows, columns = ([int((k + 0.5) * n / cells) for k in range(cells)] for n, cells in zip(size, (12, 20)))
    coarse = shrink_depth(depth)
    assert torch.equal(coarse, depth[:, rows][:, :, columns].float()) and coarse.dtype == torch.float32
    coarse.zero_()  # its own memory
    assert depth.any()


def test_turning_right_moves_the_picture_left() -> None:
    frames = torch.full((1, 3, H, W), -1.0)
    frames[:, :, :, 60] = 1.0
    depth = torch.full((1, 1, H, W), 10.0)
    after = turn(torch.zeros(1, 5), torch.tensor([[0.0, 8.0]]))
    seen = warp(frames, depth, *relative_pose(torch.zeros(1, 5), after), EVERYWHERE)
    assert 45 < int(seen.frames[0, 0, H // 2].argmax()) < 57
    assert float(seen.known[0, 0, :, -1].mean()) == 0  # what comes into view is unknown


def test_walking_forward_brings_the_world_nearer() -> None:
    frames, depth = _scene(1)
    depth = torch.full_like(depth, 10.0)
    step = from_yaw_frame(torch.tensor([[0.0, 0.0, 2.0]]), torch.tensor([0.0]))
    pose = torch.cat([step, torch.zeros(1, 2)], 1)
    seen = warp(frames, depth, *relative_pose(torch.zeros(1, 5), pose), EVERYWHERE)
    assert float(seen.depth[seen.known > 0].median()) == pytest.approx(8.0, abs=0.05)
    assert float(seen.known.mean()) > 0.99  # magnified by less than a splat's footprint


def _walked_up_to() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A block three steps away before a wall, seen from two steps nearer."""
    frames, depth = torch.zeros(1, 3, H, W), torch.full((1, 1, H, W), 30.0)
    depth[..., 20:28, 36:44] = 3.0
    frames[..., 20:28, 36:44] = 1.0
    return frames, depth, *relative_pose(torch.zeros(1, 5), torch.tensor([[0.0, 0.0, 2.0, 0.0, 0.0]]))


@pytest.mark.parametrize("implementation", (warp, warp_torch))
def test_a_thing_that_is_walked_up_to_stays_whole_and_does_not_grow(implementation: Any) -> None:
    frames, depth, rotation, translation = _walked_up_to()
    holed = implementation(frames, depth, rotation, translation, EVERYWHERE)
    whole = implementation(frames, depth, rotation, translation, EVERYWHERE, solid=True)
    inside = (slice(None), slice(None), slice(14, 34), slice(30, 50))
    assert float((holed.depth[inside] < 2).float().mean()) < 0.6, "a lattice"
    assert bool((whole.depth[inside] < 2).all()) and float(whole.frames[inside].min()) > 0.99
    for seen in (holed, whole):
        rows, columns = (seen.depth[0, 0] < 2).nonzero().unbind(1)
        assert rows.min() >= 12 and rows.max() <= 35 and columns.min() >= 28 and columns.max() <= 51
    assert torch.equal(holed.known, torch.minimum(holed.known, whole.known)), "nothing is lost"


@pytest.mark.parametrize("implementation", (warp, warp_torch))
def test_things_drag_nothing_behind_them(implementation: Any) -> None:
    """Ten small steps aside, each time from the last picture: what was behind a thing stays unknown."""
    frames, depth = torch.zeros(1, 3, H, W), torch.full((1, 1, H, W), 30.0)
    depth[..., 16:32, 30:50] = 3.0
    frames[..., 16:32, 30:50] = 1.0
    step = 0.7 * 3.0 / (W / 2 / tangents(H, W)[0])  # moves it by 0.7 pixels, and the wall by 0.07
    after = torch.cat(
        [from_yaw_frame(torch.tensor([[step, 0.0, 0.0]]), torch.zeros(1)), torch.zeros(1, 2)], 1
    )
    for _ in range(10):
        seen = implementation(frames, depth, *relative_pose(torch.zeros(1, 5), after), EVERYWHERE, solid=True)
        frames, depth = seen.frames, torch.where(seen.known > 0, seen.depth, 0.0)
    row = depth[0, 0, H // 2]
    thing = ((row > 0) & (row < 6)).nonzero()[:, 0]
    assert abs(len(thing) - 20) <= 1 and int(thing.max()) <= 43, "as wide as it was"
    assert float(frames[0, 0, H // 2, thing[-12:]].min()) > 0.9, "to its edge of its own colour"
    assert not bool((row[44:49] > 0).any()), "nobody has seen what was behind it"


@pytest.mark.parametrize("implementation", (warp, warp_torch))
def test_a_plane_seen_at_a_glancing_angle_stays_whole(implementation: Any) -> None:
    """Level ground: from row to row it is much farther off, and yet one surface."""
    rows = ((torch.arange(H) + 0.5) / H * 2 - 1) * tangents(H, W)[1]
    depth = (
        torch.where(rows > 0.04, 1.62 / rows.clamp(min=0.01), 60.0)
        .view(1, 1, H, 1)
        .expand(1, 1, H, W)
        .clone()
    )
    move = relative_pose(torch.zeros(1, 5), torch.tensor([[0.0, 0.0, 0.3, 0.0, 0.0]]))
    seen = implementation(torch.zeros(1, 3, H, W), depth, *move, EVERYWHERE, solid=True)
    ground = seen.known[0, 0, H // 2 + 3 : -2]
    assert float(ground.mean()) > 0.99


def test_what_is_seen_from_behind_is_not_drawn() -> None:
    frames, depth = torch.zeros(1, 3, H, W), torch.full((1, 1, H, W), 3.0)
    behind = relative_pose(torch.zeros(1, 5), torch.tensor([[0.0, 0.0, 3.5, 180.0, 0.0]]))
    through = relative_pose(torch.zeros(1, 5), torch.tensor([[0.0, 0.0, 5.0, 180.0, 0.0]]))
    for pose in (behind, through):
        with_faces = warp(frames, depth, *pose, EVERYWHERE, solid=True)
        assert torch.equal(with_faces.known, warp(frames, depth, *pose, EVERYWHERE).known)


def test_near_hides_far() -> None:
    frames = torch.zeros(1, 3, H, W)
    depth = torch.full((1, 1, H, W), 30.0)
    depth[..., 30:50] = 3.0
    frames[..., 30:50] = 1.0
    pose = torch.tensor([[-0.4, 0.0, 0.0, 0.0, 0.0]])  # a step to the right
    seen = warp(frames, depth, *relative_pose(torch.zeros(1, 5), pose), EVERYWHERE)
    row = seen.frames[0, 0, H // 2]
    assert float(row[27:44].min()) > 0.9  # the near block moved left, in front of the wall
    assert float(seen.known[0, 0, H // 2, 46:49].mean()) < 0.5  # what it hid is unknown


def test_the_hud_does_not_bleed_into_the_world() -> None:
    frames = torch.full((1, 3, H, W), -1.0)
    usable = EVERYWHERE.clone()
    usable[-6:] = False
    frames[..., -6:, :] = 1.0
    depth = torch.full((1, 1, H, W), 12.0)
    for implementation in (warp, warp_torch):
        for pitch in (-3.0, -1.3, 1.7, 4.0):
            pose = torch.tensor([[0.0, 0.0, 0.0, 0.0, pitch]])
            seen = implementation(frames, depth, *relative_pose(torch.zeros(1, 5), pose), usable)
            world = seen.frames[seen.known.expand_as(seen.frames) > 0]
            assert float(world.max()) < -0.99


def test_pitch_stops_at_the_zenith_and_yaw_does_not() -> None:
    pose = turn(torch.tensor([[0.0, 0.0, 0.0, 170.0, 80.0]]), torch.tensor([[30.0, 60.0]]))
    assert pose[0, 3:].tolist() == [230.0, 90.0]


def test_round_trips() -> None:
    offsets, yaw = torch.randn(5, 3), torch.randn(5) * 90
    assert torch.allclose(to_yaw_frame(from_yaw_frame(offsets, yaw), yaw), offsets, atol=1e-5)
    depth = torch.tensor([0.25, 1.0, 7.5, 100.0, 512.0])
    assert torch.allclose(decode_depth(encode_depth(depth)), depth, rtol=1e-4)
    forward = from_yaw_frame(torch.tensor([0.0, 0.0, 1.0]), torch.tensor(0.0))
    assert torch.allclose(forward, torch.tensor([0.0, 0.0, 1.0]))  # yaw 0 looks to +z
