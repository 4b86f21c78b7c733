"""Words: the ids that `souk bench words` writes are those of Hugging Face's tokenizers, fast and in Python, for models with every setting;
vocabularies of `souk vocab` work in both; and they cut texts into as few pieces as those of Hugging Face's trainer."""
import csv
import json
import os
import random
import unicodedata

import transformers
from tokenizers import BertWordPieceTokenizer

from common import done, path, report, souk

transformers.logging.set_verbosity_error()
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = """the The quick ##ly fox ##es caf\u00e9 cafe ##\u00e9 ##e \u00c9t\u00e9 ete i i\u0307 ##\u0307 stra\u00dfe \u03bf\u03b4\u03bf\u03c3 \u6bdb \u8863 \u6bdb\u8863 ##\u8863 \u4e2d \u3042 \uac00 \u1100 ##\u1161 \ud55c\uad6d
a ##a b ##b ab abc 1 ##2 , ! . ' [ ] _ sku \u00e5 ##\u030a \u1ea5 ##\u0301 ##\u0323 \U0001f457 ##\U0001f457 x ##x word ##word Neo""".split()
TEXTS = ["The quick foxes, Caf\u00e9!", "\u6bdb\u8863 a\u6bdb\u8863b", "[MASK] x[MASK]y [mask] [SKU]", "\u00c9t\u00e9 e\u0301te\u0301 \u0130 \u039f\u0394\u039f\u03a3", "\ud55c\uad6d\uc5b4 \uac00", "a\u0323\u0301 \u1ea5 \u212b A\u030a",
         "a" * 100 + " " + "a" * 101, "x" * 9000 + " fox", "\U0001f457a\U0001f457 \U0001f468\u200d\U0001f469", "Neo Neon", "don't $1.2 #1_a"]


def random_texts(n):
    """One a line, so without line ends; characters whose category this Python and Souk may see differently are left out."""
    rng = random.Random(5)
    blocks = [(0x20, 0x7F)] * 6 + [(1, 0x20), (0x80, 0x250), (0x300, 0x370), (0x370, 0x530), (0x590, 0x700), (0x900, 0xA00), (0x1100, 0x1200), (0x1E00, 0x2070),
                                   (0x3000, 0x3100), (0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0xF900, 0xFB50), (0x1F300, 0x1F700)]
    out = []
    for _ in range(n):
        text = ""
        for _ in range(rng.choice([1, 3, 10, 40])):
            if rng.random() < 0.6:
                text += rng.choice(PIECES + SPECIALS + [" ", " "]).replace("##", "")
            else:
                a, b = rng.choice(blocks)
                text += "".join(chr(c) for c in (rng.randrange(a, b) for _ in range(rng.choice([1, 3]))) if unicodedata.category(chr(c)) != "Cn" and c not in (10, 13))
        out.append(text)
    return out


def write(where, name, content):
    with open(os.path.join(where, name), "w", encoding="utf-8", newline="") as f:
        f.write(content if isinstance(content, str) else json.dumps(content))


def ids_of(vocabulary, texts, *how):
    write(path("."), "texts.txt", "".join(t + "\n" for t in texts))
    souk("bench", "words", "--vocab", vocabulary, "--input", path("texts.txt"), "--ids", path("ids.txt"), "--seconds", 0, *how)
    with open(path("ids.txt")) as f:
        return [[int(i) for i in line.split()] for line in f]


def compare(name, vocabulary, texts, kind, **settings):
    t = kind.from_pretrained(vocabulary, **settings)
    got = ids_of(vocabulary, texts, "--typed_specials")
    bad = []
    for text, ours in zip(texts, got):
        theirs = t(text, add_special_tokens=False)["input_ids"]
        if theirs != ours:
            bad.append((text[:60], t.convert_ids_to_tokens(theirs)[:20], t.convert_ids_to_tokens(ours)[:20]))
    report(f"{name}: the ids of {kind.__name__}", not bad and len(got) == len(texts), f"{len(texts)} texts" if not bad else str(bad[:2]))


def model(name, config=None, **files):
    """A directory whose tokens have Souk's ids: the specials come first."""
    where = path(name)
    os.makedirs(where)
    write(where, "vocab.txt", "".join(t + "\n" for t in SPECIALS + PIECES))
    if config is not None:
        write(where, "tokenizer_config.json", config)
    for file, content in files.items():
        write(where, file, content)
    return where


