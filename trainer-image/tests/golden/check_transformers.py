#!/usr/bin/env python3
"""Checks a folder that real-trainer wrote against transformers.

usage: check_transformers.py MODEL_DIR [--responses FILE.jsonl --prompts FILE.jsonl] [--limit N]

Loads MODEL_DIR with `from_pretrained` and fails where a tensor is missing, unexpected or of another shape. With
responses (greedy ones of `real-trainer generate`), each is generated again and compared as text.
"""
import argparse
import json
import sys

import torch
import transformers


def load(folder: str) -> transformers.PreTrainedModel:
    config = transformers.AutoConfig.from_pretrained(folder)
    critic = config.architectures[0].endswith("ForTokenClassification")
    auto = transformers.AutoModelForTokenClassification if critic else transformers.AutoModelForCausalLM
    model, report = auto.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    wrong = {kind: names for kind, names in report.items() if names}
    if wrong:
        sys.exit(f"{folder}: {wrong}")
    print(f"{folder}: {type(model).__name__}, {model.num_parameters():,} parameters, loaded without complaint")
    return model.eval()


def compare(model: transformers.PreTrainedModel, folder: str, prompts: str, responses: str, limit: int) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with open(prompts) as p, open(responses) as r:
        pairs = list(zip(map(json.loads, p), map(json.loads, r)))[:limit]
    different = 0
    for prompt, response in pairs:
        chat = prompt["prompt"]
        text = chat if isinstance(chat, str) else tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
        tokens = len(tokenizer(response["response"], add_special_tokens=False).input_ids) + 1
        with torch.no_grad():
            out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False)
        again = tokenizer.decode(out[0, ids.shape[1]:], skip_special_tokens=True)
        n = min(len(again), len(response["response"]))
        if again[:n] != response["response"][:n]:
            different += 1
            print(f"{prompt['id']}: differs\n--- ours\n{response['response']}\n--- transformers\n{again}")
    print(f"{len(pairs)} answers, {different} different")
    sys.exit(different > 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--prompts")
    parser.add_argument("--responses")
    parser.add_argument("--limit", type=int, default=1000)
    args = parser.parse_args()
    loaded = load(args.folder)
    if args.responses:
        compare(loaded, args.folder, args.prompts, args.responses, args.limit)
