"""Depth from single pictures: learnt from a game, used where footage and recordings have none."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from data_fakes import make_episode
from model_fakes import TINY, H, W, save_tiny_world, tiny_model
from numpy.typing import NDArray
from test_train_recordings import SMALL, record
from torch import Tensor
from worldsim.train import monodepth
from worldsim.train.lesson_pool import together
from worldsim.train.world import TrainOptions
from worldsim.train.world import main as train_world

from worldsim.cli import main
from worldsim.data.dataset import ClipDataset
from worldsim.data.storage import EpisodeStore
from worldsim.errors import UsageError
from worldsim.model.camera import decode_depth
from worldsim.model.monodepth import MonoDepth, MonoDepthConfig
from worldsim.sim.depth_guess import DepthGuess
from worldsim.sim.simulator import Simulator, SimulatorConfig
from worldsim.sim.world import load_world

KNOWING = replace(TINY, monodepth=MonoDepthConfig(width=8, blocks=1))


class Floor(MonoDepth):
    """Sees level ground 1.6 blocks below the eye, and sky, whatever the picture."""

    def __init__(self) -> None:
        super().__init__(KNOWING.monodepth)

    def depth(self, frames: Tensor, pitch: Tensor, usable: Tensor) -> Tensor:
        row = (torch.arange(frames.shape[2]) + 0.5) / frames.shape[2] * 2 - 1
        down = (row * math.tan(math.radians(35)))[None, :, None]
        ground = torch.where(down > 0.01, 1.6 / down.clamp(min=0.01), torch.tensor(512.0))
        return ground.expand(len(frames), -1, frames.shape[3])


class Counted:
    """A guess that says the number of the frame's first byte, and counts how often it was asked."""

    def __init__(self) -> None:
        self.name, self.asked, self.pitches = "counted", 0, np.zeros(0, np.float32)

    def __call__(self, frames: NDArray[np.uint8], pitch: NDArray[np.float32]) -> NDArray[np.float16]:
        self.asked, self.pitches = self.asked + 1, pitch
        assert len(frames) == len(pitch)
        return np.broadcast_to(frames[:, :1, :1, 0], frames.shape[:3]).astype(np.float16)


@pytest.mark.parametrize(("height", "width"), [(48, 64), (20, 36), (96, 160)])
def test_depth_has_the_shape_of_the_picture_and_is_between_near_and_far(height: int, width: int) -> None:
    torch.manual_seed(0)
    model = MonoDepth(MonoDepthConfig(width=8, blocks=1))
    frames, pitch = torch.rand(20, 3, height, width) * 2 - 1, torch.linspace(-90, 90, 20)
    pitch[3] = torch.nan
    depth = model.depth(frames, pitch, torch.ones(height, width, dtype=torch.bool))
    assert depth.shape == (20, height, width) and bool(depth.isfinite().all())
    assert float(depth.min()) >= 0.25 and float(depth.max()) <= 512


def test_the_overlay_says_nothing_about_depth() -> None:
    model = tiny_model(KNOWING).monodepth
    assert model is not None
    frames, pitch = torch.rand(1, 3, H, W), torch.zeros(1)
    usable = torch.ones(H, W, dtype=torch.bool)
    usable[-8:] = False
    changed = frames.clone()
    changed[..., -8:, :] = -1
    assert torch.equal(model.depth(frames, pitch, usable), model.depth(changed, pitch, usable))
    everywhere = torch.ones_like(usable)
    assert not torch.equal(model.depth(frames, pitch, everywhere), model.depth(changed, pitch, everywhere))


def test_depth_is_learnt_from_the_game(tmp_path: Path) -> None:
    views = islice(monodepth.play("worldsim/Voxel-v0", 1, width=W, height=H), 40)
    lessons = together(list(views))
    torch.manual_seed(0)
    model = MonoDepth(MonoDepthConfig(width=12, blocks=1))
    before = monodepth.examine(model, lessons)
    steps = monodepth.teach(model, iter([lessons] * 60), steps=90)
    after = monodepth.examine(model, lessons)
    assert steps == 90
    assert after["doublings"] < min(0.5 * before["doublings"], after["doublings_constant"])


def test_views_of_the_game_are_whole() -> None:
    views = list(islice(monodepth.play("worldsim/Voxel-v0", 3, width=W, height=H), 30))
    batch = together(views)
    assert batch.frame.shape == (30, H, W, 3) and batch.depth.shape == (30, H, W)
    assert float(batch.depth.min()) > 0 and batch.pitch.abs().max() <= 90
    assert not batch.usable.all() and batch.usable.float().mean() > 0.7
    generator = torch.Generator().manual_seed(0)
    hidden = monodepth.covered(batch.usable, generator)
    assert bool((hidden <= batch.usable).all()) and bool((hidden != batch.usable).any())
    frames = torch.rand(30, 3, H, W) * 2 - 1
    other = monodepth.recoloured(frames, generator)
    plain = (other == frames).flatten(1).all(1).float().mean()
    assert 0 < float(plain) < 0.7 and float(other.abs().max()) <= 1


