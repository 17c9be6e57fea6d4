"""What is written over the worlds: figures, badges, messages, pause and help."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from worldsim.play.keymap import HELP
from worldsim.play.layout import Box
from worldsim.play.paint import AMBER, BLUE, GREEN, GREY, RED, WHITE, Brush
from worldsim.play.view import Message, Pane, View

if TYPE_CHECKING:
    import pygame

MESSAGE_SECONDS = 4.0
URGENT_SECONDS = 10.0
MARGIN = 10
DESIGN = (720.0, 480.0)
"""Window width and height, in pixels, at which texts have their plain size."""
SMALLEST, LARGEST = 0.7, 2.5
UNCERTAIN = 30.0
"""Uncertainty, in grey levels, at which the gauge is full."""


@dataclass(frozen=True)
class Figures:
    """What the window itself knows and the HUD shows."""

    frames_per_second: float
    latency_ms: float
    """Median time from the sampling of an input to the flip that shows its effect."""
    latency_p95_ms: float
    target: int
    """Ticks a second that are aimed at."""
    mouse_held: bool
    busy: bool = False
    """Whether the world has been at a command for a while, such as loading."""
    show_figures: bool = True
    show_help: bool = False
    show_hint: bool = False


class Hud:
    """Draws over a window; sizes follow the window's."""

    def __init__(self) -> None:
        self._brush = Brush(1.0)

    def draw(self, screen: pygame.Surface, view: View, boxes: list[Box], figures: Figures) -> None:
        """Write everything over the pictures that lie in `boxes`."""
        self._fit(screen)
        for pane, box in zip(view.panes, boxes):
            self._badges(screen, pane, box, len(boxes) > 1)
        if figures.show_figures and view.panes:
            self._figures(screen, view, boxes[0], figures)
        if view.panes:
            self._status(screen, view, boxes[view.active])
        if figures.show_help:
            self._help(screen)
        elif figures.busy:
            self._hint(screen, boxes[-1], "one moment")
        elif view.paused:
            self._pause(screen)
        elif not figures.mouse_held and figures.show_hint:
            self._hint(screen, boxes[-1], "click to look around  ·  H for help")
        self._message(screen, view.message)

    def waiting(self, screen: pygame.Surface, text: str) -> None:
        """The window before the world is there."""
        screen.fill((18, 22, 28))
        self._fit(screen)
        title = self._brush.text("worldsim", 40)
        line = self._brush.text(text, 15, GREY)
        x, y = screen.get_width() // 2, screen.get_height() // 2
        screen.blit(title, (x - title.get_width() // 2, y - title.get_height()))
        screen.blit(line, (x - line.get_width() // 2, y + self._brush.px(10)))

    def _fit(self, screen: pygame.Surface) -> None:
        width, height = screen.get_size()
        scale = min(LARGEST, max(SMALLEST, min(width / DESIGN[0], height / DESIGN[1])))
        if abs(scale - self._brush.scale) > 1e-3:
            self._brush = Brush(scale)

    def _badges(self, screen: pygame.Surface, pane: Pane, box: Box, several: bool) -> None:
        brush, margin = self._brush, self._brush.px(MARGIN)
        words = [pane.title] if several else []
        if pane.generated:
            words.append("generated")
        if words:
            badge = brush.pill(" · ".join(words), 12, BLUE if pane.generated else GREEN, dot=True)
            screen.blit(badge, (box.left + box.width - badge.get_width() - margin, box.top + margin))
        if pane.ended is not None:
            text = f"{pane.ended}  ·  G another world, R back in time"
            pill = brush.pill(text, 15, AMBER)
            place = (box.left + (box.width - pill.get_width()) // 2, box.top + box.height // 3)
            screen.blit(pill, place)

    def _figures(self, screen: pygame.Surface, view: View, box: Box, figures: Figures) -> None:
        brush, pane = self._brush, view.panes[0]
        learned = next((p for p in view.panes if p.uncertainty is not None), None)
        speed = GREEN if figures.frames_per_second >= 0.9 * figures.target else AMBER
        speed = GREY if view.paused else speed
        rows = [
            _row(brush, f"{figures.frames_per_second:.1f}", speed, "frames/s"),
            _row(
                brush, _number(figures.latency_ms), WHITE, f"ms delay, p95 {_number(figures.latency_p95_ms)}"
            ),
            _row(brush, pane.origin, WHITE, f"tick {pane.tick}"),
        ]
        inner = max(sum(part.get_width() for part in row) + brush.px(5) for row in rows)
        line = rows[0][0].get_height() + brush.px(3)
        pad = brush.px(8)
        gauge = brush.px(20) if learned is not None else 0
        plate = brush.panel(
            max(inner, brush.px(96)) + 2 * pad, line * len(rows) + gauge + 2 * pad - brush.px(3)
        )
        for i, (value, unit) in enumerate(rows):
            y = pad + i * line
            plate.blit(value, (pad, y))
            plate.blit(unit, (pad + value.get_width() + brush.px(5), y))
        if learned is not None and learned.uncertainty is not None:
            self._gauge(plate, learned.uncertainty, pad, pad + line * len(rows))
        screen.blit(plate, (box.left + brush.px(MARGIN), box.top + brush.px(MARGIN)))

    def _gauge(self, plate: pygame.Surface, uncertainty: float, x: int, y: int) -> None:
        brush = self._brush
        share = min(1.0, uncertainty / UNCERTAIN)
        color = GREEN if share < 1 / 3 else AMBER if share < 2 / 3 else RED
        label = brush.text(f"guessing ±{uncertainty:.1f}", 11, GREY)
        plate.blit(label, (x, y))
        plate.blit(
            brush.bar(plate.get_width() - 2 * x, brush.px(4), share, color), (x, y + label.get_height())
        )

    def _status(self, screen: pygame.Surface, view: View, box: Box) -> None:
        """What goes on beside play, under the badge: recording, rewinding, a policy at the keys."""
        brush, margin = self._brush, self._brush.px(MARGIN)
        words = []
        badge = len(view.panes) > 1 or view.panes[view.active].generated
        if view.recorded is not None:
            words.append((RED, f"REC {view.recorded // 1200}:{view.recorded // 20 % 60:02d}"))
        if view.rewinding:
            words.append((AMBER, "back in time"))
        if view.autopilot:
            words.append((GREEN, "policy plays"))
        y = box.top + margin + (brush.px(26) if badge else 0)
        for color, text in words:
            pill = brush.pill(text, 12, color, dot=True)
            screen.blit(pill, (box.left + box.width - pill.get_width() - margin, y))
            y += pill.get_height() + brush.px(5)

    def _message(self, screen: pygame.Surface, message: Message | None) -> None:
        if message is None or time.perf_counter() - message.at > message_seconds(message):
            return
        size = 14.0
        room = screen.get_width() - self._brush.px(4 * MARGIN)
        lines = self._brush.wrapped(message.text, size, room)
        pills = [self._brush.pill(line, size, AMBER if message.urgent else WHITE) for line in lines]
        y = screen.get_height() - self._brush.px(64) - sum(pill.get_height() for pill in pills)
        for pill in pills:
            screen.blit(pill, ((screen.get_width() - pill.get_width()) // 2, y))
            y += pill.get_height() + 1

    def _hint(self, screen: pygame.Surface, box: Box, text: str) -> None:
        pill = self._brush.pill(text, 13, WHITE)
        y = box.top + round(box.height * 0.7) - pill.get_height() // 2
        screen.blit(pill, (box.left + (box.width - pill.get_width()) // 2, y))

    def _pause(self, screen: pygame.Surface) -> None:
        brush = self._brush
        title = brush.text("Paused", 26)
        keys = (("P", "go on"), ("N", "one step"), ("R", "back in time"), ("H", "help"), ("Esc", "quit"))
        pairs = [(brush.key_cap(key, 13), brush.text(what, 13, GREY)) for key, what in keys]
        gap = brush.px(6)
        row = sum(cap.get_width() + text.get_width() + 3 * gap for cap, text in pairs) - 2 * gap
        pad = brush.px(16)
        height = title.get_height() + pairs[0][0].get_height() + brush.px(10) + 2 * pad
        plate = brush.panel(row + 2 * pad, height, 196)
        plate.blit(title, ((plate.get_width() - title.get_width()) // 2, pad))
        x, y = pad, pad + title.get_height() + brush.px(10)
        for cap, text in pairs:
            plate.blit(cap, (x, y))
            plate.blit(text, (x + cap.get_width() + gap, y + (cap.get_height() - text.get_height()) // 2))
            x += cap.get_width() + text.get_width() + 3 * gap
        _blit_centred(screen, plate)

    def _help(self, screen: pygame.Surface) -> None:
        brush, pad = self._brush, self._brush.px(18)
        columns = [_column(brush, title, rows) for title, rows in HELP]
        width = sum(c.get_width() for c in columns) + pad * (len(columns) + 1)
        plate = brush.panel(width, max(c.get_height() for c in columns) + 2 * pad, 222)
        x = pad
        for column in columns:
            plate.blit(column, (x, pad))
            x += column.get_width() + pad
        _blit_centred(screen, plate)


def message_seconds(message: Message) -> float:
    """How long a message stays."""
    return URGENT_SECONDS if message.urgent else MESSAGE_SECONDS


def _row(
    brush: Brush, value: str, color: tuple[int, int, int], unit: str
) -> tuple[pygame.Surface, pygame.Surface]:
    return brush.text(value, 12, color), brush.text(unit, 12, GREY)


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.0f}"


def _column(brush: Brush, title: str, rows: tuple[tuple[str, str], ...]) -> pygame.Surface:
    import pygame

    caps = [brush.key_cap(key, 12) for key, _ in rows]
    texts = [brush.text(text, 12.5) for _, text in rows]
    head = brush.text(title, 17, BLUE)
    left, line = max(c.get_width() for c in caps), caps[0].get_height() + brush.px(6)
    gap, top = brush.px(9), head.get_height() + brush.px(9)
    size = (left + gap + max(t.get_width() for t in texts), top + line * len(rows))
    column = pygame.Surface(size, pygame.SRCALPHA)
    column.blit(head, (0, 0))
    for i, (cap, text) in enumerate(zip(caps, texts)):
        y = top + i * line
        column.blit(cap, (left - cap.get_width(), y))
        column.blit(text, (left + gap, y + (cap.get_height() - text.get_height()) // 2))
    return column


def _blit_centred(screen: pygame.Surface, plate: pygame.Surface) -> None:
    """Put a plate in the middle, made smaller if the window is."""
    import pygame

    room = (screen.get_width() * 0.97, screen.get_height() * 0.97)
    factor = min(1.0, room[0] / plate.get_width(), room[1] / plate.get_height())
    if factor < 1.0:
        size = (max(1, int(plate.get_width() * factor)), max(1, int(plate.get_height() * factor)))
        plate = pygame.transform.smoothscale(plate, size)
    x = (screen.get_width() - plate.get_width()) // 2
    screen.blit(plate, (x, (screen.get_height() - plate.get_height()) // 2))
