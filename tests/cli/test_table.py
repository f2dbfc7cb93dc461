"""Delta tables by path and by name: what Spark's SQL says of them, through `millrace sql`."""


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
