"""recbole_vectors.py MODEL DATASET OUT MINUTES: trains RecBole's SASRec or BERT4Rec on a data set of Souk's, with the same users, items
and leave-one-out split, and writes what it makes of the test part as vectors, for `souk eval --user_vectors --item_vectors`.

Settings are RecBole's own (2 layers of 64, 2 heads, length 50, full cross-entropy, 1e-3, early stopping on validation MRR@10 after 10
epochs without progress), for at most MINUTES. OUT/users.npy has a row a user of users.tsv, OUT/items.npy one an item in the order of
the vocabulary, the bias of BERT4Rec's items as one more column; OUT/training.json says how far training came.
"""
import json
import os
import sys
import time

import h5py
import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed

LENGTH = 50


def read_histories(dataset):
    """A list of (item numbers, place of the test target) by line of users.tsv, and the number of items."""
    with open(f"{dataset}/manifest.json") as f:
        manifest = json.load(f)
    first, end = manifest["ranges"]["items"]
    histories = [None] * manifest["sequences"]
    for shard in range(manifest["shards"]):
        with h5py.File(f"{dataset}/shard-{shard:05}.h5") as f:
            tokens, offsets, cuts = f["tokens"][()], f["offsets"][()], f["test_from"][()]
            for i, user in enumerate(f["users"][()]):
                histories[user] = tokens[offsets[i] : offsets[i + 1]] - first, cuts[i]
    return histories, end - first


def write_log(histories, folder):
    """RecBole's atomic file: the place in the history stands for the time."""
    os.makedirs(f"{folder}/log", exist_ok=True)
    with open(f"{folder}/log/log.inter", "w") as f:
        f.write("user_id:token\titem_id:token\ttimestamp:float\n")
        for user, (items, _) in enumerate(histories):
            f.writelines(f"u{user}\ti{item}\t{at}\n" for at, item in enumerate(items))


def settings(name, folder, n_items):
    # BERT4Rec scores every item for ten places of each sequence: gigabytes, with RecBole's batches and a large catalogue.
    rows = 2048 if name == "SASRec" or n_items < 10000 else 128
    fixed = {
        "data_path": folder,
        "checkpoint_dir": folder,
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
        "MAX_ITEM_LIST_LENGTH": LENGTH,
        "train_neg_sample_args": None,
        "train_batch_size": rows,
        "eval_batch_size": 256,
        "epochs": 300,
        "stopping_step": 10,
        "valid_metric": "MRR@10",
        "use_gpu": False,
        "show_progress": False,
        "state": "ERROR",
        "seed": 1,
    }
    sys.argv = sys.argv[:1]  # RecBole would read the command line
    return Config(model=name, dataset="log", config_dict=fixed)


class OutOfTime(Exception):
    pass


def train(config, minutes):
    """The model as it was best on validation, RecBole's data set, and how far training came."""
    init_seed(config["seed"], True)
    dataset = create_dataset(config)
    parts = data_preparation(config, dataset)
    model = get_model(config["model"])(config, parts[0].dataset)
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    started, scores = time.monotonic(), []

    def after_epoch(epoch, score):
        scores.append(score)
        print(f"epoch {epoch + 1}: MRR@10 {score}, {(time.monotonic() - started) / 60:.1f} min", file=sys.stderr, flush=True)
        if time.monotonic() - started > 60 * minutes:
            raise OutOfTime

    try:
        trainer.fit(parts[0], parts[1], saved=True, callback_fn=after_epoch)
        ended = "early stopping" if len(scores) < config["epochs"] else "all epochs"
    except OutOfTime:
        ended = "time"
    best = torch.load(trainer.saved_model_file, weights_only=False)
    model.load_state_dict(best["state_dict"])
    os.remove(trainer.saved_model_file)
    minutes = (time.monotonic() - started) / 60
    told = {"epochs": len(scores), "best_epoch": int(np.argmax(scores)) + 1, "ended_by": ended, "minutes": minutes}
    return model.eval(), dataset, told


def user_vectors(model, histories, number):
    """[users, H]: of what precedes each test target. A user without one has zeros."""
    out = np.zeros((len(histories), model.hidden_size), np.float32)
    asked = [u for u, (items, cut) in enumerate(histories) if 0 < cut < len(items)]
    for begin in range(0, len(asked), 512):
        chosen = asked[begin : begin + 512]
        seqs, lengths = torch.zeros(len(chosen), LENGTH, dtype=torch.long), torch.zeros(len(chosen), dtype=torch.long)
        for row, user in enumerate(chosen):
            items, cut = histories[user]
            known = torch.from_numpy(number[items[max(0, cut - LENGTH) : cut]])
            seqs[row, : len(known)], lengths[row] = known, len(known)
        with torch.no_grad():
            if hasattr(model, "mask_token"):
                hidden = model.forward(model.reconstruct_test_data(seqs, lengths))
                out[chosen] = model.gather_indexes(hidden, lengths - 1).numpy()
            else:
                out[chosen] = model.forward(seqs, lengths).numpy()
    return out


def main():
    name, data, out, minutes = sys.argv[1], os.path.abspath(sys.argv[2]), os.path.abspath(sys.argv[3]), sys.argv[4]
    os.chdir(out)  # where RecBole writes its logs, whatever its settings say
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))
    histories, n_items = read_histories(data)
    write_log(histories, out)
    model, dataset, told = train(settings(name, out, n_items), float(minutes))
    number = dataset.token2id("item_id", [f"i{i}" for i in range(n_items)])  # RecBole's, by Souk's
    users, items = user_vectors(model, histories, number), model.item_embedding.weight.detach().numpy()[number]
    if hasattr(model, "output_bias"):
        users = np.concatenate([users, np.ones((len(users), 1), np.float32)], 1)
        items = np.concatenate([items, model.output_bias.detach().numpy()[number][:, None]], 1)
    np.save(f"{out}/users.npy", users)
    np.save(f"{out}/items.npy", np.ascontiguousarray(items))
    with open(f"{out}/training.json", "w") as f:
        json.dump(told, f)


if __name__ == "__main__":
    main()
