"""Golden vectors for estimators and losses without a critic: python3 make_estimator_golden.py > estimators.json

A restatement in plain float64 loops over answers and tokens. Formulas: the papers named at each function, with verl's
constants where a paper has none.
"""

import json
import math
import sys

import numpy as np

LENGTHS = [5, 2, 7, 3, 1, 6, 4]
GROUPS = [0, 0, 0, 1, 1, 1, 2]  # the last answer is alone
LENGTH, LONGEST = 7, 10
GAMMA = 0.93
LOW, HIGH, DUAL = 0.2, 0.28, 2.5
BETA = 0.03
ROWS = len(LENGTHS)


def tokens():
    return [(i, t) for i, n in enumerate(LENGTHS) for t in range(n)]


def matrix(of):
    out = np.zeros((ROWS, LENGTH))
    for i, t in tokens():
        out[i, t] = of(i, t)
    return out


def group(i):
    return [j for j in range(ROWS) if GROUPS[j] == GROUPS[i]]


def grpo(scores, scaled):
    """Shao et al. 2024, equation of A; Liu et al. 2025 without the deviation. Alone: nothing to compare with."""

    def advantage(i):
        mine = [scores[j] for j in group(i)]
        if len(mine) == 1:
            return 0.0
        mean = sum(mine) / len(mine)
        deviation = math.sqrt(sum((s - mean) ** 2 for s in mine) / (len(mine) - 1))
        return (scores[i] - mean) / (deviation + 1e-6) if scaled else scores[i] - mean

    return matrix(lambda i, t: advantage(i))


def rloo(scores):
    """Ahmadian et al. 2024: the mean of the others is the baseline."""

    def advantage(i):
        others = [scores[j] for j in group(i) if j != i]
        return scores[i] - sum(others) / len(others) if others else 0.0

    return matrix(lambda i, t: advantage(i))


def returns(rewards, gamma):
    return matrix(lambda i, t: sum(gamma ** (s - t) * rewards[i, s] for s in range(t, LENGTHS[i])))


def whitened(values):
    """REINFORCE++ (Hu 2025): returns normalised over all tokens of the batch."""
    all_values = [values[i, t] for i, t in tokens()]
    mean = sum(all_values) / len(all_values)
    variance = sum((v - mean) ** 2 for v in all_values) / (len(all_values) - 1)
    return matrix(lambda i, t: (values[i, t] - mean) / math.sqrt(variance + 1e-8))


def policy(log_probs, old, advantages):
    """Clip with unequal bounds (Yu et al. 2025) and dual clip (Ye et al. 2020)."""

    def loss(i, t):
        ratio = math.exp(log_probs[i, t] - old[i, t])
        a = advantages[i, t]
        near = min(max(ratio, 1 - LOW), 1 + HIGH)
        surrogate = min(a * ratio, a * near)
        if a < 0:
            surrogate = max(surrogate, DUAL * a)
        return -surrogate

    return matrix(loss)


def k3(log_probs, reference):
    def divergence(i, t):
        d = reference[i, t] - log_probs[i, t]
        return math.exp(d) - d - 1

    return matrix(divergence)


def aggregates(losses):
    by_answer = [[losses[i, t] for t in range(n)] for i, n in enumerate(LENGTHS)]
    return {
        "tokenMean": sum(map(sum, by_answer)) / sum(LENGTHS),
        "sequenceMean": sum(sum(x) / len(x) for x in by_answer) / ROWS,
        "sequenceSum": sum(map(sum, by_answer)) / ROWS,
        "fixedLength": sum(sum(x) / LONGEST for x in by_answer) / ROWS,
    }


def main() -> None:
    draw = np.random.default_rng(11)
    mask = matrix(lambda i, t: 1.0)
    rewards = draw.normal(0, 0.1, (ROWS, LENGTH)) * mask
    for i, n in enumerate(LENGTHS):
        rewards[i, n - 1] += [1.0, -1.0, 0.5, 0.0, 0.25, 0.75, 1.0][i]
    greedy = [[0.4, -0.2, 0.9][g] for g in GROUPS]
    scores = [sum(rewards[i, t] for t in range(n)) for i, n in enumerate(LENGTHS)]
    old = -draw.exponential(1.0, (ROWS, LENGTH))
    log_probs = old + draw.normal(0, 0.7, (ROWS, LENGTH))
    reference = old + draw.normal(0, 0.5, (ROWS, LENGTH))
    advantages = grpo(scores, scaled=True)
    losses = policy(log_probs, old, advantages)
    divergence = k3(log_probs, reference)
    arrays = {
        "mask": mask, "rewards": rewards, "old": old, "log_probs": log_probs, "reference": reference,
        "grpo": advantages, "drGrpo": grpo(scores, scaled=False), "rloo": rloo(scores),
        "returns": returns(rewards, GAMMA), "reinforcePlusPlus": whitened(returns(rewards, GAMMA)),
        "remax": returns(rewards, 1.0) - matrix(lambda i, t: greedy[i]),
        "policy_loss": losses, "k3": divergence,
    }  # fmt: skip
    golden = {
        "lengths": LENGTHS, "groups": GROUPS, "longest": LONGEST, "greedy": greedy, "gamma": GAMMA, "low": LOW,
        "high": HIGH, "dual": DUAL, "beta": BETA, "aggregates": aggregates(losses),
        "with_kl": aggregates(losses + BETA * divergence),
        **{name: array.round(9).tolist() for name, array in arrays.items()},
    }  # fmt: skip
    json.dump(golden, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
