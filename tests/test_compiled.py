"""What is compiled for the CPU gives what plain torch gives; and a frame is what the network says there is to copy."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from model_fakes import tiny_model
from torch import Tensor
from torch.nn import functional as F

from worldsim.model import composition, grounding, layers, retrieval
from worldsim.model.camera import (
    camera_to_world,
    camera_to_world_torch,
    relative_pose,
    relative_pose_torch,
    rotate,
    rotate_torch,
    tangents,
)
from worldsim.model.composition import compose, mix_torch, weigh_torch
from worldsim.model.references import References, View
from worldsim.model.retrieval import coverage, land_torch, resolution, retrieve, retrieve_torch
from worldsim.model.tokenizer import (
    float_to_frames,
    float_to_frames_torch,
    frames_to_float,
    frames_to_planes,
    to_cells,
    to_pixels,
    to_pixels_torch,
)
from worldsim.model.warp import Warped
from worldsim.model.world_model import WorldModel
from worldsim.sim import scenery
from worldsim.sim.exemplars import Exemplars
from worldsim.sim.graphs import flat_raw
from worldsim.sim.imagination import Imagination
from worldsim.sim.network import Eager, draw, probe
from worldsim.sim.sight import Sight, united, united_torch


def drawn(model: WorldModel) -> Tensor:
    inputs, noise = probe(model, batch=2)
    with torch.no_grad():
        return draw(Eager(model.denoiser), inputs, noise, 0.03).latents


@pytest.mark.parametrize("calm", [0.0, 0.03])
def test_compiled_and_plain_mixing_agree(calm: float, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model().eval().requires_grad_(False)
    inputs, x = probe(model, batch=2)
    pixels, count = len(inputs.fixed), inputs.known.shape[1] + composition.EXTRA_CANDIDATES
    size = x.shape[1] + (2 + count) * pixels
    raw = torch.randn(2, size, *x.shape[2:], generator=torch.Generator().manual_seed(1))
    level = torch.tensor([1.0, 0.4])
    compiled = compose(raw, x, level, inputs, calm)
    monkeypatch.setattr(composition, "_mix_compiled", mix_torch)
    monkeypatch.setattr(composition, "_weigh_compiled", weigh_torch)
    for a, b in zip(compiled, compose(raw, x, level, inputs, calm)):
        assert torch.allclose(a, b, atol=1e-5)


def test_only_the_frame_that_it_copies_is_drawn_where_the_network_is_sure() -> None:
    """A logit of 50 for the unwarped newest frame, nothing else: that frame comes out, its depth, too."""
    model = tiny_model().eval().requires_grad_(False)
    inputs, x = probe(model)
    pixels, slots = len(inputs.fixed), inputs.known.shape[1]
    raw = torch.zeros(1, x.shape[1] + (2 + slots + 3) * pixels, *x.shape[2:])
    first = x.shape[1] + 2 * pixels + slots * pixels
    raw[:, first : first + pixels] = 50.0
    latents, depth, _ = compose(raw, x, torch.ones(1), inputs, 0.0)
    assert torch.allclose(latents, inputs.newest, atol=1e-5)
    assert torch.allclose(depth, inputs.newest_depth, atol=1e-5)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_pixel_that_copies_two_surfaces_lies_on_the_one_with_most_weight(
    compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is played; while it learns, in between, so that there is a way from one to the other."""
    if not compiled:
        monkeypatch.setattr(composition, "_mix_compiled", mix_torch)
    model = tiny_model().eval().requires_grad_(False)
    inputs, x = probe(model)
    near, far = -0.5, 0.5
    inputs.warped_depth[:, 0], inputs.warped_depth[:, 1:] = near, far
    inputs.newest_depth[:], inputs.known[:], inputs.fixed[:], inputs.temperature[:] = near, 1.0, 0.0, 1.0
    pixels, slots = len(inputs.fixed), inputs.known.shape[1]
    raw = torch.zeros(1, x.shape[1] + (2 + slots + 3) * pixels, *x.shape[2:])
    first = x.shape[1] + 2 * pixels
    raw[:, first : first + pixels] = 0.5  # twice as much as of the second
    level = torch.ones(1)
    mean, played = (compose(raw, x, level, inputs, calm)[1] for calm in (0.0, 0.03))
    assert bool(((mean > near + 0.05) & (mean < far - 0.05)).all()) and torch.allclose(
        played, torch.full_like(played, near), atol=0.01
    )


