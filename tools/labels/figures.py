#!/usr/bin/env python3
"""Prints the constants of tests/unit/test_classification.c: what scikit-learn and SciPy make of the same rows.

usage: figures.py      (needs scikit-learn, numpy and scipy)
"""
import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, softmax
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score

ROWS, LABELS = 120, 3


def c_round(x):
    return math.floor(abs(x) + 0.5) * (1 if x > 0 else -1)


def rows():
    z = np.zeros((ROWS, LABELS), np.float32)
    several = np.zeros((ROWS, LABELS), int)
    single = np.zeros(ROWS, int)
    for i in range(ROWS):
        for k in range(LABELS):
            z[i, k] = np.float32(c_round(3000 * math.sin(1.7 * i + 2.3 * k + 0.11 * i * k)) / 1000)
            chance = math.sin(12.9898 * (i + 1) + 78.233 * (k + 1)) * 43758.5453
            unit = chance - math.floor(chance)
            several[i, k] = -1 if unit < 0.1 else int(unit < 0.1 + 0.9 / (1 + math.exp(-float(z[i, k]))))
        best = int(np.argmax(z[i]))
        single[i] = (best + 1 + i // 4 % 2) % LABELS if i % 4 == 0 else best
    return z.astype(float), single, several


def temperature(loss):
    return math.exp(minimize_scalar(lambda t: loss(math.exp(t)), bounds=(-4, 4), method="bounded", options={"xatol": 1e-10}).x)


def listed(values):
    return "{" + ", ".join(f"{x:.12f}" for x in values) + "}"


def main():
    z, single, several = rows()
    p, taken = softmax(z, axis=1), z.argmax(axis=1)
    print(f"#define SINGLE_ACCURACY {accuracy_score(single, taken):.12f}")
    print(f"#define SINGLE_F1_MACRO {f1_score(single, taken, average='macro'):.12f}")
    print(f"#define SINGLE_F1_MICRO {f1_score(single, taken, average='micro'):.12f}")
    print(f"#define SINGLE_LOG_LOSS {log_loss(single, p):.12f}")
    print(f"#define SINGLE_AUC {roc_auc_score(single, p, multi_class='ovr', average='macro'):.12f}")
    rows_of = np.arange(ROWS)
    print(f"#define SINGLE_TEMPERATURE {{{temperature(lambda t: -log_softmax(z / t, axis=1)[rows_of, single].mean()):.9f}}}")
    auc, loss, f1, temperatures, truth, holds = [], [], [], [], [], []
    for k in range(LABELS):
        known = several[:, k] >= 0
        y, x = several[known, k], z[known, k]
        auc.append(roc_auc_score(y, x))
        loss.append(log_loss(y, expit(x)))
        f1.append(f1_score(y, x > 0))
        temperatures.append(temperature(lambda t: log_loss(y, expit(x / t))))
        truth += list(y)
        holds += list(x > 0)
    print(f"#define SEVERAL_AUC {listed(auc)}")
    print(f"#define SEVERAL_LOG_LOSS {listed(loss)}")
    print(f"#define SEVERAL_F1 {listed(f1)}")
    print(f"#define SEVERAL_F1_MICRO {f1_score(truth, holds):.12f}")
    print(f"#define SEVERAL_TEMPERATURES {listed(temperatures)}")


if __name__ == "__main__":
    main()
