"""Drawing primitives on pygame surfaces: text, panels, key caps, bars, pills."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pygame

Color = tuple[int, int, int]
WHITE: Color = (240, 243, 246)
GREY: Color = (182, 191, 200)
BLUE: Color = (122, 190, 255)
GREEN: Color = (120, 214, 140)
AMBER: Color = (255, 200, 92)
RED: Color = (255, 104, 96)
INK: Color = (14, 17, 22)
MAX_TEXTS = 256


class Brush:
    """Draws at one scale (1 for a window about 576 pixels high); keeps fonts and texts it has made."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self._fonts: dict[int, pygame.font.Font] = {}
        self._texts: OrderedDict[tuple[str, int, Color], pygame.Surface] = OrderedDict()

    def px(self, value: float) -> int:
        """A length in design pixels as window pixels, at least 1."""
        return max(1, round(value * self.scale))

    def text(self, text: str, size: float, color: Color = WHITE) -> pygame.Surface:
        """Rendered text; the surface is kept, so don't draw on it."""
        import pygame

        pixels = max(9, round(size * self.scale))
        key = (text, pixels, color)
        if key in self._texts:
            self._texts.move_to_end(key)
            return self._texts[key]
        if pixels not in self._fonts:
            self._fonts[pixels] = pygame.font.Font(None, round(pixels * 1.42))
        clean = "".join(c if c.isprintable() else " " for c in text)
        surface = self._fonts[pixels].render(clean, True, color)
        self._texts[key] = surface
        while len(self._texts) > MAX_TEXTS:
            self._texts.popitem(last=False)
        return surface

    def wrapped(self, text: str, size: float, room: int) -> list[str]:
        """Break a text into at most four lines that fit `room` pixels."""
        lines: list[str] = []
        for word in text.split():
            joined = f"{lines[-1]} {word}" if lines else word
            if lines and self.text(joined, size).get_width() <= room:
                lines[-1] = joined
            else:
                lines.append(word)
        return lines[:4]

    def panel(self, width: int, height: int, alpha: int = 184, color: Color = INK) -> pygame.Surface:
        """A see-through plate with round corners."""
        import pygame

        plate = pygame.Surface((max(1, width), max(1, height)), pygame.SRCALPHA)
        pygame.draw.rect(plate, (*color, alpha), plate.get_rect(), border_radius=self.px(6))
        return plate

    def key_cap(self, text: str, size: float) -> pygame.Surface:
        """A key as on a keyboard, with its name."""
        import pygame

        label = self.text(text, size)
        pad = self.px(5)
        cap = pygame.Surface((label.get_width() + 2 * pad, label.get_height() + self.px(5)), pygame.SRCALPHA)
        pygame.draw.rect(cap, (255, 255, 255, 40), cap.get_rect(), border_radius=self.px(4))
        pygame.draw.rect(cap, (255, 255, 255, 70), cap.get_rect(), width=1, border_radius=self.px(4))
        cap.blit(label, (pad, (cap.get_height() - label.get_height()) // 2))
        return cap

    def pill(self, text: str, size: float, color: Color, dot: bool = False) -> pygame.Surface:
        """A small badge: text on a dark plate, with a coloured dot or in colour."""
        import pygame

        label = self.text(text, size, WHITE if dot else color)
        pad, gap = self.px(7), self.px(13) if dot else 0
        height = label.get_height() + self.px(6)
        plate = pygame.Surface((label.get_width() + 2 * pad + gap, height), pygame.SRCALPHA)
        pygame.draw.rect(plate, (*INK, 176), plate.get_rect(), border_radius=height // 2)
        if dot:
            pygame.draw.circle(plate, color, (pad + self.px(3), height // 2), self.px(4))
        plate.blit(label, (pad + gap, (height - label.get_height()) // 2))
        return plate

    def bar(self, width: int, height: int, share: float, color: Color) -> pygame.Surface:
        """A horizontal gauge, `share` in [0, 1] of it filled."""
        import pygame

        gauge = pygame.Surface((width, height), pygame.SRCALPHA)
        radius = height // 2
        pygame.draw.rect(gauge, (255, 255, 255, 46), gauge.get_rect(), border_radius=radius)
        filled = round(width * min(1.0, max(0.0, share)))
        if filled > 0:
            pygame.draw.rect(gauge, color, (0, 0, max(filled, height), height), border_radius=radius)
        return gauge
