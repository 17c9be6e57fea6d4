"""States of game and dream: exact, small, restorable anywhere, and safe to read from a file."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_fakes import save_tiny_world
from safetensors.numpy import load, save
from vector_fakes import IDS, make, scalar, script

from worldsim.errors import UnsupportedVersion, UsageError
from worldsim.packed import pack, unpack
from worldsim.vector_state import VectorState


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_world(tmp_path_factory.mktemp("worlds") / "tiny")


@pytest.fixture(params=IDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def env(kind: str, world: Path) -> Iterator[Any]:
    made = scalar(kind, world)
    made.reset(seed=6)
    for action in script(1, 5, seed=2)[:, 0]:
        made.step(action)
    yield made
    made.close()


def play(env: Any, ticks: int = 4, seed: int = 1) -> list[bytes]:
    return [env.step(action)[0].tobytes() for action in script(1, ticks, seed=seed)[:, 0]]


def test_clone_restore_clone_are_the_same_bytes(env: Any, kind: str, world: Path) -> None:
    state = env.clone_state()
    other = scalar(kind, world)
    for form in (state, state.to_bytes(), pickle.loads(pickle.dumps(state))):
        env.reset(seed=9)
        for which in (env, other):
            which.restore_state(form)
            assert which.clone_state().to_bytes() == state.to_bytes()


def test_a_restored_future_is_the_same(env: Any) -> None:
    state = env.clone_state().to_bytes()
    first = play(env)
    env.reset(seed=3)
    env.restore_state(state)
    assert play(env) == first
    env.restore_state(state)
    following = env.reset()[1]["seed"]
    env.restore_state(state)
    assert env.reset()[1]["seed"] == following, "the random numbers are part of the state"


def test_another_process_goes_on(env: Any, kind: str, world: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(env.clone_state().to_bytes())
    code = (
        "import sys; from pathlib import Path; from test_states import play, scalar\n"
        "env = scalar(sys.argv[1], Path(sys.argv[2])); env.restore_state(Path(sys.argv[3]).read_bytes())\n"
        "import hashlib; print(hashlib.sha256(b''.join(play(env))).hexdigest())\n"
    )
    line = [sys.executable, "-c", code, kind, str(world), str(tmp_path / "state")]
    done = subprocess.run(line, cwd=Path(__file__).parent, capture_output=True, text=True)
    import hashlib

    assert done.stdout.strip() == hashlib.sha256(b"".join(play(env))).hexdigest(), done.stderr[-2000:]


def test_pickled_vector_states_hold_no_batch(world: Path) -> None:
    envs = make("dream", world, 6, exact=False)
    envs.reset(seed=0)
    envs.step(np.zeros(6, int))
    one = envs.clone_state().worlds[0]
    assert one.world.newest.frame.untyped_storage().nbytes() == 48 * 64 * 3
    assert len(pickle.dumps(one)) < 200_000


def test_vector_states(kind: str, world: Path) -> None:
    envs = make(kind, world, 3, max_episode_steps=4)
    envs.reset(seed=0)
    envs.step(np.array([1, 2, 3]))
    state = envs.clone_state()
    first = [envs.step(a)[0] for a in script(3, 4)]
    for form in (state, state.to_bytes(), pickle.loads(pickle.dumps(state))):
        envs.restore_state(form)
        assert envs.clone_state().to_bytes() == state.to_bytes()
        assert all(np.array_equal(a, envs.step(x)[0]) for a, x in zip(first, script(3, 4)))
    assert VectorState.read(state.to_bytes(), envs.state_type).to_bytes() == state.to_bytes()


def test_scalar_and_vector_states_are_the_same_thing(env: Any, kind: str, world: Path) -> None:
    state = env.clone_state()
    envs = make(kind, world, 3)
    envs.restore_state(state)
    actions = script(1, 3, seed=1)[:, 0]
    seen = [envs.step(np.full(3, action))[0] for action in actions]
    assert [frames[2].tobytes() for frames in seen] == play(env, 3)
    envs.restore_state(state.to_bytes(), np.array([False, True, False]))
    env.restore_state(envs.clone_state().worlds[1])
    assert env.clone_state().to_bytes() == state.to_bytes()


def test_forks_begin_where_the_world_is(env: Any) -> None:
    branches = env.fork(3)
    actions = script(1, 3, seed=1)[:, 0]
    seen = [branches.step(np.full(3, action))[0] for action in actions]
    others = env.fork(2)
    others.step(np.array([11, 3]))  # what a fork does is seen nowhere else
    assert [frames[1].tobytes() for frames in seen] == play(env, 3)
    assert len({frame.tobytes() for frame in branches.fork(1).step(np.array([0, 7, 15]))[0]}) == 3


def test_forks_of_many_and_of_none(kind: str, world: Path) -> None:
    envs = make(kind, world, 2)
    envs.reset(seed=0)
    forks = envs.fork(3)
    assert forks.num_envs == 6
    obs, expected = forks.step(np.repeat([1, 2], 3))[0], envs.step(np.array([1, 2]))[0]
    assert np.array_equal(obs, np.repeat(expected, 3, 0))
    for n in (0, -1, 1.5, True, "3", 10**9):
        with pytest.raises(UsageError, match="fork: n"):
            envs.fork(n)


def test_forks_of_a_game_share_no_block(world: Path) -> None:
    env = scalar("game", world, action_space="dict")
    _, info = env.reset(seed=4)
    from worldsim import registry
    from worldsim.actions import to_dict

    player = registry.resolve(registry.POLICIES, "explorer", "policy")(1)
    for _ in range(40):
        *_, info = env.step(to_dict(player.act(info["state"])))
    before, twin = env.engine.clone(), env.engine.fork()
    twin._own()
    twin._vox[:] = 1
    env.engine.restore(before)
    assert not np.array_equal(env.engine._vox, twin._vox)
    again = env.engine.fork()
    env.engine.step(np.zeros(25, np.float32))
    assert not np.may_share_memory(env.engine._vox, again._vox)


def test_dreams_fork_into_different_futures(world: Path) -> None:
    env = scalar("dream", world)
    env.reset(seed=0)
    obs = env.fork(3, seeds=[1, 2, 1]).step(np.array([1, 1, 1]))[0]
    assert np.array_equal(obs[0], obs[2]) and not np.array_equal(obs[0], obs[1])
    for seeds in ([1, 2], [1, 2, -3], [1, 2, "x"]):
        with pytest.raises(UsageError, match="seed"):
            env.fork(3, seeds=seeds)


def damaged(good: bytes) -> dict[str, bytes]:
    return {
        "empty": b"", "cut": good[: len(good) // 2], "longer": good + b"\0", "pickle": pickle.dumps({"a": 1}),
        "zip": b"PK" + good, "noise": bytes(range(256)) * 8, "a header only": good[:8],
        "huge header": (2**60).to_bytes(8, "little") + good[8:], "text": b"worldsim",
        "other": save({"x": np.zeros(3)}), "other kind": pack("worldsim.other", {"x": np.zeros(3)}, {}),
        "nothing in it": pack("worldsim.voxel", {"x": np.zeros(3)}, {}),
        "nothing in it either": pack("worldsim.dream", {"x": np.zeros(3)}, {}),
        "no worlds": pack("worldsim.vector", {"x": np.zeros(3)}, {"count": 2}),
    }  # fmt: skip


def test_damaged_bytes_are_refused(env: Any, kind: str, world: Path) -> None:
    good = env.clone_state().to_bytes()
    envs = make(kind, world, 2)
    envs.reset(seed=0)
    held = envs.clone_state().to_bytes()
    for name, data in damaged(good).items():
        for which in (env, envs):
            with pytest.raises(UsageError, match="state") as error:
                which.restore_state(data)
            assert "\n" not in str(error.value), name
    assert env.clone_state().to_bytes() == good and envs.clone_state().to_bytes() == held
    newer = good.replace(b'\\"format\\": 1', b'\\"format\\": 9')
    assert newer != good
    with pytest.raises(UnsupportedVersion, match="format 9"):
        env.restore_state(newer)


def test_flipped_bytes_never_do_more_than_raise(env: Any) -> None:
    good, rng = env.clone_state().to_bytes(), np.random.default_rng(0)
    for _ in range(200):
        data = bytearray(good)
        data[rng.integers(min(len(data), 2000))] ^= 1 << rng.integers(8)
        try:
            env.restore_state(bytes(data))
        except (UsageError, UnsupportedVersion):
            continue
    env.restore_state(good)


def tampered(name: str, place: Any, value: Any, world: Path) -> bytes:
    env = scalar("game", world)
    env.reset(seed=1)
    state = env.clone_state()
    _, arrays, facts = unpack(state.to_bytes(), "worldsim.voxel")
    arrays = {**arrays, "journal": np.array([[5, 0, 1]], np.int32)}
    arrays[name] = arrays[name].copy()
    arrays[name][place] = value
    return pack("worldsim.voxel", arrays, facts)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("journal", (0, 0), -1), ("journal", (0, 0), 2**30), ("journal", (0, 2), 200), ("journal", (0, 1), -1),
        ("items", 3, 250), ("counts", 0, -5), ("animals", (2, 8), 9), ("animals", (0, 0), np.nan),
        ("player", 0, np.inf), ("player", 20, 40), ("player", 26, 99), ("player", 33, -1e6),
    ],
)  # fmt: skip
def test_numbers_that_no_game_has_are_refused(name: str, place: Any, value: Any, world: Path) -> None:
    """Compiled code uses them as places in arrays."""
    with pytest.raises(UsageError, match=name):
        scalar("game", world).restore_state(tampered(name, place, value, world))


def test_states_of_another_world_or_size_are_refused(world: Path, tmp_path: Path) -> None:
    env = scalar("dream", world)
    env.reset(seed=0)
    _, arrays, facts = unpack(env.clone_state().to_bytes(), "worldsim.dream")
    small = {**arrays, **{name: arrays[name][:, :32] for name in ("frames", "depth")}}
    small["ground"] = arrays["ground"][:, :16]
    with pytest.raises(UsageError, match="sizes"):
        env.restore_state(pack("worldsim.dream", small, facts))
    with pytest.raises(UsageError, match="another world"):
        env.restore_state(pack("worldsim.dream", arrays, {**facts, "world_hash": "0" * 64}))
    with pytest.raises(UsageError, match=r"'worldsim\.dream'"):
        scalar("game", world).restore_state(env.clone_state().to_bytes())
    with pytest.raises(UsageError, match="rng"):
        env.restore_state(pack("worldsim.dream", arrays, {**facts, "rng": {"bit_generator": "MT19937"}}))
    assert load(env.clone_state().to_bytes())["frames"].dtype == np.uint8, "plain safetensors"


def test_vector_states_that_do_not_fit(kind: str, world: Path) -> None:
    envs, other = make(kind, world, 2), make(kind, world, 3)
    envs.reset(seed=0), other.reset(seed=0)
    held = envs.clone_state().to_bytes()
    for state in (
        None,
        3,
        {},
        [],
        "state",
        other.clone_state(),
        other.clone_state().to_bytes(),
        VectorState((1, 2), (0, 0), (False, False)),
    ):
        with pytest.raises(UsageError, match="state"):
            envs.restore_state(state)
    for mask in (np.array([True]), [True, False], np.zeros(2, bool)):
        with pytest.raises(UsageError, match="mask"):
            envs.restore_state(held, mask)
    assert envs.clone_state().to_bytes() == held
