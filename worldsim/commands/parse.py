"""Command-line arguments to an options dataclass, by tyro, with errors in one line."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import io
import typing
from typing import Any, TypeVar

from worldsim.errors import UsageError

T = TypeVar("T")


def parse(kind: type[T], arguments: list[str], *, program: str, summary: str, examples: tuple[str, ...]) -> T:
    """Build the frozen dataclass `kind` from arguments; `--help` prints and raises SystemExit(0).

    Raises:
        UsageError: an unknown or repeated option, a missing or unreadable value.
    """
    import tyro

    arguments = _join_repeats(kind, arguments)
    caught = io.StringIO()
    try:
        with contextlib.redirect_stderr(caught):
            return tyro.cli(
                kind,
                prog=program,
                description=_description(kind, summary, examples),
                args=arguments,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UsageError(f"{_one_line(caught.getvalue())}; see  {program} --help") from None


def _description(kind: type[Any], summary: str, examples: tuple[str, ...]) -> str:
    text = inspect.getdoc(kind) or ""
    body = text.partition("\n\n")[2].partition("\n\nArgs:")[0]
    parts = [
        f"{summary[0].upper()}{summary[1:]}.",
        body,
        "examples:\n" + "\n".join(f"  {e}" for e in examples),
    ]
    return "\n\n".join(part for part in parts if part)


def _join_repeats(kind: type[Any], arguments: list[str]) -> list[str]:
    """`--set a=1 --set b=2` becomes `--set a=1 b=2`: tyro would keep the last one only."""
    lists = {
        f.name
        for f in dataclasses.fields(kind)
        if typing.get_origin(_hints(kind).get(f.name)) in (tuple, list)
    }
    order: list[str] = []
    values: dict[str, list[str]] = {}
    current = ""
    for text in arguments:
        if not text.startswith("--") or text == "--":
            values.setdefault(current, []).append(text)
            continue
        current, separator, value = text.partition("=")
        name = current[2:].replace("-", "_")
        if current in order and name not in lists:
            raise UsageError(f"{current}: given twice; give it once")
        if current not in order:
            order.append(current)
        values.setdefault(current, []).extend([value] if separator else [])
    joined = list(values.get("", []))
    for option in order:
        joined += [option, *values[option]]
    return joined


def _hints(kind: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _one_line(box: str) -> str:
    """The message inside tyro's box (drawn in UTF-8 or ASCII), and the near options if it knows some."""
    lines = [line.strip("│╭╮╰╯ ") for line in box.splitlines()]
    body = [line for line in lines[1:] if line]
    rules = [i for i, line in enumerate(body) if set(line) <= set("─-")]
    if rules[:1] == [0]:
        return _one_line("\n".join(["", *body[1:]]))
    first = body[: rules[0]] if rules else body
    message = " ".join(line for line in first if not line.endswith("(required)"))
    near = [line.split()[0] for line in body[len(first) :] if line.startswith("--") and set(line) != {"-"}]
    if near and "Perhaps you meant" in box:
        message += f"; did you mean {' or '.join(near)}?"
    return message[:1].lower() + message[1:] or "can't be read"
