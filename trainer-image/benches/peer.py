#!/usr/bin/env python3
"""What `real-trainer bench` measures, in PyTorch and transformers; prints the same JSON.

usage: peer.py [--threads N] [--model NAME]        (needs torch and transformers)
"""

import argparse
import json
import pathlib
import time
from collections.abc import Callable

import torch
import transformers
from torch.nn.functional import cross_entropy


def least(repetitions: int, work: Callable[[], object]) -> float:
    """The least CPU milliseconds of some repetitions: what else runs on the machine can only add."""
    work()  # the first run pays for allocations
    times = []
    for _ in range(repetitions):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1000 * min(times)


def measure(load: dict) -> dict:
    torch.manual_seed(1)
    config = load["config"]
    model = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**config, bos_token_id=None, eos_token_id=None))
    decode_step_ms, prefill_ms = [], []
    model.eval()
    for decode in load["decode"]:
        prompts = torch.randint(3, config["vocab_size"], (decode["rows"], decode["prompt_tokens"]))

        def rollout(new: int, prompts: torch.Tensor = prompts) -> None:
            with torch.inference_mode():
                out = model.generate(
                    prompts, attention_mask=torch.ones_like(prompts), do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
                    min_new_tokens=new, max_new_tokens=new, pad_token_id=0,
                )  # fmt: skip
            assert out.shape[1] == prompts.shape[1] + new

        first = least(load["repetitions"], lambda: rollout(1))
        every = least(load["repetitions"], lambda new=decode["new_tokens"]: rollout(new))
        decode_step_ms.append((decode["rows"], (every - first) / (decode["new_tokens"] - 1)))
        prefill_ms.append((decode["rows"], first))

    train = load["train"]
    ids = torch.randint(3, config["vocab_size"], (train["rows"], train["tokens"]))
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, :-1]
        loss = cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()

    train_step_ms = least(train["repetitions"], step)
    return dict(model=load["name"], decode_step_ms=decode_step_ms, prefill_ms=prefill_ms, train_step_ms=train_step_ms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--model")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    load = json.loads((pathlib.Path(__file__).parent / "workload.json").read_text())
    models = [measure(model) for model in load["models"] if args.model in (None, model["name"])]
    what = f"torch {torch.__version__}, transformers {transformers.__version__}"
    print(json.dumps(dict(models=models, threads=torch.get_num_threads(), what=what)))


if __name__ == "__main__":
    main()