def check_settings():
    fast, slow = transformers.BertTokenizerFast, transformers.BertTokenizer
    texts = TEXTS + random_texts(400)
    both = {"uncased": {}, "cased": {"do_lower_case": False}, "accents": {"strip_accents": False}, "stripped": {"do_lower_case": False, "strip_accents": True},
            "together": {"tokenize_chinese_chars": False}}
    # check: uncased, fast
    # check: cased, fast
    # check: accents, fast
    # check: stripped, fast
    # check: together, fast
    # check: uncased, Python
    # check: cased, Python
    # check: accents, Python
    # check: stripped, Python
    # check: together, Python
    for name, config in both.items():
        compare(name, model(name, config), texts, fast)
        compare(name, model("python-" + name, {**config, "use_fast": False}), texts, slow)
    # check: added tokens
    added = model("added", {}, **{"added_tokens.json": {"[SKU]": len(SPECIALS) + len(PIECES)}})
    t = fast.from_pretrained(added)
    t.add_tokens(["quickly", transformers.AddedToken("Neo", single_word=True, normalized=False)])
    saved = path("saved")
    t.save_pretrained(saved)
    compare("added", saved, texts + ["quickly Quickly xquicklyx Neo Neon [SKU][sku]"], fast)


def check_typed():
    """Without typed_specials a special token in a text is text, as with split_special_tokens=True."""
    texts = TEXTS + random_texts(400)
    vocabulary = model("typed", {})
    t = transformers.BertTokenizerFast.from_pretrained(vocabulary)
    wanted = [t(text, add_special_tokens=False, split_special_tokens=True)["input_ids"] for text in texts]
    # check: special tokens that are typed
    got = ids_of(vocabulary, texts)
    wrong = [text[:60] for text, a, b in zip(texts, wanted, got) if a != b]
    report("special tokens that are typed are text, as with split_special_tokens", not wrong and not any(i in (0, 2, 3, 4) for ids in got for i in ids), str(wrong[:3]))


def catalogue():
    souk("synth", "--users", 200, "--items", 4000, "--seed", 3, "--out", path("market"))
    with open(path("market/catalogue.csv"), newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    return [f"{r['title_en']}. {r['description_en']} {r['title_zh']} {r['description_zh']}".replace("\n", " ") for r in rows]


def check_training():
    texts = catalogue()
    write(path("."), "catalogue.txt", "".join(t + "\n" for t in texts))
    for size in (1500, 3000):
        ours, theirs = path(f"ours-{size}"), path(f"theirs-{size}")
        souk("vocab", "--input", path("catalogue.txt"), "--out", ours, "--size", size)
        trainer = BertWordPieceTokenizer(lowercase=True)
        trainer.train([path("catalogue.txt")], vocab_size=size, min_frequency=2, limit_alphabet=8000, show_progress=False, special_tokens=SPECIALS)
        os.makedirs(theirs)
        trainer.save_model(theirs)
        # check: a small vocabulary of souk vocab, fast
        # check: a large one, fast
        compare(f"a vocabulary of souk vocab, {size}", ours, texts[:500], transformers.BertTokenizerFast)
        # check: a small vocabulary of souk vocab, Python
        # check: a large one, Python
        compare(f"a vocabulary of souk vocab, {size}", ours, texts[:500], transformers.BertTokenizer)
        pieces = [sum(len(i) for i in ids_of(v, texts)) for v in (ours, theirs)]
        lists = [set(open(f"{v}/vocab.txt", encoding="utf-8").read().split("\n")) for v in (ours, theirs)]
        unknown = sum(i.count(1) for i in ids_of(ours, texts))
        words = sum(len(trainer._tokenizer.pre_tokenizer.pre_tokenize_str(trainer._tokenizer.normalizer.normalize_str(t))) for t in texts)
        # check: pieces a word, small
        # check: pieces a word, large
        report(f"{size} pieces of souk vocab cut a catalogue as well as those of Hugging Face's trainer", unknown == 0 and pieces[0] <= 1.005 * pieces[1],
               f"{pieces[0] / words:.4f} against {pieces[1] / words:.4f} pieces a word, {100 * len(lists[0] & lists[1]) / len(lists[0]):.1f}% of the pieces the same")


check_settings()
check_typed()
check_training()
done()
