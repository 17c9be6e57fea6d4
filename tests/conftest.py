"""Set-up of the whole test run: says how to install, keeps the run on its own cores and offline."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# Before torch and numba are imported: with several workers on few cores, spinning threads
# slow every test down by ten and more.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_SILENT", "true")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

# A run that a shell started in the background ignores SIGINT, and so would the programs that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failure: how long an example takes depends on what else runs.
hypothesis.settings.register_profile("worldsim", deadline=None)
hypothesis.settings.load_profile("worldsim")


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def pytest_configure(config: pytest.Config) -> None:
    # `worldsim.envs` lives in envs/ and exists only once the package-dir map is installed.
    if not _installed("worldsim.envs"):
        pytest.exit('worldsim is not installed here: run  pip install -e ".[test]"', returncode=3)


@pytest.fixture(autouse=True)
def _denormals() -> Iterator[None]:
    """Training flushes denormal numbers for the whole process; hypothesis wants them in the tests that follow."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A folder with three episodes of 30 to 32 frames."""
    from data_fakes import make_episode  # not before threads are set, above

    from worldsim.data.storage import EpisodeStore

    folder = tmp_path / "set"
    with EpisodeStore(folder, write=True) as store:
        for seed in range(3):
            store.write(make_episode(30 + seed, seed=seed))
    return folder
