#!/usr/bin/env python3
"""What `real-trainer gpu-check` measures, in PyTorch and transformers on the same device; prints one line of JSON.

usage: gpu_check_peer.py generate|step [--device cuda|cpu] [--tiny]        (needs torch and transformers)
"""
import argparse
import json
import time
from collections.abc import Callable

import torch
import transformers
from torch.nn.functional import log_softmax


def timed(device: str, work: Callable[[], object]) -> float:
    """Seconds until everything that the work started on the device is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def generate(model: transformers.PreTrainedModel, device: str, tiny: bool) -> dict[str, float]:
    """Tokens a second of `generate` at 64 rows."""
    rows, prompt, new = (4, 6, 8) if tiny else (64, 512, 128)
    ids = torch.randint(0, model.config.vocab_size, (rows, prompt), device=device)
    mask = torch.ones_like(ids)

    def run(count: int) -> None:
        with torch.inference_mode():
            model.generate(ids, attention_mask=mask, do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
                           min_new_tokens=count, max_new_tokens=count, pad_token_id=0)

    run(2)
    prefill = timed(device, lambda: run(1))
    seconds = max(timed(device, lambda: run(1 + new)) - prefill, 1e-9)
    return {"rows": rows, "tokens_per_s": round(rows * new / seconds), "ms_per_step": 1e3 * seconds / new}


def step(model: transformers.PreTrainedModel, device: str, tiny: bool) -> dict[str, float]:
    """One update of the actor, as TRL does it: autocast, gradient checkpointing, all logits of a micro-batch at once."""
    rows, micro, tokens = (4, 2, 16) if tiny else (64, 8, 1024)
    ids = torch.randint(0, model.config.vocab_size, (rows, tokens), device=device)
    model.train()
    model.gradient_checkpointing_enable()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=device == "cuda")
    half = tokens // 2

    def run() -> None:
        optimizer.zero_grad()
        for part in ids.split(micro):
            with torch.autocast(device, dtype=torch.bfloat16):
                logits = model(input_ids=part, attention_mask=torch.ones_like(part), use_cache=False).logits
            log_probs = log_softmax(logits[:, half - 1:-1].float(), -1)
            chosen = log_probs.gather(-1, part[:, half:, None]).squeeze(-1)
            ratio = torch.exp(chosen - chosen.detach())
            entropy = -(log_probs.exp() * log_probs).sum(-1)
            loss = (-ratio - 1e-3 * entropy).sum() / (rows * (tokens - half))
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    run()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds = timed(device, run)
    figures = {"answers": rows, "update_actor_s": seconds, "tokens_per_s": round(rows * tokens / seconds)}
    if device == "cuda":
        figures["peak_bytes"] = torch.cuda.max_memory_allocated()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["generate", "step"])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(1)
    shape = (32, 2, 4, 2, 48, 97) if args.tiny else (896, 24, 14, 2, 4864, 151_936)
    hidden, layers, heads, keys, wide, words = shape
    config = transformers.Qwen2Config(
        hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=keys,
        intermediate_size=wide, vocab_size=words, tie_word_embeddings=True, bos_token_id=None, eos_token_id=None)
    model = transformers.Qwen2ForCausalLM(config).to(args.device)
    if args.what == "generate":
        model = model.to(torch.bfloat16).eval()
    figures = (generate if args.what == "generate" else step)(model, args.device, args.tiny)
    figures["what"] = f"torch {torch.__version__}, transformers {transformers.__version__}"
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
