"""Names and numbers of the VPT recorder: keys, mouse buttons, degrees a mouse unit.

(Source: Video-Pre-Training `run_inverse_dynamics_model.py`, `data_loader.py` and its README.)
"""

from __future__ import annotations

KEYBOARD: dict[str, str] = {
    "key.keyboard.escape": "ESC",
    "key.keyboard.s": "back",
    "key.keyboard.q": "drop",
    "key.keyboard.w": "forward",
    **{f"key.keyboard.{slot}": f"hotbar.{slot}" for slot in range(1, 10)},
    "key.keyboard.e": "inventory",
    "key.keyboard.space": "jump",
    "key.keyboard.a": "left",
    "key.keyboard.d": "right",
    "key.keyboard.left.shift": "sneak",
    "key.keyboard.left.control": "sprint",
    "key.keyboard.f": "swapHands",
}
"""Minecraft's names of keys, and MineRL's; every other key is ignored."""
MOUSE: tuple[str, ...] = ("attack", "use", "pickItem")
"""MineRL's names of mouse buttons 0, 1 and 2."""
DEGREES = 360.0 / 2400.0
"""Degrees a mouse unit: `dy` turns the pitch (down), `dx` the yaw (right)."""
GUI_SCALE: dict[str, float] = {"5.7": 0.5, "5.8": 0.5, "6.7": 2.0, "6.8": 2.0, "6.9": 2.0}
"""Recorder versions whose mouse movement has to be multiplied while a screen is open."""
WINDOW = (1280, 720)
"""The window that the cursor's `x` and `y` are measured in; the video is a half of it."""
EYE = 1.62
"""Height of the eye above `ypos`, in blocks."""
