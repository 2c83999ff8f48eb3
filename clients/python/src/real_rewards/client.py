"""A client of `real reward serve`, with the standard library alone."""

from __future__ import annotations

import json
import operator
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException

ADDRESS = "REAL_REWARD_URL"
# Statuses that say "not now".
BUSY = (429, 502, 503, 504)


class RewardError(Exception):
    """A reward that could not be had: it says nothing about the answer, so it must not become a number."""


@dataclass(frozen=True)
class Reward:
    """What one answer earns, and of what.

    `reward` is as configured (in the paper's profile -1 to 1), `score` the same cut to [0, 1]; `quality` is 1 where the program is
    clean; `function` the share of functional tests passed; `joint` 1 where both hold; `no_code` 1 where there is no program;
    `unanalysed` 1 where the program keeps itself from being analysed, for which it is not clean.
    """

    reward: float
    score: float
    quality: float
    function: float
    joint: float
    no_code: float
    unanalysed: float = 0.0


# The parts of a reward that trainers log.
PARTS = ("quality", "function", "joint", "no_code", "unanalysed")


class Client:
    """Asks one service. Safe to use from several threads.

    `timeout` is in seconds a request; a service that is busy, restarting or out of reach is asked `attempts` times, `pause` seconds
    apart at first, twice as long each time.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        timeout: float = 180.0,
        attempts: int = 5,
        pause: float = 1.0,
        concurrency: int = 16,
    ) -> None:
        url = url or os.environ.get(ADDRESS)
        if not url:
            raise ValueError(f"no service: set {ADDRESS} to the address that `real reward serve` prints, or give it as url")
        if attempts < 1 or concurrency < 1:
            raise ValueError(f"attempts: {attempts}, concurrency: {concurrency}; allowed is 1 or more")
        self.url = url.rstrip("/")
        self.timeout, self.attempts, self.pause, self.concurrency = timeout, attempts, pause, concurrency
        # The service is on this machine or network: a proxy for the internet has no part in it.
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def score(self, answer: str, task: str | int) -> Reward:
        """The reward of one answer to the task with this id (`id`, or `dataset/id`).

        Raises `ValueError` where the service refuses the request (no such task), `RewardError` where there is no reward.
        """
        # A table's whole numbers are no `int`s of Python's, and JSON has no word for them.
        label = task if isinstance(task, str) else operator.index(task)
        body = json.dumps({"query": [answer], "prompts": [""], "labels": [label]}).encode()
        reply = self._post(body)
        masked = reply.get("mask_sample")
        if masked and masked[0]:
            raise RewardError(f"{self.url} gives no reward: {reply['reasons'][0]}")
        try:
            logs = reply["extra_logs"]
            parts = {name: logs[name][0] for name in PARTS}
            return Reward(reward=reply["rewards"][0], score=reply["scores"][0], **parts)
        except (KeyError, IndexError, TypeError) as error:
            raise RewardError(f"{self.url} answers in another shape: {error!r}") from None

    def score_all(self, answers: Sequence[str], tasks: Sequence[str | int]) -> list[Reward | None]:
        """A reward for each answer, or nothing where it could not be had: one bad sample does not spoil the others.

        Raises `ValueError` as `score` does, and `RewardError` where no answer at all could be scored.
        """
        if len(answers) != len(tasks):
            raise ValueError(f"{len(answers)} answers and {len(tasks)} tasks; as many of each are needed")
        failures: list[RewardError] = []

        def one(answer: str, task: str | int) -> Reward | None:
            try:
                return self.score(answer, task)
            except RewardError as error:
                failures.append(error)
                return None

        with ThreadPoolExecutor(max_workers=self.concurrency) as pool:
            rewards = list(pool.map(one, answers, tasks))
        if failures and len(failures) == len(rewards):
            raise failures[0]
        return rewards

    def _post(self, body: bytes) -> dict:
        request = urllib.request.Request(
            f"{self.url}/v1/rewards", data=body, headers={"content-type": "application/json"}, method="POST"
        )
        why = ""
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(self.pause * 2 ** (attempt - 1))
            try:
                with self._open(request, timeout=self.timeout) as reply:
                    return json.load(reply)
            except urllib.error.HTTPError as error:
                with error:
                    why = f"HTTP {error.code}: {error.read(500).decode(errors='replace').strip()}"
                if error.code not in BUSY:
                    if 400 <= error.code < 500:
                        raise ValueError(f"{self.url} refuses: {why}") from None
                    break
            except (OSError, HTTPException, ValueError) as error:
                # No connection, an answer that broke off, or none of JSON.
                why = repr(error)
        raise RewardError(f"{self.url} gives no reward after {attempt + 1} attempts: {why}")


_shared: Client | None = None
_lock = threading.Lock()


def shared() -> Client:
    """The client that the adapters use: one a process, for the address in the environment."""
    global _shared
    with _lock:
        if _shared is None or _shared.url != os.environ.get(ADDRESS, "").rstrip("/"):
            _shared = Client()
        return _shared
