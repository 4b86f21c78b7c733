#!/usr/bin/env python3
"""Makes tests/golden/bert_*.bin: a small random BertForPreTraining, a batch, and what PyTorch computes for it.

usage: golden_bert.py OUTDIR      (needs torch and transformers; `make golden` runs it in the pinned environment)

The file is a list of named float32/int32 arrays: magic "SOUKGOLD", then for each array
  u32 name length, name, u32 type (0 float32, 1 int32), u32 dimensions, u64 sizes..., data (little-endian).
Dropout is off. The sequences are padded for Hugging Face and stored packed.
"""
import gzip
import struct
import sys

import numpy as np
import torch
from transformers import BertConfig, BertForPreTraining


def write(path, arrays):
    # gzip if its name says so, the same bytes each time
    with gzip.GzipFile(path, "wb", mtime=0) if path.endswith(".gz") else open(path, "wb") as f:
        f.write(b"SOUKGOLD")
        for name, a in arrays.items():
            a = np.ascontiguousarray(a)
            kind = {np.dtype("float32"): 0, np.dtype("int32"): 1}[a.dtype]
            f.write(struct.pack("<I", len(name)) + name.encode())
            f.write(struct.pack("<II", kind, a.ndim) + struct.pack(f"<{a.ndim}Q", *a.shape))
            f.write(a.astype(a.dtype.newbyteorder("<")).tobytes())


def make(path, hidden_act, seed):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    c = BertConfig(vocab_size=61, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40,
                   hidden_act=hidden_act, max_position_embeddings=40, type_vocab_size=2, hidden_dropout_prob=0.0,
                   attention_probs_dropout_prob=0.0, layer_norm_eps=1e-12, initializer_range=0.4)
    c._attn_implementation = "eager"
    m = BertForPreTraining(c).double().train()
    with torch.no_grad():  # biases and norms away from 0 and 1, so that their gradients are tested in general position
        for n, p in m.named_parameters():
            if p.ndim == 1:
                p.add_(torch.randn_like(p) * 0.1)
            p.copy_(p.float().double())
    lengths = [7, 1, 33, 12, 26]
    ids = np.zeros((len(lengths), max(lengths)), dtype=np.int64)
    types, mask, labels = np.zeros_like(ids), np.zeros_like(ids), np.full_like(ids, -100)
    for i, n in enumerate(lengths):
        ids[i, :n] = rng.integers(5, c.vocab_size, n)
        types[i, n // 2:n] = 1
        mask[i, :n] = 1
        chosen = rng.permutation(n)[:max(1, n // 5)]
        labels[i, chosen] = ids[i, chosen]
        ids[i, chosen] = 4
    nsp = np.array([0, 1, 1, 0, 1])
    t = torch.from_numpy
    out = m(input_ids=t(ids), token_type_ids=t(types), attention_mask=t(mask), output_hidden_states=True)
    ce = torch.nn.CrossEntropyLoss()
    mlm = ce(out.prediction_logits.reshape(-1, c.vocab_size), t(labels).reshape(-1))
    cls = ce(out.seq_relationship_logits, t(nsp))
    (mlm + cls).backward()
    live = mask.astype(bool)
    a = {"lengths": np.array(lengths, np.int32), "ids": ids[live].astype(np.int32), "types": types[live].astype(np.int32),
         "labels": labels[live].astype(np.int32), "next": nsp.astype(np.int32),
         "hidden": out.hidden_states[-1].detach().numpy()[live].astype(np.float32),
         "loss": np.array([mlm.item(), cls.item()], np.float32),
         "config": np.array([c.vocab_size, c.hidden_size, c.num_hidden_layers, c.num_attention_heads, c.intermediate_size,
                             c.max_position_embeddings, hidden_act == "gelu"], np.int32)}
    for n, p in m.named_parameters():
        a["p/" + n] = p.detach().numpy().astype(np.float32)
        a["g/" + n] = p.grad.numpy().astype(np.float32)
    write(path, a)
    print(path, "loss", mlm.item(), cls.item())


if __name__ == "__main__":
    make(f"{sys.argv[1]}/bert_gelu_new.bin", "gelu_new", 1)
    make(f"{sys.argv[1]}/bert_gelu.bin", "gelu", 2)
