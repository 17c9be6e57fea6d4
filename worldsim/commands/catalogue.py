"""Every command of the `worldsim` program: its words, what runs it and how it is used.

Nothing is imported until a command is chosen, so that `worldsim --help` stays fast.
"""

from __future__ import annotations

import dataclasses
import difflib

from worldsim.errors import UsageError
from worldsim.registry import PROGRAMS


@dataclasses.dataclass(frozen=True)
class Command:
    """One command; `run` is called with an instance of `options`, both "module:attribute"."""

    summary: str
    run: str
    options: str
    examples: tuple[str, ...]


COMMANDS: dict[str, Command] = {
    "play": Command(
        "play in a window, or without one into a video",
        "worldsim.play.player:play",
        "worldsim.play.options:PlayOptions",
        (
            "worldsim play",
            "worldsim play --env worldsim/Voxel-v0 --seed 7",
            "worldsim play --world runs/mine --headless --ticks 100 --video dream.mp4",
        ),
    ),
    "record": Command(
        "let a policy or a person play and store the episodes",
        "worldsim.commands.record:run",
        "worldsim.commands.record:RecordOptions",
        (
            "worldsim record --env worldsim/Voxel-v0 --policy explorer --episodes 10 --out runs/game",
            "worldsim record --env worldsim/Dream-v0 --policy random --episodes 2 --out runs/dream",
            "worldsim record --policy human --episodes 3 --out runs/me",
        ),
    ),
    "data info": Command(
        "say what a folder of episodes holds",
        "worldsim.commands.data:info",
        "worldsim.commands.data:InfoOptions",
        ("worldsim data info runs/game",),
    ),
    "data verify": Command(
        "check every episode against its manifest",
        "worldsim.commands.data:verify",
        "worldsim.commands.data:VerifyOptions",
        ("worldsim data verify runs/game", "worldsim data verify runs/game --quick"),
    ),
    "data repair": Command(
        "put what a crash or damage left behind aside, so that the rest opens",
        "worldsim.commands.data:repair",
        "worldsim.commands.data:RepairOptions",
        ("worldsim data repair runs/game",),
    ),
    "data import": Command(
        "take in other people's recordings: VPT, BASALT, or any videos with their actions",
        "worldsim.commands.transfer:import_",
        "worldsim.commands.transfer:ImportOptions",
        (
            "worldsim data import contractor/ --out runs/vpt --size 160x96",
            "worldsim data import all_8xx_Jun_29.json --root contractor/ --out runs/vpt",
            "worldsim data import clips/ --format video --every 3 --out runs/mine",
        ),
    ),
    "data export": Command(
        "write episodes in the layout of the VPT recordings or as a Minari dataset",
        "worldsim.commands.transfer:export",
        "worldsim.commands.transfer:ExportOptions",
        (
            "worldsim data export runs/game --format vpt --out runs/vpt",
            "worldsim data export runs/game --format minari --out runs/minari",
        ),
    ),
    "train world": Command(
        "train a world on episodes or straight from a game",
        PROGRAMS["world"],
        PROGRAMS["world"].replace(":main", ":TrainOptions"),
        (
            "worldsim train world --recipe debug --live worldsim/Voxel-v0 --minutes 1 --out runs/b",
            "worldsim train world --recipe cpu --data runs/game --out runs/b",
            "worldsim train world --resume --out runs/b",
        ),
    ),
    "train tokenizer": Command(
        "train the autoencoder that a world of larger frames works in",
        PROGRAMS["tokenizer"],
        PROGRAMS["tokenizer"].replace(":main", ":TrainOptions"),
        ("worldsim train tokenizer --recipe debug --live worldsim/Voxel-v0 --minutes 1 --out runs/t",),
    ),
    "train probes": Command(
        "train the networks that measure worlds, on the game alone",
        PROGRAMS["probes"],
        PROGRAMS["probes"].replace(":main", ":TrainOptions"),
        ("worldsim train probes --out runs/probes",),
    ),
    "train idm": Command(
        "train a model that labels videos which have no actions",
        PROGRAMS["idm"],
        PROGRAMS["idm"].replace(":main", ":TrainOptions"),
        ("worldsim train idm --data runs/game --minutes 10 --out runs/idm",),
    ),
    "train motion": Command(
        "teach a world how far each key leads",
        PROGRAMS["motion"],
        PROGRAMS["motion"].replace(":main", ":TrainOptions"),
        ("worldsim train motion --world runs/b/world --minutes 30 --out runs/motion",),
    ),
    "train hands": Command(
        "teach a world to break and place blocks",
        PROGRAMS["hands"],
        PROGRAMS["hands"].replace(":main", ":TrainOptions"),
        ("worldsim train hands --world runs/b/world --minutes 20 --out runs/hands",),
    ),
    "train overlay": Command(
        "teach a world its hotbar and the item in hand",
        PROGRAMS["overlay"],
        PROGRAMS["overlay"].replace(":main", ":TrainOptions"),
        ("worldsim train overlay --world runs/b/world --minutes 15 --out runs/overlay",),
    ),
    "train monodepth": Command(
        "teach a world to tell depth from a single picture",
        PROGRAMS["monodepth"],
        PROGRAMS["monodepth"].replace(":main", ":TrainOptions"),
        ("worldsim train monodepth --world runs/b/world --minutes 15 --out runs/monodepth",),
    ),
    "train agent": Command(
        "train an agent in the dream, in the game or from recordings",
        PROGRAMS["agent"],
        PROGRAMS["agent"].replace(":main", ":TrainOptions"),
        (
            "worldsim train agent --algo ppo --env worldsim/Voxel-v0 --task beacon --steps 100000 --out runs/agent",
            "worldsim train agent --algo ppo --env worldsim/Dream-v0 --task collect --steps 20000 --out runs/agent",
            "worldsim train agent --algo bc --data runs/game --steps 2000 --out runs/clone",
            "worldsim train agent --resume --out runs/agent",
        ),
    ),
    "evaluate-agent": Command(
        "let an agent play episodes in the dream or the game, and say what it earned",
        "worldsim.commands.evaluate_agent:run",
        "worldsim.commands.evaluate_agent:EvaluateAgentOptions",
        (
            "worldsim evaluate-agent --agent runs/agent --episodes 50",
            "worldsim evaluate-agent --agent runs/agent --env worldsim/Dream-v0 --json dream.json",
            "worldsim evaluate-agent --agent random --env worldsim/Voxel-v0 --task beacon",
        ),
    ),
    "evaluate": Command(
        "measure a world against the game, and write a report",
        "worldsim.commands.evaluate:run",
        "worldsim.commands.evaluate:EvaluateOptions",
        (
            "worldsim evaluate --suite quick --out runs/eval",
            "worldsim evaluate --world runs/mine --suite full --out runs/full",
            "worldsim evaluate --world runs/mine --suite full --resume --out runs/full",
            "worldsim evaluate --compare runs/eval runs/mine-eval --out runs/both",
        ),
    ),
    "transfer": Command(
        "train agents in the dream and in the game, judge them in both, and write a page",
        "worldsim.commands.transfer_report:run",
        "worldsim.arena.transfer:TransferOptions",
        (
            "worldsim transfer --tasks beacon tower --steps 20000 --out runs/transfer",
            "worldsim transfer --tasks collect --set collect.shaping=0.5 --frame-skip 8 --device cuda --out runs/t",
        ),
    ),
    "bench": Command(
        "every benchmark once, in ten minutes",
        "worldsim.bench.everything:run",
        "worldsim.bench.everything:EverythingOptions",
        ("worldsim bench --json bench.json", "worldsim bench --only engine play"),
    ),
    "bench engine": Command(
        "frames a second of the game's engine, by frame size",
        "worldsim.bench.engine:run",
        "worldsim.bench.engine:EngineOptions",
        ("worldsim bench engine", "worldsim bench engine --sizes 160x96 --json engine.json"),
    ),
    "bench play": Command(
        "start-up, frames a second, latency and stages of the play loop, beside baselines",
        "worldsim.bench.play:run",
        "worldsim.bench.play:PlayBenchOptions",
        (
            "worldsim bench play --ticks 300 --json play.json",
            "worldsim bench play --backend eager onnx openvino --steps 1 2",
        ),
    ),
    "bench scaling": Command(
        "what a frame costs as references, frame, network and batch grow",
        "worldsim.bench.scaling:run",
        "worldsim.bench.scaling:ScalingOptions",
        ("worldsim bench scaling --json scaling.json",),
    ),
    "bench data": Command(
        "frames a second of clip reading and of the live source",
        "worldsim.bench.data:run",
        "worldsim.bench.data:DataBenchOptions",
        ("worldsim bench data --json data.json",),
    ),
    "bench train": Command(
        "frames a second of training",
        "worldsim.bench.train:run",
        "worldsim.bench.train:TrainBenchOptions",
        ("worldsim bench train --recipe cpu --json train.json",),
    ),
    "bench env": Command(
        "steps a second of environments through the Gymnasium API",
        "worldsim.bench.env:run",
        "worldsim.bench.env:EnvBenchOptions",
        (
            "worldsim bench env",
            "worldsim bench env --env worldsim/Dream-v0 --num-envs 1 16 --json env.json",
        ),
    ),
    "bench soak": Command(
        "a million steps of random actions and resets: no exception, no NaN, memory flat",
        "worldsim.bench.soak:run",
        "worldsim.bench.soak:SoakOptions",
        (
            "worldsim bench soak",
            "worldsim bench soak --env worldsim/Voxel-v0 --steps 100000 --json soak.json",
        ),
    ),
    "worlds": Command(
        "list the worlds that ship, or print the card of one",
        "worldsim.commands.worlds:run",
        "worldsim.commands.worlds:WorldsOptions",
        ("worldsim worlds", "worldsim worlds voxel"),
    ),
}


