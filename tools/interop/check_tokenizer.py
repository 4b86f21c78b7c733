"""The tokenizers of bundles: AutoTokenizer gives a text the tokens that it gives it from the imported directory, with the ids of
the bundle's rows, for every setting that a BERT tokenizer has; and a history of items the ids that souk-infer encodes."""
import csv
import json
import os

import numpy as np
import safetensors.numpy
import transformers

from common import close, done, path, read_vocab, report, run, souk
from common import make_data

transformers.logging.set_verbosity_error()
PIECES = ["the", "The", "quick", "Quick", "caf", "##e", "##\u00e9", "Caf", "cafe", "fox", "##es", "\u6bdb", "\u8863", "##\u8863", "a", "b",
          "##b", "1", "##2", ",", "!", "[", "]", "\u00c9t", "##\u00e9s", "et", "sku", "##100", "never", "Never", "\u00e4", "\u00df",
          "ss", "<", ">", "s", "mask"]
TEXTS = ["The quick foxes, the Quick Caf\u00e9!", "\u6bdb\u8863 a\u6bdb\u8863", "", "  spaces\tand\nlines  ", "[SKU] sku100 [MASK] fox",
         "\u00c9t\u00e9s caf\u00e9s cafe", "never NEVER Never", "abab ab12 " + "a" * 130, "a\u0301 \u00e4 \u00df \u0130", "<mask> <s> </s> [mask]",
         "control\x00\x07 \u200b \ufeff \ufffd", "\U0001f457 dress [UNK] [CLS] [SEP] [PAD]", "x[SKU]y [sku] [ SKU ]"]
USUAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
OTHERS = ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
SHAPE = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 40,
         "type_vocab_size": 2, "hidden_act": "gelu", "model_type": "bert"}


def write(where, name, content):
    with open(os.path.join(where, name), "w", encoding="utf-8", newline="") as f:
        f.write(content if isinstance(content, str) else json.dumps(content))


def make_model(where, rows):
    """A BERT of random weights whose word table tells its rows apart."""
    h, f = SHAPE["hidden_size"], SHAPE["intermediate_size"]
    rng = np.random.default_rng(1)
    shapes = {"embeddings.word_embeddings.weight": (rows, h), "embeddings.position_embeddings.weight": (40, h),
              "embeddings.token_type_embeddings.weight": (2, h), "embeddings.LayerNorm.weight": (h,), "embeddings.LayerNorm.bias": (h,)}
    layer = {"attention.self.query": (h, h), "attention.self.key": (h, h), "attention.self.value": (h, h),
             "attention.output.dense": (h, h), "intermediate.dense": (f, h), "output.dense": (h, f),
             "attention.output.LayerNorm": (h,), "output.LayerNorm": (h,)}
    for name, shape in layer.items():
        shapes[f"encoder.layer.0.{name}.weight"] = shape
        shapes[f"encoder.layer.0.{name}.bias"] = shape[:1]
    tensors = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    safetensors.numpy.save_file(tensors, os.path.join(where, "model.safetensors"))
    write(where, "config.json", {**SHAPE, "vocab_size": rows})


def source(name, tokens, rows=None, **files):
    where = path(name)
    os.makedirs(where)
    make_model(where, rows or len(tokens) + 4)
    if "vocab.txt" not in files:
        write(where, "vocab.txt", "".join(t + "\n" for t in tokens))
    for file, content in files.items():
        if content is not None:
            write(where, file, content)
    return where


def tables(where, bundle):
    word = "embeddings.word_embeddings.weight"
    return (safetensors.numpy.load_file(where + "/model.safetensors")[word],
            safetensors.numpy.load_file(bundle + "/model.safetensors")["bert." + word])


