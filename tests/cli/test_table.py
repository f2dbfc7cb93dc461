"""Delta tables by path and by name: what Spark's SQL says of them, through `millrace sql`."""
import json
import time


def path_of(t, name="t"):
    return f"delta.`{t.folder}/{name}`"


def make(t, columns="id BIGINT, s STRING, p INT", clauses="PARTITIONED BY (p)", name="t"):
    t.run("sql", "-c", f"CREATE TABLE {path_of(t, name)} ({columns}) USING delta {clauses}")
    return path_of(t, name)


def ids(t, table, column="id"):
    return [row[column] for row in t.sql(f"SELECT {column} FROM {table} ORDER BY 1")]


def test_a_path_is_a_table(t):
    table = make(t)
    t.run("sql", "-c", f"INSERT INTO {table} SELECT range, 'a', range % 3 FROM range(10)")
    t.run("sql", "-c", f"INSERT INTO {table} (p, id) VALUES (1, 100)")
    assert t.value(f"SELECT count(*) FROM {table}") == 11
    assert t.value(f"SELECT count(*) FROM {table} VERSION AS OF 1") == 10
    assert t.value(f"SELECT count(*) FROM delta.`{t.folder}/t@v1`") == 10
    assert t.value(f"SELECT count(*) FROM {table} TIMESTAMP AS OF current_timestamp()") == 11
    assert t.value(f"SELECT count(*) FROM delta_scan('{t.folder}/t', version => 1)") == 10
    assert t.sql(f"SELECT s, p FROM {table} WHERE id = 100") == [{"s": None, "p": 1}]
    _, error = t.run("sql", "-c", f"SELECT * FROM {table} VERSION AS OF 9", code=None)
    assert "has no version 9" in error, error
    _, error = t.run("sql", "-c", f"SELECT * FROM {table} TIMESTAMP AS OF '2001-01-01'", code=None)
    assert "no version yet" in error, error


def test_copy_goes_out_and_comes_back(t):
    table = make(t)
    t.run("sql", "-c", f"INSERT INTO {table} SELECT range, 'a', 1 FROM range(5)")
    for form in ("parquet", "json", "csv"):
        t.run("sql", "-c", f"COPY (SELECT * FROM {table}) TO '{t.folder}/out.{form}' (FORMAT {form})")
        assert t.value(f"SELECT sum(id) FROM read_{form}('{t.folder}/out.{form}')") == 10


def test_overwrite_replaces_what_it_says(t):
    table = make(t)
    t.run("sql", "-c", f"INSERT INTO {table} SELECT range, 'a', range % 3 FROM range(9)")
    t.run("sql", "-c", f"INSERT OVERWRITE {table} PARTITION (p = 1) (id) SELECT 50")
    assert ids(t, table) == [0, 2, 3, 5, 6, 8, 50]
    t.run("sql", "-c", f"INSERT OVERWRITE {table} PARTITION (p) SELECT 60, 'b', 2")
    assert ids(t, table) == [0, 3, 6, 50, 60]
    t.run("sql", "-c", f"INSERT INTO {table} REPLACE WHERE id >= 6 SELECT 7, 'c', 0")
    assert ids(t, table) == [0, 3, 7]
    _, error = t.run("sql", "-c", f"INSERT INTO {table} REPLACE WHERE id >= 6 SELECT 1, 'c', 0", code=None)
    assert "REPLACE WHERE" in error and ids(t, table) == [0, 3, 7]
    t.run("sql", "-c", f"INSERT OVERWRITE {table} SELECT 1, 'x', 1")
    assert ids(t, table) == [1]


def test_a_project_and_its_server(t):
    t.project("name: p\n")
    table = make(t)
    t.run("sql", "-c", "CREATE TABLE silver.kept (id INT) USING delta; INSERT INTO silver.kept VALUES (1), (2)")
    assert t.value("SELECT count(*) FROM silver.kept") == 2
    server = t.up()
    assert t.value("SELECT count(*) FROM silver.kept VERSION AS OF 0") == 0
    t.run("sql", "-c", "INSERT INTO silver.kept VALUES (3)")
    assert t.value("SELECT sum(id) FROM silver.kept") == 6
    # The user's own files go past the server; the server itself opens none.
    t.run("sql", "-c", f"INSERT INTO {table} SELECT id, 'x', 0 FROM silver.kept")
    assert ids(t, table) == [1, 2, 3]
    import urllib.error
    import urllib.request
    for text in (f"SELECT * FROM {table}", f"CREATE TABLE a.b (i INT) USING delta LOCATION '{t.folder}/b'"):
        try:
            urllib.request.urlopen(f"{server.http}/api/v1/sql", data=text.encode())
            raise AssertionError(f"the server did {text}")
        except urllib.error.HTTPError as refused:
            assert "own folder" in refused.read().decode()
    assert not (t.folder / "b").exists()


def rows(t, table):
    return [(r["id"], r["s"], r["p"]) for r in t.sql(f"SELECT * FROM {table} ORDER BY id")]


def filled(t, clauses="PARTITIONED BY (p)", **kw):
    table = make(t, clauses=clauses, **kw)
    t.run("sql", "-c", f"INSERT INTO {table} SELECT range, 'v' || range, range % 3 FROM range(9)")
    return table


def refused(t, statement, word):
    _, error = t.run("sql", "-c", statement, code=None)
    assert word in error, error


def test_delete_and_update(t):
    table = filled(t)
    assert t.sql(f"DELETE FROM {table} WHERE p = 1")[0]["num_affected_rows"] == 3
    assert t.sql(f"DELETE FROM {table} AS x WHERE x.id = 8 OR x.s = 'v3'")[0]["num_affected_rows"] == 2
    assert ids(t, table) == [0, 2, 5, 6]
    done = t.sql(f"UPDATE {table} SET s = upper(s), id = id + 100 WHERE id >= 5")
    assert done[0]["num_affected_rows"] == 2
    assert rows(t, table) == [(0, "v0", 0), (2, "v2", 2), (105, "V5", 2), (106, "V6", 0)]
    t.run("sql", "-c", f"UPDATE {table} SET p = 7 WHERE id = 0")
    assert rows(t, table)[0] == (0, "v0", 7)
    t.run("sql", "-c", f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE id > 100)")
    assert ids(t, table) == [0, 2]
    t.run("sql", "-c", f"DELETE FROM {table}")
    assert ids(t, table) == []
    assert t.value(f"SELECT count(*) FROM {table} VERSION AS OF 1") == 9
    # A condition that is NULL is not true: the row stays as it is.
    t.run("sql", "-c", f"INSERT INTO {table} VALUES (1, NULL, 0), (2, 'b', 0), (3, 'c', 0)")
    t.run("sql", "-c", f"DELETE FROM {table} WHERE s = 'b'; UPDATE {table} SET id = 30 WHERE s = 'c'")
    assert ids(t, table) == [1, 30]


