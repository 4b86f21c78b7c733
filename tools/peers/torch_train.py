"""torch_train.py CONFIG.json: PyTorch's side of bench_train.py, a worker that takes its orders a line at a time on stdin.

The model is Souk's (BERT with a masked-LM head over the items), its first weights and its batches are those of a run of Souk, and
it is written as one who knows PyTorch would: sequences padded to the model's length, scaled_dot_product_attention, the head on the
masked rows only, fused AdamW. Variants:
  eager     as it is
  compile   torch.compile of forward and loss, and so of the backward pass; batches are padded to one size, or it would compile anew.
            Of a deep model embeddings, layers and head are compiled apart, which compiles the code of all layers once
  sparse    the gradient of the item table holds the rows of the batch only, which SparseAdam updates (with sampled losses)

"check N" answers with the losses of N steps, "steps N" with the tokens and the seconds of each of N steps, "memory" with the peak of
resident memory in MiB, less what the CUDA libraries take, which PyPI's package brings along.
"""
import json
import re
import sys
import time

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


DEEP = 4  # layers


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c["hidden"]
        self.heads, self.dropout, self.attention_dropout = c["heads"], c["dropout"], c["attention_dropout"]
        self.qkv, self.out = nn.Linear(h, 3 * h), nn.Linear(h, h)
        self.up, self.down = nn.Linear(h, 4 * h), nn.Linear(4 * h, h)
        self.norm1, self.norm2 = nn.LayerNorm(h, 1e-12), nn.LayerNorm(h, 1e-12)

    def forward(self, x, mask):
        b, n, h = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, h // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=self.attention_dropout)
        y = self.out(y.transpose(1, 2).reshape(b, n, h))
        x = self.norm1(x + F.dropout(y, self.dropout))
        y = self.down(F.gelu(self.up(x), approximate="tanh"))
        return self.norm2(x + F.dropout(y, self.dropout))


class Bert(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c["hidden"]
        self.dropout, self.class_base, self.sparse = c["dropout"], c["class_base"], c["variant"] == "sparse"
        self.words, self.positions = nn.Embedding(c["vocab"], h, sparse=self.sparse), nn.Embedding(c["length"], h)
        self.types, self.norm = nn.Embedding(c["types"], h), nn.LayerNorm(h, 1e-12)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["layers"]))
        self.transform, self.head_norm = nn.Linear(h, h), nn.LayerNorm(h, 1e-12)
        self.bias = nn.Parameter(torch.zeros(c["vocab"]))

    def items(self, ids):
        """Rows of the item table, with a gradient of those rows only where it is sparse."""
        return F.embedding(ids, self.words.weight, sparse=self.sparse)

    def losses(self, x, b):
        """The negative log-likelihood of each masked row: over all items, or over its label and the batch's negatives."""
        if "negatives" not in b:
            logits = F.linear(x, self.words.weight[self.class_base :], self.bias[self.class_base :])
            return F.cross_entropy(logits, b["labels"] - self.class_base, reduction="none")
        label = (x * self.items(b["labels"])).sum(-1) + self.bias[b["labels"]] - b["label_logq"]
        others = F.linear(x, self.items(b["negatives"]), self.bias[b["negatives"]] - b["negative_logq"])
        others = others.masked_fill(b["negatives"] == b["labels"][:, None], -torch.inf)
        return torch.logsumexp(torch.cat([label[:, None], others], 1), 1) - label

    def embed(self, b):
        x = self.words(b["ids"]) + self.positions(b["positions"]) + self.types(b["types"])
        return F.dropout(self.norm(x), self.dropout)

    def head(self, x, b):
        x = x.reshape(-1, x.shape[-1])[b["rows"]]
        x = self.head_norm(F.gelu(self.transform(x), approximate="tanh"))
        return (self.losses(x, b) * b["weights"]).sum() / b["weights"].sum()

    def forward(self, b):
        x = self.embed(b)
        for layer in self.layers:
            x = layer(x, b.get("mask"))
        return self.head(x, b)

    def compiled(self):
        if len(self.layers) <= DEEP:
            return torch.compile(self, dynamic=False)
        self.embed, self.head = torch.compile(self.embed, dynamic=False), torch.compile(self.head, dynamic=False)
        for layer in self.layers:
            layer.compile(dynamic=False)
        return self


# ---- what Souk hands over -------------------------------------------------------------------------------------


def load(model, path):
    """Weights of Souk's model.h5, whose names are Hugging Face's (q, k and v are one matrix)."""
    with h5py.File(path) as f:

        def of(name):
            return torch.from_numpy(f[name][()])

        def linear(to, name):
            to.weight.data.copy_(of(name + ".weight").view_as(to.weight))
            to.bias.data.copy_(of(name + ".bias"))

        bert, head = "bert.embeddings.", "cls.predictions."
        model.words.weight.data.copy_(of(bert + "word_embeddings.weight"))
        model.positions.weight.data.copy_(of(bert + "position_embeddings.weight"))
        model.types.weight.data.copy_(of(bert + "token_type_embeddings.weight"))
        linear(model.norm, bert + "LayerNorm")
        for i, to in enumerate(model.layers):
            at = f"bert.encoder.layer.{i}."
            linear(to.qkv, at + "attention.self.qkv")
            linear(to.out, at + "attention.output.dense")
            linear(to.norm1, at + "attention.output.LayerNorm")
            linear(to.up, at + "intermediate.dense")
            linear(to.down, at + "output.dense")
            linear(to.norm2, at + "output.LayerNorm")
        linear(model.transform, head + "transform.dense")
        linear(model.head_norm, head + "transform.LayerNorm")
        model.bias.data.copy_(of(head + "bias"))


