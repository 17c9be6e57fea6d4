"""VPT's and BASALT's recordings into episodes, and back: frames, actions and time stay together."""

from __future__ import annotations

import json
import os
import shutil
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_fakes import make_episode
from recording_fakes import make_segment, make_video, numbered, row

from worldsim import cli, errors
from worldsim.actions import CAMERA, INDEX
from worldsim.codec import vpt
from worldsim.data.cursor import draw_cursor
from worldsim.data.exporter import export_vpt
from worldsim.data.importer import ImportReport, ImportSettings, import_recordings
from worldsim.data.recordings import find_recordings, read_vpt_index
from worldsim.data.storage import EpisodeStore
from worldsim.data.ticks import Tick, merged, store_ticks
from worldsim.data.verify import verify
from worldsim.errors import DatasetError, MediaError, ResourceLimitError, UsageError

GOLDEN = Path(__file__).parent / "golden" / "vpt_segment.jsonl"
TURNS = [row(mouse_dx=float(t + 1), hotbar=0) for t in range(8)]
"""Row t turns t + 1 units right, so that every action says which row it is from."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    make_segment(tmp_path / "in", "8.0/alpha-20220315-122354", TURNS)
    return tmp_path / "in"


def load(source: Path, out: Path, **settings: Any) -> tuple[ImportReport, Any]:
    report = import_recordings(source, out, settings=ImportSettings(**settings))
    assert verify(out).ok
    return report, EpisodeStore(out).read(0)


# Time --------------------------------------------------------------------------------------------


def test_row_t_leads_from_frame_t_to_the_next(source: Path, tmp_path: Path) -> None:
    """Eight rows for eight frames: seven actions; the last row leads to no frame."""
    report, episode = load(source, tmp_path / "out")
    np.testing.assert_array_equal(episode.frames, numbered(8))
    np.testing.assert_allclose(episode.actions[:, INDEX["camera_yaw"]], 0.15 * np.arange(1, 8), rtol=1e-6)
    assert (report.format, report.frames, report.episodes) == ("vpt", 8, ["ep-000000"])
    assert not report.notices and not report.failed and report.played == pytest.approx(7 / 20)
    assert episode.truncated and not episode.terminated and episode.meta["fps"] == 20
    assert episode.meta["source"]["name"] == "8.0/alpha-20220315-122354"


@pytest.mark.parametrize(
    ("frames", "expected"), [(5, "has 5 frames and 3 more rows"), (11, "has 8 rows and more")]
)
def test_more_rows_than_frames_and_fewer(frames: int, expected: str, tmp_path: Path) -> None:
    make_segment(tmp_path, "one", TURNS, frames=frames)
    report, episode = load(tmp_path, tmp_path / "out")
    assert len(episode.frames) == min(frames, 8)
    np.testing.assert_allclose(
        episode.actions[:, INDEX["camera_yaw"]], 0.15 * np.arange(1, min(frames, 8)), rtol=1e-6
    )
    assert len(report.notices) == 1 and expected in report.notices[0]


def test_every_third_frame_adds_turns_up_and_keeps_keys(tmp_path: Path) -> None:
    rows = [dict(r) for r in TURNS]
    rows[4] = row(mouse_dx=5.0, keyboard_keys=["key.keyboard.w"])
    make_segment(tmp_path, "one", rows)
    _, episode = load(tmp_path, tmp_path / "out", every=3)
    np.testing.assert_array_equal(episode.frames[:, 0, 0, 1], [0, 3, 6])
    np.testing.assert_allclose(episode.actions[:, INDEX["camera_yaw"]], [0.15 * 6, 0.15 * 15], rtol=1e-6)
    assert episode.actions[:, INDEX["forward"]].tolist() == [0, 1]
    assert episode.meta["fps"] == pytest.approx(20 / 3)


def test_null_actions_stay_unless_asked(tmp_path: Path) -> None:
    rows = [*TURNS[:3], row(), row(), *TURNS[3:6]]
    make_segment(tmp_path, "one", rows)
    _, whole = load(tmp_path, tmp_path / "whole")
    _, skipped = load(tmp_path, tmp_path / "skipped", skip_null=True)
    np.testing.assert_array_equal(whole.frames[:, 0, 0, 1], np.arange(8))
    np.testing.assert_array_equal(skipped.frames[:, 0, 0, 1], [0, 1, 2, 5, 6, 7])
    assert len(skipped.actions) == 5 and skipped.actions[:, INDEX["camera_yaw"]].all()


# Luanti ------------------------------------------------------------------------------------------


def luanti_row(x: float, yaw: float, **changes: Any) -> dict[str, Any]:
    truth = {
        "engine": "minetest 5.6.1", "pos": [x, 17.5, 256.0], "vel": [4.0, 0.0, 2.0], "yaw": yaw, "pitch": -0.5,
        "dug": None, "placed": [{"name": "default:cobble"}], "tod": 0.25, **changes,
    }  # fmt: skip
    return row(xpos=x, ypos=17.5, zpos=256.0, yaw=0.0, pitch=0.0) | {"truth": truth}


def test_luanti_tells_its_pose_in_our_axes(tmp_path: Path) -> None:
    """Walking along the game's +x, which it calls yaw 0, is walking to our -x at yaw 90."""
    make_segment(tmp_path, "one", [luanti_row(float(t), 0.0) for t in range(4)])
    report, episode = load(tmp_path, tmp_path / "out")
    pose = episode.columns["pose"]
    np.testing.assert_allclose(pose[1], [-0.5, 19.47, 256.5, 90.0, np.degrees(0.5)], rtol=1e-6)
    step, yaw = pose[1, :3] - pose[0, :3], np.radians(pose[1, 3])
    np.testing.assert_allclose(step, [-np.sin(yaw), 0.0, np.cos(yaw)], atol=1e-5)
    np.testing.assert_allclose(episode.columns["velocity"][0], [-0.2, 0.0, 0.1], rtol=1e-6)
    assert episode.columns["time_of_day"].tolist() == [0.25] * 4
    assert episode.columns["events.placed"].all() and not episode.columns["events.broken"].any()
    assert episode.meta["env"] == "luanti" and not report.failed


