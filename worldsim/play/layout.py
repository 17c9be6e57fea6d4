"""Where pictures lie in a window of any size: pure arithmetic."""

from __future__ import annotations

from typing import NamedTuple

GAP = 4
"""Pixels between two pictures side by side."""


class Box(NamedTuple):
    """A rectangle in window pixels."""

    left: int
    top: int
    width: int
    height: int


def letterbox(width: int, height: int, area: Box, *, whole: bool) -> Box:
    """The largest box with the proportions of `width` x `height` in the middle of `area`.

    Args:
        whole: use a whole number of window pixels for a frame's pixel where that loses less than
            a tenth of the size, so that sharp pixels are all equal.
    """
    factor = min(area.width / width, area.height / height)
    if whole and factor >= 1 and int(factor) >= 0.9 * factor:
        factor = int(factor)
    w, h = max(1, round(width * factor)), max(1, round(height * factor))
    return Box(area.left + (area.width - w) // 2, area.top + (area.height - h) // 2, w, h)


def arrange(sizes: list[tuple[int, int]], window: tuple[int, int], *, whole: bool = False) -> list[Box]:
    """Boxes of one or two pictures of `sizes` (width, height) in a window: in a row, or one above
    the other where that shows them a fifth larger."""
    if len(sizes) == 1:
        return [letterbox(*sizes[0], Box(0, 0, *window), whole=whole)]
    row, column = (_split(sizes, window, across, whole) for across in (True, False))
    return column if column[0].width > 1.2 * row[0].width else row


def _split(sizes: list[tuple[int, int]], window: tuple[int, int], across: bool, whole: bool) -> list[Box]:
    count = len(sizes)
    along = window[0] if across else window[1]
    share = max(1, (along - GAP * (count - 1)) // count)
    boxes = []
    for i, (width, height) in enumerate(sizes):
        start = i * (share + GAP)
        area = Box(start, 0, share, window[1]) if across else Box(0, start, window[0], share)
        boxes.append(letterbox(width, height, area, whole=whole))
    return _together(boxes, window, across)


def _together(boxes: list[Box], window: tuple[int, int], across: bool) -> list[Box]:
    """Move the boxes next to each other, in the middle of the window."""
    axis, extent = (0, 2) if across else (1, 3)
    total = sum(box[extent] for box in boxes) + GAP * (len(boxes) - 1)
    place = max(0, (window[axis] - total) // 2)
    moved = []
    for box in boxes:
        moved.append(box._replace(left=place) if across else box._replace(top=place))
        place += box[extent] + GAP
    return moved