def padded(values, seqs, at, length):
    """[T] of all sequences end to end -> [B, length], zeros behind each."""
    out = torch.zeros(seqs, length, dtype=torch.long)
    out.view(-1)[at] = torch.from_numpy(values.astype(np.int64))
    return out


def extended(x, n):
    return torch.cat([x, x.new_zeros(n - len(x))]) if n > len(x) else x


def collate(f, length, seqs, masked):
    """A batch of Souk's as PyTorch's users have it, of at least `seqs` sequences and `masked` rows (those added weigh nothing)."""
    lengths = np.diff(f["cu_seqlens"][()])
    seqs = max(seqs, len(lengths))
    of = np.repeat(np.arange(len(lengths)), lengths)
    within = np.arange(len(of)) - f["cu_seqlens"][()][of]
    at = torch.from_numpy(of * length + within)
    n = max(masked, len(f["masked"]))
    b = {name: padded(f[name][()], seqs, at, length) for name in ("ids", "types", "positions")}
    b["rows"] = extended(at[torch.from_numpy(f["masked"][()].astype(np.int64))], n)
    b["labels"] = extended(torch.from_numpy(f["labels"][()].astype(np.int64)), n)
    b["labels"][len(f["masked"]) :] = b["labels"][0]
    b["weights"] = extended(torch.from_numpy(f["weights"][()]), n)
    if len(f["negatives"]) > 0:
        b["negatives"] = torch.from_numpy(f["negatives"][()].astype(np.int64))
        b["negative_logq"] = torch.from_numpy(f["negative_logq"][()])
        b["label_logq"] = extended(torch.from_numpy(f["label_logq"][()]), n)
    if at.numel() < seqs * length:
        live = torch.zeros(seqs, length, dtype=torch.bool)
        live.view(-1)[at] = True
        live[len(lengths) :, 0] = True  # a row of attention must not be empty
        b["mask"] = live[:, None, None, :]
    return b, int(lengths.sum())


def read_batches(path, length, same_size):
    with h5py.File(path) as f:
        groups = [f[f"step-{i}/micro-0"] for i in range(len(f))]
        seqs = max(len(g["seq_ids"]) for g in groups) if same_size else 0
        masked = max(len(g["masked"]) for g in groups) if same_size else 0
        return [collate(g, length, seqs, masked) for g in groups]


# ---- steps ----------------------------------------------------------------------------------------------------


class Trainer:
    def __init__(self, c):
        self.model = Bert(c).train()
        load(self.model, c["weights"])
        decayed = [p for p in self.model.parameters() if p.dim() > 1 and not (c["variant"] == "sparse" and p is self.model.words.weight)]
        plain = [p for p in self.model.parameters() if p.dim() == 1]
        groups = [{"params": decayed, "weight_decay": c["weight_decay"]}, {"params": plain, "weight_decay": 0.0}]
        self.optimizers = [torch.optim.AdamW(groups, lr=c["lr"], fused=True)]
        if c["variant"] == "sparse":
            self.optimizers.append(torch.optim.SparseAdam([self.model.words.weight], lr=c["lr"]))
        self.loss = self.model.compiled() if c["variant"] == "compile" else self.model
        self.batches = read_batches(c["batches"], c["length"], c["variant"] == "compile")
        self.at = 0

    def clip(self):
        """Bounds the gradient's norm by 1; clip_grad_norm_ knows no sparse gradients."""
        table = self.model.words.weight
        if not table.grad.is_sparse:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            return
        table.grad = table.grad.coalesce()
        grads = [p.grad for p in self.model.parameters() if p is not table] + [table.grad._values()]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
        torch._foreach_mul_(grads, torch.clamp(1.0 / (norm + 1e-6), max=1.0))

    def step(self):
        b, _ = self.batches[self.at % len(self.batches)]
        self.at += 1
        loss = self.loss(b)
        loss.backward()
        self.clip()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    def timed_step(self):
        tokens = self.batches[self.at % len(self.batches)][1]
        start = time.perf_counter()
        if not np.isfinite(self.step()):
            sys.exit("the loss is not finite")
        return tokens, time.perf_counter() - start


def memory():
    """Peak MiB of this process without the pages of the CUDA libraries, which do nothing here."""
    with open("/proc/self/status") as f:
        peak = next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))
    cuda, name = 0, ""
    with open("/proc/self/smaps") as f:
        for line in f:
            begin = re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+\s*(.*)", line)
            if begin:
                name = begin.group(1)
            elif line.startswith("Rss:") and re.search(r"/nvidia/|libtorch_cuda|libc10_cuda", name):
                cuda += int(line.split()[1])
    return (peak - cuda) / 1024


def main():
    with open(sys.argv[1]) as f:
        c = json.load(f)
    torch.manual_seed(1)
    torch.set_num_threads(c["threads"])
    trainer = Trainer(c)
    for line in sys.stdin:
        order, n = (line.split() + ["0"])[:2]
        if order == "check":
            answer = [trainer.step() for _ in range(int(n))]
        elif order == "steps":
            answer = [trainer.timed_step() for _ in range(int(n))]
        else:
            answer = memory()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
