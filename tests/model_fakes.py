"""A tiny world that needs no game and no training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from worldsim.checkpoint import save_checkpoint
from worldsim.config import to_json
from worldsim.data.episode import ClipBatch
from worldsim.model.denoiser import DenoiserConfig
from worldsim.model.heads import HeadsConfig
from worldsim.model.motion import MotionConfig
from worldsim.model.tokenizer import TokenizerConfig
from worldsim.model.world_model import WorldModel, WorldModelConfig
from worldsim.signals import SIGNALS
from worldsim.sim.exemplars import EXEMPLARS_FILE, encode_exemplars, single, unplaced
from worldsim.sim.seeds import SEEDS_FILE, Seeds, encode_seeds

H, W = 48, 64
TINY = WorldModelConfig(
    DenoiserConfig(height=H, width=W, channels=16, blocks=1, attention=1, head_size=16, cond=32),
    MotionConfig(width=32),
)
HEADED = replace(TINY, heads=HeadsConfig(width=16, cells=4, detail=2, crosshair=2))
LATENT = WorldModelConfig(
    DenoiserConfig(
        height=H, width=W, channels=16, multipliers=(1, 2), blocks=1, attention=1, head_size=16, cond=32,
        tokenizer=TokenizerConfig(kind="autoencoder", factor=8, channels=8, width=8),
    ),
    MotionConfig(width=32),
)  # fmt: skip


def tiny_model(config: WorldModelConfig = TINY, *, seed: int = 0, lively: bool = True) -> WorldModel:
    """Random weights; `lively` ones answer to every input, as no zero-initialised layer hides it."""
    torch.manual_seed(seed)
    model = WorldModel(config)
    if lively:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if not parameter.any() and name.endswith("weight"):
                    parameter.normal_(std=0.05)
    return model.eval()


def tiny_clips(batch: int = 2, length: int = 12, *, seed: int = 0) -> ClipBatch:
    """Clips of noise with a wandering pose."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(batch, length, 5)) * [0.1, 0.0, 0.1, 4.0, 1.0]
    actions = np.zeros((batch, length, 25), np.float32)
    actions[..., 15:17] = steps[..., [4, 3]]
    return ClipBatch(
        frames=rng.integers(0, 256, (batch, length, H, W, 3), dtype=np.uint8),
        actions=actions,
        depth=(rng.random((batch, length, H, W)) * 20 + 1).astype(np.float16),
        pose=np.cumsum(steps, 1).astype(np.float32),
        signals=rng.random((batch, length, len(SIGNALS))).astype(np.float32),
        captions=("a forest at noon",) * batch,
    )


def save_tiny_world(folder: Path, *, seeds: int = 3, config: WorldModelConfig = TINY) -> Path:
    """A checkpoint with seed frames and exemplars that `worldsim/Dream-v0` can open."""
    model = tiny_model(config)
    save_checkpoint(folder, model.state_dict(), to_json(config), info={"step": 1, "frames": 2})
    clips = tiny_clips(seeds, 3)
    assert clips.depth is not None and clips.pose is not None
    unknown = np.full(seeds, np.nan, np.float32)
    captions = np.array(clips.captions)
    moments = Seeds(clips.frames, clips.depth, clips.pose, clips.actions[:, 1:], captions, unknown)
    (folder / SEEDS_FILE).write_bytes(encode_seeds(moments))
    places = single(clips.frames[:, 0], clips.depth[:, 0], unplaced(np.zeros(seeds, np.float32)), unknown)
    (folder / EXEMPLARS_FILE).write_bytes(encode_exemplars(places))
    return folder
