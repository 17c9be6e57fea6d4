"""A person at the keys of an env that records by itself: `worldsim.data.rollout` calls it."""

from __future__ import annotations

from typing import Any

from worldsim.errors import DisplayError
from worldsim.play.options import PlayOptions
from worldsim.play.player import show
from worldsim.play.session import Session
from worldsim.play.world import World
from worldsim.play.worlds import is_generated


def record_human(env: Any, *, episodes: int, steps: int, seed: int) -> None:
    """Let a person play `episodes` episodes of at most `steps` ticks; G ends one early.

    Args:
        env: a `Recorder` around any env with MineRL's actions; the caller closes it. It can't be
            rewound or switched, because a recording goes forward only.

    Raises:
        DisplayError: there is no display.
    """
    options = PlayOptions(env="recording", seed=seed)

    def open_world(env_id: str, options: PlayOptions, size: tuple[int, int] | None = None) -> World:
        return World(env, title=env_id, generated=is_generated(env), recorded=True)

    try:
        show(options, lambda: Session(options, open_world=open_world, episodes=episodes, episode_ticks=steps))
    except DisplayError as error:
        why = str(error).partition("; ")[0]
        raise DisplayError(f"{why}; let a script play:  worldsim record --policy explorer") from error
