"""`worldsim train tokenizer`: trains the autoencoder on a live game or on recordings.

The run's folder holds `tokenizer/` (averaged weights and config), `state/` (to resume from),
`strips/` (above real frames, below decoded ones) and `metrics.jsonl`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from worldsim.checkpoint import load_training_state, save_checkpoint, save_training_state
from worldsim.config import from_json, to_json, with_overrides
from worldsim.data.episode import ClipBatch
from worldsim.errors import UsageError
from worldsim.png import grid, write_png
from worldsim.tracking import Tracker

from .autoencoder import RECIPES, TokenizerRecipe, TokenizerTrainer, check_figures
from .device import pick_device
from .interrupt import Interrupt
from .schedule import Budget

TOKENIZER_FOLDER, STATE_FOLDER = "tokenizer", "state"
STRIP_FRAMES = 6


@dataclass(frozen=True)
class TrainOptions:
    """What to train on, for how long, and where it goes."""

    recipe: str = "cpu"
    """A recipe: debug, cpu or gpu."""
    data: str | None = None
    """Folder of recordings to learn from."""
    live: str | None = None
    """Game to learn from as it is played, without a disk; worldsim/Voxel-v0 unless --data is given."""
    policy: str = "explorer"
    """Scripted player of a live game."""
    out: str = "runs/tokenizer"
    """Run folder."""
    minutes: float | None = None
    """Minutes of training in this call, in place of the recipe's."""
    steps: int | None = None
    """Optimiser steps in total, in place of minutes; needed for runs that repeat to the bit."""
    resume: bool = False
    """Go on with the run in the folder, with its own recipe and source."""
    seed: int = 0
    """Decides first weights, noise and the worlds played."""
    device: str = "auto"
    """cpu, cuda or auto."""
    wandb: Literal["disabled", "offline", "online"] = "offline"
    """Where Weights & Biases keeps the run."""
    set: tuple[str, ...] = ()
    """Changes to the recipe, as key=value."""


class Source(Protocol):
    """Where clips come from; `LiveSource` is one."""

    def sample(self) -> ClipBatch: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


def main(options: TrainOptions) -> Path:
    """Train as told and return the folder of the trained tokenizer."""
    folder = Path(options.out)
    saved, plan = _plan(options, folder)
    recipe = from_json(TokenizerRecipe, plan["recipe"], "recipe")
    trainer = TokenizerTrainer(recipe, device=pick_device(options.device), seed=plan["seed"])
    source = _source(plan, recipe)
    try:
        with Tracker(folder, options.wandb, config=plan) as tracker:
            run = Run(trainer, source, folder, plan, tracker)
            if saved is not None:
                run.load(saved)
            run.train()
    finally:
        source.close()
    return folder / TOKENIZER_FOLDER


