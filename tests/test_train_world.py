"""Training a world: it learns, repeats and resumes to the bit, and begins with one line when it can't."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from data_fakes import make_episode
from model_fakes import TINY, H, W, save_tiny_world, tiny_clips, tiny_model
from worldsim.train import world as program
from worldsim.train.critic import CriticConfig
from worldsim.train.exemplars import clip_exemplars
from worldsim.train.objective import ObjectiveConfig
from worldsim.train.recipes import Recipe, cpu, debug, gpu, latent
from worldsim.train.trainer import WorldTrainer
from worldsim.train.world import TrainOptions, main

from worldsim.checkpoint import load_checkpoint
from worldsim.data.episode import ClipBatch
from worldsim.data.storage import EpisodeStore
from worldsim.errors import ConfigError, NumericalError, UsageError
from worldsim.model.hands import HandsConfig
from worldsim.model.overlay import OverlayConfig
from worldsim.sim.exemplars import single, unplaced
from worldsim.sim.world import load_world

TINY_RECIPE = Recipe(
    model=TINY, batch=2, clip=12, rollout=(0.4, 0.3, 0.3), rollout_after=1, long_rollout=0.4, warmup=2, workers=0,
    minutes=None, steps=6, precision="float32", objective=ObjectiveConfig(shortcut=0.3, shortcut_after=1),
    critic=CriticConfig(pull=0.2, widths=(8, 16), warmup=1), long_clip=16,
    exemplars=2, places=1, caves=0,
)  # fmt: skip


TINY_EXEMPLARS = single(
    tiny_clips(2).frames[:, 0],
    np.ones((2, H, W), np.float16),
    unplaced(np.zeros(2, np.float32)),
    np.full(2, np.nan, np.float32),
)


class FakeSource:
    """Batches that are a function of their number."""

    interrupt_at = 0

    def __init__(self) -> None:
        self.draws = 0

    def sample(self, batch: int = 2, *, length: int = 12) -> ClipBatch:
        self.draws += 1
        if self.draws == self.interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
        return tiny_clips(batch, length, seed=self.draws % 3)

    def state_dict(self) -> dict[str, int]:
        return {"draws": self.draws}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.draws = state["draws"]

    def close(self) -> None:
        pass


def train(trainer: WorldTrainer, source: FakeSource, steps: int) -> list[float]:
    return [trainer.step(source.sample(), trainer.step_count / 20)["loss"] for _ in range(steps)]


def trainer(recipe: Recipe = TINY_RECIPE, seed: int = 0) -> WorldTrainer:
    model = tiny_model(recipe.model, seed=seed, lively=False)
    return WorldTrainer(recipe, model, seed=seed, device=torch.device("cpu"))


def test_the_loss_falls() -> None:
    recipe = replace(
        TINY_RECIPE, learning_rate=3e-3, rollout=(1.0,), objective=ObjectiveConfig(pure_noise=1.0),
        critic=CriticConfig(),
    )  # fmt: skip
    learner, source = trainer(recipe), FakeSource()
    losses = [learner.step(source.sample(), 0.0)["loss"] for _ in range(60)]
    assert sum(losses[-10:]) < 0.9 * sum(losses[:10])


def test_moments_of_a_resumed_optimiser_lie_as_the_weights_do() -> None:
    first = trainer()
    train(first, FakeSource(), 2)
    state = first.state_dict()
    for moments in state["optimizer"].values():  # as files keep them
        moments.update({name: value.contiguous() for name, value in moments.items()})
    again = trainer()
    again.load_state_dict(state)
    kept = again.optimizer.state
    assert any(not p.is_contiguous() for p in kept), "weights of convolutions lie channels last"
    for parameter, moments in kept.items():
        assert all(moments[name].stride() == parameter.stride() for name in ("exp_avg", "exp_avg_sq"))


def test_two_runs_are_equal_and_a_resumed_one_too() -> None:
    whole, source = trainer(), FakeSource()
    losses = train(whole, source, 6)
    first, half = trainer(), FakeSource()
    begun = train(first, half, 3)
    second, rest = trainer(seed=1), FakeSource()
    second.load_state_dict(first.state_dict())
    rest.load_state_dict(half.state_dict())
    assert begun + train(second, rest, 3) == losses
    for name, value in whole.ema.module_state().items():
        assert torch.equal(value, second.ema.module_state()[name]), name


def test_every_parameter_learns() -> None:
    one = trainer()
    before = {n: p.detach().clone() for n, p in one.model.named_parameters()}
    train(one, FakeSource(), 6)
    still = [n for n, p in one.model.named_parameters() if torch.equal(p, before[n])]
    assert not still


def test_bad_numbers_are_stopped_and_leave_the_weights() -> None:
    one = trainer()
    before = {n: p.detach().clone() for n, p in one.model.named_parameters()}
    bad = tiny_clips()
    assert bad.pose is not None
    bad.pose[:] = float("nan")
    with pytest.raises(NumericalError, match="not finite"):
        for _ in range(10):
            one.step(bad, 0.0)
    assert all(torch.equal(p, before[n]) for n, p in one.model.named_parameters())


@pytest.mark.parametrize("recipe", [debug, cpu, gpu, latent])
def test_recipes_are_complete(recipe: Any) -> None:
    made = recipe()
    assert made.minutes and sum(made.rollout) == pytest.approx(1)
    assert made.clip > 4 + len(made.rollout)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_source", lambda recipe, options, device: FakeSource())
    monkeypatch.setattr(program, "_recipe", lambda options: replace(TINY_RECIPE, steps=options.steps or 6))
    monkeypatch.setattr(program.Run, "show", lambda self, tracker: None)
    monkeypatch.setattr(program.Run, "_seeds", _fake_seeds)
    monkeypatch.setattr(program.Run, "_exemplars", lambda self: TINY_EXEMPLARS)


def _fake_seeds(run: program.Run) -> Any:
    from worldsim.train.seeds import clip_seeds

    return clip_seeds(FakeSource(), 2)


@pytest.mark.usefixtures("fake")
def test_an_interrupted_program_resumes_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = TrainOptions(out=str(tmp_path / "a"), wandb="disabled")
    whole = load_checkpoint(main(options))
    monkeypatch.setattr(FakeSource, "interrupt_at", 3)
    with pytest.raises(KeyboardInterrupt):  # Ctrl-C: the step is finished, everything is saved
        main(replace(options, out=str(tmp_path / "b")))
    monkeypatch.setattr(FakeSource, "interrupt_at", 0)
    resumed = load_checkpoint(main(replace(options, out=str(tmp_path / "b"), resume=True)))
    assert whole.hash == resumed.hash and resumed.frames == whole.frames
    lines = [json.loads(line) for line in (tmp_path / "b" / "metrics.jsonl").read_text().splitlines()]
    assert any("loss" in line for line in lines)


@pytest.mark.usefixtures("fake")
def test_an_existing_run_is_not_overwritten(tmp_path: Path) -> None:
    options = TrainOptions(out=str(tmp_path), wandb="disabled", steps=1)
    main(options)
    with pytest.raises(UsageError, match="--resume"):
        main(options)
    with pytest.raises(UsageError, match="no training run"):
        main(replace(options, out=str(tmp_path / "other"), resume=True))


@pytest.mark.usefixtures("fake")
def test_a_run_ends_in_time_and_shows_only_if_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[int] = []
    monkeypatch.setattr(program.Run, "show", lambda self, tracker: shown.append(self.trainer.step_count))
    late = TrainOptions(out=str(tmp_path / "a"), wandb="disabled", steps=1000, within=1e-3)
    assert 1 <= load_checkpoint(main(late)).step < 1000
    assert len(shown) == 1
    recipe = replace(TINY_RECIPE, steps=1, preview_minutes=None)
    monkeypatch.setattr(program, "_recipe", lambda options: recipe)
    main(TrainOptions(out=str(tmp_path / "b"), wandb="disabled"))
    assert len(shown) == 1


@pytest.mark.usefixtures("fake")
def test_a_world_comes_with_exemplars_of_what_it_learnt_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program.Run, "_exemplars", lambda self: clip_exemplars(self.source, 2))
    made = load_world(main(TrainOptions(out=str(tmp_path / "a"), wandb="disabled", steps=1))).exemplars
    assert made is not None and len(made) == 2
    recipe = replace(TINY_RECIPE, steps=1, exemplars=0)
    monkeypatch.setattr(program, "_recipe", lambda options: recipe)
    assert load_world(main(TrainOptions(out=str(tmp_path / "b"), wandb="disabled"))).exemplars is None


def test_a_world_that_goes_on_in_its_game_keeps_its_exemplars(tmp_path: Path) -> None:
    first = save_tiny_world(tmp_path / "world")
    out = tmp_path / "run"
    main(
        TrainOptions(
            recipe="debug", init=str(first), out=str(out), steps=1, wandb="disabled",
            set=("batch=2", "workers=0", "engines=1", "preview_minutes=null"),
        )
    )  # fmt: skip
    kept, before = load_world(out / "world").exemplars, load_world(first).exemplars
    assert kept is not None and before is not None and np.array_equal(kept.frames, before.frames)


HANDY = replace(TINY, hands=HandsConfig(width=8), overlay=OverlayConfig(width=8, arms=4, cells=8))


def test_a_world_that_goes_on_in_its_game_keeps_hands_and_overlay(tmp_path: Path) -> None:
    first = save_tiny_world(tmp_path / "world", config=HANDY)
    out = main(
        TrainOptions(
            recipe="debug", init=str(first), out=str(tmp_path / "run"), steps=1, wandb="disabled",
            set=("batch=2", "workers=0", "engines=1", "preview_minutes=null"),
        )
    )  # fmt: skip
    before, after = load_world(first).model, load_world(out).model
    assert before.hands is not None and after.hands is not None and after.overlay is not None
    assert torch.equal(before.hands.dictionary.half(), after.hands.dictionary.half())


@pytest.mark.parametrize(("env", "kept"), [("worldsim/Voxel-v0", True), ("worldsim/Luanti-v0", False)])
def test_hands_and_overlay_stay_behind_where_another_game_is_learnt(
    env: str, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = save_tiny_world(tmp_path / "world", config=HANDY)
    manifest = SimpleNamespace(meta={"env": env})
    monkeypatch.setattr(EpisodeStore, "__init__", lambda self, folder: None)
    monkeypatch.setattr(EpisodeStore, "__len__", lambda self: 1)
    monkeypatch.setattr(EpisodeStore, "manifest", lambda self, episode: manifest)
    monkeypatch.setattr(program, "mark_overlay", lambda model, folder: None)
    options = TrainOptions(recipe="cpu", init=str(first), data=str(tmp_path))
    model = program._model(program._recipe(options), options)
    assert (model.hands is not None, model.overlay is not None) == (kept, kept)


def test_a_world_to_start_from_brings_its_architecture(tmp_path: Path) -> None:
    world = save_tiny_world(tmp_path / "world")
    recipe = program._recipe(TrainOptions(recipe="gpu", init=str(world), within=2.0))
    assert recipe.model == TINY and recipe.minutes == 2.0


def test_a_batch_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_live", lambda recipe, options: FakeSource())
    source = program._source(replace(TINY_RECIPE, ahead=True), TrainOptions(), tiny_model())
    drawn = [source.sample() for _ in range(2)]
    assert source.state_dict() == {"draws": 3}
    source.load_state_dict({"draws": 0})
    again = source.sample()
    source.close()
    assert (again.frames == drawn[0].frames).all() and (again.frames != drawn[1].frames).any()


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"recipe": "cup"}, UsageError, "cpu"),
        ({"device": "cuda:7"}, UsageError, "device"),
        ({"set": ("model.denoiser.chanels=3",)}, ConfigError, "channels"),
        ({"set": ("batch=many",)}, ConfigError, "batch"),
        ({"minutes": -1.0}, ConfigError, "minutes"),
        ({"live": "worldsim/Foxel-v0"}, UsageError, "Voxel"),
        ({"minutes": 1.0, "within": 1.0}, UsageError, "both"),
        ({"init": "nowhere"}, UsageError, "nowhere"),
        ({"data": "x", "live": "worldsim/Voxel-v0"}, UsageError, "both"),
    ],
)
def test_bad_options_are_one_line_and_leave_nothing(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], match: str
) -> None:
    out = tmp_path / "run"
    options = replace(TrainOptions(recipe="debug", out=str(out), wandb="disabled"), **change)
    with pytest.raises(error, match=match) as raised:
        main(options)
    assert "\n" not in str(raised.value) and not out.exists()


def test_recordings_of_another_size_are_refused_with_the_way_out(tmp_path: Path) -> None:
    with EpisodeStore(tmp_path / "set", write=True) as store:
        store.write(make_episode(40, width=64, height=48))
    options = TrainOptions(recipe="debug", data=str(tmp_path / "set"), out=str(tmp_path / "run"), steps=1)
    with pytest.raises(ConfigError, match=r"64x48.*80x48.*--set model\.denoiser\.width=64") as raised:
        main(replace(options, wandb="disabled"))
    assert "\n" not in str(raised.value) and not (tmp_path / "run").exists()


def test_a_run_is_not_mixed_with_recordings(tmp_path: Path) -> None:
    with EpisodeStore(tmp_path, write=True):
        pass
    with pytest.raises(UsageError, match="holds recordings"):
        main(TrainOptions(recipe="debug", out=str(tmp_path), wandb="disabled"))
