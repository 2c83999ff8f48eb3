"""OpenEnv: what a rubric's `forward` asks; a whole environment is `examples/integrations/openenv_server.py`."""

from __future__ import annotations

from real_rewards.client import RewardError, shared


def score(answer: str, task: str | int) -> float | None:
    """The reward of an answer, or nothing where it could not be had: OpenEnv's observations may have none."""
    try:
        return shared().score(answer, task).reward
    except RewardError:
        return None
