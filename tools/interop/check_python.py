"""tools/python/souk.py beside souk-infer: the same vectors, scores and lists, with every kind of filter; what it refuses; and that
it finds its library where `make install` puts both."""
import json
import os
import shutil
import subprocess
import sys
import threading

import numpy as np

from common import BUILD, close, done, log_rows, make_data, path, report, run, souk as make

HERE = os.path.dirname(os.path.abspath(__file__))
MODULE = os.path.join(HERE, "..", "python", "souk.py")
sys.path.insert(0, os.path.dirname(MODULE))
import souk  # noqa: E402

os.environ["SOUK_INFER_LIBRARY"] = os.path.join(BUILD, souk._SONAME)

K = 7
data = make_data(log_rows(users=120, items=90, seed=3))
make("pretrain", "--data.dir", data, "--out", path("run"), "--hidden", 32, "--max_positions", 20, "--steps", 60, "--lr", 3e-3,
     "--warmup_steps", 10, "--batch_tokens", 1024, "--eval_every", 0, "--train.peak_gflops", 50)
make("export", path("run"), path("bundle"))
b = souk.open(path("bundle"))
rng = np.random.default_rng(7)
names = b.names(range(b.items))
lists = [[names[i] for i in rng.integers(0, b.items, rng.integers(0, 9))] + ["nobody knows this"] * (j % 3 == 0)
         for j in range(60)]
events = [[["none", "view", "buy"][i] for i in rng.integers(0, 3, len(x))] for x in lists]
some = [[names[i] for i in rng.integers(0, b.items, 12)] + ["who"] for _ in lists]
some[5] = []


def lines(**more):
    """Questions for souk-infer, with a list for each history under every further field."""
    out = []
    for j, (x, e) in enumerate(zip(lists, events)):
        q = {"user": j, "history": [{"item": i, "event": t} for i, t in zip(x, e)]}
        q.update({field: values[j] for field, values in more.items()})
        out.append(json.dumps(q) + "\n")
    return "".join(out)


def by_program(command, text, *options):
    return [json.loads(line) for line in run("souk-infer", command, path("bundle"), *options, text=text).splitlines()]


def same_lists(name, found, answers):
    good = len(found.items) == len(answers)
    for row, scores, n, unknown, a in zip(*found, answers):
        good = good and b.names(row[:n]) == a["items"] and unknown == a["unknown"]
        good = good and np.array_equal(scores[:n], np.array(a["scores"], np.float32))
        good = good and (row[n:] == -1).all() and np.isnan(scores[n:]).all()
    report(name, bool(good), f"{len(answers)} lists, {int(found.counts.sum())} items")


def same_reasons(name, found, answers, *method):
    """souk.explain beside souk-infer rank --why; and parts that make the scores."""
    good, worst = True, 0.0
    for j, a in enumerate(answers):
        n, why = found.counts[j], a["why"]
        parts, shares = b.explain(lists[j], found.items[j][:n], events=events[j], method=method[0] if method else None)
        good = good and np.array_equal(shares.ravel(), np.array(why["shares"], np.float32).ravel())
        good = good and np.array_equal(parts["score"].astype(np.float32), found.scores[j][:n])
        good = good and np.array_equal(parts["base"].astype(np.float32), np.array(why["base"], np.float32))
        whole = parts["base"] + shares.sum(1) + parts["counts"] + parts["rest"]
        worst = max(worst, float(abs(whole - parts["score"]).max(initial=0)))
    report(name, bool(good) and worst < 1e-5, f"{len(answers)} histories, sums within {worst:.1g}")


def refuses(name, kind, text, call):
    try:
        call()
        report(name, False, "no error")
    except kind as e:
        report(name, text in str(e), str(e))


# check: what a bundle is
theirs = json.loads(run("souk-infer", "info", path("bundle"), "--json"))
report("info", all(getattr(b.info, k) == theirs[k] for k in ("items", "dimension", "hidden", "layers", "max_history", "training_step"))
       and b.events == theirs["event_types"] and b.info.data_name == theirs["data"], f"souk {souk.version()}")
before = b.info.memory_bytes

# check: vectors
run("souk-infer", "users", path("bundle"), "--output", path("u.npy"), text=lines())
run("souk-infer", "items", path("bundle"), "--output", path("v.npy"), "--names", path("v.names"))
u, unknown = b.user_vectors(lists, events)
close("user vectors", u, np.load(path("u.npy")), 0)
report("unknown items are counted", unknown.tolist() == [x.count("nobody knows this") for x in lists])
close("item vectors", b.item_vectors(), np.load(path("v.npy")), 0)
close("some item vectors", b.item_vectors(3, 5), np.load(path("v.npy"))[3:8], 0)
with open(path("v.names")) as f:
    counts = [json.loads(line) for line in f]
