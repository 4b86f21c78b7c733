#!/usr/bin/env python3
"""Makes tests/golden/words_*: hostile texts, a vocabulary, and the ids that Hugging Face's BERT tokenizers give the texts.

usage: golden_words.py OUTDIR      (needs transformers; `make golden` runs it in the pinned environment)

  words_vocab.txt   the vocabulary, the five special tokens first
  words_texts.bin   the texts: for each u32 length and its bytes, which need not be UTF-8
  words_ids.bin.gz     named int32 arrays as golden_bert.py writes them: for each setting SETTING/counts, the number of ids of each text,
                    and SETTING/ids, all of them; and SETTING/runs, pairs of a number of characters and what becomes of "a" and
                    "b" with each of these between them, for all of Unicode but surrogates: 0 the character disappears, 1 they are
                    two words, 2 it is a word of its own, 3 it is a part of their word
Settings that begin with "python" are those of BertTokenizer, the others those of BertTokenizerFast. The former go by the Unicode
version of the Python that runs this; only what is the same in 14.0 and 15.0 is asked for.
"""
import json
import os
import random
import struct
import sys
import tempfile
import unicodedata

import numpy as np
import transformers
from tokenizers import Tokenizer
from transformers import AddedToken, BertTokenizer, BertTokenizerFast

from golden_bert import write

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Pieces of many scripts, so that most texts have ids to differ in.
WORDS = """the The fox Fox ##es ##s quick quickly ##ly caf cafe caf\u00e9 ##\u00e9 ##e \u00e9 e \u00c9t\u00e9 ete \u00e9t\u00e9 t ##t ##te i \u0131 i\u0307 istanbul i\u0307stanbul ##\u0307
stra\u00dfe strasse \u03bf\u03b4\u03bf\u03c3 \u03bf\u03b4\u03bf\u03c2 \u03b1\u03b8\u03ae\u03bd\u03b1 \u03b1\u03b8\u03b7\u03bd\u03b1 \u043c\u043e\u0441\u043a\u0432\u0430 \u0439 ##\u0439 \u0438 ##\u0438 \u6bdb \u8863 \u6bdb\u8863 ##\u8863 \u4e2d \u6587 \u3400 \U00020000 \U0002b820 \u3042 ##\u3042 \u304c \u304b ##\u3099
\uac00 \u1100 ##\u1161 \ud55c \ud55c\uad6d \u1112 ##\u11ab \u0915 ##\u093c \u0958 \u09cb \u09c7 ##\u09be \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u0627 ##\u0653 \u0622 a ##a b ##b ab ##ab abc c d 1 2 12 ##2 2024 ##0 ! , . - ' \" # $
% & ( ) [ ] _ ` ~ ^ + = < > | @ \u2026 \u2014 \u201c \u201d \u300a \u300b \uff0c \u3002 \uff01 \u00bf \u00a1 \u00b7 \u2019 s don \U0001f457 ##\U0001f457 \U0001f468 ##\u200d ##\U0001f469 \u2764 ##\ufe0f \u00ae \u2122 \u212b \u00e5 ##\u030a \u1ea5 ##\u0302 ##\u0301
\u0323 ##\u0323 \ufb01 \ufb1f \u1e9e sku mask cls unk \ue000 ##\ue000 \ufffd ##\ufffd \u0378 ##\u0378 word ##word x ##x y z foo bar foobar long ##long""".split()
ADDED = [("[SKU]", False, False), ("quickly", True, False), ("ab", True, True), ("Neo", False, True), ("\u00c9-1", True, False),
         ("foo bar", True, False), ("_u", False, True)]  # text, normalized, single_word
SETTINGS = {  # lower_case, strip_accents, split_chinese, clean_text, longest_word
    "uncased": (True, None, True, True, 100), "cased": (False, None, True, True, 100), "accents": (True, False, True, True, 100),
    "stripped": (False, True, True, True, 100), "together": (True, None, False, True, 100), "unclean": (True, None, True, False, 100),
    "unclean-cased": (False, None, True, False, 100), "short": (True, None, True, True, 5), "added": (True, None, True, True, 100),
    "added-cased": (False, None, True, True, 100), "python-uncased": (True, None, True, True, 100),
    "python-cased": (False, None, True, True, 100), "python-accents": (True, False, True, True, 100),
    "python-stripped": (False, True, True, True, 100), "python-together": (True, None, False, True, 100),
    "python-short": (True, None, True, True, 5), "python-added": (True, None, True, True, 100)}

