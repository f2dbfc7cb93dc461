#!/usr/bin/env python3
"""Every operation on a Delta table by millrace, read by delta-rs and by DuckDB's delta reader; and
theirs on the same table, read and gone on with here. After each step the three see the same rows."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import peers

PACKAGES = ["deltalake==1.6.6", "pyarrow==26.0.1", "duckdb==1.5.5", "duckdb-extension-delta==1.5.5"]
COLUMNS = "id, s, p"
SOURCE = "(SELECT range AS id, 'm' AS s, 5 AS p FROM range(90, 120)) s"

# (name, statement), $ is the table
OURS_FIRST = [
    ("create", "CREATE TABLE $ (id BIGINT, s STRING, p INT) USING delta PARTITIONED BY (p)"),
    ("insert", "INSERT INTO $ SELECT range, 'v' || range, range % 3 FROM range(100)"),
    ("update", "UPDATE $ SET s = 'u' WHERE id % 7 = 0"),
    ("delete", "DELETE FROM $ WHERE id % 11 = 0 OR p = 2 AND id < 20"),
    ("merge", f"MERGE INTO $ t USING {SOURCE} ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN "
              "INSERT * WHEN NOT MATCHED BY SOURCE AND t.id = 1 THEN DELETE"),
    ("optimize", "OPTIMIZE $"),
    ("z-order", "OPTIMIZE $ ZORDER BY (id)"),
    ("overwrite a partition", "INSERT OVERWRITE $ PARTITION (p = 5) SELECT 1000, 'o'"),
    ("replace where", "INSERT INTO $ REPLACE WHERE id > 50 SELECT 60, 'r', 1"),
    ("restore", "RESTORE TABLE $ TO VERSION AS OF 3"),
    ("add a column", "ALTER TABLE $ ADD COLUMNS (x DOUBLE)"),
]
OURS_LAST = [
    ("update after delta-rs", "UPDATE $ SET x = id WHERE id > 20"),
    ("constraint", "ALTER TABLE $ ADD CONSTRAINT positive CHECK (id >= 0)"),
]


# What the protocol's newer features write
EVOLVED = [
    ("create with features", "CREATE TABLE $ (id BIGINT, s STRING, p INT) USING delta PARTITIONED BY (p) TBLPROPERTIES ("
     "'delta.enableRowTracking' = 'true', 'delta.enableInCommitTimestamps' = 'true', "
     "'delta.enableChangeDataFeed' = 'true', 'delta.enableDeletionVectors' = 'true', "
     "'delta.checkpointPolicy' = 'v2', 'delta.checkpointInterval' = '3', "
     "'delta.checkpoint.writeStatsAsStruct' = 'true')"),
    ("insert, tracked", "INSERT INTO $ SELECT range, 'v' || range, range % 3 FROM range(100)"),
    ("update, tracked", "UPDATE $ SET s = 'u' WHERE id % 7 = 0"),
    ("delete by vectors", "DELETE FROM $ WHERE id % 11 = 0"),
    ("insert behind a V2 checkpoint", "INSERT INTO $ VALUES (1000, 'n', 1)"),
    ("restore, tracked", "RESTORE TABLE $ TO VERSION AS OF 2"),
    ("optimize, tracked", "OPTIMIZE $"),
    ("late", "INSERT INTO $ VALUES (1001, 'n', 1)"),
]
# (name, the columns that are there then, statement)
MAPPED = [
    ("create", "id, a, b, x", "CREATE TABLE $ (id BIGINT, a STRING, b INT, x INT) USING delta PARTITIONED BY (b)"),
    ("insert", "id, a, b, x", "INSERT INTO $ SELECT range, 'v' || range, range % 3, range FROM range(20)"),
    ("map", "id, a, b, x", "ALTER TABLE $ SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')"),
    ("rename", "id, s, b, x", "ALTER TABLE $ RENAME COLUMN a TO s"),
    ("rename a partition column", "id, s, p, x", "ALTER TABLE $ RENAME COLUMN b TO p"),
    ("insert, renamed", "id, s, p, x", "INSERT INTO $ VALUES (100, 'n', 1, 5)"),
    ("drop", "id, s, p", "ALTER TABLE $ DROP COLUMN x"),
    ("add it again", "id, s, p, x", "ALTER TABLE $ ADD COLUMNS (x DOUBLE)"),
    ("insert, new column", "id, s, p, x", "INSERT INTO $ VALUES (101, 'n', 1, 5.5)"),
    ("optimize, renamed", "id, s, p, x", "OPTIMIZE $"),
]
GROWN = [
    ("create with an identity column", "id, s", "CREATE TABLE $ (id BIGINT GENERATED ALWAYS AS IDENTITY, s STRING) "
     "USING delta"),
    ("insert, counted", "id, s", "INSERT INTO $ (s) SELECT 'a' FROM range(5)"),
    ("schema evolution", "id, s, x", "INSERT WITH SCHEMA EVOLUTION INTO $ BY NAME SELECT 'b' AS s, 1.5 AS x"),
    ("merge with schema evolution", "id, s, x, y", "MERGE WITH SCHEMA EVOLUTION INTO $ t USING (SELECT 'b' AS s, 7 AS y) q "
     "ON t.s = q.s WHEN MATCHED THEN UPDATE SET *"),
]


CLUSTERED = [
    ("create, clustered", "CREATE TABLE $ (id BIGINT, s STRING, p INT) USING delta CLUSTER BY (id, p)"),
    ("insert, clustered", "INSERT INTO $ SELECT range, 'v' || range, range % 3 FROM range(100)"),
    ("insert more, clustered", "INSERT INTO $ SELECT range, 'v' || range, range % 3 FROM range(100, 200)"),
    ("optimize, clustered", "OPTIMIZE $"),
    ("delete, clustered", "DELETE FROM $ WHERE id % 10 = 0"),
    ("optimize full", "OPTIMIZE $ FULL"),
]


class Checks:
    def __init__(self, binary, folder):
        import duckdb
        import duckdb_extension_delta
        self.binary, self.table = binary, str(folder / "t")
        self.passed = self.failed = 0
        self.duck = duckdb.connect()
        self.duck.execute(f"load '{next(Path(duckdb_extension_delta.__file__).parent.rglob('*.duckdb_extension'))}'")

    def sql(self, text):
        done = subprocess.run([self.binary, "sql", "-o", "json", "-c", text], capture_output=True, text=True,
                              cwd=Path(self.table).parent)
        if done.returncode:
            raise AssertionError(done.stderr.strip())
        return json.loads(done.stdout) if done.stdout.strip() else []

    def same_rows(self, columns=COLUMNS, duck=True):
        import pyarrow as pa
        from deltalake import DeltaTable, QueryBuilder
        query = f"SELECT {columns} FROM %s ORDER BY id"
        ours = [tuple(row.values()) for row in self.sql(query % f"delta_scan('{self.table}')")]
        reader = QueryBuilder().register("t", DeltaTable(self.table)).execute(query % "t")
        theirs = [tuple(row.values()) for row in pa.table(reader).to_pylist()]
        assert ours == theirs, f"delta-rs sees {len(theirs)} rows, millrace {len(ours)}"
        ducks = self.duck.execute(query % f"delta_scan('{self.table}')").fetchall() if duck else ours
        assert ours == ducks, f"DuckDB sees {len(ducks)} rows, millrace {len(ours)}"

    def run(self, name, step, *view):
        try:
            step()
            self.same_rows(*view)
            self.passed += 1
            print(f"ok {name}", flush=True)
        except Exception as e:
            self.failed += 1
            print(f"FAILED {name}: {type(e).__name__}: {str(e)[:500]}", flush=True)

    def statements(self, list):
        for name, text in list:
            self.run(name, lambda: self.sql(text.replace("$", f"delta.`{self.table}`")))


def evolve(checks, folder):
    """The same three readers, on tables with the newer features."""
    checks.table = str(folder / "evolved")
    checks.statements(EVOLVED)
    checks.run("change data", lambda: same_changes(checks))
    # DuckDB's reader shows NULL in partition columns of a table that has a renamed column: without it there.
    checks.table = str(folder / "mapped")
    for name, columns, text in MAPPED:
        checks.run("mapped: " + name, lambda: checks.sql(text.replace("$", f"delta.`{checks.table}`")), columns, False)
    checks.table = str(folder / "grown")
    for name, columns, text in GROWN:
        checks.run(name, lambda: checks.sql(text.replace("$", f"delta.`{checks.table}`")), columns)
    checks.table = str(folder / "mapped flat")
    for name, columns, text in MAPPED:
        text = text.replace(" PARTITIONED BY (b)", "").replace("$", f"delta.`{checks.table}`")
        checks.run("mapped, no partitions: " + name, lambda: checks.sql(text), columns)


def convert(checks, folder):
    """A folder that pyarrow wrote, partitioned as Hive does it, becomes a table where it is."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    checks.table = str(folder / "converted")
    pq.write_to_dataset(pa.table({"id": pa.array(range(50), pa.int64()), "s": [f"v{i}" for i in range(50)],
                                  "p": pa.array([i % 3 for i in range(50)], pa.int32())}), checks.table,
                        partition_cols=["p"])
    checks.run("convert", lambda: checks.sql(f"CONVERT TO DELTA parquet.`{checks.table}` PARTITIONED BY (p INT)"))
    checks.statements([("update, converted", "UPDATE $ SET s = 'u' WHERE id < 9"),
                       ("optimize, converted", "OPTIMIZE $")])


