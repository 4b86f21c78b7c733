"""Figures of copy: BLEU is sacrebleu's, and ROUGE-L rouge-score's, to 1e-6.

Texts that are made to differ (entities, points beside digits, every kind of space, every character whose lower case is a letter of
ASCII, every character that sacrebleu takes for Chinese, empty lines) and, where they are at hand, those of AdvertiseGen.
"""
import json
import os
import random
import re

import sacrebleu
from rouge_score import rouge_scorer

from common import close, done, path, skip, souk

SMOOTHING = {"exp": None, "floor": 0.3, "add_k": 0.5, "none": None}
IDEOGRAPHS = ("\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f"
              "\U0002b820-\U0002ceaf\uf900-\ufaff\U0002f800-\U0002fa1f")


class Ideographs:
    """What `--rouge_words rouge_zh` counts, as a tokenizer for rouge-score."""

    def tokenize(self, text):
        return re.findall(f"[a-z0-9]+|[{IDEOGRAPHS}]", text.lower())


def write(name, lines):
    with open(path(name), "w", encoding="utf-8", newline="\n") as f:
        f.writelines(line + "\n" for line in lines)
    return path(name)


def ours(copies, references, *options):
    names = [write("copies.txt", copies)] + [write(f"references{i}.txt", r) for i, r in enumerate(references)]
    souk("eval", "--copy_text", names[0], "--reference", ",".join(names[1:]), "--bootstrap", 0, "--figures", path("f.json"),
         *options)
    return json.load(open(path("f.json"), encoding="utf-8"))


def bleu(copies, references, words, smoothing="exp", effective=False):
    value = SMOOTHING[smoothing]
    options = ["--bleu_words", words, "--smoothing", smoothing] + (["--smooth_value", value] if value else [])
    mine = ours(copies, references, *options, *(["--effective_order"] if effective else []))["bleu"]
    metric = sacrebleu.metrics.BLEU(tokenize=words, smooth_method=smoothing.replace("_", "-"), smooth_value=value,
                                    effective_order=effective, force=True)
    theirs = metric.corpus_score(copies, references)
    pairs = {"score": (mine["score"], theirs.score), "brevity penalty": (mine["brevity_penalty"], theirs.bp),
             "words": (mine["words"], theirs.sys_len), "words of references": (mine["reference_words"], theirs.ref_len)}
    if theirs.score > 0:
        pairs |= {f"precision {k + 1}": (mine["precisions"][k], theirs.precisions[k]) for k in range(4)}
    return {k: v[0] for k, v in pairs.items()}, {k: v[1] for k, v in pairs.items()}


def rouge(copies, references, words):
    mine = ours(copies, references, "--rouge_words", words)["rouge_l"]
    scorer = rouge_scorer.RougeScorer(["rougeL"], tokenizer=Ideographs() if words == "rouge_zh" else None)
    scores = [scorer.score_multi([r[i] for r in references], copies[i])["rougeL"] for i in range(len(copies))]
    mean = [sum(s[k] for s in scores) / len(scores) for k in range(3)]
    names = ("precision", "recall", "f1")
    return {n: mine[n] for n in names}, dict(zip(names, mean))


def compare(title, copies, references, smoothings=("exp",)):
    for words in ("13a", "zh", "char", "none"):
        for smoothing in smoothings:
            mine, theirs = bleu(copies, references, words, smoothing)
            close(f"{title}: BLEU, {words}, {smoothing}", mine, theirs, 1e-6)
    mine, theirs = bleu(copies[:1], [r[:1] for r in references], "13a", effective=True)
    close(f"{title}: BLEU of one copy by its own orders", mine, theirs, 1e-6)
    for words in ("rouge", "rouge_zh"):
        mine, theirs = rouge(copies, references, words)
        close(f"{title}: ROUGE-L, {words}", mine, theirs, 1e-6)


