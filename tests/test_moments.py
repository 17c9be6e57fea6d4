"""What the motion head learns from."""

from __future__ import annotations

from dataclasses import replace

import torch
from model_fakes import tiny_clips, tiny_model
from worldsim.train.clips import ClipTensors
from worldsim.train.moments import BlurConfig, Moment, blurred, build_moment, edits, eventful, mirrored

from worldsim.actions import CAMERA, INDEX
from worldsim.data.episode import SIGNALS
from worldsim.model.surroundings import ACROSS, HEIGHTS, POINTS
from worldsim.signals import PLACE


def _moment(batch: int = 3) -> tuple[ClipTensors, Moment]:
    clips = ClipTensors(tiny_clips(batch, 12), torch.device("cpu"))
    t = torch.full((batch,), 6)
    return clips, build_moment(clips, t, history=4, usable=tiny_model().usable)


def test_a_moment_holds_the_step_that_its_newest_action_led_to() -> None:
    clips, moment = _moment()
    assert torch.equal(moment.actions[:, 0], clips.actions[:, 6])
    length = (clips.pose[:, 6, :3] - clips.pose[:, 5, :3]).norm(dim=1)
    assert torch.allclose(moment.step.norm(dim=1), length, atol=1e-5)
    assert torch.equal(moment.pitch, clips.pose[:, 5, 4])


def test_mirroring_swaps_left_and_right_and_undoes_itself() -> None:
    _, moment = _moment()
    actions = moment.actions.clone()
    actions[:, 0, INDEX["left"]], actions[:, 0, INDEX["right"]] = 1.0, 0.0
    actions[:, 0, CAMERA.start + 1] = 5.0
    space = torch.zeros(3, 2 * POINTS)
    grid = space[:, :POINTS].view(3, len(ACROSS), len(HEIGHTS), len(ACROSS))
    grid[:, -1] = 1.0  # free to the right
    moment = replace(moment, actions=actions, space=space)
    other = mirrored(moment)
    assert (other.actions[:, 0, INDEX["right"]] == 1).all() and (
        other.actions[:, 0, INDEX["left"]] == 0
    ).all()
    assert (other.actions[:, 0, CAMERA.start + 1] == -5).all()
    assert torch.equal(other.step[:, 0], -moment.step[:, 0]) and torch.equal(
        other.step[:, 1:], moment.step[:, 1:]
    )
    seen = other.space[:, :POINTS].view_as(grid)
    assert (seen[:, 0] == 1).all() and (seen[:, -1] == 0).all()
    some = torch.arange(len(moment.step)) % 2 == 0
    half = mirrored(moment, some)
    for name in ("actions", "past", "space", "step"):
        assert (getattr(half, name)[some] == getattr(other, name)[some]).all()
        assert (getattr(half, name)[~some] == getattr(moment, name)[~some]).all()
    again = mirrored(other)
    for name in vars(moment):
        assert torch.equal(getattr(again, name), getattr(moment, name)), name


def test_blurring_hides_and_shifts_as_much_as_it_is_told() -> None:
    _, moment = _moment()
    known = replace(moment, space=torch.cat([torch.full((3, POINTS), 0.5), torch.ones(3, POINTS)], 1))
    generator = torch.Generator().manual_seed(0)
    same = blurred(known, BlurConfig(0.0, 0.0, 0.0), generator)
    assert torch.equal(same.space, known.space) and torch.equal(same.past, known.past)
    worse = blurred(known, BlurConfig(0.01, 0.05, 0.2), generator)
    hidden = worse.space[:, POINTS:] == 0
    assert 0.02 < hidden.float().mean() < 0.5
    assert (worse.space[:, :POINTS][hidden] == -1).all()
    assert 0.02 < (worse.space[:, :POINTS][~hidden] - 0.5).std() < 0.1
    assert torch.equal(worse.step, known.step)


def test_ticks_in_which_something_happens_are_drawn_more_often() -> None:
    clips = ClipTensors(tiny_clips(64, 12), torch.device("cpu"))
    clips.pose[..., 1] = 5.0
    clips.signals[:] = 0
    clips.signals[:, 8, SIGNALS.index("contact")] = 1.0
    drawn = torch.cat([eventful(clips, 4, torch.Generator().manual_seed(s)) for s in range(20)])
    assert drawn.min() >= 4 and drawn.max() <= 11
    counts = torch.bincount(drawn, minlength=12).float()
    assert counts[8] > 2 * counts[5]


def test_ticks_of_edits_are_found() -> None:
    clips = ClipTensors(tiny_clips(3, 12), torch.device("cpu"))
    clips.signals[:, :, [PLACE["broke"], PLACE["placed"]]] = 0
    clips.told[:] = 1
    clips.signals[0, 7, PLACE["broke"]] = 1
    clips.signals[1, 9, PLACE["placed"]] = 1
    clips.signals[2, 2, PLACE["placed"]] = 1  # before the first that may be drawn
    drawn = torch.stack([edits(clips, 4, torch.Generator().manual_seed(s)) for s in range(40)])
    assert (drawn[:, 0] == 7).float().mean() > 0.9 and (drawn[:, 1] == 9).float().mean() > 0.9
    assert drawn.min() >= 4 and len(set(drawn[:, 2].tolist())) > 4
