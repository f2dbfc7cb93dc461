"""Sixteen writers on one Delta table: eight inside a server, eight processes of their own. They append, merge,
update, delete and optimize at random; afterwards the rows are those of a serial replay in the order of commits."""
import json
import os
import random
import threading
import time
import urllib.error
import urllib.request

SECONDS = 6 * int(os.environ.get("MR_TEST_SCALE", 1))
EACH = int(os.environ.get("EACH", 50))
KEYS = 40  # merges and updates meet on these
KINDS = ["append"] * 5 + ["merge"] * 3 + ["update"] * 2 + ["delete"] * 2 + ["optimize"]
PROPERTIES = ("'delta.isolationLevel' = 'Serializable', 'delta.enableChangeDataFeed' = 'true', "
              "'delta.checkpointInterval' = '20'")


class Operation:
    """One statement, and what it does to rows {id: (op, n)}. Its number stands in what it writes, or in its predicate."""

    def __init__(self, number, rng):
        self.number, self.kind = number, rng.choice(KINDS)
        self.ids = sorted({rng.randrange(KEYS) for _ in range(4)} | {1000 + number})
        self.modulo, self.rest = rng.randrange(5, 12), rng.randrange(5)

    def sql(self, table):
        values = ", ".join(f"({id})" for id in self.ids)
        if self.kind == "append":
            return f"INSERT INTO {table} VALUES ({1000 + self.number}, {self.number}, 0)"
        if self.kind == "merge":
            return (f"MERGE INTO {table} t USING (SELECT id FROM VALUES {values} AS v(id)) s ON t.id = s.id "
                    f"WHEN MATCHED THEN UPDATE SET op = {self.number}, n = t.n + 1 "
                    f"WHEN NOT MATCHED THEN INSERT (id, op, n) VALUES (s.id, {self.number}, 0)")
        if self.kind == "update":
            return f"UPDATE {table} SET op = {self.number}, n = n + 1 WHERE id IN ({', '.join(map(str, self.ids))})"
        if self.kind == "delete":
            return f"DELETE FROM {table} WHERE id % {self.modulo} = {self.rest} AND op < {self.number} AND {self.number} > 0"
        return f"OPTIMIZE {table}"

    def apply(self, rows):
        if self.kind == "append":
            rows[1000 + self.number] = (self.number, 0)
        elif self.kind == "delete":
            for id in [id for id, (op, _) in rows.items() if id % self.modulo == self.rest and op < self.number]:
                del rows[id]
        elif self.kind in ("merge", "update"):
            for id in self.ids:
                if id in rows:
                    rows[id] = (self.number, rows[id][1] + 1)
                elif self.kind == "merge":
                    rows[id] = (self.number, 0)


class Writers:
    def __init__(self, seed):
        self.lock, self.rng, self.next = threading.Lock(), random.Random(seed), 1
        self.operations, self.done, self.errors = {}, set(), []
        self.until = time.monotonic() + SECONDS

    def write(self, run):
        while time.monotonic() < self.until:
            with self.lock:
                operation = Operation(self.next, self.rng)
                self.operations[self.next] = operation
                self.next += 1
            try:
                run(operation)
                self.done.add(operation.number)
            except Exception as e:
                self.errors.append(f"{operation.kind}: {e}")


def post(server, text):
    try:
        with urllib.request.urlopen(server.http + "/api/v1/sql?format=json", data=text.encode(), timeout=120) as answer:
            return json.loads(answer.read() or b"[]")
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()) from error


def committed(t, table, version, row, writers):
    """The operations that made a version: none for one that changes no row, several appends that share it."""
    if row["operation"] in ("OPTIMIZE", "CREATE TABLE"):
        return []
    changes = t.sql(f"SELECT DISTINCT op FROM table_changes('{table}', {version}, {version}) "
                    "WHERE _change_type IN ('insert', 'update_postimage')", binary=t.release)
    if changes:
        return [writers.operations[change["op"]] for change in changes]
    predicate = json.loads(row["operationParameters"])["predicate"]
    return [writers.operations[int(predicate.rsplit("AND", 1)[1].split(">")[0])]]


def test_sixteen_writers_are_as_good_as_one(t):
    seed = random.randrange(1 << 30)
    print(f"writers seed {seed}")
    t.project("name: w\n")
    server = t.up(binary=t.release)
    table, path = "silver.shared", f"delta.`{t.folder}/.millrace/tables/silver/shared`"
    t.run("sql", "-c", f"CREATE TABLE {table} (id BIGINT, op BIGINT, n BIGINT) USING delta TBLPROPERTIES ({PROPERTIES})")
    writers = Writers(seed)
    inside = lambda operation: post(server, operation.sql(table))
    outside = lambda operation: t.run("sql", "-c", operation.sql(path), binary=t.release)
    threads = [threading.Thread(target=writers.write, args=(run,)) for run in [inside] * 8 + [outside] * 8]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = t.sql(f"DESCRIBE HISTORY {table}", binary=t.release)[::-1]
    print(f"{len(history)} commits, {len(writers.errors)} errors, {len(writers.done)} acknowledged")
    assert not writers.errors, writers.errors[:3]
    rows, seen = {}, []
    for version, entry in enumerate(history):
        assert entry["version"] == version
        operations = committed(t, table, version, entry, writers)
        assert len(operations) < 2 or all(o.kind == "append" for o in operations)
        for operation in operations:
            operation.apply(rows)
            seen.append(operation.number)
        if version % EACH == 0 or version == len(history) - 1:
            got = t.sql(f"SELECT id, op, n FROM {table} VERSION AS OF {version} ORDER BY id", binary=t.release)
            there, want = {r["id"]: (r["op"], r["n"]) for r in got}, rows
            assert len(there) == len(got), f"version {version}: a row is there twice"
            differ = {id: (there.get(id), want.get(id)) for id in there.keys() | want.keys() if there.get(id) != want.get(id)}
            assert not differ, f"version {version} {entry} {[o.sql('t') for o in operations]}: {differ}"
    assert len(seen) == len(set(seen)), "a statement was committed twice"
    lost = {n for n in writers.done - set(seen) if writers.operations[n].kind in ("append", "merge")}
    assert not lost, f"acknowledged and not in the log: {sorted(lost)[:5]}"


def test_what_is_not_there_is_read_too(t):
    """Statements that found no file to read still conflict with each other."""
    t.project("name: w\n")
    server = t.up(binary=t.release)
    statements = {
        "merge": "MERGE INTO {} t USING (SELECT 1 AS id, 1 AS p) s ON t.id = s.id WHEN NOT MATCHED THEN INSERT *",
        "partition": "INSERT INTO {} REPLACE WHERE p = 1 SELECT 1 AS id, 1 AS p",
        "dynamic": "INSERT OVERWRITE {} PARTITION (p) SELECT 1 AS id, 1 AS p",
    }
    for name, statement in statements.items():
        for round in range(4):
            table = f"silver.{name}_{round}"
            post(server, f"CREATE TABLE {table} (id INT, p INT) USING delta PARTITIONED BY (p)")
            threads = [threading.Thread(target=post, args=(server, statement.format(table))) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert post(server, f"SELECT count(*) AS n FROM {table}") == [{"n": 1}], table