def compare(name, where, **options):
    """The same tokens in the same rows, for single texts and pairs, by the fast tokenizer and by the one in Python."""
    bundle = where + "-bundle"
    souk("import", where, where + "-imported")
    souk("export", where + "-imported", bundle)
    theirs, ours = tables(where, bundle)
    kinds = [{}] if options.get("fast_only") else [{}, {"use_fast": False}]
    if transformers.__version__ >= "5":
        kinds = [{}]
    for kind in kinds:
        a, b = (transformers.AutoTokenizer.from_pretrained(d, **kind) for d in (where, bundle))
        bad = []
        for text in TEXTS + [(TEXTS[0], TEXTS[1])]:
            arguments = text if isinstance(text, tuple) else (text,)
            x, y = a(*arguments), b(*arguments)
            i, j = x["input_ids"], y["input_ids"]
            same = (a.convert_ids_to_tokens(i) == b.convert_ids_to_tokens(j) and x.get("token_type_ids") == y.get("token_type_ids")
                    and len(i) == len(j) and np.array_equal(theirs[i], ours[j]))
            if not same:
                bad.append((text, a.convert_ids_to_tokens(i), b.convert_ids_to_tokens(j)))
        settings = ["do_lower_case", "strip_accents", "tokenize_chinese_chars", "model_max_length", "padding_side", "mask_token",
                    "cls_token", "unk_token", "sep_token", "pad_token"]
        for s in settings:  # a model without settings gets its own limit
            x, y = (str(getattr(t, s, t.init_kwargs.get(s))) for t in (a, b))
            if x != y and (s, y) != ("model_max_length", str(SHAPE["max_position_embeddings"])):
                bad.append((s, x, y))
        report(f"{name}: AutoTokenizer{' in Python' if kind else ''} gives the bundle's texts the model's tokens and rows", not bad,
               f"{len(TEXTS) + 1} texts, {b.__class__.__name__}" if not bad else str(bad[:2]))