CRAFTED = ["", " ", "\t\r\n\v\f\u0085\u2028\u2029\u3000\u00a0\u200b\ufeff", "The quick foxes, the Quick Caf\u00e9!", "\u6bdb\u8863 a\u6bdb\u8863b", "\u4e2d\u6587\uff0c\u6bdb\u8863\u3002\u300a\u4e2d\u300b",
           "cafe\u0301 caf\u00e9 CAFE\u0301", "\u0130stanbul \u0131 \u0049\u0307", "\u039f\u0394\u039f\u03a3 \u03bf\u03b4\u03bf\u03c2", "Stra\u00dfe STRASSE \u1e9e", "\u041c\u043e\u0441\u043a\u0432\u0430 \u0419 \u0439", "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab \uac00\u11a8",
           "\u304c \u304b\u3099 \u3042\u3042", "\u0958 \u0915\u093c \u09c7\u09be \u09cb", "\u05e9\u05b8\u05dc\u05d5\u05b9\u05dd \u0645\u064e\u0631\u0652\u062d\u0628\u0627", "\u0622 \u0627\u0653", "a\u0323\u0301\u0302 a\u0302\u0323\u0301 \u1ea5 \u0061\u0302\u0301", "\u0301\u0301abc \u0323",
           "A\u030a \u00c5 \u212b", "\ufb01 \ufb1f \ufb2a", "\U0001f457 a\U0001f457 \U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f", "x\ufe0fy \u00ad soft\u00adhyphen", "control\x00\x01\x07\x1f\x7f\x80\x9f end", "a\x00b",
           "\u202eright\u202c \u2066x\u2069", "\ue000 a\ue000 \U000f0000 \U0010ffff \ufffe \u0378a", "\ufffd a\ufffdb", "[MASK] x[MASK]y [mask] [ MASK ] [MASK", "[CLS][SEP][UNK][PAD]", "[[MASK]]",
           "[SKU] x[SKU] [sku]", "quickly Quickly xquicklyx quick ly", "ab AB aab ab. .ab ab_ \u00e9ab ab\u0301 (ab)", "Neo Neon neo aNeo", "\u00c9-1 \u00e9-1 e\u0301-1 E\u0301-1 e-1", "foo bar FOO  bar foo\nbar foobar",
           "_u x_u _ux [_u]", "don't $12.00 #1 a_b c@d e-mail ~^`|<>+=", "\u2026\u2014\u201c\u201d\u00bf\u00a1\u00b7\u2019", "\u166d \u111c9 \u2e52 \u061d", "\U0002b820\U0002b8ff\U0002b920 \u3400\u4dbf \uf900 \U0002f800",
           "a" * 100, "a" * 101, "\u00e9" * 100, "\u00e9" * 101, "\U0001f457" * 100, "\U0001f457" * 101, "ab" * 50 + "c", "aaaaa aaaaaa", "a" * 100000, "\u00e9" * 50000,
           "x" * 100000 + " fox", "a" * 8191 + "\u00e9", "the " * 3000, "\u6bdb" * 5000, "e\u0301" * 4000, "the fox" + "\u0301" * 60 + " fox", ("word" * 20 + "!") * 200, ("quickly " * 1500)[:-1],
           "x" * 7000 + " quickly", " " * 9000 + "fox", "a" * 7679 + " [MASK] foo bar", "foo" + " " * 8000 + "bar"]
INVALID = [b"\xff", b"fo\xffx the", b"\xc3", b"caf\xc3 fox", b"\xe6\xaf", b"a\xe6\xafb", b"\xf0\x9f\x91", b"\xed\xa0\x80x", b"\xc0\xafx", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x80\x80the\xbf", b"the\xf0\x9f\x91 fox",
           b"\xe6\xaf\x9b\xe6\xaf the", b"x\xc3[MASK]"]


def same_everywhere(c):
    """Is the character's category the same in Unicode 14 and 15? Only what 15 assigned may differ; this Python may have either."""
    new = [(0x0CF3, 0x0CF3), (0x0ECE, 0x0ECE), (0x10EFD, 0x10EFF), (0x1123F, 0x11241), (0x11B00, 0x11B09), (0x11F00, 0x11F59), (0x1342F, 0x1345F),
           (0x1B132, 0x1B132), (0x1B155, 0x1B155), (0x1D2C0, 0x1D2D3), (0x1DF25, 0x1DF2A), (0x1E030, 0x1E06D), (0x1E08F, 0x1E08F), (0x1E4D0, 0x1E4F9),
           (0x1F6DC, 0x1F6DC), (0x1F774, 0x1F77F), (0x1F7D9, 0x1F7D9), (0x1FA75, 0x1FA77), (0x1FA87, 0x1FA88), (0x1FAAD, 0x1FAAF), (0x1FABB, 0x1FABF),
           (0x1FACE, 0x1FACF), (0x1FADA, 0x1FADB), (0x1FAE8, 0x1FAE8), (0x1FAF7, 0x1FAF8), (0x2B739, 0x2B739), (0x31350, 0x323AF)]
    return not any(a <= c <= b for a, b in new)


