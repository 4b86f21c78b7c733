"""Parameter-efficient tuning beside Hugging Face's peft: LoRA and AdaLoRA end at its parameters after each optimiser step; its
files open in Souk and Souk's in it; and an adapter of the tied word table, which peft adapts in one of its two uses.

The steps are on a shard in NVIDIA's layout that is one batch, so that both sides see the same examples. PyTorch computes in
double precision. Souk's initial adapters are those of a run that learns at the rate 0.
"""
import json
import os
import subprocess

import h5py
import numpy as np
import peft
import torch
import transformers
from torch.nn.utils import stateless

from common import (BUILD, checkpoint_dir, close, done, make_pairs, path, read_manifest, read_tensors, report, souk, write_shard)

transformers.logging.set_verbosity_error()
torch.manual_seed(5)
LR, EPS, DECAY, CLIP = 1e-2, 1e-6, 0.01, 1.0
TARGETS = ["query", "value", "intermediate.dense"]
COMMON = ("--train.threads", 1, "--dropout", 0, "--attention_dropout", 0, "--batch_tokens", 4096, "--eval_every", 0, "--save_every",
          1, "--keep", 9, "--optim.kind", "adamw", "--schedule", "constant", "--warmup_steps", 0, "--eps", EPS, "--weight_decay",
          DECAY, "--clip_norm", CLIP, "--train.peak_gflops", 10, "--device", "cpu")


def make_base():
    """A directory with one shard, the shard, and a base that was trained on it a little."""
    data = path("steps")
    os.makedirs(data)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + [f"w{i}" for i in range(95)]
    with open(os.path.join(data, "vocab.txt"), "w") as f:
        f.write("\n".join(words) + "\n")
    shard = make_pairs(12, 24, 6, list(range(5, 100)), (2, 3, 4), seed=3)
    write_shard(os.path.join(data, "one_training_0.hdf5"), *shard)
    base = path("base")
    souk("pretrain", "--data.dir", data, "--out", base, "--no-item_classes", "--cls_sep", "--max_positions", 24, "--hidden", 32,
         "--heads", 4, "--init_std", 0.2, "--steps", 3, "--lr", 1e-3, *COMMON)
    return data, shard, checkpoint_dir(base)


def base_model(base):
    """BertForMaskedLM of a checkpoint, in double precision."""
    bundle = path("base-bundle")
    if not os.path.exists(bundle):
        souk("export", base, bundle)
    return transformers.BertForMaskedLM.from_pretrained(bundle).double()


def inputs_of(shard):
    ids, mask, segments, positions, labels, _ = (torch.tensor(np.asarray(a, np.int64)) for a in shard)
    targets = torch.full_like(ids, -100)
    for i in range(len(ids)):
        for k, label in zip(positions[i], labels[i]):
            if k == 0:
                break
            targets[i, k] = label
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": segments, "labels": targets}


def tuned_run(name, data, base, options, steps, lr):
    out = path(name)
    souk("pretrain", "--data.dir", data, "--train.init", base, "--out", out, *options, "--steps", steps, "--lr", lr, *COMMON)
    return out


def tuned_tensors(model):
    """The adapters' tensors by Souk's names."""
    return {n.replace("base_model.model.", "").replace(".default", ""): p
            for n, p in model.named_parameters() if "lora_" in n and p.requires_grad}


def check_steps(kind, data, shard, base, config, options, steps):
    # check: three LoRA steps
    # check: AdaLoRA steps
    model = peft.get_peft_model(base_model(base), config).double().train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    start = read_tensors(os.path.join(tuned_run(kind + "-start", data, base, options, 1, 0), "step-00000001"))
    with torch.no_grad():
        for name, p in tuned_tensors(model).items():
            p.copy_(torch.tensor(start[name], dtype=torch.float64))
    run = tuned_run(kind, data, base, options, steps, LR)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LR, betas=(0.9, 0.999), eps=EPS, weight_decay=DECAY)
    inputs = inputs_of(shard)
    for i in range(steps):
        optimizer.zero_grad()
        # A PeftModel without a task passes AdaLoraModel.forward by, which adds the orthogonality.
        model.base_model(**inputs).loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, CLIP)
        optimizer.step()
        if kind == "AdaLoRA":
            model.base_model.update_and_allocate(i)
        theirs = {n: p.detach().numpy() for n, p in tuned_tensors(model).items()}
        close(f"{kind}, step {i + 1}: every tuned tensor", read_tensors(os.path.join(run, f"step-{i + 1:08d}")), theirs)
    if kind == "AdaLoRA":
        cut = sum(int((p == 0).sum()) for n, p in theirs.items() if n.endswith("lora_E"))
        ours = read_tensors(os.path.join(run, f"step-{steps:08d}"))
        report("AdaLoRA cuts the same ranks", cut > 0 and all(np.array_equal(ours[n] == 0, theirs[n] == 0) for n in theirs if
                                                              n.endswith("lora_E")), f"{cut} of them")
    return os.path.join(run, f"step-{steps:08d}")