class Run:
    """The clock, the files and the progress bar around a trainer."""

    def __init__(
        self, trainer: TokenizerTrainer, source: Source, folder: Path, plan: dict[str, Any], tracker: Tracker
    ) -> None:
        self.trainer, self.source, self.folder, self.plan, self.tracker = (
            trainer,
            source,
            folder,
            plan,
            tracker,
        )
        self.seconds = 0.0
        """Time trained in this call."""
        self.before = 0.0
        """Time trained in earlier calls."""

    def load(self, saved: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.trainer.load_state_dict(saved["trainer"])
        self.source.load_state_dict(saved["source"])
        self.before = float(saved["seconds"])

    def train(self) -> None:
        """Train until the budget is spent; a signal ends it after a step, with everything saved."""
        recipe, trainer = self.trainer.recipe, self.trainer
        budget = Budget(recipe.minutes, recipe.steps)
        save, strip, report = _Timer(recipe.save_minutes), _Timer(recipe.strip_minutes), _Timer(1 / 60)
        first_frame, began = trainer.frames, 0.0
        with Interrupt() as interrupt, _bar() as bar:
            while (progress := budget.progress(trainer.step, self.seconds)) < 1.0 and not interrupt.asked:
                frames = _flat(self.source.sample())
                if not began:  # the game has come up
                    began = time.monotonic()
                    for timer in (save, strip, report):
                        timer.restart()
                figures = trainer.train_step(frames, progress)
                self.seconds = time.monotonic() - began
                if report.due():
                    bar.update(100.0 * progress - bar.n)
                    self._report(figures, (trainer.frames - first_frame) / self.seconds, bar)
                if strip.due():
                    self._strip(frames)
                if save.due():
                    self._save()
            if began:
                self._report(figures, (trainer.frames - first_frame) / self.seconds, bar)
                self._save()
                self._strip(frames)
        interrupt.finish()

    def _report(self, figures: dict[str, Any], speed: float, bar: Any) -> None:
        values = {name: float(value) for name, value in figures.items()}
        check_figures(values, self.trainer.step)
        self.tracker.log(
            {**values, "frames": self.trainer.frames, "frames_per_second": speed}, self.trainer.step
        )
        bar.set_postfix_str(f"{speed:.0f} frames/s, loss {values['loss']:.3f}, {values['psnr']:.1f} dB")

    def _strip(self, frames: NDArray[np.uint8]) -> None:
        real = frames[:STRIP_FRAMES]
        path = self.folder / "strips" / f"step-{self.trainer.step:07d}.png"
        write_png(path, grid([real, self.trainer.decoded(real)]))
        self.tracker.image("strip", path, self.trainer.step)

    def _save(self) -> None:
        trainer, seconds = self.trainer, self.before + self.seconds
        info = {
            "kind": "tokenizer",
            "step": trainer.step,
            "frames": trainer.frames,
            "seconds": round(seconds, 1),
        }
        config = to_json(trainer.recipe.model)
        save_checkpoint(self.folder / TOKENIZER_FOLDER, trainer.ema.module_state(), config, info=info)
        state = {"trainer": trainer.state_dict(), "source": self.source.state_dict(), "seconds": seconds}
        save_training_state(self.folder / STATE_FOLDER, {**state, "plan": self.plan})


class _Timer:
    """Says once every so many minutes that something is due."""

    def __init__(self, minutes: float) -> None:
        self._seconds = 60.0 * minutes
        self.restart()

    def restart(self) -> None:
        self._last = time.monotonic()

    def due(self) -> bool:
        if time.monotonic() - self._last < self._seconds:
            return False
        self.restart()
        return True


def _bar() -> Any:
    return tqdm(
        total=100.0, disable=None, bar_format="{percentage:3.0f}%|{bar:24}| {elapsed}<{remaining}{postfix}"
    )


def _flat(clips: ClipBatch) -> NDArray[np.uint8]:
    return clips.frames.reshape(-1, *clips.frames.shape[2:])


def _source(plan: dict[str, Any], recipe: TokenizerRecipe) -> Source:
    """Single frames from the game or the recordings that the plan names."""
    if plan["data"] is not None:
        from worldsim.data.dataset import ClipDataset

        return ClipDataset(plan["data"], length=1, batch=recipe.batch, seed=plan["seed"])
    from worldsim.data.live import LiveSource

    return LiveSource(
        plan["live"], plan["policy"], length=1, batch=recipe.batch, workers=recipe.workers, seed=plan["seed"],
        width=recipe.width, height=recipe.height, depth=False, reuse=recipe.reuse,
    )  # fmt: skip


def _plan(options: TrainOptions, folder: Path) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """What to resume from (None for a new run), and the run's recipe, source and seed as JSON values."""
    state = folder / STATE_FOLDER
    if options.resume:
        saved = load_training_state(state)
        recipe = from_json(TokenizerRecipe, saved["plan"]["recipe"], "recipe")
        return saved, {**saved["plan"], "recipe": _changed(recipe, options)}
    if state.exists():
        raise UsageError(
            f"--out: {folder} holds a training run; add --resume to go on, or choose another folder"
        )
    if options.data and options.live:
        raise UsageError("--data and --live: got both, expected one source of clips")
    if options.recipe not in RECIPES:
        raise UsageError(f"recipe {options.recipe!r}: unknown; did you mean {' or '.join(RECIPES)}?")
    source = {
        "data": None if options.data is None else str(Path(options.data).absolute()),
        "live": options.live or "worldsim/Voxel-v0",
        "policy": options.policy,
        "seed": options.seed,
    }
    return None, {**source, "recipe": _changed(RECIPES[options.recipe](), options)}


def _changed(recipe: TokenizerRecipe, options: TrainOptions) -> dict[str, Any]:
    values = to_json(with_overrides(recipe, list(options.set)))
    if options.minutes is not None or options.steps is not None:
        values |= {"minutes": options.minutes, "steps": options.steps}
    Budget(values["minutes"], values["steps"])
    return values
