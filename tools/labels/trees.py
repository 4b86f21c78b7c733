#!/usr/bin/env python3
"""trees.py WORK: clicks of tools/labels/pairs' rows by gradient-boosted trees on columns that know the marketplace's rules, and by counting.

WORK is a folder that tools/labels/pairs has made. The columns set the shown item beside the user's history before that time: department and
category of the last four items, shares of its style and brand, levels of price, and whether it was seen. Prints areas under the curve
of the later rows: of the trees, of an item of the department of one of the last two, and of each item's own rate in training. Needs scikit-learn
(build/venv-peers has it).
"""
import bisect
import collections
import csv
import gzip
import json
import sys

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score


def read_catalogue(work):
    with open(f"{work}/shop/catalogue.jsonl") as lines:
        items = {x["item_id"]: x for x in map(json.loads, lines)}
    prices = collections.defaultdict(list)
    for x in items.values():
        prices[x["category"]].append(float(x["price"]))
    for x in items.values():
        x["department"] = x["category"].split(" > ")[0]
        x["level"] = float(np.mean(np.array(prices[x["category"]]) < float(x["price"])))
    return items


def read_histories(work):
    events = collections.defaultdict(list)
    with gzip.open(f"{work}/shop/events.csv.gz", "rt") as lines:
        for row in csv.DictReader(lines):
            if row["item_id"]:
                events[row["user_id"]].append((row["time"], row["item_id"]))
    return events


def history_before(events, items, row):
    past = events[row["user_id"]]
    seen = []
    for _, item in past[:bisect.bisect_left(past, (row["time"], ""))]:
        if not seen or seen[-1] is not items[item]:
            seen.append(items[item])
    return seen


def columns(item, seen, brands):
    values = []
    for k in range(1, 5):
        near = seen[-k] if len(seen) >= k else None
        values += [np.nan, np.nan] if near is None else [near["department"] == item["department"], near["category"] == item["category"]]
    n = max(1, len(seen))
    level = np.mean([x["level"] for x in seen]) if seen else np.nan
    counts = collections.Counter(x["brand"] for x in seen)
    values += [sum(x["style"] == item["style"] for x in seen) / n, counts[item["brand"]] / n, item in seen, item["level"], level,
               abs(level - item["level"]), len(seen), int(item["item_id"][1:]), brands.index(item["brand"])]
    return [float(v) for v in values + [counts[b] / n for b in brands]]


def read_rows(path):
    with open(path) as lines:
        return list(csv.DictReader(lines))


def rate_area(train, test, label):
    train, test = ([r for r in rows if r[label] != ""] for rows in (train, test))
    shown, held = collections.Counter(), collections.Counter()
    for r in train:
        shown[r["item_id"]] += 1
        held[r["item_id"]] += int(r[label])
    mean = sum(held.values()) / len(train)
    return roc_auc_score([int(r[label]) for r in test], [(held[r["item_id"]] + 5 * mean) / (shown[r["item_id"]] + 5) for r in test])


def main(work):
    items = read_catalogue(work)
    events = read_histories(work)
    brands = sorted({x["brand"] for x in items.values()})
    parts = {}
    for name in ("train", "test"):
        rows = read_rows(f"{work}/{name}.csv")
        seen = [history_before(events, items, r) for r in rows]
        table = [columns(items[r["item_id"]], s, brands) for r, s in zip(rows, seen)]
        parts[name] = rows, seen, np.array(table), np.array([int(r["click"]) for r in rows])
    trees = HistGradientBoostingClassifier(max_iter=200, learning_rate=0.05, random_state=1).fit(*parts["train"][2:])
    rows, seen, table, clicked = parts["test"]
    near = [any(x["department"] == items[r["item_id"]]["department"] for x in s[-2:]) for r, s in zip(rows, seen)]
    print(f"trees: click {roc_auc_score(clicked, trees.predict_proba(table)[:, 1]):.3f}")
    print(f"department of one of the last two: click {roc_auc_score(clicked, near):.3f}")
    print("own rates:", ", ".join(f"{x} {rate_area(parts['train'][0], rows, x):.3f}" for x in ("click", "cart", "buy")))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
