#!/usr/bin/env python3
"""Does it pay to choose the rows that are labelled, and to learn from rows without labels? At equal label counts, over seeds.

usage: fewer.py WORK [SEEDS [START]]      (needs Python alone; SOUK names the program, else build/gcc/souk)

The data are the reviews of the generated marketplace (souk synth), whose sentiment is known. The base is a small encoder that has read
all reviews without their labels: their words as a log, masked LM. For each seed:

  rows     START random reviews are labelled (400); then twice as many more, which are random, or those that `souk label --pick` names
  teacher  a model of random rows goes on with these, and with those of the other reviews that it is sure of, as it labels them; beside one
           that goes on for as many steps with its own rows alone (longer), and one whose pseudo-labels are the EVEN surest ones of each
           sentiment (even)

Every other model begins from the base and learns for the same number of steps. All of them validate on the same reviews, on which
temperatures and the teacher's check rest, and are judged on others. Prints a table: mean over seeds, differences to random, and in how many
seeds it was better.
"""
import gzip
import json
import os
import random
import re
import statistics
import subprocess
import sys

SOUK = os.environ.get("SOUK", "build/gcc/souk")
START = int(sys.argv[3]) if len(sys.argv) > 3 else 400
STEP, ROUNDS, EVEN = START, 2, 100
VALID, TEST = 400, 1500
PICKED_BY = ("diverse",)  # or "entropy"
TAUGHT = 2 * START  # label counts up to this have a teacher
FEW = ["--threads", "1", "--peak_gflops", "50", "--device", "cpu", "--tensorboard", "false", "--optim.lr", "1e-3", "--warmup_steps", "20",
       "--batch_tokens", "512", "--steps", "300", "--epochs", "0", "--eval_every", "50", "--train.metric", "log_loss",
       "--background", "false"]
FIGURES = ("accuracy", "f1_macro", "auc", "log_loss_calibrated")


def souk(*arguments, check=True):
    r = subprocess.run([SOUK, *map(str, arguments)], capture_output=True, text=True)
    if check and r.returncode != 0:
        sys.exit(f"{' '.join([SOUK, *map(str, arguments)])}\n{r.stderr}")
    return r


class Work:
    def __init__(self, where):
        self.where = where
        os.makedirs(where, exist_ok=True)

    def path(self, *parts):
        return os.path.join(self.where, *parts)

    def write(self, name, rows):
        with open(self.path(name), "w", encoding="utf-8") as f:
            for r in rows:
                f.write(json.dumps(r, ensure_ascii=False) + "\n")
        return self.path(name)


def tokens(text):
    return re.findall(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]|[a-z0-9]+|[^\sa-z0-9]", text.lower())


def make_base(w, reviews):
    """A BERT of words: a log whose users are reviews and whose items are words, masked LM, its items renamed to words."""
    if os.path.exists(w.path("base")):
        return w.path("base")
    with open(w.path("words.tsv"), "w", encoding="utf-8") as f:
        f.write("review\tword\torder\n")
        for i, r in enumerate(reviews):
            for k, word in enumerate(t for t in tokens(r["text"]) if t != '"'):
                f.write(f"r{i}\t{word}\t{k}\n")
    souk("prepare", "--log", w.path("words.tsv"), "--format", "tsv", "--user", "review", "--fields.item", "word", "--fields.time", "order",
         "--time_format", "order", "--split", "none", "--out", w.path("data"), "--force")
    souk("pretrain", "--data.dir", w.path("data"), "--out", w.path("run"), "--hidden", "64", "--layers", "2", "--heads", "2", "--max_positions", "80",
         "--cls_sep", "--steps", "1200", "--lr", "3e-3", "--warmup_steps", "100", "--batch_tokens", "2048", "--eval_every", "0", "--last_copies", "0",
         "--threads", "1", "--peak_gflops", "50", "--device", "cpu")
    souk("export", w.path("run"), w.path("bundle"), "--force")
    with open(w.path("bundle", "vocab.tsv"), encoding="utf-8") as f, open(w.path("bundle", "vocab.txt"), "w", encoding="utf-8") as g:
        g.writelines(line.split("\t")[0] + "\n" for line in f)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        os.remove(w.path("bundle", name))
    souk("import", w.path("bundle"), w.path("base"))
    return w.path("base")


def learn(w, name, rows, *more):
    run = w.path(name)
    if not os.path.exists(w.path(name, "figures.json")):
        subprocess.run(["rm", "-rf", run])
        souk("finetune", "--task", "classify", w.path("base"), "--train", w.write(name + ".jsonl", rows), "--valid", w.path("valid.jsonl"), "--label",
             "sentiment", "--out", run, *FEW, *more)
        souk("eval", run, "--labels", w.path("test.jsonl"), "--figures", w.path(name, "figures.json"), "--threads", "1", "--device", "cpu")
    figures = json.load(open(w.path(name, "figures.json")))
    return {k: figures[k] for k in FIGURES}