def cluster(checks, folder):
    checks.table = str(folder / "clustered")
    checks.statements(CLUSTERED)


def clone(checks, folder):
    """A shallow clone names the source's files by absolute paths, which DuckDB's reader looks for below the table."""
    source = f"delta.`{checks.table}`"
    checks.table = str(folder / "clone")
    checks.run("shallow clone", lambda: checks.sql(f"CREATE TABLE delta.`{checks.table}` SHALLOW CLONE {source}"), COLUMNS, False)
    checks.statements([("delete from the clone", "DELETE FROM $ WHERE id > 40"),
                       ("insert into the clone", "INSERT INTO $ VALUES (77, 'n', 1)")])


def same_changes(checks):
    """The change data feed, as delta-rs and as we read it."""
    import pyarrow as pa
    from deltalake import DeltaTable
    for first, last in [(1, 1), (2, 2), (1, 3), (4, 4)]:
        rows = pa.table(DeltaTable(checks.table).load_cdf(starting_version=first, ending_version=last)).to_pylist()
        theirs = sorted((r["id"], r["s"], r["p"], r["_change_type"], r["_commit_version"]) for r in rows)
        ours = sorted(tuple(r.values()) for r in checks.sql(
            f"SELECT id, s, p, _change_type, _commit_version FROM table_changes_by_path('{checks.table}', {first}, "
            f"{last})"))
        assert ours == theirs, f"versions {first} to {last}: delta-rs {len(theirs)} changes, millrace {len(ours)}"
        assert ours, f"no changes in versions {first} to {last}: the check proves nothing"