# check: texts that are made to differ
rng = random.Random(5)
PIECES = ["the", "The", "cat", "sat", "mat", "白色", "连衣裙", "针织", "，", "。", "！", ",", ".", "...", "-", "--", "'", "’", "“", "”",
          "…", "—", "20%", "$1,000.50", "￥199", "3-4", "1.5", "5.", ".5", "a.b", "&amp;", "&lt;b&gt;", "&amp;quot;", "&quot;", "<skipped>", "(x)",
          "[y]", "{z}", "a/b", "a:b", "a@b", "x_y", "`", "~", "^", "İstanbul", "K", "ß", "É", "ｆｕｌｌ", "８折", "八折", "かな", "한글",
          "👗", "👩‍👧", "𠀀", "⩭", "⩮", "⾁", "⾡", "㐀", "䶵", "䶶", "龻", "龼", "\u200b", "\ufeff", "\u202e", "\u2028", "\x1c", "\x85", "\xa0",
          "\u3000", "\u2003", "\u2000", "\t", "\x01", "e\u0301", "\ufffd"]


def text(most):
    return "".join(rng.choice(PIECES) + rng.choice(["", "", " ", " ", "  "]) for _ in range(rng.randrange(most)))


def variant(t):
    words = t.split(" ")
    rng.shuffle(words) if rng.random() < 0.2 else None
    return " ".join(w for w in words if rng.random() < 0.85)


base = ["the cat sat on the mat . 白色连衣裙，针织面料。"] + [text(40).replace("\n", " ") for _ in range(400)] + ["", " ", "."]
copies = [variant(t) for t in base]
compare("hostile texts", copies, [base], SMOOTHING)
compare("hostile texts with three references", copies, [base, [variant(t) for t in base], [text(20) for _ in base]])
compare("short copies", ["a", "", "b c"], [["a b", "", "c b"]], SMOOTHING)
compare("nothing alike", ["a b c d", "e f"], [["g h i j", "k l m"]], SMOOTHING)

# check: every character
# A line a character, between letters and beside a point, whatever Python and Souk take it for. A carriage return and a line feed end lines.
every = [f"a{chr(c)}b {chr(c)}. 1{chr(c)}-{chr(c)},2" for c in range(1, 0x110000)
         if not 0xD800 <= c < 0xE000 and chr(c) not in "\r\n" and (c < 0x3400 or 0x4DA0 < c < 0x4E10 or 0x9F00 < c < 0xA000
                                                                      or 0xF000 < c < 0x10100 or c % 257 == 0)]
turned = every[1:] + every[:1]
for words in ("13a", "zh", "char", "none"):
    mine, theirs = bleu(every, [turned], words)
    close(f"{len(every)} characters: BLEU, {words}", mine, theirs, 1e-6)
mine, theirs = rouge(every, [turned], "rouge")
close(f"{len(every)} characters: ROUGE-L", mine, theirs, 1e-6)
ascii_lower = [chr(c) for c in range(0x80, 0x110000) if not 0xD800 <= c < 0xE000 and re.search("[a-z0-9]", chr(c).lower())]
mine, theirs = rouge([f"x{c}y" for c in ascii_lower], [["x i y k xky" for _ in ascii_lower]], "rouge")
close(f"ROUGE-L of the {len(ascii_lower)} characters whose lower case is of ASCII", mine, theirs, 1e-6)

# check: AdvertiseGen
pairs = "../shared/data/advertisegen/dev.jsonl"
if os.path.exists(pairs):
    rows = [json.loads(line) for line in open(pairs, encoding="utf-8")]
    summaries = [r["summary"] for r in rows]
    compare("AdvertiseGen, its neighbours' copy", summaries[1:] + summaries[:1], [summaries], SMOOTHING)
    compare("AdvertiseGen, attributes as copy", [r["content"] for r in rows], [summaries])
else:
    skip("AdvertiseGen", "no " + pairs)
done()
