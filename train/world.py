"""Train a world:

    worldsim train world --recipe debug --live worldsim/Voxel-v0 --minutes 1 --out runs/debug
    worldsim train world --recipe cpu --data runs/recordings --out runs/mine --resume

The run folder gets `world/` (weights and configuration: play it with `worldsim play --world DIR`),
`state/` (what resuming needs), `metrics.jsonl`, `recipe.json` and `strips/`.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from tqdm import tqdm

from worldsim import registry
from worldsim.atomic import write_file
from worldsim.checkpoint import find_world, load_checkpoint, load_into, save_checkpoint
from worldsim.config import from_json, to_json, with_overrides
from worldsim.data.dataset import ClipDataset
from worldsim.data.episode import ClipBatch
from worldsim.data.live import LiveSource
from worldsim.data.storage import EpisodeStore
from worldsim.errors import ConfigError, DatasetError, UsageError
from worldsim.model.hands import HandsConfig
from worldsim.model.overlay import OverlayConfig
from worldsim.model.world_model import WorldModel, WorldModelConfig
from worldsim.sim.exemplars import EXEMPLARS_FILE, Exemplars, encode_exemplars, load_exemplars
from worldsim.sim.seeds import SEEDS_FILE, Seeds, encode_seeds, load_seeds
from worldsim.sim.simulator import SimulatorConfig
from worldsim.tracking import Tracker
from worldsim.training_state import load_training_state, save_training_state

from . import preview
from .ahead import Ahead, Source
from .exemplars import clip_exemplars, record_exemplars
from .interrupt import Interrupt
from .profiling import write_profile
from .recipes import HEADS, Recipe
from .recorded_overlay import mark_overlay
from .recordings import open_recordings
from .resident import Resident
from .schedule import Budget
from .seeds import clip_seeds, record_seeds
from .surveys import VIEWS
from .trainer import WorldTrainer, seed_everything

WORLD_FOLDER, STATE_FOLDER = "world", "state"
_SEEDS = 24
_PROFILED = 40
"""Steps after which a profile is taken, if one is asked for."""
_ADDED = ("heads.",)
"""Parts that change nothing when they are new: a world that has none can be given them by --set."""


@dataclass(frozen=True)
class TrainOptions:
    """What to train, from which clips, for how long and where to."""

    recipe: str = "cpu"
    """A recipe: debug, small, cpu, gpu, or latent (with --tokenizer)."""
    data: str | None = None
    """Folder of recordings to learn from."""
    live: str | None = None
    """Game to learn from as it is played, without a disk; worldsim/Voxel-v0 unless --data is given."""
    policy: str = "explorer"
    """Scripted player of a live game."""
    out: str = "runs/world"
    """Run folder."""
    minutes: float | None = None
    """Minutes of training in this call, in place of the recipe's."""
    steps: int | None = None
    """Optimiser steps in total, in place of minutes."""
    within: float | None = None
    """Minutes, in place of those of training, after which it ends counted from this call: loading,
    compiling and waiting for the game are inside, saving and the last strip come on top."""
    resume: bool = False
    """Go on with the run in the folder."""
    init: str | None = None
    """World to start from: a shipped name or a folder; its architecture replaces the recipe's."""
    tokenizer: str | None = None
    """Trained tokenizer's folder, for recipes on learned latents."""
    seed: int = 0
    """Decides initial weights, order and noise."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    profile: bool = False
    """Write profile.txt after some steps: where the time of a few of them goes."""
    set: tuple[str, ...] = ()
    """Changes of the recipe, such as model.denoiser.channels=64."""
    wandb: Literal["disabled", "offline", "online"] = "offline"
    """Weights & Biases beside metrics.jsonl."""


def main(options: TrainOptions) -> Path:
    """Train as told and return the folder of the trained world."""
    began = time.monotonic()
    recipe = _recipe(options)
    device = _device(options.device)
    out = Path(options.out)
    _check_folder(out, options)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    state = load_training_state(out / STATE_FOLDER) if options.resume else None
    if state is not None:
        recipe = _as_begun(recipe, state["recipe"])
    seed_everything(options.seed)
    trainer = WorldTrainer(recipe, _model(recipe, options), seed=options.seed, device=device)
    source = _source(recipe, options, trainer.model)
    seconds = 0.0
    if state is not None:
        trainer.load_state_dict(state["trainer"])
        source.load_state_dict(state["source"])
        seconds = float(state["seconds"])
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.json").write_text(json.dumps(to_json(recipe), indent=2) + "\n")
    run = Run(trainer, source, recipe, options, out, seconds, began)
    with Tracker(out, options.wandb, config=to_json(recipe)) as tracker:
        try:
            run.train(tracker)
        finally:
            source.close()
    return out / WORLD_FOLDER


class Run:
    """The clock, the files and the progress bar around a trainer."""

    def __init__(
        self,
        trainer: WorldTrainer,
        source: Source,
        recipe: Recipe,
        options: TrainOptions,
        out: Path,
        seconds: float,
        began: float,
    ) -> None:
        self.trainer, self.source, self.recipe, self.options, self.out = trainer, source, recipe, options, out
        self.before, self.first_frame, self.first_step = seconds, trainer.frames_seen, trainer.step_count
        self.budget = Budget(minutes=recipe.minutes, steps=recipe.steps)
        self.end = math.inf if options.within is None else began + 60 * options.within
        self.shown = 0.0
        self.twin: preview.Twin | None = None

    def train(self, tracker: Tracker) -> None:
        """Train until the budget is spent; Ctrl-C saves and ends."""
        if isinstance(self.source, Resident):
            self.source.start()
        if self.recipe.compile:
            self.trainer.rehearse()  # while the game begins
        self._first_batch = self.source.sample()  # waits for the game before the clock starts
        self.start = time.monotonic()
        if self.end < math.inf:
            left = max(self.end - self.start, 1.0)  # one second: a step, so that there is something to save
            self.budget = replace(self.budget, minutes=left / 60)
        every = math.inf if self.recipe.preview_minutes is None else self.recipe.preview_minutes * 60
        next_save, next_preview = self.recipe.save_minutes * 60, every
        with Interrupt() as interrupt, self._bar() as bar:
            while (progress := self._progress()) < 1 and not interrupt.asked:
                losses = self.trainer.step(self._clips(), progress, self._long_clips)
                self._report(bar, tracker, losses)
                if self.options.profile and self.trainer.step_count == self.first_step + _PROFILED:
                    self._profile()
                if self._seconds() > next_save:
                    next_save = self._seconds() + self.recipe.save_minutes * 60
                    self.save()
                if self._seconds() > next_preview:
                    next_preview = self._seconds() + every
                    self.show(tracker)
            self.save()
        interrupt.finish()
        if every < math.inf:
            self.show(tracker)

    def save(self) -> None:
        """Write the averaged weights and the state of the run."""
        trainer, seconds = self.trainer, self.before + self._seconds()
        info = {
            "step": trainer.step_count, "frames": trainer.frames_seen, "seconds": round(seconds, 1),
            "engine": self.options.live if self.options.data is None else None,
            "data": self.options.data, "recipe": self.options.recipe,
        }  # fmt: skip
        config = to_json(self.recipe.model)
        world = self.out / WORLD_FOLDER
        save_checkpoint(world, trainer.ema.module_state(), config, info=info, dtype=torch.float16)
        if not (world / SEEDS_FILE).exists():
            write_file(world / SEEDS_FILE, encode_seeds(self._seeds()))
        if self.recipe.exemplars and not (world / EXEMPLARS_FILE).exists():
            write_file(world / EXEMPLARS_FILE, encode_exemplars(self._exemplars()))
        state = {
            "trainer": trainer.state_dict(), "source": self.source.state_dict(),
            "seconds": seconds, "recipe": to_json(self.recipe),
        }  # fmt: skip
        save_training_state(self.out / STATE_FOLDER, state)

    def show(self, tracker: Tracker) -> None:
        """Dream along recorded play, write a strip and log its figures; takes no training time."""
        began = time.monotonic()
        if self.twin is None:
            self.twin = self._twin()
        step = self.trainer.step_count
        # Other shapes than in training: compiled code would be compiled again for a few seconds' use.
        with torch.compiler.set_stance("force_eager"), self.trainer.ema.swap() as model:
            assert isinstance(model, WorldModel)
            dreamt, drift = preview.dream(model, self.twin, SimulatorConfig(precision=self.recipe.precision))
            model.requires_grad_(True)
        values = preview.figures(dreamt, self.twin, drift)
        path = self.out / "strips" / f"step-{step:07d}.png"
        preview.strip(dreamt, self.twin, path)
        tracker.log({f"preview/{k}": v for k, v in values.items()}, step)
        tracker.image("strip", path, step)
        tqdm.write(
            f"step {step}: "
            + "  ".join(f"{k} {v:.2f}" for k, v in values.items() if k[:4] in ("psnr", "deta"))
        )
        self.start += time.monotonic() - began

    def _twin(self) -> preview.Twin:
        """What strips are compared with: worlds never seen, or clips of recordings without depth, another game's."""
        worlds, frames, d = 8, preview.CONTEXT + 64, self.recipe.model.denoiser
        if isinstance(self.source, ClipDataset) and not self.source.has_depth:
            return preview.Twin(self._long_clips(worlds, frames))
        engine = self.options.live or registry.GAME
        return preview.record_twin(
            engine, "explorer", worlds=worlds, frames=frames, width=d.width, height=d.height
        )

    def _profile(self) -> None:
        def step() -> None:
            self.trainer.step(self._clips(), self._progress(), self._long_clips)

        write_profile(step, self.out / "profile.txt", self.trainer.device)

    def _seeds(self) -> Seeds:
        if (home := self._home()) is not None and (kept := load_seeds(home)) is not None:
            return kept
        if self.options.data is not None:
            return clip_seeds(self.source, _SEEDS)
        return record_seeds(*self._played(), count=_SEEDS, **self._size())

    def _exemplars(self) -> Exemplars:
        count, places, size = self.recipe.exemplars, self.recipe.places, self._size()
        if (home := self._home()) is not None:
            kept = load_exemplars(home, (size["height"], size["width"]))
            if kept is not None:
                return kept
        if self.options.data is not None:
            return clip_exemplars(self.source, count + VIEWS * places)
        return record_exemplars(*self._played(), count=count, places=places, caves=self.recipe.caves, **size)

    def _home(self) -> Path | None:
        """The world that this one goes on from in the game that it is of: what lies beside its weights is kept."""
        o = self.options
        return find_world(o.init) if o.init and o.data is None and _same_game(o) else None

    def _played(self) -> tuple[str, str]:
        """The game that is learnt from, and its player."""
        return self.options.live or registry.GAME, self.options.policy

    def _size(self) -> dict[str, int]:
        d = self.recipe.model.denoiser
        return {"width": d.width, "height": d.height}

    def _clips(self) -> ClipBatch:
        batch, self._first_batch = self._first_batch, None  # type: ignore[assignment]
        return self.source.sample() if batch is None else batch

    def _long_clips(self, count: int, length: int = 0) -> ClipBatch:
        """Clips for long dreams, as long as the recipe wishes or the recordings are."""
        try:
            return self.source.sample(count, length=length or max(self.recipe.long_clip, self.recipe.clip))
        except DatasetError as error:
            tqdm.write(f"{error}; long dreams are as long as clips now")
            self.recipe = replace(self.recipe, long_clip=self.recipe.clip)
            return self.source.sample(count, length=self.recipe.clip)

    def _seconds(self) -> float:
        return time.monotonic() - self.start

    def _progress(self) -> float:
        return self.budget.progress(self.trainer.step_count, self._seconds())

    @contextmanager
    def _bar(self) -> Iterator[tqdm[Any]]:
        unit = {
            "unit": "s",
            "bar_format": "{desc} {percentage:3.0f}% |{bar:24}| {elapsed}<{remaining} {postfix}",
        }
        with tqdm(total=1000, desc="training", dynamic_ncols=True, mininterval=1.0, **unit) as bar:
            yield bar

    def _report(self, bar: tqdm[Any], tracker: Tracker, losses: dict[str, float]) -> None:
        fps = (self.trainer.frames_seen - self.first_frame) / max(self._seconds(), 1e-6)
        if time.monotonic() > self.shown + (1.0 if sys.stderr.isatty() else 15.0):  # logs stay readable
            self.shown = time.monotonic()
            bar.n = int(1000 * self._progress())
            bar.set_postfix_str(
                f"step {self.trainer.step_count} loss {losses['loss']:.3f} {fps:.0f} frames/s"
            )
        if self.trainer.step_count % 10 == 1:
            values = {**losses, "frames": self.trainer.frames_seen, "frames_per_second": fps}
            tracker.log(values, self.trainer.step_count)