@pytest.mark.parametrize("change", [{"pos": [1, 2]}, {"yaw": None}, {"tod": "noon"}, {"vel": [0, 0, 1e9]}])
def test_truth_that_is_none_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    wrong = luanti_row(0.0, 0.0)
    wrong["truth"].update(change)
    make_segment(tmp_path, "one", [luanti_row(0.0, 0.0), wrong])
    with pytest.raises(DatasetError, match=f"one.jsonl:2: truth: {next(iter(change))} is .*, expected"):
        load(tmp_path, tmp_path / "out")


def test_dark_stretches_are_left_out(tmp_path: Path) -> None:
    """Bright for 70 frames, dark for 5, bright for 65, dark for 1, bright for too few."""
    frames = np.full((70 + 5 + 65 + 1 + 20, 36, 64, 3), 100, np.uint8)
    frames[70:75], frames[140] = 3, 3
    frames[..., 0] = np.arange(len(frames))[:, None, None]
    make_segment(tmp_path / "in", "one", [row(mouse_dx=float(t + 1)) for t in range(len(frames))], frames=1)
    make_video(tmp_path / "in" / "one.mp4", frames)
    report, episode = load(tmp_path / "in", tmp_path / "out", min_light=60.0)
    assert report.episodes == ["ep-000000", "ep-000001"] and report.frames == 135
    second = EpisodeStore(tmp_path / "out").read(1)
    assert episode.frames[:, 0, 0, 0].tolist() == list(range(70))
    assert second.frames[:, 0, 0, 0].tolist() == list(range(75, 140))
    np.testing.assert_allclose(second.actions[:, INDEX["camera_yaw"]], 0.15 * np.arange(76, 140), rtol=1e-6)
    again, _ = load(tmp_path / "in", tmp_path / "out", min_light=60.0)
    assert (again.already, again.episodes) == (1, [])
    night, _ = load(tmp_path / "in", tmp_path / "out", min_light=250.0)
    assert "is darker than 250 throughout" in night.notices[0] and not night.episodes
    with pytest.raises(UsageError, match="min-light: got 300"):
        load(tmp_path / "in", tmp_path / "out", min_light=300.0)


# Quirks ------------------------------------------------------------------------------------------


def test_the_golden_segment(tmp_path: Path) -> None:
    """Stuck attack, wheel, null rows, a screen, a stripped last row; in the layout of the recorder."""
    shutil.copy(GOLDEN, tmp_path / "golden.jsonl")
    make_video(tmp_path / "golden.mp4", numbered(10))
    _, episode = load(tmp_path, tmp_path / "out")
    rows = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
    np.testing.assert_array_equal(episode.actions, vpt.to_vectors(rows)[:-1])
    assert episode.columns["gui"].tolist() == [False] * 7 + [True] + [False] * 2
    assert "pose" not in episode.columns, "the last row has none"


