"""Places that were thought of lie on the grid of the world that they are put into."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from model_fakes import H, W, tiny_model

from worldsim import registry
from worldsim.model.camera import camera_to_world, rays, tangents
from worldsim.sim.exemplars import single, unplaced
from worldsim.sim.imagination import Imagination
from worldsim.sim.placing import TURNS, WIDEST, Placing

EYE = torch.tensor([3.3, 11.62, -4.8, 200.0, 5.0])
TAKEN = torch.tensor([[120.25, 40.62, -7.9, 33.0, 10.0], [-3.5, 20.1, 8.75, -170.0, -20.0]])
ALL = torch.ones(2, dtype=torch.bool)


def test_places_are_moved_by_half_a_block_at_most_and_turned_by_quarters() -> None:
    places = Placing(TAKEN).around(EYE, ALL)
    assert (
        set(places.index.tolist()) == {0, 1}
        and bool(places.mirrored.any())
        and not bool(places.mirrored.all())
    )
    shift = places.pose[:, :3] - EYE[:3]
    assert float(shift.abs().max()) <= 0.5 + 1e-5
    assert float((places.pose[:, 3] - EYE[3]).abs().max()) <= WIDEST
    for index, mirrored, pose in zip(places.index, places.mirrored, places.pose):
        sign = -1 if mirrored else 1
        quarters = (pose[3] - sign * TAKEN[index, 3]) / 90
        assert float((quarters - quarters.round()).abs()) < 1e-4
        assert float(pose[4]) == float(TAKEN[index, 4])
        # heights have the same phase, whatever else happens
        assert float(((pose[1] - TAKEN[index, 1]) % 1 + 0.5) % 1 - 0.5) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("yaw", (0.0, 77.0, -140.0))
def test_faces_of_blocks_come_to_lie_between_whole_numbers(yaw: float) -> None:
    """What the game shows of its own blocks, put elsewhere, has its faces on the grid there, mirrored or not."""
    game = registry.resolve(registry.ENGINES, registry.GAME, "engine")(width=W, height=H)
    game.reset(1_000_003)
    _, depth, _ = game.render_buffers()
    pose = torch.tensor(np.asarray(game.state()["pose"], np.float32))[None]
    near = torch.from_numpy(depth.astype(np.float32))
    eye = torch.tensor([0.4, 5.1, 0.9, yaw, 0.0])
    places = Placing(pose).around(eye, torch.ones(1, dtype=torch.bool))
    assert len(places.index) >= 2
    for mirrored, put in zip(places.mirrored, places.pose):
        seen = near.flip(1) if mirrored else near
        points = (rays(H, W, tangents(H, W)) * seen.flatten()).T[(seen < 12).flatten()]
        world = points @ camera_to_world(put).T + put[:3]
        off = (world - world.round()).abs().amin(1)  # a face is where one coordinate is a whole number
        assert float((off < 0.02).float().mean()) > 0.95


def test_views_that_nobody_knows_the_grid_of_are_put_at_any_angle() -> None:
    pose = torch.from_numpy(unplaced(np.array([4.0, 7.0], np.float32)))
    places = Placing(pose).around(EYE, torch.tensor([False, True]))
    assert places.index.tolist() == [1] * len(TURNS) and not bool(places.mirrored.any())
    assert torch.allclose(places.pose[:, 3], EYE[3] + torch.tensor(TURNS))
    assert (
        torch.allclose(places.pose[:, :3], EYE[:3].expand(len(TURNS), 3)) and float(places.pose[0, 4]) == 7.0
    )


def test_a_mirrored_place_leaves_the_hud_behind() -> None:
    usable = tiny_model().usable.clone()
    usable[-6:, : W // 2] = False
    frames = np.arange(H * W * 3, dtype=np.uint32).reshape(1, H, W, 3).astype(np.uint8)
    places = single(frames, np.ones((1, H, W), np.float16), TAKEN[:1].numpy(), np.zeros(1, np.float32))
    imagination = Imagination(places, usable)
    found = imagination.placing.around(EYE, ALL[:1])
    for k in range(len(found.index)):
        frame, depth = imagination._view(found.one(k))
        taken = torch.from_numpy(frames[0])
        if found.mirrored[k]:
            assert torch.equal(frame[usable.flip(1)], taken.flip(1)[usable.flip(1)])
            assert not torch.equal(frame, taken.flip(1)), "no colour of it is left to bleed into the world"
        else:
            assert torch.equal(frame, taken)
        hidden = depth == 0
        assert torch.equal(hidden, (~usable).flip(1)) if found.mirrored[k] else not bool(hidden.any())
