"""souk prepare beside polars and DuckDB on 5.08 million rows (323 MB) of csv: parse, filter, sort by user and time, drop repeats,
group by user and write. Souk's figure has sessions, vocabulary, cuts, windows and checksums in it; the peers write Parquet.
"""
import gzip
import os
import shutil
import sys

from common import bar, in_turns, run, souk, table

market, log = "build/peers-market", "build/peers-log.csv"
here = os.path.dirname(__file__)


def make_log():
    """The log of a marketplace five times, each time with other users."""
    if os.path.exists(log):
        return
    run([souk, "synth", "--users", "3000", "--items", "20000", "--length", "200", "--out", market, "--force"])
    with gzip.open(f"{market}/events.csv.gz", "rt") as f:
        header, rows = f.readline(), f.read().splitlines()
    with open(log + ".part", "w") as out:
        out.write(header)
        for copy in range(1, 6):
            for row in rows:
                time, user, rest = row.split(",", 2)
                out.write(f"{time},{user}_{copy},{rest}\n")
    os.rename(log + ".part", log)
    shutil.rmtree(market)


make_log()
out = "build/peers-out"
programs = {
    "souk": [souk, "prepare", "datasets/synth/prepare.yaml", "--log", log, "--out", out, "--force"],
    "polars": [sys.executable, f"{here}/prepare_polars.py", log, f"{out}.parquet"],
    "duckdb": [sys.executable, f"{here}/prepare_duckdb.py", log, f"{out}.parquet"],
}
print(f"{os.path.getsize(log) / 1e6:.0f} MB of csv, {len(os.sched_getaffinity(0))} processors")
runs = in_turns(programs)
shutil.rmtree(out)
os.remove(f"{out}.parquet")
ratios = table(runs, "souk")
bar("at least 1.3 times as fast as polars", ratios["polars"] >= 1.3)
bar("in at most 250 MiB", max(r[2] for r in runs["souk"]) <= 250)
