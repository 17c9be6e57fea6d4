"""`worldsim/MineRL-v0` against recorded facts: MineRL 1.0's spaces and its old interface, played by a stand-in.

The facts were printed from the space objects of MineRL 1.0 itself; Java Minecraft was never run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from worldsim import actions
from worldsim.errors import (
    ConfigError,
    EngineError,
    InvalidAction,
    MissingDependency,
    ResetNeeded,
    UsageError,
)
from worldsim.registry import ENVS, resolve

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes are waited for with select")
FACTS = {
    "keys": [
        "ESC",
        "attack",
        "back",
        "drop",
        "forward",
        "hotbar.1",
        "hotbar.2",
        "hotbar.3",
        "hotbar.4",
        "hotbar.5",
        "hotbar.6",
        "hotbar.7",
        "hotbar.8",
        "hotbar.9",
        "inventory",
        "jump",
        "left",
        "pickItem",
        "right",
        "sneak",
        "sprint",
        "swapHands",
        "use",
    ],
    "camera": (-180.0, 180.0, (2,), "float32"),
    "pov": (360, 640, 3),
}
STAND_IN = '''
import os, sys
import numpy as np
if os.environ.get("STAND_IN") == "none":
    raise ImportError("No module named 'minerl'")
print("Java says hello")
class Space:
    pass
class Env:
    """The interface of gym 0.23: seed before reset, no info from reset, four values from step."""
    def __init__(self, task):
        self.action_space, self.observation_space, camera, pov = Space(), Space(), Space(), Space()
        camera.low, camera.high = np.full(2, CAMERA[0], "f4"), np.full(2, CAMERA[1], "f4")
        camera.shape, pov.shape = CAMERA[2], POV
        self.action_space.spaces = {**dict.fromkeys(KEYS, "Discrete(2)"), "camera": camera}
        self.observation_space.spaces = {"pov": pov}
        self.seeded, self.steps = 0, 0
        if os.environ.get("STAND_IN") == "old":
            del self.action_space.spaces["swapHands"]
    def seed(self, seed):
        self.seeded = seed
    def observe(self, value):
        return {"pov": np.full(POV, value % 256, np.uint8)[:, ::-1],
                "inventory": {"dirt": np.array(3)}, "odd": object()}
    def reset(self):
        self.steps = 0
        return self.observe(self.seeded)
    def step(self, action):
        print("noise on stdout")
        assert sorted(action) == sorted([*KEYS, "camera"]) and action["camera"].dtype == np.float32
        assert all(isinstance(action[key], np.integer) for key in KEYS)
        self.steps += 1
        if os.environ.get("STAND_IN") == "mild":
            return self.observe(self.steps), 0.5, False, {}
        if action["drop"]:
            os._exit(3)
        if action["swapHands"]:
            raise RuntimeError("Minecraft is\\nunwell")
        info = {"error": "timed out"} if action["use"] else {}
        done = bool(action["ESC"] or action["use"] or self.steps >= 5)
        return self.observe(int(action["camera"][0] * 10)), 0.5, done, info
    def close(self):
        open(os.environ["STAND_IN_CLOSED"], "w").close()
'''


def make(**options: Any) -> Any:
    return resolve(ENVS, "worldsim/MineRL-v0", "env")(**{"python": sys.executable, **options})


@pytest.fixture(autouse=True)
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = f"KEYS, CAMERA, POV = {FACTS['keys']!r}, {FACTS['camera']!r}, {FACTS['pov']!r}\n"
    (tmp_path / "minerl.py").write_text(facts + STAND_IN)
    (tmp_path / "gym.py").write_text("import minerl\nmake = minerl.Env\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("STAND_IN_CLOSED", str(tmp_path / "closed"))


@pytest.fixture
def env() -> Iterator[Any]:
    made = make(render_mode="rgb_array")
    yield made
    made.close()


def act(env: Any, *keys: str, pitch: float = 0.0) -> Any:
    return env.step(
        {**actions.noop(), **dict.fromkeys(keys, 1), "camera": np.array([pitch, 0.0], np.float32)}
    )


def test_the_spaces_are_those_of_minerl() -> None:
    space = make().action_space
    assert sorted(k for k in space.spaces if k != "camera") == FACTS["keys"]
    assert all(space[key] == gymnasium.spaces.Discrete(2) for key in FACTS["keys"])
    low, high, shape, dtype = FACTS["camera"]
    assert space["camera"] == gymnasium.spaces.Box(low, high, shape, np.dtype(dtype))
    assert make().observation_space == gymnasium.spaces.Box(0, 255, FACTS["pov"], np.uint8)


@pytest.mark.filterwarnings("ignore:.*not having a spec")
def test_the_checker_is_content(env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN", "mild")
    check_env(env, skip_render_check=False)


def test_old_interface_becomes_new(env: Any) -> None:
    obs, info = env.reset(seed=7)
    assert obs.shape == FACTS["pov"] and (obs == 7).all() and obs.flags["C_CONTIGUOUS"]
    assert info == {"observation": {"inventory": {"dirt": 3}, "odd": None}, "seed": 7}
    obs, reward, terminated, truncated, info = act(env, "forward", pitch=1.35)
    assert (obs == 13).all() and reward == 0.5, "degrees are not cut to whole numbers"
    assert not terminated and not truncated and info["observation"]["inventory"] == {"dirt": 3}
    assert (env.render() == obs).all()
    assert act(env, "ESC")[2:4] == (True, False), "ESC ends a BASALT episode"
    with pytest.raises(ResetNeeded):
        act(env)
    env.reset()
    *_, truncated, info = act(env, "use")
    assert truncated and info["reason"] == "timed out", "an error of MineRL's is no death"


def test_the_last_step_is_a_truncation(monkeypatch: pytest.MonkeyPatch) -> None:
    env = make()
    env._max_steps = 5
    env.reset(seed=1)
    ends = [act(env)[2:4] for _ in range(5)]
    assert ends == [(False, False)] * 4 + [(False, True)]
    env.close()


def test_bad_input_changes_nothing(env: Any) -> None:
    with pytest.raises(ResetNeeded):
        act(env)
    env.reset(seed=1)
    with pytest.raises(InvalidAction, match="camera"):
        env.step({**actions.noop(), "camera": np.array([500.0, 0.0])})
    for seed, options in ((2**32, None), (-1, None), (0, {"x": 1})):
        with pytest.raises(UsageError):
            env.reset(seed=seed, options=options)
    assert act(env)[1] == 0.5, "the episode goes on"
    with pytest.raises(ConfigError, match="FindCave"):
        make(task="MineRLTreechop-v0")


@pytest.mark.parametrize(("key", "said"), [("drop", "it ended"), ("swapHands", "Minecraft is unwell")])
def test_a_failure_is_an_error_and_reset_goes_on(env: Any, key: str, said: str) -> None:
    env.reset(seed=1)
    with pytest.raises(EngineError, match=said):
        act(env, key)
    with pytest.raises(ResetNeeded):
        act(env)
    assert (env.reset(seed=2)[0] == 2).all()


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingDependency, match="WORLDSIM_MINERL_PYTHON=PATH"):
        make(python=None).reset(seed=1)
    with pytest.raises(MissingDependency, match=r"docs/install\.md"):
        make(python="/nowhere/python").reset(seed=1)
    monkeypatch.setenv("STAND_IN", "none")
    with pytest.raises(MissingDependency, match="No module named"):
        make().reset(seed=1)
    monkeypatch.setenv("STAND_IN", "old")
    with pytest.raises(ConfigError, match="keys: got"):
        make().reset(seed=1)


def test_close_lets_minerl_close(env: Any, tmp_path: Path) -> None:
    env.reset(seed=1)
    process = env._pipe._process
    env.close()
    env.close()
    assert process.poll() == 0 and (tmp_path / "closed").exists()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{process.pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{process.pid}").exists()
