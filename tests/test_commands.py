"""`worldsim record` and `worldsim data` through the front door, with small episodes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from worldsim import cli, errors

RECORD = "record --env worldsim/Voxel-v0 --width 64 --height 48 --steps 4 --out"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "game"
    assert cli.main([*RECORD.split(), str(folder), "--episodes", "2"]) == 0
    return folder


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    folder = tmp_path / "game"
    assert cli.main([*RECORD.split(), str(folder)]) == 0
    with open(folder / "ep-000000" / "frames.mp4", "ab") as file:
        file.write(b"x")
    return folder


def test_info(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "info", str(recorded)]) == 0
    out = capsys.readouterr().out
    assert "2 episodes, 10 frames" in out and "worldsim/Voxel-v0 (2)" in out and "64x48 (2)" in out
    assert cli.main(["data", "info", str(recorded), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 10


@pytest.mark.parametrize("quick", [[], ["--quick"]])
def test_verify(recorded: Path, quick: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "verify", str(recorded), *quick]) == 0
    assert "all as committed" in capsys.readouterr().out


def test_recording_again_continues(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert cli.main([*RECORD.split(), str(tmp_path / "a"), "--policy", "random"]) == 0
    assert cli.main(["data", "info", str(tmp_path / "a")]) == 0
    assert "2 episodes" in capsys.readouterr().out


def test_damage_is_found_and_repaired(damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "verify", str(damaged)]) == errors.IntegrityError.exit_code
    captured = capsys.readouterr()
    assert "ep-000000/frames.mp4" in captured.out
    assert re.fullmatch(
        r"worldsim: error: .*1 problem in 1 episodes; run  worldsim data repair .*\n", captured.err
    )
    assert cli.main(["data", "repair", str(damaged)]) == 0
    assert "quarantined ep-000000" in capsys.readouterr().out
    assert cli.main(["data", "verify", str(damaged)]) == 0
    assert cli.main(["data", "repair", str(damaged)]) == 0
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "kind", "message"),
    [
        ("data info {tmp}/none", errors.DatasetError, "there is no such folder"),
        ("data verify {tmp}", errors.DatasetError, "is no dataset"),
        ("data repair {tmp}/none", errors.DatasetError, "there is no such folder"),
        ("record", errors.UsageError, "--out"),
        ("record --out {tmp}/a --env worldsim/Vexel-v0", errors.UsageError, "Vexel"),
        ("record --out {tmp}/a --policy exploror", errors.UsageError, "did you mean explorer?"),
        ("record --out {tmp}/a --episodes 0", errors.UsageError, "episodes: got 0"),
        ("record --out {tmp}/a --steps -1", errors.UsageError, "steps: got -1"),
        ("record --out {tmp}/a --seed -1", errors.UsageError, "seed: got -1"),
        ("record --out {tmp}/a --width 65", errors.ConfigError, "width: got 65, expected a multiple of 16"),
        ("record --out {tmp}/a --world x", errors.UsageError, "--world: for --env worldsim/Dream-v0 only"),
        ("record --out {tmp}/a --wandb maybe", errors.UsageError, "--wandb"),
        ("record --out {tmp}/a --env CartPole-v1", errors.UsageError, "use --policy random here"),
        (
            "record --out {tmp}/a --env Vexel-v0",
            errors.UsageError,
            "Worlds here: worldsim/Dream-v0, worldsim/Luanti-v0, worldsim/MineRL-v0, worldsim/V",
        ),
        ("record --out {tmp}/a --policy human", errors.DisplayError, "worldsim record --policy explorer"),
        ("record --out {tmp}/file/a", errors.ResourceLimitError, "can't be written"),
        ("record --out {tmp}", errors.UsageError, "holds 'file' and is no dataset"),
    ],
)
def test_bad_input(
    line: str,
    kind: type[errors.WorldSimError],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "file").touch()
    assert cli.main(line.format(tmp=tmp_path).split()) == kind.exit_code
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["file"], "something half-written was left behind"


@pytest.mark.skipif(os.name != "posix" or not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_never_waited_for(recorded: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.json")
    assert cli.main(["data", "info", str(tmp_path)]) == errors.DatasetError.exit_code