report("names and counts", [c["item"] for c in counts] == names and [c["count"] for c in counts] == [b.count(i) for i in range(b.items)])
report("a name is found as a whole", b.find(names[4]) == 4 and b.find(names[4] + "\0") == -1 and b.find("") == -1)
flat = b.histories(lists, events)
close("user vectors from flat arrays", b.user_vectors(flat, threads=1)[0], u, 0)
wide = souk.Histories(flat.items.astype(np.int64), flat.offsets.astype(np.int32), flat.events.astype(np.uint8))
close("and from arrays of other types", b.user_vectors(wide)[0], u, 0)
report("kept workspaces are in memory_bytes", b.info.memory_bytes > before, f"{before} to {b.info.memory_bytes} bytes")

# check: scores
close("scores are products", b.score(u, names), u @ b.item_vectors().T)
ours = b.score(u, [x for x in some[0] if x != "who"])
answers = by_program("score", lines(candidates=[some[0]] * len(lists)))
close("scores as souk-infer's", ours, np.array([[s for s in a["scores"] if s is not None] for a in answers], np.float32), 0)

# check: lists
same_lists("lists", b.rank(lists, K, events), by_program("rank", lines(), "--k", K))
same_lists("lists from flat arrays", b.rank(flat, K), by_program("rank", lines(), "--k", K))
same_lists("lists with the history kept", b.rank(lists, K, events, keep_history=True), by_program("rank", lines(), "--k", K, "--keep-history"))
same_lists("lists from vectors", b.rank(lists, K, events, u=u), by_program("rank", lines(), "--k", K))
same_lists("lists of candidates", b.rank(lists, K, events, candidates=some), by_program("rank", lines(candidates=some), "--k", K))
half = [x if i % 2 else None for i, x in enumerate(some)]
mixed = b.rank(lists, K, events, candidates=half)
whole, narrow = b.rank(lists, K, events), b.rank(lists, K, events, candidates=some)
report("candidates for some of them", all(np.array_equal(mixed.items[i], (narrow if i % 2 else whole).items[i]) for i in range(len(lists))))
same_lists("lists without some", b.rank(lists, K, events, deny_each=some), by_program("rank", lines(deny=some), "--k", K))
for option in ("allow", "deny"):
    with open(path("few"), "w") as f:
        f.write("\n".join(names[:20]) + "\n")
    same_lists(f"{option} for all", b.rank(lists, K, events, **{option: names[:20]}),
               by_program("rank", lines(), "--k", K, f"--{option}", path("few")))
report("nothing is allowed", int(b.rank(lists, K, allow=[]).counts.sum()) == 0)
report("no histories at all", b.rank([], K).items.shape == (0, K) and b.user_vectors([])[0].shape == (0, b.dimension))

# check: threads of Python
results = [None] * 4


def work(i):
    results[i] = b.rank(lists, K, events, threads=1)


workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
for w in workers:
    w.start()
for w in workers:
    w.join()
report("threads get the same lists", all(np.array_equal(r.items, whole.items) and np.array_equal(r.scores, whole.scores, equal_nan=True) for r in results))

# check: what is refused
found = b.rank(lists, k=K, events=events)
same_reasons("explanations", found, by_program("rank", lines(), "--k", str(K), "--why"))
same_reasons("explanations by gradients", found, by_program("rank", lines(), "--k", str(K), "--why", "--gradients"),
             "integrated-gradients")
refuses("texts without words", souk.Error, "has no words", lambda: b.embed(["a text"]))
refuses("labels that are not there", souk.Error, "has no labels", lambda: b.classify(["a text"]))
shutil.copytree(path("bundle"), path("unranked"))  # as a model of labels alone is exported
with open(path("unranked", "souk.json")) as f:
    settings = json.load(f)
settings["training"]["untrained"] = ["ranking"]
with open(path("unranked", "souk.json"), "w") as f:
    json.dump(settings, f)
with souk.open(path("unranked")) as unranked:
    report("info of what ranks nothing", unranked.info.unranked == 1 and b.info.unranked == 0)
    refuses("a list of what ranks nothing", souk.Error, "ranks no items", lambda: unranked.rank(lists))
    refuses("scores of what ranks nothing", souk.Error, "ranks no items",
            lambda: unranked.score(unranked.user_vectors(lists[:1])[0], names[:2]))
    refuses("explanations of what ranks nothing", souk.Error, "ranks no items", lambda: unranked.explain(lists[0], names[:2]))
