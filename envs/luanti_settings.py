"""What a game of Luanti is like: its settings, and the files that tell the game."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worldsim.errors import ConfigError, UsageError

MODS = Path(__file__).with_name("luanti_mods")
PROBE, ORACLE = "worldsim_probe", "worldsim_oracle"
WORLD_FILES = (
    "map.sqlite",
    "players.sqlite",
    "auth.sqlite",
    "mod_storage.sqlite",
    "env_meta.txt",
    "map_meta.txt",
)
"""The files that make up a world; whatever else lies in its folder (mods are code) is never taken over."""
MAPGENS = ("v7", "v6", "v5", "carpathian", "valleys", "fractal", "flat", "singlenode")
FIELD_OF_VIEW = 70.0
"""Degrees, vertical, for pictures of 16:10 and wider; the game sees more on narrower ones."""
DEGREES_PER_PIXEL = 0.15
"""How far a pixel of the mouse turns: Minecraft's default, and the step of VPT's recordings."""
INVENTORY = (
    "default:pick_diamond", "default:cobble 99", "default:wood 99", "default:brick 99", "default:glass 99",
    "default:torch 99", "default:dirt 99", "default:shovel_diamond", "default:axe_diamond",
)  # fmt: skip
TICK = 50_000_000
"""Nanoseconds of a step: 1/20 s."""


@dataclass(frozen=True)
class LuantiSettings:
    """How a game is set up; `LuantiEnv` documents each.

    Raises:
        ConfigError: a value out of range.
    """

    width: int = 320
    height: int = 180
    mapgen: str = "v7"
    view: int = 80
    day_speed: float = 72.0
    damage: bool = False
    hud: bool = True
    clouds: bool = False
    clock: str = "auto"
    options: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        for name, low, high in (("width", 64, 1920), ("height", 48, 1080), ("view", 20, 400)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ConfigError(f"{name}: got {value!r}, expected an integer from {low} to {high}")
        for name in ("width", "height"):
            if getattr(self, name) % 2:
                raise ConfigError(f"{name}: got {getattr(self, name)}, expected an even number")
        if self.mapgen not in MAPGENS:
            raise ConfigError(f"mapgen: got {self.mapgen!r}, expected one of {', '.join(MAPGENS)}")
        speed = self.day_speed
        if isinstance(speed, bool) or not isinstance(speed, (int, float)) or not 0 <= speed <= 10_000:
            raise ConfigError(f"day_speed: got {speed!r}, expected a number from 0 to 10000")
        for name in ("damage", "hud", "clouds"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name}: got {getattr(self, name)!r}, expected True or False")
        for key, value in (self.options or {}).items():
            if not str(key).isidentifier() or any(c in str(value) for c in '\n\r"'):
                raise ConfigError(f"options: {key!r} = {value!r} is no line of minetest.conf")

    @property
    def fov_y(self) -> float:
        """The vertical field of view in degrees: the game widens it on pictures narrower than 16:10."""
        return FIELD_OF_VIEW * min(1.4, max(1.0, math.sqrt(1.6 * self.height / self.width)))


def write_files(
    root: Path, settings: LuantiSettings, seed: int, setup: Mapping[str, Any], world: Path | None
) -> None:
    """Lay out an instance in an empty folder: configuration, mods, and a world, new or copied.

    Args:
        setup: what the server mod reads: spawns, inventory, yaw, damage, hud.
        world: a folder whose world is copied, or None.
    """
    home, folder = root / "home" / ".minetest", root / "world"
    shutil.copytree(MODS / PROBE, home / "clientmods" / PROBE)
    (home / "clientmods" / "mods.conf").write_text(f"load_mod_{PROBE} = true\n")
    shutil.copytree(MODS / ORACLE, folder / "worldmods" / ORACLE)
    (root / "screen").mkdir()
    if world is not None:
        copy_world(world, folder)
    (folder / "world.mt").write_text(
        "gameid = minetest_game\nbackend = sqlite3\nplayer_backend = sqlite3\nauth_backend = sqlite3\n"
        f"mod_storage_backend = sqlite3\nload_mod_{ORACLE} = true\n"
    )
    write_setup(root, setup)
    lines = _configuration(settings, seed)
    (root / "minetest.conf").write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))


def write_setup(root: Path, setup: Mapping[str, Any]) -> None:
    """Say how the player begins, for the server mod."""
    (root / "world" / "worldsim_setup.json").write_text(json.dumps(setup))


def check_world(folder: Path) -> None:
    """Raise UsageError unless a folder holds a world of Luanti."""
    if not (folder / "map.sqlite").is_file() or not (folder / "map_meta.txt").is_file():
        raise UsageError(
            f"world: {folder} has no map.sqlite and map_meta.txt; give a folder that save_world() wrote, or a "
            "world of minetest_game with the sqlite3 backend"
        )


def copy_world(source: Path, target: Path) -> None:
    """Copy the files of a world, and nothing else."""
    target.mkdir(parents=True, exist_ok=True)
    for name in WORLD_FILES:
        if (source / name).is_file() and not (source / name).is_symlink():
            shutil.copyfile(source / name, target / name)


def _configuration(settings: LuantiSettings, seed: int) -> dict[str, Any]:
    # The engine multiplies the sensitivity by tan(fov_y / 2) / tan(36 degrees): undo that.
    sensitivity = DEGREES_PER_PIXEL / (math.tan(math.radians(settings.fov_y / 2)) * 1.3763818698)
    return {
        **_WINDOW, **_WORLD,
        "screen_w": settings.width, "screen_h": settings.height, "viewing_range": settings.view,
        "fov": FIELD_OF_VIEW, "mouse_sensitivity": sensitivity, "enable_clouds": _yes(settings.clouds),
        "enable_damage": _yes(settings.damage), "fixed_map_seed": seed, "mg_name": settings.mapgen,
        "time_speed": settings.day_speed, "max_block_send_distance": settings.view // 16 + 2,
        "max_block_generate_distance": settings.view // 16 + 2,
        "display_density_factor": round(settings.height / 260, 3),
        **(settings.options or {}),
    }  # fmt: skip


def _yes(value: bool) -> str:
    return "true" if value else "false"


_WINDOW = {
    "fullscreen": "false", "autosave_screensize": "false", "vsync": "false", "video_driver": "opengl",
    "fps_max": 100_000, "fps_max_unfocused": 100_000, "pause_on_lost_focus": "false", "enable_sound": "false",
    "enable_shaders": "false", "smooth_lighting": "true", "view_bobbing_amount": 0, "fall_bobbing_amount": 0,
    "font_size": 8, "hud_scaling": 0.5, "gui_scaling": 1.0,
    "show_debug": "false", "recent_chat_messages": 2, "chat_log_level": "none",
    "enable_client_modding": "true", "csm_restriction_flags": 0,
    "keymap_aux1": "KEY_KEY_E", "keymap_inventory": "KEY_KEY_I", "keymap_sneak": "KEY_LSHIFT",
    "keymap_dig": "KEY_LBUTTON", "keymap_place": "KEY_RBUTTON",
}  # fmt: skip
_WORLD = {
    "bind_address": "127.0.0.1", "server_announce": "false", "creative_mode": "false",
    "dedicated_server_step": TICK / 1e9, "sqlite_synchronous": 0, "num_emerge_threads": 1, "active_block_range": 2,
    "max_simultaneous_block_sends_per_client": 80, "enable_rollback_recording": "false",
}  # fmt: skip


def environment(root: Path) -> dict[str, str]:
    """Variables for the game's process: a home of its own, drawing in software with one thread."""
    return {
        "HOME": str(root / "home"), "LIBGL_ALWAYS_SOFTWARE": "1", "LP_NUM_THREADS": "1",
        "XDG_RUNTIME_DIR": str(root), "PATH": os.environ.get("PATH", ""),
    }  # fmt: skip