def test_compat_reproduces_truncated_degrees_within_the_space(tmp_path: Path) -> None:
    make_segment(tmp_path, "one", [row(mouse_dx=9.0), row(mouse_dx=2000.0), row()])
    _, ours = load(tmp_path, tmp_path / "ours")
    _, theirs = load(tmp_path, tmp_path / "theirs", compat="openai")
    assert ours.actions[:, INDEX["camera_yaw"]].tolist() == [np.float32(1.35), 180]
    assert theirs.actions[:, INDEX["camera_yaw"]].tolist() == [1, 180]


def test_the_folder_tells_the_recorder_version(tmp_path: Path) -> None:
    rows = [row(mouse_dx=100.0, isGuiOpen=True), row()]
    for version in ("5.7", "6.8", "8.0"):
        make_segment(tmp_path / version, f"{version}/one", rows)
        _, episode = load(tmp_path / version, tmp_path / f"out-{version}")
        expected = {"5.7": 7.5, "6.8": 30, "8.0": 15}[version]
        assert episode.actions[0, INDEX["camera_yaw"]] == expected


def test_the_cursor_is_drawn_in_screens_only(tmp_path: Path) -> None:
    """(640, 360) of a 1280x720 window is the middle, (32, 18), of a 64x36 picture."""
    make_segment(tmp_path, "one", [row(), row(isGuiOpen=True), row(isGuiOpen=True, mouse_x=None), row()])
    _, drawn = load(tmp_path, tmp_path / "drawn")
    _, plain = load(tmp_path, tmp_path / "plain", cursor=False)
    np.testing.assert_array_equal(plain.frames, numbered(4))
    changed = (drawn.frames != plain.frames).any(axis=-1)
    assert changed.any(axis=(1, 2)).tolist() == [False, True, False, False]
    ys, xs = np.nonzero(changed[1])
    assert (xs.min(), ys.min()) == (32, 18) and xs.max() < 48 and ys.max() < 34
    assert (drawn.frames[1] == 255).all(axis=-1).any(), "white inside"


@pytest.mark.parametrize("place", [(-5, -5), (60, 30), (-20, 0), (0, 500), (-(10**6), 10**6)])
def test_the_cursor_is_clipped(place: tuple[int, int]) -> None:
    frame = np.full((36, 64, 3), 90, np.uint8)
    draw_cursor(frame, *place)
    inside = -16 < place[0] < 64 and -16 < place[1] < 36
    assert (frame != 90).any() == inside


def test_stripped_rows_import(tmp_path: Path) -> None:
    """BASALT's: input and little else."""
    stripped = [
        {"mouse": {"dx": 2.0, "dy": 0.0, "buttons": [], "newButtons": []}, "keyboard": {"keys": []}}
    ] * 3
    make_segment(tmp_path, "one", stripped)
    _, episode = load(tmp_path, tmp_path / "out")
    assert episode.columns.keys() == {"gui"} and len(episode.actions) == 2


# Size --------------------------------------------------------------------------------------------


def test_crop_keeps_the_shape_and_stretch_keeps_everything(tmp_path: Path) -> None:
    frames = np.zeros((2, 36, 64, 3), np.uint8)
    frames[:, :, :8], frames[:, :, -8:] = (255, 0, 0), (0, 0, 255)
    frames[:, 8:28, 22:42] = 255  # a square
    make_video(tmp_path / "one.mp4", frames)
    (tmp_path / "one.jsonl").write_text("".join(json.dumps(row()) + "\n" for _ in range(2)))
    _, cropped = load(tmp_path, tmp_path / "cropped", size=(24, 18))
    _, stretched = load(tmp_path, tmp_path / "stretched", size=(24, 18), fit="stretch")
    assert cropped.frames.shape == stretched.frames.shape == (2, 18, 24, 3)
    for episode, edge, width in ((cropped, False, 10), (stretched, True, 7.5)):
        assert (episode.frames[0, 0, 0] > 100).any() == edge
        white = (episode.frames[0].min(axis=-1) > 127).any(axis=0).sum()
        assert abs(white - width) <= 1
    assert (cropped.frames[0].min(axis=-1) > 127).any(axis=1).sum() == 10


