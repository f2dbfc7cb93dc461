"""Random operations on a Delta table, and the rows that it has after each: the third opinion beside two engines.

    history = History(random.Random(1))
    for text in history.create("delta.`/t`"): …      statements, the same in Spark's and in millrace's SQL
    name, text = history.step("delta.`/t`", version)  one more; history.rows is what must be there

Rows are {id: (s, p, n, d)}: BIGINT key, STRING, INT (the partition column, where there is one), DECIMAL(10,2), DATE.
"""
import datetime
from decimal import Decimal

COLUMNS = "id, s, p, n, d"
PROPERTIES = [
    ("delta.enableDeletionVectors", "true"),
    ("delta.enableChangeDataFeed", "true"),
    ("delta.enableRowTracking", "true"),
    ("delta.enableInCommitTimestamps", "true"),
    ("delta.columnMapping.mode", "name"),
    ("delta.checkpointPolicy", "v2"),
    ("delta.checkpoint.writeStatsAsStruct", "true"),
]
DAY = datetime.date(2024, 1, 1)


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value + "'"
    if isinstance(value, datetime.date):
        return f"DATE '{value}'"
    return str(value)


def value_row(id, row):
    s, p, n, d = row
    typed = (f"CAST({literal(id)} AS BIGINT)", f"CAST({literal(s)} AS STRING)", f"CAST({literal(p)} AS INT)",
             f"CAST({literal(n)} AS DECIMAL(10,2))", f"CAST({literal(d)} AS DATE)")
    return "(" + ", ".join(typed) + ")"


def source(rows):
    return f"(SELECT * FROM VALUES {', '.join(value_row(*r) for r in rows.items())} AS v({COLUMNS}))"


