"""Measures bansweep's training on one GPU in about nine minutes (`--seconds`).

    python benchmarks/gpu.py [--device cuda] [--seconds 540] [--only SECTION...] [--out gpu.jsonl] [--small]
    python benchmarks/gpu.py --table gpu.jsonl

Needs torch (2.11 or newer), numpy, safetensors and pydantic, no Ray and no MLflow. Each section writes its figures to
`--out` as soon as it has them, so that an interrupted run keeps what it found. A section that fails is reported, and
the next one begins. `--table` prints a file's figures as Markdown.

Sections, in the order in which they run:
- environment: versions, GPU, driver, C compiler.
- agreement: every loss in fp32 against the CPU, equal bits when run again, resumed, with activations recomputed, and
  the lines at which the host waits for the GPU.
- compiled_agreement: the same of torch.compile.
- workers: two processes that share each batch on one GPU, over gloo, against one.
- matrix_rate: large matrix products a second, by precision.
- saving: what an epoch pays for its snapshot.
- packing: 1, 2, 4 and 8 processes with a small network each.
- step_times: eager and compiled steps of the paper's networks in bf16, kernels, device time, whether the GPU or
  launches bound the step, and MFU: the step's multiply-adds against `matrix_rate`.
- distillation, language, precisions, settings: teachers, language models, fp32, and other settings of cuDNN.

`--small --device cpu` takes all sections through the smallest sizes on a CPU, as a check of this script.

Exits with 1 where a section failed, a loss disagrees with the CPU, or bits differ.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # where bansweep itself is not installed

# Compiling is no part of what is measured.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", str(min(8, os.cpu_count() or 1)))

import torch  # noqa: E402
from devices import available_device  # noqa: E402
from gpu_agreement import agreement, compiled_agreement, workers  # noqa: E402
from gpu_evidence import Bench, Row, Section, markdown, read_evidence  # noqa: E402
from gpu_packing import packing, saving  # noqa: E402
from gpu_steps import distillation, language, matrix_rate, precisions, settings, step_times  # noqa: E402


def environment(bench: Bench) -> None:
    driver = ""
    if bench.on_gpu and shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=driver_version,clocks.max.sm,power.limit", "--format=csv,noheader"]
        driver = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()[0]
    bench.say(
        "environment",
        device=torch.cuda.get_device_name(bench.device) if bench.on_gpu else platform.machine(),
        torch=torch.__version__,
        cuda=torch.version.cuda,
        cudnn=torch.backends.cudnn.version() if bench.on_gpu else None,
        python=platform.python_version(),
        driver=driver,
        compiler=shutil.which(os.environ.get("CC", "gcc")),
        cores=os.cpu_count(),
    )


SECTIONS: dict[str, Section] = {
    section.__name__: section
    for section in (
        environment,
        agreement,
        compiled_agreement,
        workers,
        matrix_rate,
        saving,
        packing,
        step_times,
        distillation,
        language,
        precisions,
        settings,
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", metavar="cuda|cpu")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION")
    parser.add_argument("--seconds", type=float, default=540, help="no section begins later than this")
    parser.add_argument("--out", type=Path, default=Path("gpu.jsonl"), help="the file that figures are appended to")
    parser.add_argument("--small", action="store_true", help="the smallest sizes, to check this script")
    parser.add_argument("--table", type=Path, help="print the figures of such a file as Markdown, measure nothing")
    arguments = parser.parse_args()
    try:
        if arguments.table:
            print(markdown(read_evidence(arguments.table)))
            return
        device = available_device(arguments.device)
        arguments.out.open("a").close()
    except (argparse.ArgumentTypeError, OSError, ValueError, KeyError) as error:
        parser.error(
            f"{error}; `--small --device cpu` needs no GPU" if arguments.table is None else f"--table: {error}"
        )
    torch.set_num_threads(1)
    bench = Bench(device, arguments.out, small=arguments.small, seconds=arguments.seconds)
    for name in arguments.only:
        run_section(bench, name)
    print(f"\n{markdown(bench.rows)}")
    if wrong := [row for row in bench.rows if "failed" in row or breaks_a_promise(row)]:
        raise SystemExit("\n".join(f"wrong: {row}" for row in wrong))


def breaks_a_promise(row: Row) -> bool:
    return any(value is False for name, value in row.items() if name == "agrees" or name.startswith("same_bits"))


def run_section(bench: Bench, name: str) -> None:
    if bench.seconds_left <= 0:
        bench.say(name, skipped="no time is left")
        return
    try:
        SECTIONS[name](bench)
    except Exception as error:
        where = traceback.format_exc()[-600:]
        bench.say(name, failed=f"{type(error).__name__}: {error}"[:500], where=where)


if __name__ == "__main__":
    main()
