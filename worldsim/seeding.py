"""Seeds of episodes: one range, one check, for games and dreams alike."""

from __future__ import annotations

import operator
from typing import Any

from worldsim.errors import UsageError, brief


def check_seed(seed: Any) -> int:
    """Return a seed as an int.

    Raises:
        UsageError: not an integer from 0 to 2**64 - 1.
    """
    try:
        value = operator.index(seed)
    except TypeError:
        value = -1
    if isinstance(seed, bool) or not 0 <= value < 2**64:
        raise UsageError(f"seed: got {brief(seed)}, expected None or an integer from 0 to 2**64 - 1")
    return value