def hidden_of(checkpoint, shard):
    """Souk's hidden states of a shard's sequences."""
    vocab = [line.split("\t")[0] for line in open(os.path.join(checkpoint, "vocab.tsv")).read().splitlines()]
    with open(path("shard.jsonl"), "w") as f:
        for ids, mask, segments in zip(*shard[:3]):
            n = int(mask.sum())
            f.write(json.dumps({"tokens": [vocab[k] for k in ids[:n]], "types": [int(s) for s in segments[:n]]}) + "\n")
    out = path("hidden.h5")
    souk("vectors", checkpoint, "--hidden", out, "--input", path("shard.jsonl"), "--device", "cpu")
    with h5py.File(out) as f:
        states = f["hidden_states"][...]
    os.remove(out)
    return states


def their_hidden(model, shard):
    inputs = inputs_of(shard)
    inputs.pop("labels")
    with torch.no_grad():
        states = model.eval()(**inputs, output_hidden_states=True).hidden_states[-1]
    return states[inputs["attention_mask"] == 1].numpy()


def check_ours_in_peft(kind, base, tuned, shard):
    # check: Souk's LoRA opens in peft
    # check: Souk's AdaLoRA opens in peft
    out = path(kind + "-adapter")
    souk("export", tuned, out, "--peft")
    model = peft.PeftModel.from_pretrained(base_model(base), out).double()
    close(f"Souk's {kind} opens in peft: hidden states", hidden_of(tuned, shard), their_hidden(model, shard))
    merged = path(kind + "-merged")
    souk("merge", tuned, merged)
    close(f"souk merge of {kind}: hidden states of peft, unmerged", hidden_of(merged, shard), their_hidden(model, shard))


def check_theirs_in_souk(kind, base, config, shard):
    # check: peft's LoRA opens in Souk
    # check: peft's AdaLoRA opens in Souk
    model = peft.get_peft_model(base_model(base), config)
    with torch.no_grad():
        for p in tuned_tensors(model).values():
            p.normal_(0, 0.2)
    out, checkpoint = path(kind + "-theirs"), path(kind + "-checkpoint")
    model.save_pretrained(out)
    souk("import", out, checkpoint, "--base", base)
    close(f"peft's {kind} opens in Souk: hidden states", hidden_of(checkpoint, shard), their_hidden(model.double(), shard))


def tied_logits(model, a, b, scale, inputs):
    """Logits of a model whose one table, of embeddings and decoder, is E + scale A B'; a [V,r], b [H,r] may want gradients."""
    table = model.bert.embeddings.word_embeddings.weight + scale * a @ b.T
    names = ("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight")
    return stateless.functional_call(model, {n: table for n in names}, (), inputs).logits


TABLE = ("--peft", "lora", "--rank", 3, "--alpha", 6, "--targets", "word_embeddings")
FACTORS = ["bert.embeddings.word_embeddings.lora_embedding_" + k for k in "AB"]


def check_table_steps(data, shard, base, steps):
    # check: three steps of LoRA of the tied table
    """PyTorch's gradients through both uses of the table. peft has no such model, so the product is written out here."""
    model = base_model(base).eval()
    start = read_tensors(os.path.join(tuned_run("table-start", data, base, TABLE, 1, 0), "step-00000001"))
    factors = [torch.tensor(start[n], dtype=torch.float64, requires_grad=True) for n in FACTORS]
    run = tuned_run("table", data, base, TABLE, steps, LR)
    optimizer = torch.optim.AdamW(factors, lr=LR, betas=(0.9, 0.999), eps=EPS, weight_decay=DECAY)
    inputs = inputs_of(shard)
    labels = inputs.pop("labels")
    for i in range(steps):
        optimizer.zero_grad()
        logits = tied_logits(model, *factors, 2.0, inputs)
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten()).backward()
        torch.nn.utils.clip_grad_norm_(factors, CLIP)
        optimizer.step()
        theirs = {n: p.detach().numpy() for n, p in zip(FACTORS, factors)}
        close(f"LoRA of the table, step {i + 1}: both factors", read_tensors(os.path.join(run, f"step-{i + 1:08d}")), theirs)
    return os.path.join(run, f"step-{steps:08d}")


def bundle_logits(name, checkpoint, inputs):
    bundle = path(name)
    souk("export", checkpoint, bundle)
    model = transformers.BertForMaskedLM.from_pretrained(bundle).double().eval()
    with torch.no_grad():
        return model(**inputs).logits


