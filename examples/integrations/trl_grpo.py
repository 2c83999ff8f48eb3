"""GRPO by TRL with rewards of `real reward serve` (`pip install trl ./clients/python`; its address is in `REAL_REWARD_URL`).

The data set needs the columns `prompt` and `task` (the task's id). A sample without a reward is left out by TRL.
"""

import sys

from real_rewards.trl import reward
from trl import GRPOConfig, GRPOTrainer

from datasets import load_dataset

model, data, output = sys.argv[1:4]
trainer = GRPOTrainer(
    model=model,
    # It logs its parts as `real/quality`, `real/function` and so on.
    reward_funcs=[reward],
    args=GRPOConfig(output_dir=output, num_generations=8, max_completion_length=512),
    train_dataset=load_dataset("json", data_files=data, split="train"),
)
trainer.train()
