"""Other people's action formats, to and from the vectors `float32 [..., 25]` of `worldsim.actions`.

    from worldsim import codec

    tokens = codec.convert(rows, "vpt", "mineworld")  # int64 [T, 11]
    vectors = codec.convert(tokens, "mineworld", "vectors")  # float32 [T, 25]

Every module named in `FORMATS` has `from_vectors` and `to_vectors` over any leading axes, and says
what it loses. The camera is `(pitch, yaw)` in degrees everywhere, positive down and right, and no
format shifts time: entry `t` leads from frame `t` to frame `t + 1` (`data.episode.led_to` shifts).
"""

from __future__ import annotations

import difflib
import importlib
from typing import Any

from worldsim.actions import check_vector
from worldsim.errors import UsageError

FORMATS: dict[str, str] = {
    "minerl": "worldsim.codec.minerl",
    "vpt": "worldsim.codec.vpt",
    "oasis": "worldsim.codec.oasis",
    "vpt-policy": "worldsim.codec.vpt_policy",
    "mineworld": "worldsim.codec.mineworld",
}
"""Name to the module with its `from_vectors` and `to_vectors`; `vectors` itself is the 25-vector."""


def convert(actions: Any, source: str, target: str) -> Any:
    """Convert actions over time from one format to another; names are those of `FORMATS` and `vectors`.

    Raises:
        UsageError: a format has no such name.
        InvalidAction: an action that its format does not have.
    """
    return _from_vectors(_to_vectors(actions, source), target)


def _to_vectors(actions: Any, source: str) -> Any:
    return check_vector(actions) if source == "vectors" else _module(source).to_vectors(actions)


def _from_vectors(vectors: Any, target: str) -> Any:
    return vectors if target == "vectors" else _module(target).from_vectors(vectors)


def _module(name: str) -> Any:
    if name not in FORMATS:
        known = ["vectors", *FORMATS]
        near = difflib.get_close_matches(name, known, 3) or known
        raise UsageError(f"action format {name!r}: unknown; did you mean {' or '.join(near)}?")
    return importlib.import_module(FORMATS[name])
