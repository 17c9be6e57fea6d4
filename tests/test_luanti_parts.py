"""The parts of `worldsim/Luanti-v0` that need no game: settings, log, axes, clock, keeper, messages."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from worldsim import cli
from worldsim.data.storage import EpisodeStore
from worldsim.data.verify import verify
from worldsim.errors import ConfigError, MissingDependency, ResetNeeded, ResourceLimitError, UsageError
from worldsim.registry import ENVS, POLICIES, resolve

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Luanti is driven on Linux only")
FOLDER = "worldsim.envs"


def part(name: str) -> Any:
    return importlib.import_module(f"{FOLDER}.luanti_{name}")


def make(**options: Any) -> Any:
    return resolve(ENVS, "worldsim/Luanti-v0", "env")(**options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"width": 10}, "width: got 10, expected an integer from 64 to 1920"),
        ({"width": 101}, "width: got 101, expected an even number"),
        ({"height": 48.0}, "height"),
        ({"mapgen": "v8"}, "mapgen: got 'v8', expected one of v7"),
        ({"view": True}, "view"),
        ({"day_speed": float("nan")}, "day_speed"),
        ({"damage": 1}, "damage: got 1, expected True or False"),
        ({"options": {"name": "a\nsecure.enable_security = false"}}, "options"),
        ({"render_mode": "ansi"}, "render_mode"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace(".", r"\.")):
        make(**options)


def test_it_is_said_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    env = make()
    with pytest.raises(
        MissingDependency, match=r"minetest and Xvfb not installed; run  apt-get install .*minetest"
    ):
        env.reset(seed=1)
    with pytest.raises(ResetNeeded, match=r"reset\(\)"):
        env.step(env.action_space.sample())
    env.close()


def test_the_program_says_it_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    status = cli.main(["play", "--env", "worldsim/Luanti-v0", "--headless", "--ticks", "2"])
    said = capsys.readouterr().err.strip().splitlines()
    assert status == 14 and len(said) == 1 and "apt-get install" in said[0]


def test_no_clock_without_a_compiler_and_libfaketime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = part("clock")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(clock, "_FAKETIME", "/nowhere/*")
    clock.build_shim.cache_clear()
    with pytest.raises(MissingDependency, match=r"gcc libc6-dev .* apt-get install faketime"):
        clock.open_clock("auto", tmp_path, 0)
    with pytest.raises(MissingDependency, match="faketime"):
        clock.open_clock("faketime", tmp_path, 0)
    with pytest.raises(ConfigError, match="clock: got 'sundial'"):
        clock.open_clock("sundial", tmp_path, 0)
    library = tmp_path / "libfaketimeMT.so.1"
    library.touch()
    monkeypatch.setattr(clock, "_FAKETIME", str(library))
    assert not clock.open_clock("auto", tmp_path, 0).gated, "libfaketime stands in"


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_clock_stands_still_until_it_is_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = part("clock")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    clock.build_shim.cache_clear()
    ours = clock.open_clock("shim", tmp_path, 1_700_000_000)
    code = (
        "import sys, time\n"
        "for _ in sys.stdin: print(time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME), flush=True)"
    )
    environment = {**os.environ, **ours.environment()}
    program = subprocess.Popen(
        [sys.executable, "-S", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert program.stdin and program.stdout

    def ask() -> list[float]:
        program.stdin.write("\n")
        program.stdin.flush()
        return [float(value) for value in program.stdout.readline().split()]

    try:
        assert ask() == ask() == [1_700_000_000.0] * 3
        ours.advance(50_000_000)
        ours.follow()
        assert ask() == pytest.approx([1_700_000_000.05] * 3, abs=1e-6)
    finally:
        program.stdin.close()
        program.wait(10)
        program.stdout.close()
        ours.close()
        clock.build_shim.cache_clear()
    assert [p.suffix for p in (tmp_path / "cache" / "worldsim").iterdir()] == [".so"], "built once, and kept"


def test_the_log_is_sorted_even_when_lines_run_together() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    log = part("log").GameLog(read)
    client = b"ACTION: @worldsim client 7 0.05 1 2 3 0.5 0 -0.5 1.5 0.25 1 20 ."
    os.write(
        write,
        b"2023: hello\n" + client + b'x: @worldsim server {"step": 3}2023: ACTION\n@worldsim server {"st',
    )
    assert log.read(0.0)
    assert log.frame.number == 7 and log.frame.eye == (1.0, 2.0, 3.0) and log.frame.on_ground
    assert (log.frames, log.moved, log.seconds) == (1, 1, 0.05)
    assert list(log.states) == [{"step": 3}] and list(log.others) == ["2023: hello"]
    os.write(write, b'ep": 4}\n2023: ERROR[Main]: no such luck\n')
    os.close(write)
    while log.read(0.1):
        pass
    assert log.states[-1] == {"step": 4} and log.ended and "no such luck" in log.complaint()
    os.close(read)


def test_axes_are_ours() -> None:
    """Luanti faces +z with x to the right; so does a mirror image of Minecraft's axes."""
    state, log = part("state"), part("log")

    def pose(yaw: float) -> Any:
        return state.pose(log.ClientFrame(1, 0.05, (10.0, 5.5, 20.0), (0, 0, 0), yaw, -0.5, True, 20))

    assert pose(np.pi / 2)[:4].tolist() == [-9.5, 6.0, 20.5, 0.0], "facing +z"
    assert pose(0.0)[3] == pytest.approx(90.0), "a quarter turn to the right, to their +x and our -x"
    assert pose(0.0)[4] == pytest.approx(np.degrees(0.5)), "pitch is positive down"
    assert state.to_theirs(state.to_ours((3.0, 4.0, 5.0))) == [3.0, 4.0, 5.0]
    assert state.to_theirs((0.5, 0.5)) == [0.0, 0.0]


