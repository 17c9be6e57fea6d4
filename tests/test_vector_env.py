"""`gymnasium.make_vec` of game and dream: the contract of Gymnasium, isolation, modes, masks, order."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from action_catalogue import BAD_BATCHES
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics
from model_fakes import save_tiny_world
from vector_fakes import IDS, make, scalar, script, small

from worldsim.errors import ConfigError, EnvClosed, InvalidAction, ResetNeeded, UsageError
from worldsim.vector_info import gather

KINDS = tuple(IDS)
MODES = tuple(AutoresetMode)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_world(tmp_path_factory.mktemp("worlds") / "tiny")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def envs(kind: str, world: Path) -> Iterator[Any]:
    made = make(kind, world)
    yield made
    made.close()


def test_made_by_id_without_a_warning(kind: str, world: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        envs = make(kind, world, 4, render_mode="rgb_array")
    assert envs.num_envs == 4 and envs.spec.id == IDS[kind]
    assert envs.metadata["autoreset_mode"] is envs.autoreset_mode is AutoresetMode.SAME_STEP
    obs, info = envs.reset(seed=5)
    assert obs in envs.observation_space and obs[0] in envs.single_observation_space
    assert info["seed"].tolist() == [5, 6, 7, 8] and info["_seed"].all()
    obs, rewards, terminated, truncated, info = envs.step(envs.action_space.sample())
    assert obs.dtype == np.uint8 and rewards.dtype == np.float64 and not rewards.any()
    assert terminated.dtype == truncated.dtype == np.bool_ and not (terminated | truncated).any()
    assert info["state"]["pose"].shape == (4, 5) and info["state"]["_pose"].all()
    frames = envs.render()
    assert len(frames) == 4 and all(np.array_equal(f, o) for f, o in zip(frames, obs))
    assert len(envs.action_names) == 34
    envs.close(), envs.close()


@pytest.mark.parametrize("action_space", ["discrete", "multi_discrete"])
def test_scalar_envs_pass_the_checker(kind: str, world: Path, action_space: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(scalar(kind, world, action_space=action_space))


@pytest.mark.parametrize("mode", MODES)
def test_it_is_gymnasiums_own_vector_of_scalar_envs(kind: str, world: Path, mode: AutoresetMode) -> None:
    """Observations, rewards, ends and infos, through time limits, resets and seeds, value by value."""
    arguments = {**small(kind, world), "action_space": "discrete", "max_episode_steps": 3}
    theirs = gymnasium.make_vec(
        num_envs=2, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, **arguments
    )
    ours = gymnasium.make_vec(num_envs=2, autoreset_mode=mode, **arguments)
    assert data_equivalence(ours.reset(seed=[4, None])[0][0], theirs.reset(seed=[4, None])[0][0])
    a, b = ours.reset(seed=7), theirs.reset(seed=7)
    assert data_equivalence(a, b, exact=True)
    for actions in script(2, 5):
        a, b = ours.step(actions), theirs.step(actions)
        assert data_equivalence(_listed(a), _listed(b), exact=True)
        if mode == AutoresetMode.DISABLED and a[3].any():
            options = [{"reset_mask": np.array([True, False])}, {"reset_mask": np.array([False, True])}]
            for option in options:
                assert data_equivalence(ours.reset(options=dict(option)), theirs.reset(options=dict(option)))


def _listed(result: tuple[Any, ...]) -> tuple[Any, ...]:
    """Arrays of objects as lists, which `data_equivalence` can look into."""

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: walk(v) for k, v in value.items()}
        return list(value) if isinstance(value, np.ndarray) and value.dtype == object else value

    return tuple(walk(part) for part in result)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_gymnasiums_own_vectors_work(mode: str, kind: str, world: Path) -> None:
    code = (
        "import sys, numpy as np, gymnasium, worldsim; from pathlib import Path\n"
        "from vector_fakes import small\n"
        "if __name__ == '__main__':\n"
        "    envs = gymnasium.make_vec(num_envs=2, vectorization_mode=sys.argv[1], action_space='discrete',\n"
        "                              **small(sys.argv[2], Path(sys.argv[3])))\n"
        "    envs.reset(seed=0); obs, *_ = envs.step(np.array([1, 2])); print(obs.shape); envs.close()\n"
    )
    line = [sys.executable, "-c", code, mode, kind, str(world)]
    done = subprocess.run(line, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip().startswith("(2, 48, 64, 3)"), done.stderr[-2000:]


def test_a_world_is_the_same_whatever_stands_beside_it(kind: str, world: Path) -> None:
    """Alone, first or last of many, beside worlds that are reset, restored, refused or broken: the same bytes."""
    ticks = 5
    actions = script(1, ticks, seed=3)[:, 0]
    alone, many = make(kind, world, 1), make(kind, world, 5)
    alone.reset(seed=11)
    many.reset(seed=[1, 2, 3, 4, 11])
    for t, others in enumerate(script(4, ticks, seed=8)):
        expected = alone.step(actions[t : t + 1])
        if t == 1:
            many.reset(seed=99, options={"reset_mask": np.array([True, False, True, False, False])})
        if t == 2:
            with pytest.raises(InvalidAction):
                many.step(np.array([0, 0, 99, 0, 0]))
        if t == 3:
            many.restore_state(many.clone_state().worlds[1], np.array([True, False, False, True, False]))
        got = many.step(np.append(others, actions[t]))
        assert np.array_equal(got[0][4], expected[0][0])
        assert np.array_equal(got[4]["state"]["pose"][4], expected[4]["state"]["pose"][0])
    assert many.clone_state().worlds[4].to_bytes() == alone.clone_state().worlds[0].to_bytes()


def test_a_batched_forward_differs_in_the_last_bits_only(world: Path) -> None:
    exact, batched = (make("dream", world, 3, exact=exact) for exact in (True, False))
    assert exact.exact and not batched.exact and make("dream", world, 1).exact, (
        "exact is the default on a CPU"
    )
    exact.reset(seed=0), batched.reset(seed=0)
    for actions in script(3, 3):
        a, b = exact.step(actions)[0], batched.step(actions)[0]
    assert np.abs(a.astype(int) - b).mean() < 0.1


def rollout(kind: str, world: Path) -> str:
    import hashlib

    envs, digest = make(kind, world, 3, max_episode_steps=4), hashlib.sha256()
    digest.update(envs.reset(seed=5)[0].tobytes())
    for actions in script(3, 6):
        obs, _, _, _, info = envs.step(actions)
        digest.update(obs.tobytes() + info["state"]["pose"].tobytes())
    digest.update(envs.clone_state().to_bytes())
    return digest.hexdigest()


def test_two_processes_play_the_same_bytes(kind: str, world: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from test_vector_env import rollout\n"
        "print(rollout(sys.argv[1], Path(sys.argv[2])))"
    )
    line = [sys.executable, "-c", code, kind, str(world)]
    done = subprocess.run(line, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.stdout.strip() == rollout(kind, world), done.stderr[-2000:]


def test_time_limit_and_final_observations(kind: str, world: Path) -> None:
    envs = make(kind, world, 2, max_episode_steps=2)
    envs.reset(seed=[1, 2])
    envs.step(np.array([1, 1]))
    envs.reset(options={"reset_mask": np.array([False, True])})
    obs, _, terminated, truncated, info = envs.step(np.array([1, 1]))
    assert truncated.tolist() == [True, False] and not terminated.any()
    assert info["_final_obs"].tolist() == info["_final_info"].tolist() == [True, False]
    assert info["final_obs"][0] in envs.single_observation_space and info["final_obs"][1] is None
    assert not np.array_equal(info["final_obs"][0], obs[0])
    assert info["final_info"]["state"]["_pose"].tolist() == info["_seed"].tolist() == [True, False]
    assert info["state"]["_pose"].all()
    assert envs.step(np.array([1, 1]))[3].tolist() == [False, True]


@pytest.mark.parametrize("mode", MODES)
def test_common_wrappers_run(kind: str, world: Path, mode: AutoresetMode) -> None:
    envs = make(kind, world, 2, max_episode_steps=2, autoreset_mode=mode)
    wrapped = DictInfoToList(RecordEpisodeStatistics(envs))
    wrapped.reset(seed=0)
    for _ in range(2):
        *_, truncated, infos = wrapped.step(np.array([1, 2]))
    ended = infos if mode != AutoresetMode.SAME_STEP else [{**i, **i.get("final_info", {})} for i in infos]
    assert truncated.all() and all(info["episode"]["l"] == 2 for info in ended)


def test_every_mask_leaves_the_others_alone(world: Path) -> None:
    envs = make("game", world, 4)
    envs.reset(seed=0)
    envs.step(np.array([1, 2, 3, 4]))
    for mask in list(product([False, True], repeat=4))[1:]:
        before = [w.to_bytes() for w in envs.clone_state().worlds]
        obs, info = envs.reset(options={"reset_mask": np.array(mask)})
        after = [w.to_bytes() for w in envs.clone_state().worlds]
        assert [a != b for a, b in zip(before, after)] == list(mask) == info["_seed"].tolist()
        assert obs.shape[0] == 4


def test_options_for_all_and_for_each(kind: str, world: Path) -> None:
    envs = make(kind, world, 2)
    if kind == "game":
        _, info = envs.reset(seed=0, options={"worlds": [{"time_of_day": 0.5}, None]})
        times = info["state"]["time_of_day"]
        assert times[0] == pytest.approx(0.5) and times[1] != times[0]
        assert envs.reset(options={"time_of_day": 0.25})[1]["state"]["time_of_day"].tolist() == [0.25, 0.25]
    else:
        frames = np.random.default_rng(0).integers(0, 256, (1, 48, 64, 3), dtype=np.uint8)
        obs, _ = envs.reset(options={"worlds": [{"frames": frames}, {"frames": 255 - frames}]})
        assert np.array_equal(obs[0], frames[0]) and np.array_equal(obs[1], 255 - frames[0])
        assert np.array_equal(envs.reset(options={"frames": frames})[0], np.repeat(frames, 2, 0))
    option = {"reset_mask": np.array([True, False])}
    envs.reset(options=option)
    assert list(option) == ["reset_mask"], "the caller's dict is left as it is"


def test_a_world_whose_numbers_go_wrong_ends_alone(world: Path) -> None:
    envs, well = make("dream", world, 3), make("dream", world, 3)
    envs.reset(seed=0), well.reset(seed=0)
    state = envs.clone_state()
    sick = replace(state.worlds[1].world, caption=torch.full((384,), float("nan")))
    worlds = (state.worlds[0], replace(state.worlds[1], world=sick), state.worlds[2])
    for exact in (True, False):
        envs.exact = well.exact = exact
        envs.restore_state(replace(state, worlds=worlds))
        well.restore_state(state)
        obs, _, terminated, truncated, info = envs.step(np.array([1, 1, 1]))
        expected = well.step(np.array([1, 1, 1]))[0]
        assert truncated.tolist() == [False, True, False] and not terminated.any()
        assert (
            "not finite" in info["final_info"]["reason"][1]
            and info["_final_obs"].tolist() == truncated.tolist()
        )
        assert np.isfinite(info["uncertainty"]).all()
        if exact:
            assert np.array_equal(obs[[0, 2]], expected[[0, 2]])
        assert np.abs(obs[[0, 2]].astype(int) - expected[[0, 2]]).max() <= 2
        assert not envs.step(np.array([1, 1, 1]))[3].any(), "it begins anew and goes on"


def test_observations_are_the_callers_own(envs: Any) -> None:
    obs, _ = envs.reset(seed=1)
    state = envs.clone_state()
    expected = envs.step(np.array([1, 2, 3]))[0].copy()
    envs.restore_state(state)
    obs[:] = 0
    again, _, _, _, info = envs.step(np.array([1, 2, 3]))
    assert np.array_equal(again, expected) and not np.may_share_memory(again, obs)
    again[:] = 0
    info["state"]["pose"][:] = np.nan
    kept = envs.reset(options={"reset_mask": np.array([True, False, False])})[0]
    assert np.array_equal(kept[1:], expected[1:])


@pytest.mark.parametrize(("name", "what"), [(n, w) for n, bad in BAD_BATCHES.items() for w in bad])
def test_one_wrong_action_moves_no_world(name: str, what: str, world: Path, shared: dict[Any, Any]) -> None:
    for kind in KINDS:
        if (kind, name) not in shared:
            envs = shared[kind, name] = make(kind, world, 3, action_space=name)
            envs.reset(seed=2)
            shared[envs] = envs.clone_state().to_bytes()
        envs = shared[kind, name]
        with pytest.raises(InvalidAction) as error:
            envs.step(BAD_BATCHES[name][what])
        assert "\n" not in str(error.value)
        assert envs.clone_state().to_bytes() == shared[envs]


@pytest.fixture(scope="module")
def shared() -> dict[Any, Any]:
    return {}


BAD_RESETS: list[tuple[dict[str, Any], str]] = [
    ({"seed": -1}, "seed"), ({"seed": 2**64}, "seed"), ({"seed": 2**64 - 2}, "seed"), ({"seed": 1.5}, "seed"),
    ({"seed": True}, "seed"), ({"seed": "7"}, "seed"), ({"seed": [1, 2]}, "seed"), ({"seed": [1, 2, 3, 4]}, "seed"),
    ({"seed": [1, 2, -3]}, "seed"), ({"seed": np.zeros((3, 1), int)}, "seed"), ({"seed": [1, 2, 0.5]}, "seed"),
    ({"options": 3}, "options"), ({"options": {"unknown": 1}}, "unknown"), ({"options": [{}, {}, {}]}, "options"),
    ({"options": {"worlds": [None]}}, "worlds"), ({"options": {"worlds": "abc"}}, "worlds"),
    ({"options": {"worlds": [None, None, {"unknown": 1}]}}, "unknown"), ({"options": {"worlds": [1, 2, 3]}}, "options"),
    ({"options": {"worlds": [None] * 3, "caption": "x"}}, "worlds"),
    ({"options": {"reset_mask": [True, False, True]}}, "reset_mask"),
    ({"options": {"reset_mask": np.array([1, 0, 1])}}, "reset_mask"),
    ({"options": {"reset_mask": np.array([True, False])}}, "reset_mask"),
    ({"options": {"reset_mask": np.zeros(3, bool)}}, "reset_mask"),
    ({"options": {"reset_mask": np.ones((3, 1), bool)}}, "reset_mask"),
    ({"options": {"reset_mask": None}}, "reset_mask"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BAD_RESETS)))
def test_bad_resets_change_nothing(number: int, world: Path, shared: dict[Any, Any]) -> None:
    arguments, field = BAD_RESETS[number]
    for kind in KINDS:
        if kind not in shared:
            shared[kind] = make(kind, world, 3)
            shared[kind].reset(seed=2)
        envs = shared[kind]
        before = envs.clone_state().to_bytes()
        with pytest.raises(UsageError, match=field) as error:
            envs.reset(**arguments)
        assert "\n" not in str(error.value)
        assert envs.clone_state().to_bytes() == before


def test_order_of_calls(envs: Any, kind: str, world: Path) -> None:
    for call in (
        lambda: envs.step(np.zeros(3, int)),
        envs.clone_state,
        envs.render,
        envs.buffers,
        lambda: envs.fork(2),
    ):
        with pytest.raises(ResetNeeded, match="reset"):
            call()
    with pytest.raises(ResetNeeded, match="never begun"):
        envs.reset(options={"reset_mask": np.array([True, False, True])})
    envs.reset(seed=0)
    assert envs.render() is None
    envs.close()
    for call in (envs.reset, envs.clone_state, envs.render, lambda: envs.step(np.zeros(3, int))):
        with pytest.raises(EnvClosed, match="closed"):
            call()
    disabled = make(kind, world, 2, autoreset_mode="disabled", max_episode_steps=1)
    disabled.reset(seed=0)
    disabled.step(np.zeros(2, int))
    with pytest.raises(ResetNeeded, match=r"worlds \[0, 1\] have ended"):
        disabled.step(np.zeros(2, int))
    disabled.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(ResetNeeded, match=r"worlds \[1\] have ended"):
        disabled.step(np.zeros(2, int))
    one = scalar(kind, world)
    one.reset(seed=0)
    one.close()
    for call in (one.reset, lambda: one.step(0)):
        with pytest.raises(EnvClosed, match="closed"):
            call()


BAD_ARGUMENTS: list[dict[str, Any]] = [
    {"num_envs": 0}, {"num_envs": -1}, {"num_envs": 1.5}, {"num_envs": True}, {"num_envs": 2**40},
    {"autoreset_mode": "sometimes"}, {"autoreset_mode": None}, {"max_episode_steps": 0}, {"max_episode_steps": "9"},
    {"render_mode": "human"}, {"render_mode": 3}, {"action_space": "box"}, {"action_space": None},
]  # fmt: skip


@pytest.mark.parametrize("arguments", BAD_ARGUMENTS, ids=str)
def test_bad_arguments(kind: str, world: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(arguments))) as error:
        make(kind, world, **{"num_envs": 2, **arguments})
    assert "\n" not in str(error.value)


def test_bad_arguments_of_one_kind(world: Path) -> None:
    for wrong in ({"threads": 0}, {"threads": 1.5}, {"threads": 10**6}, {"width": 65}, {"height": "48"}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            gymnasium.make_vec("worldsim/Voxel-v0", num_envs=2, **wrong)
    with pytest.raises(ConfigError, match="exact"):
        make("dream", world, exact="yes")
    with pytest.raises(ConfigError, match="steps"):
        make("dream", world, steps=0)


def test_buffers_and_observations_with_depth(world: Path) -> None:
    envs = gymnasium.make_vec(
        "worldsim/Voxel-v0", num_envs=3, width=64, height=48, depth=True, max_episode_steps=2
    )
    obs, _ = envs.reset(seed=0)
    assert obs in envs.observation_space and set(obs) == {"frame", "depth"}
    assert np.array_equal(envs.unwrapped.buffers()["depth"], obs["depth"])
    for _ in range(2):
        obs, *_, info = envs.step(envs.action_space.sample())
    assert set(info["final_obs"][2]) == {"frame", "depth"} and obs in envs.observation_space
    dream = make("dream", world, 2)
    dream.reset(seed=0)
    assert dream.buffers()["depth"].shape == (2, 48, 64)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(world: Path, threads: int) -> None:
    envs, one = (make("game", world, 7, threads=n, max_episode_steps=3) for n in (threads, 1))
    assert np.array_equal(envs.reset(seed=0)[0], one.reset(seed=0)[0])
    for actions in script(7, 5):
        a, b = envs.step(actions), one.step(actions)
        assert np.array_equal(a[0], b[0]) and data_equivalence(_listed(a)[4], _listed(b)[4], exact=True)
    envs.close()


def test_infos_are_gathered_as_gymnasium_does() -> None:
    infos: list[dict[str, Any]] = [
        {"a": 1, "b": np.arange(3), "c": {"x": 2.5, "y": "text"}, "e": np.float32(3)},
        {},
        {
            "a": 2,
            "b": np.ones(3, int),
            "c": {"y": "more"},
            "d": True,
            "final_obs": {"frame": np.zeros(2)},
            "n": None,
        },
    ]
    expected: dict[str, Any] = {}
    envs = gymnasium.vector.VectorEnv()
    envs.num_envs = 3
    for i, info in enumerate(infos):
        expected = envs._add_info(expected, info, i)
    got = gather(infos)
    assert data_equivalence(_listed((got,)), _listed((expected,)), exact=True)
    assert list(got) == list(expected) and got["b"].dtype == expected["b"].dtype


@pytest.mark.slow
def test_long_runs_stay_whole_and_small(kind: str, world: Path) -> None:
    """Random actions and resets: no exception, nothing that is not finite, memory flat."""
    envs, rng = make(kind, world, 8, max_episode_steps=60), np.random.default_rng(0)
    envs.reset(seed=0)
    ticks = 400 if kind == "game" else 40
    for t in range(ticks):
        if t % 10 == 9:
            envs.reset(options={"reset_mask": np.append(rng.random(7) < 0.3, True)})
        obs, *_, info = envs.step(rng.integers(34, size=8))
        assert obs.any() and np.isfinite(info["state"]["pose"]).all()
        if t == ticks // 2:
            before = _resident()
    assert _resident() - before < 50


def _resident() -> float:
    """MiB of memory that this process holds, where the system tells."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * 4096 / 2**20 if status.exists() else 0.0
