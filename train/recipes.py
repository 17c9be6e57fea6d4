"""Complete training runs as functions that return a configuration: change one by writing another."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from worldsim.model.denoiser import DenoiserConfig
from worldsim.model.heads import HeadsConfig
from worldsim.model.motion import MotionConfig
from worldsim.model.tokenizer import TokenizerConfig
from worldsim.model.world_model import WorldModelConfig

from .critic import CriticConfig
from .examples import ExampleConfig
from .objective import ObjectiveConfig

HEADS = HeadsConfig(width=192)
"""What a trained world is given by `only=heads`, if it has none."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a world's training, apart from where its clips come from."""

    model: WorldModelConfig = field(default_factory=WorldModelConfig)
    """The architecture."""
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    """What is asked of it."""
    examples: ExampleConfig = field(default_factory=ExampleConfig)
    """What it is shown."""
    critic: CriticConfig = field(default_factory=CriticConfig)
    """Who says whether what it invents looks like the game."""
    only: Literal["all", "motion", "heads"] = "all"
    """What is trained: everything, or the motion head or the heads of the game's signals alone, which is cheap."""
    repeats: int = 4
    """Updates of the heads a frame that is drawn for them, if they are trained alone."""
    lessons: int = 2048
    """Frames that they learn from, the last ones; 80 KB each at the shipped size."""
    moments: int = 2
    """Moments of each clip that an optimiser step teaches the motion head."""
    batch: int = 16
    """Clips an optimiser step."""
    clip: int = 40
    """Frames a clip: how far back references can lie."""
    rollout: tuple[float, ...] = (0.55, 0.25, 0.1, 0.1)
    """Chances of training 1, 2, 3, ... frames in a row, each on the model's own last one."""
    long_clip: int = 64
    """Frames of the clips that long rollouts dream over."""
    long_rollout: float = 0.5
    """Share of optimiser steps that go on with a clip dreamt over many steps, up to its end."""
    eventful: float = 0.25
    """Share of rows of fresh clips that begin where a block breaks or is placed, if that happens in the clip."""
    rollout_after: int = 300
    """Optimiser steps before own predictions are used."""
    learning_rate: float = 6e-4
    """AdamW's, at its highest."""
    weight_decay: float = 0.01
    """AdamW's."""
    warmup: int = 200
    """Steps over which the learning rate rises."""
    decay_start: float = 0.6
    """Share of the run after which the learning rate falls to nothing."""
    grad_clip: float = 1.0
    """Largest norm of the gradient."""
    ema: float = 0.9995
    """Limit of the weight average's decay."""
    minutes: float | None = 60.0
    """Length of the run; None if `steps` alone ends it."""
    steps: int | None = None
    """Largest number of optimiser steps."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """bfloat16 where it is fast."""
    compile: bool = False
    """Compile the denoiser."""
    workers: int = 1
    """Processes that play the game; 0 plays in the training process, to the bit the same every time."""
    engines: int = 12
    """Games a worker plays in turn."""
    reuse: float = 32.0
    """How often a frame is used before it is overwritten."""
    ahead: bool = False
    """Draw the next batch during a step; a resumed run skips one."""
    memory_mb: float = 400.0
    """Size of one worker's frames."""
    resident_gb: float = 0.0
    """Memory of the device that keeps frames, so that each is sent there once; 0 sends every clip."""
    keep_dreams: bool = True
    """Save the clips of long dreams with the run, which a resumed run needs to go on to the bit."""
    threads: int | None = None
    """Threads of matrix products; None leaves torch's choice."""
    exemplars: int = 120
    """Single views of the game that go with the world, for it to begin inventions from; 9 KB each as it ships."""
    places: int = 36
    """Places of the game, of 24 views each (see `surveys`), that go with it; recordings give as many single views."""
    caves: int = 6
    """Caves of a live game, of up to 24 views each (see `caves`), that go with it."""
    preview_minutes: float | None = 10.0
    """Time between strips of real against generated frames, one at the end included; None for none at all."""
    save_minutes: float = 5.0
    """Time between checkpoints."""


def debug() -> Recipe:
    """A minute on a CPU: small frames, a small network, every part exercised."""
    d = DenoiserConfig(height=48, width=80, channels=32, blocks=1, attention=1, head_size=32, cond=96)
    return Recipe(
        model=WorldModelConfig(d, MotionConfig(width=128), HeadsConfig(width=64)),
        batch=8, clip=16, long_clip=32, rollout_after=20, warmup=20, minutes=1.0, workers=1, engines=4, memory_mb=40,
        preview_minutes=0.5, save_minutes=0.5, exemplars=12, places=1, caves=0,
        objective=ObjectiveConfig(shortcut_after=40),
    )  # fmt: skip


def small() -> Recipe:
    """Minutes on a CPU: a quarter of the shipped frame's pixels, where recipes are compared (docs/experiments.md)."""
    d = DenoiserConfig(height=48, width=80, channels=64, blocks=1, attention=1, cond=192)
    return Recipe(
        model=WorldModelConfig(d, MotionConfig(width=128), HEADS),
        minutes=20.0, engines=8, memory_mb=120, rollout_after=200, warmup=100, preview_minutes=5.0,
    )  # fmt: skip


def cpu() -> Recipe:
    """Hours on a laptop: 160x96 frames, the size that ships."""
    return Recipe(model=WorldModelConfig(DenoiserConfig(channels=96), heads=HEADS), minutes=240.0)


def luanti() -> Recipe:
    """A quarter of an hour on a CPU: the shipped world learns another game of its size from recordings with poses.

    `worldsim train world --recipe luanti --init voxel --data runs/luanti` (docs/luanti-world.md). Recordings that tell
    turns alone want `--set model.denoiser.compensation=rotation`.
    """
    return replace(cpu(), batch=8, minutes=15.0, learning_rate=3e-4, warmup=100, ema=0.998, rollout_after=0)


def gpu() -> Recipe:
    """Minutes on one H100 or H200, with its own data made on the spot by the machine's cores."""
    return replace(
        cpu(), batch=256, minutes=25.0, compile=True, workers=12, engines=16, memory_mb=250.0, resident_gb=24.0,
        keep_dreams=False, long_clip=96, moments=4, warmup=300, ema=0.999,
    )  # fmt: skip


def latent() -> Recipe:
    """The `cpu` recipe on the latents of a learned autoencoder instead of pixels (for comparison)."""
    base = cpu()
    d = replace(
        base.model.denoiser, tokenizer=TokenizerConfig(kind="autoencoder", factor=8, width=48),
        channels=192, multipliers=(1, 2),
    )  # fmt: skip
    return replace(base, model=replace(base.model, denoiser=d))
