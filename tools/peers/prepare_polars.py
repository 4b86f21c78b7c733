"""prepare_polars.py LOG OUT: what `souk prepare` does of a log, in polars: parse, filter, sort by user and time, drop repeats,
group by user, write Parquet. (It has no sessions, vocabulary, cuts or checksums.)"""
import sys

import polars as pl

log, out = sys.argv[1:3]
(
    pl.scan_csv(log, schema_overrides={"price": pl.Float64})
    .select("user_id", "time", "event", "item_id", "price")
    .filter(pl.col("event").is_in(["view", "cart", "buy"]) & pl.col("item_id").is_not_null())
    .with_columns(pl.col("time").str.to_datetime("%Y-%m-%d %H:%M:%S"))
    .sort("user_id", "time", maintain_order=True)
    .unique(["user_id", "item_id"], keep="first", maintain_order=True)
    .group_by("user_id", maintain_order=True)
    .agg("time", "event", "item_id", "price")
    .collect()
    .write_parquet(out)
)
