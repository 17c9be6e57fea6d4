"""Caption vectors: the same everywhere, near for captions that share words."""

from __future__ import annotations

import hashlib

import numpy as np

from worldsim.text import ENCODER, SIZE, embed_caption, embed_captions


def test_shape_length_and_zeros() -> None:
    vector = embed_caption("a snowy forest at dusk near water")
    assert vector.shape == (SIZE,) and vector.dtype == np.float32
    assert np.isclose(np.linalg.norm(vector), 1.0, atol=1e-6)
    for text in ("", "  ", "!?—"):
        assert not embed_caption(text).any()
    assert embed_captions([]).shape == (0, SIZE)
    assert np.array_equal(embed_captions(["", "a desert"])[1], embed_caption("a desert"))


def test_the_same_bytes_on_every_machine() -> None:
    data = embed_caption("a snowy forest at dusk near water").astype("<f4").tobytes()
    assert ENCODER == "hash-384" and hashlib.sha256(data).hexdigest()[:16] == "d5329aa0b086bd53"


def test_near_and_far() -> None:
    near = embed_caption("a snowy forest at dusk") @ embed_caption("A snowy forest, at noon.")
    far = embed_caption("a snowy forest at dusk") @ embed_caption("red desert near noon")
    assert near > 0.5 and abs(far) < 0.2
    assert np.array_equal(embed_caption("A  Desert!"), embed_caption("a desert"))
    assert not np.array_equal(embed_caption("water near sand"), embed_caption("sand near water"))


def test_odd_and_long_texts() -> None:
    for text in ("слон 雪 \ud800", "x" * 10**6, "word " * 10**5, "a\0b"):
        assert np.isfinite(embed_caption(text)).all()


def test_a_caller_can_not_change_the_cache() -> None:
    embed_caption("a cave")[:] = 0
    assert embed_caption("a cave").any()
