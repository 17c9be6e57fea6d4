"""The session: time, history, worlds, recording; no window, no real world."""

import threading

import numpy as np
import pytest
from PIL import Image
from play_fakes import Opener

from worldsim.actions import noop, to_vector
from worldsim.errors import CheckpointError, UsageError
from worldsim.play.history import SNAPSHOT_EVERY, History, Moment
from worldsim.play.options import DREAM, GAME, PlayOptions
from worldsim.play.session import Session


def make(opener=None, **options) -> Session:
    extra = {k: options.pop(k) for k in ("auto_restart", "episodes") if k in options}
    return Session(PlayOptions(**options), open_world=opener or Opener(), **extra)


def live(session, ticks, seed=0):
    """Live with varied actions; returns the frames."""
    rng, frames = np.random.default_rng(seed), []
    for _ in range(ticks):
        action = noop()
        action["forward"], action["attack"] = int(rng.integers(2)), int(rng.integers(2))
        action["camera"] = rng.integers(-9, 9, 2).astype(np.float32)
        session.tick(lambda a=action: a)
        frames.append(session.view().panes[0].frame)
    return frames


def test_a_pause_stops_time_and_a_step_lives_one_tick():
    session = make()
    session.toggle_pause()
    live(session, 3)
    assert session.world.moment.tick == 0 and session.view().paused
    session.single_step()
    live(session, 3)
    assert session.world.moment.tick == 1 and session.paused


@pytest.mark.parametrize("back", [1, 4, 5, 6, 13, 40])
def test_a_rewind_is_exact(back):
    session = make()
    frames = live(session, 60)
    session.rewind(back / 20)
    assert session.world.moment.tick == 60 - back
    assert np.array_equal(session.view().panes[0].frame, frames[59 - back])
    again = live(session, 1, seed=5)
    other = make()
    live(other, 60 - back)
    assert np.array_equal(again[-1], live(other, 1, seed=5)[-1])


def test_rewind_replays_few_actions():
    opener = Opener()
    session = make(opener)
    live(session, 103)
    before = opener.envs[DREAM].stepped
    session.rewind()
    assert session.world.moment.tick == 0 or opener.envs[DREAM].stepped - before < SNAPSHOT_EVERY


def test_the_history_is_bounded_and_its_oldest_has_a_snapshot():
    history = History(length=20)
    frame = np.zeros((4, 4, 3), np.uint8)
    history.start(Moment(0, frame, {}), "s0")
    for tick in range(1, 200):
        wanted = history.wants_snapshot(tick)
        history.add(Moment(tick, frame, {}, noop()), f"s{tick}" if wanted else None)
        assert len(history) <= 20 + SNAPSHOT_EVERY
        snapshot, actions = history.way_to(history.oldest.tick)
        assert snapshot == f"s{history.oldest.tick}" and actions == []
    assert history.way_to(0)[0] == f"s{history.oldest.tick}"


def test_running_back_shows_the_past_and_goes_on_from_there():
    session = make()
    frames = live(session, 30)
    session.scrub_begin()
    live(session, 5)
    view = session.view()
    assert view.rewinding and np.array_equal(view.panes[0].frame, frames[19])
    session.scrub_end()
    assert session.world.moment.tick == 20 and not session.view().rewinding
    assert np.array_equal(live(session, 1)[0][0, 1, 0], 21)


def test_a_tap_goes_back_ten_seconds():
    session = make()
    live(session, 230)
    session.scrub_begin()
    live(session, 2)
    session.scrub_end()
    assert session.world.moment.tick == 30


def test_a_world_that_ended_waits_and_can_be_rewound():
    session = make(Opener(mortal=7))
    live(session, 12)
    assert session.world.moment.tick == 7 and session.view().panes[0].ended
    session.rewind(0.2)
    assert session.world.moment.tick == 3 and session.view().panes[0].ended is None


def test_restart_goes_to_the_next_seed():
    session = make(seed=2**64 - 1)
    live(session, 3)
    session.restart()
    assert session.view().panes[0].origin == "seed 0" and session.view().panes[0].tick == 0
    session.restart(by=-1)
    assert session.stage.seed == 2**64 - 1


def test_auto_restart_follows_an_end():
    session = make(Opener(mortal=4), auto_restart=True)
    live(session, 10)
    assert session.stage.seed == 2 and session.begun == 3