def _recipe(options: TrainOptions) -> Recipe:
    if options.within is not None and options.minutes is not None:
        raise UsageError("--minutes and --within: got both, expected one end of the run")
    minutes = options.minutes if options.within is None else options.within
    recipe: Recipe = registry.resolve(registry.RECIPES, options.recipe, "recipe")()
    if options.init:
        config = load_checkpoint(find_world(options.init)).config
        grown = from_json(WorldModelConfig, config, f"--init {options.init}")
        recipe = _grown_from(recipe, grown, same_game=_same_game(options))
    recipe = with_overrides(recipe, list(options.set))
    if recipe.only == "heads" and not recipe.model.heads.width:
        recipe = replace(recipe, model=replace(recipe.model, heads=HEADS))
    if options.steps is not None:
        recipe = replace(recipe, steps=options.steps, minutes=minutes)
    elif minutes is not None:
        recipe = replace(recipe, minutes=minutes)
    Budget(minutes=recipe.minutes, steps=recipe.steps)
    return recipe


def _grown_from(recipe: Recipe, model: WorldModelConfig, *, same_game: bool) -> Recipe:
    """The recipe with the architecture of the world it starts from; how frames are brought along is none of that.

    Another game has other items and another hotbar: hands and overlay stay behind.
    """
    if not same_game:
        model = replace(model, hands=HandsConfig(), overlay=OverlayConfig())
    asked = recipe.model.denoiser.compensation
    if asked != "full":
        model = replace(model, denoiser=replace(model.denoiser, compensation=asked))
    return replace(recipe, model=model)


