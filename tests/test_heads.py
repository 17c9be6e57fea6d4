"""Heads: they read what the network made, pull nothing at it, and can be given to a trained world."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_fakes import HEADED, TINY, save_tiny_world, tiny_clips, tiny_model
from test_live import make
from test_train_world import TINY_RECIPE, FakeSource, trainer
from worldsim.train import world as program
from worldsim.train.clips import ClipTensors
from worldsim.train.critic import CriticConfig
from worldsim.train.lessons import draw_ticks
from worldsim.train.recipes import HEADS, Recipe
from worldsim.train.world import TrainOptions, main

from worldsim.actions import noop
from worldsim.checkpoint import load_checkpoint
from worldsim.data.episode import ClipBatch
from worldsim.errors import ConfigError
from worldsim.model.denoiser import Features
from worldsim.model.heads import _SIZES, EVENT_WEIGHT, Heads, HeadsConfig, heads_loss, read
from worldsim.model.layers import channel_norm
from worldsim.signals import PLACE, SCALE, SIGNALS, TABLE
from worldsim.sim.env import DreamEnv
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.world import load_world

HEADED_RECIPE = replace(TINY_RECIPE, model=HEADED)


def features(batch: int = 64, seed: int = 0) -> tuple[Heads, Features]:
    torch.manual_seed(seed)
    heads = Heads(HeadsConfig(width=32, cells=4, detail=2, crosshair=2), HEADED.denoiser, 4)
    d = HEADED.denoiser
    inner = torch.randn(batch, 3 * d.channels, 3, 4, requires_grad=True)
    outer = torch.randn(batch, d.channels, 12, 16, requires_grad=True)
    return heads, Features(inner, outer, torch.randn(batch, d.cond))


def truth(batch: int, seed: int = 1) -> torch.Tensor:
    """Signals in the game's units: flags and events 0 or 1, slots whole."""
    rng = np.random.default_rng(seed)
    rows = rng.random((batch, len(TABLE))) * np.array([s.high for s in TABLE])
    for i, signal in enumerate(TABLE):
        if signal.kind in ("flag", "event"):
            rows[:, i] = rng.random(batch) < (0.1 if signal.kind == "event" else 0.5)
        if signal.kind == "choice":
            rows[:, i] = rng.integers(0, 9, batch)
    rows[:, PLACE["broke_log"]] = rows[:, PLACE["broke"]] * rows[:, PLACE["wood"]]
    return torch.from_numpy(rows).float()


def test_what_was_learnt_is_read_in_the_games_units() -> None:
    heads, seen = features()
    true = truth(64)
    scaled, told = true / torch.tensor(SCALE), torch.ones_like(true)
    optimizer = torch.optim.Adam(heads.parameters(), 0.01)
    for _ in range(150):
        optimizer.zero_grad()
        heads_loss(heads(seen), scaled, told).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    signals = read(heads(seen))
    assert seen.inner.grad is None and seen.outer.grad is None  # the picture is left alone
    for i, signal in enumerate(TABLE):
        off = (signals[:, i] - true[:, i]).abs()
        off = torch.minimum(off, 1 - off) if signal.kind == "circle" else off
        assert float(off.mean().detach()) < 0.1 * signal.high, signal.name


