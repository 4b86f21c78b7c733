"""A trained model, exported: Hugging Face's classes and the safetensors package load it and compute what Souk computes.

The shapes that matter: pairs with [CLS] and [SEP], pooler and GELU's erf form; plain histories, whose positions are
counted from the end, with the tanh form; and causal models (next item), with the head's transform and without it.
"""
import json

import h5py
import numpy as np
import safetensors.numpy
import torch
import transformers

from common import (checkpoint_dir, close, done, log_rows, make_data, path, read_tensors, read_vocab, report, run, souk)

transformers.logging.set_verbosity_error()
data = make_data(log_rows())


def train(name, *options):
    souk("pretrain", "--data.dir", data, "--out", path(name), "--hidden", 32, "--heads", 4, "--max_positions", 16,
         "--steps", 60, "--lr", 3e-3, "--warmup_steps", 10, "--batch_tokens", 1024, "--eval_every", 0,
         "--train.peak_gflops", 50, *options)
    souk("export", path(name), path(name + "-bundle"))
    return checkpoint_dir(path(name)), path(name + "-bundle")


def histories(bundle, n=40):
    """Questions of users of any length, the empty one included, as souk-infer takes them, and as token rows."""
    layout = json.load(open(bundle + "/souk.json"))["layout"]
    vocab = read_vocab(bundle + "/vocab.tsv")
    items = [t for t in vocab if t.startswith("item")]
    events = layout["event_types"]
    rng = np.random.default_rng(7)
    questions, rows = [], []
    for i in range(n):
        history = [(items[int(rng.integers(len(items)))], events[int(rng.integers(len(events)))])
                   for _ in range(int(rng.integers(0, 20)) if i else 0)]
        questions.append(json.dumps({"user": str(i), "history": [{"item": a, "event": e} for a, e in history]}))
        causal = layout.get("causal", False)
        kept = history[-(layout["max_positions"] - (2 if layout["cls_sep"] else 0) - (not causal)):]
        tokens, types = [vocab.index(a) for a, _ in kept], [events.index(e) for _, e in kept]
        if not causal or not tokens:
            tokens, types = tokens + [4], types + [0]
        if layout["cls_sep"]:
            tokens, types = [2] + tokens + [3], [0] + types + [0]
        rows.append((tokens, types, len(tokens) - 1 - layout["cls_sep"]))
    return "\n".join(questions) + "\n", rows, layout


def padded(rows, layout):
    """Hugging Face's batch of these rows."""
    width = max(len(t) for t, _, _ in rows)
    ids, types, mask, positions = (np.zeros((len(rows), width), np.int64) for _ in range(4))
    for i, (t, k, _) in enumerate(rows):
        n = len(t)
        ids[i, :n], types[i, :n], mask[i, :n] = t, k, 1
        positions[i, :n] = np.arange(n)[::-1] if layout["positions_from_end"] else np.arange(n)
    return {"input_ids": torch.tensor(ids), "token_type_ids": torch.tensor(types),
            "attention_mask": torch.tensor(mask), "position_ids": torch.tensor(positions)}


def load(kind, bundle):
    """Loads without a missing or unexpected tensor (BertModel has no heads to put the others in)."""
    model, info = kind.from_pretrained(bundle, output_loading_info=True)
    model.eval()
    surplus = [k for k in info["unexpected_keys"] if kind is not transformers.BertModel or not k.startswith("cls.")]
    absent = [k for k in info["missing_keys"] if "pooler" not in k or kind is not transformers.BertModel]
    if kind in (transformers.BertForMaskedLM, transformers.BertLMHeadModel):
        surplus = [k for k in surplus if "pooler" not in k and "seq_relationship" not in k]
    report(f"{kind.__name__} loads {bundle.rsplit('/', 1)[1]}", not surplus and not absent and not info["mismatched_keys"],
           f"{sum(p.numel() for p in model.parameters())} parameters; missing {absent}, not used {surplus}")
    return model


def check(name, checkpoint, bundle):
    # check: safetensors
    tensors = safetensors.numpy.load_file(bundle + "/model.safetensors")
    close(f"{name}: model.safetensors has the checkpoint's tensors", tensors, read_tensors(checkpoint), 0)
    questions, rows, layout = histories(bundle)
    with open(path("rows.jsonl"), "w") as f:
        for t, k, _ in rows:
            f.write(json.dumps({"ids": t, "types": k}) + "\n")
    souk("vectors", checkpoint, "--hidden", path("hidden.h5"), "--input", path("rows.jsonl"))
    run("souk-infer", "users", bundle, "--output", path("users.npy"), text=questions)
    u = np.load(path("users.npy"))
    v = safetensors.numpy.load_file(bundle + "/items.safetensors")["vectors"]
    batch, at = padded(rows, layout), torch.tensor([m for _, _, m in rows])
    who = torch.arange(len(rows))
    settings = json.load(open(bundle + "/souk.json"))
    base = settings["vocabulary"]["items"][0]
    with h5py.File(path("hidden.h5")) as f, torch.no_grad():
        hidden, offsets = f["hidden_states"][...], f["offsets"][...]
        pooled = f["pooled"][...] if "pooled" in f else None
        scores = f["next_sentence_scores"][...] if "pooled" in f else None
        # check: BertModel
        encoder = load(transformers.BertModel, bundle)
        theirs = encoder(**batch)
        flat = np.concatenate([theirs.last_hidden_state[i, : offsets[i + 1] - offsets[i]].numpy() for i in who])
        close(f"{name}: BertModel's hidden states", hidden, flat)
        if pooled is not None:
            close(f"{name}: BertModel's pooler", pooled, theirs.pooler_output.numpy())
        if settings["head"].get("plain"):
            state = theirs.last_hidden_state[who, at].numpy()
            close(f"{name}: user vectors of souk-infer", u[:, :-1], state)
            logits = state @ tensors["bert.embeddings.word_embeddings.weight"].T + tensors["cls.predictions.bias"]
            close(f"{name}: scores of souk-infer against BertModel's states", u @ v.T, logits[:, base:])
            return
        # check: BertForMaskedLM, and BertLMHeadModel for causal ones
        kind = transformers.BertLMHeadModel if layout.get("causal") else transformers.BertForMaskedLM
        mlm = load(kind, bundle)
        report(f"{name}: config.json says whether it is a decoder", mlm.config.is_decoder == layout.get("causal", False))
        state = mlm.bert(**batch).last_hidden_state[who, at]
        close(f"{name}: user vectors of souk-infer", u[:, :-1], mlm.cls.predictions.transform(state).numpy())
        logits = mlm(**batch).logits[who, at]
        close(f"{name}: scores of souk-infer against {kind.__name__}'s logits", u @ v.T, logits[:, base:].numpy())
        if pooled is None:
            return
        # check: BertForPreTraining
        whole = load(transformers.BertForPreTraining, bundle)
        out = whole(**batch)
        close(f"{name}: BertForPreTraining's next-sentence scores", scores, out.seq_relationship_logits.numpy())
        close(f"{name}: scores against BertForPreTraining's logits", u @ v.T,
              out.prediction_logits[who, at][:, base:].numpy())


check("pairs", *train("pairs", "--cls_sep", "--pooler", "--next_session", "--activation", "gelu"))
check("histories", *train("histories", "--positions_from_end"))
check("causal", *train("causal", "--objectives", "next_item", "--positions_from_end"))
check("plain head", *train("plain", "--objectives", "next_item", "--head", "plain"))
done()
