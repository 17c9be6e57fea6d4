"""Checkpoints: exact round trips, atomic replacement, and refusal of everything damaged or foreign."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from worldsim import checkpoint, locate
from worldsim.checkpoint import find_world, load_checkpoint, load_into, save_checkpoint, world_hash
from worldsim.errors import (
    CheckpointError,
    ConfigError,
    IntegrityError,
    NumericalError,
    ResourceLimitError,
    UnsupportedVersion,
    UsageError,
    WorldSimError,
)
from worldsim.strict import check_header

CONFIG = {"width": 8, "levels": [1, 2]}


def tensors(value: float = 1.0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        "a.weight": torch.randn(4, 3, generator=generator) * value,
        "a.bias": torch.full((4,), value),
        "count": torch.tensor(7),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "w", tensors(), CONFIG, info={"step": 5, "frames": 40, "note": "x"})
    return tmp_path / "w"


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def put_shard(folder: Path, data: bytes) -> None:
    """Give the folder one shard with `data`, and a list that vouches for it."""
    name = "weights-00001-of-00001.safetensors"
    (folder / name).write_bytes(data)
    edit(folder, shards={name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}})


def shard(header: Any, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def test_round_trip(folder: Path) -> None:
    read = load_checkpoint(folder)
    assert read.tensors.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert torch.equal(read.tensors[name], tensor) and read.tensors[name].dtype == tensor.dtype
    assert read.config == CONFIG and (read.step, read.frames, read.info["note"]) == (5, 40, "x")
    assert read.hash == world_hash(folder) and len(read.hash) == 64


def test_hash_names_the_weights_and_not_the_notes(folder: Path) -> None:
    first = world_hash(folder)
    assert save_checkpoint(folder, tensors(), CONFIG, info={"note": "y"}) == first
    assert save_checkpoint(folder, tensors(2.0), CONFIG, info={}) != first
    assert save_checkpoint(folder, tensors(), {**CONFIG, "width": 9}, info={}) != first


def test_smaller_types(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "w", tensors(), CONFIG, info={}, dtype=torch.float16)
    read = load_checkpoint(tmp_path / "w").tensors
    assert read["a.weight"].dtype == torch.float16 and read["count"].dtype == torch.int64
    with pytest.raises(NumericalError, match="'big'"):
        save_checkpoint(tmp_path / "v", {"big": torch.tensor([1e38])}, CONFIG, info={}, dtype=torch.float16)
    assert not (tmp_path / "v").exists()


def test_shards_stay_below_16_mib(tmp_path: Path) -> None:
    many = {f"t{i}": torch.full((1000, 1000), float(i)) for i in range(5)}
    many["large"] = torch.arange(5_000_000, dtype=torch.float32).reshape(5, -1)[:, ::2]
    save_checkpoint(tmp_path / "w", many, CONFIG, info={})
    files = sorted((tmp_path / "w").glob("*.safetensors"))
    assert len(files) >= 3 and files[0].name == f"weights-00001-of-{len(files):05d}.safetensors"
    assert all(f.stat().st_size < 16 * 2**20 for f in files)
    read = load_checkpoint(tmp_path / "w").tensors
    assert all(torch.equal(read[name], many[name]) for name in many)


def test_a_tensor_larger_than_a_shard_is_cut(tmp_path: Path) -> None:
    large = {"large": torch.arange(5_000_000, dtype=torch.float32).reshape(1000, -1)}
    save_checkpoint(tmp_path / "w", large, CONFIG, info={})
    assert torch.equal(load_checkpoint(tmp_path / "w").tensors["large"], large["large"])


def test_other_files_in_the_folder_survive(folder: Path) -> None:
    (folder / "card.md").write_text("a card")
    (folder / "seeds").mkdir()
    (folder / "seeds" / "0.png").write_bytes(b"png")
    save_checkpoint(folder, tensors(2.0), CONFIG, info={})
    assert (folder / "card.md").read_text() == "a card" and (
        folder / "seeds" / "0.png"
    ).read_bytes() == b"png"
    assert os.listdir(folder.parent) == ["w"]


def test_never_replaces_what_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="other things"):
        save_checkpoint(tmp_path, tensors(), CONFIG, info={})
    (tmp_path / "config.json").write_text('{"model_type": "other"}')
    with pytest.raises(UsageError, match="other things"):
        save_checkpoint(tmp_path, tensors(), CONFIG, info={})
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_ck6_not_finite(folder: Path, value: float) -> None:
    bad = {**tensors(), "a.bias": torch.tensor([0.0, value])}
    with pytest.raises(NumericalError, match=r"'a\.bias'"):
        save_checkpoint(folder, bad, CONFIG, info={})
    assert load_checkpoint(folder).step == 5
    put_shard(folder, shard({"a.bias": entry()}, struct.pack("<f", value)))
    with pytest.raises(NumericalError, match=r"'a\.bias'"):
        load_checkpoint(folder)


def entry(dtype: Any = "F32", shape: Any = (1,), begin: int = 0, end: int = 4) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


BAD_SHARDS = {
    "empty": b"",
    "one byte": b"\x00",
    "seven bytes": b"\x00" * 7,
    "header of 2^63": struct.pack("<Q", 2**63) + b"{}",
    "header past the end": struct.pack("<Q", 100) + b"{}",
    "no utf-8": shard(b"\xff\xfe\xff\xfe"),
    "no json": shard(b"{nothing"),
    "a list": shard([1, 2]),
    "deep": shard(b'{"a":' + b"[" * 100_000),
    "twice": shard(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{}}', b"\x00"),
    "metadata": shard({"__metadata__": {"a": 1}, "t": entry()}, bytes(4)),
    "no tensors": shard({}),
    "overlap": shard({"a": entry(), "b": entry(begin=2, end=6)}, bytes(6)),
    "hole": shard({"a": entry(), "b": entry(begin=8, end=12)}, bytes(12)),
    "reversed": shard({"a": entry(begin=4, end=0)}, bytes(4)),
    "past the end": shard({"a": entry(shape=(2,), end=8)}, bytes(4)),
    "trailing bytes": shard({"a": entry()}, bytes(4) + b"PK\x05\x06"),
    "shape and bytes differ": shard({"a": entry(shape=(3,))}, bytes(4)),
    "overflow": shard({"a": entry(shape=(2, 2**63 - 1))}, bytes(4)),
    "unknown type": shard({"a": entry(dtype="F128")}, bytes(4)),
    "type is a list": shard({"a": entry(dtype=["F32"])}, bytes(4)),
    "rank 65": shard({"a": entry(shape=[1] * 65)}, bytes(4)),
    "zero dims": shard({"a": entry(shape=(0,), end=0)}),
    "negative dims": shard({"a": entry(shape=(-1, -1))}, bytes(4)),
    "bool dims": shard({"a": entry(shape=[True])}, bytes(4)),
    "float dims": shard({"a": entry(shape=[1.0])}, bytes(4)),
    "a foreign key": shard({"a": {**entry(), "code": "x"}}, bytes(4)),
    "pickle": b"\x80\x04\x95\x10" + bytes(60),
    "zip": b"PK\x03\x04" + bytes(60),
    "parts missing": shard({"a::1-of-2": entry()}, bytes(4)),
    "parts without end": shard({"a::1-of-9999999999999": entry()}, bytes(4)),
}


@pytest.mark.parametrize("name", BAD_SHARDS)
def test_ck1_to_ck4_and_ck8_bad_shards(folder: Path, name: str) -> None:
    put_shard(folder, BAD_SHARDS[name])
    with pytest.raises(CheckpointError):
        load_checkpoint(folder)


def test_every_header_byte_flip_is_refused(folder: Path) -> None:
    path = next(folder.glob("*.safetensors"))
    data = path.read_bytes()
    for i in range(0, len(data), 7):
        path.write_bytes(data[:i] + bytes([data[i] ^ 0x21]) + data[i + 1 :])
        with pytest.raises(IntegrityError, match="weights-00001"):
            load_checkpoint(folder)
    path.write_bytes(data)
    assert load_checkpoint(folder).step == 5


def test_ck5_names_what_does_not_fit() -> None:
    module = nn.Sequential(*[nn.Linear(2, 2) for _ in range(6)])
    before = {k: v.clone() for k, v in module.state_dict().items()}
    state = {k: v + 1 for k, v in before.items()}
    load_into(module, {k: v.half() for k, v in state.items()})
    load_into(module, before)
    with pytest.raises(CheckpointError, match=r"0\.bias missing; extra unknown"):
        load_into(module, {**{k: v for k, v in state.items() if k != "0.bias"}, "extra": torch.ones(1)})
    with pytest.raises(CheckpointError, match=r"0\.bias \[3\] instead of \[2\]"):
        load_into(module, {**state, "0.bias": torch.ones(3)})
    with pytest.raises(CheckpointError, match=r"0\.bias torch.int64"):
        load_into(module, {**state, "0.bias": torch.ones(2, dtype=torch.int64)})
    with pytest.raises(CheckpointError, match="and 2 more"):
        load_into(module, {})
    assert all(torch.equal(module.state_dict()[k], v) for k, v in before.items())


@pytest.mark.parametrize(
    "name", ["model.pt", "model.pth", "model.ckpt", "pytorch_model.bin", "a.zip", "a.safetensors"]
)
def test_ck8_foreign_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / name
    path.write_bytes(b"\x80\x04\x95")
    for call in (load_checkpoint, find_world, world_hash):
        with pytest.raises(CheckpointError, match=r"save_checkpoint|give a checkpoint"):
            call(path)
        with pytest.raises(CheckpointError, match=r"save_checkpoint|give a checkpoint"):
            call(path.parent)


def test_ck10_missing_extra_and_swapped_shards(folder: Path, tmp_path: Path) -> None:
    path = next(folder.glob("*.safetensors"))
    data = path.read_bytes()
    extra = folder / "weights-00002-of-00002.safetensors"
    extra.write_bytes(data)
    with pytest.raises(IntegrityError, match="weights-00002"):
        load_checkpoint(folder)
    extra.unlink()
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="can't be read"):
        load_checkpoint(folder)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="can't be read"):
        load_checkpoint(folder)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(IntegrityError, match="no regular file"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    "shards",
    [
        {},
        [],
        None,
        {"../secret.safetensors": {"sha256": "0" * 64, "size": 1}},
        {"/etc/passwd": {"sha256": "0" * 64, "size": 1}},
        {"weights-00001-of-00002.safetensors": {"sha256": "0" * 64, "size": 1}},
        {"weights-00001-of-00001.safetensors": {"sha256": "zz", "size": 1}},
        {"weights-00001-of-00001.safetensors": {"sha256": "0" * 64, "size": True}},
        {"weights-00001-of-00001.safetensors": {"sha256": "0" * 64}},
    ],
)
def test_ck10_bad_lists(folder: Path, shards: Any) -> None:
    edit(folder, shards=shards)
    with pytest.raises(IntegrityError, match="shards"):
        load_checkpoint(folder)


def test_bad_configs(folder: Path) -> None:
    path = folder / "config.json"
    good = path.read_text()
    with pytest.raises(UnsupportedVersion, match="version: got 99"):
        edit(folder, version=99)
        load_checkpoint(folder)
    odd = good.replace('"version": 1', '"version": "1"')
    for text in ["", "[]", "{", '{"a": NaN}', "[" * 10**5, odd, "\xff", "{}"]:
        path.write_text(text, encoding="latin-1")
        with pytest.raises(CheckpointError):
            load_checkpoint(folder)
    path.write_text(good.replace('"info": {', '"info": {"pad": "' + "x" * 2**20 + '", '))
    with pytest.raises(CheckpointError, match="at most"):
        load_checkpoint(folder)


def test_values_that_json_lacks(tmp_path: Path) -> None:
    for info in ({"loss": float("nan")}, {"path": Path("x")}, {"pad": "x" * 2**21}):
        with pytest.raises(ConfigError):
            save_checkpoint(tmp_path / "w", tensors(), CONFIG, info=info)
    with pytest.raises(CheckpointError, match="none to save"):
        save_checkpoint(tmp_path / "w", {}, CONFIG, info={})
    with pytest.raises(CheckpointError, match="'z'"):
        save_checkpoint(tmp_path / "w", {"z": torch.zeros(0)}, CONFIG, info={})
    assert os.listdir(tmp_path) == []


def test_full_disk_leaves_the_old_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceLimitError, match="No space left"):
        save_checkpoint(folder, tensors(2.0), CONFIG, info={"step": 6})
    assert load_checkpoint(folder).step == 5 and os.listdir(folder.parent) == ["w"]


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
CALLS = ["mkdir", "rename", "fsync", "unlink", "rmdir", "link", "open"]


def kill_at(call_number: int) -> None:
    """Make the process die, as by kill -9, just before its `call_number`-th call that touches the disk."""
    left = [call_number]

    def wrap(original: Any) -> Any:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)
            return original(*args, **kwargs)

        return wrapped

    for name in CALLS:
        setattr(os, name, wrap(getattr(os, name)))


def in_child(work: Any) -> int:
    """Run `work` in a forked process that can die; return its exit status."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@forks
