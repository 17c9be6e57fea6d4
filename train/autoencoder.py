"""How the autoencoder is trained: its recipes, its loss and one optimiser step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldsim.checkpoint import load_into
from worldsim.errors import ConfigError, NumericalError
from worldsim.model.tokenizer import Autoencoder, TokenizerConfig, float_to_frames, frames_to_float

from .ema import EMA
from .schedule import ema_decay, warmup_decay


@dataclass(frozen=True)
class TokenizerRecipe:
    """Everything that decides the autoencoder's training, apart from where its frames come from."""

    model: TokenizerConfig = field(default_factory=lambda: TokenizerConfig("autoencoder", 8, 16, 48))
    """The architecture."""
    width: int = 160
    """Frame width of a live game, in pixels."""
    height: int = 96
    """Frame height of a live game, in pixels."""
    batch: int = 16
    """Frames an optimiser step."""
    learning_rate: float = 2e-3
    """AdamW's, at its highest."""
    warmup: int = 100
    """Steps over which the learning rate rises."""
    grad_clip: float = 1.0
    """Largest norm of the gradient."""
    gradient: float = 1.0
    """Weight of the error of differences between neighbouring pixels, which keeps edges sharp."""
    statistics: float = 0.05
    """Weight that draws each latent channel to mean 0 and variance 1."""
    noise: float = 0.05
    """Standard deviation of noise on the latents: a world model's latents are never exact."""
    ema: float = 0.999
    """Limit of the weight average's decay."""
    minutes: float | None = 60.0
    """Length of the run; None if `steps` alone ends it."""
    steps: int | None = None
    """Largest number of optimiser steps."""
    workers: int = 1
    """Processes that play the game; 0 plays in the training process, to the bit the same every time."""
    reuse: float = 4.0
    """How often a live frame is used, on average."""
    strip_minutes: float = 5.0
    """Time between strips of real against decoded frames."""
    save_minutes: float = 5.0
    """Time between checkpoints."""


def debug() -> TokenizerRecipe:
    """A minute on a CPU."""
    return TokenizerRecipe(
        TokenizerConfig("autoencoder", 8, 16, 16), width=96, height=64, batch=8, minutes=1.0,
        warmup=20, ema=0.99, strip_minutes=0.25, save_minutes=0.5,
    )  # fmt: skip


def cpu() -> TokenizerRecipe:
    """An hour or more on a laptop."""
    return TokenizerRecipe()


def gpu() -> TokenizerRecipe:
    """Half an hour on one GPU, for larger frames."""
    return TokenizerRecipe(
        TokenizerConfig("autoencoder", 8, 16, 96), width=320, height=192, batch=96, minutes=30.0, workers=8
    )


RECIPES = {"debug": debug, "cpu": cpu, "gpu": gpu}


def reconstruction_loss(made: Tensor, real: Tensor, gradient: float) -> Tensor:
    """Mean absolute error of images `[B, 3, H, W]`, and of their differences to the right and below."""
    off = made - real
    edges = off.diff(dim=-1).abs().mean() + off.diff(dim=-2).abs().mean()
    return off.abs().mean() + gradient * edges


def statistics_loss(latents: Tensor) -> Tensor:
    """How far each channel of `[B, C, h, w]` is from mean 0 and standard deviation 1."""
    values = latents.float()
    deviation = values.std(dim=(0, 2, 3)) - 1.0
    return values.mean(dim=(0, 2, 3)).pow(2).mean() + deviation.pow(2).mean()


class TokenizerTrainer:
    """The autoencoder, its optimiser and its average; counts steps and frames."""

    def __init__(self, recipe: TokenizerRecipe, *, device: torch.device, seed: int) -> None:
        if recipe.model.kind != "autoencoder":
            raise ConfigError(
                f"model.kind: got {recipe.model.kind!r}, expected 'autoencoder'; the other has no weights"
            )
        self.recipe, self.device = recipe, device
        self.generator = torch.Generator().manual_seed(seed % 2**63)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed % 2**63)
            self.model = Autoencoder(recipe.model).to(device)
        self.ema = EMA(self.model, lambda n: ema_decay(n, recipe.ema))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=recipe.learning_rate, weight_decay=0.0)
        self.step = self.frames = 0

    def train_step(self, frames: NDArray[np.uint8], progress: float) -> dict[str, Tensor]:
        """One optimiser step on frames uint8 `[B, H, W, 3]`; returns figures as 0-d tensors.

        Args:
            progress: share of the run that is done, which sets the learning rate.
        """
        recipe = self.recipe
        rate = warmup_decay(progress, step=self.step, warmup_steps=recipe.warmup, start=0.2)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate * rate
        real = self._images(frames)
        with self._precision():
            latents = self.model.encode(real)
            noise = torch.randn(latents.shape, generator=self.generator).to(self.device)
            made = self.model.decode(latents + recipe.noise * noise).float()
        loss = reconstruction_loss(made, real, recipe.gradient) + recipe.statistics * statistics_loss(latents)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), recipe.grad_clip)
        self.optimizer.step()
        self.ema.update()
        self.step += 1
        self.frames += len(frames)
        error = (made.detach() - real).pow(2).mean()
        return {
            "loss": loss.detach(),
            "psnr": 10 * torch.log10(4.0 / error),
            "latent_std": latents.detach().float().std(),
        }

    @torch.no_grad()
    def decoded(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Frames through the averaged model and back."""
        with self.ema.swap(), self._precision():
            made = self.model.decode(self.model.encode(self._images(frames)))
        return np.asarray(float_to_frames(made).cpu())

    def state_dict(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "step": self.step,
            "frames": self.frames,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        load_into(self.model, state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.step, self.frames = state["step"], state["frames"]

    def _images(self, frames: NDArray[np.uint8]) -> Tensor:
        factor, (height, width) = self.recipe.model.factor, frames.shape[1:3]
        if height % factor or width % factor:
            raise ConfigError(f"frames: got {width}x{height}, expected multiples of model.factor = {factor}")
        return frames_to_float(torch.from_numpy(frames).to(self.device))

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")


def check_figures(values: dict[str, float], step: int) -> None:
    """Stop a run whose loss is no longer a number."""
    if not math.isfinite(values["loss"]):
        raise NumericalError(
            f"loss: not finite at step {step}; resume from the last save with a smaller learning_rate"
        )
