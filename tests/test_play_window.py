"""The window on SDL's dummy driver, its thread, the run without a window, and the front door."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image
from play_fakes import Opener

from worldsim.actions import noop
from worldsim.errors import CheckpointError, DisplayError, MediaError, UsageError
from worldsim.play import player, record
from worldsim.play.headless import Headless, check_video_path, run_headless, side_by_side, summary
from worldsim.play.inputs import Inputs
from worldsim.play.options import DREAM, GAME, PlayOptions
from worldsim.play.session import Session
from worldsim.play.view import tinted
from worldsim.play.worker import Worker

pygame = pytest.importorskip("pygame")


@pytest.fixture
def dummy(monkeypatch, tmp_path):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    pygame.quit()


class Script:
    """A worker that lives in the window's own thread and posts events at given ticks."""

    def __init__(self, session, inputs, events):
        self.session, self.inputs, self.events = session, inputs, events
        self.view, self.alive, self.error, self.busy, self.count = session.view(), True, None, False, 0

    def start(self):
        pass

    def post(self, command):
        command(self.session)
        self.view = self.session.view()


def run_script(options, events, session=None, **window_state):
    """Play through the window; `events` maps a round of the loop to the events posted then."""
    from worldsim.play.window import Window

    inputs = Inputs()
    window = Window(options, inputs)
    for name, value in window_state.items():
        setattr(window, name, value)
    script = Script(session or Session(options, open_world=Opener()), inputs, events)
    flip = pygame.display.flip
    last = max(events, default=0) + 3

    def counted():
        flip()
        for event in events.get(script.count, []):
            pygame.event.post(event)
        script.count += 1
        if script.count > last:
            script.alive = False
        script.session.tick(inputs.take)
        script.session._serial += 1
        script.view = script.session.view()

    pygame.display.flip = counted
    try:
        window.run(script)
    finally:
        pygame.display.flip = flip
    return window, script


def key(name, down=True, mod=0):
    kind = pygame.KEYDOWN if down else pygame.KEYUP
    code = getattr(pygame, f"K_{name if len(name) == 1 else name.upper()}")
    return pygame.event.Event(kind, key=code, mod=mod, unicode="", scancode=0)


def test_keys_move_the_world_and_commands_reach_the_session(dummy):
    window, script = run_script(
        PlayOptions(),
        {
            1: [key("w"), key("3")],
            3: [key("w", False), key("tab")],
            5: [key("b"), key("h"), key("f3"), key("v"), key("f2"), key("m")],
            7: [key("m"), key("g"), key("g", mod=pygame.KMOD_SHIFT), key("p")],
        },
    )
    session = script.session
    assert session.stage.active == GAME and session.stage.side_by_side and session.paused
    assert session.stage.seed == 0 and session.begun == 3
    assert window.show_help and not window.show_figures and window.smooth
    dream = session.stage.worlds[DREAM]
    assert dream.origin == "the game"
    shots = list((dummy / "runs" / "screenshots").iterdir())
    assert len(shots) == 1 and Image.open(shots[0]).size == (960, 576)


def test_what_is_guessed_is_painted_on_demand(dummy):
    window, script = run_script(PlayOptions(), {1: [key("u"), key("b")], 4: [key("p")]})
    assert window.show_guesses
    panes = script.session.stage.panes()
    dream, game = sorted(panes, key=lambda pane: not pane.generated)
    painted = tinted(dream).astype(int) - dream.frame
    half = dream.frame.shape[1] // 2
    assert not painted[:, :half].any()
    assert painted[2:, half:, 0].min() > 100  # towards pink
    assert tinted(game) is game.frame


def test_the_mouse_is_taken_by_a_click_and_freed_by_escape(dummy):
    window, script = run_script(
        PlayOptions(sensitivity=2.0),
        {
            1: [pygame.event.Event(pygame.MOUSEMOTION, rel=(50, 0), pos=(0, 0), buttons=(0, 0, 0))],
            2: [pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=(5, 5))],
            3: [pygame.event.Event(pygame.MOUSEMOTION, rel=(10, 20), pos=(0, 0), buttons=(0, 0, 0))],
            4: [pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=(5, 5))],
            6: [pygame.event.Event(pygame.MOUSEWHEEL, x=0, y=-1), key("escape")],
        },
    )
    actions = [m.action for m in script.session.world.history.last(9) if m.action]
    turned = [tuple(a["camera"].round(3)) for a in actions if a["camera"].any()]
    assert turned == [(6.0, 3.0)]
    assert sum(a["attack"] for a in actions) >= 1
    assert not window.mouse_held and script.session.paused and not window._quitting


def test_a_second_escape_quits(dummy):
    window, _ = run_script(PlayOptions(), {1: [key("escape")], 3: [key("escape")], 30: []})
    assert window._quitting


