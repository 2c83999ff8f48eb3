"""Rewards of REAL for other trainers: an HTTP client of `real reward serve`, and adapters in the words of verl, TRL and OpenRLHF.

Needs nothing but Python. The service's address is `REAL_REWARD_URL`, or the client's first argument.
"""

from .client import Client, Reward, RewardError

__all__ = ["Client", "Reward", "RewardError"]
__version__ = "0.1.0"