def random_texts(n):
    rng = random.Random(12)
    blocks = [(0x20, 0x7F)] * 6 + [(0, 0x20), (0x80, 0x250), (0x300, 0x370), (0x370, 0x530), (0x590, 0x700), (0x900, 0xA00), (0xE00, 0xF00),
                                   (0x1100, 0x1200), (0x1AB0, 0x1B00), (0x1E00, 0x2070), (0x20D0, 0x2100), (0x3000, 0x3100), (0x4E00, 0x9FFF), (0xAC00, 0xD7A4),
                                   (0xF900, 0xFB50), (0xFE00, 0x10000), (0x1F300, 0x1F700), (0x20000, 0x20100), (0x1D160, 0x1D170), (0x10000, 0x110000)]
    pieces = [w[2:] if w.startswith("##") and len(w) > 2 else w for w in WORDS] + [a[0] for a in ADDED] + SPECIALS + [" ", " ", " ", "\n", "\u0301", "\u0323\u0302"]
    out = []
    for _ in range(n):
        text = ""
        for _ in range(rng.choice([1, 2, 4, 8, 30])):
            if rng.random() < 0.6:
                text += rng.choice(pieces)
            else:
                a, b = rng.choice(blocks)
                text += "".join(chr(c) for c in (rng.randrange(a, b) for _ in range(rng.choice([1, 1, 3]))) if not 0xD800 <= c < 0xE000 and same_everywhere(c))
        out.append(text.encode())
    return out


class Setting:
    def __init__(self, name, vocab_path, n_words):
        lower, accents, chinese, clean, longest = SETTINGS[name]
        options = {"do_lower_case": lower, "strip_accents": accents, "tokenize_chinese_chars": chinese}
        self.python = name.startswith("python")
        if self.python:
            self.t = BertTokenizer(vocab_path, **options)
            self.t.wordpiece_tokenizer.max_input_chars_per_word = longest
            if "added" in name:
                self.t.add_special_tokens({"additional_special_tokens": ["[SKU]"]})
        else:
            fast = BertTokenizerFast(vocab_path, **options)
            state = json.loads(fast._tokenizer.to_str())
            state["normalizer"]["clean_text"] = clean
            state["model"]["max_input_chars_per_word"] = longest
            fast._tokenizer = Tokenizer.from_str(json.dumps(state))
            if "added" in name:
                fast.add_tokens([AddedToken(text, normalized=n, single_word=s) for text, n, s in ADDED])
            self.t = fast._tokenizer

    def ids(self, text):
        if self.python:
            return self.t.convert_tokens_to_ids(self.t.tokenize(text))
        return self.t.encode(text, add_special_tokens=False).ids


def outcome(ids, names):
    words = [names[i] for i in ids]
    return {("ab",): 0, ("a", "b"): 1, ("a", "[UNK]", "b"): 2, ("[UNK]",): 3}[tuple(words)]


def runs_of(name):
    """What becomes of each character, as runs; the vocabulary is small so that nothing but its class matters."""
    words = ["a", "b", "ab"]
    with tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, "vocab.txt")
        with open(path, "w") as f:
            f.write("\n".join(SPECIALS + words) + "\n")
        s = Setting(name, path, len(words))
    names = SPECIALS + words
    runs = []
    for c in range(0x110000):
        if 0xD800 <= c < 0xE000:
            continue
        text = "a" + chr(c) + "b"
        kind = outcome(s.ids(text), names) if not (s.python and not same_everywhere(c)) else 4
        if c in (0x61, 0x62):  # "aab" is no word of this vocabulary
            assert kind == 3
        if runs and runs[-1][1] == kind:
            runs[-1][0] += 1
        else:
            runs.append([1, kind])
    return np.array(runs, np.int32)


def main(out):
    transformers.logging.set_verbosity_error()
    words = list(dict.fromkeys(WORDS))
    vocab_path = os.path.join(out, "words_vocab.txt")
    with open(vocab_path, "w", encoding="utf-8", newline="") as f:
        f.write("\n".join(SPECIALS + words) + "\n")
    texts = [t.encode() for t in CRAFTED] + INVALID + random_texts(600)
    with open(os.path.join(out, "words_texts.bin"), "wb") as f:
        for t in texts:
            f.write(struct.pack("<I", len(t)) + t)
    arrays = {}
    for name in SETTINGS:
        s = Setting(name, vocab_path, len(words))
        ids = [s.ids(t.decode("utf-8", errors="replace")) for t in texts]
        if "added" in name:  # those that are words already have their ids; the others are numbered behind all words
            assert max(max(i, default=0) for i in ids) < len(SPECIALS) + len(words) + len(ADDED)
        arrays[name + "/counts"] = np.array([len(i) for i in ids], np.int32)
        arrays[name + "/ids"] = np.array([x for i in ids for x in i], np.int32)
        if name in ("uncased", "cased", "unclean-cased", "python-uncased", "python-cased"):
            arrays[name + "/runs"] = runs_of(name)
        print(name, len(texts), "texts,", len(arrays[name + "/ids"]), "ids,", len(arrays.get(name + "/runs", [])), "runs", flush=True)
    write(os.path.join(out, "words_ids.bin.gz"), arrays)
    print(f"transformers {transformers.__version__}, Unicode {unicodedata.unidata_version}")


if __name__ == "__main__":
    main(sys.argv[1])
