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
    # Row by row: what this program holds would count as the memory of those that it starts.
    with open(log + ".part", "w") as out:
        for copy in range(1, 6):
            with gzip.open(f"{market}/events.csv.gz", "rt") as f:
                header = f.readline()
                out.write(header if copy == 1 else "")
                for row in f:
                    time, user, rest = row.split(",", 2)
                    out.write(f"{time},{user}_{copy},{rest}")
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
