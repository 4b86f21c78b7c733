"""Vectors in numpy and FAISS: .npy and HDF5 hold the same numbers, from the trainer and from souk-infer, and an exact index over
inner products finds the neighbours that souk-infer lists."""
import json
import os

import faiss
import h5py
import numpy as np

from common import close, done, log_rows, make_data, path, report, run, souk

K, TIE = 10, 1e-5
rows = log_rows(users=300, items=400, seed=5)
data = make_data(rows)
histories = {}
for u, item, time, event in sorted(rows, key=lambda r: r[2]):
    histories.setdefault(u, []).append({"item": item, "event": event})


def names_of(file):
    return [line.rstrip("\n") for line in open(file)]


def check_neighbours(name, u, v, items, lists):
    # check: FAISS finds the neighbours of souk-infer
    index = faiss.IndexFlatIP(v.shape[1])
    index.add(np.ascontiguousarray(v))
    scores, found = index.search(np.ascontiguousarray(u), K)
    same, worst = 0, 0.0
    for s, f, ours in zip(scores, found, lists):
        theirs = dict(zip((items[i] for i in f), s))
        here = dict(zip(ours["items"], ours["scores"]))
        worst = max(worst, float(np.abs(np.array(ours["scores"]) - s).max()))
        # Where the lists differ, both sides of the difference must be ties with the last place.
        strays = set(theirs) ^ set(here)
        same += all(abs((theirs.get(x, here.get(x))) - s[-1]) <= TIE for x in strays)
    report(f"{name}: FAISS finds the {K} neighbours of souk-infer", same == len(lists),
           f"{same} of {len(lists)} users; largest difference of a score {worst:.2e}")


def check(name, *options):
    out, bundle = path(name), path(name + "-bundle")
    souk("pretrain", "--data.dir", data, "--out", out, "--hidden", 32, "--max_positions", 20, "--steps", 100, "--lr", 3e-3,
         "--warmup_steps", 10, "--batch_tokens", 1024, "--eval_every", 0, "--train.peak_gflops", 50, *options)
    souk("export", out, bundle)
    files = {x: path(f"{name}-{x}") for x in ("items.npy", "items.h5", "users.npy", "users.h5")}
    souk("vectors", out, "--items", files["items.npy"], "--users", files["users.npy"], "--data", data)
    souk("vectors", out, "--items", files["items.h5"], "--users", files["users.h5"], "--data", data)
    v, u = np.load(files["items.npy"]), np.load(files["users.npy"])
    items, users = names_of(files["items.npy"] + ".names.tsv"), names_of(files["users.npy"] + ".names.tsv")
    # check: vectors as HDF5
    with h5py.File(files["items.h5"]) as f, h5py.File(files["users.h5"]) as g:
        close(f"{name}: item vectors, HDF5 and .npy", f["item_vectors"][...], v, 0)
        close(f"{name}: user vectors, HDF5 and .npy", g["user_vectors"][...], u, 0)
        report(f"{name}: names, HDF5 and text", [x.decode() for x in f["item_names"][...]] == items and
               [x.decode() for x in g["user_names"][...]] == users, f"{len(items)} items, {len(users)} users")
    questions = "".join(json.dumps({"user": x, "history": histories[x]}) + "\n" for x in users)
    # check: vectors as .npy
    run("souk-infer", "users", bundle, "--output", path("infer-users.npy"), text=questions)
    run("souk-infer", "items", bundle, "--output", path("infer-items.npy"))
    close(f"{name}: user vectors, souk and souk-infer", np.load(path("infer-users.npy")), u)
    close(f"{name}: item vectors, souk and souk-infer", np.load(path("infer-items.npy")), v)
    ranked = run("souk-infer", "rank", bundle, "--k", K, "--keep-history", text=questions)
    check_neighbours(name, u, v, items, [json.loads(line) for line in ranked.splitlines()])


check("dot")
check("cosine", "--score", "cosine", "--temperature", 0.1, "--positions_from_end")
done()