def test_death_at_any_moment_leaves_the_old_or_the_new(folder: Path) -> None:
    (folder / "card.md").write_text("a card")
    save_checkpoint(folder, tensors(5), CONFIG, info={"step": 5})
    status, seen, step = -1, set(), 5
    for number in range(200):

        def save(number: int = number, step: int = step) -> None:
            kill_at(number)
            save_checkpoint(folder, tensors(step + 1), CONFIG, info={"step": step + 1})

        status = in_child(save)
        now = load_checkpoint(folder)
        assert now.step in (step, step + 1) and torch.equal(
            now.tensors["a.bias"], tensors(now.step)["a.bias"]
        )
        assert (find_world(folder) / "card.md").read_text() == "a card"
        seen.add(now.step == step)
        step = now.step
        if status == 0:
            break
    assert status == 0 and step > 5 and seen == {True, False}
    assert os.listdir(folder.parent) == ["w"]


@forks
def test_reader_beside_a_writer(folder: Path) -> None:
    save_checkpoint(folder, tensors(1), CONFIG, info={"step": 1})

    def write() -> None:
        for step in range(1, 30):
            save_checkpoint(folder, tensors(step), CONFIG, info={"step": step})

    pid = os.fork()
    if pid == 0:
        write()
        os._exit(0)
    reads = 0
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        read = load_checkpoint(folder)
        assert torch.equal(read.tensors["a.bias"], tensors(read.step)["a.bias"])
        reads += 1
    assert reads > 3


