"""Lone pixels of a guessed depth."""

from __future__ import annotations

import pytest
import torch

from worldsim.model.specks import without_specks, without_specks_torch

H, W = 24, 40


def _steps() -> torch.Tensor:
    """Ground that recedes towards the horizon, a block before it, and the sky."""
    rows = 12.0 / torch.linspace(0.2, 4.0, H)[:, None].expand(H, W)
    depth = rows.clone()
    depth[8:20, 10:22] = 4.0
    depth[:4] = 512.0
    return depth[None, None]


@pytest.mark.parametrize("implementation", (without_specks, without_specks_torch))
def test_lone_pixels_go_back_and_surfaces_and_their_edges_stay(implementation: object) -> None:
    assert callable(implementation)
    depth, free = _steps(), torch.ones(1, 1, H, W, dtype=torch.bool)
    kept = implementation(depth, free)
    assert float((kept != depth).float().mean()) < 0.02, "corners of the block at most"
    specks = torch.zeros(H, W, dtype=torch.bool)
    specks[6::5, 5::5] = True
    free[..., 30:] = False
    spoilt = torch.where(specks & (depth < 500), depth * 3, depth)
    mended = implementation(spoilt, free)
    before, after = (
        float(((d / kept)[..., :30].log2().abs() > 0.2).float().mean()) for d in (spoilt, mended)
    )
    assert before > 0.03 and after < 0.3 * before, "beside an edge a speck may tip the balance"
    assert torch.equal(mended[..., 30:], spoilt[..., 30:]), "what isn't free stays"


@pytest.mark.parametrize("seed", range(3))
def test_both_implementations_agree(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    depth = torch.exp2(torch.rand(2, 1, H, W, generator=generator) * 12 - 3)
    depth = torch.where(torch.rand(depth.shape, generator=generator) > 0.3, 5.0, depth)
    free = torch.rand(depth.shape, generator=generator) > 0.3
    assert torch.allclose(without_specks(depth, free), without_specks_torch(depth, free), rtol=1e-5)
