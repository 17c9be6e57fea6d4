"""Compact action spaces: tables, round trips, the wrapper, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from action_catalogue import BAD_BATCHES, BAD_SINGLES, GOOD_SINGLES
from gymnasium.vector.utils import batch_space

import worldsim  # noqa: F401 - registers the ids
from worldsim.action_sets import ACTION_SETS, CompactActions, action_set
from worldsim.action_tables import DISCRETE, FACTORS
from worldsim.actions import KEYS, noop, to_vector
from worldsim.errors import ConfigError, InvalidAction, UsageError

DOCS = Path(__file__).parents[1] / "docs" / "envs.md"


@pytest.mark.parametrize("name", ACTION_SETS)
def test_actions_come_back_from_their_vectors_and_dicts(name: str) -> None:
    actions = action_set(name)
    actions.space.seed(0)
    for sample in [actions.space.sample() for _ in range(60)]:
        vector = actions.to_vector(sample)
        assert vector.dtype == np.float32 and vector.shape == (25,)
        back = actions.nearest(vector)
        assert np.array_equal(actions.to_vector(back), vector)
        assert np.array_equal(to_vector(actions.to_dict(sample)), vector)
        assert np.array_equal(actions.to_vector(actions.from_dict(actions.to_dict(sample))), vector)
        if name != "dict":
            assert np.array_equal(back, sample)


@pytest.mark.parametrize("name", ACTION_SETS)
def test_a_batch_is_its_rows(name: str) -> None:
    actions = action_set(name)
    batched = batch_space(actions.space, 5)
    batched.seed(1)
    batch = batched.sample()
    vectors = actions.to_vectors(batch, 5)
    for i in range(5):
        one = {k: v[i] for k, v in batch.items()} if name == "dict" else batch[i]
        assert np.array_equal(actions.to_vector(one), vectors[i])
    again = actions.nearest(vectors)
    assert np.array_equal(actions.to_vectors(again, 5), vectors)
    if name == "dict":
        assert again in batched


def test_every_action_has_a_name_and_presses_something_of_its_own() -> None:
    discrete, multi = action_set("discrete"), action_set("multi_discrete")
    assert len(discrete.action_names) == discrete.space.n == 34  # type: ignore[attr-defined]
    vectors = discrete.to_vectors(np.arange(34), 34)
    assert len({v.tobytes() for v in vectors}) == 34 and not vectors[0].any()
    assert [len(names) for names in multi.action_names] == multi.space.nvec.tolist()  # type: ignore[attr-defined]
    pressed = [{k for c in choices.values() for k, v in c.items() if v} for choices in FACTORS.values()]
    assert sum(map(len, pressed)) == len(set().union(*pressed)), "factors share no key"
    assert action_set("dict").action_names == (*KEYS, "camera")


def test_the_nearest_action_to_what_a_person_did() -> None:
    discrete, multi = action_set("discrete"), action_set("multi_discrete")
    walking = {**noop(), "forward": 1, "camera": np.array([1.5, 17.0], np.float32)}
    assert discrete.action_names[discrete.from_dict(walking)] == "forward turn right 15"
    chosen = multi.from_dict({**walking, "jump": 1, "hotbar.3": 1})
    names = [names[i] for names, i in zip(multi.action_names, chosen)]
    assert names == ["forward", "none", "jump", "none", "+2", "+20", "hotbar.3"]


def test_the_tables_in_the_documents_are_those_of_the_code() -> None:
    text = DOCS.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `([^`]+)` \|", text, re.MULTILINE)
    assert rows == [(str(i), name) for i, name in enumerate(DISCRETE)]
    for factor, choices in FACTORS.items():
        assert f"| `{factor}` | {len(choices)} | {', '.join(choices)} |" in text


@pytest.mark.parametrize(("name", "what"), [(n, w) for n, good in GOOD_SINGLES.items() for w in good])
def test_what_is_accepted(name: str, what: str) -> None:
    assert np.isfinite(action_set(name).to_vector(GOOD_SINGLES[name][what])).all()


@pytest.mark.parametrize(("name", "what"), [(n, w) for n, bad in BAD_SINGLES.items() for w in bad])
def test_what_is_refused(name: str, what: str) -> None:
    with pytest.raises(InvalidAction, match="action") as error:
        action_set(name).to_vector(BAD_SINGLES[name][what])
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize(("name", "what"), [(n, w) for n, bad in BAD_BATCHES.items() for w in bad])
def test_what_is_refused_in_a_batch(name: str, what: str) -> None:
    with pytest.raises(InvalidAction, match="action") as error:
        action_set(name).to_vectors(BAD_BATCHES[name][what], 3)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_vectors_are_the_callers_own() -> None:
    actions = action_set("discrete")
    actions.to_vector(1)[:] = 9
    assert actions.to_vector(1).max() == 1
    batch = {**{key: np.zeros(2, np.int64) for key in KEYS}, "camera": np.zeros((2, 2), np.float32)}
    vectors = action_set("dict").to_vectors(batch, 2)
    batch["camera"][:] = 5
    assert not vectors.any()


@pytest.mark.parametrize("name", ["discrete", "multi_discrete"])
def test_wrapper_and_argument_do_the_same(name: str) -> None:
    size: dict[str, Any] = {"width": 64, "height": 48}
    wrapped = CompactActions(gymnasium.make("worldsim/Voxel-v0", **size), name)
    direct = gymnasium.make("worldsim/Voxel-v0", action_space=name, **size)
    assert wrapped.action_space == direct.action_space
    assert wrapped.action_names == direct.unwrapped.action_names
    wrapped.reset(seed=3), direct.reset(seed=3)
    direct.action_space.seed(0)
    for _ in range(10):
        action = direct.action_space.sample()
        assert np.array_equal(wrapped.step(action)[0], direct.step(action)[0])
    with pytest.raises(InvalidAction):
        wrapped.step(np.array([99]))


def test_wrong_sets() -> None:
    with pytest.raises(ConfigError, match="action_space: got 'box'"):
        gymnasium.make("worldsim/Voxel-v0", action_space="box")
    with pytest.raises(ConfigError, match="action_space"):
        action_set(3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="MineRL"):
        CompactActions(gymnasium.make("CartPole-v1"))