refuses("an adapter that is not there", ValueError, "no adapter", lambda: b.rank(lists, adapter="spring"))
refuses("a missing bundle", souk.Error, "/no/such", lambda: souk.open("/no/such"))
refuses("a run in a bundle's place", souk.Error, "is a training run, not a bundle", lambda: souk.open(path("run")))
refuses("an item that is none", souk.Error, "histories[0].items[0] = 1000000 is not an item's number", lambda: b.user_vectors([[1000000]]))
refuses("a number beyond int32", ValueError, "does not fit int32", lambda: b.user_vectors([[2 ** 40]]))
refuses("a fraction", TypeError, "must be whole numbers", lambda: b.user_vectors([[1.5]]))
refuses("an unknown event type", ValueError, "there is no event type 'sell'", lambda: b.user_vectors([["item1"]], [["sell"]]))
refuses("one history instead of a list", TypeError, "a list of histories is expected", lambda: b.user_vectors(["item1"]))
refuses("offsets beyond the items", ValueError, "offsets end at 9", lambda: b.rank(souk.Histories(np.zeros(3, np.int32), np.array([0, 9]))))
refuses("falling offsets", souk.Error, "offsets[2] = 1 is less than offsets[1] = 2",
        lambda: b.rank(souk.Histories(np.zeros(3, np.int32), np.array([0, 2, 1]))))
refuses("vectors of another width", ValueError, "user vectors are [n, 33]", lambda: b.score(u[:, 1:], [0]))
# A number that ctypes would cut to another one, a text that would be taken for its characters.
for what, call in (("item", lambda n: b.name(n)), ("item", lambda n: b.count(n)), ("item", lambda n: b.record(n)),
                   ("first", lambda n: b.item_vectors(n, 1)), ("count", lambda n: b.item_vectors(0, n)),
                   ("threads", lambda n: b.user_vectors(lists, threads=n)), ("threads", lambda n: b.rank(lists, K, threads=n)),
                   ("k", lambda n: b.rank(lists, n))):
    refuses(f"{what} beyond int32", ValueError, f"{what} = {2 ** 32} does not fit int32", lambda: call(2 ** 32))
    refuses(f"{what} below int32", ValueError, f"{what} = {-2 ** 33} does not fit int32", lambda: call(-2 ** 33))
    refuses(f"{what} that is no number", TypeError, f"{what} must be a whole number", lambda: call(1.5))
report("no item has the last number", b.name(2 ** 31 - 1) is None and b.name(np.int64(4)) == names[4])
for text in ("item1", b"item1"):
    refuses("allow of a text", TypeError, "allow: a list is expected", lambda: b.rank(lists, K, allow=text))
    refuses("deny of a text", TypeError, "deny: a list is expected", lambda: b.rank(lists, K, deny=text))
    refuses("items of a text", TypeError, "items: a list is expected", lambda: b.score(u, text))
    refuses("candidates of texts", TypeError, "candidates: a list is expected", lambda: b.rank(lists, K, candidates=[text] * len(lists)))
    refuses("deny_each of texts", TypeError, "deny: a list is expected", lambda: b.rank(lists, K, deny_each=[text] * len(lists)))
    refuses("candidates of a text", TypeError, "candidates: a list is expected", lambda: b.rank([["item1"]] * len(text), K, candidates=text))
    refuses("a history of a text", TypeError, "a list of histories is expected", lambda: b.user_vectors([text]))
    refuses("events of a text", TypeError, "events of a history: a list is expected", lambda: b.user_vectors([["item1"] * 5], [text]))
refuses("k = 0", souk.Error, "k = 0 is less than 1", lambda: b.rank(lists, 0))
with souk.open(path("bundle"), checksums=False) as closed:
    pass
refuses("a closed bundle", ValueError, "the bundle is closed", lambda: closed.rank(lists))


# check: where it finds its library
def python(code, module=MODULE, **environment):
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(module), **environment}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


installed = path("prefix", "share", "souk", "python", "souk.py")
os.makedirs(os.path.dirname(installed))
os.makedirs(path("prefix", "lib"))
shutil.copy(MODULE, installed)
shutil.copy(os.path.join(BUILD, "libsouk_infer.so"), path("prefix", "lib", souk._SONAME))
r = python("import souk; print(souk.version(), souk._library()._name)", installed, SOUK_INFER_LIBRARY="")
report("beside an installed one", r.stdout.split() == [souk.version(), path("prefix", "lib", souk._SONAME)], (r.stdout + r.stderr[-200:]).strip())
r = python("import souk; souk.version()", SOUK_INFER_LIBRARY="/no/such.so")
report("a library that is not there", "Souk's inference library cannot be loaded" in r.stderr and "/no/such.so" in r.stderr)
r = python("import sys; sys.modules['numpy'] = None; import souk")
report("without numpy", "souk.py needs numpy" in r.stderr, r.stderr.strip().rsplit("\n", 1)[-1])
done()