def append(table, id):
    import pyarrow as pa
    from deltalake import write_deltalake
    write_deltalake(table, pa.table({"id": pa.array([id], pa.int64()), "s": ["rs"], "p": pa.array([0], pa.int32()),
                                     "x": [1.5]}), mode="append")


def breaks_our_constraint(table):
    try:
        append(table, -1)
    except Exception:
        return
    raise AssertionError("delta-rs wrote a row that breaks the constraint")


def main():
    from deltalake import DeltaTable
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build/release")
    options = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checks = Checks(os.path.abspath(f"{options.build}/millrace"), Path(folder))
        checks.statements(OURS_FIRST)
        checks.run("delta-rs appends", lambda: append(checks.table, 5000))
        checks.run("delta-rs deletes", lambda: DeltaTable(checks.table).delete("id < 10"))
        checks.run("delta-rs optimizes", lambda: DeltaTable(checks.table).optimize.compact())
        checks.statements(OURS_LAST)
        checks.run("delta-rs holds our constraint", lambda: breaks_our_constraint(checks.table))
        evolve(checks, Path(folder))
        cluster(checks, Path(folder))
        convert(checks, Path(folder))
        clone(checks, Path(folder))
        print(f"{checks.passed} passed, {checks.failed} failed")
        return 1 if checks.failed else 0


if __name__ == "__main__":
    try:
        import deltalake  # noqa: F401
        import duckdb_extension_delta  # noqa: F401
    except ImportError:
        interpreter = peers.python("delta-ops", *PACKAGES)
        os.execv(interpreter, [interpreter, __file__, *sys.argv[1:]])
    sys.exit(main())
