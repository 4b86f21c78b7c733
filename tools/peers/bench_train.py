"""Training steps of souk beside PyTorch's on the same work: the same data, model, first weights, batches, masks and negatives.

First both train 20 steps without dropout, and their losses must agree to 1e-3 step by step, or this ends: so the work is the same.
Then they are timed in turns, with dropout. WORK=pattern picks works by name, TURNS=N (5) says how often each program has its turn,
THREADS=N how many threads both have (all processors), WITHOUT=compile leaves a variant of PyTorch out.
"""
import json
import os
import shutil
import statistics
import subprocess
import sys

import numpy as np

from common import bar, run, souk

here, root = os.path.dirname(__file__), "build/peers-train"
turns = int(os.environ.get("TURNS") or 5)
threads = int(os.environ.get("THREADS") or len(os.sched_getaffinity(0)))
beauty_log = os.path.join(os.environ.get("SOUK_SHARED") or "../shared", "data/amazon-beauty/beauty.txt")
STEPS, TOLERANCE = 20, 1e-3


class Work:
    """What is trained. shape: layers, width, heads, length; tokens: of a batch; check_tokens: of one where losses are compared; steps:
    that are timed in a turn, after the first; bar, memory: the least ratio of speeds, and the most of memory, or None."""

    def __init__(self, key, title, data, shape, tokens, check_tokens, steps, bar, memory=None, negatives=0, lr=1e-3):
        self.key, self.title, self.data = key, title, data
        self.layers, self.hidden, self.heads, self.length = shape
        self.tokens, self.check_tokens, self.steps = tokens, check_tokens, steps
        self.bar, self.memory, self.negatives, self.lr = bar, memory, negatives, lr
        # SparseAdam has none.
        self.weight_decay = 0.0 if negatives else 0.01
        self.variants = [v for v in ("eager", "compile", "sparse") if v != "sparse" or negatives]
        self.variants = [v for v in self.variants if v not in (os.environ.get("WITHOUT") or "").split(",")]


works = [
    Work("base", "BERT-base, V 20k, S128, 1,024 tokens", "wide", (12, 768, 12, 128), 1024, 256, 1, 1.2, 0.6, lr=1e-4),
    Work("4x256", "4 x 256, V 20k, S128, 4,096 tokens", "wide", (4, 256, 4, 128), 4096, 1024, 1, 1.9),
    Work("2x64", "2 x 64, V 20k, S50, 6,400 tokens", "narrow", (2, 64, 2, 50), 6400, 1600, 5, 3.2),
    Work("beauty", "2 x 64, Beauty, full softmax", "beauty", (2, 64, 2, 50), 4096, 1024, 3, 5, 0.15),
    Work("beauty-sampled", "2 x 64, Beauty, 2,048 negatives", "beauty", (2, 64, 2, 50), 4096, 1024, 6, 8, 0.15, 2048),
    Work("million", "2 x 64, 10^6 items, 2,048 negatives", "million", (2, 64, 2, 50), 4096, 1024, 4, 4, None, 2048),
]

# ---- data -----------------------------------------------------------------------------------------------------


def make_log(path, users, items, length):
    """Users with histories of one length, so that windows are full, and every item at least once, a few very often."""
    r = np.random.default_rng(1)
    n = users * length
    often = (items * r.random(n) ** 4).astype(np.int64)
    often[r.permutation(n)[:items]] = np.arange(items)
    np.savetxt(path, np.stack([np.repeat(np.arange(users), length), often], 1), "u%d,i%d")


def prepare(name):
    """The directory of a prepared data set."""
    out = f"{root}/{name}"
    if os.path.exists(f"{out}/manifest.json"):
        return out
    if name == "beauty":
        run([souk, "prepare", "datasets/amazon-beauty/prepare.yaml", "--log", beauty_log, "--out", out, "--force"])
        return out
    # Two events of each user are kept back, for validation and test.
    users, items, length = {"wide": (3000, 20000, 130), "narrow": (8000, 20000, 52), "million": (20000, 1000000, 52)}[name]
    log = f"{root}/{name}.csv"
    make_log(log, users, items, length)
    window = str(length - 2)
    columns = ["--no-header", "--user", "1", "--fields.item", "2"]
    run([souk, "prepare", "--log", log, *columns, "--out", out, "--force", "--window", window, "--stride", window])
    os.remove(log)
    return out


# ---- the programs ---------------------------------------------------------------------------------------------


