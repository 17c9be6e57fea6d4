"""`worldsim/Luanti-v0` against the real game: lockstep, camera, worlds that come back, nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from worldsim.actions import noop
from worldsim.errors import EngineError, MissingDependency, ResetNeeded, UsageError
from worldsim.registry import ENVS, resolve

pytest.importorskip("Xlib", reason="python-xlib is not installed (pip install python-xlib)")
_PATH = os.environ.get("PATH", "") + ":/usr/games"
for _program in ("minetest", "Xvfb"):
    if shutil.which(_program, path=_PATH) is None:
        pytest.skip(f"{_program} is not installed (apt-get install minetest xvfb)", allow_module_level=True)

LAND = 11  # a seed that begins on dry land
SMALL = {"width": 64, "height": 48}


def make(**options: Any) -> Any:
    return resolve(ENVS, "worldsim/Luanti-v0", "env")(**{**SMALL, **options})


@pytest.fixture(scope="module")
def shared() -> Iterator[Any]:
    env = make()
    env.reset(seed=LAND)
    yield env
    env.close()


@pytest.fixture
def env(shared: Any) -> Any:
    """A running game; a test that leaves it ended gives the next one a new one."""
    if shared._game is None:
        shared.reset(seed=LAND)
    return shared


def act(env: Any, *keys: str, pitch: float = 0.0, yaw: float = 0.0) -> dict[str, Any]:
    action = {**noop(), **dict.fromkeys(keys, 1), "camera": np.array([pitch, yaw], np.float32)}
    return env.step(action)[4]["state"]


def processes() -> set[int]:
    """Games, keepers and displays of ours that run."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if b"worldsim-luanti-" in command:
            found.add(int(folder.name))
    return found


