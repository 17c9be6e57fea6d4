"""The errors a user can meet: one small family, each with its own exit code.

A message says what was got, what was expected and what to do, in one line.
`assert` is kept for our own mistakes.
"""

from __future__ import annotations

from typing import Any


class WorldSimError(Exception):
    """Base of every error that is the input's fault and not ours."""

    exit_code = 1


class UsageError(WorldSimError):
    """A command line, an id or an argument that names nothing we have."""

    exit_code = 2


class ConfigError(WorldSimError):
    """A configuration with unknown keys, wrong types or values out of range."""

    exit_code = 3


class CheckpointError(WorldSimError):
    """Weights that are missing, foreign, damaged or of another architecture."""

    exit_code = 4


class DatasetError(WorldSimError):
    """A recording that is missing, cut short or inconsistent."""

    exit_code = 5


class MediaError(WorldSimError):
    """An image or video that can't be read or written."""

    exit_code = 6


class InvalidAction(WorldSimError, ValueError):
    """An action outside the action space; the world it was meant for is unchanged."""

    exit_code = 7


class ResetNeeded(WorldSimError):
    """`step` was called before `reset`, or after the end of an episode."""

    exit_code = 8


class ResourceLimitError(WorldSimError):
    """A disk that is full or read-only, or a size above a stated limit."""

    exit_code = 9


class IntegrityError(WorldSimError):
    """A file whose bytes are not those its manifest promises."""

    exit_code = 10


class NumericalError(WorldSimError):
    """Values that are not finite where they have to be."""

    exit_code = 11


class UnsupportedVersion(WorldSimError):
    """A file of a format that this release can't read."""

    exit_code = 12


class DisplayError(WorldSimError):
    """A window was asked for where no display can be had."""

    exit_code = 13


class MissingDependency(WorldSimError):
    """An optional package or program that is not installed."""

    exit_code = 14


class EnvClosed(WorldSimError):
    """An environment was used after `close`."""

    exit_code = 15


class EngineError(WorldSimError):
    """A game in a process of its own that did not start, ended or fell silent."""

    exit_code = 16


def brief(value: Any) -> str:
    """A value for an error message: one short line, whatever it is."""
    if getattr(value, "shape", ()) and hasattr(value, "dtype"):
        return f"{value.dtype} {tuple(value.shape)}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{type(value).__name__} {text[:50]}…"
