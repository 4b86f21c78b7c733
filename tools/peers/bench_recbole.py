"""RecBole's SASRec and BERT4Rec on MovieLens-100k and Amazon Beauty: trained by RecBole on the same users, items and split, evaluated by
souk eval on the same questions, with the same filter, ties and negatives as every model of Souk, beside counting.

What was trained is kept in build/peers-recbole, so that a run that was ended goes on with what is missing. SET=pattern and MODEL=pattern
pick; MINUTES=N (60) is how long a training may take, on THREADS=N threads (1). A training that did not end by itself says so.
"""
import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec

from common import run, souk

here, root = os.path.dirname(__file__), "build/peers-recbole"
minutes, threads = float(os.environ.get("MINUTES") or 60), os.environ.get("THREADS") or "1"
examples = os.path.join(os.path.dirname(find_spec("recbole").origin), "dataset_example")
logs = {
    "movielens-100k": f"{examples}/ml-100k/ml-100k.inter",
    "amazon-beauty": os.path.join(os.environ.get("SOUK_SHARED") or "../shared", "data/amazon-beauty/beauty.txt"),
}


def chosen(names, variable):
    return [x for x in names if (os.environ.get(variable) or "").lower() in x.lower()]


def train(data, model):
    """The directory of the vectors that RecBole's model makes of a data set."""
    out = f"{root}/{data}-{model}"
    if not os.path.exists(f"{out}/training.json"):
        print(f"training {model} on {data}, at most {minutes:g} minutes", flush=True)
        shutil.rmtree(out, ignore_errors=True)
        os.makedirs(out)
        env = {**os.environ, "OMP_NUM_THREADS": threads}
        with open(f"{out}/training.log", "w") as log:
            command = [sys.executable, f"{here}/recbole_vectors.py", model, f"{root}/{data}", out, str(minutes)]
            if subprocess.run(command, stdout=log, stderr=log, env=env, check=False).returncode != 0:
                sys.exit(f"RecBole failed; {out}/training.log says why")
    return out


def evaluate(data, out):
    """{protocol: {contender: {metric: {value, low, high}}}} of the vectors and the counting baselines."""
    vectors = ["--user_vectors", f"{out}/users.npy", "--item_vectors", f"{out}/items.npy"]
    command = [souk, "eval", "--data", f"{root}/{data}", *vectors, "--json"]
    j = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return {p["name"]: {r["name"]: r["metrics"] for r in p["results"]} for p in j["protocols"]}


def row(name, told, protocols, contender):
    figures = [protocols[p][contender][m] for p in ("full", "popularity") for m in ("hr@10", "ndcg@10")]
    cells = [f"{f['value']:.4f} +- {(f['high'] - f['low']) / 2:.4f}" for f in figures]
    return f"| {name} | {told} | {' | '.join(cells)} |"


def main():
    os.makedirs(root, exist_ok=True)
    rows = []
    for data in chosen(logs, "SET"):
        if not os.path.exists(logs[data]):
            print(f"{data} is left out: there is no {logs[data]}")
            continue
        if not os.path.exists(f"{root}/{data}/manifest.json"):
            run([souk, "prepare", f"datasets/{data}/prepare.yaml", "--log", logs[data], "--out", f"{root}/{data}"])
        for model in chosen(("SASRec", "BERT4Rec"), "MODEL"):
            out = train(data, model)
            with open(f"{out}/training.json") as f:
                t = json.load(f)
            protocols = evaluate(data, out)
            told = f"epoch {t['best_epoch']} of {t['epochs']}, {t['minutes']:.0f} min, ended by {t['ended_by']}"
            rows.append(row(f"{data}, RecBole {model}", told, protocols, "vectors"))
        counting = [name for name in protocols["full"] if name != "vectors"]
        best = max(counting, key=lambda name: protocols["full"][name]["ndcg@10"]["value"])
        rows.append(row(f"{data}, {best}", "counted", protocols, best))
    print("| set, model | training | HR@10 | NDCG@10 | HR@10 pop-100 | NDCG@10 pop-100 |\n|---|---|---|---|---|---|")
    print("\n".join(rows))


main()
