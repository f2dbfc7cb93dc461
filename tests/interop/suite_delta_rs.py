#!/usr/bin/env python3
"""delta-rs reads what we wrote, and we read what it wrote.

Writes tables with tests/interop/delta_tool, and compares a content hash (contenthash.py) of every
version as each engine reads it.
"""
import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import peers
from suite import ROOT

PACKAGES = ["deltalake==1.6.6", "pyarrow==26.0.1"]


def enter_venv():
    """Runs this file again in the virtual environment, made when it is not there."""
    interpreter = peers.python("delta", *PACKAGES)
    os.execv(interpreter, [interpreter, __file__, *sys.argv[1:]])


class Check:
    def __init__(self, tool, folder):
        self.tool, self.folder = tool, folder
        self.passed = self.failed = 0

    def run(self, name, test, *args):
        try:
            test(*args)
            self.passed += 1
            print(f"ok {name}", flush=True)
        except Exception as e:
            self.failed += 1
            print(f"FAILED {name}: {type(e).__name__}: {str(e)[:500]}", flush=True)

    def call(self, *args):
        done = subprocess.run([self.tool, *map(str, args)], capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(done.stderr.strip())
        return done.stdout

    def ours(self, table, version):
        import contenthash
        import pyarrow.parquet as pq
        out = self.folder / "out.parquet"
        self.call("read", table, version, out)
        return contenthash.of_table(pq.ParquetFile(out).read())


def theirs(table, version):
    import contenthash
    from deltalake import DeltaTable, QueryBuilder
    import pyarrow as pa
    dt = DeltaTable(str(table), version=version)
    reader = QueryBuilder().register("t", dt).execute("select * from t")
    return contenthash.of_table(pa.table(pa.RecordBatchReader.from_stream(reader).read_all()))


def same(check, table, version):
    left, right = check.ours(table, version), theirs(table, version)
    if left != right:
        raise AssertionError(f"we read {left}, delta-rs {right}")


def opens_from_checkpoint(check, table):
    """Both engines from the checkpoint and what follows it, the older commits gone."""
    newest = max((table / "_delta_log").glob("*.checkpoint.parquet"))
    version = int(newest.name.split(".")[0])
    before = theirs(table, None)
    for commit in (table / "_delta_log").glob("*.json"):
        if int(commit.name.split(".")[0]) <= version:
            commit.unlink()
    after, own = theirs(table, None), check.ours(table, -1)
    if not before == after == own:
        raise AssertionError(f"{before} before, {after} after, {own} by us")


def statistics_prune_right(table):
    """delta-rs skips files by our statistics: predicates must find what a full read finds."""
    from deltalake import DeltaTable, QueryBuilder
    import pyarrow as pa
    dt = DeltaTable(str(table))

    def count(where):
        reader = QueryBuilder().register("t", dt).execute(f"select count(*) as n from t where {where}")
        return pa.table(pa.RecordBatchReader.from_stream(reader).read_all()).column(0)[0].as_py()
    total = count("e >= 0")
    for column, value in [("e", "5000000011 * 100"), ("h", "100.1"), ("k", "date '2421-05-16'"),
                          ("l", "timestamp '1969-12-31T23:59:59.098999Z'"), ("i", "'" + "ü" * 121 + "'")]:
        parts = [count(f"{column} {op} {value}") for op in ("<", "=", ">")]
        nulls = count(f"{column} is null")
        if sum(parts) + nulls != total:
            raise AssertionError(f"{column}: {parts} and {nulls} nulls of {total}")
        if not parts[1]:
            raise AssertionError(f"no row has {column} = {value}: the check would prove nothing")


def history_is_read(table):
    from deltalake import DeltaTable
    entries = DeltaTable(str(table)).history()
    if entries[0]["operation"] != "WRITE" or "millrace" not in entries[0]["engineInfo"]:
        raise AssertionError(entries[0])
    if DeltaTable(str(table)).transaction_version("interop") != 7:
        raise AssertionError("the application transaction is not there")


def write_with_delta_rs(folder):
    import datetime
    import decimal
    from deltalake import DeltaTable, write_deltalake
    import pyarrow as pa
    for i in range(12):
        rows = pa.table({
            "n": pa.array(range(i * 5, i * 5 + 5), pa.int64()),
            "p": pa.array(["a b", None, "x/y%", "ü", "it's"]),
            "d": pa.array([datetime.date(2024, 1, 1 + i)] * 5),
            "t": pa.array([datetime.datetime(2024, 1, 1, 2, 3, 4, 5 + i, datetime.timezone.utc)] * 5),
            "z": pa.array([decimal.Decimal("1.50") * i] * 5, pa.decimal128(10, 2)),
            "s": pa.array([{"x": i, "y": ["q", None]}] * 5),
            "m": pa.array([[("k", i)]] * 5, pa.map_(pa.string(), pa.int32())),
        })
        write_deltalake(str(folder), rows, mode="append", partition_by=["p", "d"])
    dt = DeltaTable(str(folder))
    dt.delete("n = 7")
    dt.create_checkpoint()
    write_deltalake(str(folder), rows, mode="append")


def turns(check, table):
    """We append to their table, they to ours, and both read the same."""
    from deltalake import write_deltalake
    import pyarrow as pa
    check.call("append", table, "SELECT 1000 AS n, 'new é' AS p, NULL AS d, now() AS t, 2.5 AS z, "
               "{'x': 1, 'y': ['w']} AS s, MAP {'k': 2} AS m")
    same(check, table, newest(table))
    own = check.folder / "ours" / "empty"
    write_deltalake(str(own), pa.table({"n": pa.array([1], pa.int64()), "s": ["x"]}), mode="append")
    check.call("append", own, "SELECT 2 AS n, 'y' AS s")
    same(check, own, newest(own))


def demo_tables(check, binary, log):
    """The tables that `millrace demo` leaves: every version, as delta-rs and as we read it."""
    folder = check.folder / "demo"
    done = subprocess.run([binary, "demo", "--log", log, "--dir", folder, "--seconds", "2"], capture_output=True,
                          text=True)
    if done.returncode:
        raise AssertionError(done.stderr[-500:])
    return sorted((folder / ".millrace/tables").glob("*/*"))


def newest(table):
    return max(int(p.name[:20]) for p in (table / "_delta_log").glob("*.json") if p.name[:20].isdigit())


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build/release")
    options = p.parse_args()
    if sys.prefix == sys.base_prefix:
        enter_venv()
    subprocess.run([ROOT / "tools/setup.sh", "demo"], check=True)
    tool = Path(options.build).resolve() / "tests" / "interop" / "delta_tool"
    with tempfile.TemporaryDirectory(prefix="millrace-interop-") as temporary:
        check = Check(tool, Path(temporary))
        ours = check.folder / "ours"
        check.run("write", check.call, "write", ours)
        for table in sorted(ours.iterdir()):
            for version in range(newest(table) + 1):
                check.run(f"{table.name} version {version}", same, check, table, version)
        check.run("statistics", statistics_prune_right, ours / "types")
        check.run("history", history_is_read, ours / "partitions")
        check.run("checkpoint alone", opens_from_checkpoint, check, ours / "checkpoint")
        check.run("checkpoint after overwrite", opens_from_checkpoint, check, ours / "overwrite")
        foreign = check.folder / "foreign"
        check.run("delta-rs writes", write_with_delta_rs, foreign)
        for version in range(newest(foreign) + 1):
            check.run(f"foreign version {version}", same, check, foreign, version)
        check.run("turns", turns, check, foreign)
        binary = Path(options.build).resolve() / "millrace"
        for table in demo_tables(check, binary, ROOT / ".deps/example.log"):
            for version in range(newest(table) + 1):
                check.run(f"demo {table.parent.name}.{table.name} version {version}", same, check, table, version)
    print(f"{check.passed} passed, {check.failed} failed")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
