"""`worldsim transfer`: does what agents learn in the dream hold in the game? One page says so."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from worldsim.arena.transfer import SCORES_FILE, TransferOptions
from worldsim.errors import UsageError


def run(options: TransferOptions) -> None:
    """Train, judge, and write OUT/transfer.html and OUT/transfer.json.

    Raises:
        UsageError, ConfigError, MissingDependency: see `worldsim.arena.transfer.experiment`.
    """
    from worldsim.arena.findings import findings
    from worldsim.arena.transfer import Scores, experiment
    from worldsim.arena.transfer_page import transfer_page
    from worldsim.bench.report import machine, without_nan, write_whole

    out = Path(options.out)
    facts = machine()
    if options.page_only:
        if not (out / SCORES_FILE).is_file():
            raise UsageError(f"{out}: has no {SCORES_FILE}; leave --page-only out to measure first")
        known = Scores(out, options).all
    else:
        known = experiment(options, lambda text: print(text, file=sys.stderr, flush=True))
    found = findings(known, options)
    document = {
        "options": known["options"],
        "machine": facts,
        "tasks": [dataclasses.asdict(one) for one in found],
    }
    write_whole(out / "transfer.json", json.dumps(without_nan(document), indent=1, allow_nan=False) + "\n")
    write_whole(out / "transfer.html", transfer_page(found, options, facts))
    for one in found:
        print(f"{one.task}: rank correlation {one.rank[0]:.2f} over {len(one.points)} policies")
        for line in one.lines:
            game, dream = line.game, line.dream
            print(
                f"  {line.player:<20} game {game[0]:6.2f} [{game[1]:.2f}, {game[2]:.2f}]  "
                f"dream {dream[0]:6.2f} [{dream[1]:.2f}, {dream[2]:.2f}]  gap {line.gap:+.2f}"
            )
    print(out / "transfer.html")
