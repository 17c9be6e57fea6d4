"""Cells: how rays pass through one, and which one the crosshair points at."""

from __future__ import annotations

import pytest
import torch
from worldsim.agents.tinker import Tinker

from worldsim import registry
from worldsim.model.cells import Aim, aim, cross, window_of

H, W = 48, 64


def pose(*values: float) -> torch.Tensor:
    return torch.tensor(values)


def test_a_ray_through_a_cell_enters_one_face_and_leaves_by_another() -> None:
    ray = cross(pose(0.5, 0.5, -3.0, 0.0, 0.0), (0, 0, 0), H, W)  # looks towards +z
    middle = (H // 2, W // 2)
    assert ray.hit[middle] and not ray.hit[0, 0]
    assert float(ray.enter[middle]) == pytest.approx(3.0) and float(ray.leave[middle]) == pytest.approx(4.0)
    assert (int(ray.enter_face[middle]), int(ray.leave_face[middle])) == (4, 5)
    assert ray.enter_place[middle].tolist() == pytest.approx([0.5, 0.5], abs=0.1)
    down = cross(pose(0.5, 4.0, 0.5, 0.0, 90.0), (0, 0, 0), H, W)
    assert (int(down.enter_face[middle]), int(down.leave_face[middle])) == (3, 2), "in at the top"
    assert float(down.enter[middle]) == pytest.approx(3.0)


def test_places_on_upright_faces_count_downward() -> None:
    ray = cross(pose(0.5, 0.5, -3.0, 0.0, 0.0), (0, 0, 0), H, W)
    rows = ray.hit[:, W // 2].nonzero()[:, 0]
    assert ray.enter_place[rows[0], W // 2, 1] < 0.2 < 0.8 < ray.enter_place[rows[-1], W // 2, 1]


def test_from_inside_a_cell_it_is_entered_behind() -> None:
    ray = cross(pose(0.5, 0.5, 0.5, 0.0, 0.0), (0, 0, 0), H, W)
    assert ray.hit.all() and (ray.enter < 0).all() and (ray.leave > 0).all()


def test_a_window_holds_all_of_a_cell_and_little_more() -> None:
    for here in (
        pose(0.5, 0.5, -3.0, 0.0, 0.0),
        pose(2.3, 2.1, -2.0, 31.0, 22.0),
        pose(0.5, 0.5, -0.2, 0.0, 0.0),
    ):
        window = window_of(here, (0, 0, 0), H, W)
        assert window is not None
        whole, part = cross(here, (0, 0, 0), H, W), cross(here, (0, 0, 0), H, W, window)
        assert int(whole.hit.sum()) == int(part.hit.sum()) > 20
        assert torch.equal(whole.enter[window], part.enter) and torch.equal(
            whole.leave_face[window], part.leave_face
        )
    assert window_of(pose(0.5, 0.5, -3.0, 180.0, 0.0), (0, 0, 0), H, W) is None, "behind"
    assert window_of(pose(0.5, 0.5, -3.0, 65.0, 0.0), (0, 0, 0), H, W) is None, "beside"


def test_the_cell_before_a_face_is_its_neighbour() -> None:
    assert Aim((1, 2, 3), 3, 2.0).before == (1, 3, 3)
    assert Aim((1, 2, 3), 0, 2.0).before == (0, 2, 3)


def test_the_crosshair_finds_the_block_that_the_game_says_it_points_at() -> None:
    game = registry.resolve(registry.ENGINES, registry.GAME, "engine")(width=160, height=96)
    usable = torch.from_numpy(~game.overlay_mask()).float()
    noise = torch.Generator().manual_seed(0)
    right = told = false = 0
    for seed in (700, 701, 702):
        game.reset(seed)
        player = Tinker(seed)
        for tick in range(150):
            game.step(player.act(game.state()))
            if tick % 3:
                continue
            state, (_, depth, _) = game.state(), game.render_buffers()
            rough = torch.from_numpy(depth) * (1 + 0.03 * torch.randn(96, 160, generator=noise))
            found = aim(torch.from_numpy(state["pose"]), rough, usable)
            if state["target"][3]:
                told += 1
                right += found is not None and found.cell == tuple(state["target"][:3])
            else:
                false += found is not None and found.distance < 4.4
    assert told > 60 and right / told > 0.93 and false <= 2


def test_where_nothing_is_known_nothing_is_aimed_at() -> None:
    here = pose(0.5, 1.62, 0.5, 0.0, 60.0)
    assert aim(here, torch.full((H, W), 2.0), torch.zeros(H, W)) is None
    assert aim(here, torch.full((H, W), 512.0), torch.ones(H, W)) is None
