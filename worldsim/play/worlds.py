"""Opening the env that an id names, with just the options that it understands."""

from __future__ import annotations

from typing import Any

from worldsim.actions import KEYS
from worldsim.errors import UsageError
from worldsim.play.options import DREAM, GAME, LUANTI, SIZED, PlayOptions
from worldsim.play.threads import for_world
from worldsim.play.world import World
from worldsim.registry import register_envs

PARTNERS = {DREAM: GAME, GAME: DREAM}
"""The other world that Tab and B show."""


def open_world(env_id: str, options: PlayOptions, size: tuple[int, int] | None = None) -> World:
    """Make the env and look whether it can be played.

    Args:
        size: (width, height) for a game that is to stand beside another world.

    Raises:
        UsageError: an unknown id, an option that the env doesn't take, or foreign spaces.
    """
    import gymnasium

    register_envs()
    arguments = _arguments(env_id, options, size)
    try:
        env = gymnasium.make(env_id, disable_env_checker=True, **arguments)
    except gymnasium.error.Error as error:
        known = ", ".join(sorted({*PARTNERS, *SIZED}))
        raise UsageError(f"--env {env_id}: {_first_line(error)}; worlds here: {known}") from error
    try:
        _check_spaces(env_id, env)
    except UsageError:
        env.close()
        raise
    generated = is_generated(env)
    title = {DREAM: "dream", GAME: "game", LUANTI: "Luanti"}.get(env_id, env_id)
    governor = for_world(options.threads) if env_id == DREAM and options.device == "cpu" else None
    return World(env, title=title, generated=generated, governor=governor)


def _arguments(env_id: str, options: PlayOptions, size: tuple[int, int] | None) -> dict[str, Any]:
    if env_id == DREAM:
        if size is None and options.env == DREAM and (options.width or options.height):
            raise UsageError(
                "--width and --height: a learned world has its own size; use --scale for the window"
            )
        chosen = {
            "world": options.world, "steps": options.steps, "device": options.device, "backend": options.backend,
        }  # fmt: skip
    elif env_id in SIZED:
        width, height = size or (options.width, options.height)
        chosen = {"width": width, "height": height}
    else:
        chosen = {}
    return {key: value for key, value in chosen.items() if value is not None}


def _check_spaces(env_id: str, env: Any) -> None:
    names = set(getattr(env.action_space, "spaces", {}))
    missing = sorted({*KEYS, "camera"} - names)
    if missing:
        raise UsageError(
            f"--env {env_id}: its actions lack {', '.join(missing[:4])}; expected MineRL's action dict"
        )


def is_generated(env: Any) -> bool:
    """Whether a model makes the env's frames, by what it says of itself."""
    world_id = str(getattr(env.unwrapped, "world_id", ""))
    return bool(getattr(env.unwrapped, "generated", world_id.startswith(DREAM)))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