def test_weights_that_were_written_to_are_used_at_once() -> None:
    """The modulation of all layers is one product of weights that are kept; they must not be kept too long."""
    model = tiny_model().eval().requires_grad_(False)
    for parameter in model.denoiser.parameters():
        parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    before, other = drawn(model), copy.deepcopy(model)
    model.denoiser.inner[0].film.weight.mul_(3.0)
    assert not torch.allclose(drawn(model), before)
    assert torch.equal(drawn(other), before)
    other.load_state_dict(model.state_dict())
    assert torch.equal(drawn(other), drawn(model))


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_cells_are_what_torch_makes_of_pixels(factor: int) -> None:
    pixels = torch.randn(2, 3, 8, 160, generator=torch.Generator().manual_seed(0)).transpose(0, 1)
    cells = to_cells(pixels, factor)
    assert torch.equal(cells, torch.nn.functional.pixel_unshuffle(pixels, factor))
    assert torch.equal(to_pixels(cells, factor), pixels)


def test_planes_are_frames_as_floats() -> None:
    frames = torch.arange(256, dtype=torch.uint8).view(2, 8, 16, 1).expand(-1, -1, -1, 3).clone()
    frames[..., 1] = frames[..., 1].flip(0)
    planes = frames_to_planes(frames)
    assert planes.is_contiguous() and torch.equal(planes, frames_to_float(frames))


def test_compiled_and_plain_grounding_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    depth = torch.rand(2, 3, 1, 24, 40, generator=generator) * 4 + 4
    depth[:, :, :, :4, :9] = 0
    references = References(
        frames=torch.zeros(2, 3, 3, 24, 40), depth=depth,
        pose=torch.randn(2, 3, 5, generator=generator) * torch.tensor([0.3, 0.1, 0.3, 9.0, 4.0]),
        time=torch.zeros(2, 3), noise_level=torch.zeros(2, 3),
        valid=torch.tensor([[True, True, False], [False, True, True]]),
    )  # fmt: skip
    known = torch.rand(2, 3, 1, 12, 20, generator=generator)
    usable = torch.ones(24, 40, dtype=torch.bool)
    usable[20:, 8:30] = False
    given = references, known, torch.zeros(2, 5), usable
    compiled = grounding.groundings(*given, solid=True)
    monkeypatch.setattr(grounding, "_ground_compiled", grounding.ground_torch)
    assert torch.equal(compiled, grounding.groundings(*given, solid=True)) and 0.2 < compiled.mean() < 0.8


def random_view(slots: int, size: tuple[int, int], generator: torch.Generator) -> View:
    """Smooth pictures with holes of two worlds, not far from each other in colour and depth."""
    patches = F.interpolate(torch.rand(2 * slots, 3, 4, 5, generator=generator), size, mode="bilinear")
    warped = patches.unflatten(0, (2, slots)) * 0.3
    known = F.interpolate(torch.rand(2 * slots, 1, 4, 5, generator=generator), size) > 0.4
    return View(
        warped=warped, depth=4 + warped[:, :, 1:2], known=known.float().unflatten(0, (2, slots)), newest=warped[:, 0],
        frames=warped, description=torch.zeros(2, slots, 17), valid=torch.ones(2, slots, dtype=torch.bool),
    )  # fmt: skip


def test_compiled_and_plain_uniting_agree() -> None:
    generator = torch.Generator().manual_seed(0)
    seen = random_view(4, (48, 80), generator)
    imagined = torch.tensor([[False, False, True, True], [False, True, False, False]])
    references: Any = None
    ground = F.interpolate(torch.rand(2, 1, 4, 5, generator=generator), (48, 80))
    sight = Sight(references, imagined, seen, ground)
    compiled, plain = united(sight), united_torch(sight)
    assert torch.equal(compiled.warped, plain.warped) and torch.equal(compiled.known, plain.known)
    assert torch.equal(compiled.depth, plain.depth)
    assert 0.05 < (plain.warped[:, 0] != seen.warped[:, 0]).float().mean() < 0.9