def _same_game(options: TrainOptions) -> bool:
    """Whether it learns from the game that shipped worlds are of, or from dreams of it."""
    if options.data is None:
        return options.live in (None, registry.GAME)
    store = EpisodeStore(options.data)
    return len(store) > 0 and store.manifest(0).meta.get("env") in (registry.GAME, registry.DREAM)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(f"device: got {name!r}, but torch sees no GPU; use --device cpu")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"device: got {name!r}, expected cpu, cuda or auto") from error


def _check_folder(out: Path, options: TrainOptions) -> None:
    has_state = (out / STATE_FOLDER).is_dir()
    if options.resume and not has_state:
        raise UsageError(f"--resume: {out} holds no training run; leave out --resume to begin one")
    if has_state and not options.resume:
        raise UsageError(
            f"--out: {out} holds a training run; add --resume to go on, or choose another folder"
        )
    if not has_state and ((out / "manifest.json").exists() or (out / "config.json").exists()):
        raise UsageError(f"--out: {out} holds recordings or a world; choose another folder")
    if options.data and options.live:
        raise UsageError("--data and --live: got both, expected one source of clips")


def _as_begun(recipe: Recipe, before: dict[str, Any]) -> Recipe:
    """The recipe for the run's own model: one that was begun without heads, hands and so on goes on without them.

    Raises:
        ConfigError: the models differ otherwise.
    """
    model = from_json(WorldModelConfig, before["model"], "--resume")
    later = {name: getattr(model, name) for name in ("heads", "hands", "overlay", "monodepth")}
    if replace(recipe.model, **later) != model:
        raise ConfigError(
            "--resume: the model of the recipe differs from the run's; resume with the same recipe"
        )
    return replace(recipe, model=model)


