"""Record the scripted explorer, check what was written, and read clips of it as training does.

Run:  python examples/record_and_read.py [--out runs/example] [--steps 200]
"""

from __future__ import annotations

import argparse

from worldsim.data.dataset import ClipDataset
from worldsim.data.rollout import record
from worldsim.data.storage import EpisodeStore
from worldsim.data.verify import verify


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", default="runs/example", help="folder of the dataset; continued if it is there"
    )
    parser.add_argument("--steps", type=int, default=200, help="ticks an episode, 20 a second")
    parser.add_argument("--seed", type=int, default=0, help="the first world")
    args = parser.parse_args()

    report = record(
        "worldsim/Voxel-v0", "explorer", episodes=2, steps=args.steps, out=args.out, seed=args.seed
    )
    print(f"recorded {', '.join(report.episodes)} into {report.folder}: {report.steps} ticks")
    assert verify(args.out).ok

    store = EpisodeStore(args.out)
    episode = store.read(store.names.index(report.episodes[0]))
    print(
        f"{episode.meta['env']} with seed {episode.meta['seed']}: {len(episode)} actions, {episode.captions[-1]}"
    )

    # In a clip, actions[t] is the action that led to frames[t].
    clips = ClipDataset(args.out, length=12, batch=4)
    batch = clips.sample()
    print(f"one of {len(clips)} clips a row: frames {batch.frames.shape}, actions {batch.actions.shape}")
    clips.close()


if __name__ == "__main__":
    main()