def test_compiled_and_plain_scenery_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = random_view(5, (24, 40), torch.Generator().manual_seed(1))
    views = Warped(seen.warped[0], seen.depth[0], seen.known[0])
    compiled = scenery._composed(views, range(1, 5))
    monkeypatch.setattr(scenery, "has_numbers", lambda _: False)
    for a, b in zip(compiled, scenery._composed(views, range(1, 5))):
        assert torch.equal(a, b)
    assert torch.equal(views.frames, seen.warped[0]), "what was seen is not changed"


def test_what_candidates_show_is_what_their_projections_say(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    depth = torch.rand(2, 9, *retrieval.GRID, generator=generator) * 20
    depth[0, 0] = 0
    poses = torch.randn(2, 9, 5, generator=generator) * torch.tensor([3.0, 1.0, 3.0, 90.0, 20.0])
    given = depth, poses, torch.zeros(2, 5), 1.6
    compiled = coverage(*given), resolution(*given)
    same = retrieval._land_compiled
    monkeypatch.setattr(retrieval, "has_numbers", lambda _: False)
    monkeypatch.setattr(retrieval, "land_torch", same)
    assert torch.equal(compiled[0], coverage(*given)) and torch.equal(compiled[1], resolution(*given))
    assert compiled[0].any()


def test_compiled_and_plain_projections_of_coarse_depth_agree() -> None:
    generator = torch.Generator().manual_seed(0)
    depth = torch.rand(2, 9, *retrieval.GRID, generator=generator) * 20
    depth[0, 0] = 0
    poses = torch.randn(2, 9, 5, generator=generator) * torch.tensor([3.0, 1.0, 3.0, 90.0, 20.0])
    extent = tangents(12, 20)
    relative = relative_pose(poses, torch.zeros(2, 1, 5))
    cells, z, inside = retrieval._land_compiled(depth, *relative, extent)
    plain_cells, plain_z, plain_inside = land_torch(depth, *relative, extent)
    assert torch.equal(inside, plain_inside) and torch.allclose(z, plain_z, atol=1e-4)
    assert float((cells != plain_cells).float().mean()) < 1e-3 and inside.any()


def test_compiled_and_plain_turns_of_points_agree() -> None:
    generator = torch.Generator().manual_seed(0)
    rotation = torch.randn(7, 3, 3, generator=generator)
    for points in (torch.randn(7, 3, 50, generator=generator), torch.randn(1, 3, 50, generator=generator)):
        assert torch.equal(rotate(rotation, points), rotate_torch(rotation, points))
        every = points.expand(7, -1, -1)
        assert torch.equal(rotate(rotation, every), rotate_torch(rotation, every))
        assert torch.equal(rotate(rotation[:1], points), rotate_torch(rotation[:1], points))


def test_compiled_and_plain_poses_agree() -> None:
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(2, 7, 5, generator=generator) * torch.tensor([9.0, 9.0, 9.0, 200.0, 40.0])
    target = source[:, :1] + 1
    for a, b in zip(relative_pose(source, target), relative_pose_torch(source, target)):
        assert torch.allclose(a, b, atol=1e-4)
    assert torch.allclose(camera_to_world(source), camera_to_world_torch(source), atol=1e-5)
    assert torch.allclose(camera_to_world(source[0, 0]), camera_to_world_torch(source[0, 0]), atol=1e-5)
    learned = source.clone().requires_grad_()
    relative_pose(learned, target)[1].sum().backward()
    assert learned.grad is not None and learned.grad.any()


def test_compiled_and_plain_search_find_the_same_place() -> None:
    """Of smooth pictures, some on a grid and some not, around a view of which a half is known, and some is worn."""
    generator = torch.Generator().manual_seed(0)
    patches = F.interpolate(torch.rand(40, 5, 3, 4, generator=generator), (24, 40), mode="bilinear")
    frames = (patches[:, :3].permute(0, 2, 3, 1) * 60 + 90).byte()
    poses = torch.randn(40, 5, generator=generator) * torch.tensor([9.0, 0.4, 9.0, 200.0, 9.0])
    poses[30:, :4] = torch.nan
    exemplars = Exemplars(
        frames.numpy(), (4 + 6 * patches[:, 3]).half().numpy(), poses.numpy(), np.full(40, np.nan, np.float32),
        np.arange(40) // 4,
    )  # fmt: skip
    imagination = Imagination(exemplars, torch.ones(24, 40, dtype=torch.bool))
    places = imagination.placing.around(torch.zeros(5), torch.ones(40, dtype=torch.bool))
    known = torch.zeros(1, 1, *retrieval.GRID, dtype=torch.bool)
    known[..., :9] = True
    wanted, worn = ~known, torch.zeros_like(known)
    worn[..., 5:9] = wanted[..., 5:9] = True
    best: list[int | None] = []
    for at, limit in [(k, limit) for k in range(12) for limit in (0.02, 0.2, 0.5)]:
        view = imagination.coarse[at : at + 1, :4]
        dear = torch.rand(3, len(places.index), generator=generator) * 0.05
        given = torch.zeros(5), places, view, (known, wanted, worn), dear, limit
        best.append(imagination._best_compiled(*given))
        assert best[-1] == imagination._best_torch(*given)
    assert None in best and len(set(best)) > 5


def test_what_is_written_for_exported_graphs_is_the_same_network(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model().eval().requires_grad_(False)
    for parameter in model.denoiser.parameters():
        parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    inputs, noise = probe(model)
    given = noise, torch.ones(1), torch.zeros(1), model.denoiser.context(inputs)
    plain = flat_raw(model.denoiser.outputs(*given))
    monkeypatch.setattr(layers, "exporting", lambda: True)
    for a, b in zip(plain, flat_raw(model.denoiser.outputs(*given))):
        assert torch.allclose(a, b, atol=1e-4) and a.std() > 0.01


@pytest.mark.parametrize("seed", range(4))
def test_compiled_and_plain_retrieval_choose_the_same_among_equals(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    seen = torch.rand(3, 30, 240, generator=generator) > 0.7
    seen[:, 10:20] = seen[:, :10]  # so that there are some
    already, valid = (
        torch.rand(3, 240, generator=generator) > 0.5,
        torch.rand(3, 30, generator=generator) > 0.4,
    )
    valid[2] = False
    valid[1, 2:] = False
    before = already.clone(), valid.clone()
    assert torch.equal(retrieve(seen, already, valid, 4), retrieve_torch(seen, already, valid, 4))
    assert torch.equal(already, before[0]) and torch.equal(valid, before[1])
    nothing = torch.zeros(2, 0, 240, dtype=torch.bool)
    assert retrieve(nothing, nothing.any(1), nothing.any(2), 2).tolist() == [[-1, -1]] * 2


def test_compiled_and_plain_bytes_of_frames_are_the_same() -> None:
    images = torch.randn(2, 3, 3, 10, 7, generator=torch.Generator().manual_seed(0))
    images[0] = ((torch.arange(3 * 3 * 70) % 511) / 255 - 1).view(
        3, 3, 10, 7
    )  # bytes, and halves between them
    for given in (images, images[0], images[0, 0]):
        assert torch.equal(float_to_frames(given), float_to_frames_torch(given))
    turned = images.transpose(-1, -2)
    assert torch.equal(float_to_frames(turned), float_to_frames_torch(turned))


def test_compiled_and_plain_pixels_of_cells_are_the_same() -> None:
    cells = torch.randn(2, 48, 5, 7)
    for given in (cells, cells.contiguous(memory_format=torch.channels_last), cells[:, :16]):
        assert torch.equal(to_pixels(given, 4), to_pixels_torch(given, 4))
    assert torch.equal(to_pixels(cells, 2), to_pixels_torch(cells, 2))


@pytest.mark.parametrize(
    ("source", "target"),
    [((2, 6), (2, 1)), ((2, 1), (2, 6)), ((1, 6), (1, 1)), ((6,), (6,)), ((6,), (1,)), ((), ()), ((2, 6), (1, 6)),
     ((2, 6), ()), ((2, 3, 4), (2, 3, 1)), ((2, 1), (1, 3))],
)  # fmt: skip
def test_one_pose_serves_for_many(source: tuple[int, ...], target: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([3.0, 1.0, 3.0, 90.0, 20.0])
    given = [torch.randn(*shape, 5, generator=generator) * scale for shape in (source, target)]
    for found, plain in zip(relative_pose(*given), relative_pose_torch(*given)):
        assert found.shape == plain.shape and torch.allclose(found, plain, atol=1e-5)