def _model(recipe: Recipe, options: TrainOptions) -> WorldModel:
    model = WorldModel(recipe.model)
    if options.tokenizer:
        load_into(model.tokenizer, load_checkpoint(options.tokenizer).tensors)
    model.tokenizer.requires_grad_(False)
    if options.init:
        tensors = load_checkpoint(find_world(options.init)).tensors
        added = {name: t for name, t in model.state_dict().items() if name.startswith(_ADDED)}
        left = () if _same_game(options) else ("hands.", "overlay.")
        load_into(model, {**added, **{name: t for name, t in tensors.items() if not name.startswith(left)}})
    if not (options.init and _same_game(options)):
        _mark_overlay(model, options)
    return model


def _mark_overlay(model: WorldModel, options: TrainOptions) -> None:
    """Say where the picture does not turn with the camera: the game knows, or its recordings show it."""
    height, width = model.usable.shape
    if options.data is None or _same_game(options):
        engine = registry.resolve(registry.ENGINES, options.live or registry.GAME, "engine")
        model.usable.copy_(torch.from_numpy(~engine(width=width, height=height).overlay_mask()))
        return
    mark_overlay(model, options.data)


def _source(recipe: Recipe, options: TrainOptions, model: WorldModel) -> Source:
    if options.data is None and recipe.resident_gb > 0:
        return Resident(_live(recipe, options), model.usable.device, recipe.resident_gb)
    source = (
        _live(recipe, options)
        if options.data is None
        else open_recordings(recipe, options.data, options.seed, model)
    )
    return Ahead(source) if recipe.ahead else source


def _live(recipe: Recipe, options: TrainOptions) -> LiveSource:
    d = recipe.model.denoiser
    return LiveSource(
        options.live or registry.GAME, options.policy, length=recipe.clip, batch=recipe.batch,
        workers=recipe.workers, seed=options.seed, width=d.width, height=d.height, engines=recipe.engines,
        reuse=recipe.reuse, memory_mb=recipe.memory_mb,
    )  # fmt: skip
