"""Any video with a small action file: its columns, its alignment, and codecs that people have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recording_fakes import make_video, numbered

from worldsim.actions import CAMERA, INDEX
from worldsim.data.action_file import read_actions
from worldsim.data.importer import ImportSettings, import_recordings
from worldsim.data.storage import EpisodeStore
from worldsim.data.verify import verify
from worldsim.errors import DatasetError, MediaError

CSV = """frame,forward,hotbar.2,camera_pitch,camera_yaw,reward
0,1,0,0,2.5,0
1,,1,-1.5,,1
2,0,0,,0,
"""


def load(folder: Path, **settings: Any) -> Any:
    out = folder / f"out-{len(list(folder.glob('out-*')))}"
    import_recordings(folder / "clip.mp4", out, settings=ImportSettings(**settings))
    assert verify(out).ok
    return EpisodeStore(out).read(0)


@pytest.mark.parametrize("lines", [3, 2])
def test_a_line_a_frame_or_one_less(lines: int, tmp_path: Path) -> None:
    make_video(tmp_path / "clip.mp4", numbered(3), fps=60)
    (tmp_path / "clip.csv").write_text("\n".join(CSV.splitlines()[: lines + 1]))
    episode = load(tmp_path)
    np.testing.assert_array_equal(episode.frames, numbered(3))
    assert episode.actions[:, INDEX["forward"]].tolist() == [1, 0]
    assert episode.actions[:, INDEX["hotbar.2"]].tolist() == [0, 1]
    assert episode.actions[:, CAMERA].tolist() == [[0, 2.5], [-1.5, 0]]
    assert episode.rewards.tolist() == [0, 1] and episode.meta["fps"] == 60
    assert episode.meta["env"] == "video" and episode.meta["action_space"] == "minerl"


def test_jsonl_and_csv_say_the_same(tmp_path: Path) -> None:
    rows = [
        {"forward": True, "camera": [0, 2.5]},
        {"forward": None, "hotbar.2": 1, "camera_pitch": -1.5, "reward": 1},
        {},
    ]
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode())
    (tmp_path / "b.jsonl").write_text("\n".join(json.dumps(r) for r in rows))
    one, other = (list(read_actions(tmp_path / name)) for name in ("a.csv", "b.jsonl"))
    np.testing.assert_array_equal([r.action for r in one], [r.action for r in other])
    assert [r.reward for r in one] == [r.reward for r in other] == [0, 1, 0]


@pytest.mark.parametrize("lines", [1, 4, 7])
def test_lines_that_are_out_of_step_are_refused(lines: int, tmp_path: Path) -> None:
    make_video(tmp_path / "clip.mp4", numbered(3))
    (tmp_path / "clip.csv").write_text("forward\n" + "1\n" * lines)
    with pytest.raises(
        DatasetError, match=rf"has {lines} lines for the 3 frames of clip\.mp4.*expected 3 or 2"
    ):
        load(tmp_path)
    assert not list(tmp_path.glob("out-*")), "nothing is left behind"


def test_a_pose_becomes_a_column(tmp_path: Path) -> None:
    make_video(tmp_path / "clip.mp4", numbered(3))
    lines = ["x,y,z,yaw,pitch", *(f"{t},65.6,0,{10 * t},-5" for t in range(3))]
    (tmp_path / "clip.csv").write_text("\n".join(lines))
    pose = load(tmp_path).columns["pose"]
    np.testing.assert_allclose(pose, [[t, 65.6, 0, 10 * t, -5] for t in range(3)], rtol=1e-6)
    (tmp_path / "clip.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(DatasetError, match="a pose needs a line for the last frame too"):
        load(tmp_path)


def test_sixty_frames_a_second_become_twenty(tmp_path: Path) -> None:
    make_video(tmp_path / "clip.mp4", numbered(10), fps=60)
    (tmp_path / "clip.csv").write_text(
        "camera_yaw,jump\n" + "".join(f"{t},{int(t == 5)}\n" for t in range(10))
    )
    episode = load(tmp_path, every=3)
    assert episode.frames[:, 0, 0, 1].tolist() == [0, 3, 6, 9] and episode.meta["fps"] == 20
    assert episode.actions[:, INDEX["camera_yaw"]].tolist() == [0 + 1 + 2, 3 + 4 + 5, 6 + 7 + 8]
    assert episode.actions[:, INDEX["jump"]].tolist() == [0, 1, 0]


def test_actions_elsewhere(tmp_path: Path) -> None:
    make_video(tmp_path / "clip.mp4", numbered(2))
    (tmp_path / "mine.csv").write_text("jump\n1\n")
    import_recordings(tmp_path / "clip.mp4", tmp_path / "out", actions=tmp_path / "mine.csv")
    assert EpisodeStore(tmp_path / "out").read(0).actions[0, INDEX["jump"]] == 1


def test_dots_in_names(tmp_path: Path) -> None:
    """Each video finds the file of its own name before that of what stands before the first dot."""
    for number in (1, 2):
        make_video(tmp_path / "in" / f"run.{number}.mp4", numbered(2))
        (tmp_path / "in" / f"run.{number}.csv").write_text(f"camera_yaw\n{number}\n")
    import_recordings(tmp_path / "in", tmp_path / "out")
    store = EpisodeStore(tmp_path / "out")
    assert [float(store.read(i).actions[0, INDEX["camera_yaw"]]) for i in range(2)] == [1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foward\n1\n", r"a\.csv:1: column 'foward' is unknown; did you mean forward"),
        ("jump,jump\n1,1\n", "column 'jump' is there twice"),
        ("jump\n2\n", r"a\.csv:2: jump is 2, expected 0 or 1"),
        ("jump\nyes\n", "jump is 'yes', expected a finite number"),
        ("jump\nnan\n", "jump is 'nan', expected a finite number"),
        ("camera_yaw\n181\n", "camera_yaw is 181, expected degrees within ±180"),
        ("camera_yaw\n1e999\n", "camera_yaw is '1e999'"),
        ("jump,use\n1\n", "has 1 cells, expected 2"),
        ("frame,jump\n0,1\n2,1\n", r"a\.csv:3: frame is 2, expected 1"),
        ("x,y\n1,2\n", "z, yaw, pitch missing"),
        ('jump\n"1\n', "is no line of CSV"),
        ("jump\n\xff\n", "is no line of CSV"),
        ("reward\ninf\n", "reward is 'inf'"),
    ],
)
def test_bad_csv(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DatasetError, match=message):
        list(read_actions(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]\n", "got list, expected an object"),
        ('{"camera": 3}\n', r"camera is '3', expected \[pitch, yaw\]"),
        ('{"camera": ["a", 0]}\n', "camera_pitch is 'a'"),
        ('{"jump": "x"}\n', "jump is 'x'"),
        ('{"fly": 1}\n', "column 'fly' is unknown"),
        ('{"jump": Infinity}\n', "Infinity is not allowed"),
        ("{\n", "is not valid JSON"),
        ('{"camera_yaw": true}\n', "camera_yaw is 'True'"),
    ],
)
def test_bad_jsonl(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(DatasetError, match=message):
        list(read_actions(tmp_path / "a.jsonl"))


def test_a_line_without_end_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worldsim.data.source.LINE_LIMIT", 100)
    (tmp_path / "a.jsonl").write_text(" " * 150 + "{}")
    with pytest.raises(DatasetError, match="is longer than 100 bytes"):
        list(read_actions(tmp_path / "a.jsonl"))


# Codecs ------------------------------------------------------------------------------------------


def encode(path: Path, codec: str, pixels: str, **options: str) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for frame in np.full((5, 48, 64, 3), 120, np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("clip.mp4", "libx264", "yuv420p"),
        ("clip.mov", "libx264", "yuv444p"),
        ("clip.mp4", "mpeg4", "yuv420p"),
        ("clip.webm", "libvpx-vp9", "yuv420p"),
        ("clip.mkv", "libvpx", "yuv420p"),
        ("clip.mkv", "ffv1", "yuv420p10le"),
    ],
)
def test_codecs(name: str, codec: str, pixels: str, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    try:
        av.codec.Codec(codec, "w")
    except av.FFmpegError:
        pytest.skip(f"this PyAV has no {codec}")
    encode(tmp_path / name, codec, pixels)
    (tmp_path / "clip.csv").write_text("forward\n" + "1\n" * 5)
    report = import_recordings(tmp_path / name, tmp_path / "out")
    episode = EpisodeStore(tmp_path / "out").read(0)
    assert report.frames == 5 and episode.meta["fps"] == 30
    assert np.abs(episode.frames.astype(int) - 120).max() <= 4


def test_codecs_that_nobody_asked_for_are_refused(tmp_path: Path) -> None:
    encode(tmp_path / "clip.mkv", "mjpeg", "yuvj420p")
    (tmp_path / "clip.csv").write_text("forward\n" + "1\n" * 5)
    with pytest.raises(MediaError, match="codec is mjpeg, expected one of h264"):
        import_recordings(tmp_path / "clip.mkv", tmp_path / "out")


def test_damage_in_the_middle_is_typed_and_leaves_nothing(tmp_path: Path) -> None:
    """Either what can be decoded is short of its actions, or the decoder says where it stopped."""
    make_video(tmp_path / "clip.mp4", np.random.default_rng(0).integers(0, 256, (60, 36, 64, 3), np.uint8))
    (tmp_path / "clip.csv").write_text("forward\n" + "1\n" * 60)
    data = bytearray((tmp_path / "clip.mp4").read_bytes())
    rng = np.random.default_rng(1)
    for trial in range(10):
        bad = bytearray(data)
        at = int(rng.integers(100, len(data) - 3000))
        bad[at : at + 2000] = rng.bytes(2000)
        (tmp_path / "bad.mp4").write_bytes(bad)
        out = tmp_path / f"out-{trial}"
        try:
            import_recordings(tmp_path / "bad.mp4", out, actions=tmp_path / "clip.csv")
        except (MediaError, DatasetError):
            assert not out.exists()
        else:
            assert verify(out).ok
