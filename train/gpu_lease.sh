#!/usr/bin/env bash
# Train the world on a lent machine with one GPU, one command of at most ten minutes after the other:
#
#   bash train/gpu_lease.sh --phase first                        # constant learning rate
#   bash train/gpu_lease.sh --phase middle --init runs/lease/world
#   bash train/gpu_lease.sh --phase last --init runs/lease/world # the learning rate falls to nothing
#   bash train/gpu_lease.sh --dry-run                            # a minute on a CPU, tiny sizes
#   bash train/gpu_lease.sh --help
#
# The machine needs Python 3.10+ with torch, numpy, numba, einops, safetensors and tqdm; worldsim need
# not be installed there. Results go to $OUT: world/ (weights in shards below 16 MiB, config.json,
# seeds.npz, exemplars.npz) and metrics.jsonl. Before the next command put them into runs/lease (which git
# ignores) and let it travel along. If the machine is still the same then, the optimiser's state
# in $WORK is used as well.
set -euo pipefail
repo=$(cd "$(dirname "$0")/.." && pwd)
began=$(date +%s)

work=${WORK:-/tmp/worldsim-lease}
case " $* " in *" --dry-run "*)
  [ -n "${WORK:-}" ] || { work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT; }
  OUT=${OUT:-$work/out}
esac

# The installed layout, as links: worldsim.envs lies in envs/ and so on.
package=$work/package
rm -rf "$package"
mkdir -p "$package/worldsim"
ln -s "$repo"/worldsim/* "$package/worldsim/"
for folder in envs agents train; do ln -s "$repo/$folder" "$package/worldsim/$folder"; done

export PYTHONPATH=$package${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
here=$PWD
cd "$package" # Python looks into its current folder first, and the repository's worldsim/ is not whole
"${PYTHON:-python3}" -m worldsim.train.gpu_lease \
  --began "$began" --here "$here" --work "$work" --out "${OUT:-$repo/runs/lease}" "$@"