def test_closing_the_window_quits_and_resizing_goes_on(dummy):
    window, script = run_script(
        PlayOptions(side_by_side=True),
        {
            1: [pygame.event.Event(pygame.WINDOWSIZECHANGED, x=300, y=700)],
            3: [pygame.event.Event(pygame.QUIT)],
            30: [],
        },
    )
    assert window._quitting and script.count < 10


def test_a_dropped_picture_starts_the_dream_and_a_bad_one_is_said(dummy):
    Image.new("RGB", (64, 64), "blue").save(dummy / "a.png")
    (dummy / "bad.png").write_text("no")
    drop = [pygame.event.Event(pygame.DROPFILE, file=str(dummy / n)) for n in ("a.png", "bad.png")]
    _, script = run_script(PlayOptions(), {1: drop[:1], 3: drop[1:]})
    assert script.session.world.origin == "a picture"
    assert "bad.png" in script.view.message.text and script.view.message.urgent


@pytest.mark.parametrize("size", [(1400, 900), (240, 160), (300, 800), (900, 200)])
def test_everything_is_drawn_at_any_size(dummy, size):
    from worldsim.play.hud import Figures, Hud
    from worldsim.play.layout import arrange

    screen = pygame.display.set_mode(size)
    pygame.font.init()
    session = Session(PlayOptions(side_by_side=True), open_world=Opener())
    session.say("a long line that has to be wrapped " * 9, urgent=True)
    session.pause()
    view = dataclasses.replace(session.view(), recorded=99, rewinding=True, autopilot=True)
    boxes = arrange([(160, 96)] * 2, size)
    for show_help in (False, True):
        screen.fill("black")
        figures = Figures(19.9, 31.0, float("nan"), 20, False, show_help=show_help, show_hint=True)
        Hud().draw(screen, view, boxes, figures)
        assert pygame.surfarray.array3d(screen).any()
    Hud().waiting(screen, "waking the world")


def test_the_thread_lives_at_the_asked_rate_and_uses_the_newest_input():
    inputs = Inputs()
    worker = Worker(lambda: Session(PlayOptions(), open_world=Opener()), inputs.take, rate=100)
    begun = time.monotonic()
    worker.start()
    inputs.press("forward")
    time.sleep(0.5)
    worker.stop()
    ticks, most = worker.view.panes[0].tick, 100 * (time.monotonic() - begun) + 2
    assert 5 <= ticks <= most and not worker.alive and worker.error is None


def test_an_error_in_the_thread_reaches_the_window_and_closes_the_worlds():
    opener = Opener()
    opener.broken[DREAM] = CheckpointError("no weights")
    worker = Worker(lambda: Session(PlayOptions(), open_world=opener), Inputs().take, rate=50)
    worker.start()
    worker.stop()
    assert isinstance(worker.error, CheckpointError)

    opener = Opener()
    worker = Worker(lambda: Session(PlayOptions(), open_world=opener), Inputs().take, rate=50)
    worker.start()
    worker.post(lambda session: 1 / 0)
    worker._thread.join(10)
    assert isinstance(worker.error, ZeroDivisionError) and opener.envs[DREAM].closed


def test_a_long_command_is_told():
    worker = Worker(lambda: Session(PlayOptions(), open_world=Opener()), Inputs().take, rate=50)
    worker.start()
    assert not worker.busy
    worker.post(lambda session: time.sleep(0.6))
    end = time.monotonic() + 20
    while not worker.busy and time.monotonic() < end:
        time.sleep(0.02)
    assert worker.busy
    worker.stop()
    assert not worker.busy


def test_the_slow_first_tick_of_a_new_world_is_told():
    worker = Worker(lambda: Session(PlayOptions(), open_world=Opener()), Inputs().take, rate=50)
    slow, told = threading.Event(), []

    def enter(session):
        time.sleep(0.4)  # longer than BUSY_SECONDS, and a tick is due

        def tick(_sample):
            slow.set()
            time.sleep(0.3)
            told.append(worker.busy)

        session.tick = tick

    worker.start()
    worker.post(enter)
    assert slow.wait(20)
    while len(told) < 2:
        time.sleep(0.02)
    worker.stop()
    assert told[:2] == [True, False]


def test_play_in_a_window_ends_by_itself_after_the_ticks(dummy, monkeypatch):
    opener = Opener()
    monkeypatch.setitem(Session.__init__.__kwdefaults__, "open_world", opener)
    player.play(PlayOptions(ticks=6, fps=100, record=str(dummy / "episodes")))
    assert opener.envs[DREAM].stepped == 6 and opener.envs[DREAM].closed
    assert (dummy / "episodes" / "ep-000000").is_dir()


