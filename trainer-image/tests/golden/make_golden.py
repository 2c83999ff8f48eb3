#!/usr/bin/env python3
"""Writes the expected values of tests/golden.rs, computed by PyTorch and transformers.

usage: make_golden.py            (writes beside itself; needs torch, transformers and tokenizers)

For each tiny architecture a folder as transformers saves it, and golden.json: logits under padding on either side, a
greedy continuation, log-probabilities with entropies, and losses and gradient norms of AdamW steps.
"""
import json
import pathlib

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch.nn.functional import cross_entropy

HERE = pathlib.Path(__file__).parent
SIZES = dict(
    vocab_size=61, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=128, initializer_range=0.2, bos_token_id=1, eos_token_id=2, pad_token_id=0,
)
MODELS = {
    "qwen2": lambda: transformers.Qwen2ForCausalLM(
        transformers.Qwen2Config(**SIZES, tie_word_embeddings=True, rope_theta=1e6, use_sliding_window=False)
    ),
    "llama": lambda: transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**{**SIZES, "num_key_value_heads": 1}, tie_word_embeddings=False, rms_norm_eps=1e-5, head_dim=6)
    ),
}
TEMPLATE = (
    "{% if messages[0]['role'] == 'system' %}\n{{- '<s> ' + messages[0]['content'].strip() }}\n"
    "    {%- set rest = messages[1:] %}\n{%- else %}\n{{- '<s>' }}\n    {%- set rest = messages %}\n{%- endif %}\n"
    "{%- for m in rest %}\n    {%- if m.role not in ['user', 'assistant'] %}\n"
    "        {{- raise_exception('unknown role ' + m.role) }}\n    {%- endif %}\n"
    "    {{- ' ' + m.role + ' ' + m.content | trim + (eos_token if not loop.last else '') }}\n{%- endfor %}\n"
    "{%- if add_generation_prompt %}{{ ' assistant' }}{% endif %}"
)
CHAT = [{"role": "system", "content": " be brief "}, {"role": "user", "content": "add one "}]


def batch(side: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Three rows of 9, 4 and 6 tokens, padded on a side."""
    ids = torch.zeros(3, 9, dtype=torch.long)
    mask = torch.zeros(3, 9, dtype=torch.long)
    for row, length in enumerate([9, 4, 6]):
        where = slice(0, length) if side == "right" else slice(9 - length, 9)
        ids[row, where] = torch.randint(3, 61, (length,), generator=torch.Generator().manual_seed(row))
        mask[row, where] = 1
    return ids, mask


def forward(model: torch.nn.Module, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return model(input_ids=ids, attention_mask=mask, position_ids=positions).logits


def expected(name: str) -> dict[str, object]:
    torch.manual_seed(7)
    model = MODELS[name]().float().eval()
    for parameter_name, parameter in model.named_parameters():  # norms and biases start at constants: make them matter
        if "norm" in parameter_name or "bias" in parameter_name:
            parameter.data += 0.3 * torch.randn_like(parameter)
    model.save_pretrained(HERE / name)
    out: dict[str, object] = {}
    with torch.no_grad():
        for side in ["right", "left"]:
            ids, mask = batch(side)
            logits = forward(model, ids, mask) * mask.unsqueeze(-1)
            out[side] = dict(ids=ids.tolist(), mask=mask.tolist(), logits=logits.tolist())
        ids, _ = batch("right")
        prompts = [ids[0, :9], ids[1, :4], ids[2, :6]]
        out["prompts"] = [p.tolist() for p in prompts]
        out["greedy"] = [model.generate(p[None], max_new_tokens=24, do_sample=False)[0, len(p):].tolist() for p in prompts]
        logits = forward(model, ids[:1], torch.ones(1, 9, dtype=torch.long))[0, :-1] / 0.7
        log_probs = logits.log_softmax(-1)
        out["temperature"] = 0.7
        out["log_probs"] = log_probs.gather(1, ids[0, 1:, None])[:, 0].tolist()
        out["entropies"] = torch.distributions.Categorical(logits=logits).entropy().tolist()
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, betas=(0.9, 0.98), weight_decay=0.1)
    ids, mask = batch("right")
    losses, norms = [], []
    for _ in range(4):
        targets = ids[:, 1:].masked_fill(mask[:, 1:] == 0, -100)
        loss = cross_entropy(forward(model, ids, mask)[:, :-1].flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
        optimizer.step()
        losses.append(loss.item())
    out["losses"], out["grad_norms"] = losses, norms
    return out


def chat() -> dict[str, object]:
    """A word-level tokenizer with a chat template that uses what real templates use."""
    words = ["<pad>", "<s>", "</s>", "<unk>", "be", "brief", "user", "assistant", "add", "one"]
    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>", chat_template=TEMPLATE
    )
    tokenizer.save_pretrained(HERE / "tokenizer")
    text = tokenizer.apply_chat_template(CHAT, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return dict(messages=CHAT, text=text, ids=ids, decoded=tokenizer.decode(ids, skip_special_tokens=True))


if __name__ == "__main__":
    values = {name: expected(name) for name in MODELS}
    values["chat"] = chat()
    values["versions"] = dict(torch=torch.__version__, transformers=transformers.__version__)
    rounded = json.loads(json.dumps(values), parse_float=lambda x: round(float(x), 7))
    (HERE / "golden.json").write_text(json.dumps(rounded, separators=(",", ":")) + "\n")