def gone(before: set[int], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while processes() - before and time.monotonic() < deadline:
        time.sleep(0.1)
    return not processes() - before


def test_each_step_is_50_ms_and_the_camera_turns_as_told(env: Any) -> None:
    rng = np.random.default_rng(0)
    state = act(env, pitch=-float(act(env)["pose"][4]))
    yaw, pitch = float(state["pose"][3]), float(state["pose"][4])
    for _ in range(60):
        turn = 0.15 * rng.integers(-400, 401, 2)
        turn[0] = np.clip(pitch + turn[0] * 0.2, -80, 80) - pitch
        turn[0] = round(turn[0] / 0.15) * 0.15
        state = act(env, *(["forward"] if rng.random() < 0.5 else []), pitch=turn[0], yaw=turn[1])
        pitch, yaw = pitch + turn[0], yaw + turn[1]
        off = (float(state["pose"][3]) - yaw + 180.0) % 360.0 - 180.0
        assert abs(off) < 1e-3 and abs(float(state["pose"][4]) - pitch) < 1e-3
        assert float(state["dtime"]) == np.float32(0.05)


def test_what_is_left_of_a_turn_is_turned_later(env: Any) -> None:
    start = float(act(env)["pose"][3])
    for _ in range(50):
        state = act(env, yaw=0.04)
    assert abs((float(state["pose"][3]) - start - 2.0 + 180) % 360 - 180) < 0.08


def test_keys(env: Any) -> None:
    act(env, pitch=-float(act(env)["pose"][4]))
    for _ in range(10):
        state = act(env, "hotbar.3")
    assert state["slot"] == 2 and state["items"][2] == "default:wood" and state["placeable"][2]
    before = act(env)["pose"]
    for _ in range(10):
        act(env, "jump")
    assert act(env)["pose"][1] > before[1]
    for _ in range(20):
        state = act(env)
    assert state["on_ground"]


def test_forms_open_and_escape_never_pauses(env: Any) -> None:
    act(env, "ESC")
    assert not act(env)["form_open"]
    act(env, "inventory")
    state = act(env)
    assert state["form_open"]
    yaw = state["pose"][3]
    assert act(env, yaw=15.0)["pose"][3] == yaw, "the mouse moves the pointer in a form"
    act(env, "ESC")
    state = act(env)
    assert not state["form_open"] and float(state["dtime"]) == np.float32(0.05)


def test_blocks_are_broken_and_placed(env: Any) -> None:
    act(env, pitch=80.0 - float(act(env)["pose"][4]))
    act(env, "hotbar.8")  # the shovel
    state = act(env)
    assert state["target"][3] > 0 and state["target_name"]
    target = state["target"].tolist()
    broken = 0
    for _ in range(60):
        broken = int(act(env, "attack")["events"]["broken"])
        if broken:
            break
    assert broken == target[3], "the block that was looked at"
    act(env, "hotbar.2")
    count = int(act(env)["counts"][1])
    for _ in range(4):
        act(env, "use")
    assert int(act(env)["counts"][1]) < count


def test_bad_options_change_nothing(env: Any) -> None:
    game = env._game
    for options, text in (
        ({"time": 1}, "unknown time"),
        ({"time_of_day": 2}, "0 to 1"),
        ({"spawn": (1,)}, "spawn"),
        ({"spawn": (1, float("nan"))}, "spawn"),
        ({"inventory": "default:cobble"}, "inventory"),
        ({"world": "/nowhere"}, "map.sqlite"),
    ):
        with pytest.raises(UsageError, match=text):
            env.reset(options=options)
    assert env._game is game


def test_the_same_seed_gives_the_same_world_and_two_games_run_at_once(env: Any) -> None:
    runs = []
    with_others = make()
    try:
        for _ in range(2):
            obs, info = with_others.reset(seed=LAND)
            frames, poses = [obs], [info["state"]["pose"]]
            for tick in range(40):
                keys = ("forward", "attack") if tick % 8 < 5 else ("jump", "use", "hotbar.2")
                obs, _, _, _, info = with_others.step(
                    {**noop(), **dict.fromkeys(keys, 1), "camera": np.array([1.5, 6.0], np.float32)}
                )
                frames.append(obs)
                poses.append(info["state"]["pose"])
            runs.append((np.stack(frames), np.stack(poses)))
            act(env)  # the other game is still there
    finally:
        with_others.close()
    assert (runs[0][1] == runs[1][1]).all(), "the pose, to the last bit"
    off = np.abs(runs[0][0].astype(int) - runs[1][0]).max(-1)
    # The game throws dice for crumbs of a broken block and for a level of the sky: up to 1 pixel in 100
    # was off in 28 pairs of runs, 58 are in another world.
    assert (off > 24).mean() < 0.05


def test_a_saved_world_comes_back(env: Any, tmp_path: Path) -> None:
    act(env, pitch=60.0 - float(act(env)["pose"][4]))
    act(env, "hotbar.2")
    for _ in range(30):
        act(env)
    before = act(env)
    env.save_world(tmp_path / "saved")
    with pytest.raises(UsageError, match="not empty"):
        env.save_world(tmp_path / "saved")
    for state in (act(env), env.reset(options={"world": tmp_path / "saved"})[1]["state"]):
        assert np.allclose(state["pose"], before["pose"], atol=0.02), "the game sends hundredths of a degree"
        assert state["counts"].tolist() == before["counts"].tolist() and state["slot"] == before["slot"]
        assert abs(float(state["time_of_day"]) - float(before["time_of_day"])) < 0.01
    assert not list(tmp_path.glob(".*")), "no half-written folder"


def test_a_game_that_dies_is_an_error_and_reset_goes_on(env: Any) -> None:
    os.kill(env._game.pid, signal.SIGKILL)
    with pytest.raises(EngineError, match="it ended"):
        for _ in range(3):
            act(env)
    with pytest.raises(ResetNeeded, match="reset"):
        act(env)
    env.reset(
        seed=LAND, options={"time_of_day": 0.5, "inventory": ["default:stone 5"], "spawn": (3.5, 90.0, 7.5)}
    )
    state = act(env)
    assert state["items"][0] == "default:stone" and state["counts"].tolist() == [5] + [0] * 8
    assert abs(float(state["time_of_day"]) - 0.5) < 0.01
    assert abs(state["pose"][0] - 3.5) < 0.01 and abs(state["pose"][2] - 7.5) < 0.01


def test_a_port_that_is_taken_leads_to_another(
    env: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # where nobody knows of the other game's number
    other = make()
    try:
        other.reset(seed=LAND)
        act(other)
    finally:
        other.close()
    act(env)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None], ids=str)
def test_nothing_is_left_behind(how: signal.Signals | None) -> None:
    """The program is killed in the middle, interrupted, or ends without closing."""
    before = processes()
    code = (
        "import gymnasium, worldsim, sys; from worldsim.actions import noop\n"
        "env = gymnasium.make('worldsim/Luanti-v0', width=64, height=48); env.reset(seed=1)\n"
        "print(env.unwrapped._game._root, flush=True)\n"
        "for _ in range(10**6 if len(sys.argv) > 1 else 3): env.step(noop())\n"
    )
    command = [sys.executable, "-c", code, *(["on"] if how else [])]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert program.stdout is not None
    root = Path(program.stdout.readline().strip())
    assert processes() - before and root.is_dir()
    if how:
        program.send_signal(how)
    program.wait(30)
    program.stdout.close()
    assert gone(before), "no game, keeper or display"
    deadline = time.monotonic() + 5
    while root.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not root.exists(), "no folder"


def test_faketime_stands_in_where_there_is_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    from worldsim.envs.luanti_clock import find_faketime  # type: ignore[import-not-found,unused-ignore]

    try:
        find_faketime()
    except MissingDependency as missing:
        pytest.skip(str(missing))
    env = make(clock="faketime")
    try:
        yaw = float(env.reset(seed=LAND)[1]["state"]["pose"][3])
        for _ in range(5):
            state = act(env, "forward", yaw=1.5)
            assert abs(float(state["dtime"]) - 0.05) < 1e-5
        assert abs((float(state["pose"][3]) - yaw - 7.5 + 180) % 360 - 180) < 1e-3
    finally:
        env.close()
