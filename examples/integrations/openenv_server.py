"""An OpenEnv environment (`pip install openenv-core ./clients/python`): `uvicorn openenv_server:app`.

An episode is one task: `reset(task="id")` gives its prompt, which `PROMPTS` names (JSON lines of `{"task", "prompt"}`), and the first
step, whose action is the model's answer, ends it. The reward is the rubric's, which asks `real reward serve` at `REAL_REWARD_URL`.
"""

import json
import os
import uuid
from typing import Any

from openenv.core.env_server import Action, Environment, Observation, State, create_app
from openenv.core.rubrics import Rubric
from real_rewards.openenv import score


class Answer(Action):
    text: str


class Seen(Observation):
    task: str = ""
    prompt: str = ""


class Hybrid(Rubric):
    """α·quality + (1-α)·function; no reward where none could be had."""

    def forward(self, action: Answer, observation: Seen) -> float | None:
        return score(action.text, observation.task)


class CodeEnvironment(Environment):
    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        super().__init__(rubric=Hybrid())
        with open(os.environ["PROMPTS"]) as file:
            self.prompts = {row["task"]: row["prompt"] for row in map(json.loads, file)}
        self.seen, self.current = Seen(), State()

    def reset(self, seed: int | None = None, episode_id: str | None = None, task: str | None = None, **_: Any) -> Seen:
        tasks = list(self.prompts)
        task = task or tasks[(seed or 0) % len(tasks)]
        self.current = State(episode_id=episode_id or str(uuid.uuid4()), step_count=0)
        self.seen = Seen(task=task, prompt=self.prompts[task])
        return self.seen

    def step(self, action: Answer, timeout_s: float | None = None, **_: Any) -> Seen:
        self.current.step_count += 1
        self.seen = self.seen.model_copy(update={"done": True, "reward": self.rubric(action, self.seen)})
        return self.seen

    @property
    def state(self) -> State:
        return self.current


app = create_app(CodeEnvironment, Answer, Seen, env_name="real")
