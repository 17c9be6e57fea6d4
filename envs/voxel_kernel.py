"""How the game's functions are compiled: cached, exact arithmetic, stale caches refused.

Numba's cache looks at the file of a function alone. Kernels here call kernels of sibling files,
so the stamp of the cache is the hash of all of them: an edit anywhere compiles again.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numba


def kernel(function: Callable[..., Any]) -> Any:
    """Compile `function` with numba: no fastmath (results have to be the same everywhere), cached on disk."""
    return _compiled(function, {})


def bare(function: Callable[..., Any]) -> Any:
    """`kernel` for a function that makes no arrays: without reference counts, which would cost a third."""
    return _compiled(function, {"_nrt": False})


def inner(function: Callable[..., Any]) -> Any:
    """`bare` for a small function that others call for each pixel: always inlined."""
    return _compiled(function, {"_nrt": False, "forceinline": True})


def _compiled(function: Callable[..., Any], options: dict[str, bool]) -> Any:
    jit = functools.partial(cast(Any, numba.njit), nogil=True, error_model="numpy", **options)
    try:
        dispatcher = jit(cache=True)(function)
        cache_file: Any = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
        if hasattr(cache_file, "_source_stamp"):
            cache_file._source_stamp = _sources_digest()
    except RuntimeError:  # nowhere to keep a cache (a read-only machine): compile in each process
        dispatcher = jit()(function)
    _forget_literals(dispatcher)
    return dispatcher


def _forget_literals(dispatcher: Any) -> None:
    """Compile `f(seed, 1)` and `f(seed, 2)` once: numba would make one version for each constant."""
    find, plain = dispatcher.get_call_template, cast(Any, numba.types).unliteral

    def find_plain(args: Any, kws: Any) -> Any:
        named = {name: plain(kind) for name, kind in dict(kws).items()}
        return find(tuple(plain(kind) for kind in args), named)

    dispatcher.get_call_template = find_plain


@functools.cache
def _sources_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("voxel_*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