def test_merge_every_clause(t):
    table, source = filled(t), make(t, name="s")
    t.run("sql", "-c", f"INSERT INTO {source} VALUES (1, 'new', 1), (2, 'gone', 2), (3, 'skip', 0), (20, 'in', 5), "
                       "(21, 'out', 5)")
    done = t.sql(f"""MERGE INTO {table} AS t USING {source} AS s ON t.id = s.id
        WHEN MATCHED AND s.s = 'gone' THEN DELETE
        WHEN MATCHED AND s.s <> 'skip' THEN UPDATE SET s = s.s || t.s
        WHEN NOT MATCHED AND s.s = 'in' THEN INSERT *
        WHEN NOT MATCHED BY SOURCE AND t.id = 8 THEN DELETE
        WHEN NOT MATCHED BY SOURCE AND t.id = 7 THEN UPDATE SET s = 'alone'""")[0]
    assert (done["num_updated_rows"], done["num_deleted_rows"], done["num_inserted_rows"]) == (2, 2, 1), done
    assert rows(t, table) == [(0, "v0", 0), (1, "newv1", 1), (3, "v3", 0), (4, "v4", 1), (5, "v5", 2), (6, "v6", 0),
                              (7, "alone", 1), (20, "in", 5)]
    t.run("sql", "-c", f"INSERT INTO {source} VALUES (1, 'again', 1)")
    refused(t, f"MERGE INTO {table} t USING {source} s ON t.id = s.id WHEN MATCHED THEN UPDATE SET *", "more than one")
    t.run("sql", "-c", f"MERGE INTO {table} t USING {source} s ON t.id = s.id WHEN MATCHED THEN DELETE")
    assert ids(t, table) == [0, 4, 5, 6, 7]
    t.run("sql", "-c", f"MERGE INTO {table} t USING (SELECT 4 AS id, 'q' AS s, 9 AS p UNION ALL SELECT 40, 'r', 9) q "
                       "ON t.id = q.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT (id, p) VALUES "
                       "(q.id * 2, q.p)")
    assert rows(t, table)[1:2] + rows(t, table)[-1:] == [(4, "q", 9), (80, None, 9)]


def test_merge_touches_only_files_that_match(t):
    table = make(t, clauses="")
    for first in (0, 100):
        t.run("sql", "-c", f"INSERT INTO {table} SELECT range, 'x', 0 FROM range({first}, {first + 10})")
    before = {p.name for p in t.folder.glob("t/*.parquet")}
    t.run("sql", "-c", f"MERGE INTO {table} t USING (SELECT 105 AS id) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET s = 'y'")
    assert len({p.name for p in t.folder.glob("t/*.parquet")} - before) == 1
    assert t.value(f"SELECT count(*) FROM {table} WHERE s = 'y'") == 1 and len(ids(t, table)) == 20


def test_parts_of_a_statement_read_the_files_they_need(t):
    t.project("name: p\n")
    t.run("sql", "-c", "CREATE TABLE a.source (id INT) USING delta; CREATE TABLE a.target (id INT, s STRING) USING delta; "
                       "INSERT INTO a.source SELECT range FROM range(10); INSERT INTO a.source SELECT range FROM range(100, 110)")
    # Each part of a statement names the table in its own way: what one leaves out the other may need.
    t.run("sql", "-c", "INSERT INTO a.target SELECT id, 'x' FROM a.source WHERE id < 3")
    t.run("sql", "-c", "MERGE INTO a.target t USING (SELECT * FROM a.source WHERE id < 5) s ON t.id = s.id "
                       "WHEN MATCHED AND t.id + 100 IN (SELECT id FROM a.source WHERE id > 101) THEN UPDATE SET s = 'late' "
                       "WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id + (SELECT min(id) FROM a.source WHERE id > 103))")
    assert t.sql("SELECT * FROM a.target ORDER BY id") == [
        {"id": 0, "s": "x"}, {"id": 1, "s": "x"}, {"id": 2, "s": "late"}, {"id": 107, "s": None}, {"id": 108, "s": None}]
    for file in (t.folder / ".millrace/tables/a/source").glob("*.parquet"):
        if t.value(f"SELECT max(id) FROM read_parquet('{file}')") > 100:
            file.unlink()
    t.run("sql", "-c", "INSERT INTO a.target SELECT id, 'y' FROM a.source WHERE id = 7")
    t.run("sql", "-c", "INSERT OVERWRITE a.target SELECT * FROM a.target WHERE s = 'y' AND id IN (SELECT id FROM a.source WHERE id < 9)")
    assert t.sql("SELECT * FROM a.target") == [{"id": 7, "s": "y"}]


