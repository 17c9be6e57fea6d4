"""Scenes: a guess is drawn from one place, which stays, and the next one fades in."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch
from model_fakes import H, W, tiny_model
from torch import Tensor

from worldsim.model.retrieval import shrink_depth
from worldsim.sim.scenery import COMES, outlook, redrawn
from worldsim.sim.sight import Sight, choose, see
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.state import KeyFrame, Memory, Scene, WorldState

FAR, NEAR, GIVEN = 16.0, 8.0, 4.0  # blocks: of the place before, the next one, and what was shown last


@cache
def simulator() -> Simulator:
    return Simulator(tiny_model(), SimulatorConfig(precision="float32"))


def place(tick: int, grey: int, depth: float, share: float = 1.0) -> KeyFrame:
    """A view straight ahead, of one colour, that shows this share of the picture from the left on."""
    shown = torch.full((H, W), depth).half()
    shown[:, round(share * W) :] = 0.0
    nothing = torch.zeros(H // 2, W // 2, dtype=torch.uint8)
    frame = torch.full((H, W, 3), grey, dtype=torch.uint8)
    return KeyFrame(frame, shown, torch.tensor([0.5, 1.62, 0.5, 0.0, 0.0]), tick, nothing, imagined=True)


def world(*places: KeyFrame, scene: Scene, tick: int = 100) -> WorldState:
    """A world that shows black four blocks away, all of it a guess, and has thought of places."""
    begun = simulator().begin(
        torch.zeros(1, H, W, 3, dtype=torch.uint8), seed=0, depth=torch.full((1, H, W), GIVEN),
        pose=places[0].pose[None],
    )  # fmt: skip
    newest = replace(begun.newest, tick=tick, ground=torch.zeros_like(begun.newest.ground))
    memory = Memory(
        tuple(places),
        torch.stack([shrink_depth(key.depth) for key in places]),
        torch.stack([key.pose for key in places]),
    )
    return replace(begun, tick=tick, recent=(newest,), memory=memory, scene=scene)


def drawn(
    before: WorldState, here: Tensor | None = None, column: int = W // 2
) -> tuple[WorldState, Tensor, Tensor]:
    """The world after a look from where its player is, or `here`; colour and depth of a pixel of what it shows."""
    here = (before.newest.pose if here is None else here)[None]
    eyes = simulator().eyes
    sight: Sight = see(eyes, [before], choose([before], here, 4, W / H), here, 0.0)
    shows = sight.view.known[:, 0]
    (after,), seen = redrawn(eyes, [before], here, sight, shows)
    ahead = outlook(eyes, before, here[0])
    (same,), sight = redrawn(eyes, [before], here, sight, shows, ahead)
    assert same.scene == after.scene and torch.equal(seen.view.warped, sight.view.warped), "ahead or not"
    assert torch.equal(seen.view.depth, sight.view.depth) and torch.equal(seen.ground, sight.ground)
    middle = (0, 0, slice(None), H // 3, column)
    return after, (sight.view.warped[middle].mean() + 1) * 127.5, sight.view.depth[middle].mean()


def test_a_scene_fades_in_evenly_and_is_all_that_is_left_in_the_end() -> None:
    after, shown = world(place(90, 240, NEAR), scene=Scene(90, 100)), [0.0]
    for tick in range(100, 100 + COMES):
        after, grey, _ = drawn(replace(after, tick=tick))
        shown.append(float(grey))
        frame = torch.full_like(after.newest.frame, round(shown[-1]))
        after = replace(after, recent=(replace(after.newest, frame=frame),))
    assert shown == pytest.approx([240 * age / COMES for age in range(COMES + 1)], abs=2)


def test_a_scene_that_fades_in_is_hidden_from_the_other_slots() -> None:
    """The network copies one slot: it would take the place as soon as that is more like the mixture."""
    for since, hidden in ((100, True), (0, False)):
        before = world(place(90, 10, NEAR), scene=Scene(90, since))
        here, eyes = before.newest.pose[None], simulator().eyes
        sight = see(eyes, [before], choose([before], here, 4, W / H), here, 0.0)
        slot = sight.imagined[0].tolist().index(True)
        _, seen = redrawn(eyes, [before], here, sight, sight.view.known[:, 0])
        was, now = sight.view.known[0, slot], seen.view.known[0, slot]
        assert bool(was.any()) and bool((now == was).all()) == (not hidden)
        assert bool(now[:, 2 : H // 2].any()) == (not hidden)


@pytest.mark.parametrize(("share", "expected"), [(1.0, 60.0), (0.05, 240.0)])
def test_much_that_would_change_at_once_fades_later_too(share: float, expected: float) -> None:
    _, grey, _ = drawn(world(place(90, 240, NEAR, share), scene=Scene(90, 0)), column=1)
    assert float(grey) == pytest.approx(expected, abs=1)


def test_depth_changes_when_half_of_the_picture_has() -> None:
    depths = [
        float(drawn(world(place(90, 240, NEAR), scene=Scene(90, 100 - age)))[2]) for age in range(COMES)
    ]
    assert depths[0] == pytest.approx(GIVEN, rel=0.02) and depths[-1] == pytest.approx(NEAR, rel=0.02)
    assert sum(d < (GIVEN + NEAR) / 2 for d in depths) in (COMES // 2, COMES // 2 + 1)


def test_what_the_eye_went_through_fades_away_too() -> None:
    before = world(place(90, 240, NEAR), scene=Scene(90, 100))
    nothing = replace(before.newest, depth=torch.zeros_like(before.newest.depth))
    _, grey, depth = drawn(replace(before, recent=(nothing,)))
    assert float(grey) == pytest.approx(240 / COMES, abs=1) and float(depth) == pytest.approx(NEAR, rel=0.02)


def test_what_comes_into_view_from_aside_is_there_at_once() -> None:
    before = world(place(90, 240, NEAR), scene=Scene(90, 100))
    aside = before.newest.pose + torch.tensor([0.0, 0.0, 0.0, 90.0, 0.0])
    _, grey, _ = drawn(replace(before, recent=(replace(before.newest, pose=aside),)), here=before.newest.pose)
    assert float(grey) == pytest.approx(240, abs=1)


@pytest.mark.parametrize(("share", "stays"), [(0.8, True), (0.5, False)])
def test_a_scene_stays_until_another_shows_far_more(share: float, stays: bool) -> None:
    both = place(10, 200, FAR, share), place(90, 240, NEAR)
    after, _, _ = drawn(world(*both, scene=Scene(10, 20)))
    assert after.scene == (Scene(10, 20) if stays else Scene(90, 100))


def test_a_scene_that_is_coming_is_not_left_for_another() -> None:
    both = place(10, 200, FAR), place(90, 240, NEAR, 0.3)
    coming, _, _ = drawn(world(*both, scene=Scene(90, 95)))
    assert coming.scene == Scene(90, 95)
    come, _, _ = drawn(world(*both, scene=Scene(90, 100 - COMES)))
    assert come.scene == Scene(10, 100)


def test_a_scene_that_comes_into_view_again_fades_in_again() -> None:
    before = world(place(90, 240, NEAR), scene=Scene(90, 20))
    away = before.newest.pose + torch.tensor([0.0, 0.0, 0.0, 180.0, 0.0])
    turned = replace(before, recent=(replace(before.newest, pose=away),))
    after, _, _ = drawn(turned)
    assert after.scene == Scene(90, 101), "nothing of it was shown"


def test_an_outlook_from_before_something_was_thought_of_is_not_used() -> None:
    before = world(place(90, 240, NEAR), scene=Scene(90, 80))
    here, eyes = before.newest.pose[None], simulator().eyes
    ahead = outlook(eyes, before, here[0])
    other = world(place(95, 60, NEAR), scene=Scene(95, 80))
    sight = see(eyes, [other], choose([other], here, 4, W / H), here, 0.0)
    shows = sight.view.known[:, 0]
    (after,), seen = redrawn(eyes, [other], here, sight, shows, ahead)
    (same,), plain = redrawn(eyes, [other], here, sight, shows)
    assert after.scene == same.scene and torch.equal(seen.view.warped, plain.view.warped)
    assert outlook(eyes, replace(before, memory=Memory()), here[0]) is None
