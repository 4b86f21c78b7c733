"""Copy by greedy decoding, tokens a second: Souk's inference module, with and without its cache, beside Hugging Face's `generate` on the same
weights, and beside CTranslate2 on a model of the same sizes.

The model is a BERT with random weights (SIZE=mini: 4 layers of 256; minilm: 6 of 384; base: 12 of 768) over 21,128 words, made by Hugging
Face's library and imported. Souk reads it as a prefix language model: rows of the source see each other, those of the copy what is before them. Hugging Face's
BertLMHeadModel does the same where the source gets a square mask of ones and copy rows token type 1 (PrefixBert below); its `generate` then
writes the same tokens, which is checked. Alone, a source has 70 tokens and its copy 32. In a batch sources have 20 to 110 tokens and copies 8
to 48, lengths that both are told to keep to, each row its own (min_tokens and max_tokens; a StoppingCriteria): Souk takes a copy
out of the batch when it has its length, `generate` computes its row until the longest is done. Tokens of the copies are counted, and
no others. Souk's masks for quantities, which the others do not have, are in its time.

CTranslate2 loads no BERT decoder. Beside it stands a GPT-2 of the same layers, width and vocabulary, which it does load: pre-norm and
causal, without a transform in front of the output, so with a little less to compute. Both in fp32. It has one length for all copies of a
call, the longest, and all of its tokens are counted.

Timed are calls in turns, the median, models being loaded before: with one thread in processor time, so that other work on the machine
counts for nobody; with more (THREADS=2) by the clock."""
import ctypes
import hashlib
import json
import os
import statistics
import sys
import time

from common import bar, run, souk, turns

threads = int(os.environ.get("THREADS") or 1)
size = os.environ.get("SIZE") or "mini"
LAYERS, HIDDEN = {"mini": (4, 256), "minilm": (6, 384), "base": (12, 768)}[size]
HEADS, WORDS, LONGEST, POSITIONS = HIDDEN // 64, 21123, 48, 160
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CLS, UNK, SEP = 2, 1, 3
work = f"build/peers-copy-{size}"
BATCHES = (1, 16)
clock = time.process_time if threads == 1 else time.perf_counter


def word(i):
    letters = "bcdfghjklmpqrsvz"  # no word of any language, and no number
    return "x" + "".join(letters[i >> shift & 15] for shift in (12, 8, 4, 0))


