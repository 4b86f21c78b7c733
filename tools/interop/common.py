"""What the checks share: TAP lines with the largest difference, Souk's programs, small data, and Souk's files in Python."""
import atexit
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np

BUILD = os.environ["SOUK_BUILD"]
WORK = tempfile.mkdtemp(prefix="souk-interop-")
atexit.register(shutil.rmtree, WORK, True)
_count = 0
_failed = False


def path(*parts):
    return os.path.join(WORK, *parts)


def report(name, good, note=""):
    """One TAP line."""
    global _count, _failed
    _count += 1
    _failed = _failed or not good
    print(f"{'ok' if good else 'not ok'} {_count} - {name}{': ' + note if note else ''}", flush=True)


def skip(name, why):
    global _count
    _count += 1
    print(f"ok {_count} - {name} # skip {why}", flush=True)


def close(name, ours, theirs, tolerance=1e-5):
    """The largest absolute difference of two arrays, or of dictionaries of arrays, must stay within the tolerance."""
    if not isinstance(ours, dict):
        ours, theirs = {"": ours}, {"": theirs}
    worst, where = 0.0, ""
    for key in theirs:
        a, b = np.asarray(ours[key], np.float64), np.asarray(theirs[key], np.float64)
        if a.shape != b.shape:
            report(name, False, f"{key} {a.shape} is not {b.shape}")
            return
        d = float(np.abs(a - b).max()) if a.size else 0.0
        if not d <= worst:
            worst, where = d, key
    n = f" over {len(theirs)} tensors" if len(theirs) > 1 else ""
    report(name, worst <= tolerance, f"largest difference {worst:.2e}{n}{' (' + where + ')' if where else ''}")


def done():
    print(f"1..{_count}")
    sys.exit(1 if _failed else 0)


def run(program, *arguments, text=None):
    """Runs souk or souk-infer; returns what it prints."""
    command = [os.path.join(BUILD, program), *map(str, arguments)]
    r = subprocess.run(command, input=text, capture_output=True, text=True)
    if r.returncode != 0:
        print("# " + " ".join(command))
        print("# " + r.stderr.strip().replace("\n", "\n# "))
        report(f"{program} {arguments[0]}", False, f"exit status {r.returncode}")
        done()
    return r.stdout


def souk(*arguments):
    return run("souk", *arguments)


# ---- data ----------------------------------------------------------------------------------------------------


def log_rows(users=200, items=60, seed=1):
    """A log with something to learn: users walk through the items with a stride of their own, views and purchases."""
    rng = np.random.default_rng(seed)
    rows = []
    for u in range(users):
        item, stride, time = int(rng.integers(items)), int(rng.integers(1, 4)), 1000000 + u
        for i in range(int(rng.integers(5, 15))):
            rows.append((f"user{u}", f"item{item}", time, ["view", "buy"][int(rng.random() < 0.3)]))
            item = (item + stride) % items if rng.random() < 0.9 else int(rng.integers(items))
            time += int(rng.integers(10, 300)) if i % 4 else 90000
    return rows


def make_data(rows, name="data"):
    """A prepared data set; returns its directory."""
    log, out = path(name + ".csv"), path(name)
    with open(log, "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(["user", "item", "time", "event"])
        w.writerows(rows)
    souk("prepare", "--log", log, "--user", "user", "--fields.item", "item", "--fields.time", "time", "--event", "event",
         "--out", out)
    return out


def write_shard(file, ids, mask, segments, positions, labels, following):
    """A shard in NVIDIA's layout, as their create_pretraining_data.py writes it."""
    import h5py

    with h5py.File(file, "w") as f:
        f.create_dataset("input_ids", data=ids, dtype="i4", compression="gzip")
        f.create_dataset("input_mask", data=mask, dtype="i1", compression="gzip")
        f.create_dataset("segment_ids", data=segments, dtype="i1", compression="gzip")
        f.create_dataset("masked_lm_positions", data=positions, dtype="i4", compression="gzip")
        f.create_dataset("masked_lm_ids", data=labels, dtype="i4", compression="gzip")
        f.create_dataset("next_sentence_labels", data=following, dtype="i1", compression="gzip")


def make_pairs(n, length, masks, tokens, specials, seed):
    """n examples of two "sentences" of ascending tokens; the second goes on where the first ended, or starts anywhere.
    tokens: a range of ids; specials: ids of [CLS], [SEP], [MASK]. Returns the six arrays of a shard."""
    rng = np.random.default_rng(seed)
    cls, sep, mask_id = specials
    ids, mask, segments = (np.zeros((n, length), np.int32) for _ in range(3))
    positions, labels = (np.zeros((n, masks), np.int32) for _ in range(2))
    following = np.zeros(n, np.int8)
    for i in range(n):
        room = length - 3
        a, b = int(rng.integers(2, room // 2 + 1)), int(rng.integers(2, room // 2 + 1))
        begin = int(rng.integers(len(tokens)))
        following[i] = rng.random() < 0.5
        second = int(rng.integers(len(tokens))) if following[i] else begin + a
        row = [cls] + [tokens[(begin + k) % len(tokens)] for k in range(a)] + [sep]
        row += [tokens[(second + k) % len(tokens)] for k in range(b)] + [sep]
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
        segments[i, a + 2 : len(row)] = 1
        maskable = [k for k in range(len(row)) if row[k] not in (cls, sep)]
        chosen = sorted(rng.choice(maskable, min(masks - 1, max(1, len(row) // 6)), replace=False))
        for j, k in enumerate(chosen):
            positions[i, j], labels[i, j] = k, ids[i, k]
            ids[i, k] = mask_id
    return ids, mask, segments, positions, labels, following


# ---- Souk's files --------------------------------------------------------------------------------------------


def unescape(text):
    return text.replace("\\\\", "\0").replace("\\t", "\t").replace("\\n", "\n").replace("\\r", "\r").replace("\0", "\\")


def read_vocab(file):
    """Tokens in id order."""
    with open(file, encoding="utf-8", newline="\n") as f:
        return [unescape(line.rstrip("\n").split("\t")[0]) for line in f]


def checkpoint_dir(where):
    """The last checkpoint of a run, or the directory itself."""
    last = os.path.join(where, "last")
    return os.path.join(where, open(last).read().strip()) if os.path.exists(last) else where


def read_tensors(checkpoint, part="model.h5", group="/"):
    """A checkpoint's tensors by Hugging Face's names: q, k and v, one matrix in Souk, are cut apart."""
    import h5py

    out = {}
    with h5py.File(os.path.join(checkpoint, part)) as f:
        for name, data in f[group].items():
            if not isinstance(data, h5py.Dataset):
                continue
            a = data[...]
            if ".qkv." in name:
                for part_name, x in zip(("query", "key", "value"), np.split(a, 3)):
                    out[name.replace("qkv", part_name)] = x
            else:
                out[name] = a
    return out


def read_manifest(checkpoint):
    with open(os.path.join(checkpoint, "manifest.json")) as f:
        return json.load(f)
