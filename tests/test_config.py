"""Dataclasses to JSON and back; every wrong value names its key."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Literal

import pytest

from worldsim.config import from_json, to_json, with_overrides
from worldsim.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    name: str = "a"


@dataclasses.dataclass(frozen=True)
class Outer:
    size: int = 8
    kind: Literal["x", "y"] = "x"
    widths: tuple[int, ...] = (1, 2)
    pair: tuple[int, float] = (1, 2.0)
    limit: float | None = None
    flag: bool = False
    inner: Inner = Inner()


FULL = Outer(9, "y", (3,), (4, 5.5), 1.5, True, Inner(0.25, "b"))


@pytest.mark.parametrize("config", [Outer(), FULL], ids=["default", "full"])
def test_round_trip_through_json_text(config: Outer) -> None:
    assert from_json(Outer, json.loads(json.dumps(to_json(config)))) == config


def test_missing_keys_keep_their_default() -> None:
    assert from_json(Outer, {"size": 3}) == Outer(size=3)
    assert from_json(Outer, {}) == Outer()


def test_integers_stand_for_floats() -> None:
    assert from_json(Inner, {"rate": 1}) == Inner(rate=1.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sise": 1}, r"config\.sise: unknown key; did you mean size\?"),
        ({"inner": {"rat": 1}}, r"config\.inner\.rat: unknown key"),
        ({"size": "8"}, r"config\.size: got '8', expected int"),
        ({"size": 1.5}, r"config\.size: got 1\.5, expected int"),
        ({"size": True}, r"config\.size: got True, expected int"),
        ({"size": None}, r"config\.size"),
        ({"flag": 1}, r"config\.flag: got 1, expected bool"),
        ({"kind": "z"}, r"config\.kind: got 'z', expected one of 'x', 'y'"),
        ({"widths": 3}, r"config\.widths: got 3, expected a list"),
        ({"widths": [1, "a"]}, r"config\.widths\[1\]"),
        ({"pair": [1]}, r"config\.pair: got 1 values, expected 2"),
        ({"limit": float("nan")}, r"config\.limit: got nan, expected a finite number"),
        ({"inner": {"rate": float("inf")}}, r"config\.inner\.rate"),
        ({"inner": 3}, r"config\.inner: got int, expected an object"),
        ({"_target_": "os.system"}, r"config\._target_: unknown key"),
        ({"__class__": "x"}, r"config\.__class__: unknown key"),
        ([], r"config: got list, expected an object"),
        (None, r"config: got NoneType"),
    ],
    ids=str,
)
def test_bad_values_name_their_key(values: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_json(Outer, values)


@pytest.mark.parametrize(
    "text", ["${oc.env:HOME}", "os.system", "!!python/object", "{{x}}", "1+1", "__import__('os')"]
)
def test_strings_stay_strings(text: str) -> None:
    assert from_json(Inner, {"name": text}).name == text
    assert with_overrides(Inner(), [f"name={json.dumps(text)}"]).name == text


def test_overrides() -> None:
    changed = with_overrides(Outer(), ["size=12", "inner.rate=0.1", "widths=[4,5]", "kind=y", "limit=null"])
    assert changed == Outer(size=12, inner=Inner(rate=0.1), widths=(4, 5), kind="y")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size", "expected key=value"),
        ("nope=1", "no key 'nope' here; keys: size"),
        ("wdiths=1", r"no key 'wdiths' here; did you mean widths\?"),
        ("inner.nope=1", "no key 'nope' here; keys: rate, name"),
        ("size.deeper=1", "no key 'deeper' here; keys: none"),
        ("size=big", r"--set\.size: got 'big', expected int"),
        ("inner=3", "expected an object"),
    ],
)
def test_bad_overrides(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        with_overrides(Outer(), [text])


def test_the_original_is_untouched() -> None:
    config = Outer()
    with_overrides(config, ["size=12"])
    assert config == Outer()
