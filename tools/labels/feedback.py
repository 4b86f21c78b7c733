#!/usr/bin/env python3
"""What is it worth to feed the sentiment of reviews back into the catalogue? Ranking with and without it, on generated marketplaces.

usage: feedback.py WORK [SEEDS]      (needs Python alone; SOUK names the program, else build/gcc/souk)

In the marketplace (souk synth --quality 1.2) users prefer what is good, which no catalogue tells and reviews do. Every fourth item is new: it
has early reviews, and no event that is trained on. For each seed:

  a classifier has learned from LABELLED reviews of another shop what a text feels (souk finetune --task classify)
  souk label --items puts the mean of what it says into the catalogue, souk prepare makes a rating of it
  a model of the next item, whose items are texts and ids, is trained without a rating, with the predicted one, with one made of the true
  sentiments of the same reviews (told), and with the item's true quality: the most that a rating can be worth

All else is equal. Prints HR@10 and NDCG@10 of the test part over new items and over all; in brackets what a rating gains, with its interval of 95%
(bootstrap over the items of all seeds), and of new items which share that is of what the true quality gains.
"""
import csv
import gzip
import json
import math
import os
import random
import statistics
import sys

from fewer import Work, make_base, souk

USERS, ITEMS, QUALITY = 10000, 600, "1.2"
NEW = 4  # every so manyth item
KNOWN_UNTIL = "2024-04-20"  # of 90 days from 1 March: reviews from then on are not read
LABELLED, VALID = 5000, 400
STEPS, REPLICATES = 600, 1000
KEPT = "title_en,category,brand,price,style,material,colour"
VARIANTS = ("none", "predicted", "told", "quality")
ONE = ["--threads", "1", "--device", "cpu"]
RUN = ["--data.batch_tokens", "1024", "--hidden", "48", "--layers", "1", "--heads", "2", "--max_positions", "80", "--positions_from_end", "--pre_norm",
       "--head", "plain", "--init_std", "0.05", "--dropout", "0.2", "--items", "both", "--id_dropout", "0.5", "--cls_sep", "--objectives", "next_item",
       "--steps", STEPS, "--lr", "3e-3", "--warmup_steps", "50", "--eval_every", "0", "--peak_gflops", "50", "--tensorboard", "false", *ONE]


def is_new(item):
    return int(item[1:]) % NEW == 3


def write_log(w):
    """Of new items only the events that end a history, which are asked for and never trained on."""
    with gzip.open(w.path("shop", "events.csv.gz"), "rt", encoding="utf-8", newline="") as f:
        rows = [r for r in csv.DictReader(f) if r["item_id"]]
    last = {r["user_id"]: k for k, r in enumerate(rows)}
    with open(w.path("events.csv"), "w", encoding="utf-8", newline="") as f:
        out = csv.DictWriter(f, rows[0].keys())
        out.writeheader()
        out.writerows(r for k, r in enumerate(rows) if not is_new(r["item_id"]) or last[r["user_id"]] == k)


