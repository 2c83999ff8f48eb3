"""OpenRLHF: `--reward.remote_url …/real_rewards/openrlhf.py`, with the task's id as label (`--data.label_key`).

(OpenRLHF can also ask the service itself: `--reward.remote_url http://…/get_reward`. Older versions have `--remote_rm_url` and
`--label_key`.)
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from real_rewards.client import PARTS, RewardError, shared

# Fewer characters of a prompt than this may stand anywhere by chance.
SHORTEST = 16


def reward_func(
    queries: Sequence[str], prompts: Sequence[str], labels: Sequence[str | int], **_: Any
) -> dict[str, Any]:
    """Rewards, scores in [0, 1] and logs, as tensors.

    OpenRLHF cannot leave a sample out, so where one has no reward this raises `RewardError`.
    """
    answers = [answer_of(query, prompt) for query, prompt in zip(queries, prompts)]
    rewards = shared().score_all(answers, labels)
    if None in rewards:
        raise RewardError(f"{rewards.count(None)} of {len(rewards)} answers have no reward")
    column = _column()
    return {
        "rewards": column([found.reward for found in rewards]),
        "scores": column([found.score for found in rewards]),
        "extra_logs": {part: column([getattr(found, part) for found in rewards]) for part in PARTS},
    }


def answer_of(query: str, prompt: str) -> str:
    """What follows the prompt in a query.

    Both come from decoded tokens: special tokens may be gone from one of them, a long prompt is cut from the left, and letters may be
    composed in another way. So the longest end of the prompt that stands in the query counts.
    """
    query, prompt = (unicodedata.normalize("NFC", text) for text in (query, prompt))
    size = len(prompt)
    while size >= SHORTEST or size == len(prompt):
        end = prompt[len(prompt) - size :]
        _, found, answer = query.partition(end) if end else ("", True, query)
        if found:
            return answer
        size = size * 3 // 4
    raise ValueError(f"the query does not hold the end of its prompt: {prompt[-80:]!r}")


def _column() -> Any:
    """OpenRLHF wants tensors; where there is no torch there is no OpenRLHF either."""
    try:
        import torch
    except ImportError:
        return list
    return torch.tensor