@pytest.mark.parametrize("end", ["close", "kill -9", "keeper killed"])
def test_the_keeper_ends_everything(end: str, tmp_path: Path) -> None:
    """With a display and a game that are mere shell scripts; the real ones are in test_luanti.py."""
    root = tmp_path / "root"
    root.mkdir()
    xvfb, game = tmp_path / "xvfb", tmp_path / "game"
    xvfb.write_text('#!/bin/sh\necho 77 >/proc/self/fd/$2\necho $$ >"$0.pid"\nexec sleep 100\n')
    game.write_text('#!/bin/sh\necho $DISPLAY >"$0.display"\necho $$ >"$0.pid"\nexec sleep 100\n')
    for script in (xvfb, game):
        script.chmod(0o755)
    keeper = Path(resolve(ENVS, "worldsim/Luanti-v0", "env").__init__.__code__.co_filename).with_name(
        "luanti_keeper.py"
    )
    code = (
        "import json, os, subprocess, sys, time\n"
        "read, write = os.pipe()\n"
        f"config = dict(folder={str(root)!r}, remove=True, parent=os.getpid(), log=write, fds=[],\n"
        f"    xvfb=[{str(xvfb)!r}], game=[{str(game)!r}], environment={{}})\n"
        f"keeper = subprocess.Popen([sys.executable, '-I', '-S', {str(keeper)!r}, json.dumps(config)],\n"
        "    stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[write], start_new_session=True)\n"
        "print(keeper.pid, keeper.stdout.readline().decode().strip(), flush=True)\n"
        "keeper.stdout.readline(); print(flush=True)\n"
        "sys.stdin.read(1); keeper.stdin.close(); keeper.wait(); time.sleep(100)\n"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert program.stdin and program.stdout
    pid, said = program.stdout.readline().split(maxsplit=1)
    program.stdout.readline()
    assert said.strip() == "display :77"
    pids = [_when_written(tmp_path / f"{name}.pid") for name in ("xvfb", "game")]
    assert (tmp_path / "game.display").read_text().strip() == ":77"
    if end == "close":
        program.stdin.write("x")
        program.stdin.flush()
    elif end == "kill -9":
        program.kill()
    else:
        os.kill(int(pid), 9)
    assert _soon(lambda: not any(_alive(p) for p in pids)), f"still there: {[p for p in pids if _alive(p)]}"
    if end != "keeper killed":  # then it is the parent that removes the folder
        assert _soon(lambda: not root.exists())
    program.kill()
    program.communicate()


def _when_written(path: Path) -> int:
    assert _soon(lambda: path.exists() and path.read_text().strip() != "")
    return int(path.read_text())


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _soon(met: Any, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not met() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(met())


def test_slots_are_different_and_come_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slot = part("slot")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(slot, "SLOTS", 2)
    first, second = slot.Slot(), slot.Slot()
    assert (first.number, second.number) == (0, 1)
    with pytest.raises(ResourceLimitError, match="2 games are running"):
        slot.Slot()
    first.close()
    first.close()
    assert slot.Slot().number == 0
    second.close()


def test_a_world_is_taken_over_without_its_code(tmp_path: Path) -> None:
    settings = part("settings")
    (tmp_path / "worldmods" / "evil").mkdir(parents=True)
    (tmp_path / "worldmods" / "evil" / "init.lua").write_text("os.execute('x')")
    with pytest.raises(UsageError, match=r"map\.sqlite"):
        settings.check_world(tmp_path)
    for name in ("map.sqlite", "map_meta.txt", "world.mt"):
        (tmp_path / name).write_text("x")
    settings.check_world(tmp_path)
    (tmp_path / "players.sqlite").symlink_to("/etc/passwd")
    settings.copy_world(tmp_path, tmp_path / "copy")
    assert sorted(p.name for p in (tmp_path / "copy").iterdir()) == ["map.sqlite", "map_meta.txt"]


def test_the_explorer_takes_the_tool_that_fits() -> None:
    state = {
        "pose": np.zeros(5, np.float32),
        "target": np.array([0, 0, 1, 9], np.int32),
        "target_name": "default:dirt_with_grass",
        "slot": 0,
        "items": ("default:pick_steel", "default:cobble", "default:shovel_steel", *[""] * 6),
        "counts": np.array([1, 9, 1, *[0] * 6], np.int32),
        "placeable": np.array([False, True, False, *[False] * 6]),
    }
    body = importlib.import_module("worldsim.agents.body").Body()
    body.sense(state)
    assert body.counts == [0, 9, *[0] * 7], "tools are not blocks to place"
    working = importlib.import_module("worldsim.agents.working")
    names = importlib.import_module("worldsim.actions").INDEX
    actions = list(working.take_tool(body))
    assert len(actions) == 2 and actions[0][names["hotbar.3"]] == 1
    body.sense({**state, "slot": 2})
    assert list(working.take_tool(body)) == []
    assert resolve(POLICIES, "explorer", "policy")(0).act(state).shape == (25,)


def test_the_explorer_does_not_stay_in_a_form() -> None:
    player = resolve(POLICIES, "explorer", "policy")(0)
    escape = importlib.import_module("worldsim.actions").INDEX["ESC"]
    closed = [tick for tick in range(60) if player.act({"form_open": True})[escape]]
    assert closed and closed[0] < 20


RECORD = "record --env worldsim/Voxel-v0 --width 64 --height 48 --steps 4 --no-depth"


def test_record_in_parallel_is_the_same_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for workers in ("1", "2"):
        out = tmp_path / workers
        assert cli.main([*RECORD.split(), "--out", str(out), "--episodes", "3", "--workers", workers]) == 0
    assert capsys.readouterr().out.count("3 episodes, 15 frames") == 2
    assert verify(tmp_path / "2").ok
    one, two = EpisodeStore(tmp_path / "1"), EpisodeStore(tmp_path / "2")
    for i in range(3):
        assert (one.read(i).frames == two.read(i).frames).all()
        assert one.read(i).meta == two.read(i).meta
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2"]


def test_record_in_parallel_says_what_went_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = "record --env worldsim/Voxel-v0 --width 65 --height 48 --episodes 2 --workers 2"
    assert cli.main([*wrong.split(), "--out", str(tmp_path / "x")]) != 0
    said = capsys.readouterr().err
    assert "width" in said and "0 of 2 episodes" in said
    assert cli.main([*RECORD.split(), "--out", str(tmp_path / "y"), "--workers", "0"]) == 2
    assert (
        cli.main([*RECORD.split(), "--out", str(tmp_path / "y"), "--workers", "2", "--policy", "human"]) == 2
    )
    assert not (tmp_path / "y").exists()


def test_nothing_of_the_game_is_in_the_settings_of_another(tmp_path: Path) -> None:
    """Instances have a home, a configuration and a world of their own."""
    settings = part("settings")
    roots = [tmp_path / "a", tmp_path / "b"]
    for seed, root in enumerate(roots):
        root.mkdir()
        settings.write_files(root, settings.LuantiSettings(), seed, {"damage": False}, None)
    for seed, root in enumerate(roots):
        text = (root / "minetest.conf").read_text()
        assert f"fixed_map_seed = {seed}\n" in text and "bind_address = 127.0.0.1" in text
        assert settings.environment(root)["HOME"] == str(root / "home")
        assert json.loads((root / "world" / "worldsim_setup.json").read_text()) == {"damage": False}
        assert (root / "world" / "worldmods" / "worldsim_oracle" / "init.lua").is_file()
