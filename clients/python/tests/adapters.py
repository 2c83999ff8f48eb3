"""What an installed `real-rewards` gets from a real service; run by `tests/tests/python_client.rs`.

Standard input: `{"answers": [right and safe, right and injectable, no program], "task": id, "prompt": text}`.
"""

import json
import sys

from real_rewards import Client, RewardError, openrlhf, trl, verl


def raised(kind, do):
    try:
        do()
    except kind as error:
        return str(error)
    raise SystemExit(f"no {kind.__name__}")


case = json.load(sys.stdin)
answers, task, prompt = case["answers"], case["task"], case["prompt"]
tasks = [task] * len(answers)

scores = [verl.compute_score("any", answer, task, extra_info={"index": 1}) for answer in answers]
assert [score["score"] for score in scores] == [1.0, 0.5, -1.0], scores
assert [score["quality"] for score in scores] == [1.0, 0.0, 0.0], scores

assert all(set(score) == set(scores[0]) for score in scores), "verl takes the first answer's keys for all"


class Whole:
    """A whole number of a table's, as numpy has them."""

    def __index__(self):
        return int(task)


if task.isdecimal():
    assert verl.compute_score("any", answers[1], Whole(), reward_router_address=None) == scores[1]
assert "cannot be interpreted as an integer" in raised(TypeError, lambda: Client().score(answers[0], 1.5))

# As TRL calls it.
metrics, columns = {}, {}
given = {"prompts": [prompt] * 3, "completion_ids": [[1]] * 3, "trainer_state": object(), "environments": None}
given |= {"log_metric": metrics.__setitem__, "log_extra": columns.__setitem__}
assert trl.reward(completions=answers, task=tasks, **given) == [1.0, 0.5, -1.0]
assert metrics["real/quality"] == 1 / 3 and metrics["real/function"] == 2 / 3 and metrics["real/no_reward"] == 0, metrics
assert columns["quality"] == [1.0, 0.0, 0.0] and columns["no_code"] == [0.0, 0.0, 1.0], columns
chats = [[{"role": "assistant", "content": answer}] for answer in answers]
assert trl.function(completions=chats, task=tasks)[:2] == [1.0, 1.0]
parts = [[{"role": "assistant", "tool_calls": []}, {"role": "assistant", "content": [{"type": "text", "text": answer}]}] for answer in answers]
assert trl.reward(completions=[*parts, [{"role": "assistant", "content": None}]], task=[*tasks, task]) == [1.0, 0.5, -1.0, -1.0]

# A long prompt is cut from the left, and its accents are composed in another way than the query's.
cut = [prompt[10:].replace("\u00e9", "e\u0301") + answer for answer in answers]
found = openrlhf.reward_func(cut, ["<s>" + prompt] * 3, tasks)
assert list(found["rewards"]) == [1.0, 0.5, -1.0], found
assert list(found["scores"]) == [1.0, 0.5, 0.0], found
assert "does not hold the end" in raised(ValueError, lambda: openrlhf.answer_of("something else", prompt))

assert "'no such task'" in raised(ValueError, lambda: Client().score(answers[0], "no such task"))
assert "as many of each" in raised(ValueError, lambda: Client().score_all(answers, [task]))
gone = Client("http://127.0.0.1:9", attempts=2, pause=0)
assert "after 2 attempts" in raised(RewardError, lambda: gone.score(answers[0], task))
assert raised(RewardError, lambda: gone.score_all(answers, tasks))
print("all right")
