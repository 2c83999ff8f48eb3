"""TRL: `GRPOTrainer(reward_funcs=[real_rewards.trl.reward], …)`, with the task's id in the data set's column `task`.

A sample without a reward is `None`, which TRL leaves out. `reward` logs what it is made of, where the trainer lets it.
`quality` and `function` are for trainers that weigh the parts on their own: each has the answers judged once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from real_rewards.client import PARTS, Reward, shared

Completion = str | list[dict[str, Any]]


def reward(
    completions: Sequence[Completion],
    task: Sequence[str | int],
    *,
    log_metric: Callable[[str, float], None] | None = None,
    log_extra: Callable[[str, list[Any]], None] | None = None,
    **_: Any,
) -> list[float | None]:
    """The reward. Logs the means of its parts and the share without one as `real/…`, and the parts beside the completions."""
    found = _judged(completions, task)
    known = [one for one in found if one is not None]
    for part in PARTS:
        if log_metric is not None and known:
            log_metric(f"real/{part}", sum(getattr(one, part) for one in known) / len(known))
        if log_extra is not None:
            log_extra(part, [None if one is None else getattr(one, part) for one in found])
    if log_metric is not None and found:
        log_metric("real/no_reward", 1 - len(known) / len(found))
    return [None if one is None else one.reward for one in found]


def quality(completions: Sequence[Completion], task: Sequence[str | int], **_: Any) -> list[float | None]:
    """1 where the program is clean."""
    return [None if one is None else one.quality for one in _judged(completions, task)]


def function(completions: Sequence[Completion], task: Sequence[str | int], **_: Any) -> list[float | None]:
    """Share of functional tests passed."""
    return [None if one is None else one.function for one in _judged(completions, task)]


def _judged(completions: Sequence[Completion], tasks: Sequence[str | int]) -> list[Reward | None]:
    return shared().score_all([_text(completion) for completion in completions], tasks)


def _text(completion: Completion) -> str:
    """A completion is text, or the messages of a conversation, whose content is text, parts with text, or nothing beside a tool call."""
    if isinstance(completion, str):
        return completion
    return "".join(_content(message.get("content")) for message in completion if message.get("role") == "assistant")


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content or ())