def train(work, name, tokens, steps, dropout, lr, *more):
    """A run of souk; its metrics, a line a step, and the peak of its memory in MiB, as itself has seen it: what wait4 tells has the
    memory of this program in it."""
    out = f"{root}/runs/{work.key}-{name}"
    shutil.rmtree(out, ignore_errors=True)
    options = {
        "data.dir": f"{root}/{work.data}", "out": out, "steps": steps, "threads": threads, "device": "cpu",
        "layers": work.layers, "hidden": work.hidden, "heads": work.heads, "dropout": dropout, "attention_dropout": dropout,
        "max_positions": work.length, "window": work.length, "stride": work.length // 2, "batch_tokens": tokens,
        "negatives": work.negatives, "mask_probability": 0.15, "last_copies": 0, "eval_every": 0, "log_every": 1,
        "lr": lr, "schedule": "constant", "warmup_steps": 0, "weight_decay": work.weight_decay,
    }  # fmt: skip
    given = [x for name, value in options.items() for x in ("--" + name, str(value))]
    run([souk, "pretrain", *given, "--no-background", "--no-tensorboard", *more])
    with open(f"{out}/metrics.jsonl") as f:
        lines = [json.loads(line) for line in f]
    return [x for x in lines if x["kind"] == "train"], lines[-1]["peak_bytes"] / 2**20


class Torch:
    """A worker of torch_train.py, which lives as long as its work is timed: it is compiled and warm when its turn comes."""

    def __init__(self, work, variant, run, dropout):
        """Trains on the batches that a run of souk has written."""
        first = f"{root}/runs/{work.key}-first/step-00000001"
        with open(f"{first}/manifest.json") as f:
            m = json.load(f)["model"]
        config = {
            "variant": variant, "weights": f"{first}/model.h5", "batches": f"{root}/runs/{work.key}-{run}/batches.h5",
            "layers": work.layers, "hidden": work.hidden, "heads": work.heads, "length": work.length,
            "vocab": m["vocab_size"], "class_base": m["class_base"], "types": m["segments"] * m["event_types"],
            "dropout": dropout, "attention_dropout": dropout, "lr": work.lr, "weight_decay": work.weight_decay, "threads": threads,
        }  # fmt: skip
        path = f"{root}/runs/{work.key}-{run}-{variant}.json"
        with open(path, "w") as f:
            json.dump(config, f)
        cache = os.path.abspath(f"{root}/inductor")
        env = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        env.update({"TORCHINDUCTOR_CACHE_DIR": cache, "TORCHINDUCTOR_COMPILE_THREADS": "1"})
        self.errors = open(f"{path[:-5]}.err", "w+")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.child = subprocess.Popen([sys.executable, f"{here}/torch_train.py", path], text=True, env=env, **pipes)

    def order(self, text):
        try:
            self.child.stdin.write(text + "\n")
            self.child.stdin.flush()
        except BrokenPipeError:
            pass  # answer() tells

    def answer(self):
        """To the first order that has none yet, or None where the worker died; its last words are then in self.words."""
        line = self.child.stdout.readline()
        if line:
            return json.loads(line)
        self.errors.seek(0)
        self.words = (self.errors.read().strip().splitlines() or ["no word"])[-1][:300]
        return None

    def ask(self, text):
        self.order(text)
        return self.answer()

    def close(self):
        self.child.stdin.close()
        self.child.wait()
        self.errors.close()


# ---- the same work --------------------------------------------------------------------------------------------


def start(work, variant):
    """A worker whose losses are compared, and one that is timed. Both compile at the same time, while others are compared."""
    checked = Torch(work, variant, "check", 0.0)
    timed = Torch(work, variant, "first", 0.1)
    checked.order(f"check {STEPS}")
    timed.order("steps 2")  # compiles and warms up
    return checked, timed


def check(work):
    """Compares losses of 20 steps without dropout, and ends everything where they differ; the workers to be timed, by variant."""
    # A step of rate 0: the weights that every run of this seed begins with. And the batches that are timed.
    train(work, "first", work.tokens, 1, 0.1, 0.0, "--write_batches", str(work.steps + 1))
    # With sampled losses Souk updates only those rows of the item table that a batch has, as SparseAdam does and AdamW does not.
    ours = losses(work, "check", "--write_batches", str(STEPS))
    early = {v: start(work, v) for v in work.variants if v == "compile"}
    dense = losses(work, "check-dense", "--no-lazy_rows") if work.negatives else ours
    workers = {}
    for variant in sorted(work.variants, key=lambda v: v in early):
        checked, timed = early.get(variant) or start(work, variant)
        theirs = checked.answer()
        checked.close()
        if theirs is None or timed.answer() is None:
            print(f"  {variant} does not work: {(checked if theirs is None else timed).words}")
            timed.close()
            continue
        compare(work, variant, ours if variant == "sparse" else dense, theirs)
        workers[variant] = timed
    return workers


