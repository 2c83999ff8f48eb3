"""Trainer: decoding and a training step of the quickstart's model beside the same in PyTorch and transformers.

Both sides get the same workload (trainer-image/benches/workload.json), threads and environment.
"""

import json
import os
import subprocess
import sys

from figures import ROOT, figure, program


def measured(command: list[object]) -> dict[str, float]:
    passive = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    out = subprocess.check_output([str(part) for part in command], text=True, env=os.environ | passive)
    return json.loads(out.splitlines()[-1])


def main() -> None:
    for threads in sorted({1, os.cpu_count() or 1}):
        ours = measured([program("real-trainer"), "bench", "--threads", threads])
        peer = measured([sys.executable, ROOT / "trainer-image" / "benches" / "peer.py", "--threads", threads])
        for key, unit, higher in (("decode_tokens_per_s", "tokens/s", True), ("train_step_ms", "ms", False)):
            what = f"{key.removesuffix('_per_s').removesuffix('_ms').replace('_', ' ')}, {threads} threads"
            figure(what, unit, ours[key], "PyTorch and transformers", peer[key], higher)


if __name__ == "__main__":
    main()
