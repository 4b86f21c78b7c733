#!/usr/bin/env python3
"""torch_step.py: training steps of a BERT encoder in PyTorch, of the shapes that check.sh gives Souk.

The same work: token, position and type embeddings, post-norm layers with GELU and dropout 0.1, a masked-LM head over the
masked rows only, tied to the word table, AdamW. Sequences have equal lengths, so nothing is padded. Tokens a second are
printed for fp32, TF32 and bf16 autocast (on a CPU for fp32): the median of the steps, after warm-up.
"""
import argparse
import time

import torch
import torch.nn.functional as F
from torch import nn


class Layer(nn.Module):
    def __init__(self, hidden, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.up, self.down = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)
        self.norm1, self.norm2 = nn.LayerNorm(hidden, 1e-12), nn.LayerNorm(hidden, 1e-12)

    def attention(self, x):
        b, n, h = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, h // self.heads).permute(2, 0, 3, 1, 4)
        p = 0.1 if self.training else 0.0
        if hasattr(F, "scaled_dot_product_attention"):
            y = F.scaled_dot_product_attention(q, k, v, dropout_p=p)
        else:  # before PyTorch 2
            s = q @ k.transpose(-1, -2) / (h // self.heads) ** 0.5
            y = F.dropout(s.softmax(-1), p) @ v
        return self.out(y.transpose(1, 2).reshape(b, n, h))

    def forward(self, x):
        x = self.norm1(x + F.dropout(self.attention(x), 0.1, self.training))
        y = self.down(F.gelu(self.up(x), approximate="tanh"))
        return self.norm2(x + F.dropout(y, 0.1, self.training))


class Bert(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.words, self.positions = nn.Embedding(a.vocab, a.hidden), nn.Embedding(a.length, a.hidden)
        self.types, self.norm = nn.Embedding(2, a.hidden), nn.LayerNorm(a.hidden, 1e-12)
        self.layers = nn.ModuleList(Layer(a.hidden, a.heads) for _ in range(a.layers))
        self.transform, self.head_norm = nn.Linear(a.hidden, a.hidden), nn.LayerNorm(a.hidden, 1e-12)
        self.bias = nn.Parameter(torch.zeros(a.vocab))

    def forward(self, ids, rows, labels):
        at = torch.arange(ids.shape[1], device=ids.device)
        x = self.words(ids) + self.positions(at) + self.types(torch.zeros_like(ids))
        x = F.dropout(self.norm(x), 0.1, self.training)
        for layer in self.layers:
            x = layer(x)
        x = x.reshape(-1, x.shape[-1])[rows]
        x = self.head_norm(F.gelu(self.transform(x), approximate="tanh"))
        return F.cross_entropy(F.linear(x, self.words.weight, self.bias).float(), labels)


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def rate(a, device, tf32, bf16):
    """Tokens a second, or why there is none."""
    torch.manual_seed(1)
    torch.backends.cuda.matmul.allow_tf32 = tf32
    model = Bert(a).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, **({"fused": True} if device == "cuda" else {}))
    tokens = a.sequences * a.length
    masked = max(1, int(tokens * a.masked))
    seconds, warm_up = [], 3
    for step in range(warm_up + a.steps):
        ids = torch.randint(a.vocab, (a.sequences, a.length), device=device)
        rows = torch.randperm(tokens, device=device)[:masked]
        labels = torch.randint(a.vocab, (masked,), device=device)
        wait(device)
        began = time.perf_counter()
        with torch.autocast(device, dtype=torch.bfloat16, enabled=bf16):
            loss = model(ids, rows, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        wait(device)
        if step >= warm_up:
            seconds.append(time.perf_counter() - began)
    if not torch.isfinite(loss):
        raise SystemExit("torch_step: the loss is not finite")
    return tokens / sorted(seconds)[len(seconds) // 2]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("hidden", "layers", "heads", "vocab", "length", "sequences", "steps"):
        p.add_argument("--" + name, type=int, required=True)
    p.add_argument("--masked", type=float, required=True)
    a = p.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print("PyTorch", torch.__version__, torch.cuda.get_device_name() if device == "cuda" else "on the CPU")
    rates = []
    for name, tf32, bf16 in (("fp32", False, False), ("tf32", True, False), ("bf16", True, True)):
        if device == "cpu" and name != "fp32":
            continue
        rates.append("%s %.0f" % (name, rate(a, device, tf32, bf16)))
        print(rates[-1], "tokens/s", flush=True)
    print("tokens/s:", ", ".join(rates))


if __name__ == "__main__":
    main()
