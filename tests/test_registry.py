"""Names resolve in closed registries, and wrong names say what is near."""

from __future__ import annotations

import importlib
import importlib.util

import gymnasium
import pytest

import worldsim
from worldsim import registry
from worldsim.errors import UsageError, WorldSimError

REGISTRIES = {
    "ENVS": registry.ENVS, "ENGINES": registry.ENGINES, "POLICIES": registry.POLICIES,
    "RECIPES": registry.RECIPES, "PROGRAMS": registry.PROGRAMS,
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, entries in REGISTRIES.items() for name in entries], ids=str
)
def test_every_entry_resolves(kind: str, name: str) -> None:
    assert callable(registry.resolve(REGISTRIES[kind], name, kind))


def test_near_names_are_listed() -> None:
    with pytest.raises(UsageError, match=r"policy 'explorerr': unknown; did you mean explorer\?"):
        registry.resolve(registry.POLICIES, "explorerr", "policy")


def test_far_names_list_all() -> None:
    with pytest.raises(UsageError, match="explorer or random"):
        registry.resolve(registry.POLICIES, "zzz", "policy")


def test_dotted_paths_are_no_names() -> None:
    with pytest.raises(UsageError):
        registry.resolve(registry.POLICIES, "os:system", "policy")


def test_import_registers_the_ids_and_twice_is_fine() -> None:
    importlib.reload(worldsim)
    registry.register_envs()
    assert set(registry.ENVS) <= set(gymnasium.registry)


def test_errors_are_one_family() -> None:
    from worldsim import errors

    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, WorldSimError)]
    codes = [k.exit_code for k in kinds]
    assert len(set(codes)) == len(codes), "each kind has its own exit code"
    assert all(0 < code < 126 for code in codes)
