"""Which key does what: Minecraft's keys for the body, the rest for the session.

Keys are named as SDL names them ("w", "left shift"), so that this file needs no window.
"""

from __future__ import annotations

ACTION_KEYS: dict[str, str] = {
    "w": "forward",
    "s": "back",
    "a": "left",
    "d": "right",
    "space": "jump",
    "left shift": "sneak",
    "left ctrl": "sprint",
    "q": "drop",
    "e": "inventory",
    "f": "swapHands",
    "j": "attack",
    "k": "use",
    **{str(n): f"hotbar.{n}" for n in range(1, 10)},
}
"""Key to the MineRL action name that it holds down."""

MOUSE_BUTTONS: dict[int, str] = {1: "attack", 2: "pickItem", 3: "use"}
"""Mouse button to action name, once the window holds the mouse."""

TURN_KEYS: dict[str, tuple[float, float]] = {
    "up": (-1.0, 0.0),
    "down": (1.0, 0.0),
    "left": (0.0, -1.0),
    "right": (0.0, 1.0),
}
"""Arrow key to its direction (pitch, yaw); positive is down and right."""

COMMAND_KEYS: dict[str, str] = {
    "escape": "escape",
    "p": "pause",
    "n": "step",
    ".": "step",
    "r": "scrub",
    "backspace": "rewind",
    "g": "restart",
    "tab": "switch",
    "b": "side_by_side",
    "m": "autopilot",
    "h": "help",
    "f1": "help",
    "f2": "screenshot",
    "f3": "figures",
    "f5": "record",
    "f11": "fullscreen",
    "v": "smooth",
    "u": "guesses",
}
"""Key to the command of the session or of the window."""

SESSION_COMMANDS: dict[str, str] = {
    "pause": "toggle_pause",
    "step": "single_step",
    "rewind": "rewind",
    "switch": "switch",
    "side_by_side": "toggle_side_by_side",
    "autopilot": "toggle_autopilot",
    "record": "toggle_recording",
}
"""Commands that go to the session as they are: command to method."""

HELP: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Move",
        (
            ("W A S D", "walk"),
            ("Space", "jump, swim up"),
            ("Left Shift", "sneak"),
            ("Left Ctrl", "sprint"),
            ("Mouse, arrows", "look"),
            ("Left button, J", "break"),
            ("Right button, K", "place"),
            ("1-9, wheel", "choose a slot"),
            ("Middle button", "pick the block"),
            ("Q  E  F", "drop, inventory, swap"),
        ),
    ),
    (
        "World",
        (
            ("P", "pause"),
            ("N or .", "one step"),
            ("R, Backspace", "ten seconds back"),
            ("R held", "run back in time"),
            ("G, Shift+G", "next, previous seed"),
            ("drop a picture", "start inside it"),
            ("Tab", "dream or game"),
            ("B", "both side by side"),
            ("M", "let a policy play"),
        ),
    ),
    (
        "Window",
        (
            ("H or F1", "this help"),
            ("F2", "screenshot"),
            ("F3", "figures"),
            ("F5", "record"),
            ("F11", "full screen"),
            ("V", "smooth or sharp"),
            ("U", "show what is guessed"),
            ("Esc", "free mouse, pause"),
            ("Esc again", "quit"),
        ),
    ),
)
"""The help panel: columns of (key, what it does)."""
