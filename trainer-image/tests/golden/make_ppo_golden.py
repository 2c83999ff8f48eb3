"""Golden vectors for the formulas of PPO: python3 make_ppo_golden.py > ppo.json

A restatement in float64 numpy, loops over single tokens instead of tensor operations wherever that is possible, so that
it shares no structure with the Rust code it checks. Formulas: newer verl's `core_algos.py` (masked GAE, dual clip).
"""

import json
import math
import sys

import numpy as np

ROWS, LENGTH = 5, 9
GAMMA, LAMBDA = 0.97, 0.9
CLIP, VALUE_CLIP, DUAL_CLIP = 0.2, 0.5, 3.0
KL_COEFFICIENT = 0.05
WEIGHT_CAP = 1.7


def clamp(x: float, low: float, high: float) -> float:
    return max(low, min(high, x))


def token_rewards(scores, log_probs, reference, lengths):
    rewards = np.zeros((ROWS, LENGTH))
    for i, n in enumerate(lengths):
        for t in range(n):
            rewards[i, t] = -KL_COEFFICIENT * (log_probs[i, t] - reference[i, t])
        rewards[i, n - 1] += scores[i]
    return rewards


def gae(rewards, values, lengths, gamma, lam):
    """Each row on its own, over its own tokens only."""
    advantages = np.zeros((ROWS, LENGTH))
    for i, n in enumerate(lengths):
        for t in range(n):
            advantages[i, t] = sum(
                (gamma * lam) ** (s - t)
                * (rewards[i, s] + gamma * (values[i, s + 1] if s + 1 < n else 0.0) - values[i, s])
                for s in range(t, n)
            )
    return advantages, advantages + values


def whiten(x, lengths):
    tokens = [x[i, t] for i, n in enumerate(lengths) for t in range(n)]
    mean = sum(tokens) / len(tokens)
    variance = sum((v - mean) ** 2 for v in tokens) / (len(tokens) - 1)
    return (x - mean) / math.sqrt(variance + 1e-8)


def policy(log_probs, old, advantages):
    loss = np.zeros((ROWS, LENGTH))
    clipped = np.zeros((ROWS, LENGTH))
    for i in range(ROWS):
        for t in range(LENGTH):
            ratio = math.exp(clamp(log_probs[i, t] - old[i, t], -20, 20))
            a = advantages[i, t]
            plain, near = -a * ratio, -a * clamp(ratio, 1 - CLIP, 1 + CLIP)
            clipped[i, t] = near > plain
            loss[i, t] = max(plain, near)
            if a < 0:
                loss[i, t] = min(-DUAL_CLIP * a, loss[i, t])
    return loss, clipped


def value(values, old, returns):
    loss = np.zeros((ROWS, LENGTH))
    for i in range(ROWS):
        for t in range(LENGTH):
            near = clamp(values[i, t], old[i, t] - VALUE_CLIP, old[i, t] + VALUE_CLIP)
            loss[i, t] = 0.5 * max((values[i, t] - returns[i, t]) ** 2, (near - returns[i, t]) ** 2)
    return loss


def truncated_weights(old, generated, lengths, by_sequence):
    """min(q/p, cap) of tokens or of whole answers: p by generation, q by training, the logarithm bounded by 20."""
    weights = np.zeros((ROWS, LENGTH))
    for i, n in enumerate(lengths):
        of_answer = sum(old[i, t] - generated[i, t] for t in range(n))
        for t in range(n):
            log_weight = of_answer if by_sequence else old[i, t] - generated[i, t]
            weights[i, t] = min(math.exp(clamp(log_weight, -20, 20)), WEIGHT_CAP)
    return weights


def kl_estimates(log_probs, reference):
    d = log_probs - reference
    log_ratio = np.clip(-d, -20, 20)
    return d, 0.5 * d * d, np.clip(np.exp(log_ratio) - log_ratio - 1, -10, 10)


def main() -> None:
    draw = np.random.default_rng(7)
    lengths = [9, 1, 4, 7, 2]
    mask = np.array([[float(t < n) for t in range(LENGTH)] for n in lengths])
    old = -draw.exponential(1.0, (ROWS, LENGTH))
    # Wide enough that each branch of the clips is taken, the dual clip and the bound of the exponent included.
    log_probs = old + draw.normal(0, 0.8, (ROWS, LENGTH))
    log_probs[0, 0] = old[0, 0] + 25.0
    reference = old + draw.normal(0, 0.5, (ROWS, LENGTH))
    reference[3, 3] = old[3, 3] + 30.0
    old_values = draw.normal(0, 1, (ROWS, LENGTH))
    values = old_values + draw.normal(0, 0.7, (ROWS, LENGTH))
    scores = np.array([1.0, -1.0, 0.5, 0.25, 0.0])

    generated = old + draw.normal(0, 0.4, (ROWS, LENGTH))
    generated[0, 2] = old[0, 2] - 25.0  # beyond the bound of the exponent
    generated[2, 1] = old[2, 1] + 25.0
    by_token = truncated_weights(old, generated, lengths, by_sequence=False)
    by_sequence = truncated_weights(old, generated, lengths, by_sequence=True)

    k1, k2, k3 = kl_estimates(old, reference)
    rewards = token_rewards(scores, old, reference, lengths)
    advantages, returns = gae(rewards, old_values, lengths, GAMMA, LAMBDA)
    undiscounted, _ = gae(rewards, old_values, lengths, 1.0, 1.0)
    whitened = whiten(advantages, lengths) * mask
    policy_loss, policy_clipped = policy(log_probs, old, whitened)
    value_loss = value(values, old_values, returns)
    arrays = {
        "mask": mask, "old": old, "log_probs": log_probs, "reference": reference, "old_values": old_values,
        "values": values, "k1": k1, "k2": k2, "k3": k3, "rewards": rewards, "advantages": advantages * mask,
        "undiscounted": undiscounted * mask, "returns": returns * mask, "whitened": whitened,
        "policy_loss": policy_loss * mask, "policy_clipped": policy_clipped * mask, "value_loss": value_loss * mask,
        "generated": generated, "weights_by_token": by_token, "weights_by_sequence": by_sequence,
        "policy_loss_weighted": policy_loss * by_token,
    }  # fmt: skip
    golden = {
        "gamma": GAMMA,
        "lambda": LAMBDA,
        "clip": CLIP,
        "value_clip": VALUE_CLIP,
        "kl_coefficient": KL_COEFFICIENT,
        "weight_cap": WEIGHT_CAP,
        "scores": scores.tolist(),
        "policy_mean": float((policy_loss * mask).sum() / mask.sum()),
        "value_mean": float((value_loss * mask).sum() / mask.sum()),
        **{name: array.round(9).tolist() for name, array in arrays.items()},
    }
    json.dump(golden, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
