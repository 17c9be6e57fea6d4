"""The real window, on a virtual display: skipped where there is no Xvfb."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.skipif(not shutil.which("Xvfb"), reason="needs Xvfb (apt-get install xvfb)")
GAME = ["--env", "worldsim/Voxel-v0"]


@pytest.fixture(scope="module")
def display():
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x768x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait(10)


@pytest.fixture
def play(display, tmp_path):
    """Starts `worldsim play` with arguments; ends it after the test."""
    running = []
    environment = {**os.environ, "DISPLAY": display, "OMP_NUM_THREADS": "1"}
    environment.pop("SDL_VIDEODRIVER", None)

    def start(*arguments):
        command = [sys.executable, "-m", "worldsim", "play", *GAME, *arguments]
        # Python ignores SIGINT where its parent does, as a background job of a shell.
        handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
        signal.signal(signal.SIGINT, handler)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def wait_for(condition, seconds=150.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.1)


NO_OPENGL = """
import sys
if sys.argv[1] == "env":
    from worldsim.window import Window
    Window(64, 48, title="", fps=20)
else:
    from worldsim.play.display import open_display
    open_display((64, 48), fullscreen=False)
print([name for line in open("/proc/self/maps") if "LLVM" in (name := line.split()[-1])])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@pytest.mark.parametrize(("window", "has_display"), [("player", True), ("env", True), ("env", False)])
def test_windows_leave_opengl_alone(display, window, has_display):
    # Mesa's LLVM and the one in Triton, which torch imports with its first optimiser, crash together.
    environment = {
        key: value for key, value in os.environ.items() if key not in ("DISPLAY", "SDL_VIDEODRIVER")
    }
    environment |= {"DISPLAY": display} if has_display else {}
    command = [sys.executable, "-c", NO_OPENGL, window]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_window_opens_plays_and_closes(play):
    process = play("--ticks", "20", "--scale", "3")
    assert process.wait(150) == 0, process.stderr.read()


def test_ctrl_c_commits_the_recording(play, tmp_path):
    process = play("--record", "episodes")
    wait_for(lambda: list(tmp_path.glob("episodes/.tmp-*/frames.mp4")))
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(150) == 130
    assert process.stderr.read().strip() == "worldsim: interrupted"
    assert (tmp_path / "episodes" / "ep-000000" / "meta.json").exists()


@pytest.mark.skipif(not shutil.which("xdotool"), reason="needs xdotool")
def test_keys_of_a_real_keyboard(play, display, tmp_path):
    process = play("--record", "episodes")
    wait_for(lambda: list(tmp_path.glob("episodes/.tmp-*/frames.mp4")))

    def press(*keys):
        subprocess.run(["xdotool", "key", *keys], env={**os.environ, "DISPLAY": display}, check=True)

    press("F2")
    wait_for(lambda: list(tmp_path.glob("runs/screenshots/[0-9]*.png")))
    shot = np.array(Image.open(next(tmp_path.glob("runs/screenshots/[0-9]*.png"))))
    assert shot.shape == (576, 960, 3) and shot.std() > 10
    press("Escape")
    time.sleep(0.5)
    assert process.poll() is None
    press("Escape")
    assert process.wait(150) == 0, process.stderr.read()


def test_a_display_that_does_not_answer_is_one_line(play, monkeypatch):
    process = play("--headless", "--ticks", "2")
    assert process.wait(150) == 0
    monkeypatch.setenv("DISPLAY", ":9999")
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    done = subprocess.run(
        [sys.executable, "-m", "worldsim", "play", *GAME], capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 13, done.stderr
    assert "no display answers at :9999" in done.stderr and "--headless" in done.stderr
