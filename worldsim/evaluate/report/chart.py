"""A curve as inline SVG: no script, colours from the page's style sheet, so that it is right in the dark too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, isfinite, log10

from worldsim.evaluate.report.number import number
from worldsim.evaluate.result import Curve

WIDTH, HEIGHT = 520, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 12, 40
SERIES = 8
"""Colours of the style sheet; further series repeat them."""


Styles = Mapping[str, tuple[int, bool]]
"""Colour, and whether it is dashed, of lines by name; the others go through the colours in order."""


def chart(curve: Curve, styles: Styles | None = None) -> str:
    """An `<svg>` with axes, gridlines and one line a series; names stand in `legend`."""
    points = [v for line in curve.series.values() for v in line if isfinite(v)]
    xs = [v for v in curve.x if isfinite(v)]
    if not points or not xs:
        return '<p class="none">Nothing was measured here.</p>'
    flat = min(points) == max(points)
    across = ticks(min(xs), max(xs), 6, whole=all(float(x).is_integer() for x in xs))
    up = ticks(min(*points, 0.0), max(*points, 0.0), 5) if flat else ticks(min(points), max(points), 5)
    x0, x1 = min(xs), max(xs)
    y0, y1 = min(*points, up[0]), max(*points, up[-1])

    def px(x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (x - x0) / ((x1 - x0) or 1)

    def py(y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - y0) / ((y1 - y0) or 1)

    parts = [_grid_line(py(v), _tick(v, up)) for v in up if y0 <= v <= y1]
    parts += [
        f'<text class="tick" x="{px(v):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{_tick(v, across)}</text>'
        for v in across
        if x0 <= v <= x1
    ]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text class="axis" x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(curve.x_label)}</text>'
    )
    for i, (name, line) in reversed(list(enumerate(curve.series.items()))):
        located = [(px(x), py(y)) if isfinite(x) and isfinite(y) else None for x, y in zip(curve.x, line)]
        parts.append(_line(located, _classes(i, name, styles), name))
    title = f"{curve.name}: {curve.y_label} over {curve.x_label}"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def legend(curve: Curve, styles: Styles | None = None) -> str:
    """The names of the lines with their colours and last values."""
    if not curve.series:
        return ""
    items = [
        f'<li><span class="key {_classes(i, name, styles)}"></span>{escape(name)} <b>{_last(line)}</b></li>'
        for i, (name, line) in enumerate(curve.series.items())
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def ticks(low: float, high: float, wanted: int, *, whole: bool = False) -> list[float]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten, integers if `whole`) that enclose the range."""
    span = (high - low) or abs(high) or 1.0
    raw = max(span / max(1, wanted), 1.0 if whole else 0.0)
    power = 10.0 ** floor(log10(raw))
    step = next(
        m * power for m in ((1, 2, 5, 10) if whole else (1, 2, 2.5, 5, 10)) if m * power >= raw * 0.999
    )
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def _classes(i: int, name: str, styles: Styles | None) -> str:
    colour, dashed = (styles or {}).get(name, (i, False))
    return f"s{colour % SERIES}{' dashed' if dashed else ''}"


def _line(points: Sequence[tuple[float, float] | None], classes: str, name: str) -> str:
    """A path with gaps where a value is missing; single points become dots."""
    path, dots, before = [], [], False
    for i, point in enumerate(points):
        if point is None:
            before = False
            continue
        x, y = point
        path.append(f"{'L' if before else 'M'}{x:.1f} {y:.1f}")
        alone = not before and (i + 1 == len(points) or points[i + 1] is None)
        if alone or len(points) <= 12:
            dots.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>')
        before = True
    return (
        f'<g class="line {classes}"><title>{escape(name)}</title>'
        f'<path d="{" ".join(path)}"/>{"".join(dots)}</g>'
    )


def _grid_line(y: float, label: str) -> str:
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    )


def _tick(value: float, all_ticks: Sequence[float]) -> str:
    step = all_ticks[1] - all_ticks[0] if len(all_ticks) > 1 else 1.0
    decimals = max(0, -floor(log10(step) + 1e-9)) if step < 1 else int(step % 1 > 1e-9)
    if step < 1 and round(step, decimals) != round(step, 10):
        decimals += 1
    return f"{value:,.{decimals}f}"


def _last(line: Sequence[float]) -> str:
    return number(next((v for v in reversed(line) if isfinite(v)), float("nan")))
