"""Training the autoencoder: it learns, resumes to the bit, and leaves whole files behind."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from worldsim.train import tokenizer as program
from worldsim.train.autoencoder import TokenizerRecipe, TokenizerTrainer, reconstruction_loss
from worldsim.train.ema import EMA
from worldsim.train.schedule import Budget, decay, ema_decay, warmup_decay

from worldsim.checkpoint import load_checkpoint, load_into
from worldsim.config import from_json
from worldsim.data.episode import ClipBatch
from worldsim.errors import CheckpointError, ConfigError, NumericalError, UsageError
from worldsim.model.tokenizer import TokenizerConfig, build_tokenizer
from worldsim.png import grid, write_png
from worldsim.tracking import read_metrics

RECIPE = TokenizerRecipe(
    TokenizerConfig("autoencoder", 4, 4, 8), width=32, height=32, batch=4, warmup=3, ema=0.9
)


class Blocks:
    """Frames of random coloured blocks; the n-th batch is always the same."""

    def __init__(self, after: Any = None) -> None:
        self.draws, self.after = 0, after

    def sample(self, *, length: int | None = None) -> ClipBatch:
        if self.after is not None:
            self.after(self.draws)
        colours = np.random.default_rng(self.draws).integers(0, 256, (4, 1, 4, 4, 3), np.uint8)
        self.draws += 1
        frames = colours.repeat(8, 2).repeat(8, 3)
        return ClipBatch(frames, np.zeros((4, 1, 25), np.float32), None, None, None, ("",) * 4)

    def state_dict(self) -> dict[str, Any]:
        return {"draws": self.draws}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.draws = state["draws"]

    def close(self) -> None:
        pass


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, source: Blocks | None = None, **options: Any) -> Path:
    monkeypatch.setattr(program, "_source", lambda plan, recipe: source or Blocks())
    monkeypatch.setitem(program.RECIPES, "tiny", lambda: RECIPE)
    return program.main(program.TrainOptions(out=str(folder), recipe="tiny", wandb="disabled", **options))


def test_a_resumed_run_is_the_same_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(tmp_path / "whole", monkeypatch, steps=8)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", monkeypatch, steps=8, source=Blocks(lambda n: stop() if n == 3 else None))
    assert load_checkpoint(tmp_path / "cut" / "tokenizer").step == 4
    torch.manual_seed(99)
    cut = run(tmp_path / "cut", monkeypatch, resume=True)
    assert load_checkpoint(cut).hash == load_checkpoint(whole).hash
    assert load_checkpoint(cut).info["step"] == 8 and load_checkpoint(cut).info["frames"] == 32


def stop() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_sigterm_saves_and_ends_as_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def terminate(n: int) -> None:
        if n == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as stopped:
        run(tmp_path / "t", monkeypatch, steps=8, source=Blocks(terminate))
    assert stopped.value.code == 143 and load_checkpoint(tmp_path / "t" / "tokenizer").step == 3


def test_what_a_run_leaves_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run(tmp_path / "r", monkeypatch, steps=5)
    assert sorted(os.listdir(tmp_path / "r")) == ["metrics.jsonl", "state", "strips", "tokenizer"]
    read = load_checkpoint(folder)
    model = build_tokenizer(from_json(TokenizerConfig, read.config))
    load_into(model, read.tensors)
    image = pytest.importorskip("PIL.Image").open(tmp_path / "r" / "strips" / "step-0000005.png")
    assert image.size == (4 * 32, 2 * 32)
    last = read_metrics(tmp_path / "r")[-2]
    assert last["step"] == 5 and last["frames"] == 20 and last["loss"] > 0


def test_it_learns() -> None:
    trainer = TokenizerTrainer(replace(RECIPE, learning_rate=5e-3), device=torch.device("cpu"), seed=0)
    source, losses = Blocks(), []
    for i in range(80):
        frames = source.sample().frames[:, 0]
        losses.append(trainer.train_step(frames, i / 80))
    assert float(losses[-1]["loss"]) < 0.6 * float(losses[0]["loss"])
    assert 0.5 < float(losses[-1]["latent_std"]) < 1.6
    assert trainer.decoded(frames).shape == frames.shape


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="nothing to resume"):
        run(tmp_path / "none", monkeypatch, resume=True)
    with pytest.raises(UsageError, match="both"):
        run(tmp_path / "none", monkeypatch, data="a", live="b")
    with pytest.raises(UsageError, match="device"):
        run(tmp_path / "none", monkeypatch, device="tpu")
    with pytest.raises(UsageError, match="'nano': unknown"):
        program.main(program.TrainOptions(recipe="nano", out=str(tmp_path / "none")))
    with pytest.raises(ConfigError, match="minutes"):
        run(tmp_path / "none", monkeypatch, minutes=-1.0)
    with pytest.raises(ConfigError, match="wdith"):
        run(tmp_path / "none", monkeypatch, set=("wdith=3",))
    with pytest.raises(ConfigError, match="autoencoder"):
        run(tmp_path / "none", monkeypatch, set=("model.kind=space_to_depth",))
    assert os.listdir(tmp_path) == []
    run(tmp_path / "r", monkeypatch, steps=1)
    with pytest.raises(UsageError, match="--resume"):
        run(tmp_path / "r", monkeypatch, steps=1)


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NumericalError, match="learning_rate"):
        run(tmp_path / "r", monkeypatch, steps=5, set=("gradient=1e39",))
    assert not (tmp_path / "r" / "tokenizer").exists()


def test_reconstruction_loss_counts_edges() -> None:
    real = torch.zeros(1, 3, 4, 4)
    assert reconstruction_loss(real, real, 1.0) == 0
    assert reconstruction_loss(real + 0.5, real, 1.0) == pytest.approx(0.5)
    stripes = real.clone()
    stripes[..., ::2] = 1.0
    assert reconstruction_loss(stripes, real, 1.0) == pytest.approx(0.5 + 1.0)


def test_schedule() -> None:
    budget = Budget(minutes=1.0, steps=10)
    assert (
        budget.progress(5, 0.0) == 0.5
        and budget.progress(0, 45.0) == 0.75
        and budget.progress(99, 0.0) == 1.0
    )
    assert Budget(steps=4).progress(1, 1e9) == 0.25
    for bad in ((None, None), (0.0, None), (float("nan"), None), (None, -1)):
        with pytest.raises(ConfigError):
            Budget(*bad)
    assert [decay(p, "linear", start=0.5, floor=0.1) for p in (0.0, 0.5, 0.75, 1.0, 2.0)] == pytest.approx(
        [1.0, 1.0, 0.55, 0.1, 0.1]
    )
    assert [decay(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 0.5, 0.0])
    assert warmup_decay(0.0, step=0, warmup_steps=4) == 0.25 and warmup_decay(0.0, kind="constant") == 1.0
    assert ema_decay(0) == 0.1 and ema_decay(10**6) == 0.999


def test_ema() -> None:
    module = torch.nn.Linear(2, 2)
    average = EMA(module, lambda n: 0.5)
    start = module.weight.detach().clone()
    with torch.no_grad():
        module.weight.add_(1.0)
    average.update()
    assert torch.allclose(average.values["weight"], start + 0.5)
    with pytest.raises(RuntimeError), average.swap():
        assert torch.allclose(module.weight, start + 0.5)
        raise RuntimeError
    assert torch.equal(module.weight, start + 1.0)
    other = EMA(torch.nn.Linear(2, 2))
    other.load_state_dict(average.state_dict())
    assert torch.equal(other.values["weight"], average.values["weight"]) and other.updates == 1
    assert torch.allclose(average.module_state()["weight"], start + 0.5)
    with pytest.raises(CheckpointError, match="weight"):
        EMA(torch.nn.Linear(3, 2)).load_state_dict(average.state_dict())


def test_png(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    rows = [np.random.default_rng(i).integers(0, 256, (3, 5, 7, 3), np.uint8) for i in range(2)]
    write_png(tmp_path / "a" / "b.png", grid(rows))
    read = np.asarray(image.open(tmp_path / "a" / "b.png"))
    assert read.shape == (10, 21, 3) and np.array_equal(read[5:, :7], rows[1][0])