def test_a_size_averages_and_may_enlarge(tmp_path: Path) -> None:
    checks = np.indices((36, 64)).sum(0) % 2 * 200
    make_video(tmp_path / "one.mp4", np.repeat(checks[None, ..., None], 3, -1).repeat(2, 0).astype(np.uint8))
    (tmp_path / "one.jsonl").write_text("".join(json.dumps(row()) + "\n" for _ in range(2)))
    _, small = load(tmp_path, tmp_path / "small", size=(32, 18))
    assert abs(int(small.frames.min()) - 100) <= 3 and abs(int(small.frames.max()) - 100) <= 3
    _, large = load(tmp_path, tmp_path / "large", size=(100, 100))
    assert large.frames.shape == (2, 100, 100, 3)


# Many recordings ---------------------------------------------------------------------------------


def test_an_import_goes_on_where_it_stopped(source: Path, tmp_path: Path) -> None:
    load(source, tmp_path / "out")
    make_segment(source, "8.0/beta", TURNS[:3])
    report, _ = load(source, tmp_path / "out")
    assert (report.already, report.episodes, report.frames) == (1, ["ep-000001"], 3)


def test_one_bad_recording_does_not_stop_the_others(source: Path, tmp_path: Path) -> None:
    make_segment(source, "8.0/aaa", TURNS)
    (source / "8.0" / "aaa.jsonl").write_text("not a row\n")
    make_segment(source, "8.0/bad", [row(), row(mouse_dx="far")])
    make_segment(source, "8.0/cut", TURNS)
    (source / "8.0" / "cut.mp4").write_bytes((source / "8.0" / "cut.mp4").read_bytes()[:300])
    make_segment(source, "8.0/alone", TURNS)
    (source / "8.0" / "alone.jsonl").unlink()
    make_segment(source, "8.0/zeta", TURNS[:3])
    report, _ = load(source, tmp_path / "out")
    assert len(report.episodes) == 2 and len(report.failed) == 4 and report.format == "vpt"
    text = "\n".join(report.failed)
    assert (
        "bad.jsonl:2: mouse: dx is 'far'" in text
        and "alone.mp4: has no actions" in text
        and "cut.mp4" in text
    )


def test_a_last_row_cut_short_is_left_out_and_one_in_between_is_an_error(tmp_path: Path) -> None:
    video = make_segment(tmp_path, "one", TURNS)
    lines = video.with_suffix(".jsonl").read_text()
    video.with_suffix(".jsonl").write_text(lines[:-20])
    report, episode = load(tmp_path, tmp_path / "out")
    assert len(episode.frames) == 7 and "has 7 rows and more frames" in report.notices[0]
    video.with_suffix(".jsonl").write_text(lines.replace('"hotbar": 0}', '"hotbar": 0', 1))
    with pytest.raises(DatasetError, match=r"one\.jsonl:1: is not valid JSON"):
        import_recordings(tmp_path, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_index(tmp_path: Path) -> None:
    for name in ("8.0/a", "8.0/b"):
        make_segment(tmp_path / "data", name, TURNS[:3])
    make_segment(tmp_path / "data", "c", TURNS[:3])  # downloaded flat
    index = tmp_path / "all_8xx.json"
    relpaths = ["8.0/b", "9.0/c", "8.0/missing", "8.0/a"]
    index.write_text(json.dumps({"basedir": "https://example.org/data/", "relpaths": relpaths}))
    assert read_vpt_index(index).relpaths == tuple(relpaths)
    notices: list[str] = []
    found = find_recordings(index, root=tmp_path / "data", notice=notices.append)
    assert [(r.name, r.version) for r in found] == [("8.0/b", "8.0"), ("9.0/c", "9.0"), ("8.0/a", "8.0")]
    assert "1 of 4 listed videos are not in" in notices[0] and "8.0/missing first" in notices[0]
    report = import_recordings(index, tmp_path / "out", root=tmp_path / "data")
    assert report.frames == 9
    with pytest.raises(DatasetError, match="none of its 4 videos are in"):
        find_recordings(index)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"), ("[]", "got list"), ("{}", "is no index"),
        ('{"basedir": "", "relpaths": 3}', "is no index"),
        ('{"basedir": "", "relpaths": [3]}', r"relpaths\[0\]"), ('{"basedir": "", "relpaths": ["../a"]}', "inside"),
        ('{"basedir": "", "relpaths": ["/etc/passwd"]}', "inside"), ('{"basedir": "", "relpaths": [""]}', "inside"),
        ('{"basedir": NaN, "relpaths": []}', "NaN is not allowed"), ("[" * 5000, "not valid JSON"),
    ],
)  # fmt: skip
def test_bad_index(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "i.json").write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_vpt_index(tmp_path / "i.json")


