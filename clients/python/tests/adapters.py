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

assert trl.reward(completions=answers, task=tasks, prompts=[prompt] * 3, completion_ids=[[1]] * 3) == [1.0, 0.5, -1.0]
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