def test_a_folder_moved_aside_while_it_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(folder, tensors(1), CONFIG, info={"step": 1})
    read, moves = checkpoint.read_shards, []

    def slow_read(source: Path, *args: Any) -> Any:
        if not moves:  # the writer stands between its two renames
            moves.append(folder.rename(folder.with_name(f".{folder.name}.old")))
        return read(source, *args)

    monkeypatch.setattr(checkpoint, "read_shards", slow_read)
    assert load_checkpoint(folder).step == 1 and moves


def test_find_world(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    save_checkpoint(run / "world", tensors(), CONFIG, info={})
    assert find_world(folder) == folder and find_world(str(run)) == run / "world"
    monkeypatch.setattr(locate, "WORLDS", tmp_path)
    assert find_world("w") == folder and checkpoint.shipped_worlds() == ["w"]
    (tmp_path / "void").mkdir()
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        find_world(tmp_path / "void")
    for name in ("", "nowhere", "runs/none", "a\0b", "x" * 5000):
        with pytest.raises(UsageError, match="shipped worlds: w"):
            find_world(name)
    with pytest.raises(UsageError, match="did you mean w"):
        find_world("ww")
    for name in ("nowhere", "a\0b", "x" * 5000):
        with pytest.raises(WorldSimError):
            load_checkpoint(name)


def test_training_state_round_trip(tmp_path: Path) -> None:
    module = nn.Linear(3, 3)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3)
    module(torch.randn(2, 3)).sum().backward()
    optimizer.step()
    rng = np.random.default_rng(5)
    state = {
        "optimizer": optimizer.state_dict(),
        "torch": torch.get_rng_state(),
        "numpy": rng.bit_generator.state,
        "a/b": torch.ones(1),
        "a": {"b": torch.zeros(1)},
        "none": None,
        "deep": [{"x": (1, 2.5, True)}, torch.zeros(0)],
    }
    checkpoint.save_training_state(tmp_path / "s", state)
    read = checkpoint.load_training_state(tmp_path / "s")
    assert (
        read["deep"][0] == {"x": (1, 2.5, True)} and read["numpy"] == state["numpy"] and read["none"] is None
    )
    assert read["a/b"] == 1 and read["a"]["b"] == 0 and torch.equal(read["torch"], state["torch"])
    assert read["optimizer"]["param_groups"] == optimizer.state_dict()["param_groups"]
    other = torch.optim.AdamW(module.parameters(), lr=1.0)
    other.load_state_dict(read["optimizer"])
    for mine, theirs in zip(optimizer.state.values(), other.state.values()):
        assert all(torch.equal(mine[k], theirs[k]) for k in mine)
    checkpoint.save_training_state(tmp_path / "s", {"step": 2})
    assert checkpoint.load_training_state(tmp_path / "s") == {"step": 2}


