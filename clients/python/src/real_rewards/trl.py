"""TRL: `GRPOTrainer(reward_funcs=[real_rewards.trl.reward], …)`, with the task's id in the data set's column `task`.

A sample without a reward is `None`, which TRL leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from real_rewards.client import Reward, shared

Completion = str | list[dict[str, Any]]


def reward(completions: Sequence[Completion], task: Sequence[str | int], **_: Any) -> list[float | None]:
    """The reward."""
    return _each(completions, task, "reward")


def quality(completions: Sequence[Completion], task: Sequence[str | int], **_: Any) -> list[float | None]:
    """1 where the program is clean, for trainers that weigh the parts on their own."""
    return _each(completions, task, "quality")


def function(completions: Sequence[Completion], task: Sequence[str | int], **_: Any) -> list[float | None]:
    """Share of functional tests passed."""
    return _each(completions, task, "function")


def _each(completions: Sequence[Completion], tasks: Sequence[str | int], part: str) -> list[float | None]:
    rewards: list[Reward | None] = shared().score_all([_text(completion) for completion in completions], tasks)
    return [None if found is None else getattr(found, part) for found in rewards]


def _text(completion: Completion) -> str:
    """A completion is text, or the messages of a conversation, whose content is text, parts with text, or nothing beside a tool call."""
    if isinstance(completion, str):
        return completion
    return "".join(_content(message.get("content")) for message in completion if message.get("role") == "assistant")


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content or ())
