"""From a process's start to its first batch, and what the data take in several workers' memory.

    python benchmarks/data.py [--workers 1 2 4] [--images 10000] [--device cpu|cuda] [--json]

For each source, prepared before (`prepare`, once a node, is timed apart): scikit-learn's digits; CIFAR-10 and the Penn
Treebank where they are found (see BANSWEEP_DATA); a folder of PNG files and a parquet file of as many random images as
`--images` says. A fresh process then takes a part of the set, all but the last tenth, and cuts a first batch of 128
augmented images on `--device`, or a first window of 20 x 35 tokens. Seconds of imports (torch, above all; on a GPU also
its start) and of data are CPU time;
`start to batch` is by the clock.

`copies`: what all workers' maps of the set take together (proportional set size: a page that several share counts once)
when each has looked at all that it trains on, in sizes of the set's arrays; `private`: the largest worker's memory that
it shares with none, libraries and interpreter included.

Exits with 1 where data take more than 0.1 CPU-s of a process, or workers more than one copy. Linux only.
"""

from __future__ import annotations

import argparse
import io
import json
import mmap
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bansweep.data.cache import CACHE_VARIABLE
from bansweep.data.prepare import prepare
from bansweep.errors import DataError

SECONDS = 0.1
PAGE = mmap.PAGESIZE
BATCH, STREAMS, WINDOW = 128, 20, 35


def open_data(spec: dict[str, Any], fingerprint: str, device_name: str) -> None:
    """In a worker: make a first batch, tell what it took, look at all data when asked to, and wait."""
    import torch
    from devices import available_device, wait_for

    from bansweep.config.data import is_text
    from bansweep.config.recipes import Augmentation
    from bansweep.data.augmentation import draw_views, epoch_order
    from bansweep.data.datasets import load_images, load_text
    from bansweep.data.resident import ResidentImages
    from bansweep.training.token_streams import TokenStreams
    from bansweep.training.workers import ALONE

    torch.set_num_threads(1)
    device = available_device(device_name)
    torch.zeros(1, device=device).add_(1)
    wait_for(device)
    imports = time.process_time()
    data = parsed(spec)
    folder = prepare(data, known_as=fingerprint)
    if is_text(data):
        text = load_text(data, folder)
        streams = TokenStreams(
            text.train_N,
            streams=STREAMS,
            window=WINDOW,
            end_of_sentence=text.end_of_sentence,
            workers=ALONE,
            device=device,
        )
        next(iter(streams))
    else:
        images = load_images(data, folder)
        train = ResidentImages(images.train, device=device, mean=images.mean, std=images.std)
        order_N = epoch_order(len(train), 0, 1)
        train.batch(order_N[:BATCH], draw_views(Augmentation(pad=1), len(train), 0, 1))
    wait_for(device)
    seconds = time.process_time() - imports
    print(json.dumps({"ready_at": time.time(), "imports_s": imports, "data_s": seconds}), flush=True)
    sys.stdin.readline()
    if not is_text(data):
        for batch_B in order_N.split(BATCH):
            train.batch(batch_B, None)
    print(json.dumps("looked"), flush=True)
    sys.stdin.readline()


def parsed(spec: dict[str, Any]) -> Any:
    from pydantic import TypeAdapter

    from bansweep.config.data import DataSpec

    return TypeAdapter(DataSpec).validate_python(spec)