def test_what_a_table_asks_of_rows(t):
    table = make(t, columns="id BIGINT NOT NULL, s STRING DEFAULT 'none', p INT, "
                            "twice BIGINT GENERATED ALWAYS AS (id * 2)", clauses="")
    t.run("sql", "-c", f"INSERT INTO {table} (id, p) VALUES (1, 1), (2, 2)")
    assert t.sql(f"SELECT * FROM {table} WHERE id = 2") == [{"id": 2, "s": "none", "p": 2, "twice": 4}]
    t.run("sql", "-c", f"UPDATE {table} SET id = 5, s = DEFAULT WHERE id = 2")
    assert t.value(f"SELECT twice FROM {table} WHERE id = 5") == 10
    refused(t, f"INSERT INTO {table} VALUES (1, 'a', 1, 3)", "generated column twice")
    refused(t, f"INSERT INTO {table} (p) VALUES (1)", "NOT NULL")
    t.run("sql", "-c", f"ALTER TABLE {table} ADD CONSTRAINT small CHECK (p < 10)")
    refused(t, f"INSERT INTO {table} (id, p) VALUES (1, 10)", "CHECK constraint small")
    refused(t, f"INSERT INTO {table} (id) VALUES (1)", "CHECK constraint small")
    refused(t, f"UPDATE {table} SET p = 11", "CHECK constraint small")
    refused(t, f"ALTER TABLE {table} ADD CONSTRAINT no CHECK (p > 1)", "1 rows")
    t.run("sql", "-c", f"ALTER TABLE {table} DROP CONSTRAINT small; INSERT INTO {table} (id, p) VALUES (9, 10)")
    t.run("sql", "-c", f"ALTER TABLE {table} ADD COLUMNS (n DOUBLE, m MAP<STRING, INT>)")
    t.run("sql", "-c", f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.appendOnly' = 'true')")
    refused(t, f"DELETE FROM {table}", "append-only")
    assert t.value(f"SELECT count(n) + count(*) FROM {table}") == 3


def test_optimize_vacuum_restore(t):
    table = make(t)
    for i in range(4):
        t.run("sql", "-c", f"INSERT INTO {table} SELECT range, 'x', range % 2 FROM range({i * 10}, {i * 10 + 10})")
    done = t.sql(f"OPTIMIZE {table} WHERE p = 0")[0]
    assert (done["files_added"], done["files_removed"]) == (1, 4), done
    t.run("sql", "-c", f"OPTIMIZE {table} ZORDER BY (id, s)")
    assert ids(t, table) == list(range(40))
    files = list(t.folder.glob("t/p=*/*.parquet"))
    assert t.sql(f"VACUUM {table}")[0]["files_deleted"] == 0
    refused(t, f"VACUUM {table} RETAIN 0 HOURS", "168")
    t.run("sql", "-c", f"DELETE FROM {table} WHERE p = 0; RESTORE TABLE {table} TO VERSION AS OF 2")
    assert ids(t, table) == list(range(20))
    t.run("sql", "-c", f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.deletedFileRetentionDuration' = 'interval 0 hours')")
    import time
    time.sleep(0.01)
    assert len(t.sql(f"VACUUM {table} RETAIN 0 HOURS DRY RUN")) == len(files) - 4
    assert t.sql(f"VACUUM {table} RETAIN 0 HOURS")[0]["files_deleted"] == len(files) - 4
    assert ids(t, table) == list(range(20))
    refused(t, f"RESTORE {table} TO VERSION AS OF 4", "not there any more")
    history = t.sql(f"DESCRIBE HISTORY {table}")
    assert [h["operation"] for h in history][::-1] == ["CREATE TABLE", *["WRITE"] * 4, "OPTIMIZE", "OPTIMIZE", "DELETE",
                                                       "RESTORE", "SET TBLPROPERTIES"]
    assert t.sql(f"DESCRIBE DETAIL {table}")[0]["numFiles"] == 4


def test_change_data_is_written(t):
    table = filled(t, clauses="TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')")
    t.run("sql", "-c", f"UPDATE {table} SET s = 'u' WHERE id = 1; DELETE FROM {table} WHERE id = 2")
    t.run("sql", "-c", f"MERGE INTO {table} t USING (SELECT 3 AS id UNION ALL SELECT 50) s ON t.id = s.id "
                       "WHEN MATCHED THEN UPDATE SET s = 'm' WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)")
    changes = t.sql(f"SELECT id, s, _change_type AS c FROM read_parquet('{t.folder}/t/_change_data/*.parquet') ORDER BY id, c")
    assert [(r["id"], r["s"], r["c"]) for r in changes] == [
        (1, "u", "update_postimage"), (1, "v1", "update_preimage"), (2, "v2", "delete"),
        (3, "m", "update_postimage"), (3, "v3", "update_preimage"), (50, None, "insert")], changes


def test_the_table_command_takes_paths(t):
    table = filled(t)
    folder = str(t.folder / "t")
    assert "numFiles" in t.run("table", "describe", folder)[0]
    assert "CREATE TABLE" in t.run("table", "history", folder)[0]
    t.run("table", "optimize", folder, "--zorder", "id")
    t.run("table", "restore", folder, "--version", "0")
    assert ids(t, table) == []
    assert t.run("table", "vacuum", folder, "--dry-run")[0].split() == ["path"]
    assert "--version" in t.run("table", "restore", folder, code=None)[1]


STEPS = (
    "INSERT INTO $ SELECT range, 'v' || range, range % 3 FROM range(60)",
    "DELETE FROM $ WHERE id % 7 = 0",
    "DELETE FROM $ WHERE id < 12 AND p <> 1",
    "UPDATE $ SET s = 'u', p = p + 1 WHERE id % 5 = 0",
    "MERGE INTO $ t USING (SELECT range AS id, 'm' AS s, 1 AS p FROM range(40, 70)) s ON t.id = s.id "
    "WHEN MATCHED AND t.id % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *",
    "DELETE FROM $ WHERE p = 2 AND id > 0",
    "RESTORE TABLE $ TO VERSION AS OF 3",
    "UPDATE $ SET s = s || 'x'",
)


def test_deletion_vectors_say_what_new_files_say(t):
    copied = make(t, name="copied")
    feed = "PARTITIONED BY (p) TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')"
    marked = make(t, name="marked", clauses=feed)
    for step in STEPS:
        for table in (copied, marked):
            t.run("sql", "-c", step.replace("$", table))
        assert rows(t, marked) == rows(t, copied), step
    log = sorted((t.folder / "marked/_delta_log").glob("*.json"))
    assert '"cardinality"' in log[2].read_text() and '"tightBounds":false' in json.loads(
        [line for line in log[2].read_text().splitlines() if '"add"' in line][0])["add"]["stats"].replace(" ", "")
    before = {v: rows(t, f"{marked} VERSION AS OF {v}") for v in range(len(STEPS))}
    t.run("sql", "-c", f"VACUUM {marked}")
    assert {v: rows(t, f"{marked} VERSION AS OF {v}") for v in before} == before
    t.run("sql", "-c", f"RESTORE TABLE {marked} TO VERSION AS OF 3")
    t.run("sql", "-c", f"ALTER TABLE {marked} SET TBLPROPERTIES ('delta.deletedFileRetentionDuration' = "
                       "'interval 0 hours')")
    vectors = len(list((t.folder / "marked").glob("*.bin")))
    time.sleep(1.1)
    t.run("sql", "-c", f"VACUUM {marked} RETAIN 0 HOURS")
    assert rows(t, marked) == before[3]
    assert 0 < len(list((t.folder / "marked").glob("*.bin"))) < vectors
    t.run("sql", "-c", f"OPTIMIZE {marked}")
    assert rows(t, marked) == before[3]


def test_fsck_finds_what_is_wrong(t):
    table = filled(t, "TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    t.run("sql", "-c", f"INSERT INTO {table} SELECT 100, 'x', 1; DELETE FROM {table} WHERE id = 3")
    folder = t.folder / "t"

    def problems():
        out, _ = t.run("table", "fsck", str(folder), "-o", "json")
        return sorted((row["problem"], row["file"]) for row in json.loads(out or "[]"))
    assert problems() == []
    (folder / "stray.parquet").write_bytes(b"no")
    assert problems() == [("orphan", "stray.parquet")]
    (folder / "stray.parquet").unlink()
    vector = next(folder.glob("*.bin"))
    good = vector.read_bytes()
    vector.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    (problem, marked), = problems()
    assert problem == "vector", problem
    vector.write_bytes(good)
    last = folder / "_delta_log/00000000000000000003.json"
    told = last.read_text()
    last.write_text(told.replace('\\"numRecords\\":9', '\\"numRecords\\":8'))
    assert last.read_text() != told and problems() == [("statistics", marked)]
    last.write_text(told)
    (folder / marked).unlink()
    assert problems() == [("missing", marked)]


def test_diff_of_versions(t):
    table = filled(t, "")
    t.run("sql", "-c", f"DELETE FROM {table} WHERE id = 3; INSERT INTO {table} VALUES (50, 'n', 1)")
    out, _ = t.run("table", "diff", f"{t.folder}/t@v1", f"{t.folder}/t@v3", "-o", "json")
    assert [(r["diff"], r["id"]) for r in json.loads(out)] == [("+", 50), ("-", 3)], out


def test_columns_are_renamed_dropped_and_widened(t):
    table = make(t, "id BIGINT, s STRING, p INT, st STRUCT<a: INT>")
    t.run("sql", "-c", f"INSERT INTO {table} SELECT range, 'v', range % 2, {{'a': range}} FROM range(4)")
    refused(t, f"ALTER TABLE {table} RENAME COLUMN s TO name", "delta.columnMapping.mode")
    refused(t, f"ALTER TABLE {table} DROP COLUMN s", "delta.columnMapping.mode")
    t.run("sql", "-c", f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
    refused(t, f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.columnMapping.mode' = 'none')", "not from name to none")
    t.run("sql", "-c", f"ALTER TABLE {table} RENAME COLUMN s TO name")
    t.run("sql", "-c", f"ALTER TABLE {table} RENAME COLUMN p TO part")
    refused(t, f"ALTER TABLE {table} RENAME COLUMN name TO id", "already")
    refused(t, f"ALTER TABLE {table} DROP COLUMN part", "partitions")
    t.run("sql", "-c", f"ALTER TABLE {table} ADD CONSTRAINT c CHECK (id >= 0)")
    refused(t, f"ALTER TABLE {table} RENAME COLUMN id TO x", "constraint c")
    refused(t, f"ALTER TABLE {table} DROP COLUMN id", "constraint c")
    t.run("sql", "-c", f"INSERT INTO {table} VALUES (9, 'w', 1, {{'a': 9}})")
    assert t.sql(f"SELECT name, part, st.a FROM {table} WHERE id IN (3, 9) ORDER BY id") == [
        {"name": "v", "part": 1, "a": 3}, {"name": "w", "part": 1, "a": 9}]
    # dropped, and another of the same name: the old values do not come back
    t.run("sql", "-c", f"ALTER TABLE {table} DROP COLUMNS (st)")
    t.run("sql", "-c", f"ALTER TABLE {table} ADD COLUMNS (st STRUCT<a: INT>)")
    assert t.value(f"SELECT count(st) FROM {table}") == 0
    t.run("sql", "-c", f"INSERT INTO {table} VALUES (10, 'w', 1, {{'a': 10}})")
    t.run("sql", "-c", f"UPDATE {table} SET name = 'z' WHERE id = 0")
    assert t.sql(f"SELECT sum(id) AS n, max(st.a) AS a, max(name) AS z FROM {table}") == [{"n": 25, "a": 10, "z": "z"}]
    assert t.value(f"SELECT max(s) FROM {table} VERSION AS OF 1") == "v"
    refused(t, f"ALTER TABLE {table} ALTER COLUMN part TYPE BIGINT", "delta.enableTypeWidening")
    t.run("sql", "-c", f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')")
    refused(t, f"ALTER TABLE {table} ALTER COLUMN id TYPE INT", "cannot change")
    t.run("sql", "-c", f"ALTER TABLE {table} ALTER COLUMN part TYPE BIGINT")
    t.run("sql", "-c", f"INSERT INTO {table} VALUES (11, 'w', 5000000000, NULL)")
    assert t.value(f"SELECT sum(part) FROM {table}") == 5000000004


def test_changes_are_read_by_version_and_time(t):
    table = make(t, clauses="TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    path = f"{t.folder}/t"
    t.run("sql", "-c", f"INSERT INTO {table} SELECT range, 'v', 0 FROM range(5)")
    refused(t, f"SELECT * FROM table_changes_by_path('{path}', 0)", "does not record changes")
    t.run("sql", "-c", f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')")
    t.run("sql", "-c", f"UPDATE {table} SET s = 'u' WHERE id = 1")
    t.run("sql", "-c", f"DELETE FROM {table} WHERE id = 2")
    t.run("sql", "-c", f"RESTORE TABLE {table} TO VERSION AS OF 3")
    t.run("sql", "-c", f"INSERT OVERWRITE {table} SELECT 7, 'o', 0")

    def changes(*bounds):
        bounds = ", ".join(map(str, bounds))
        rows = t.sql(f"SELECT _commit_version AS v, _change_type AS c, id, s FROM table_changes_by_path('{path}', "
                     f"{bounds}) ORDER BY v, c, id")
        return [tuple(row.values()) for row in rows]
    assert changes(2, 5) == [(3, "update_postimage", 1, "u"), (3, "update_preimage", 1, "v"), (4, "delete", 2, "v"),
                             (5, "insert", 2, "v")], changes(2, 5)
    assert [row[:3] for row in changes(6)] == [(6, "delete", i) for i in range(5)] + [(6, "insert", 7)]
    times = {row["_commit_version"]: row["at"] for row in t.sql(
        f"SELECT DISTINCT _commit_version, strftime(_commit_timestamp, '%Y-%m-%d %H:%M:%S.%g+00') AS at "
        f"FROM table_changes_by_path('{path}', 2)")}
    assert changes(f"'{times[4]}'", f"'{times[5]}'") == changes(4, 5)
    refused(t, f"SELECT * FROM table_changes_by_path('{path}', 5, 4)", "no versions from 5 to 4")
    refused(t, f"SELECT * FROM table_changes('nobody.t', 1)", "nobody.t")


def test_schema_evolves_with_the_rows(t):
    table = make(t)
    t.run("sql", "-c", f"INSERT INTO {table} SELECT range, 'v', range % 2 FROM range(4)")
    refused(t, f"INSERT INTO {table} BY NAME SELECT 10 AS id, 2.5 AS x", "no column x")
    t.run("sql", "-c", f"INSERT WITH SCHEMA EVOLUTION INTO {table} BY NAME SELECT 10 AS id, 2.5 AS x, 1 AS p")
    assert t.sql(f"SELECT * FROM {table} WHERE id IN (3, 10) ORDER BY id") == [
        {"id": 3, "s": "v", "p": 1, "x": None}, {"id": 10, "s": None, "p": 1, "x": 2.5}]
    assert len(t.sql(f"DESCRIBE HISTORY {table}")) == 3
    # by position: what comes behind the table's columns is new
    t.run("sql", "-c", f"INSERT WITH SCHEMA EVOLUTION INTO {table} SELECT 11, 'w', 0, 3.5, DATE '2024-01-02' AS d")
    assert t.value(f"SELECT d FROM {table} WHERE id = 11") == "2024-01-02"
    source = "(SELECT range AS id, 'm' AS s, {'k': range} AS st FROM range(2, 13)) s"
    refused(t, f"MERGE INTO {table} t USING {source} ON t.id = s.id WHEN MATCHED THEN UPDATE SET *", "st")
    t.run("sql", "-c", f"MERGE WITH SCHEMA EVOLUTION INTO {table} t USING {source} ON t.id = s.id WHEN MATCHED THEN "
          "UPDATE SET * WHEN NOT MATCHED THEN INSERT *")
    assert t.sql(f"SELECT count(*) AS n, sum(st.k) AS k, count(x) AS x, count(p) AS p FROM {table}") == [
        {"n": 13, "k": 77, "x": 2, "p": 6}]
    assert t.sql(f"SELECT s, x, st.k AS k FROM {table} WHERE id = 10") == [{"s": "m", "x": 2.5, "k": 10}]
    # a wider type, where the table allows it
    t.run("sql", "-c", f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')")
    t.run("sql", "-c", f"INSERT WITH SCHEMA EVOLUTION INTO {table} BY NAME SELECT 20 AS id, 5000000000::BIGINT AS p")
    assert t.value(f"SELECT max(p) FROM {table}") == 5000000000
    t.run("sql", "-c", f"INSERT WITH SCHEMA EVOLUTION OVERWRITE {table} BY NAME SELECT 1 AS id, 'only' AS y")
    assert t.sql(f"SELECT id, y FROM {table}") == [{"id": 1, "y": "only"}]


def test_identity_columns_count_on(t):
    table = make(t, "id BIGINT GENERATED ALWAYS AS IDENTITY (START WITH 10 INCREMENT BY -5), s STRING", "")
    insert = f"INSERT INTO {table} (s) "
    t.run("sql", "-c", insert + "SELECT 'a' FROM range(3)")
    t.run("sql", "-c", insert + "SELECT 'b' WHERE false")
    t.run("sql", "-c", insert + "VALUES ('b'), ('c')")
    assert ids(t, table) == [-10, -5, 0, 5, 10]
    refused(t, f"INSERT INTO {table} VALUES (1, 'x')", "GENERATED ALWAYS")
    refused(t, f"INSERT INTO {table} BY NAME SELECT 1 AS id", "GENERATED ALWAYS")
    refused(t, f"UPDATE {table} SET id = 7", "cannot be set")
    t.run("sql", "-c", f"UPDATE {table} SET s = 'z' WHERE id = 0")
    t.run("sql", "-c", f"DELETE FROM {table} WHERE id < 0")
    t.run("sql", "-c", insert + "VALUES ('d')")
    assert ids(t, table) == [-15, 0, 5, 10]
    loose = make(t, "id BIGINT GENERATED BY DEFAULT AS IDENTITY, s STRING", "", "loose")
    t.run("sql", "-c", f"INSERT INTO {loose} VALUES (100, 'own')")
    t.run("sql", "-c", f"INSERT INTO {loose} (s) VALUES ('a'), ('b')")
    t.run("sql", "-c", f"INSERT OVERWRITE {loose} (s) VALUES ('c')")
    assert ids(t, loose) == [3]
    refused(t, f"CREATE TABLE {path_of(t, 'x')} (id INT GENERATED ALWAYS AS IDENTITY) USING delta", "BIGINT")


def test_features_are_dropped(t):
    table = make(t, clauses="TBLPROPERTIES ('delta.enableRowTracking' = 'true')")
    t.run("sql", "-c", f"INSERT INTO {table} VALUES (1, 'a', 1)")
    drop = f"ALTER TABLE {table} DROP FEATURE "
    refused(t, drop + "rowTracking", "in use")
    t.run("sql", "-c", f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableRowTracking' = 'false')")
    refused(t, drop + "domainMetadata", "rowTracking needs domainMetadata")
    refused(t, drop + "warpDrive", "does not have")
    t.run("sql", "-c", drop + "rowTracking")
    t.run("sql", "-c", drop + "domainMetadata")
    refused(t, drop + "rowTracking", "does not have")
    features = json.loads(next(line for line in open(f"{t.folder}/t/_delta_log/{4:020}.json") if "protocol" in line))
    assert features["protocol"]["writerFeatures"] == [], features
    t.run("sql", "-c", f"INSERT INTO {table} VALUES (2, 'a', 1)")
    assert ids(t, table) == [1, 2]
    t.run("sql", "-c", f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    # Readers have to know deletion vectors: as long as the log tells of them.
    t.run("sql", "-c", f"INSERT INTO {table} SELECT range, 'v', 0 FROM range(10, 20); DELETE FROM {table} WHERE id IN (12, 13)")
    refused(t, drop + "deletionVectors", "DELTA_FEATURE_DROP_WAIT_FOR_RETENTION_PERIOD")
    assert not any(a.get("deletionVector") for a in actions(t, "t", 9, "add"))
    kept = ids(t, table)
    refused(t, drop + "deletionVectors", "DELTA_FEATURE_DROP_WAIT_FOR_RETENTION_PERIOD")
    refused(t, drop + "deletionVectors TRUNCATE HISTORY", "DELTA_FEATURE_DROP_WAIT_FOR_RETENTION_PERIOD")
    t.run("sql", "-c", f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.dropFeatureTruncateHistory.retentionDuration' = 'interval 0 hours')")
    time.sleep(0.1)
    t.run("sql", "-c", drop + "deletionVectors TRUNCATE HISTORY")
    newest = max((t.folder / "t" / "_delta_log").glob("*.json"))
    protocol = next(json.loads(line)["protocol"] for line in newest.read_text().splitlines() if '"protocol"' in line)
    assert "deletionVectors" not in protocol["writerFeatures"] + protocol.get("readerFeatures", []), protocol
    assert not any('"deletionVector":{' in log.read_text() for log in (t.folder / "t" / "_delta_log").glob("*.json"))
    assert ids(t, table) == kept and t.sql(f"FSCK {table}") == []
    t.run("sql", "-c", f"DELETE FROM {table} WHERE id = 14")
    assert ids(t, table) == [i for i in kept if i != 14]


def test_a_table_is_replaced_by_another_shape(t):
    table = make(t)
    t.run("sql", "-c", f"INSERT INTO {table} SELECT range, 'v', range % 2 FROM range(4)")
    t.run("sql", "-c", f"CREATE OR REPLACE TABLE {table} USING delta PARTITIONED BY (q) TBLPROPERTIES "
          "('delta.appendOnly' = 'true', 'delta.columnMapping.mode' = 'name') AS SELECT 7 AS n, 'a' AS q")
    assert t.sql(f"SELECT * FROM {table}") == [{"n": 7, "q": "a"}]
    assert t.value(f"SELECT count(*) FROM {table} VERSION AS OF 1") == 4
    refused(t, f"DELETE FROM {table}", "append-only")


def test_shallow_clone(t):
    table, clone = filled(t), path_of(t, "c")
    t.run("sql", "-c", f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    t.run("sql", "-c", f"DELETE FROM {table} WHERE id = 4")
    t.run("sql", "-c", f"CREATE TABLE {clone} SHALLOW CLONE {table} TBLPROPERTIES ('mine' = 'yes')")
    assert rows(t, clone) == rows(t, table)
    # Each goes its own way, and the clone's files are its own.
    t.run("sql", "-c", f"UPDATE {clone} SET s = 'c' WHERE id = 5; DELETE FROM {clone} WHERE id = 0; "
                       f"INSERT INTO {clone} VALUES (50, 'n', 2); DELETE FROM {table} WHERE id = 8")
    assert ids(t, clone) == [1, 2, 3, 5, 6, 7, 8, 50] and ids(t, table) == [0, 1, 2, 3, 5, 6, 7]
    assert t.value(f"SELECT s FROM {table} WHERE id = 5") == "v5"
    t.run("sql", "-c", f"OPTIMIZE {clone}; VACUUM {clone}")
    assert ids(t, clone) == [1, 2, 3, 5, 6, 7, 8, 50] and len(rows(t, table)) == 7
    assert t.sql(f"FSCK {clone}") == []
    history = t.sql(f"DESCRIBE HISTORY {clone}")[-1]
    assert history["operation"] == "CLONE" and '"sourceVersion":"3"' in history["operationParameters"], history
    old = path_of(t, "old")
    t.run("sql", "-c", f"CREATE TABLE {old} SHALLOW CLONE {table} VERSION AS OF 1")
    assert len(ids(t, old)) == 9
    t.run("sql", "-c", f"CREATE OR REPLACE TABLE {old} SHALLOW CLONE {clone}")
    assert ids(t, old) == ids(t, clone)
    again = path_of(t, "again")
    t.run("sql", "-c", f"CREATE TABLE {again} SHALLOW CLONE delta.`{t.folder}/c@v0`")
    assert ids(t, again) == [0, 1, 2, 3, 5, 6, 7, 8]
    refused(t, f"CREATE TABLE {clone} SHALLOW CLONE {table}", "already")
    refused(t, f"CREATE TABLE {path_of(t, 'x')} SHALLOW CLONE {table} PARTITIONED BY (id)", "source's columns")
    refused(t, f"CREATE TABLE {path_of(t, 'x')} DEEP CLONE {table}", "AS SELECT")


def test_convert_to_delta(t):
    folder = t.folder / "plain"
    t.run("sql", "-c", f"COPY (SELECT range::INT AS id, 'v' || range AS s, DATE '2026-01-01' + range::INT AS d, range % 3 AS p, "
                       f"'a/b ' || (range % 2) AS q FROM range(60)) TO '{folder}' (FORMAT parquet, PARTITION_BY (p, q))")
    (folder / "_SUCCESS").write_text("")
    plain = f"parquet.`{folder}`"
    refused(t, f"CONVERT TO DELTA {plain}", "PARTITIONED BY")
    refused(t, f"CONVERT TO DELTA {plain} PARTITIONED BY (q STRING, p INT)", "other columns")
    refused(t, f"CONVERT TO DELTA {plain} PARTITIONED BY (p DATE, q STRING)", "is no DATE")
    done = t.sql(f"CONVERT TO DELTA {plain} PARTITIONED BY (p INT, q STRING)")[0]
    assert done["converted"] and done["files"] == 6, done
    table = path_of(t, "plain")
    assert t.value(f"SELECT count(*) FROM {table} WHERE p = 1 AND q = 'a/b 1' AND s = 'v' || id") == 10
    assert t.value(f"SELECT max(id) FROM {table}") == 59
    assert t.sql(f"FSCK {table}") == []
    log = (folder / "_delta_log" / "00000000000000000000.json").read_text()
    adds = [json.loads(line)["add"] for line in log.splitlines() if line.startswith('{"add"')]
    stats = [json.loads(a["stats"]) for a in adds]
    assert sum(s["numRecords"] for s in stats) == 60 and min(s["minValues"]["id"] for s in stats) == 0, stats
    assert max(s["maxValues"]["d"] for s in stats) == "2026-03-01" and stats[0]["nullCount"]["s"] == 0, stats
    t.run("sql", "-c", f"UPDATE {table} SET s = 'x' WHERE id < 30; DELETE FROM {table} WHERE p = 2")
    assert t.value(f"SELECT count(*) FROM {table} WHERE s = 'x'") == 20
    assert not t.sql(f"CONVERT TO DELTA {plain} PARTITIONED BY (p INT, q STRING)")[0]["converted"]
    flat = t.folder / "flat"
    flat.mkdir()
    t.run("sql", "-c", f"COPY (SELECT 1 AS a) TO '{flat}/1.parquet'; COPY (SELECT 2::BIGINT AS a, 'x' AS b) TO '{flat}/2.parquet'")
    t.run("sql", "-c", f"CONVERT TO DELTA parquet.`{flat}` NO STATISTICS")
    assert t.sql(f"SELECT a, b FROM {path_of(t, 'flat')} ORDER BY a") == [{"a": 1, "b": None}, {"a": 2, "b": "x"}]
    (t.folder / "none").mkdir()
    refused(t, f"CONVERT TO DELTA parquet.`{t.folder}/none`", "no Parquet files")


def actions(t, name, version, kind):
    log = (t.folder / name / "_delta_log" / f"{version:020}.json").read_text()
    return [json.loads(line)[kind] for line in log.splitlines() if line.startswith('{"' + kind)]


def test_cluster_by(t):
    table = make(t, clauses="CLUSTER BY (id, p)")
    assert actions(t, "t", 0, "domainMetadata")[0]["configuration"] == \
        '{"clusteringColumns":[["id"],["p"]],"domainName":"delta.clustering"}'
    assert {"clustering", "domainMetadata"} <= set(actions(t, "t", 0, "protocol")[0]["writerFeatures"])
    assert t.sql(f"DESCRIBE DETAIL {table}")[0]["clusteringColumns"] == ["id", "p"]
    for i in range(3):
        t.run("sql", "-c", f"INSERT INTO {table} SELECT hash(range, {i}) % 1000, 's', range % 7 FROM range(400)")
    before = t.value(f"SELECT sum(id) FROM {table}")
    assert t.sql(f"OPTIMIZE {table}")[0]["files_removed"] == 3
    assert all(a["clusteringProvider"] == "liquid" for a in actions(t, "t", 4, "add"))
    assert t.value(f"SELECT sum(id) FROM {table}") == before
    # What is sorted already is left alone; what came since is not.
    assert t.sql(f"OPTIMIZE {table}")[0]["files_removed"] == 0
    assert t.sql(f"OPTIMIZE {table} FULL")[0]["files_removed"] == 1
    t.run("sql", "-c", f"INSERT INTO {table} VALUES (1, 'n', 1)")
    assert t.sql(f"OPTIMIZE {table}")[0]["files_removed"] == 2
    refused(t, f"OPTIMIZE {table} ZORDER BY (id)", "DELTA_CLUSTERING_WITH_ZORDER_BY")
    refused(t, f"ALTER TABLE {table} CLUSTER BY (nosuch)", "no column nosuch")
    refused(t, f"CREATE TABLE {path_of(t, 'x')} (a INT, b INT) USING delta PARTITIONED BY (a) CLUSTER BY (b)", "exclude")
    t.run("sql", "-c", f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
    t.run("sql", "-c", f"ALTER TABLE {table} RENAME COLUMN p TO part")
    refused(t, f"ALTER TABLE {table} DROP COLUMN part", "clustered by")
    assert t.sql(f"DESCRIBE DETAIL {table}")[0]["clusteringColumns"] == ["id", "part"]
    clone = path_of(t, "c")
    t.run("sql", "-c", f"CREATE TABLE {clone} SHALLOW CLONE {table}")
    assert t.sql(f"DESCRIBE DETAIL {clone}")[0]["clusteringColumns"] == ["id", "part"]
    t.run("sql", "-c", f"ALTER TABLE {table} CLUSTER BY NONE; ALTER TABLE {table} DROP COLUMN part")
    assert t.sql(f"DESCRIBE DETAIL {table}")[0]["clusteringColumns"] == []
    refused(t, f"OPTIMIZE {table} FULL", "clustering columns")


def test_fsck_finds_lies(t):
    table = make(t, clauses="TBLPROPERTIES ('delta.checkpointInterval' = '2')")
    for i in range(4):
        t.run("sql", "-c", f"INSERT INTO {table} SELECT range, 's' || range, {i} FROM range(10)")
    assert t.sql(f"FSCK {table}") == []
    log = t.folder / "t" / "_delta_log"
    # A checkpoint that the log contradicts: one version's file has another size there.
    first = log / f"{1:020}.json"
    text = first.read_text()
    add = actions(t, "t", 1, "add")[0]
    first.write_text(text.replace(f'"size":{add["size"]},', f'"size":{add["size"] + 1},'))
    found = t.sql(f"FSCK {table}")
    assert [(r["problem"], r["file"]) for r in found] == [("checkpoint", "version 2"), ("checkpoint", "version 4")], found
    assert "another size" in found[0]["detail"]
    first.write_text(text.replace('{"add"', '{"another"'))
    assert all("has, and the log has not" in r["detail"] for r in t.sql(f"FSCK {table}"))
    first.write_text(text)
    # Statistics that leave rows out, and count other NULLs.
    newest = log / f"{5:020}.json"
    t.run("sql", "-c", f"INSERT INTO {table} VALUES (100, 'z', 9), (200, NULL, 9)")
    text = newest.read_text()
    for old, new, word in (('\\"maxValues\\":{\\"id\\":200', '\\"maxValues\\":{\\"id\\":150', "maxValues of id is 150"),
                           ('\\"nullCount\\":{\\"id\\":0', '\\"nullCount\\":{\\"id\\":1', "nullCount of id is 1"),
                           ('\\"minValues\\":{\\"id\\":100,\\"s\\":\\"z', '\\"minValues\\":{\\"id\\":100,\\"s\\":\\"zz', "minValues of s is zz")):
        assert old in text, text
        newest.write_text(text.replace(old, new))
        found = t.sql(f"FSCK {table}")
        assert [r["problem"] for r in found] == ["statistics"] and word in found[0]["detail"], found
        assert t.sql(f"FSCK {table} NO STATISTICS") == []


def test_merge_into_identity_columns(t):
    table = make(t, "id BIGINT GENERATED ALWAYS AS IDENTITY (START WITH 10 INCREMENT BY 5), k INT, s STRING",
                 "TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')")
    t.run("sql", "-c", f"INSERT INTO {table} (k, s) VALUES (1, 'a'), (2, 'b')")
    source = "(SELECT range::INT AS k, 'm' AS s FROM range(2, 6))"
    t.run("sql", "-c", f"MERGE INTO {table} t USING {source} s ON t.k = s.k WHEN MATCHED THEN UPDATE SET s = s.s "
                       "WHEN NOT MATCHED AND s.k > 3 THEN INSERT *")
    assert t.sql(f"SELECT id, k, s FROM {table} ORDER BY id") == [
        {"id": 10, "k": 1, "s": "a"}, {"id": 15, "k": 2, "s": "m"}, {"id": 20, "k": 4, "s": "m"}, {"id": 25, "k": 5, "s": "m"}]
    # The change feed tells the same ids.
    fed = t.sql(f"SELECT id FROM table_changes_by_path('{t.folder}/t', 2, 2) WHERE _change_type = 'insert' ORDER BY 1")
    assert [r["id"] for r in fed] == [20, 25], fed
    t.run("sql", "-c", f"INSERT INTO {table} (k, s) VALUES (9, 'z')")
    assert t.value(f"SELECT id FROM {table} WHERE k = 9") == 30
    refused(t, f"MERGE INTO {table} t USING (SELECT 1 AS id, 70 AS k, 'x' AS s) s ON t.k = s.k WHEN NOT MATCHED THEN INSERT *",
            "GENERATED ALWAYS AS IDENTITY")
    refused(t, f"MERGE INTO {table} t USING (SELECT 1 AS id, 1 AS k, 'x' AS s) s ON t.k = s.k WHEN MATCHED THEN UPDATE SET *",
            "cannot be set")
    free = make(t, "id BIGINT GENERATED BY DEFAULT AS IDENTITY, k INT", "", name="free")
    t.run("sql", "-c", f"MERGE INTO {free} t USING (SELECT 100 AS id, 1 AS k) s ON t.k = s.k WHEN NOT MATCHED THEN INSERT *")
    t.run("sql", "-c", f"MERGE INTO {free} t USING (SELECT 2 AS k) s ON t.k = s.k WHEN NOT MATCHED THEN INSERT (k) VALUES (s.k)")
    assert t.sql(f"SELECT id, k FROM {free} ORDER BY k") == [{"id": 100, "k": 1}, {"id": 1, "k": 2}]


def test_fields_inside_of_columns(t):
    table = make(t, "id INT, st STRUCT<a: INT, b: STRUCT<c: INT, d: STRING>>, ar ARRAY<STRUCT<x: INT, y: INT>>, m MAP<STRING, STRUCT<v: INT, w: INT>>",
                 "TBLPROPERTIES ('delta.columnMapping.mode' = 'name', 'delta.enableTypeWidening' = 'true')")
    t.run("sql", "-c", f"INSERT INTO {table} SELECT 1, {{'a': 1, 'b': {{'c': 2, 'd': 'x'}}}}, [{{'x': 3, 'y': 4}}], MAP {{'k': {{'v': 5, 'w': 6}}}}")
    for change in ("RENAME COLUMN st.b.c TO cc", "DROP COLUMN st.b.d", "ALTER COLUMN st.a TYPE BIGINT", "RENAME COLUMN ar.element.x TO xx",
                   "DROP COLUMNS (ar.element.y, m.value.w)", "RENAME COLUMN m.value.v TO vv", "DROP COLUMN IF EXISTS st.nosuch"):
        t.run("sql", "-c", f"ALTER TABLE {table} {change}")
    refused(t, f"ALTER TABLE {table} DROP COLUMN st.b.cc", "only field")
    refused(t, f"ALTER TABLE {table} RENAME COLUMN st.a TO b", "already")
    refused(t, f"ALTER TABLE {table} RENAME COLUMN st.nosuch TO b", "no field nosuch")
    refused(t, f"ALTER TABLE {table} ALTER COLUMN st.a TYPE INT", "cannot change")
    t.run("sql", "-c", f"INSERT INTO {table} SELECT 2, {{'a': 5000000000, 'b': {{'cc': 20}}}}, [{{'xx': 30}}], MAP {{'k': {{'vv': 50}}}}")
    assert t.sql(f"SELECT st.a AS a, st.b.cc AS c, ar[1].xx AS x, m['k'].vv AS v FROM {table} ORDER BY id") == [
        {"a": 1, "c": 2, "x": 3, "v": 5}, {"a": 5000000000, "c": 20, "x": 30, "v": 50}]
    t.run("sql", "-c", f"OPTIMIZE {table}")
    assert t.value(f"SELECT sum(st.a) FROM {table}") == 5000000001


def test_changes_over_other_columns(t):
    path = f"{t.folder}/t"
    table = make(t, "id BIGINT, n SMALLINT, s STRING", "TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true', "
                 "'delta.columnMapping.mode' = 'name', 'delta.enableTypeWidening' = 'true')")
    for text in ("INSERT INTO $ VALUES (1, 1, 'a')", "ALTER TABLE $ ADD COLUMNS (x DOUBLE)", "INSERT INTO $ VALUES (2, 2, 'b', 1.5)",
                 "UPDATE $ SET s = 'u' WHERE id = 1", "ALTER TABLE $ ALTER COLUMN n TYPE BIGINT", "ALTER TABLE $ RENAME COLUMN s TO t",
                 "INSERT INTO $ VALUES (3, 3000000000, 'c', 2.5)", "ALTER TABLE $ DROP COLUMN x", "DELETE FROM $ WHERE id = 2"):
        t.run("sql", "-c", text.replace("$", table))
    changes = "SELECT {} FROM table_changes_by_path('" + path + "', {}) ORDER BY _commit_version, _change_type DESC"
    assert [tuple(r.values()) for r in t.sql(changes.format("id, n, t, _change_type AS c", "0"))] == [
        (1, 1, "a", "insert"), (2, 2, "b", "insert"), (1, 1, "a", "update_preimage"), (1, 1, "u", "update_postimage"),
        (3, 3000000000, "c", "insert"), (2, 2, "b", "delete")]
    # By the columns of the last version that is asked for.
    assert [tuple(r.values()) for r in t.sql(changes.format("id, s, x", "1, 3"))] == [(1, "a", None), (2, "b", 1.5)]
    other = make(t, "id BIGINT, s STRING", "TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')", name="o")
    t.run("sql", "-c", f"INSERT INTO {other} VALUES (1, 'x'); CREATE OR REPLACE TABLE {other} (id BIGINT, s INT) USING delta "
                       f"TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true'); INSERT INTO {other} VALUES (3, 7)")
    refused(t, f"SELECT * FROM table_changes_by_path('{t.folder}/o', 0)", "DELTA_CHANGE_DATA_FEED_INCOMPATIBLE_SCHEMA_CHANGE")
    refused(t, f"SELECT * FROM table_changes_by_path('{t.folder}/o', 1)", "was VARCHAR in version 1")
    assert t.value(f"SELECT count(*) FROM table_changes_by_path('{t.folder}/o', 3)") == 1
    assert t.value(f"SELECT count(*) FROM table_changes_by_path('{t.folder}/o', 0, 1)") == 1
