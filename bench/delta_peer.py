"""One measurement of delta-rs, or of DuckDB, in a process of its own; run by bench/delta.py.

    delta_peer.py FOLDER append|commits N|merge|delete|open TABLE|duckdb_open TABLE|writer N SEED|duckdb_rewrite TABLE

Prints one JSON line: wall and CPU seconds of the call itself, without imports and preparation, and the peak
of the process in MB.
"""
import json
import os
import resource
import shutil
import sys
import time

FOLDER, WHAT, ARGS = sys.argv[1], sys.argv[2], sys.argv[3:]
ROWS = os.path.join(FOLDER, "rows.parquet")
TABLE = os.path.join(FOLDER, "rs_table")


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Timed:
    def __enter__(self):
        self.wall, self.cpu = time.perf_counter(), cpu()
        return self

    def __exit__(self, *_):
        self.wall, self.cpu = time.perf_counter() - self.wall, cpu() - self.cpu

    def say(self, **more):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"wall": self.wall, "cpu": self.cpu, "peak_mb": peak, **more}), flush=True)


def append():
    import pyarrow.parquet as pq
    from deltalake import write_deltalake
    shutil.rmtree(TABLE, ignore_errors=True)
    data = pq.read_table(ROWS)
    with Timed() as t:
        write_deltalake(TABLE, data, mode="append", target_file_size=16 << 20)
    t.say(rows=data.num_rows)


def batch(first):
    import pyarrow as pa
    import pyarrow.parquet as pq
    rows = pa.Table.from_batches([next(pq.ParquetFile(ROWS).iter_batches(1000))])
    return rows.set_column(0, "id", pa.array(range(first, first + 1000), pa.int64()))


def commits():
    from deltalake import DeltaTable, write_deltalake
    table, data = os.path.join(FOLDER, "rs_commits"), batch(0)
    shutil.rmtree(table, ignore_errors=True)
    write_deltalake(table, data, mode="append")
    handle = DeltaTable(table)
    with Timed() as t:
        for _ in range(int(ARGS[0])):
            write_deltalake(handle, data, mode="append")
    t.say(commits=int(ARGS[0]))


def merge():
    import pyarrow.parquet as pq
    from deltalake import DeltaTable
    source, table = pq.read_table(os.path.join(FOLDER, "source.parquet")), DeltaTable(TABLE)
    with Timed() as t:
        (table.merge(source, "t.id = s.id", source_alias="s", target_alias="t")
         .when_matched_update_all().when_not_matched_insert_all().execute())
    t.say()


def delete():
    from deltalake import DeltaTable
    table = DeltaTable(TABLE)
    with Timed() as t:
        table.delete("id % 100 = 7")
    t.say()


def open_table():
    from deltalake import DeltaTable
    with Timed() as t:
        files = len(DeltaTable(ARGS[0]).file_uris())
    t.say(files=files)


def with_duckdb():
    import duckdb
    import duckdb_extension_delta
    from pathlib import Path
    duck = duckdb.connect(config={"threads": 2})
    duck.execute(f"load '{next(Path(duckdb_extension_delta.__file__).parent.rglob('*.duckdb_extension'))}'")
    return duck


def duckdb_open():
    duck = with_duckdb()
    with Timed() as t:
        files = duck.execute("select count(*) from delta_list_files(?)", [ARGS[0]]).fetchone()[0]
    t.say(files=files)


def writer():
    from deltalake import write_deltalake
    table, failed = os.path.join(FOLDER, "rs_shared"), 0
    with Timed() as t:
        for i in range(int(ARGS[0])):
            try:
                write_deltalake(table, batch((int(ARGS[1]) * 10000 + i) * 1000), mode="append")
            except Exception:
                failed += 1
    t.say(failed=failed)


def duckdb_rewrite():
    """Reads a folder's Parquet files and writes their rows into one: the work that OPTIMIZE cannot do without."""
    duck = with_duckdb()
    with Timed() as t:
        duck.execute(f"copy (select * from read_parquet('{ARGS[0]}/*.parquet')) to '{FOLDER}/rewritten.parquet' "
                     "(format parquet, compression snappy)")
    t.say()


{"append": append, "commits": commits, "merge": merge, "delete": delete, "open": open_table, "duckdb_open": duckdb_open,
 "writer": writer, "duckdb_rewrite": duckdb_rewrite}[WHAT]()
