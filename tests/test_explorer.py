"""The scripted players: recordings hold everything that a world model has to learn."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import pytest

from worldsim import actions
from worldsim.errors import UsageError
from worldsim.registry import ENGINES, POLICIES, resolve

I = actions.INDEX
PITCH, YAW = I["camera_pitch"], I["camera_yaw"]
TICKS, SEEDS = 1500, range(8)


def policy(name: str, seed: int) -> Any:
    return resolve(POLICIES, name, "policy")(seed)


@dataclass
class Recording:
    """What one explorer did in one world: T actions and labels, T + 1 states."""

    actions: Any = None
    behaviours: list[str] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=list)

    def column(self, key: str) -> Any:
        return np.array([state[key] for state in self.states])

    def events(self, key: str) -> Any:
        return np.array([int(state["events"].get(key, 0)) for state in self.states[1:]])

    def runs(self, name: str) -> Iterator[tuple[int, int]]:
        """First tick and end of every run of a behaviour, but for those that may have been cut short."""
        start = 0
        for label, ticks in groupby(self.behaviours):
            end = start + len(list(ticks))
            if label == name and end < len(self.behaviours) and self.behaviours[end] != "swim":
                yield start, end
            start = end


def record(seed: int, ticks: int = TICKS) -> Recording:
    engine = resolve(ENGINES, "worldsim/Voxel-v0", "engine")(width=64, height=48)
    engine.reset(seed)
    player, made, taken = policy("explorer", seed), Recording(), []
    made.states.append(engine.state())
    for _ in range(ticks):
        taken.append(player.act(made.states[-1]))
        engine.step(taken[-1])
        made.behaviours.append(player.behaviour)
        made.states.append(engine.state())
    made.actions = np.stack(taken)
    return made


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    return [record(seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def taken(recordings: list[Recording]) -> Any:
    return np.concatenate([r.actions for r in recordings])


def longest(mask: Any) -> int:
    return max((len(list(ticks)) for value, ticks in groupby(mask) if value), default=0)


def share(mask: Any) -> float:
    return float(np.mean(mask))


def test_camera_has_every_speed(taken: Any) -> None:
    for axis in (YAW, PITCH):
        speed = np.abs(taken[:, axis])
        for low, high, least in ((0, 1, 0.05), (1, 5, 0.08), (5, 15, 0.03), (15, 30, 0.01), (30, 46, 0.002)):
            assert share((speed > low) & (speed <= high)) > least, (axis, low)
        assert speed.max() <= 46
    assert abs(share(taken[:, YAW] > 0) - share(taken[:, YAW] < 0)) < 0.15


def test_the_sky_and_the_feet(recordings: list[Recording]) -> None:
    pitch = np.concatenate([r.column("pose")[:, 4] for r in recordings])
    assert share(pitch < -60) > 0.005
    assert share(pitch > 60) > 0.02
    assert share(np.abs(pitch) < 30) > 0.5
    assert pitch.min() < -85 and pitch.max() > 85


def test_standing_still_and_only_looking(recordings: list[Recording], taken: Any) -> None:
    assert share(~taken.any(axis=1)) > 0.04
    assert np.median([longest(~r.actions.any(axis=1)) for r in recordings]) >= 20
    keys = np.delete(taken, [PITCH, YAW], axis=1)
    assert share(~keys.any(axis=1) & taken.any(axis=1)) > 0.05


def test_walking_in_every_way(taken: Any) -> None:
    moving = taken[:, [I["forward"], I["back"], I["left"], I["right"]]].any(axis=1)
    assert 0.4 < share(moving) < 0.8
    for key, least in (
        ("forward", 0.3), ("back", 0.025), ("left", 0.025), ("right", 0.025), ("sprint", 0.08), ("sneak", 0.02)
    ):  # fmt: skip
        assert share(taken[:, I[key]] > 0) > least, key
    assert share(moving & taken[:, [PITCH, YAW]].any(axis=1)) > 0.15


def test_bumping_and_pushing_on(recordings: list[Recording]) -> None:
    pushes = [r.column("contact")[1:] & (r.actions[:, I["forward"]] > 0) for r in recordings]
    assert share(np.concatenate(pushes)) > 0.02
    assert max(longest(push) for push in pushes) >= 12


def test_jumping_and_falling(recordings: list[Recording], taken: Any) -> None:
    jump = taken[:, I["jump"]] > 0
    assert 0.05 < share(jump) < 0.35
    assert longest(jump) >= 15
    falls = [r.column("velocity")[:, 1] < -0.5 for r in recordings]  # as fast as after 2 blocks
    assert sum(int(np.diff(fall.astype(int)).clip(0).sum()) for fall in falls) >= 4


def test_digging(recordings: list[Recording], taken: Any) -> None:
    assert 0.04 < share(taken[:, I["attack"]] > 0) < 0.35
    broken = [r.events("broken") for r in recordings]
    assert sum(int(b.sum()) for b in broken) >= 4 * len(recordings)
    pitch = np.concatenate([r.column("pose")[:-1, 4] for r in recordings])[np.concatenate(broken) > 0]
    assert (pitch > 75).any() and ((pitch > 15) & (pitch < 65)).any() and (pitch < 15).any()


def test_building(recordings: list[Recording], taken: Any) -> None:
    assert share(taken[:, I["use"]] > 0) > 0.02
    placed = [r.events("placed") for r in recordings]
    assert sum(int(p.sum()) for p in placed) >= 4 * len(recordings)
    pitch = np.concatenate([r.column("pose")[:-1, 4] for r in recordings])
    below = (np.concatenate(placed) > 0) & (pitch > 75)
    assert (below & (taken[:, I["jump"]] > 0)).sum() >= 3  # towers
    assert ((np.concatenate(placed) > 0) & (pitch < 65)).any()


def test_all_nine_slots(recordings: list[Recording], taken: Any) -> None:
    for slot in range(1, 10):
        assert taken[:, I[f"hotbar.{slot}"]].sum() >= len(recordings) / 2, slot
    assert set(np.concatenate([r.column("slot") for r in recordings]).tolist()) == set(range(9))


def test_rare_combinations(taken: Any) -> None:
    keys = np.delete(taken, [PITCH, YAW], axis=1) > 0
    seen = Counter(row.tobytes() for row in keys)
    assert len(seen) > 60
    assert (keys.sum(axis=1) >= 5).sum() >= 10
    assert all(keys.any(axis=0)[i] for i in range(keys.shape[1] - 1))  # the last, drop, is rarer still


def test_turning_away_and_back_ends_where_it_began(recordings: list[Recording]) -> None:
    turned = []
    for r in recordings:
        yaw, pitch = r.column("pose")[:, 3], r.column("pose")[:, 4]
        for start, end in r.runs("turn_away_and_back"):
            assert yaw[end] == pytest.approx(yaw[start], abs=0.01)
            assert pitch[end] == pytest.approx(pitch[start], abs=0.01)
            turned.append(float(np.abs(yaw[start:end] - yaw[start]).max()))
    assert len(turned) >= len(recordings) / 2
    assert min(turned) > 20 and max(turned) > 90


def test_full_circles(recordings: list[Recording]) -> None:
    circles = [(r.column("pose")[:, 3], run) for r in recordings for run in r.runs("full_circle")]
    assert len(circles) >= len(recordings) / 2
    for yaw, (start, end) in circles:
        assert np.abs(yaw[start : end + 1] - yaw[start]).max() >= 359.9
        assert (yaw[end] - yaw[start]) / 360 == pytest.approx(round((yaw[end] - yaw[start]) / 360), abs=1e-4)


def test_out_and_back_ends_near_where_it_began(recordings: list[Recording]) -> None:
    missed, far = [], []
    for r in recordings:
        pose = r.column("pose")
        for start, end in r.runs("out_and_back"):
            missed.append(float(np.linalg.norm((pose[end] - pose[start])[[0, 2]])))
            far.append(float(np.linalg.norm((pose[start:end] - pose[start])[:, [0, 2]], axis=1).max()))
    assert len(missed) >= len(recordings) / 2
    assert max(far) > 2
    assert np.median(missed) < 0.3


def test_players_get_about(recordings: list[Recording]) -> None:
    places = [r.column("pose")[:, [0, 2]] for r in recordings]
    assert np.median([np.ptp(place, axis=0).max() for place in places]) > 20
    parked = [np.ptp(p[t : t + 300], axis=0).max() < 2 for p in places for t in range(0, TICKS - 300, 50)]
    assert share(parked) < 0.2
    assert share(["cave" in state["caption"] for r in recordings for state in r.states]) < 0.3


def test_who_is_in_water_swims() -> None:
    player = policy("explorer", 0)
    state = {"in_water": True, "on_ground": False, "pose": np.zeros(5, np.float32)}
    acts = np.stack([player.act(state) for _ in range(600)])
    assert player.behaviour == "swim"
    assert share(acts[20:, I["forward"]] > 0) > 0.8
    assert 0.3 < share(acts[20:, I["jump"]] > 0) < 1


def test_shares_are_kept_where_nothing_is_known() -> None:
    player, spent = policy("explorer", 9), Counter[str]()
    for _ in range(8000):
        player.act({})
        spent[player.behaviour] += 1

    def total(*names: str) -> float:
        return sum(spent[name] for name in names) / 8000

    assert total("walk", "journey") == pytest.approx(0.32, abs=0.04)
    assert total("stand_still", "look_about", "look_up_and_down") == pytest.approx(0.10, abs=0.03)
    back = total("turn_away_and_back", "full_circle", "out_and_back", "there_and_home")
    assert back == pytest.approx(0.15, abs=0.03)
    assert total("dig", "tunnel", "dig_down") == pytest.approx(0.17, abs=0.03)
    assert total("place", "tower", "wall", "bridge") == pytest.approx(0.10, abs=0.03)


PARTIAL: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a dream's pose": {"pose": np.array([1, 2, 3, 400, 10], np.float32)},
    "a pose of nonsense": {"pose": np.array([np.nan, 2, 3, np.inf, np.nan], np.float32)},
    "an empty hotbar": {"counts": np.zeros(9, np.int32), "target": np.zeros(4, np.int32)},
    "an endless wall": {"contact": True, "target": np.array([1, 2, 3, 4], np.int32)},
    "a cave": {"caption": "a dark cave", "pose": np.zeros(5, np.float32), "on_ground": True},
}


@pytest.mark.parametrize("name", ["explorer", "random"])
@pytest.mark.parametrize("told", PARTIAL)
def test_any_state_gives_valid_actions(name: str, told: str) -> None:
    player = policy(name, 4)
    acts = np.stack([player.act(PARTIAL[told]) for _ in range(3000)])
    assert acts.dtype == np.float32
    assert np.array_equal(actions.check_vector(acts), acts)
    keys = np.delete(acts, [PITCH, YAW], axis=1)
    assert np.isin(keys, (0, 1)).all()


@pytest.mark.parametrize("name", ["explorer", "random"])
def test_actions_follow_from_the_seed(name: str) -> None:
    def acts(player: Any) -> Any:
        return np.stack([player.act({}) for _ in range(500)])

    player = policy(name, 6)
    first = acts(player)
    assert np.array_equal(acts(policy(name, 6)), first)
    player.reset(6)
    assert np.array_equal(acts(player), first)
    assert not np.array_equal(acts(policy(name, 7)), first)
    assert np.isfinite(acts(policy(name, 2**64 - 1))).all()


def test_actions_are_the_same_in_another_process() -> None:
    code = (
        "import hashlib\nfrom worldsim.registry import POLICIES, resolve\n"
        "p = resolve(POLICIES, 'explorer', 'policy')(1)\n"
        "print(hashlib.sha256(b''.join(p.act({}).tobytes() for _ in range(2000))).hexdigest())"
    )
    runs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(runs) == 1


@pytest.mark.parametrize("name", ["explorer", "random"])
@pytest.mark.parametrize("seed", [-1, 2**64, 0.5, "0", None, True])
def test_wrong_seed(name: str, seed: Any) -> None:
    with pytest.raises(UsageError, match="seed: got"):
        policy(name, seed)


def test_acting_is_fast(recordings: list[Recording]) -> None:
    player = policy("explorer", 0)
    times = []
    for state in recordings[0].states:
        start = time.perf_counter()
        player.act(state)
        times.append(time.perf_counter() - start)
    assert np.median(times) < 100e-6  # about 3 µs on a quiet core
