"""A world against its twin from Python: a suite of one's own, two metrics, a report for people.

Run:  python examples/evaluate_world.py [--world voxel] [--episodes 4] [--frames 48] [--out runs/evaluate_world]

`worldsim evaluate` does all of it with every metric; docs/evaluate.md tells what they mean.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from worldsim.bench.report import machine
from worldsim.evaluate.report import write_report
from worldsim.evaluate.run import evaluate
from worldsim.evaluate.suite import Count, Suite


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", default="voxel", help="a shipped world's name or a folder")
    parser.add_argument("--episodes", type=int, default=4, help="game worlds to dream along")
    parser.add_argument("--frames", type=int, default=48, help="frames to dream in each")
    parser.add_argument("--out", type=Path, default=Path("runs/evaluate_world"), help="folder of the report")
    args = parser.parse_args()

    suite = Suite(
        "mine",
        {
            "play": Count(args.episodes, args.frames),  # the explorer plays, for the horizon
            "shuffled": Count(args.episodes, 8),  # the same beginnings under another episode's actions
            "counterfactual": Count(2, 8),  # from one moment on, different actions
        },
    )
    report = evaluate(
        args.world,
        suite,
        metrics=("horizon", "counterfactual"),  # these two need no probes
        machine=machine()["cpu"],
        command=f"python examples/evaluate_world.py --world {args.world}",
    )
    write_report(report, args.out)
    for section in report.sections:
        for figure in section.figures:
            print(f"{section.key:<15} {figure.name:<20} {figure.value:8.2f} {figure.unit}")
    print(f"{report.frames} frames dreamt in {report.seconds:.0f} s: {args.out / 'report.html'}")


if __name__ == "__main__":
    main()
