"""Pixel conversion and tokenizers: exact where they promise it, and of the shapes they promise."""

from __future__ import annotations

import pytest
import torch

from worldsim.config import from_json, to_json
from worldsim.errors import ConfigError
from worldsim.model.tokenizer import (
    Autoencoder,
    SpaceToDepth,
    Tokenizer,
    TokenizerConfig,
    build_tokenizer,
    float_to_frames,
    frames_to_float,
)


def test_pixels_round_trip_exactly() -> None:
    frames = torch.arange(256, dtype=torch.uint8).reshape(2, 8, 16, 1).expand(2, 8, 16, 3)
    images = frames_to_float(frames)
    assert images.shape == (2, 3, 8, 16) and images.min() == -1.0 and images.max() == 1.0
    assert torch.equal(float_to_frames(images), frames)
    assert torch.equal(float_to_frames(images.half()), frames)
    clamped = float_to_frames(torch.tensor([-9.0, 9.0, 0.0]).reshape(3, 1, 1))
    assert clamped.flatten().tolist() == [0, 255, 128]
    assert frames_to_float(torch.zeros(4, 5, 16, 32, 3, dtype=torch.uint8)).shape == (4, 5, 3, 16, 32)
    for bad in (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(8, 8, 3)):
        with pytest.raises(ConfigError, match="expected uint8"):
            frames_to_float(bad)


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_space_to_depth_is_exact(factor: int) -> None:
    tokenizer: Tokenizer = build_tokenizer(TokenizerConfig(factor=factor))
    images = torch.randn(2, 3, 16, 32)
    latents = tokenizer.encode(images)
    assert latents.shape == (2, tokenizer.latent_channels, 16 // factor, 32 // factor)
    assert torch.equal(tokenizer.decode(latents), images)


@pytest.mark.parametrize("factor", [2, 4, 8, 16])
def test_autoencoder_shapes(factor: int) -> None:
    tokenizer = build_tokenizer(TokenizerConfig("autoencoder", factor, channels=6, width=8))
    assert isinstance(tokenizer, Autoencoder) and not isinstance(tokenizer, SpaceToDepth)
    latents = tokenizer.encode(torch.randn(1, 3, 48, 64) * 100)
    assert latents.shape == (1, 6, 48 // factor, 64 // factor) and latents.abs().max() <= 3.0
    assert tokenizer.decode(latents).shape == (1, 3, 48, 64)


def test_autoencoder_learns() -> None:
    torch.manual_seed(0)
    tokenizer = Autoencoder(TokenizerConfig("autoencoder", 4, channels=8, width=16))
    images = torch.rand(2, 3, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3) * 2 - 1
    optimizer = torch.optim.Adam(tokenizer.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        loss = (tokenizer.decode(tokenizer.encode(images)) - images).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_config() -> None:
    config = TokenizerConfig("autoencoder", 8, 16, 64)
    assert from_json(TokenizerConfig, to_json(config)) == config
    for bad in (
        {"factor": 3},
        {"kind": "autoencoder", "factor": 1},
        {"channels": 0},
        {"width": 12},
        {"kind": "vae"},
    ):
        with pytest.raises(ConfigError, match="tokenizer"):
            from_json(TokenizerConfig, bad, "tokenizer")
