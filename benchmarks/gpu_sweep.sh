#!/usr/bin/env bash
# A real sweep on one GPU: `bansweep run` with Ray, MLflow and a Ray Train group of one.
#
#   benchmarks/gpu_sweep.sh [FOLDER]           on this machine's GPU
#   benchmarks/gpu_sweep.sh --cpu [FOLDER]     on its CPUs, as a check of this script
#
# Trains a teacher and its student on scikit-learn's digits, once in a Ray Train group of one with a whole GPU, and once
# as two trials at a time that share the GPU. Then runs the first sweep again, which has to train nothing. Prints
# each generation's error, duration and device from the store. Stops with an error where a command fails, or where a
# generation was not trained on the device that was asked for. FOLDER keeps the stores; it is temporary by default.
set -euo pipefail

device=gpu
if [ "${1:-}" = --cpu ]; then
    device=cpu
    shift
fi
folder=${1:-$(mktemp -d)}
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python}
sweep=$project/sweeps/quickstart.yaml
options=(--only teacher --only ban --set recipe.epochs=5 --set resources.precision=bf16)
group=(--set resources.workers=1)
shared=(--set resources.workers=0 --set 'seeds=[0, 1]')
if [ "$device" = gpu ]; then
    group+=(--set resources.gpus_per_worker=1)
    shared+=(--set resources.gpus_per_worker=0.5)
else
    group+=(--set resources.gpus_per_worker=0)
    shared+=(--set resources.gpus_per_worker=0)
fi

bansweep() { "$python" -m bansweep "$@"; }

report() { # STORE: how good its generations are and where they were trained
    "$python" - "$1" "$device" <<'PYTHON'
import json
import sys
from pathlib import Path

store, wanted = Path(sys.argv[1]), sys.argv[2]
records = [json.loads(path.read_text()) for path in sorted(store.glob("generations/*/generation.json"))]
for record in sorted(records, key=lambda record: record["started_at"]):
    epochs = record["generation"]["recipe"]["epochs"]
    print(
        f"  {record['label']:<24} {record['metrics']['test_error']:6.2f} %  {record['training_seconds']:6.1f} s  "
        f"{record['device']}, {record['compiled_epochs']} of {epochs} epochs compiled"
    )
elsewhere = [record["label"] for record in records if record["device"].endswith("CPU") != (wanted == "cpu")]
if elsewhere or not records:
    sys.exit(f"not trained on a {wanted}: {', '.join(elsewhere) or 'no generation at all'}")
PYTHON
}

cd "$folder"
echo "a Ray Train group of one, a whole $device"
time bansweep run "$sweep" --store group "${options[@]}" "${group[@]}"
report group
echo "the same again: nothing is trained"
bansweep run "$sweep" --store group "${options[@]}" "${group[@]}" --json > again.json
"$python" -c 'import json, sys; sys.exit(f"trained again: {again}" if (again := json.load(open("again.json"))["trained"]) else 0)'
echo "two trials at a time, each in its own process"
time bansweep run "$sweep" --store shared "${options[@]}" "${shared[@]}"
report shared
echo "stores: $folder"
