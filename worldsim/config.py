"""Frozen dataclasses to and from plain JSON values, with errors that name the key.

Every configuration is a frozen dataclass that stands beside the class it configures. Names
resolve in closed registries, never to code.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from typing import Any, TypeVar

from worldsim.errors import ConfigError

T = TypeVar("T")


def to_json(config: Any) -> dict[str, Any]:
    """Turn a configuration into a dict of JSON values (tuples become lists)."""
    return {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def from_json(kind: type[T], values: Any, where: str = "config") -> T:
    """Build the configuration `kind` from a dict of JSON values; missing keys keep their default.

    Raises:
        ConfigError: an unknown key (near names are listed), a wrong type or a number that is not finite.
    """
    if not isinstance(values, dict):
        raise ConfigError(
            f"{where}: got {type(values).__name__}, expected an object of {kind.__name__} fields"
        )
    hints = typing.get_type_hints(kind)
    names = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key in values:
        if key not in names:
            near = difflib.get_close_matches(str(key), names, 3) or names
            raise ConfigError(f"{where}.{key}: unknown key; did you mean {' or '.join(near)}?")
    arguments = {key: _typed(hints[key], value, f"{where}.{key}") for key, value in values.items()}
    try:
        return kind(**arguments)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from error


def with_overrides(config: T, overrides: list[str]) -> T:
    """Apply `key.subkey=value` overrides, each value read by the field's type."""
    values = to_json(config)
    for text in overrides:
        path, separator, raw = text.partition("=")
        if not separator:
            raise ConfigError(f"--set {text}: expected key=value")
        *parents, last = path.split(".")
        node: Any = values
        for part in [*parents, last]:
            if not isinstance(node, dict) or part not in node:
                keys = list(node) if isinstance(node, dict) else []
                near = difflib.get_close_matches(part, keys, 3)
                hint = f"did you mean {' or '.join(near)}?" if near else f"keys: {', '.join(keys) or 'none'}"
                raise ConfigError(f"--set {text}: no key {part!r} here; {hint}")
            parent, node = node, node[part]
        parent[last] = _parse(raw)
    return from_json(type(config), values, "--set")


def _parse(raw: str) -> Any:
    import json

    try:
        return json.loads(raw)
    except ValueError:
        return raw


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_json(value)
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    return value


def _typed(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        inner = [a for a in args if a is not type(None)]
        return _typed(inner[0], value, where)
    if origin is typing.Literal:
        if value not in args:
            raise ConfigError(f"{where}: got {value!r}, expected one of {', '.join(map(repr, args))}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where}: got {value!r}, expected a list")
        kinds = [args[0]] * len(value) if len(args) == 2 and args[1] is Ellipsis else list(args)
        if len(kinds) != len(value):
            raise ConfigError(f"{where}: got {len(value)} values, expected {len(kinds)}")
        return tuple(_typed(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value)))
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast(type, hint), value, where)
    return _scalar(hint, value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"{where}: got {value!r}, expected {hint.__name__}")
    if hint is float and not math.isfinite(value):
        raise ConfigError(f"{where}: got {value!r}, expected a finite number")
    return value