def test_events_are_told_as_often_as_they_happen() -> None:
    raw = torch.nn.Parameter(torch.zeros(1, sum(_SIZES)))
    happens = torch.zeros(1000, len(TABLE))
    happens[:40, PLACE["broke"]] = 1
    optimizer = torch.optim.Adam([raw], 0.1)
    for _ in range(300):
        optimizer.zero_grad()
        heads_loss(raw.expand(1000, -1), happens, torch.ones_like(happens)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    told = read(raw.detach())[0]
    assert float(told[PLACE["broke"]]) == pytest.approx(0.04, abs=0.005)
    assert float(told[PLACE["broke_log"]]) == pytest.approx(float(told[PLACE["broke"]] * told[PLACE["wood"]]))
    assert EVENT_WEIGHT > 1


def test_what_is_not_told_teaches_nothing() -> None:
    heads, seen = features(4)
    true, told = truth(4) / torch.tensor(SCALE), torch.ones(4, len(TABLE))
    told[:, PLACE["health"]] = 0
    other = true.clone()
    other[:, PLACE["health"]] = 0.123
    assert torch.equal(heads_loss(heads(seen), true, told), heads_loss(heads(seen), other, told))


def test_clips_of_old_recordings_and_of_older_runs() -> None:
    clips = tiny_clips()
    assert clips.signals is not None
    clips.signals[..., PLACE["held"]] = np.nan
    tensors = ClipTensors(clips, torch.device("cpu"))
    assert tensors.signals.isfinite().all() and not tensors.told[..., PLACE["held"]].any()
    old = tensors.state_dict()
    old["signals"] = old["signals"][..., :7]
    del old["told"]
    restored = ClipTensors.from_state(old, torch.device("cpu"))
    assert restored.signals.shape == tensors.signals.shape
    assert restored.told[..., :7].all() and not restored.told[..., 7:].any()
    fresh = ClipTensors(tiny_clips(seed=1), torch.device("cpu"))
    restored.renew(torch.tensor([1]), fresh)
    assert torch.equal(restored.told[1], fresh.told[0])


def test_rare_ticks_are_drawn_often_and_weigh_less() -> None:
    clips = tiny_clips(1, 40)
    assert clips.signals is not None
    clips.signals[..., 7:] = 0
    clips.signals[:, 20, PLACE["broke"]] = 1
    tensors, generator = ClipTensors(clips, torch.device("cpu")), torch.Generator().manual_seed(0)
    drawn = [draw_ticks(tensors, 4, generator) for _ in range(600)]
    near = [float(weight) for t, weight in drawn if abs(int(t) - 20) <= 2]
    far = [float(weight) for t, weight in drawn if abs(int(t) - 20) > 2]
    assert len(near) > len(far) and near[0] < far[0]
    assert min(int(t) for t, _ in drawn) >= 4
    assert np.mean([float(weight) for _, weight in drawn]) == pytest.approx(1, abs=0.15)


def test_heads_alone_are_trained_on_a_frozen_world() -> None:
    recipe = replace(HEADED_RECIPE, only="heads", learning_rate=3e-3)
    one = trainer(recipe)
    before = {n: p.detach().clone() for n, p in one.model.named_parameters()}
    losses = [one.step(FakeSource().sample(), 0.1, FakeSource().sample)["loss"] for _ in range(30)]
    assert sum(losses[-5:]) < sum(losses[:5])
    moved = {n for n, p in one.model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {n for n in before if n.startswith("heads.")}


def test_heads_change_no_picture_in_training_with_all() -> None:
    alone = replace(TINY_RECIPE, critic=CriticConfig())  # critics begin at random
    plain, headed = trainer(alone), trainer(replace(alone, model=HEADED))
    headed.model.load_state_dict(plain.model.state_dict(), strict=False)
    for _ in range(3):
        plain.step(tiny_clips(), 0.1)
        assert "heads" in headed.step(tiny_clips(), 0.1)
    theirs = headed.model.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in plain.model.state_dict().items())


def test_an_older_optimiser_state_still_fits() -> None:
    plain, headed = trainer(), trainer(HEADED_RECIPE)
    names = [n for n, _ in headed.model.named_parameters()]
    assert names[: len(plain.parameters)] == [n for n, _ in plain.model.named_parameters()]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_source", lambda recipe, options, device: FakeSource())
    monkeypatch.setattr(program.Run, "show", lambda self, tracker: None)
    monkeypatch.setattr(program.Run, "_seeds", lambda run: _seeds())


def _seeds() -> Any:
    from worldsim.train.seeds import clip_seeds

    return clip_seeds(FakeSource(), 2)


@pytest.mark.usefixtures("fake")
def test_a_world_without_heads_is_given_them(tmp_path: Path) -> None:
    world = save_tiny_world(tmp_path / "old")
    assert load_world(world).model.heads is None  # and it dreams, see test_dream_env.py
    options = TrainOptions(init=str(world), out=str(tmp_path / "run"), steps=2, wandb="disabled")
    trained = main(replace(options, set=("only=heads",)))
    given = load_world(trained).model
    assert given.heads is not None and given.config.heads == HEADS
    old, new = load_checkpoint(world).tensors, load_checkpoint(trained).tensors
    assert all(torch.equal(value.half(), new[name].half()) for name, value in old.items())
    assert {name for name in new if name not in old} == {n for n in new if n.startswith("heads.")}


@pytest.mark.usefixtures("fake")
def test_a_run_that_was_begun_without_heads_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(recipe: Recipe) -> None:
        monkeypatch.setattr(program, "_recipe", lambda options: recipe)

    options = TrainOptions(out=str(tmp_path), wandb="disabled")
    begin(replace(TINY_RECIPE, steps=2))
    main(options)
    begin(replace(HEADED_RECIPE, steps=3))
    assert load_world(main(replace(options, resume=True))).model.heads is None
    other = replace(TINY.denoiser, channels=32)
    begin(replace(HEADED_RECIPE, model=replace(HEADED, denoiser=other)))
    with pytest.raises(ConfigError, match="differs"):
        main(replace(options, resume=True))


def test_a_dream_tells_what_it_believes(tmp_path: Path) -> None:
    env = DreamEnv(world=save_tiny_world(tmp_path / "w", config=HEADED), precision="float32")
    _, info = env.reset(seed=1)
    assert set(info["state"]) == {"pose"}  # nothing was dreamt yet
    _, _, _, _, info = env.step(noop())
    told = info["state"]
    assert set(told) >= {"pose", "on_ground", "in_water", "health", "slot", "held", "events"}
    assert set(told["events"]) == {"broken", "log", "placed", "hurt", "dead", "damage"}
    assert all(0 <= told["events"][name] <= 1 for name in ("broken", "log", "placed", "hurt", "dead"))
    assert 0 <= told["health"] <= 20 and told["slot"] in range(9)


def test_two_worlds_together_are_told_as_each_alone(tmp_path: Path) -> None:
    model = tiny_model(HEADED)
    simulator = Simulator(model, SimulatorConfig(precision="float32"))
    frames = torch.randint(0, 256, (2, 3, 48, 64, 3), dtype=torch.uint8)
    worlds = [simulator.begin(frames[i], seed=i) for i in range(2)]
    actions = torch.zeros(2, 25)
    both = simulator.step(worlds, actions)
    alone = [simulator.step([w], actions[:1])[0] for w in worlds]
    for a, b in zip(both, alone):
        assert a.signals is not None and b.signals is not None and len(a.signals) == len(SIGNALS)
        torch.testing.assert_close(a.signals, b.signals, rtol=1e-3, atol=1e-3)


def test_sources_have_every_signal() -> None:
    batch: ClipBatch = make().sample()
    assert batch.signals is not None and batch.signals.shape[-1] == len(SIGNALS)


def test_heads_look_at_parts_of_what_is_normalised_as_a_whole() -> None:
    heads = tiny_model(HEADED).heads
    assert heads is not None
    shape = (2, TINY.denoiser.channels, heads.rows, heads.columns)
    outer = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + 1
    seen, whole = heads.look(Features(outer[:, :, :2, :2], outer, torch.zeros(2, 4))), channel_norm(outer)
    top, left = (heads.rows - heads.patch) // 2, (heads.columns - heads.patch) // 2
    assert torch.equal(seen.hud, whole[:, :, -heads.strip :])
    assert torch.equal(seen.crosshair, whole[:, :, top : top + heads.patch, left : left + heads.patch])