class History:
    def __init__(self, random):
        self.random = random
        self.rows = {}
        self.next_id = 0
        self.partitioned = random.random() < 0.5
        self.snapshots = {}  # version: rows, as far back as no VACUUM has reached

    # ---- values ----

    def _row(self):
        r = self.random
        word = lambda: None if r.random() < 0.1 else "".join(r.choice("abcxyzäß€%_ ") for _ in range(r.randrange(9))) + "."
        return (word(), r.randrange(4) if r.random() < 0.9 else None,
                None if r.random() < 0.1 else Decimal(r.randrange(-99999, 99999)) / 100,
                None if r.random() < 0.1 else DAY + datetime.timedelta(r.randrange(-20000, 20000)))

    def _new_rows(self, most):
        count = self.random.randrange(1, most)
        first, self.next_id = self.next_id, self.next_id + count
        return {id: self._row() for id in range(first, first + count)}

    def _condition(self):
        """A predicate, as SQL and as a function of (id, row) that is True, False or None."""
        r = self.random
        k, m = r.randrange(max(self.next_id, 1)), r.randrange(2, 7)
        part = r.randrange(4)
        day = DAY + datetime.timedelta(r.randrange(-20000, 20000))
        return r.choice([
            (f"id % {m} = {k % m}", lambda id, row: id % m == k % m),
            (f"id >= {k} AND id < {k + 15}", lambda id, row: k <= id < k + 15),
            (f"p = {part}", lambda id, row: None if row[1] is None else row[1] == part),
            ("s IS NULL", lambda id, row: row[0] is None),
            (f"d < DATE '{day}' AND id % 3 = 0",
             lambda id, row: id % 3 == 0 and (None if row[3] is None else row[3] < day)),
            (f"n > {k}.5 OR p IS NULL", lambda id, row: row[1] is None or (None if row[2] is None else row[2] > k + 0.5)),
        ])

    # ---- statements ----

    def create(self, table):
        chosen = [(k, v) for k, v in PROPERTIES if self.random.random() < 0.35]
        chosen.append(("delta.checkpointInterval", str(self.random.choice([3, 5, 10]))))
        properties = ", ".join(f"'{k}' = '{v}'" for k, v in chosen)
        partitioned = " PARTITIONED BY (p)" if self.partitioned else ""
        return (f"CREATE TABLE {table} (id BIGINT, s STRING, p INT, n DECIMAL(10,2), d DATE) USING delta{partitioned} "
                f"TBLPROPERTIES ({properties})")

    def step(self, table, version):
        """Its name and statement. version: what the table has now."""
        self.snapshots[version] = dict(self.rows)
        kinds = ["insert"] * 4 + ["delete"] * 3 + ["update"] * 3 + ["merge"] * 3
        kinds += ["optimize", "zorder", "restore", "overwrite_where", "vectors"]
        kind = self.random.choice(kinds)
        return kind, getattr(self, "_" + kind)(table)

    def _insert(self, table):
        rows = self._new_rows(30)
        self.rows.update(rows)
        return f"INSERT INTO {table} SELECT {COLUMNS} FROM {source(rows)}"

    def _delete(self, table):
        text, test = self._condition()
        self.rows = {id: row for id, row in self.rows.items() if not test(id, row)}
        return f"DELETE FROM {table} WHERE {text}"

    def _update(self, table):
        text, test = self._condition()
        for id, row in list(self.rows.items()):
            if test(id, row):
                s = None if row[0] is None else row[0] + "u"
                self.rows[id] = (s if s is None or len(s) < 40 else "", (row[1] or 0) + 1 if id % 2 else row[1], row[2], row[3])
        return (f"UPDATE {table} SET s = CASE WHEN length(s) < 39 THEN concat(s, 'u') WHEN s IS NULL THEN NULL ELSE '' END, "
                f"p = CASE WHEN id % 2 = 1 THEN coalesce(p, 0) + 1 ELSE p END WHERE {text}")

    def _merge(self, table):
        old = self.random.sample(sorted(self.rows), min(len(self.rows), self.random.randrange(8)))
        changes = {**{id: self._row() for id in old}, **self._new_rows(8)}
        gone = self.random.randrange(5)
        clauses, after = "", dict(self.rows)
        matched_delete, by_source = self.random.random() < 0.4, self.random.random() < 0.3
        if matched_delete:
            clauses += f" WHEN MATCHED AND t.id % 5 = {gone} THEN DELETE"
        clauses += " WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        if by_source:
            clauses += " WHEN NOT MATCHED BY SOURCE AND t.id % 10 = 3 THEN DELETE"
        for id, row in changes.items():
            if matched_delete and id in self.rows and id % 5 == gone:
                del after[id]
            else:
                after[id] = row
        if by_source:
            after = {id: row for id, row in after.items() if id in changes or id % 10 != 3}
        self.rows = after
        return f"MERGE INTO {table} t USING {source(changes)} s ON t.id = s.id{clauses}"

    def _overwrite_where(self, table):
        part = self.random.randrange(4)
        rows = {id: (row[0], part, row[2], row[3]) for id, row in self._new_rows(10).items()}
        self.rows = {id: row for id, row in self.rows.items() if row[1] != part}
        self.rows.update(rows)
        return f"INSERT INTO {table} REPLACE WHERE p = {part} SELECT {COLUMNS} FROM {source(rows)}"

    def _optimize(self, table):
        return f"OPTIMIZE {table}"

    def _zorder(self, table):
        return f"OPTIMIZE {table} ZORDER BY (id, s)"

    def _restore(self, table):
        version = self.random.choice(sorted(self.snapshots))
        self.rows = dict(self.snapshots[version])
        return f"RESTORE TABLE {table} TO VERSION AS OF {version}"

    def _vectors(self, table):
        return f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableDeletionVectors' = '{self.random.choice(['true', 'false'])}')"

    # ---- what is there ----

    def expected(self, version=None):
        """Sorted rows as both engines' queries of `query` give them."""
        rows = self.rows if version is None else self.snapshots[version]
        text = lambda v: None if v is None else str(v)
        return [(id, s, p, None if n is None else f"{n:.2f}", text(d)) for id, (s, p, n, d) in sorted(rows.items())]


def query(table):
    return f"SELECT id, s, p, CAST(n AS STRING) AS n, CAST(d AS STRING) AS d FROM {table} ORDER BY id"
