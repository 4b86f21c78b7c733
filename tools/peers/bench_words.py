"""Souk's tokeniser beside Hugging Face's tokenizers (Rust), on one core: English and Chinese texts, the same vocabulary, the same ids.

Both are timed in processor time inside their own process, without reading files or vocabularies; of tokenizers' ways (one text after
the other, a batch, a batch without offsets) the fastest counts. Chinese texts are of AdvertiseGen where it is (../shared/data), else
of the generated marketplace."""
import csv
import json
import os
import re
import statistics
import subprocess
import sys

from common import bar, run, souk, turns

work = "build/peers-words"
copy = "../shared/data/advertisegen/dev.jsonl"


def make_texts():
    """{name: file of texts, one a line}"""
    if not os.path.exists(f"{work}/market/catalogue.csv"):
        os.makedirs(work, exist_ok=True)
        run([souk, "synth", "--users", "500", "--items", "20000", "--seed", "3", "--out", f"{work}/market", "--force"])
    with open(f"{work}/market/catalogue.csv", newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    texts = {"english": [f"{r['title_en']}. {r['description_en']}" for r in rows]}
    if os.path.exists(copy):
        with open(copy, encoding="utf-8") as f:
            texts["chinese"] = [json.loads(line)["summary"] for line in f]
    else:
        texts["chinese"] = [f"{r['title_zh']}\u3002{r['description_zh']}" for r in rows]
    paths = {}
    for name, lines in texts.items():
        paths[name] = f"{work}/{name}.txt"
        with open(paths[name], "w", encoding="utf-8") as f:
            f.writelines(" ".join(t.split()) + "\n" for t in lines)
    return paths


def peer(vocabulary, path, ids_path):
    """In a process of its own: prints MB/s of the fastest way, and writes the ids."""
    import time

    from tokenizers import BertWordPieceTokenizer

    t = BertWordPieceTokenizer(f"{vocabulary}/vocab.txt", lowercase=True)._tokenizer
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")[:-1]
    ways = [lambda: [t.encode(x, add_special_tokens=False) for x in lines], lambda: t.encode_batch(lines, add_special_tokens=False)]
    if hasattr(t, "encode_batch_fast"):
        ways.append(lambda: t.encode_batch_fast(lines, add_special_tokens=False))
    best = 0
    for way in ways:
        for _ in range(3):
            start = time.process_time()
            encoded = way()
            best = max(best, os.path.getsize(path) / 1e6 / (time.process_time() - start))
    with open(ids_path, "w") as f:
        f.writelines(" ".join(map(str, e.ids)) + "\n" for e in encoded)
    print(best)


def output(command, **environment):
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode != 0:
        sys.exit(done.stderr + " ".join(command))
    return done.stdout


def compare(name, path, vocabulary):
    ours, theirs = [], []
    for turn in range(turns):
        said = output([souk, "bench", "words", "--typed_specials", "--vocab", vocabulary, "--input", path, "--ids", f"{path}.souk", "--seconds", "2"])
        ours.append(float(re.search(r"([\d.]+) MB/s \(best\)", said).group(1)))
        one_thread = {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}
        theirs.append(float(output([sys.executable, __file__, vocabulary, path, f"{path}.peer"], **one_thread)))
    with open(f"{path}.souk") as a, open(f"{path}.peer") as b:
        same = a.read() == b.read()
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(f"{name:<10} {os.path.getsize(path) / 1e6:6.2f} MB   souk {statistics.median(ours):7.1f} MB/s   "
          f"tokenizers {statistics.median(theirs):6.2f} MB/s   ratio {ratio:5.1f}   ids {'the same' if same else 'DIFFER'}")
    return ratio, same


def main():
    import tokenizers

    paths = make_texts()
    vocabulary = f"{work}/vocabulary"
    run([souk, "vocab", "--input", ",".join(paths.values()), "--format", "text", "--size", "20000", "--out", vocabulary, "--force"])
    print(f"tokenizers {tokenizers.__version__}, one thread, medians of {turns} turns of the best passes, in processor time")
    results = [compare(name, path, vocabulary) for name, path in paths.items()]
    bar("the same ids", all(same for _, same in results))
    bar("at least 1.5 times as fast as Hugging Face's tokenizers", min(ratio for ratio, _ in results) >= 1.5)


if len(sys.argv) > 1:
    peer(*sys.argv[1:])
else:
    main()
