"""prepare_duckdb.py LOG OUT: what `souk prepare` does of a log, in DuckDB: parse, filter, sort by user and time, drop repeats,
group by user, write Parquet. (It has no sessions, vocabulary, cuts or checksums.)"""
import sys

import duckdb

log, out = sys.argv[1:3]
db = duckdb.connect()
db.execute(
    f"""
    COPY (
      WITH events AS (
        SELECT user_id, time, event, item_id, price
        FROM read_csv('{log}', header = true, columns = {{
          'time': 'TIMESTAMP', 'user_id': 'VARCHAR', 'session_id': 'VARCHAR', 'event': 'VARCHAR', 'item_id': 'VARCHAR',
          'price': 'DOUBLE', 'query': 'VARCHAR'}})
        WHERE event IN ('view', 'cart', 'buy') AND item_id IS NOT NULL
      ), firsts AS (
        SELECT user_id, item_id, min(time) AS time, arg_min(event, time) AS event, arg_min(price, time) AS price
        FROM events GROUP BY user_id, item_id
      )
      SELECT user_id, list(time ORDER BY time), list(event ORDER BY time), list(item_id ORDER BY time), list(price ORDER BY time)
      FROM firsts GROUP BY user_id ORDER BY user_id
    ) TO '{out}' (FORMAT parquet)"""
)
