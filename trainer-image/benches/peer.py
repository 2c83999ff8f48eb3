#!/usr/bin/env python3
"""What `real-trainer bench` measures, in PyTorch and transformers; prints the same JSON.

usage: peer.py [--threads N]         (needs torch and transformers)
"""
import argparse
import json
import pathlib
import time
from collections.abc import Callable

import torch
import transformers
from torch.nn.functional import cross_entropy


def best_seconds(repetitions: int, work: Callable[[], object]) -> float:
    """The shortest of some repetitions: what else runs on the machine can only add."""
    work()  # the first run pays for allocations
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=0)
    threads = parser.parse_args().threads
    if threads:
        torch.set_num_threads(threads)
    load = json.loads((pathlib.Path(__file__).parent / "workload.json").read_text())
    torch.manual_seed(1)
    model = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**load["config"], bos_token_id=None, eos_token_id=None))

    decode = load["decode"]
    prompts = torch.randint(3, load["config"]["vocab_size"], (decode["rows"], decode["prompt_tokens"]))
    mask = torch.ones_like(prompts)
    new = decode["new_tokens"]
    model.eval()

    def rollout() -> None:
        with torch.inference_mode():
            out = model.generate(prompts, attention_mask=mask, do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
                                 min_new_tokens=new, max_new_tokens=new, pad_token_id=0)
        assert out.shape[1] == decode["prompt_tokens"] + new

    seconds = best_seconds(load["repetitions"], rollout)

    train = load["train"]
    ids = torch.randint(3, load["config"]["vocab_size"], (train["rows"], train["tokens"]))
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=train["learning_rate"], fused=True)

    def step() -> None:
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, :-1]
        loss = cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()

    step_seconds = best_seconds(4 * load["repetitions"], step)
    print(json.dumps(dict(
        decode_tokens_per_s=round(decode["rows"] * new / seconds, 1), train_step_ms=round(1000 * step_seconds, 2),
        threads=torch.get_num_threads(), what=f"torch {torch.__version__}, transformers {transformers.__version__}",
    )))


if __name__ == "__main__":
    main()