def read_reviews(w):
    with gzip.open(w.path("shop", "reviews.jsonl.gz"), "rt", encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def catalogue_with(w, name, rating):
    """The catalogue with a rating by item."""
    with open(w.path("shop", "catalogue.jsonl"), encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    for r in rows:
        if r["item_id"] in rating:
            r["label_positive"] = rating[r["item_id"]]
    return w.write(f"catalogue-{name}.jsonl", rows)


def told_ratings(reviews):
    by_item = {}
    for r in reviews:
        by_item.setdefault(r["item_id"], []).append(r["sentiment"] == "positive")
    return {item: statistics.mean(x) for item, x in by_item.items()}


def true_qualities(w):
    with gzip.open(w.path("shop", "truth", "reviews.csv.gz"), "rt", encoding="utf-8", newline="") as f:
        return {r["item_id"]: float(r["quality"]) for r in csv.DictReader(f)}


def places(x):
    order = sorted(range(len(x)), key=lambda i: x[i])
    place = [0] * len(x)
    for k, i in enumerate(order):
        place[i] = k
    return place


def agreement(rating, quality):
    """Rank correlation over the items that have both."""
    items = sorted(rating.keys() & quality.keys())
    return statistics.correlation(places([rating[i] for i in items]), places([quality[i] for i in items]))


def train(w, name, catalogue, *more):
    run = w.path(f"run-{name}")
    if not os.path.exists(os.path.join(run, "last")):
        souk("prepare", "datasets/synth/prepare.yaml", "--log", w.path("events.csv"), "--catalogue", catalogue, "--catalogue.keep", "style,material,colour",
             "--catalogue.text", "title,style,material,colour", "--words", w.path("words"), "--out", w.path(f"data-{name}"), "--force", *more)
        souk("pretrain", "--data.dir", w.path(f"data-{name}"), "--out", run, *RUN)
    return run


def learn_sentiment(where):
    """A classifier of LABELLED reviews of another shop, on top of an encoder that has read them all without labels, as in fewer.py."""
    w = Work(os.path.join(where, "reader"))
    run = w.path("sentiment")
    if os.path.exists(os.path.join(run, "last")):
        return run
    if not os.path.exists(w.path("shop")):
        souk("synth", "--out", w.path("shop"), "--users", 6000)
    reviews = read_reviews(w)
    random.Random(0).shuffle(reviews)
    base = make_base(w, reviews)
    souk("finetune", "--task", "classify", base, "--train", w.write("labelled.jsonl", reviews[VALID:VALID + LABELLED]), "--valid",
         w.write("checked.jsonl", reviews[:VALID]), "--label", "sentiment", "--out", run, "--batch_tokens", "512", "--epochs", "0", "--steps", "700",
         "--optim.lr", "1e-3", "--eval_every", "100", "--train.metric", "log_loss", "--warmup_steps", "20", "--peak_gflops", "50", "--tensorboard", "false", *ONE)
    return run


def predicted_catalogue(w, sentiment, reviews):
    """Writes what the classifier says of each item's reviews into the catalogue."""
    rows, catalogue = w.write("reviews.jsonl", reviews), w.path("catalogue-predicted.jsonl")
    if not os.path.exists(catalogue):
        souk("label", sentiment, rows, "--items", catalogue, "--catalogue", w.path("shop", "catalogue.jsonl"), "--keep", KEPT, "--prefix", "label_", *ONE)
    if not os.path.exists(w.path("sentiment.json")):
        souk("eval", sentiment, "--labels", rows, "--figures", w.path("sentiment.json"), *ONE)
    return catalogue


def ranks(w, name):
    """Of each test question: the target, its HR@10 and its NDCG@10."""
    lists = w.path(f"lists-{name}.jsonl")
    if not os.path.exists(lists):
        souk("eval", w.path(f"run-{name}"), "--protocols", "full", "--bootstrap", "0", "--lists", lists, "--k", "10", *ONE)
    with open(lists, encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    hit = [x["rank"] is not None and x["rank"] <= 10 for x in rows]
    return [(x["target"], 1.0, 1 / math.log2(x["rank"] + 1)) if h else (x["target"], 0.0, 0.0) for x, h in zip(rows, hit)]


def one_seed(where, seed, sentiment):
    w = Work(os.path.join(where, f"seed{seed}"))
    if not os.path.exists(w.path("shop")):
        souk("synth", "--out", w.path("shop"), "--users", USERS, "--items", ITEMS, "--quality", QUALITY, "--no-promotions", "--no-impressions", "--seed", seed)
    if not os.path.exists(w.path("events.csv")):
        write_log(w)
    reviews = [r for r in read_reviews(w) if r["time"] < KNOWN_UNTIL]
    if not os.path.exists(w.path("words")):
        souk("vocab", "--input", f"{w.path('shop', 'catalogue.csv')},{w.write('said.jsonl', reviews)}", "--columns",
             "title_en,style,material,colour,text", "--out", w.path("words"), "--size", "3000")
    train(w, "none", w.path("shop", "catalogue.jsonl"))
    rating = ("--catalogue.rating", "label_positive")
    train(w, "predicted", predicted_catalogue(w, sentiment, reviews), *rating)
    train(w, "told", catalogue_with(w, "told", told_ratings(reviews)), *rating)
    train(w, "quality", catalogue_with(w, "quality", true_qualities(w)), *rating)
    with open(w.path("sentiment.json"), encoding="utf-8") as f:
        figures = json.load(f)
    with open(w.path("catalogue-predicted.jsonl"), encoding="utf-8") as f:
        said = {r["item_id"]: r["label_positive"] for r in map(json.loads, f) if "label_positive" in r}
    quality = true_qualities(w)
    print(f"seed {seed}: {len(reviews)} reviews of {ITEMS} items; the classifier: accuracy {figures['accuracy']:.4f}, AUC {figures['auc']:.4f}; rank correlation "
          f"with quality: predicted {agreement(said, quality):.3f}, told {agreement(told_ratings(reviews), quality):.3f}", file=sys.stderr)
    return {name: ranks(w, name) for name in VARIANTS}


def sums_by_item(found, new):
    """For each item of each seed that is a target: how often, and of each variant the sums of both figures. Questions of an item are not
    independent of each other, so intervals are over items."""
    items = {}
    for seed, of in enumerate(found):
        for v, name in enumerate(VARIANTS):
            for target, hr, ndcg in of[name]:
                if new and not is_new(target):
                    continue
                x = items.setdefault((seed, target), [0] + [0.0] * (2 * len(VARIANTS)))
                x[0] += v == 0
                x[1 + 2 * v] += hr
                x[2 + 2 * v] += ndcg
    return list(items.values())


def means(items):
    total = [sum(x) for x in zip(*items)]
    return [x / total[0] for x in total[1:]]


def middle(values):
    values = sorted(values)
    return values[int(0.025 * len(values))], values[int(0.975 * len(values)) - 1]


def print_rows(found, new):
    items, draw = sums_by_item(found, new), random.Random(1)
    mean, drawn = means(items), [means(draw.choices(items, k=len(items))) for _ in range(REPLICATES)]
    for v, name in enumerate(VARIANTS):
        cells = []
        for f in (0, 1):
            at = 2 * v + f
            if v == 0:
                cells += [f"{mean[at]:.4f}"]
                continue
            low, high = middle([d[at] - d[f] for d in drawn])
            share, most = mean[at] - mean[f], mean[-2 + f] - mean[f]
            told = f"; {100 * share / most:.0f}%" if new and most > 0 else ""
            cells += [f"{mean[at]:.4f} ({share:+.4f}, {low:+.4f} to {high:+.4f}{told})"]
        print(f"| {'new' if new else 'all'} | {name} | {cells[0]} | {cells[1]} |")


def main():
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    sentiment = learn_sentiment(sys.argv[1])
    found = [one_seed(sys.argv[1], seed, sentiment) for seed in range(1, seeds + 1)]
    print("| items | rating | HR@10 | NDCG@10 |\n|---|---|---|---|")
    for new in (True, False):
        print_rows(found, new)


if __name__ == "__main__":
    main()