def test_switching_keeps_both_worlds():
    session = make()
    live(session, 5)
    session.switch()
    assert session.view().panes[0].title == "game" and not session.view().panes[0].generated
    live(session, 2)
    session.switch()
    assert session.view().panes[0].generated and session.world.moment.tick == 5


def test_a_partner_that_cannot_be_opened_is_a_message():
    opener = Opener()
    opener.broken[GAME] = CheckpointError("world: no weights here")
    session = make(opener)
    session.switch()
    assert session.stage.active == DREAM and "no weights" in session.view().message.text
    session.toggle_side_by_side()
    assert not session.stage.side_by_side
    live(session, 1)
    assert session.world.moment.tick == 1


def test_side_by_side_starts_the_dream_from_the_games_frames():
    opener = Opener()
    session = make(opener, env=GAME)
    live(session, 30)
    session.toggle_side_by_side()
    view = session.view()
    assert [pane.title for pane in view.panes] == ["game", "dream"]
    footage = opener.envs[DREAM].options
    assert footage["frames"].shape == (16, 16, 32, 3) and len(footage["actions"]) == 15
    assert np.array_equal(footage["frames"][-1], view.panes[0].frame) and footage["caption"] == "a flat test"
    assert footage["pose"].shape == (16, 5) and np.array_equal(footage["depth"][:, 0, 0], np.arange(15, 31))
    live(session, 4)
    assert session.stage.worlds[GAME].moment.tick == 34 and session.stage.worlds[DREAM].moment.tick == 4
    session.rewind(0.1)
    assert session.stage.worlds[GAME].moment.tick == 32 and session.stage.worlds[DREAM].moment.tick == 2
    session.toggle_side_by_side()
    assert len(session.view().panes) == 1


def test_an_image_starts_the_dream_also_from_the_game(tmp_path):
    picture = tmp_path / "a.png"
    Image.new("RGB", (300, 100), (10, 20, 200)).save(picture)
    session = make(env=GAME)
    session.restart_from_image(picture)
    view = session.view()
    assert (
        view.panes[0].generated
        and view.panes[0].frame[8, 8, 2] == 200
        and view.panes[0].origin == "a picture"
    )
    picture.write_bytes(b"none")
    session.restart_from_image(picture)
    assert session.view().message.urgent and session.world.moment.frame[8, 8, 2] == 200


def test_a_world_that_fails_pauses_with_its_line():
    session = make(Opener(failing=True))
    live(session, 5)
    assert session.paused and "not finite" in session.view().message.text
    assert session.world.moment.tick == 2


def test_an_unknown_policy_or_env_closes_everything():
    with pytest.raises(UsageError, match="--policy bob"):
        make(policy="bob")
    opener = Opener()
    opener.broken[DREAM] = UsageError("no such world")
    with pytest.raises(UsageError, match="no such world"):
        make(opener)


def test_the_end_of_ticks_and_episodes():
    session = make(ticks=4)
    live(session, 9)
    assert session.finished and session.world.moment.tick == 4
    session = make(episodes=2)
    live(session, 2)
    session.restart()
    live(session, 2)
    assert not session.finished
    session.restart()
    assert session.finished


def test_recording_commits_episodes_that_hold_what_was_lived(tmp_path):
    storage = pytest.importorskip("worldsim.data.storage")
    folder = tmp_path / "episodes"
    session = make(record=str(folder))
    frames = live(session, 12)
    session.rewind(0.25)
    live(session, 3)
    assert session.view().recorded == 15
    session.close()
    assert not [t for t in threading.enumerate() if t.name == "scribe"]
    with storage.EpisodeStore(folder) as store:
        assert len(store) == 2
        first, second = store.read(0), store.read(1)
    assert np.array_equal(first.frames[1:], frames) and first.truncated and not first.terminated
    assert len(second) == 3 and np.array_equal(second.frames[0], frames[6])
    assert first.columns["pose"].shape == (13, 5) and first.captions[0] == "a flat test"
    assert first.meta["env"] == DREAM and first.actions.shape == (12, len(to_vector(noop())))


def test_a_folder_that_cannot_be_written_is_a_message(tmp_path):
    pytest.importorskip("worldsim.data.storage")
    (tmp_path / "file").write_text("x")
    with pytest.raises(Exception, match="file"):
        make(record=str(tmp_path / "file" / "in"))
    session = make()
    session.tape.folder = tmp_path / "file" / "in"
    session.toggle_recording()
    assert session.view().message.urgent and session.view().recorded is None
