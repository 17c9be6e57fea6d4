"""The import arrows of docs/design.md, read from the source text: nothing is imported here.

`worldsim` never names envs/, agents/ or train/ outside its registry; those three reach each
other by id only; bare machines can import the engine, the live source, the model and training.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SIBLINGS = ("envs", "agents", "train")
SOURCES = sorted(p for top in ("worldsim", *SIBLINGS) for p in (ROOT / top).rglob("*.py"))
IDS = [p.relative_to(ROOT).as_posix() for p in SOURCES]

WINDOWS_AND_TRACKING = {"gymnasium", "pygame", "wandb", "tyro", "av", "PIL"}
BARE = (
    "worldsim/__init__.py", "worldsim/actions.py", "worldsim/codec/", "worldsim/config.py", "worldsim/errors.py",
    "worldsim/registry.py", "worldsim/checkpoint.py", "worldsim/model/", "worldsim/sim/simulator",
    "worldsim/data/live", "worldsim/data/episode", "worldsim/evaluate/", "train/",
    "worldsim/bench/gpu", "worldsim/bench/operations", "agents/explorer", "agents/uniform", "envs/voxel_engine",
)  # fmt: skip
"""Files (by prefix) that need no more than torch, numpy, einops, numba, safetensors and tqdm."""

LEAVES = (
    "actions", "atomic", "config", "errors", "locate", "packed", "png", "registry", "seeding", "signals", "strict",
    "tasks",
)  # fmt: skip
ENVIRONMENTS = ("action_sets", "vector_env", "vector_options", "vector_state")
"""What scalar and vector envs share, on top of Gymnasium."""
ARROWS: dict[str, tuple[str, ...]] = {
    "worldsim/actions.py": ("errors",),
    "worldsim/errors.py": (),
    "worldsim/signals.py": (),
    "worldsim/tasks.py": ("errors", "signals"),
    "worldsim/referee.py": ("errors", "signals", "tasks"),
    "worldsim/config.py": ("errors",),
    "worldsim/registry.py": ("errors",),
    "worldsim/codec/": ("actions", "codec", "errors"),
    "worldsim/data/minari_export": (*LEAVES, *ENVIRONMENTS, "data"),
    "worldsim/data/": (*LEAVES, "codec", "data"),
    "worldsim/model/": (*LEAVES, "model"),
    "worldsim/sim/": (
        *LEAVES, *ENVIRONMENTS, "sim", "model", "checkpoint", "worlds", "data", "text", "window",
    ),
    "worldsim/arena/": (
        *LEAVES, *ENVIRONMENTS, "action_tables", "arena", "task_vector", "vector_info", "checkpoint", "evaluate",
        "data", "bench", "tracking",
    ),
    "worldsim/sb3.py": ("errors", "task_vector"),
    "worldsim/evaluate/": (*LEAVES, "evaluate", "sim", "model", "checkpoint"),
    "envs/": (*LEAVES, *ENVIRONMENTS, "window"),
    "agents/": (*LEAVES, "action_sets", "arena", "data", "model", "checkpoint", "tracking"),
}  # fmt: skip
"""Which parts of worldsim a file may import at module level (its own folder's name included)."""

FORBIDDEN_CALLS = {"eval", "exec", "torch.load", "pickle.load", "pickle.loads", "yaml.load", "joblib.load"}
FORBIDDEN_IMPORTS = {"dill", "joblib", "shelve", "marshal"}
LONG_FILE = 250


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(nodes: Iterator[ast.AST]) -> Iterator[tuple[int, str]]:
    """Absolute module names with their line, `from a import b` as `a.b`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def module_level(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes that run on import: functions and `if TYPE_CHECKING:` are left out."""
    stack: list[ast.AST] = list(tree.body)
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        stack.extend(ast.iter_child_nodes(node))


def complain(path: Path, found: list[tuple[int, str]], rule: str) -> None:
    lines = [f"{path.relative_to(ROOT)}:{line}: {what}" for line, what in found]
    assert not lines, rule + "\n" + "\n".join(lines)


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_siblings_are_reached_by_name_only(path: Path) -> None:
    names = SIBLINGS + tuple(f"worldsim.{sibling}" for sibling in SIBLINGS)
    found = [
        (line, name)
        for line, name in imports(ast.walk(tree_of(path)))
        if name in names or name.startswith(tuple(f"{n}." for n in names))
    ]
    complain(path, found, "reach envs, agents and train by id (worldsim.registry, gymnasium.make)")


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if p.is_relative_to(ROOT / "worldsim")], ids=lambda p: p.name
)
def test_only_the_registry_names_the_siblings(path: Path) -> None:
    if path == ROOT / "worldsim" / "registry.py":
        return
    pattern = re.compile(r"^worldsim\.(envs|agents|train)(\.\w+)*(:\w+)?$")
    found = [
        (node.lineno, node.value)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and pattern.match(node.value)
    ]
    complain(path, found, "put the name into worldsim/registry.py")


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if p.is_relative_to(ROOT / "envs")], ids=lambda p: p.name
)
def test_envs_never_import_torch(path: Path) -> None:
    found = [(line, name) for line, name in imports(ast.walk(tree_of(path))) if name.split(".")[0] == "torch"]
    complain(path, found, "a game runs without torch")


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_bare_machines_can_import(path: Path) -> None:
    if not path.relative_to(ROOT).as_posix().startswith(BARE):
        return
    found = [
        (line, name)
        for line, name in imports(module_level(tree_of(path)))
        if name.split(".")[0] in WINDOWS_AND_TRACKING
    ]
    complain(path, found, "import it inside the function that uses it")


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_arrows(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    allowed = next((parts for prefix, parts in ARROWS.items() if name.startswith(prefix)), None)
    if allowed is None:
        return
    found = [
        (line, module)
        for line, module in imports(module_level(tree_of(path)))
        if module.startswith("worldsim.") and module.split(".")[1] not in allowed
    ]
    complain(path, found, f"{name} may import worldsim.{{{', '.join(allowed)}}} only")


@pytest.mark.parametrize("path", SOURCES, ids=IDS)
def test_no_code_from_files(path: Path) -> None:
    tree = tree_of(path)
    found = [
        (node.lineno, ast.unparse(node.func))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in FORBIDDEN_CALLS
    ]
    found += [
        (node.value.lineno, "allow_pickle=True")
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False"
    ]
    found += [
        (line, name) for line, name in imports(ast.walk(tree)) if name.split(".")[0] in FORBIDDEN_IMPORTS
    ]
    complain(path, found, "data is never code: safetensors, JSON and npz without pickle")


def test_packages_are_listed() -> None:
    """A folder missing from pyproject's list works editable and is left out of the wheel."""
    listed = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    folders = [p.parent.relative_to(ROOT) for p in (ROOT / "worldsim").rglob("__init__.py")]
    missing = [f.as_posix() for f in folders if f'"{f.as_posix().replace("/", ".")}"' not in listed]
    assert not missing, f"add to tool.setuptools.packages: {missing}"


def test_siblings_are_flat() -> None:
    nested = [p.as_posix() for s in SIBLINGS for p in (ROOT / s).glob("*/*.py")]
    assert not nested, f"envs/, agents/ and train/ have no sub-folders: {nested}"


def test_no_shadowing_of_the_standard_library() -> None:
    import sys

    names = sys.stdlib_module_names - {"__init__", "__main__"}
    clashes = [
        p.relative_to(ROOT).as_posix() for p in SOURCES if p.stem in names and p.parent.name in SIBLINGS
    ]
    assert not clashes, f"a script run from its folder would import ours: {clashes}"


def test_long_files() -> None:
    lengths = {
        p.relative_to(ROOT).as_posix(): len(p.read_text(encoding="utf-8").splitlines()) for p in SOURCES
    }
    long = [f"{name} ({lines})" for name, lines in lengths.items() if lines > LONG_FILE]
    if long:
        warnings.warn(f"over {LONG_FILE} lines, two nouns in one file? {', '.join(long)}", stacklevel=1)