def test_a_world_is_given_its_monodepth_by_one_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, out = save_tiny_world(tmp_path / "world"), tmp_path / "out"
    line = f"train monodepth --world {before} --steps 12 --width 8 --workers 0 --exam 8 --out {out}"
    assert main(line.split()) == 0
    assert "doublings" in capsys.readouterr().out
    world, old = load_world(out), load_world(before)
    assert world.model.monodepth is not None and world.seeds is not None
    assert all(
        torch.equal(world.model.state_dict()[k].half(), v.half()) for k, v in old.model.state_dict().items()
    )
    assert json.loads((out / "monodepth.json").read_text())["views"] == 8


def test_a_dream_begins_from_a_picture_by_what_it_shows() -> None:
    model = tiny_model(KNOWING)
    model.monodepth = Floor().eval()
    frames = torch.full((2, H, W, 3), 90, dtype=torch.uint8)
    world = Simulator(model, SimulatorConfig(precision="float32")).begin(frames, seed=0)
    assert torch.allclose(
        world.newest.depth.float(),
        model.monodepth.depth(frames[:1].permute(0, 3, 1, 2), torch.zeros(1), model.usable)[0],
        rtol=1e-3,
    )


def test_a_guess_is_what_the_network_says_of_the_frames() -> None:
    model = tiny_model(KNOWING)
    assert model.monodepth is not None
    frames = np.random.default_rng(0).integers(0, 256, (3, H, W, 3), dtype=np.uint8)
    pitch = np.array([0.0, 30.0, np.nan], np.float32)
    guess = DepthGuess(model)
    seen = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    code = model.monodepth(seen, torch.from_numpy(pitch), model.usable[None, None])
    np.testing.assert_allclose(guess(frames, pitch), decode_depth(code)[:, 0].detach().numpy(), rtol=2e-3)
    assert guess.name == DepthGuess(tiny_model(KNOWING)).name != DepthGuess(tiny_model(KNOWING, seed=1)).name
    with pytest.raises(UsageError, match="worldsim train monodepth"):
        DepthGuess(tiny_model())


@pytest.mark.parametrize("cache", [True, False])
def test_recordings_without_depth_get_the_guess_and_others_keep_their_own(
    cache: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with EpisodeStore(tmp_path / "set", write=True) as store:
        own = make_episode(10, seed=0, depth=True)
        store.write(own)
        store.write(make_episode(10, seed=1, depth=False))
        store.write(replace(make_episode(10, seed=2, depth=False), columns={}))
    kept = {} if cache else {"cache": None}
    guess = Counted()
    data = ClipDataset(tmp_path / "set", length=4, guess=guess, turns=True, **kept)  # type: ignore[arg-type]
    assert data.has_depth and data.guesses
    assert own.depth is not None
    np.testing.assert_array_equal(data.clip(1).depth, own.depth[1:5])
    assert guess.asked == 0
    for number, episode in ((8 + 2, 1), (16 + 5, 2)):
        clip = data.clip(number)
        assert clip.depth is not None
        np.testing.assert_array_equal(clip.depth[:, 3, 3], clip.frames[:, 0, 0, 0].astype(np.float16))
        assert bool(np.isnan(guess.pitches).all()) == (episode == 2)
    again = Counted()
    ClipDataset(tmp_path / "set", length=4, guess=again, turns=True, **kept).clip(11)  # type: ignore[arg-type]
    assert again.asked == (0 if cache else 1)


def test_a_world_learns_another_game_with_depth_that_it_guesses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    start = save_tiny_world(tmp_path / "start", config=KNOWING)
    data = record(tmp_path / "set")
    options = TrainOptions(
        recipe="debug", init=str(start), data=data, out=str(tmp_path / "run"), steps=2, wandb="disabled",
        set=tuple(s for s in SMALL if not s.startswith("model.")),
    )  # fmt: skip
    world = load_world(train_world(options))
    assert "tells it from the pictures" in capsys.readouterr().err
    assert world.model.monodepth is not None and world.exemplars is not None
    assert world.seeds is not None and float(world.seeds.depth.max()) < 512
    guesses = set((tmp_path / "cache").rglob("*-*.raw"))
    # Without the world it began from, the network's weights are there only when the run's state is loaded.
    load_world(train_world(replace(options, steps=3, resume=True, init=None, set=SMALL)))
    assert guesses and set((tmp_path / "cache").rglob("*-*.raw")) == guesses, "a resumed run guesses the same"
