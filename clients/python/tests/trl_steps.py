"""Two steps of TRL's own `GRPOTrainer` on the CPU, with rewards of a real service: a model of random weights that is made here.

On standard input a task and its prompt, as for `adapters.py`. Such a model writes no program, so every reward is the penalty.
"""

import json
import math
import sys
import tempfile

import torch
from real_rewards.trl import function, quality, reward
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, PrinterCallback, Qwen2Config, Qwen2ForCausalLM
from trl import GRPOConfig, GRPOTrainer

from datasets import Dataset

STEPS = 2
case = json.load(sys.stdin)
end = "<end>"
# Bytes are all the words it has: nothing is downloaded.
words = {word: number for number, word in enumerate([end, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
letters = Tokenizer(models.BPE(vocab=words, merges=[]))
letters.pre_tokenizer, letters.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=letters, eos_token=end, pad_token=end, padding_side="left")
torch.manual_seed(1)
sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
model = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(words), eos_token_id=0, pad_token_id=0, **sizes))

with tempfile.TemporaryDirectory() as output:
    trainer = GRPOTrainer(
        model=model,
        processing_class=tokenizer,
        reward_funcs=[reward, quality, function],
        args=GRPOConfig(
            output_dir=output,
            reward_weights=[1.0, 0.0, 0.0],
            per_device_train_batch_size=4,
            num_generations=4,
            max_completion_length=8,
            max_steps=STEPS,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
        ),
        train_dataset=Dataset.from_list([{"prompt": case["prompt"], "task": case["task"]}] * 4),
    )
    # What is printed is for whoever runs this.
    trainer.remove_callback(PrinterCallback)
    trainer.train()

steps = [line for line in trainer.state.log_history if "reward" in line]
assert len(steps) == STEPS, trainer.state.log_history
for step in steps:
    assert step["rewards/reward/mean"] == step["reward"] == -1, step
    assert math.isfinite(step["loss"]), step
    assert (step["real/no_code"], step["real/no_reward"]) == (1, 0), step
    assert step["rewards/quality/mean"] in (0, 1) and step["rewards/function/mean"] == 0, step
assert all(torch.isfinite(weight).all() for weight in model.parameters())
sys.stdout.write("all right\n")
