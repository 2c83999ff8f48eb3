"""What trainers send to `real reward serve`, whose address is `REAL_REWARD_URL`, in the words of each.

Standard input: `{"answers": [right and safe, right and injectable, no program], "task": id, "prompt": text}`.
"""

import json
import os
import sys
import urllib.error
import urllib.request

URL = os.environ["REAL_REWARD_URL"]


def post(route, body):
    request = urllib.request.Request(URL + route, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


case = json.load(sys.stdin)
answers, task, prompt = case["answers"], case["task"], case["prompt"]

# OpenRLHF, `--reward.remote_url http://…/get_reward`: a sample a request; the query is decoded from tokens, cut from the left.
for answer, reward in zip(answers, [1.0, 0.5, -1.0]):
    reply = post("/get_reward", {"query": [prompt[15:] + answer + "<|im_end|>"], "prompts": ["<s>" + prompt], "labels": [task]})
    assert reply["rewards"] == [reward] and reply["scores"] == [max(reward, 0)], reply
    assert reply["mask_sample"] == [False], reply
# One label that is wrong masks itself.
reply = post("/get_reward", {"query": [prompt + answer for answer in answers], "prompts": [prompt] * 3, "labels": [task, "?", task]})
assert reply["mask_sample"] == [False, True, False] and reply["extra_logs"]["masked"] == [0, 1, 0], reply
assert reply["rewards"] == [1.0, 0.0, -1.0], "the mean of the others"
assert post("/v1/rewards", {"query": [answers[0], ""], "prompts": ["", ""], "labels": [task, "?"]})["rewards"] == [1.0, None]
# What is odd about a sample is its own affair: half a surrogate pair, a table's gap for a label, what is no text or no id.
odd = {"query": [answers[0], answers[1] + "# \ud800", answers[0], 5, answers[0], answers[0]]}
odd |= {"prompts": ["", "", "", "", "", {}], "labels": [task, task, {"id": task}, task, float("nan"), task]}
reply = post("/v1/rewards", odd)
assert reply["rewards"] == [1.0, 0.5, None, None, None, None], reply
assert "its label is an object" in reply["reasons"][2] and "its text is the number 5" in reply["reasons"][3], reply

# NeMo Gym: the resources server's /verify gets the row with the model's response, and gives it back with the reward.
message = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": answers[0], "annotations": []}]}
row = {
    "responses_create_params": {"input": [{"role": "user", "content": prompt}]},
    "response": {"id": "r", "object": "response", "output": [{"type": "reasoning", "summary": []}, message]},
    "verifier_metadata": {"task": task},
}
reply = post("/verify", row)
assert (reply["reward"], reply["mask_sample"], reply["response"]) == (1.0, False, row["response"]), reply
assert post("/seed_session", {}) == {}
# A model that was cut off before it answered has not answered.
reply = post("/verify", {**row, "response": {"output": [{"type": "reasoning", "summary": []}]}})
assert (reply["reward"], reply["mask_sample"], reply["no_code"]) == (-1.0, False, 1.0), reply
try:
    post("/verify", {**row, "verifier_metadata": {"task": "?"}})
except urllib.error.HTTPError as error:
    assert error.code == 422 and "'?'" in error.read().decode()
else:
    raise SystemExit("a task that does not exist was judged")

# Reward servers as in SkyPilot's examples.
items = [{"prompt": prompt, "response": answer, "ground_truth": task} for answer in answers]
reply = post("/batch_reward", {"items": items})
assert [one["reward"] for one in reply["rewards"]] == [1.0, 0.5, -1.0], reply
assert [one["passed"] for one in reply["rewards"]] == [True, False, False] and reply["pass_rate"] == 1 / 3, reply
assert post("/reward", items[1])["reward"] == 0.5
reply = post("/batch_reward", {"items": [items[0], {**items[0], "response": None}, "?"]})
assert [one["masked"] for one in reply["rewards"]] == [False, True, True] and reply["mean_reward"] == 1.0, reply
with urllib.request.urlopen(URL + "/health") as health:
    assert json.load(health) == {"status": "healthy"}
print("all right")
