"""The compiled twins of `tokenizer.to_cells` and `tokenizer.to_pixels` for the CPU."""

from __future__ import annotations

from typing import Any

import numba as nb


# Strides that are known beforehand make vector instructions; and a part of an array, of a row, takes longer to make
# and to drop than to copy.
@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def gather_four(pixels: Any, cells: Any) -> None:
    """Fill `cells` `[N, 4, 4, H / 4, W / 4]` from `pixels` `[N, H, W]`."""
    count, _, _, rows, columns = cells.shape
    for n in range(count):
        for k in range(4):
            for j in range(rows):
                for first in range(4):
                    for i in range(columns):
                        cells[n, k, first, j, i] = pixels[n, 4 * j + k, 4 * i + first]


@nb.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def scatter_four(cells: Any, pixels: Any) -> None:
    """Fill `pixels` `[N, H, W]` from `cells` `[N, 4, 4, H / 4, W / 4]`: undoes `gather_four`."""
    count, _, _, rows, columns = cells.shape
    for n in range(count):
        for k in range(4):
            for j in range(rows):
                for first in range(4):
                    for i in range(columns):
                        pixels[n, 4 * j + k, 4 * i + first] = cells[n, k, first, j, i]