def check_tied_scores(base, tuned, shard):
    # check: peft leaves the tied decoder as it is, Souk does not
    """The same adapter in peft, which changes the lookup alone: its hidden states are Souk's (check_ours_in_peft), its logits
    lack the change of the decoder, s (h B) A, which is what they differ by."""
    inputs = inputs_of(shard)
    inputs.pop("labels")
    ours = bundle_logits("table-bundle", tuned, inputs)
    theirs = peft.PeftModel.from_pretrained(base_model(base), path("table-adapter")).double().eval()
    a, b = (torch.tensor(read_tensors(tuned)[n], dtype=torch.float64) for n in FACTORS)
    with torch.no_grad():
        out = theirs(**inputs, output_hidden_states=True)
        h = theirs.base_model.model.cls.predictions.transform(out.hidden_states[-1])
        lacking = 2.0 * (h @ b) @ a.T
        right = tied_logits(base_model(base).eval(), a, b, 2.0, inputs)
    close("logits of a tuned table: written out in PyTorch", ours.numpy(), right.numpy())
    close("peft's logits and what its decoder lacks", (out.logits + lacking).numpy(), ours.numpy())
    moved = float(lacking.abs().max())
    report("without it they differ", moved > 1e-2, f"largest difference {moved:.2g}")


def check_tied(base, shard):
    # check: an adapter of tied word embeddings
    """peft adapts the embedding alone and not the decoder, which has the same matrix. Merging adds the change to that matrix, and
    so to the decoder too: the merged model scores otherwise than the one that was trained. Souk takes such a file as a change of the
    table wherever it is used, so its scores are those of the merged model, before its own merge and after it."""
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["word_embeddings"])
    model = peft.get_peft_model(base_model(base), config)
    with torch.no_grad():
        for n, p in model.named_parameters():
            if "lora_" in n:
                p.normal_(0, 0.2)
    inputs = inputs_of(shard)
    inputs.pop("labels")
    out, checkpoint, merged = path("tied"), path("tied-checkpoint"), path("tied-merged")
    model.save_pretrained(out, save_embedding_layers=True)
    with torch.no_grad():
        before = model.double().eval()(**inputs).logits
        after = model.merge_and_unload().eval()(**inputs).logits
    moved = float((before - after).abs().max())
    report("peft: merging an adapter of tied embeddings changes the scores", moved > 1e-2, f"largest difference {moved:.2g}")
    souk("import", out, checkpoint, "--base", base)
    souk("merge", checkpoint, merged)
    close("Souk's scores of that file are peft's merged ones", bundle_logits("tied-bundle", checkpoint, inputs).numpy(), after.numpy())
    close("and stay so once souk merge has folded it", bundle_logits("tied-merged-bundle", merged, inputs).numpy(), after.numpy())
    r = subprocess.run([os.path.join(BUILD, "souk"), "import", out, path("tied-none"), "--base", merged], capture_output=True,
                       text=True, check=False)
    report("on a base with another table it is refused", r.returncode != 0 and "made for another base" in r.stderr, r.stderr.strip()[-160:])


def main():
    data, shard, base = make_base()
    lora = peft.LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=TARGETS)
    adalora = peft.AdaLoraConfig(target_r=2, init_r=5, lora_alpha=8, lora_dropout=0.0, target_modules=TARGETS, tinit=0, tfinal=2,
                                 deltaT=1, total_step=5)
    of_lora = ("--peft", "lora", "--rank", 4, "--alpha", 8, "--targets", ",".join(TARGETS))
    of_adalora = ("--peft", "adalora", "--rank", 2, "--init_rank", 5, "--alpha", 8, "--targets", ",".join(TARGETS), "--tfinal", 2,
                  "--total_steps", 5)
    check_ours_in_peft("LoRA", base, check_steps("LoRA", data, shard, base, lora, of_lora, 3), shard)
    check_ours_in_peft("AdaLoRA", base, check_steps("AdaLoRA", data, shard, base, adalora, of_adalora, 5), shard)
    check_theirs_in_souk("LoRA", base, peft.LoraConfig(r=3, lora_alpha=5, use_rslora=True, target_modules=["key", "output.dense"]),
                         shard)
    check_theirs_in_souk("AdaLoRA", base, peft.AdaLoraConfig(target_r=2, init_r=3, lora_alpha=5, target_modules=["query"],
                                                             total_step=9), shard)
    tuned = check_table_steps(data, shard, base, 3)
    check_ours_in_peft("table", base, tuned, shard)
    check_tied_scores(base, tuned, shard)
    check_theirs_in_souk("tables", base, peft.LoraConfig(r=3, lora_alpha=5, target_modules=["word_embeddings", "value"]), shard)
    check_tied(base, shard)
    done()


main()
