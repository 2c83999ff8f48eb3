"""OpenRLHF's own client, as PyPI has it, gets its rewards from a real service by both of its ways; run by `tests/tests/python_client.rs`.

Standard input: `{"answers": [right and safe, right and injectable, no program], "task": id, "prompt": text}`.
"""

import asyncio
import importlib.util
import json
import logging
import os
import sys
import types

# It logs to standard output.
logging.disable(logging.CRITICAL)
# The module needs aiohttp; what stands in its package's `__init__` needs torch, and is not run.
(root,) = importlib.util.find_spec("openrlhf").submodule_search_locations
sys.modules["openrlhf.utils"] = types.ModuleType("openrlhf.utils")
sys.modules["openrlhf.utils"].__path__ = [f"{root}/utils"]

from openrlhf.utils.agent import SingleTurnAgentExecutor  # noqa: E402

case = json.load(sys.stdin)
# What its tokenizer makes of the tokens again.
queries = [f"<s>{case['prompt']}{answer}</s>" for answer in case["answers"]]
prompts, labels = [case["prompt"]] * len(queries), [case["task"]] * len(queries)


async def rewards(address, name):
    """One request an answer, as its rollouts send them."""
    fetch = getattr(SingleTurnAgentExecutor(address), name)
    found = [await fetch([query], [prompt], [label]) for query, prompt, label in zip(queries, prompts, labels)]
    assert all({"rewards", "scores", "extra_logs"} <= set(parts) for (parts,) in found), found
    return [float(parts["rewards"][0]) for (parts,) in found]


async def main():
    url = os.environ["REAL_REWARD_URL"] + "/get_reward"
    assert await rewards(url, "_fetch_rewards_via_http") == [1.0, 0.5, -1.0]
    replicas = SingleTurnAgentExecutor([url, url])
    shards = await replicas._fetch_rewards_via_http(queries, prompts, labels)
    assert [reward for parts in shards for reward in parts["rewards"]] == [1.0, 0.5, -1.0], shards
    adapter = importlib.util.find_spec("real_rewards.openrlhf").origin
    assert await rewards(adapter, "_fetch_rewards_via_func") == [1.0, 0.5, -1.0]


asyncio.run(main())
print("all right")