class Worker:
    """A process that opens the data, as one of several would."""

    def __init__(self, spec: dict[str, Any], folder: Path, device: str) -> None:
        self._started = time.time()
        command = [sys.executable, __file__, "--open", json.dumps(spec), folder.name, device]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def first_batch(self) -> dict[str, float]:
        answer = self._answer()
        return {**answer, "start_to_batch_s": answer.pop("ready_at") - self._started}

    def look_at_all(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._answer()

    def memory(self, folder: Path) -> tuple[float, float]:
        """Bytes of this worker's share in the maps of files in `folder`, and of what it alone has."""
        maps, private, is_map = 0, 0, False
        for line in Path(f"/proc/{self._process.pid}/smaps").read_text().splitlines():
            key, *values = line.split()
            if not key.endswith(":"):
                is_map = bool(values) and values[-1].startswith(f"{folder}/")
            elif key == "Pss:" and is_map:
                maps += int(values[0]) * 1024
            elif key in ("Private_Dirty:", "Private_Clean:") and not is_map:
                private += int(values[0]) * 1024
        return maps, private

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a worker ended before its first batch; its error is above")
        return json.loads(line)


def sources(folder: Path, images: int) -> dict[str, dict[str, Any]]:
    """What a sweep file says of each: all image sets without the last tenth of their training images."""
    write_images(folder, images)
    files = {split: str(folder / f"{split}.parquet") for split in ("train", "test")}
    return {
        "digits": {"kind": "digits", "validation": 143},
        "cifar10": {"kind": "cifar10", "validation": 5_000},
        "ptb": {"kind": "ptb"},
        "parquet": {"kind": "parquet", **files, "validation": images // 10},
        "folder": {"kind": "folder", "root": str(folder), "validation": images // 10},
    }


def write_images(folder: Path, images: int) -> None:
    """Random images of CIFAR's shape in ten classes, a tenth as many for testing: as PNG files and as parquet."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    chance = np.random.default_rng(0)
    for split, count in (("train", images), ("test", images // 10)):
        rows: list[dict[str, bytes]] = []
        for index in range(count):
            encoded = io.BytesIO()
            Image.fromarray(chance.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(encoded, "PNG")
            path = folder / split / str(index % 10) / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded.getvalue())
            rows.append({"bytes": encoded.getvalue()})
        table = pa.table({"img": rows, "label": [index % 10 for index in range(count)]})
        pq.write_table(table, folder / f"{split}.parquet")


def measured(spec: dict[str, Any], folder: Path, workers: int, device: str) -> dict[str, float]:
    """Several workers at once: the slowest one's seconds, and the memory of all."""
    with ExitStack() as stack:
        group = [stack.enter_context(Worker(spec, folder, device)) for _ in range(workers)]
        batches = [worker.first_batch() for worker in group]
        result = {name: max(batch[name] for batch in batches) for name in batches[0]}
        for worker in group:
            worker.look_at_all()
        memory = [worker.memory(folder) for worker in group]
    # A map takes whole pages.
    size = sum(-(-file.stat().st_size // PAGE) * PAGE for file in folder.glob("*.npy"))
    result["copies"] = sum(maps for maps, _ in memory) / size
    result["private_mb"] = max(private for _, private in memory) / 1e6
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--images", type=int, default=10_000, help="training images of the made-up sets")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where the data go")
    parser.add_argument("--open", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.open:
        open_data(json.loads(arguments.open[0]), *arguments.open[1:])
        return
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        os.environ[CACHE_VARIABLE] = str(Path(temporary) / "cache")
        for name, spec in sources(Path(temporary) / "images", arguments.images).items():
            try:
                started = time.perf_counter()
                folder = prepare(parsed(spec))
                preparing = time.perf_counter() - started
            except DataError as error:
                print(f"{name} is left out: {error.cause}", file=sys.stderr)
                continue
            for workers in arguments.workers:
                figures = measured(spec, folder, workers, arguments.device)
                results.append({"source": name, "workers": workers, "preparing_s": preparing, **figures})
    if arguments.json:
        print(json.dumps(results, indent=1))
    else:
        show(results)
    missed = [
        f"{row['source']} with {row['workers']} workers: {row['data_s']:.3f} CPU-s, {row['copies']:.2f} copies"
        for row in results
        if row["data_s"] > SECONDS or row["copies"] > 1
    ]
    if missed:
        raise SystemExit(f"above {SECONDS} CPU-s or one copy: {'; '.join(missed)}")


def show(results: list[dict[str, Any]]) -> None:
    print(
        f"{'source':<10}{'workers':>8}{'preparing':>11}{'imports':>9}{'data':>8}{'start to batch':>16}"
        f"{'copies':>8}{'private':>9}"
    )
    for row in results:
        print(
            f"{row['source']:<10}{row['workers']:>8}{row['preparing_s']:>9.2f} s{row['imports_s']:>7.2f} s"
            f"{row['data_s']:>6.3f} s{row['start_to_batch_s']:>14.2f} s{row['copies']:>8.2f}"
            f"{row['private_mb']:>6.0f} MB"
        )


if __name__ == "__main__":
    main()
