"""The network: it starts as a copier, and it listens to every input it is given."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from model_fakes import LATENT, TINY, H, W, tiny_clips, tiny_model
from worldsim.train.clips import ClipTensors
from worldsim.train.examples import Example, ExampleConfig, build_example

from worldsim.errors import ConfigError
from worldsim.model.denoiser import DenoiserConfig
from worldsim.model.references import References, look
from worldsim.model.retrieval import coverage, retrieve
from worldsim.model.world_model import Held, WorldModel, WorldModelConfig, scale_actions

CPU = torch.device("cpu")


def example(**changes: float) -> Example:
    plain = ExampleConfig(future=0, single=0, none=0, older=0, held=0, caption=1, retrieval_jitter=0)
    clips = ClipTensors(tiny_clips(), CPU)
    generator = torch.Generator().manual_seed(0)
    t = torch.full((2,), 8)
    usable = torch.ones(H, W, dtype=torch.bool)
    return build_example(
        clips, t, replace(plain, **changes), usable=usable, slots=4, history=4, generator=generator
    )


def predict(model: WorldModel, e: Example, *, level: float = 1.0, size: float = 0.0) -> torch.Tensor:
    context = model.context(e.references, e.pose, e.step, e.actions, e.caption, e.held)
    noise = torch.randn(2, *model.latent_shape, generator=torch.Generator().manual_seed(1))
    ones = torch.ones(2)
    return model.frame(model.denoise(noise, ones * level, ones * size, context).latents)


@torch.no_grad()
def test_untrained_it_copies_what_the_references_show() -> None:
    e, model = example(), tiny_model(lively=False)
    view = look(e.references, e.pose, model.usable)
    known = view.known[:, 0].expand(-1, 3, -1, -1) > 0
    error = (predict(model, e) - view.warped[:, 0])[known].abs().mean()
    blank = view.warped[:, 0][known].abs().mean()
    assert error < 0.45 * blank


@pytest.mark.parametrize("config", [TINY, LATENT], ids=["pixels", "latents"])
@torch.no_grad()
def test_at_a_low_temperature_one_reference_is_copied_and_not_a_mean(config: WorldModelConfig) -> None:
    e, model = example(), tiny_model(config, lively=False)
    view = look(e.references, e.pose, model.usable)
    noise, one = torch.zeros(2, *model.latent_shape), torch.ones(2)
    off = {}
    for temperature in (1.0, 0.02):
        inputs = model.inputs(
            e.references, e.pose, e.step, e.actions, view=view,
            temperature=torch.full((2, 1, H, W), temperature),
        )  # fmt: skip
        drawn = model.denoise(noise, one, 0 * one, model.denoiser.context(inputs)).latents
        known = (inputs.known[:, 0].mean(1, keepdim=True) == 1).expand_as(drawn)
        off[temperature] = float((drawn - inputs.warped[:, 0])[known].abs().mean())
    assert off[0.02] < 1e-3 < 1e-2 < off[1.0]


@torch.no_grad()
def test_what_was_ahead_is_not_taken_to_be_behind() -> None:
    e, model = example(), tiny_model()
    for turned, copied in ((30.0, True), (180.0, False)):
        pose = e.references.pose[:, 0] + torch.tensor([0.0, 0.0, 0.0, turned, 0.0])
        nothing = look(replace(e.references, depth=0 * e.references.depth), pose, model.usable)
        nothing = replace(nothing, known=0 * nothing.known, warped=0 * nothing.warped)
        inputs = model.inputs(e.references, pose, e.step, e.actions, view=nothing)
        assert torch.equal(inputs.warped[:, 0], inputs.newest) == copied


@torch.no_grad()
def test_what_is_a_guess_changes_only_for_a_strong_reason() -> None:
    e, model = example(), tiny_model()
    inputs = model.inputs(e.references, e.pose, e.step, e.actions)
    context = model.denoiser.context(replace(inputs, temperature=inputs.temperature * 0.02))
    noise, one = torch.randn(2, *model.latent_shape), torch.ones(2)
    free, firm = (model.denoise(noise, one, 0 * one, context, calm).latents for calm in (0.0, 1e-6))
    known = (1 - context.sources.unknown).repeat(1, 3, 1, 1) > 0.5
    moved = (free - firm).abs()[known]
    assert 0 < moved.max() <= 0.3, "by what the threshold takes away, and no more"


@pytest.mark.parametrize("config", [TINY, LATENT], ids=["pixels", "latents"])
@torch.no_grad()
def test_every_input_is_heard(config: WorldModelConfig) -> None:
    e, model = example(), tiny_model(config)
    before = predict(model, e)
    assert before.shape == (2, 3, H, W)
    r = e.references
    others = {
        "action": replace(e, actions=e.actions + 1),
        "step": replace(e, step=e.step + 1),
        "caption": replace(e, caption=-e.caption),
        "pose": replace(e, pose=e.pose + torch.tensor([0.0, 0, 0, 5, 0])),
        "time": replace(e, references=replace(r, time=-r.time)),
        "noise level": replace(e, references=replace(r, noise_level=r.noise_level + 0.5)),
        "validity": replace(e, references=replace(r, valid=torch.zeros_like(r.valid))),
        "held": replace(e, held=Held(e.target, torch.ones_like(e.depth))),
        "retrieved": replace(
            e, references=replace(r, frames=torch.cat([r.frames[:, :2], -r.frames[:, 2:]], 1))
        ),
    }
    for name, other in others.items():
        assert not torch.allclose(predict(model, other), before, atol=1e-5), name
    assert not torch.allclose(predict(model, e, level=0.5), before, atol=1e-5)
    assert not torch.allclose(predict(model, e, size=0.5), before, atol=1e-5)


@torch.no_grad()
def test_a_world_does_not_depend_on_its_neighbours() -> None:
    e, model = example(), tiny_model()
    together = predict(model, e)
    r = e.references
    alone = replace(
        e, references=References(**{k: v[:1] for k, v in vars(r).items()}), pose=e.pose[:1], step=e.step[:1],
        actions=e.actions[:1], caption=e.caption[:1], held=Held(e.held.frames[:1], e.held.mask[:1]),
    )  # fmt: skip
    context = model.context(
        alone.references, alone.pose, alone.step, alone.actions, alone.caption, alone.held
    )
    noise = torch.randn(2, *model.latent_shape, generator=torch.Generator().manual_seed(1))[:1]
    frame = model.frame(model.denoise(noise, torch.ones(1), torch.zeros(1), context).latents)
    assert torch.allclose(frame, together[:1], atol=1e-4)


def test_examples_show_the_past_and_never_the_target() -> None:
    e = example()
    assert e.references.time[:, :2].tolist() == [[-1, -2], [-1, -2]]
    assert (e.references.time[e.references.valid] < 0).all()
    ahead = example(future=1.0).references
    assert (ahead.time[:, 2:][ahead.valid[:, 2:]] > 0).all()
    assert not example(none=1.0).references.valid.any()
    assert example(single=1.0).references.valid.sum() == 2
    assert 0 < example(held=1.0).held.mask.mean() <= 1


def test_actions_lead_to_their_frame() -> None:
    clips = tiny_clips()
    e = example()
    assert torch.equal(e.actions[:, 0], torch.from_numpy(clips.actions[:, 8]))
    assert torch.equal(e.actions[:, 3], torch.from_numpy(clips.actions[:, 5]))


def test_camera_scale_keeps_small_turns_apart_and_large_ones_bounded() -> None:
    actions = torch.zeros(3, 25)
    actions[:, 16] = torch.tensor([0.1, 5.0, -180.0])
    scaled = scale_actions(actions)[:, 16]
    assert 0.03 < float(scaled[0]) < 0.1 and abs(float(scaled[2])) < 3


def test_retrieval_prefers_what_shows_the_view() -> None:
    depth = torch.full((1, 3, 12, 20), 10.0)
    poses = torch.zeros(1, 3, 5)
    poses[0, 0, 3], poses[0, 1, 3], poses[0, 2, 3] = 180.0, 20.0, 90.0
    seen = coverage(depth, poses, torch.zeros(1, 5), W / H)
    valid = torch.ones(1, 3, dtype=torch.bool)
    nothing = torch.zeros(1, seen.shape[2], dtype=torch.bool)
    assert retrieve(seen, nothing, valid, 1).tolist() == [[1]]
    assert retrieve(seen, nothing, torch.zeros_like(valid), 2).tolist() == [[-1, -1]]


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="100x100"):
        WorldModel(WorldModelConfig(DenoiserConfig(height=100, width=100)))
