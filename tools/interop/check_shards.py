"""Shards both ways: NVIDIA's layout, written by h5py, pre-trains in Souk; Souk's shards open in h5py and hold the log."""
import json
import os

import h5py
import numpy as np

from common import checkpoint_dir, done, log_rows, make_data, make_pairs, path, read_vocab, report, souk, write_shard


def train_lines(run_dir):
    lines = [json.loads(x) for x in open(os.path.join(run_dir, "metrics.jsonl"))]
    return [x for x in lines if x["kind"] == "train"]


def check_nvidia():
    # check: NVIDIA's shards pre-train
    directory = path("nvidia")
    os.makedirs(directory)
    words = [f"w{i}" for i in range(95)]
    tokens = ["[PAD]"] + words[:9] + ["[UNK]", "[CLS]", "[SEP]", "[MASK]"] + words[9:]
    with open(os.path.join(directory, "vocab.txt"), "w") as f:
        f.write("\n".join(tokens) + "\n")
    rows = []
    for i in range(3):
        shard = make_pairs(200, 32, 6, list(range(14, 100)), (11, 12, 13), seed=10 + i)
        rows.append(int(shard[1].sum()))
        write_shard(os.path.join(directory, f"corpus_training_{i}.hdf5"), *shard)
    options = ("--data.dir", directory, "--no-item_classes", "--cls_sep", "--pooler", "--max_positions", 32, "--hidden", 48,
               "--heads", 4, "--batch_tokens", 1024, "--eval_every", 0, "--train.peak_gflops", 50)
    souk("pretrain", *options, "--out", path("epoch"), "--steps", 0, "--epochs", 1)
    tokens_seen = train_lines(path("epoch"))[-1]["tokens"]
    report("an epoch is every token of every shard", tokens_seen == sum(rows), f"{tokens_seen} of {sum(rows)} tokens")
    out = path("nvidia-run")
    souk("pretrain", *options, "--out", out, "--steps", 300, "--optim.kind", "lamb", "--lr", 3e-2, "--schedule", "poly",
         "--warmup_steps", 30, "--eps", 1e-6, "--dropout", 0, "--attention_dropout", 0)
    lines = train_lines(out)
    first, last = lines[0], lines[-1]
    report("NVIDIA's shards pre-train (LAMB, poly decay): both losses fall",
           last["loss"] < 0.6 * first["loss"] and last["cls_loss"] < 0.8 * first["cls_loss"],
           f"masked LM {first['loss']:.3f} to {last['loss']:.3f} nats (uniform: {np.log(len(tokens)):.3f}), next sentence "
           f"{first['cls_loss']:.3f} to {last['cls_loss']:.3f}")
    ours = read_vocab(os.path.join(checkpoint_dir(out), "vocab.tsv"))
    report("their vocabulary, the specials first", ours == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + words,
           f"{len(ours)} tokens")


def check_ours():
    # check: Souk's shards open in h5py
    rows = log_rows()
    data = make_data(rows, "shards")
    vocab = read_vocab(os.path.join(data, "vocab.tsv"))
    users = [line.rstrip("\n") for line in open(os.path.join(data, "users.tsv"))]
    manifest = json.load(open(os.path.join(data, "manifest.json")))
    types = manifest["event_types"]
    found = {}
    wanted = {}
    for u, item, time, event in rows:
        wanted.setdefault(u, []).append((item, time, event))
    for i in range(manifest["shards"]):
        with h5py.File(os.path.join(data, f"shard-{i:05d}.h5")) as f:
            names = sorted(f.keys())
            schema = f.attrs["schema"]
            offsets = f["offsets"][...]
            for s in range(len(offsets) - 1):
                span = slice(offsets[s], offsets[s + 1])
                found[users[f["users"][s]]] = [
                    (vocab[t], int(when), types[e])
                    for t, when, e in zip(f["tokens"][span], f["times"][span], f["events"][span])]
    report("Souk's shards open in h5py", schema in (b"souk.shard", "souk.shard"), f"{', '.join(names)}")
    for u in wanted:
        wanted[u].sort(key=lambda x: x[1])
    report("and hold every event of the log, in order", found == wanted, f"{len(rows)} events of {len(wanted)} users")


check_nvidia()
check_ours()
done()
