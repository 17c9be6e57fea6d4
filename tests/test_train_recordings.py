"""Training on recordings of other games: no depth, no signals, and an exam on clips that were kept apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from data_fakes import make_episode
from model_fakes import TINY, H, W, save_tiny_world, tiny_clips, tiny_model
from worldsim.train import recording_exam
from worldsim.train.clips import ClipTensors
from worldsim.train.examples import ExampleConfig, build_example
from worldsim.train.objective import ObjectiveConfig, world_loss
from worldsim.train.preview import CONTEXT, Twin, dream
from worldsim.train.world import TrainOptions, _recipe, main

from worldsim.actions import CAMERA
from worldsim.data.dataset import turned
from worldsim.data.episode import ClipBatch
from worldsim.data.storage import EpisodeStore
from worldsim.errors import DatasetError
from worldsim.sim.simulator import SimulatorConfig
from worldsim.sim.world import load_world

SMALL = (
    "batch=2", "clip=12", "long_clip=16", "workers=0", "minutes=null", "preview_minutes=null", "rollout_after=0",
    "model.denoiser.channels=16", "model.denoiser.head_size=16", "model.denoiser.cond=32", "model.motion.width=32",
    f"model.denoiser.width={W}", f"model.denoiser.height={H}", "model.denoiser.blocks=1", "model.denoiser.attention=1",
    "model.heads.width=16",
)  # fmt: skip
CPU = torch.device("cpu")


def record(folder: Path, *, depth: tuple[bool, ...] = (False,), columns: tuple[str, ...] = ("pose",)) -> str:
    with EpisodeStore(folder, write=True) as store:
        for seed, deep in enumerate(depth):
            episode = make_episode(40, seed=seed, width=W, height=H, depth=deep)
            store.write(replace(episode, columns={name: episode.columns[name] for name in columns}))
    return str(folder)


def depth_loss(clips: ClipBatch) -> float:
    torch.manual_seed(0)
    tensors, generator = ClipTensors(clips, CPU), torch.Generator().manual_seed(0)
    model, t = tiny_model(TINY), torch.full((len(clips),), 6)
    example = build_example(
        tensors, t, ExampleConfig(), usable=model.usable, slots=4, history=4, generator=generator
    )
    return float(world_loss(model, example, ObjectiveConfig(), generator=generator).parts["depth"].detach())


def test_what_has_no_depth_is_far_away() -> None:
    clips = ClipTensors(replace(tiny_clips(), depth=None, signals=None), CPU)
    assert (clips.depth_blocks == 512).all() and clips.deep.all()
    assert not clips.told.any() and (clips.signals == 0).all()
    assert set(clips.state_dict()) == set(ClipTensors(tiny_clips(), CPU).state_dict())


def test_clips_without_depth_among_others_teach_none() -> None:
    clips = tiny_clips(2)
    assert clips.depth is not None
    lacking = np.array(clips.depth)
    lacking[1] = np.nan
    tensors = ClipTensors(replace(clips, depth=lacking), CPU)
    assert tensors.deep.tolist() == [1, 0] and (tensors.depth_blocks[1] == 512).all()
    assert torch.equal(tensors.depth_blocks[0], torch.from_numpy(clips.depth[0]))
    assert depth_loss(replace(clips, depth=np.full_like(lacking, np.nan))) == 0
    assert 0 < depth_loss(replace(clips, depth=lacking)) < depth_loss(clips)


@pytest.mark.parametrize("depth", [(False, False), (True, False)], ids=["none", "some"])
def test_a_world_learns_from_recordings_without_depth(
    depth: tuple[bool, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = record(tmp_path / "set", depth=depth)
    for turn, steps in enumerate((2, 3)):
        options = TrainOptions(
            recipe="debug", data=data, out=str(tmp_path / "run"), steps=steps, set=SMALL, wandb="disabled",
            resume=turn > 0,
        )  # fmt: skip
        world = load_world(main(options))
    assert ("compensation=rotation" in capsys.readouterr().err) == (not any(depth))
    assert world.seeds is not None and len(world.seeds.frames)


def test_recordings_without_poses_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    data = record(tmp_path / "set", columns=("slot",))
    options = TrainOptions(recipe="debug", data=data, out=str(tmp_path / "run"), steps=1, set=SMALL)
    with pytest.raises(DatasetError, match=r"ep-000000 in .* has no pose, expected x, y, z, yaw and pitch"):
        main(options)
    assert not (tmp_path / "run").exists()


def test_turns_of_actions_are_pose_enough_for_a_world_that_only_turns_its_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anybody's videos: no depth, no pose, and actions that a file or a model tells."""
    data = record(tmp_path / "set", columns=("slot",))
    options = TrainOptions(
        recipe="debug", data=data, out=str(tmp_path / "run"), steps=2, wandb="disabled",
        set=(*SMALL, "model.denoiser.compensation=rotation"),
    )  # fmt: skip
    load_world(main(options))
    assert "has no pose: turns are those of its actions" in capsys.readouterr().err
    actions = np.zeros((4, 25), np.float32)
    actions[:, CAMERA] = [(10, 5), (0, -20), (100, 0), (-5, 0)]
    assert turned(actions)[:, 3:].tolist() == [[0, 0], [5, 10], [-15, 10], [-15, 90], [-15, 85]]
    assert not turned(actions)[:, :3].any()


def test_a_recipe_has_the_architecture_of_the_world_it_starts_from_and_turns_frames_alone_if_asked(
    tmp_path: Path,
) -> None:
    world, turning = save_tiny_world(tmp_path / "world"), ("model.denoiser.compensation=rotation",)
    denoiser = _recipe(TrainOptions(recipe="luanti", init=str(world), set=turning)).model.denoiser
    assert denoiser == replace(TINY.denoiser, compensation="rotation")
    assert _recipe(TrainOptions(recipe="cpu", init=str(world))).model == TINY


def test_a_dream_can_be_led_along_the_recorded_path() -> None:
    clips = replace(tiny_clips(2, CONTEXT + 6), depth=None)
    assert clips.pose is not None
    config = SimulatorConfig(precision="float32")
    _, led = dream(tiny_model(), Twin(clips), config, led_by=clips)
    _, own = dream(tiny_model(), Twin(clips), config)
    assert float(led.max()) < 1e-3 < float(own.max())


def test_the_exam_compares_the_dream_with_what_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world, data = save_tiny_world(tmp_path / "world"), record(tmp_path / "set")
    line = f"--world {world} --before {world} --data {data} --clips 2 --frames 8 --out {tmp_path / 'exam'}"
    monkeypatch.setattr("sys.argv", ["exam", *line.split()])
    recording_exam.main()
    said = capsys.readouterr().out
    assert all(f"| {name} |" in said for name in ("led", "own", "shuffled", "copy", "turned", "before"))
    for name in ("led", "own", "shuffled"):
        assert (tmp_path / "exam" / f"strip-{name}.png").read_bytes().startswith(b"\x89PNG")
    turning = recording_exam.draw(record(tmp_path / "blind", columns=("slot",)), 1, 4, 0).clips.pose
    assert turning is not None and not turning[..., :3].any()


def test_the_last_frame_turned_is_the_frame_where_nobody_turned() -> None:
    clips = tiny_clips(2, CONTEXT + 2)
    assert clips.pose is not None
    still = replace(clips, pose=np.repeat(clips.pose[:, :1], CONTEXT + 2, 1))
    shown = recording_exam.turned(still, tiny_model().usable)
    last = torch.from_numpy(clips.frames[:, CONTEXT - 1])
    assert (shown[:, -1].int() - last.int()).abs().max() <= 1
