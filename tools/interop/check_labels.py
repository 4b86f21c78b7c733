"""Models of labels, exported: Hugging Face's BertForSequenceClassification loads them and gives the same logits.

One of texts with a label each, read by the bundle's tokenizer; one of pairs of a history and an item, with several labels.
"""
import gzip
import json
import re

import numpy as np
import torch
import transformers

from common import checkpoint_dir, close, done, path, read_vocab, report, souk

transformers.logging.set_verbosity_error()
souk("synth", "--out", path("shop"), "--users", 1500, "--items", 80)
reviews = [json.loads(line) for line in gzip.open(path("shop", "reviews.jsonl.gz"), "rt", encoding="utf-8")]
words = set()
for r in reviews:
    words |= set(re.findall(r"[a-z0-9]+|[^\sa-z0-9]", r["text"].lower()))
with open(path("vocab.txt"), "w", encoding="utf-8") as f:
    f.write("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(words)]) + "\n")
with open(path("reviews.jsonl"), "w", encoding="utf-8") as f:
    for r in reviews:
        f.write(json.dumps({"text": r["text"], "sentiment": r["sentiment"]}, ensure_ascii=False) + "\n")
souk("prepare", "datasets/synth/prepare.yaml", "--log", path("shop", "events.csv.gz"), "--catalogue",
     path("shop", "catalogue.jsonl"), "--words", path("vocab.txt"), "--out", path("data"))
souk("pretrain", "--data.dir", path("data"), "--out", path("base"), "--hidden", 32, "--heads", 4, "--max_positions", 96,
     "--item_classes", "false", "--cls_sep", "--mix", "histories 1, texts 1", "--steps", 30, "--lr", 3e-3, "--warmup_steps", 5,
     "--eval_every", 0, "--train.peak_gflops", 50)
few = ("--epochs", 3, "--lr", 3e-3, "--warmup_steps", 5, "--train.peak_gflops", 50)


def load(bundle):
    model, info = transformers.AutoModelForSequenceClassification.from_pretrained(bundle, output_loading_info=True)
    model.eval()
    report(f"{type(model).__name__} loads {bundle.rsplit('/', 1)[1]}",
           isinstance(model, transformers.BertForSequenceClassification) and not info["missing_keys"]
           and not info["unexpected_keys"] and not info["mismatched_keys"],
           f"missing {info['missing_keys']}, not used {info['unexpected_keys']}")
    return model


def said(run, rows, n):
    souk("label", run, rows, "--write", path("said.jsonl"), "--logits")
    lines = [json.loads(line) for line in open(path("said.jsonl"), encoding="utf-8")]
    report("souk label says something of every row", len(lines) == n, f"{len(lines)} of {n}")
    return lines


# check: sentiments
souk("finetune", "--task", "classify", path("base"), "--train", path("reviews.jsonl"), "--label", "sentiment", "--out", path("c"), *few)
souk("export", path("c"), path("sentiments"))
model = load(path("sentiments"))
texts = [r["text"] for r in reviews[:200]] + ["a word that nobody knows: Ωμέγα 🦊", "long " * 100]
with open(path("texts.jsonl"), "w", encoding="utf-8") as f:
    for text in texts:
        f.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
lines = said(path("c"), path("texts.jsonl"), len(texts))
tokenizer = transformers.AutoTokenizer.from_pretrained(path("sentiments"))
with torch.no_grad():
    theirs = model(**tokenizer(texts, padding=True, truncation=True, return_tensors="pt")).logits.numpy()
close("logits of texts", np.array([line["logits"] for line in lines]), theirs)
report("the tokenizer's limit is the model's", tokenizer.model_max_length == 96, str(tokenizer.model_max_length))
second = json.load(open(path("sentiments", "souk.json"), encoding="utf-8"))["layout"]["types_per_segment"]
types = tokenizer(texts[0], texts[1])["token_type_ids"]
report("a second text has the types behind those of the first", second > 1 and types[0] == 0 and types[-1] == second
       and set(types) == {0, second}, f"{sorted(set(types))}, {second} types a segment")
settings = json.load(open(path("sentiments", "souk.json"), encoding="utf-8"))["labels"]
names = [model.config.id2label[i] for i in range(3)]
report("the labels are called the same", names == settings["names"] == ["negative", "neutral", "positive"], str(names))
p = torch.softmax(torch.tensor(theirs) / settings["temperature"][0], dim=1).numpy()
close("probabilities by the temperature", np.array([[line["probabilities"][k] for k in names] for line in lines]), p)
report("one label of several", model.config.problem_type == "single_label_classification")

# check: pairs
vocab = read_vocab(path("sentiments", "vocab.tsv"))
items = [t for t in vocab if re.fullmatch(r"p\d{6}", t)]
rng = np.random.default_rng(5)
rows = [([items[k] for k in rng.integers(len(items), size=rng.integers(0, 12))], items[rng.integers(len(items))])
        for _ in range(150)]
with open(path("pairs.jsonl"), "w", encoding="utf-8") as f:
    for history, item in rows:
        click = int(rng.random() < 0.4)
        label = {"click": click, "cart": int(rng.random() < 0.5)} if click else {"click": 0}
        f.write(json.dumps({"seen": history, "item": item, **label}) + "\n")
souk("finetune", "--task", "pair", path("base"), "--train", path("pairs.jsonl"), "--label", "click,cart", "--history", "seen", "--item",
     "item", "--out", path("p"), *few)
souk("export", path("p"), path("pairs"))
model = load(path("pairs"))
report("labels that each hold or not", model.config.problem_type == "multi_label_classification")
lines = said(path("p"), path("pairs.jsonl"), len(rows))
souk("inspect", path("data", "texts.h5"))
import h5py  # noqa: E402

with h5py.File(path("data", "texts.h5")) as f:
    offsets, tokens = f["offsets"][...], f["tokens"][...]
layout = json.load(open(path("pairs", "souk.json"), encoding="utf-8"))["layout"]
number, first = {t: i for i, t in enumerate(vocab)}, vocab.index(items[0])
worst, ours = [], []
with torch.no_grad():
    for line, (history, item) in zip(lines, rows):
        i = number[item]
        a = [number[t] for t in history]
        b = [i, *tokens[offsets[i - first]:offsets[i - first + 1]].tolist()]
        if len(a) + len(b) > 93:
            continue # what is cut is Souk's business
        ids = [2, *a, 3, *b, 3]
        types = [0] * (len(a) + 2) + [layout["types_per_segment"]] * (len(b) + 1)
        worst.append(model(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types])).logits[0].numpy())
        ours.append(line["logits"])
report("most pairs are compared", len(ours) > 50, f"{len(ours)} of {len(rows)}")
close("logits of pairs", np.array(ours), np.array(worst))
done()
