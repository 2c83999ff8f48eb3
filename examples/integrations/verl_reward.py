"""For verl: `reward.custom_reward_function.path=examples/integrations/verl_reward.py` (older versions without `reward.`).

The service's address is in `REAL_REWARD_URL`; `reward_model.ground_truth` of the data is the task's id.
"""

from real_rewards.verl import compute_score

__all__ = ["compute_score"]
