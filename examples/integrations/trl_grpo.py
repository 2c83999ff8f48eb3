"""GRPO by TRL with rewards of `real reward serve` (`pip install trl ./clients/python`; its address is in `REAL_REWARD_URL`).

The data set needs the columns `prompt` and `task` (the task's id). A sample without a reward is left out by TRL.
"""

import sys

from real_rewards.trl import function, quality, reward
from trl import GRPOConfig, GRPOTrainer

from datasets import load_dataset

model, data, output = sys.argv[1:4]
trainer = GRPOTrainer(
    model=model,
    # The weights make `quality` and `function` lines of the log and nothing of the reward.
    reward_funcs=[reward, quality, function],
    args=GRPOConfig(output_dir=output, reward_weights=[1.0, 0.0, 0.0], num_generations=8, max_completion_length=512),
    train_dataset=load_dataset("json", data_files=data, split="train"),
)
trainer.train()