def check_words():
    # check: an uncased model
    tokens = USUAL[:1] + PIECES[:4] + USUAL[1:] + PIECES[4:]
    compare("uncased", source("uncased", tokens))
    # check: a cased model
    compare("cased", source("cased", tokens, **{"tokenizer_config.json": {"do_lower_case": False}}))
    # check: accents, Chinese characters, limits
    compare("settings", source("settings", tokens, **{"tokenizer_config.json": {
        "do_lower_case": True, "strip_accents": False, "tokenize_chinese_chars": False, "model_max_length": 37,
        "never_split": ["Never"], "padding_side": "left", "tokenizer_class": "BertTokenizer"}}))
    compare("no limit", source("nolimit", tokens, **{"tokenizer_config.json": '{"model_max_length": 1000000000000000019884624838656}'}))
    # check: no basic tokenizer
    compare("plain", source("plain", tokens, **{"tokenizer_config.json": {"do_basic_tokenize": False}}))
    # check: an added token
    compare("added", source("added", tokens, **{"added_tokens.json": {"[SKU]": len(tokens)}}))
    # check: other special tokens, by tokenizer_config.json alone
    other = OTHERS[2:3] + OTHERS[0:1] + PIECES + OTHERS[3:] + OTHERS[1:2]
    roles = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>",
             "mask_token": {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "rstrip": False, "single_word": False, "normalized": False},
             "bos_token": "<s>", "eos_token": "</s>"}
    compare("others", source("others", other, **{"tokenizer_config.json": {**roles, "tokenizer_class": "BertTokenizer"}}))
    # check: an empty line, a line twice, CRLF
    odd = "\r\n".join(tokens[:20] + [""] + tokens[20:] + ["fox", "last "]) + "\r\n"
    compare("odd", source("odd", tokens, rows=len(tokens) + 6, **{"vocab.txt": odd}), fast_only=transformers.__version__ >= "5")
    # check: what save_pretrained writes
    made = source("made", tokens, **{"tokenizer_config.json": {"do_lower_case": False}, "added_tokens.json": {"[SKU]": len(tokens)}})
    saved = path("saved")
    os.makedirs(saved)
    make_model(saved, len(tokens) + 4)
    fast = transformers.AutoTokenizer.from_pretrained(made)
    fast.add_tokens(["quickly", transformers.AddedToken("ab", single_word=True)])
    fast.save_pretrained(saved)
    compare("saved", saved)
    if os.path.exists(os.path.join(saved, "vocab.txt")):
        os.remove(os.path.join(saved, "vocab.txt"))
    for leftover in ("saved-imported", "saved-bundle"):
        os.rename(path(leftover), path(leftover + "-1"))
    compare("tokenizer.json alone", saved, fast_only=True)
    # check: a tokenizer of other parts
    parts = json.load(open(os.path.join(saved, "tokenizer.json"), encoding="utf-8"))
    parts["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]}
    parts["pre_tokenizer"] = {"type": "Whitespace"}
    parts["post_processor"] = {"type": "BertProcessing", "sep": ["[SEP]", tokens.index("[SEP]")], "cls": ["[CLS]", tokens.index("[CLS]")]}
    parts["model"]["continuing_subword_prefix"] = "##"
    parts["model"]["max_input_chars_per_word"] = 5
    config = json.load(open(os.path.join(saved, "tokenizer_config.json"), encoding="utf-8"))
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    compare("other parts", prepare_parts(tokens, parts, config), fast_only=True)


def prepare_parts(tokens, parts, config):
    where = path("parts")
    os.makedirs(where)
    make_model(where, len(tokens) + 4)
    write(where, "tokenizer.json", parts)
    write(where, "tokenizer_config.json", config)
    return where


# ---- items ---------------------------------------------------------------------------------------------------

NAMES = ["plain", "two words", " ends with spaces ", "a,b", 'quo"te', "back\\slash", "tab\tname", "line\nname", "[MASK]", "[MASK] shirt",
         "x[CLS]y", "\u6bdb\u8863", "\U0001f457", "event=view", "bell\x07", "[\\MASK]", "\\n", "UPPER", "upper", "\u00e9", "e\u0301", "'", "</s>", "##s", "1"]


def as_written(name):
    """An item's text in a history: as in vocab.tsv, with a backslash in what is a special token's text."""
    for a, b in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        name = name.replace(a, b)
    for s in USUAL:
        name = name.replace(s, "[\\" + s[1:])
    return name


def check_items(name, *options):
    # check: histories of items
    rows = [(f"u{u}", NAMES[(u * 3 + i) % len(NAMES)], 100 * u + i, ["view", "buy"][i % 2]) for u in range(60) for i in range(6)]
    data = path("odd-names") if os.path.exists(path("odd-names")) else make_data(rows, "odd-names")
    souk("pretrain", "--data.dir", data, "--out", path(name), "--hidden", 16, "--heads", 2, "--layers", 1, "--max_positions", 8, "--steps", 2,
         "--eval_every", 0, "--train.peak_gflops", 50, *options)
    bundle = path(name + "-bundle")
    souk("export", path(name), bundle)
    vocab = read_vocab(bundle + "/vocab.tsv")
    info = json.load(open(bundle + "/souk.json"))
    first, layout = info["vocabulary"]["items"][0], info["layout"]
    ids = {t: i for i, t in enumerate(vocab) if i >= first}
    tokenizer = transformers.AutoTokenizer.from_pretrained(bundle)
    bad = [n for n in NAMES if tokenizer(as_written(n), add_special_tokens=False)["input_ids"] != [ids[n]]
           or tokenizer.convert_tokens_to_ids(as_written(n)) != ids[n]]
    report(f"{name}: every item's name is one token, the bundle's", not bad, str(bad) if bad else f"{len(NAMES)} odd names")
    rng = np.random.default_rng(3)
    bad = []
    for n in range(20):
        history = [NAMES[int(i)] for i in rng.integers(len(NAMES), size=n)]
        kept = history[max(0, n - (layout["max_positions"] - (3 if layout["cls_sep"] else 1))):]
        wanted = [ids[h] for h in kept] + [4]
        wanted = [2] + wanted + [3] if layout["cls_sep"] else wanted
        got = tokenizer("\n".join(as_written(h) for h in history), truncation=True)["input_ids"]
        if got != wanted:
            bad.append((history, got, wanted))
    report(f"{name}: a history has the ids that souk-infer encodes", not bad, str(bad[:1]) if bad else "20 histories")
    same = sorted(tokenizer.get_vocab().values()) == list(range(len(vocab))) and len(tokenizer) == len(vocab)
    report(f"{name}: the tokenizer has the bundle's ids and no other", same, f"{len(tokenizer)} tokens")


check_words()
check_items("histories", "--positions_from_end")
check_items("sessions", "--cls_sep", "--pooler")
check_items("pre-norm", "--pre_norm")
done()
