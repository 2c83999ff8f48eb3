#!/usr/bin/env python3
"""Checks adapters against PEFT, both ways, on small random models of each family.

usage: check_peft.py REAL_TRAINER
Needs torch, transformers and peft; REAL_TRAINER is the program. Opt-in: nothing of the build needs PEFT.

Ours to PEFT: a run of three steps writes adapters; `PeftModel.from_pretrained` loads them, and its logits are those of what
`real-trainer merge` made. PEFT to ours: adapters that PEFT drew and wrote are merged, and a run goes on from them; then the logits
and the loss of its first step are PEFT's. Differences over 1e-5 fail.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import peft
import torch
import transformers

LIMIT = 1e-5
HERE = pathlib.Path(__file__).resolve().parent
QUICKSTART = HERE.parent.parent / "models" / "quickstart-base"
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SHAPE = dict(
    vocab_size=223, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=256, initializer_range=0.2, eos_token_id=2, pad_token_id=1,
)  # fmt: skip
FAMILIES = {
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM, dict(tie_word_embeddings=True)),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM, dict(tie_word_embeddings=False, head_dim=8)),
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM, dict(tie_word_embeddings=False)),
}


def run(program: str, *arguments: object) -> str:
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{arguments[0]}: {done.stderr}")
    return done.stderr


def base(folder: pathlib.Path, family: str) -> None:
    """A random model with the quickstart's tokenizer."""
    config, model, extra = FAMILIES[family]
    torch.manual_seed(7)
    model(config(**SHAPE, **extra)).save_pretrained(folder)
    for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"]:
        if (QUICKSTART / name).exists():
            (folder / name).write_bytes((QUICKSTART / name).read_bytes())


def train(program: str, model: pathlib.Path, run_dir: pathlib.Path, steps: int, lora: dict | None) -> pathlib.Path:
    """A supervised run; gives its last checkpoint."""
    job = {
        "job": "peft", "seed": 5, "model": {"uri": str(model), "initialize": "pretrained"},
        "train": [{"name": "a", "uri": "bundled://quickstart-demonstrations?count=40&seed=1", "weight": 1.0}],
        "algorithm": {"sft": {
            "steps": steps, "batchSize": 8, "microBatchSize": 8, "learningRate": 0.01, "warmupSteps": 0, "schedule": "constant",
            "maxGradNorm": 1.0, "weightDecay": 0.0, "betas": [0.9, 0.98], "maxSkippedUpdates": 3,
        }},
        "reward": {
            "alpha": 0.5, "profile": "paper", "penalty": -1.0, "normalization": "running", "quality": "analysis",
            "extraction": "paper", "emptyOutputs": "count", "cwes": [], "maxTests": 2, "detectors": [], "sandboxes": [],
            "timeoutSeconds": 30,
        },
        "rollout": {"maxPromptTokens": 64, "maxResponseTokens": 96, "temperature": 1.0, "topP": 1.0, "topK": 0},
        "checkpoint": {"everySteps": 0, "retain": 1, "keepBest": {"metric": "val/joint", "goal": "max", "count": 0}},
        "evaluation": {"everySteps": 0, "beforeTraining": False, "suites": [], "limit": 4, "greedy": True, "samples": 0},
        "compute": {"device": "cpu", "dtype": "f32", "threads": 1},
    }  # fmt: skip
    if lora:
        job["model"]["lora"] = lora
    config = run_dir.with_suffix(".json")
    config.write_text(json.dumps(job))
    run(program, "train", "--config", config, "--run-dir", run_dir)
    return run_dir / "checkpoints" / f"step-{steps}"


def logits(model: torch.nn.Module) -> torch.Tensor:
    torch.manual_seed(3)
    ids = torch.randint(3, SHAPE["vocab_size"], (3, 40))
    with torch.no_grad():
        return model.eval()(ids).logits


def plain(folder: pathlib.Path) -> torch.nn.Module:
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def first_loss(run_dir: pathlib.Path) -> float:
    return json.loads((run_dir / "metrics.jsonl").read_text().splitlines()[0])["train/loss"]


def check(program: str, family: str, targets: list[str], work: pathlib.Path) -> list[tuple[str, float]]:
    model = work / "base"
    base(model, family)
    found = []

    # Ours to PEFT.
    ours = train(program, model, work / "ours", 3, {"rank": 4, "alpha": 6.0, "targets": targets})
    loaded = peft.PeftModel.from_pretrained(plain(model), ours)
    run(program, "merge", ours, "--out", work / "merged")
    of_peft = logits(loaded)
    moved = (of_peft - logits(plain(model))).abs().max().item()
    if moved < 0.01:
        sys.exit(f"{family}: the adapters do nothing ({moved})")
    found.append(("ours, merged by us", (of_peft - logits(plain(work / "merged"))).abs().max().item()))
    merged = loaded.merge_and_unload()
    found.append(("ours, merged by PEFT", (of_peft - logits(merged)).abs().max().item()))

    # PEFT to ours.
    torch.manual_seed(11)
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=3, lora_alpha=5, target_modules=targets, init_lora_weights=False)
    drawn = peft.get_peft_model(plain(model), config)
    with torch.no_grad():
        for name, parameter in drawn.named_parameters():
            if "lora_" in name:
                parameter.mul_(0.3)
    drawn.save_pretrained(work / "peft")
    of_peft = logits(drawn)
    run(program, "merge", work / "peft", "--out", work / "peft-merged")
    found.append(("PEFT's, merged by us", (of_peft - logits(plain(work / "peft-merged"))).abs().max().item()))
    drawn.merge_and_unload().save_pretrained(work / "by-peft")
    for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"]:
        if (model / name).exists():
            (work / "by-peft" / name).write_bytes((model / name).read_bytes())
    for name in ["peft", "by-peft"]:
        train(program, work / name, work / f"on-{name}", 1, None)
    found.append(("PEFT's, gone on from", abs(first_loss(work / "on-peft") - first_loss(work / "on-by-peft"))))
    return found


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    failed = False
    for family in FAMILIES:
        for targets in (TARGETS, ["q_proj", "v_proj"]):
            with tempfile.TemporaryDirectory() as work:
                for what, difference in check(sys.argv[1], family, targets, pathlib.Path(work)):
                    print(f"{family:6} {len(targets)} targets  {what:22} {difference:.1e}")
                    failed |= not difference <= LIMIT
    sys.exit(failed)


if __name__ == "__main__":
    main()
