"""Captions as vectors, with no model to download.

Each word and each pair of neighbouring words has a fixed random direction, drawn from a hash of
its letters, so that an embedding is the same on every machine. Captions that share words lie near
each other, which is all that a closed vocabulary needs.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

ENCODER = "hash-384"
"""Name of this encoding, kept in checkpoints: weights trained on one can't read another."""
SIZE = 384

_WORD = re.compile(r"[^\W_]+")
_WORD_LIMIT = 256


def embed_caption(text: str) -> NDArray[np.float32]:
    """Turn a caption into `float32 [384]` of length 1; a text without words gives zeros.

    Case and punctuation don't count; words after the first 256 are left out.
    """
    words = _WORD.findall(text.lower())[:_WORD_LIMIT]
    return np.array(_embed(" ".join(words)))


def embed_captions(texts: Sequence[str]) -> NDArray[np.float32]:
    """Turn B captions into `float32 [B, 384]`."""
    return np.stack([embed_caption(text) for text in texts]) if texts else np.zeros((0, SIZE), np.float32)


@lru_cache(maxsize=65536)
def _embed(text: str) -> NDArray[np.float32]:
    words = text.split()
    total = np.zeros(SIZE, np.float64)
    for word in words:
        total += _direction(word)
    for pair in pairwise(words):
        total += 0.5 * _direction(" ".join(pair))
    length = math.sqrt(math.fsum(total * total))
    embedding: NDArray[np.float32] = (total / length if length > 0 else total).astype(np.float32)
    return embedding


@lru_cache(maxsize=65536)
def _direction(token: str) -> NDArray[np.float64]:
    # Whole numbers with a bell-shaped distribution, each the sum of four 16-bit ones: exact on any
    # machine and with any NumPy, which the gaussians of a random generator are not.
    data = hashlib.shake_256(f"{ENCODER}:{token}".encode("utf-8", "surrogatepass")).digest(SIZE * 8)
    parts = np.frombuffer(data, "<u2").astype(np.float64).reshape(SIZE, 4)
    centred: NDArray[np.float64] = parts.sum(1) - 4 * 32767.5
    return centred