def find(arguments: list[str]) -> tuple[str, list[str]]:
    """Split arguments into the command's name and the rest.

    Raises:
        UsageError: no command has that name; near names are listed.
    """
    for words in (2, 1):
        name, rest = " ".join(arguments[:words]), arguments[words:]
        # A group that is a command, too, takes options and no further word.
        if name in COMMANDS and (words == 2 or not members(name) or not rest or rest[0].startswith("-")):
            return name, rest
    first = arguments[0]
    group = members(first)
    if not group:
        known = sorted({name.split()[0] for name in COMMANDS})
        raise UsageError(f"{first!r}: unknown command; did you mean {_near(first, known)}?")
    inner = [name.split()[1] for name in group]
    if len(arguments) == 1 or arguments[1].startswith("-"):
        raise UsageError(f"{first}: say which: {' or '.join(inner)}; see  worldsim {first} --help")
    raise UsageError(f"{first} {arguments[1]!r}: unknown; did you mean {_near(arguments[1], inner)}?")


def members(group: str) -> list[str]:
    """Names of the commands of a group such as `data`, without the group itself."""
    return [name for name in COMMANDS if name.startswith(f"{group} ")]


def help_text(names: list[str], usage: str) -> str:
    """The overview of the commands `names`: a line each, then examples."""
    width = max(map(len, names))
    lines = [f"usage: {usage}", "", "commands:"]
    lines += [f"  {name:<{width}}  {COMMANDS[name].summary}" for name in names]
    lines += ["", "examples:", *(f"  {COMMANDS[name].examples[0]}" for name in names)]
    lines += ["", "options:", "  -h, --help  this text; after a command, that command's options"]
    lines += ["  --version   print the version", "  --debug     show the traceback of an error"]
    return "\n".join(lines)


def _near(word: str, words: list[str]) -> str:
    return " or ".join(difflib.get_close_matches(word, words, 3, 0.5) or words)