@forks
def test_training_state_keeps_the_previous_one(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    checkpoint.save_training_state(folder, {"step": 0, "t": torch.tensor(0)})
    step, status = 0, -1
    for number in range(100):

        def save(number: int = number, step: int = step) -> None:
            kill_at(number)
            checkpoint.save_training_state(folder, {"step": step + 1, "t": torch.tensor(step + 1)})

        status = in_child(save)
        state = checkpoint.load_training_state(folder)
        assert state["step"] == int(state["t"]) and state["step"] in (step, step + 1)
        step = state["step"]
        if status == 0:
            break
    assert status == 0


def test_training_state_refuses(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with pytest.raises(CheckpointError, match="nothing to resume"):
        checkpoint.load_training_state(folder)
    for bad in ({"a": [{"b": object()}]}, {"a": [{"b": float("nan")}]}, {"a": [{"b": np.float32(1)}]}):
        with pytest.raises(ConfigError, match="state/a/0/b"):
            checkpoint.save_training_state(folder, bad)
    assert os.listdir(tmp_path) == []
    checkpoint.save_training_state(folder, {"t": torch.ones(2)})
    text = (folder / "state.json").read_text()
    for damage in (text.replace("t", "u"), text[:-5], "{}", text.replace('"version": 1', '"version": 7')):
        (folder / "state.json").write_text(damage)
        with pytest.raises(WorldSimError):
            checkpoint.load_training_state(folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("x")
    with pytest.raises(UsageError):
        checkpoint.save_training_state(tmp_path / "mine", {"t": torch.ones(2)})


@pytest.mark.parametrize("size", [0x0280, 0x0380, 0x0480, 0x0580, 0x4B50])
def test_a_header_whose_length_looks_like_a_pickle_is_none(size: int) -> None:
    """Lengths of 640, 896, 1152, 1408 and 19280 bytes begin with the bytes that pickles and zips begin with."""
    header = json.dumps({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode().ljust(size)
    check_header(struct.pack("<Q", size) + header + b"\0", Path("weights"))
    for foreign in (b"\x80\x04\x95" + bytes(64), b"PK\x03\x04" + bytes(64)):
        with pytest.raises(CheckpointError, match="pickle or zip"):
            check_header(foreign, Path("weights"))