def chosen(w, name, pool, n, by):
    """The rows of the pool that a run would have labelled."""
    rows = w.write("pool.jsonl", [{"text": r["text"]} for r in pool])
    souk("label", w.path(name), rows, "--pick", n, "--by", by, "--picks", w.path("picks.jsonl"), "--threads", "1", "--device", "cpu")
    lines = [json.loads(line)["line"] for line in open(w.path("picks.jsonl"), encoding="utf-8")]
    return [pool[k - 1] for k in lines]


def even(w, name, labelled, pool):
    """The rows of each sentiment that a run is surest of, with the labels that it gives them."""
    rows, said = w.write("pool.jsonl", [{"text": r["text"]} for r in pool]), w.path("said.jsonl")
    souk("label", w.path(name), rows, "--write", said, "--threads", "1", "--device", "cpu")
    by_label = {}
    with open(said, encoding="utf-8") as f:
        for k, x in enumerate(map(json.loads, f)):
            by_label.setdefault(x["label"], []).append((x["probability"], k))
    labels = dict.fromkeys(r["sentiment"] for r in labelled)
    return [dict(pool[k], sentiment=label) for label in labels for _, k in sorted(by_label.get(label, []), reverse=True)[:EVEN]]


def one_seed(w, pool, seed):
    found = {}
    rows = pool[:]
    random.Random(seed).shuffle(rows)
    name = f"seed{seed}-random{START}"
    found["random", START] = learn(w, name, rows[:START], "--train.seed", seed)
    for by in PICKED_BY:
        taken, last = rows[:START], name
        for k in range(1, ROUNDS + 1):
            known = {r["review_id"] for r in taken}
            taken = taken + chosen(w, last, [r for r in rows if r["review_id"] not in known], STEP, by)
            last = f"seed{seed}-{by}{len(taken)}"
            found[by, len(taken)] = learn(w, last, taken, "--train.seed", seed)
    for n in range(START, START + ROUNDS * STEP + 1, STEP):
        run = f"seed{seed}-random{n}"
        found["random", n] = learn(w, run, rows[:n], "--train.seed", seed)
        if n > TAUGHT:
            continue
        rest = w.write(f"seed{seed}-rest{n}.jsonl", [{"text": r["text"]} for r in rows[n:]])
        on = ("--train.seed", seed, "--optim.lr", "3e-4", "--steps", "150", "--train.init", w.path(run))
        found["longer", n] = learn(w, f"seed{seed}-longer{n}", rows[:n], *on)
        found["teacher", n] = learn(w, f"seed{seed}-teacher{n}", rows[:n], *on, "--unlabelled", rest, "--pseudo", "0.8")
        found["even", n] = learn(w, f"seed{seed}-even{n}", rows[:n] + even(w, run, rows[:n], rows[n:]), *on)
    return found


def table(found):
    """A row of picked labels is compared with random ones, a teacher's with a model that went on for as long without it."""
    keys = sorted({k for f in found for k in f}, key=lambda k: (k[1], ("random", "diverse", "entropy", "longer", "teacher", "even").index(k[0])))
    print(f"| labels | rows | {' | '.join(FIGURES)} | better in accuracy, F1 |")
    print("|---|---|" + "---|" * (len(FIGURES) + 1))
    for by, n in keys:
        other, cells, better = {"teacher": "longer", "even": "longer", "random": None, "longer": None}.get(by, "random"), [], []
        for figure in FIGURES:
            values = [f[by, n][figure] for f in found]
            base = [f[other, n][figure] for f in found] if other else values
            mean = statistics.mean(values)
            cells.append(f"{mean:.4f} ({mean - statistics.mean(base):+.4f})" if other else f"{mean:.4f}")
            if other and figure in ("accuracy", "f1_macro"):
                better.append(str(sum(a > b for a, b in zip(values, base))))
        told = f"{', '.join(better)} of {len(found)} seeds" if better else ""
        print(f"| {n} | {by} | {' | '.join(cells)} | {told} |")


def main():
    w = Work(sys.argv[1])
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    if not os.path.exists(w.path("shop")):
        souk("synth", "--out", w.path("shop"), "--users", "6000")
    reviews = [json.loads(line) for line in gzip.open(w.path("shop", "reviews.jsonl.gz"), "rt", encoding="utf-8")]
    random.Random(0).shuffle(reviews)
    make_base(w, reviews)
    w.write("valid.jsonl", reviews[:VALID])
    w.write("test.jsonl", reviews[VALID:VALID + TEST])
    found = []
    for seed in range(1, seeds + 1):
        found.append(one_seed(w, reviews[VALID + TEST:], seed))
        print(f"seed {seed} of {seeds}", file=sys.stderr)
    truth = json.load(open(w.path("shop", "truth", "oracle.json")))["reviews"]
    print(f"{len(reviews)} reviews; {VALID} to validate, {TEST} to judge; best possible accuracy {truth['best_accuracy']:.4f}\n")
    table(found)


if __name__ == "__main__":
    main()