def sources(batch):
    """Words of each source's item: of mixed lengths, or of one of 64 where there is one."""
    lengths = [64] if batch == 1 else [14 + 90 * k // (batch - 1) for k in range(batch)]
    return [[(7919 * (k + 1) * (j + 3)) % WORDS for j in range(n)] for k, n in enumerate(lengths)]


def lengths(batch):
    """Tokens of each copy: long sources do not have the long copies."""
    return [32] if batch == 1 else [8 + 40 * (7 * k % batch) // (batch - 1) for k in range(batch)]


def ids_of(words):
    return [CLS] + [UNK] * 4 + [len(SPECIALS) + w for w in words] + [SEP]


# ---- the model -----------------------------------------------------------------------------------------------


def make():
    import torch
    from safetensors.numpy import save_file
    from transformers import BertConfig, BertForMaskedLM

    if os.path.exists(f"{work}/made"):
        return
    torch.manual_seed(5)
    config = BertConfig(vocab_size=len(SPECIALS) + WORDS, hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=4 * HIDDEN,
                        max_position_embeddings=POSITIONS, initializer_range=0.1)
    m = BertForMaskedLM(config).eval()
    with torch.no_grad():
        m.cls.predictions.bias.normal_(0, 0.5)
    m.save_pretrained(f"{work}/bert")
    with open(f"{work}/bert/vocab.txt", "w") as f:
        f.writelines(f"{w}\n" for w in SPECIALS + [word(i) for i in range(WORDS)])
    run([souk, "import", f"{work}/bert", f"{work}/imported", "--force"])
    run([souk, "export", f"{work}/imported", f"{work}/bundle", "--force"])
    state = {k: v.numpy() for k, v in m.state_dict().items()}
    head = {f"copy.transform.{k}": state[f"cls.predictions.transform.{k}"] for k in ("dense.weight", "dense.bias", "LayerNorm.weight", "LayerNorm.bias")}
    head["copy.bias"] = state["cls.predictions.bias"]
    save_file(head, f"{work}/bundle/copy.safetensors")
    with open(f"{work}/bundle/souk.json") as f:
        about = json.load(f)
    with open(f"{work}/bundle/copy.safetensors", "rb") as f:
        data = f.read()
    about["copy"] = {"classes": config.vocab_size, "copy_tokens": LONGEST + 1, "item_tokens": 128}
    about["files"]["copy.safetensors"] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    with open(f"{work}/bundle/souk.json", "w") as f:
        json.dump(about, f)
    open(f"{work}/made", "w").close()


# ---- Souk ----------------------------------------------------------------------------------------------------

# The structures of include/souk/infer.h, as far as they are set here.
i32, u32, f64, text, size_t = ctypes.c_int32, ctypes.c_uint32, ctypes.c_double, ctypes.c_char_p, ctypes.c_size_t


class History(ctypes.Structure):
    _fields_ = [("n", i32), ("items", text), ("names", text), ("events", text), ("event_names", text), ("texts", text), ("user", text)]


class Product(ctypes.Structure):
    _fields_ = [("text", text), ("bytes", size_t), ("attributes", text), ("n_attributes", size_t), ("features", text)]


class Terms(ctypes.Structure):
    _fields_ = [("item", text), ("code", text), ("price", f64), ("was", f64), ("percent", f64), ("amount", f64), ("threshold", f64),
                ("year", i32), ("month", i32), ("day", i32), ("reserved", i32)]


class Request(ctypes.Structure):
    _fields_ = [("history", History), ("item", i32), ("adapter", i32), ("product", Product), ("goal", text), ("type", text), ("market", text),
                ("language", text), ("terms", Terms), ("seed", ctypes.c_uint64), ("lexicon", text), ("required", text), ("banned", text),
                ("n_required", i32), ("n_banned", i32), ("required_slots", u32), ("min_tokens", i32), ("max_tokens", i32), ("reserved", i32)]


class Options(ctypes.Structure):
    _fields_ = [(k, i32) for k in ("threads", "decode", "n_best", "beam", "beam_groups", "top_k", "no_repeat", "min_tokens", "max_tokens", "no_cache")] + [
        (k, f64) for k in ("length_penalty", "coverage_penalty", "diversity", "temperature", "top_p")] + [
        ("seed", ctypes.c_uint64), ("stream", text), ("stream_arg", text)]


class Copy(ctypes.Structure):
    _fields_ = [("text", text), ("bytes", size_t), ("log_probability", f64), ("score", f64), ("reason", text),
                ("ids", ctypes.POINTER(i32)), ("tokens", i32), ("flags", u32)]


class Souk:
    def __init__(self):
        self.library = ctypes.CDLL(os.path.join(os.environ["SOUK_BUILD"], "libsouk_infer.so"))
        self.error = ctypes.create_string_buffer(512)
        self.bundle = ctypes.c_void_p()
        self.check(self.library.souk_open(ctypes.byref(self.bundle), f"{work}/bundle".encode(), 0, self.error))

    def check(self, code):
        if code != 0:
            sys.exit(self.error.raw[4:].split(b"\0")[0].decode())

    def write(self, batch, cache=True):
        """Tokens of each copy."""
        requests = (Request * len(batch))()
        kept = [" ".join(word(w) for w in s).encode() for s in batch]
        for r, t, r.min_tokens in zip(requests, kept, lengths(len(batch))):
            r.max_tokens = r.min_tokens
            r.item, r.product.text, r.language, r.market, r.type, r.goal = -1, t, b"en", b"us", b"none", b"none"
        options = Options(threads=threads, no_cache=0 if cache else 1)
        out = ctypes.c_void_p()
        self.check(self.library.souk_promo_sized(self.bundle, requests, size_t(ctypes.sizeof(Request)), size_t(len(batch)), ctypes.byref(options),
                                                 size_t(ctypes.sizeof(Options)), ctypes.byref(out), self.error))
        copies = []
        for k in range(len(batch)):
            c = Copy()
            self.check(self.library.souk_promo_copy_sized(out, size_t(k), 0, ctypes.byref(c), size_t(ctypes.sizeof(Copy)), self.error))
            copies.append(c.ids[:c.tokens])
        self.library.souk_promo_free(out)
        return copies


# ---- the peers -----------------------------------------------------------------------------------------------


def hugging_face():
    import torch
    from transformers import BertConfig, BertLMHeadModel, StoppingCriteria, StoppingCriteriaList

    torch.set_num_threads(threads)

    class Lengths(StoppingCriteria):
        def __init__(self, ends):
            self.ends = torch.tensor(ends)

        def __call__(self, input_ids, scores, **unused):
            return input_ids.shape[1] >= self.ends

    class PrefixBert(BertLMHeadModel):
        """A source is read at once under a square mask; then token types are 1."""

        def prepare_inputs_for_generation(self, input_ids, past_key_values=None, attention_mask=None, cache_position=None, **unused):
            positions = (attention_mask.cumsum(-1) - 1).clamp(min=0)
            if cache_position[0] == 0:
                square = attention_mask[:, None, :].expand(-1, input_ids.shape[1], -1)
                return {"input_ids": input_ids, "attention_mask": square, "position_ids": positions, "token_type_ids": torch.zeros_like(input_ids),
                        "past_key_values": past_key_values, "use_cache": True, "cache_position": cache_position}
            last = input_ids[:, -1:]
            return {"input_ids": last, "attention_mask": attention_mask, "position_ids": positions[:, -1:], "token_type_ids": torch.ones_like(last),
                    "past_key_values": past_key_values, "use_cache": True, "cache_position": cache_position}

    config = BertConfig.from_pretrained(f"{work}/bert", is_decoder=True)
    m = PrefixBert.from_pretrained(f"{work}/bert", config=config).eval()

    def write(batch):
        rows = [ids_of(s) for s in batch]
        longest = max(len(r) for r in rows)
        ids = torch.tensor([[0] * (longest - len(r)) + r for r in rows])
        mask = torch.tensor([[0] * (longest - len(r)) + [1] * len(r) for r in rows])
        with torch.inference_mode():
            out = m.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=max(lengths(len(batch))), eos_token_id=SEP, pad_token_id=0,
                             suppress_tokens=list(range(len(SPECIALS))), stopping_criteria=StoppingCriteriaList([Lengths([longest + n for n in lengths(len(batch))])]))
        return [o[longest:longest + n].tolist() for o, n in zip(out, lengths(len(batch)))]

    return write


def ctranslate2_way():
    import ctranslate2
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    where = f"{work}/ctranslate2"
    if not os.path.exists(where):
        torch.manual_seed(5)
        names = SPECIALS[:4] + ["<|endoftext|>"] + [word(i) for i in range(WORDS)]
        m = GPT2LMHeadModel(GPT2Config(vocab_size=len(names), n_positions=POSITIONS, n_embd=HIDDEN, n_layer=LAYERS, n_head=HEADS, bos_token_id=4, eos_token_id=4))
        m.save_pretrained(f"{work}/gpt2")
        with open(f"{work}/gpt2/vocab.json", "w") as f:
            json.dump({w: i for i, w in enumerate(names)}, f)
        with open(f"{work}/gpt2/merges.txt", "w") as f:
            f.write("#version: 0.2\n")
        with open(f"{work}/gpt2/tokenizer_config.json", "w") as f:
            json.dump({"tokenizer_class": "GPT2Tokenizer"}, f)
        ctranslate2.converters.TransformersConverter(f"{work}/gpt2").convert(where, force=True)
    g = ctranslate2.Generator(where, device="cpu", compute_type="float32", inter_threads=1, intra_threads=threads)

    def write(batch):
        rows = [["[CLS]"] + ["[UNK]"] * 4 + [word(w) for w in s] + ["[SEP]"] for s in batch]
        out = g.generate_batch(rows, max_length=max(lengths(len(batch))), min_length=max(lengths(len(batch))), sampling_topk=1,
                               include_prompt_in_result=False, max_batch_size=0)
        return [o.sequences_ids[0] for o in out]

    return write


def main():
    make()
    ours, theirs = Souk(), hugging_face()
    programs = {"souk": ours.write, "souk, no cache": lambda b: ours.write(b, cache=False), "transformers": theirs}
    try:
        programs["ctranslate2"] = ctranslate2_way()
    except ImportError:
        print("CTranslate2 is not installed")
    rate = {}
    print(f"{LAYERS} layers of {HIDDEN}, {WORDS + len(SPECIALS)} words, {threads} thread{'s' if threads > 1 else ''}")
    print(f"{'tokens a second':<18}" + "".join(f"{'batch ' + str(b):>12}" for b in BATCHES))
    for b in BATCHES:
        batch, seconds = sources(b), {name: [] for name in programs}
        same = sum(a == c for a, c in zip(ours.write(batch), theirs(batch)))
        bar(f"batch {b}: copies equal to transformers' in every token: {same} of {b}, bar: all", same == b)
        for turn in range(turns + 1):
            for name, write in programs.items():
                start = clock()
                copies = write(batch)
                if turn > 0:
                    seconds[name].append(clock() - start)
                written = sum(len(c) for c in copies)
                if written < sum(lengths(b)):
                    sys.exit(f"{name}: copies have {[len(c) for c in copies]} tokens instead of {lengths(b)}")
                rate[name, b] = written / statistics.median(seconds[name] or [1])
    for name in programs:
        print(f"{name:<18}" + "".join(f"{rate[name, b]:12.0f}" for b in BATCHES))
    for b, wanted in zip(BATCHES, (3, 5)):
        times = rate["souk", b] / rate["transformers", b]
        bar(f"batch {b}: {times:.2f} times transformers' generate, bar {wanted}", times >= wanted)
        if "ctranslate2" in programs:
            times = rate["souk", b] / rate["ctranslate2", b]
            bar(f"batch {b}: {times:.2f} times CTranslate2, bar 1.1", times >= 1.1)


main()
