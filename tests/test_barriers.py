"""Nobody walks through what he stands before."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from worldsim.model import surroundings
from worldsim.model.barriers import held
from worldsim.model.surroundings import Remembered, distances_torch

HEIGHT, WIDTH = 48, 64


def frame(depth: Tensor, yaw: float = 0.0, back: float = 1.5) -> Remembered:
    """Two views of a surface so far ahead: from the origin, and from farther back, where all of it was seen."""
    pose = torch.tensor([[[0.0, 0.0, 0.0, yaw, 0.0], [0.0, 0.0, -back, yaw, 0.0]]])
    seen = torch.stack([depth.expand(HEIGHT, WIDTH), depth.expand(HEIGHT, WIDTH) + back])
    return Remembered(seen[None], pose, torch.ones(1, 2, dtype=torch.bool))


def gone(step: list[float], frames: Remembered, usable: Tensor | None = None) -> list[float]:
    usable = torch.ones(HEIGHT, WIDTH, dtype=torch.bool) if usable is None else usable
    moved: list[float] = held(torch.tensor([step]), torch.zeros(1, 3), frames, usable)[0].tolist()
    return moved


@pytest.fixture(params=["compiled", "torch"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "torch":
        monkeypatch.setattr(surroundings, "_distances_compiled", distances_torch)


def test_a_wall_holds_and_one_slides_along_it() -> None:
    wall = frame(torch.tensor(0.4))
    assert gone([0.15, -0.5, 0.25], wall) == pytest.approx([0.15, -0.5, 0.0]), "it lies across z"
    assert gone([0.15, 0.0, 0.1], wall) == pytest.approx([0.15, 0.0, 0.1]), "up to it one may go"


def test_what_is_beside_behind_or_far_does_not_hold() -> None:
    assert gone([0.0, 0.0, -0.25], frame(torch.tensor(0.4))) == pytest.approx([0.0, 0.0, -0.25])
    assert gone([0.0, 0.0, 0.25], frame(torch.tensor(0.4), yaw=180.0)) == pytest.approx([0.0, 0.0, 0.25])
    assert gone([0.0, 0.0, 0.25], frame(torch.tensor(3.0))) == pytest.approx([0.0, 0.0, 0.25])


def test_who_stands_in_a_thing_gets_out_again() -> None:
    assert gone([0.0, 0.0, -0.25], frame(torch.tensor(0.1))) == pytest.approx([0.0, 0.0, -0.25])


def test_a_crumb_and_what_lies_over_the_picture_do_not_hold() -> None:
    depth = torch.full((HEIGHT, WIDTH), 5.0)
    depth[HEIGHT // 2 : HEIGHT // 2 + 2, WIDTH // 2 : WIDTH // 2 + 2] = 0.4
    assert gone([0.0, 0.0, 0.25], frame(depth)) == pytest.approx([0.0, 0.0, 0.25])
    nothing = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    assert gone([0.0, 0.0, 0.25], frame(torch.tensor(0.4)), nothing) == pytest.approx([0.0, 0.0, 0.25])
