"""verl: `reward.custom_reward_function.path=…/real_rewards/verl.py`, `reward.custom_reward_function.name=compute_score` (older
versions without `reward.`).

The data's `reward_model.ground_truth` is the task's id; where several data sets share it, `dataset/id`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from real_rewards.client import shared


def compute_score(
    data_source: str, solution_str: str, ground_truth: str | int, extra_info: dict[str, Any] | None = None, **_: Any
) -> dict[str, float]:
    """The reward as `score`, its parts beside it, which verl logs.

    verl cannot leave a sample out, so where there is no reward this raises `RewardError`.
    """
    parts = asdict(shared().score(solution_str, ground_truth))
    return {"score": parts.pop("reward"), "clipped": parts.pop("score"), **parts}