def losses(work, name, *more):
    return [x["loss"] for x in train(work, name, work.check_tokens, STEPS, 0.0, work.lr, *more)[0]]


def compare(work, variant, ours, theirs):
    most = max(abs(a - b) for a, b in zip(ours, theirs))
    span = f"{ours[0]:.5f} to {ours[-1]:.5f}"
    print(f"  losses of souk ({span}) and {variant} differ by at most {most:.1e} in {len(theirs)} steps", flush=True)
    if len(ours) != len(theirs) or not most <= TOLERANCE:
        for i, (a, b) in enumerate(zip(ours, theirs)):
            print(f"    step {i + 1}: souk {a:.6f}, {variant} {b:.6f}")
        sys.exit(f"{work.title}: that is more than {TOLERANCE}: the work is not the same")


# ---- turns ----------------------------------------------------------------------------------------------------


def rate_of_souk(work):
    """Tokens a second of a turn, from the second step on, and memory in MiB."""
    lines, peak = train(work, "timed", work.tokens, work.steps + 1, 0.1, work.lr)
    return statistics.median(x["tokens_per_s"] for x in lines[1:]), peak


def time_all(work, workers):
    """{program: [tokens a second]} and {program: MiB}."""
    rates, memory = {name: [] for name in ("souk", *workers)}, {"souk": 0}
    for _ in range(turns):
        rate, peak = rate_of_souk(work)
        rates["souk"].append(rate)
        memory["souk"] = max(peak, memory["souk"])
        for variant, worker in workers.items():
            steps = worker.ask(f"steps {work.steps}")
            rates[variant].append(statistics.median(tokens / seconds for tokens, seconds in steps))
    for variant, worker in workers.items():
        memory[variant] = worker.ask("memory")
        worker.close()
    return rates, memory


def report(work, rates, memory):
    """A row of the table, how many times as fast Souk is as the fastest of PyTorch, and its share of the least memory of PyTorch."""
    median = {name: statistics.median(r) for name, r in rates.items()}
    best = max((name for name in rates if name != "souk"), key=median.get)
    print(f"  {'program':<10} {'tokens/s':>9} {'least':>8} {'most':>8} {'peak MiB':>9} {'souk is times':>14}")
    for name, r in rates.items():
        ratio = median["souk"] / median[name]
        print(f"  {name:<10} {median[name]:9.0f} {min(r):8.0f} {max(r):8.0f} {memory[name]:9.0f} {ratio:14.2f}")
    least = min(memory[name] for name in rates if name != "souk")
    ratio, share = median["souk"] / median[best], memory["souk"] / least
    cells = f"{median[best]:.0f} ({best}) | {median['souk']:.0f} | {ratio:.2f} | {memory['souk']:.0f} / {least:.0f} MiB"
    sys.stdout.flush()
    return f"| {work.title} | {cells} |", ratio, share


def main():
    os.makedirs(f"{root}/runs", exist_ok=True)
    chosen = [w for w in works if (os.environ.get("WORK") or "") in w.key]
    rows, bars = [], []
    for work in chosen:
        print(f"{work.title}, {threads} thread{'s' if threads > 1 else ''}", flush=True)
        if work.data == "beauty" and not os.path.exists(beauty_log):
            print(f"  left out: there is no {beauty_log}")
            continue
        prepare(work.data)
        workers = check(work)
        if not workers:
            sys.exit(f"{work.title}: no variant of PyTorch works")
        row, ratio, share = report(work, *time_all(work, workers))
        rows.append(row)
        bars.append((f"{work.title}: at least {work.bar} times as fast", ratio >= work.bar))
        if work.memory:
            bars.append((f"{work.title}: at most {work.memory} of the memory", share <= work.memory))
    print("| work | PyTorch, tokens/s | Souk | ratio | memory |\n|---|---|---|---|---|")
    print("\n".join(rows))
    shutil.rmtree(f"{root}/runs")
    for sentence, good in bars:
        bar(sentence, good)


main()