def test_one_frame_is_held_at_a_time(tmp_path: Path) -> None:
    alive: list[Any] = []
    most = 0

    def frame(number: int) -> Any:
        nonlocal most
        made = np.full((20, 32, 3), number % 256, np.uint8)
        alive.append(weakref.ref(made))
        most = max(most, sum(ref() is not None for ref in alive[-50:]))
        return made

    def ticks() -> Any:
        for number in range(300):
            yield Tick(lambda n=number: frame(n), np.zeros(25, np.float32))

    with EpisodeStore(tmp_path / "out", write=True) as store:
        name, count = store_ticks(store, ticks(), fps=20, meta={"action_space": "minerl"})
    assert (name, count) == ("ep-000000", 300) and most <= 2
    assert [t.action.sum() for t in merged(ticks(), 100)] == [0, 0, 0]


def test_import_is_faster_than_real_time(tmp_path: Path) -> None:
    rows = [row(mouse_dx=1.0)] * 200
    (tmp_path / "one.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    make_video(tmp_path / "one.mp4", numbered(200, 320, 180))
    report, _ = load(tmp_path, tmp_path / "out", size=(160, 96))
    assert report.seconds < report.played


# There and back ----------------------------------------------------------------------------------


def test_record_export_import_agrees(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    game, layout, back = (str(tmp_path / name) for name in ("game", "vpt", "back"))
    record = "record --env worldsim/Voxel-v0 --width 64 --height 48 --steps 60 --episodes 2 --out"
    assert cli.main([*record.split(), game]) == 0
    assert cli.main(["data", "export", game, "--format", "vpt", "--out", layout]) == 0
    assert cli.main(["data", "import", layout, "--out", back]) == 0
    out = capsys.readouterr().out
    assert "2 episodes, 122 frames, mp4 and jsonl" in out and "2 new episodes, 122 frames of vpt" in out
    assert sorted(os.listdir(layout)) == [
        "ep-000000.jsonl", "ep-000000.mp4", "ep-000001.jsonl", "ep-000001.mp4", "index.json"
    ]  # fmt: skip
    for number in range(2):
        ours, theirs = EpisodeStore(game).read(number), EpisodeStore(back).read(number)
        np.testing.assert_array_equal(theirs.frames, ours.frames)
        np.testing.assert_array_equal(theirs.actions, ours.actions)
        np.testing.assert_array_equal(theirs.columns["pose"], ours.columns["pose"])
        np.testing.assert_array_equal(theirs.columns["slot"], ours.columns["slot"])
    assert cli.main(["data", "import", f"{layout}/index.json", "--out", back]) == 0
    assert "2 were there already" in capsys.readouterr().out


def test_viewable_export_is_close(tmp_path: Path) -> None:
    with EpisodeStore(tmp_path / "set", write=True) as store:
        ticks = (Tick(lambda f=f: f, np.zeros(25, np.float32)) for f in numbered(6))
        store_ticks(store, ticks, fps=10, meta={"action_space": "minerl"})
    report = export_vpt(tmp_path / "set", tmp_path / "out", viewable=True)
    assert (report.episodes, report.frames) == (("ep-000000",), 6)
    _, episode = load(tmp_path / "out", tmp_path / "back")
    assert np.abs(episode.frames.astype(int) - numbered(6)).mean() < 4 and episode.meta["fps"] == 10


def test_export_refuses(tmp_path: Path) -> None:
    with EpisodeStore(tmp_path / "set", write=True) as store:
        store.write(make_episode(3))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="is there already"):
        export_vpt(tmp_path / "set", tmp_path / "full")
    with pytest.raises(DatasetError, match="there is no such folder"):
        export_vpt(tmp_path / "none", tmp_path / "out")
    episode = make_episode(3)
    with EpisodeStore(tmp_path / "other", write=True) as store:
        store.write(type(episode)(episode.frames, episode.actions[:, :4], episode.rewards))
    with pytest.raises(DatasetError, match="its actions are not MineRL's"):
        export_vpt(tmp_path / "other", tmp_path / "out")
    with open(tmp_path / "set" / "ep-000000" / "frames.mp4", "ab") as file:
        file.write(b"x")
    with pytest.raises(errors.IntegrityError):
        export_vpt(tmp_path / "set", tmp_path / "out")
    assert not (tmp_path / "out").exists() and (tmp_path / "full" / "mine.txt").exists()


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        ("data import {tmp}/none --out {tmp}/a", DatasetError, "is not there"),
        ("data import {tmp}/text.txt --out {tmp}/a", DatasetError, "is neither a folder nor"),
        ("data import {tmp}/in/empty --out {tmp}/a", DatasetError, "holds no videos"),
        ("data import {tmp}/in/text.mp4 --out {tmp}/a", MediaError, "is no video that can be read"),
        ("data import {tmp}/in/zero.mp4 --out {tmp}/a", MediaError, "is no video that can be read"),
        ("data import {tmp}/in/alone.mp4 --out {tmp}/a", DatasetError, "alone.jsonl or alone.csv beside it"),
        ("data import {tmp}/in/alone.mp4 --format vpt --out {tmp}/a", DatasetError, "expected alone.jsonl"),
        ("data import {tmp}/in/one.mp4 --actions {tmp}/no.csv --out {tmp}/a", DatasetError, "can't be read"),
        ("data import {tmp}/in/one.mp4 --actions {tmp}/no.pt --out {tmp}/a", UsageError, "expected a file ending"),
        ("data import {tmp}/in --actions {tmp}/no.csv --out {tmp}/a", UsageError, "got one file for"),
        ("data import {tmp}/in/one.mp4 --root {tmp} --out {tmp}/a", UsageError, "--root"),
        ("data import {tmp}/in/one.mp4 --size 160 --out {tmp}/a", UsageError, "expected WIDTHxHEIGHT"),
        ("data import {tmp}/in/one.mp4 --size 0x96 --out {tmp}/a", ResourceLimitError, "size: got 0x96"),
        ("data import {tmp}/in/one.mp4 --size 9999x9 --out {tmp}/a", ResourceLimitError, "size: got 9999x9"),
        ("data import {tmp}/in/one.mp4 --every 0 --out {tmp}/a", UsageError, "every: got 0"),
        ("data import {tmp}/in/one.mp4 --format mcpe --out {tmp}/a", UsageError, "--format"),
        ("data import {tmp}/in/one.mp4 --compat deepmind --out {tmp}/a", UsageError, "--compat"),
        ("data import {tmp}/in/one.mp4", UsageError, "--out"),
        ("data import {tmp}/in/one.mp4 --out {tmp}/in", UsageError, "is no dataset"),
        ("data export {tmp}/in --out {tmp}/a", DatasetError, "is no dataset"),
        ("data export {tmp}/in --format lerobot --out {tmp}/a", UsageError, "--format"),
    ],
)  # fmt: skip
def test_bad_input(
    line: str,
    kind: type[errors.WorldSimError],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "text.txt").touch()
    make_segment(tmp_path / "in", "one", TURNS[:2])
    make_video(tmp_path / "in" / "alone.mp4", numbered(2))
    (tmp_path / "in" / "empty").mkdir()
    (tmp_path / "in" / "zero.mp4").touch()
    (tmp_path / "in" / "text.mp4").write_text("#EXTM3U\n/etc/passwd\n")
    for name in ("zero", "text"):
        shutil.copy(tmp_path / "in" / "one.jsonl", tmp_path / "in" / f"{name}.jsonl")
    assert cli.main(line.format(tmp=tmp_path).split()) == kind.exit_code
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "text.txt"], "something was left behind"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "pipe.jsonl").write_text(json.dumps(row()) + "\n")
    with pytest.raises(DatasetError, match="is no regular file"):
        import_recordings(tmp_path / "pipe.mp4", tmp_path / "out")
    os.mkfifo(tmp_path / "rows.jsonl")
    make_video(tmp_path / "rows.mp4", numbered(2))
    with pytest.raises(DatasetError, match="is no regular file"):
        import_recordings(tmp_path / "rows.mp4", tmp_path / "out", format="vpt")


def test_a_dataset_is_nothing_to_import(source: Path, tmp_path: Path) -> None:
    load(source, tmp_path / "out")
    with pytest.raises(UsageError, match="is a dataset of ours already"):
        import_recordings(tmp_path / "out", tmp_path / "again")


def test_pictures_beyond_the_limit(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worldsim.data.foreign_video.SOURCE_SIDE", 32)
    with pytest.raises(ResourceLimitError, match="pictures are 64x36"):
        import_recordings(source, tmp_path / "out")


def test_what_was_imported_verifies(tmp_path: Path) -> None:
    """The store's own check agrees with the codec's: whatever was imported verifies."""
    rows = [row(mouse_dx=1e6, mouse_dy=-1e6), row()]
    make_segment(tmp_path, "one", rows)
    _, episode = load(tmp_path, tmp_path / "out")
    assert episode.actions[0, CAMERA].tolist() == [-180, 180]
