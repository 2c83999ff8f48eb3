"""Trainer: decoding and training steps of a small and of a middling model beside the same in PyTorch and transformers.

Both sides get the same workload (trainer-image/benches/workload.json), threads and environment. Figures are CPU time.
"""

import json
import os
import subprocess
import sys

from figures import ROOT, figure, program

PEER = "PyTorch and transformers"


def measured(command: list[object]) -> dict:
    passive = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    out = subprocess.check_output([str(part) for part in command], text=True, env=os.environ | passive)
    return json.loads(out.splitlines()[-1])


def main() -> None:
    workload = json.loads((ROOT / "trainer-image" / "benches" / "workload.json").read_text())
    for model in workload["models"]:
        # One model after the other, so that what the machine does meanwhile falls on both sides.
        which = ["--threads", 1, "--model", model["name"]]
        ours = measured([program("real-trainer"), "bench", *which])["models"][0]
        theirs = measured([sys.executable, ROOT / "trainer-image" / "benches" / "peer.py", *which])["models"][0]
        for key, what in (("prefill_ms", "prefill"), ("decode_step_ms", "decoding step")):
            for (rows, own), (_, peer) in zip(ours[key], theirs[key], strict=True):
                figure(f"{model['name']}: {what}, {rows} rows", "CPU ms", own, PEER, peer)
        figure(f"{model['name']}: training step", "CPU ms", ours["train_step_ms"], PEER, theirs["train_step_ms"])


if __name__ == "__main__":
    main()
