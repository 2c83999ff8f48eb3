"""Golden logits of small decoders: python3 make_architectures_golden.py > architectures.json

A restatement of the families' arithmetic in float64 numpy, one token and one head at a time, from the papers (RMSNorm, rotary
embedding with position interpolation, Llama 3.1's and YaRN's scaling, grouped queries, SwiGLU, norms of heads). Weights follow from
the tensors' names, so that no file of weights is needed: tests/architectures.rs makes the same.
"""

import json
import math
import sys
import zlib

import numpy as np

BASE = {
    "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "vocab_size": 37, "rms_norm_eps": 1e-5, "rope_theta": 500.0, "max_position_embeddings": 64, "hidden_act": "silu",
}  # fmt: skip
CONFIGS = {
    "qwen3": {"model_type": "qwen3", "head_dim": 8, "tie_word_embeddings": True},
    "qwen2 with a yarn": {
        "model_type": "qwen2", "tie_word_embeddings": True,
        "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16},
    },
    "mistral": {"model_type": "mistral", "tie_word_embeddings": False, "head_dim": 10, "sliding_window": None},
    "llama, linear": {
        "model_type": "llama", "tie_word_embeddings": False, "rope_scaling": {"rope_type": "linear", "factor": 2.5},
    },
    "llama 3": {
        "model_type": "llama", "tie_word_embeddings": True, "head_dim": 12,
        "rope_scaling": {
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        },
    },
    "llama, yarn of transformers 5": {
        "model_type": "llama", "tie_word_embeddings": False, "head_dim": 12, "rope_theta": None,
        "rope_parameters": {
            "rope_type": "yarn", "rope_theta": 500.0, "factor": 3.0, "original_max_position_embeddings": 20,
            "beta_fast": 4.0, "beta_slow": 0.5, "attention_factor": 1.3,
        },
    },
}  # fmt: skip
TOKENS = [(7 * t * t + 3 * t + 1) % 37 for t in range(20)]
NEW = 24


def weight(name, *shape):
    """Numbers that depend on the name and the place alone, the larger the fewer columns; norms near 1."""
    seed = zlib.crc32(name.encode()) % 9973
    n = np.arange(math.prod(shape), dtype=np.float64)
    values = 2 * np.modf(np.abs(np.sin(n * 12.9898 + seed) * 4375.85453))[0] - 1
    if "norm" in name:
        return (1 + 0.3 * values).reshape(shape)
    return (values * (0.2 if "embed" in name else 3.0 / math.sqrt(shape[-1]))).reshape(shape)


def frequencies(config, width):
    scaling = config.get("rope_parameters") or config.get("rope_scaling") or {}
    theta = config.get("rope_theta") or scaling["rope_theta"]
    plain = [theta ** (-2 * i / width) for i in range(width // 2)]
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind == "default":
        return plain, 1.0
    factor = scaling["factor"]
    if kind == "linear":
        return [f / factor for f in plain], 1.0
    original = scaling["original_max_position_embeddings"]
    if kind == "llama3":
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]

        def scaled(f):
            wavelength = 2 * math.pi / f
            if wavelength < original / high:
                return f
            if wavelength > original / low:
                return f / factor
            smooth = (original / wavelength - low) / (high - low)
            return (1 - smooth) * f / factor + smooth * f

        return [scaled(f) for f in plain], 1.0

    def dimension(turns):
        return width * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(theta))

    low = max(math.floor(dimension(scaling.get("beta_fast", 32.0))), 0)
    high = min(math.ceil(dimension(scaling.get("beta_slow", 1.0))), width - 1)
    ramp = [min(max((i - low) / ((high - low) or 0.001), 0.0), 1.0) for i in range(width // 2)]
    attention = scaling.get("attention_factor", 0.1 * math.log(factor) + 1)
    return [f * (1 - r) + f / factor * r for f, r in zip(plain, ramp)], attention


def norm(x, scale, epsilon):
    return x / math.sqrt(float(x @ x) / len(x) + epsilon) * scale


def rotate(head, position, config):
    rates, factor = frequencies(config, len(head))
    half = len(head) // 2
    out = np.empty_like(head)
    for i, rate in enumerate(rates):
        c, s = factor * math.cos(position * rate), factor * math.sin(position * rate)
        out[i], out[i + half] = head[i] * c - head[i + half] * s, head[i + half] * c + head[i] * s
    return out


def logits(config, tokens):
    """Of every position, [T, V]."""
    hidden, epsilon = config["hidden_size"], config["rms_norm_eps"]
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    width = config.get("head_dim") or hidden // heads
    embedding = weight("model.embed_tokens.weight", config["vocab_size"], hidden)
    x = [embedding[t] for t in tokens]
    for layer in range(config["num_hidden_layers"]):

        def get(name, *shape, layer=layer):
            return weight(f"model.layers.{layer}.{name}", *shape)

        keys, values, queries = [], [], []
        for position, vector in enumerate(x):
            y = norm(vector, get("input_layernorm.weight", hidden), epsilon)
            for name, count, into in [("q", heads, queries), ("k", groups, keys), ("v", groups, values)]:
                projected = get(f"self_attn.{name}_proj.weight", count * width, hidden) @ y
                if config["model_type"] == "qwen2":
                    projected = projected + get(f"self_attn.{name}_proj.bias", count * width)
                parts = [projected[h * width : (h + 1) * width] for h in range(count)]
                if name != "v":
                    if config["model_type"] == "qwen3":
                        scale = get(f"self_attn.{name}_norm.weight", width)
                        parts = [norm(part, scale, epsilon) for part in parts]
                    parts = [rotate(part, position, config) for part in parts]
                into.append(parts)
        for position in range(len(x)):
            attended = []
            for h in range(heads):
                group = h // (heads // groups)
                scores = [queries[position][h] @ keys[s][group] / math.sqrt(width) for s in range(position + 1)]
                top = max(scores)
                shares = [math.exp(score - top) for score in scores]
                mixed = sum(share * values[s][group] for s, share in enumerate(shares)) / sum(shares)
                attended.append(mixed)
            after = x[position] + get("self_attn.o_proj.weight", hidden, heads * width) @ np.concatenate(attended)
            y = norm(after, get("post_attention_layernorm.weight", hidden), epsilon)
            wide = config["intermediate_size"]
            gate = get("mlp.gate_proj.weight", wide, hidden) @ y
            up = get("mlp.up_proj.weight", wide, hidden) @ y
            x[position] = after + get("mlp.down_proj.weight", hidden, wide) @ (gate / (1 + np.exp(-gate)) * up)
    last = weight("model.norm.weight", hidden)
    head = embedding if config["tie_word_embeddings"] else weight("lm_head.weight", config["vocab_size"], hidden)
    return np.array([head @ norm(vector, last, epsilon) for vector in x])


def main() -> None:
    out = {}
    for name, changes in CONFIGS.items():
        config = {key: value for key, value in {**BASE, **changes}.items() if value is not None}
        tokens = list(TOKENS[:8])
        for _ in range(NEW):
            tokens.append(int(logits(config, tokens)[-1].argmax()))
        out[name] = {
            "config": config, "tokens": TOKENS, "logits": logits(config, TOKENS).round(7).tolist(),
            "prompt": TOKENS[:8], "greedy": tokens[8:],
        }  # fmt: skip
    json.dump(out, sys.stdout, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