def test_a_person_can_record_episodes(dummy, monkeypatch):
    import gymnasium

    from worldsim.data.recorder import Recorder
    from worldsim.data.storage import EpisodeStore

    opener = Opener(mortal=3)
    monkeypatch.setitem(Session.__init__.__kwdefaults__, "open_world", opener)
    player.human_rollout(GAME, 1, str(dummy / "a"), options=PlayOptions(fps=100))
    env = opener(GAME, PlayOptions()).env
    assert isinstance(env, gymnasium.Env)
    record.record_human(Recorder(env, dummy / "b"), episodes=2, steps=2, seed=4)
    assert [len(EpisodeStore(dummy / "a").read(0)), EpisodeStore(dummy / "a").read(0).terminated] == [3, True]
    assert [len(EpisodeStore(dummy / "b").read(i)) for i in range(2)] == [2, 2]


def test_no_display_is_one_line_with_the_remedy(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(DisplayError, match=r"--headless --ticks 200 --video out\.mp4"):
        player.play(PlayOptions())
    assert threading.active_count() < 20


def test_headless_writes_a_video_and_figures(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(Session.__init__.__kwdefaults__, "open_world", Opener(mortal=30))
    video, figures = tmp_path / "a" / "v.mp4", tmp_path / "a.json"
    options = PlayOptions(
        headless=True, ticks=40, video=str(video), json=str(figures), policy="noop", side_by_side=True
    )
    report = run_headless(options)
    assert report.ticks == 40 and report.episodes == 2 and json.loads(figures.read_text())["ticks"] == 40
    assert "40 ticks of 32x16 by noop" in capsys.readouterr().out
    import av

    with av.open(str(video)) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert len(frames) == 41 and frames[0].shape == (16, 64, 3)
    assert "frames/s" in summary(report)


def test_headless_stops_at_an_error_and_leaves_no_video(tmp_path, monkeypatch):
    monkeypatch.setitem(Session.__init__.__kwdefaults__, "open_world", Opener(failing=True))
    options = PlayOptions(headless=True, ticks=40, video=str(tmp_path / "v.mp4"), policy="noop")
    with pytest.raises(Exception, match="not finite"):
        run_headless(options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number, raised", [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_ctrl_c_commits_the_video_and_the_recording(tmp_path, number, raised):
    options = PlayOptions(
        headless=True, ticks=10**6, video=str(tmp_path / "v.mp4"), policy="noop", record=str(tmp_path / "e")
    )
    run = Headless(options, Session(dataclasses.replace(options, ticks=None), open_world=Opener()))
    threading.Timer(0.4, os.kill, (os.getpid(), number)).start()
    with pytest.raises(raised):
        run.run()
    assert (tmp_path / "v.mp4").stat().st_size > 0 and (tmp_path / "e" / "ep-000000" / "meta.json").exists()


def test_panes_of_different_heights_stand_side_by_side():
    session = Session(PlayOptions(side_by_side=True), open_world=Opener())
    view = session.view()
    tall = dataclasses.replace(view.panes[0], frame=np.ones((40, 8, 3), np.uint8))
    assert side_by_side(dataclasses.replace(view, panes=(tall, view.panes[1]))).shape == (40, 40, 3)


@pytest.mark.parametrize(
    "options",
    [
        {"seed": -1}, {"seed": 2**64}, {"fps": 0}, {"scale": 0}, {"ticks": 0}, {"sensitivity": 0.0},
        {"sensitivity": float("nan")}, {"video": "a.mp4"}, {"json": "-"}, {"width": 9},
        {"image": "a.png", "env": GAME},
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused(options):
    with pytest.raises(UsageError) as error:
        PlayOptions(**options)
    assert "\n" not in str(error.value) and "--" in str(error.value)


def test_bad_files_are_refused_before_play(tmp_path):
    with pytest.raises(UsageError, match=r"\.mp4"):
        check_video_path(str(tmp_path))
    with pytest.raises(MediaError):
        Session(PlayOptions(image=str(tmp_path / "none.png")), open_world=Opener())


def test_the_game_is_played_through_the_front_door(tmp_path):
    command = [
        sys.executable,
        "-m",
        "worldsim",
        "play",
        "--env",
        GAME,
        "--headless",
        "--ticks",
        "5",
        "--json",
        "-",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ticks"] == 5
    bare = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")}
    command = [sys.executable, "-m", "worldsim", "play", "--env", GAME]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=150, env=bare)
    assert done.returncode == 13 and done.stderr.count("\n") == 1 and "--headless" in done.stderr


def test_unknown_worlds_are_refused(tmp_path):
    for arguments in ({"env": "worldsim/None-v0"}, {"env": "CartPole-v1"}, {"env": GAME, "width": 65}):
        with pytest.raises(Exception) as error:
            Session(PlayOptions(**arguments))
        assert "\n" not in str(error.value) and error.value.exit_code > 0
    assert noop()["attack"] == 0
