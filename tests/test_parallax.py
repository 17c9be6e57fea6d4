"""Depth learnt from how things shift when the player walks, with no depth to learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from model_fakes import TINY, H, W, save_tiny_world
from torch import Tensor
from worldsim.train import parallax
from worldsim.train.parallax import LENGTH, Pair

from worldsim.cli import main
from worldsim.data.episode import ClipBatch, Episode
from worldsim.data.storage import EpisodeStore
from worldsim.model.camera import camera_to_world, rays, tangents
from worldsim.model.monodepth import MonoDepth, MonoDepthConfig
from worldsim.sim.world import load_world

USABLE = torch.ones(H, W, dtype=torch.bool)
WALL = 6.0  # blocks ahead of where everybody begins, across z


def view(pose: Tensor) -> tuple[Tensor, Tensor]:
    """A picture uint8 `[H, W, 3]` of a painted wall, and its depth `[H, W]`."""
    ray = rays(H, W, tangents(H, W))
    world = camera_to_world(pose) @ ray
    depth = (WALL - pose[2]) / world[2]
    x, y, _ = pose[:3, None] + world * depth
    paint = torch.stack(
        [torch.sin(1.3 * x) * torch.cos(0.9 * y), torch.sin(0.7 * x + y), torch.cos(0.8 * x - 1.1 * y)]
    )
    picture = (127.5 + 110 * paint).round().clamp(0, 255).byte()
    return picture.T.reshape(H, W, 3), depth.reshape(H, W)


def walk(seed: int, frames: int = LENGTH) -> tuple[Tensor, Tensor]:
    """Poses `[T, 5]` of somebody who walks along the wall, and pictures."""
    rng = np.random.default_rng(seed)
    start, step = rng.normal(size=3) * [3, 1, 1], rng.normal(size=3) * [0.15, 0.02, 0.1]
    place = start + step * np.arange(frames)[:, None]
    look = np.tile([rng.normal() * 4, rng.normal() * 4], (frames, 1))
    pose = torch.tensor(np.concatenate([place, look], 1), dtype=torch.float32)
    return pose, torch.stack([view(p)[0] for p in pose])


def clips(count: int, seed: int = 0) -> ClipBatch:
    poses, frames = zip(*(walk(1000 * seed + i) for i in range(count)))
    actions = np.zeros((count, LENGTH, 25), np.float32)
    pictures, places = torch.stack(frames).numpy(), torch.stack(poses).numpy()
    return ClipBatch(pictures, actions, None, places, None, ("",) * count)


def pair_of(batch: ClipBatch, target: int, source: int) -> Pair:
    assert batch.pose is not None
    frames = torch.from_numpy(batch.frames).permute(0, 1, 4, 2, 3).float() / 127.5 - 1
    pose = torch.from_numpy(batch.pose)
    return Pair(frames[:, target], frames[:, source], pose[:, target], pose[:, source])


def test_true_depth_brings_one_frame_to_where_another_was_taken_from() -> None:
    batch = clips(4)
    assert batch.pose is not None
    pair = pair_of(batch, 8, 12)
    true = torch.stack([view(p)[1] for p in torch.from_numpy(batch.pose[:, 8])])[:, None]
    off = {}
    for factor in (0.5, 1.0, 2.0):
        seen, shown = parallax.brought(pair, true * factor, USABLE)
        off[factor] = float((parallax.difference(seen, pair.target) * shown).sum() / shown.sum())
        assert float(shown.mean()) > 0.5
    assert off[1.0] < 0.2 * min(off[0.5], off[2.0])


def test_what_lies_over_the_source_shows_nothing() -> None:
    pair, usable = pair_of(clips(2), 8, 9), USABLE.clone()
    usable[-10:] = False
    _, shown = parallax.brought(pair, torch.full((2, 1, H, W), WALL), usable)
    assert not shown[:, :, -10:].any() and shown[:, :, : H // 2].float().mean() > 0.8


def test_depth_is_learnt_from_walking_alone() -> None:
    torch.manual_seed(0)
    model, exam = MonoDepth(MonoDepthConfig(width=8, blocks=1)), clips(4, seed=9)
    drawn = [clips(4, seed=s) for s in range(1, 5)]
    count = iter(range(10_000))
    before = parallax.examine(model, exam, USABLE)
    steps = parallax.adapt(model, lambda: drawn[next(count) % 4], USABLE, steps=60)
    after = parallax.examine(model, exam, USABLE)
    assert steps == 60
    assert after["guessed_8"] > before["guessed_8"] + 1 and after["guessed_8"] > after["turned_8"] + 1


def test_who_stands_still_learns_nothing_but_what_was_known(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, batch = MonoDepth(MonoDepthConfig(width=8, blocks=1)), clips(2)
    assert batch.pose is not None
    still = replace(batch, pose=np.repeat(batch.pose[:, :1], LENGTH, 1))
    monkeypatch.setattr(parallax, "_SMOOTH", 0.0)
    loss = parallax.loss_of(model, model, still, USABLE, torch.Generator().manual_seed(0))
    assert float(loss.detach()) == 0


def record(folder: Path, *, pose: bool = True) -> Path:
    with EpisodeStore(folder, write=True) as store:
        for seed in range(2):
            places, pictures = walk(seed, 40)
            actions = np.zeros((39, 25), np.float32)
            columns = {"pose": places.numpy()} if pose else {}
            rewards = np.zeros(39, np.float32)
            store.write(Episode(pictures.numpy(), actions, rewards, truncated=True, columns=columns))
    return folder


def test_recordings_teach_a_world_their_depth_by_one_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = save_tiny_world(
        tmp_path / "w", config=replace(TINY, monodepth=MonoDepthConfig(width=8, blocks=1))
    )
    data, out = record(tmp_path / "set"), tmp_path / "out"
    line = f"train monodepth --world {world} --data {data} --steps 3 --exam 4 --out {out}"
    assert main(line.split()) == 0
    assert "guessed_8" in capsys.readouterr().out
    assert load_world(out).hash != load_world(world).hash


@pytest.mark.parametrize(
    ("told", "pose", "message"), [(False, True, "can't tell depth yet"), (True, False, "no pose")]
)
def test_what_is_missing_is_said_and_nothing_is_written(
    told: bool, pose: bool, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = replace(TINY, monodepth=MonoDepthConfig(width=8, blocks=1)) if told else TINY
    world, data = save_tiny_world(tmp_path / "w", config=config), record(tmp_path / "set", pose=pose)
    line = f"train monodepth --world {world} --data {data} --steps 3 --out {tmp_path / 'out'}"
    assert main(line.split()) != 0
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
