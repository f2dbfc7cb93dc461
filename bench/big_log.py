"""A table of very many files, as a log alone: for how fast it opens and how well files are skipped. There are no data files.

    big_log.py MILLRACE TABLE FILES

20 commits; the first 15 are in a classic checkpoint, its statistics as JSON. 365 partitions by `day`, the first
2023-01-01; file k holds ids 4000 k … 4000 k + 3999 by its statistics.
"""
import json
import os
import subprocess
import sys

COMMITS, TAIL = 20, 5
FIELDS = [("id", "long"), ("ts", "timestamp"), ("client", "string"), ("status", "integer"), ("bytes", "long"), ("day", "date")]
PROTOCOL = {"minReaderVersion": 1, "minWriterVersion": 2}
SCHEMA = json.dumps({"type": "struct", "fields": [{"name": n, "type": t, "nullable": True, "metadata": {}} for n, t in FIELDS]})
METADATA = {"id": "5d6f6be3-0000-4000-8000-000000000001", "format": {"provider": "parquet", "options": {}},
            "schemaString": SCHEMA, "partitionColumns": ["day"], "configuration": {}, "createdTime": 1700000000000}


def adds(files, first, last):
    """SQL: the add actions of commits first … last."""
    stats = ("'{\"numRecords\":4000,\"minValues\":{\"id\":' || k * 4000 || ',\"ts\":\"' || lo || '\",\"client\":\"10.' || k % 250 || "
             "'.0.1\",\"status\":200,\"bytes\":' || k % 90 || '},\"maxValues\":{\"id\":' || k * 4000 + 3999 || ',\"ts\":\"' || hi || "
             "'\",\"client\":\"99.' || k % 250 || '.9.9\",\"status\":504,\"bytes\":' || 90000 + k % 90 || '},\"nullCount\":{\"id\":0,"
             "\"ts\":0,\"client\":0,\"status\":' || k % 7 || ',\"bytes\":0}}'")
    return (f"SELECT {{'path': 'day=' || day || '/part-' || k || '-' || md5(k::VARCHAR) || '.c000.zstd.parquet', "
            "'partitionValues': MAP {'day': day}, 'size': 1048576 + k % 1000, 'modificationTime': 1700000000000 + k, "
            f"'dataChange': true, 'stats': {stats}}} AS add FROM (SELECT k, "
            f"strftime(DATE '2023-01-01' + (k * 365 // {files})::INT, '%Y-%m-%d') AS day, "
            "strftime(TIMESTAMP '2023-01-01' + to_seconds(k * 31), '%Y-%m-%dT%H:%M:%S.000Z') AS lo, "
            "strftime(TIMESTAMP '2023-01-01' + to_seconds(k * 31 + 30), '%Y-%m-%dT%H:%M:%S.999Z') AS hi "
            f"FROM range({first} * {files} // {COMMITS}, ({last} + 1) * {files} // {COMMITS}) t(k))")


def checkpoint(files, last):
    """SQL: the rows of a checkpoint after that commit."""
    meta = ("{'id': '%s', 'format': {'provider': 'parquet', 'options': MAP([]::VARCHAR[], []::VARCHAR[])}, 'schemaString': '%s', "
            "'partitionColumns': ['day'], 'createdTime': 1700000000000::BIGINT, 'configuration': MAP([]::VARCHAR[], []::VARCHAR[])}"
            % (METADATA["id"], SCHEMA))
    none = ("NULL::STRUCT(\"appId\" VARCHAR, version BIGINT, \"lastUpdated\" BIGINT) AS txn, "
            "NULL::STRUCT(path VARCHAR, \"deletionTimestamp\" BIGINT, \"dataChange\" BOOLEAN) AS remove")
    return (f"SELECT {{'minReaderVersion': 1::INT, 'minWriterVersion': 2::INT}} AS protocol, {none} UNION ALL BY NAME "
            f"SELECT {meta} AS \"metaData\" UNION ALL BY NAME {adds(files, 0, last)}")


def make(millrace, table, files):
    log = os.path.join(table, "_delta_log")
    os.makedirs(log)

    def copy(query, name, options):
        done = subprocess.run([millrace, "sql", "-c", f"COPY ({query}) TO '{name}' ({options})"], capture_output=True, text=True,
                              cwd="/", check=False)
        if done.returncode:
            sys.exit(done.stderr)

    for version in range(COMMITS):
        name = os.path.join(log, f"{version:020d}.json")
        copy(adds(files, version, version), name + ".adds", "FORMAT json")
        head = [{"commitInfo": {"timestamp": 1700000000000 + version, "operation": "WRITE", "isBlindAppend": True}}]
        head += [{"protocol": PROTOCOL}, {"metaData": METADATA}] if version == 0 else []
        with open(name, "w") as out, open(name + ".adds") as body:
            out.write("".join(json.dumps(line) + "\n" for line in head))
            while block := body.read(1 << 20):
                out.write(block)
        os.remove(name + ".adds")
    last = COMMITS - 1 - TAIL
    copy(checkpoint(files, last), os.path.join(log, f"{last:020d}.checkpoint.parquet"), "FORMAT parquet, COMPRESSION snappy")
    with open(os.path.join(log, "_last_checkpoint"), "w") as out:
        json.dump({"version": last, "size": files * (last + 1) // COMMITS + 2}, out)


def next_commit(table, version):
    """One more commit, as another engine would put it: one file."""
    add = {"path": f"day=2023-12-31/late-{version}.parquet", "partitionValues": {"day": "2023-12-31"}, "size": 1000,
           "modificationTime": 1700000000000, "dataChange": True, "stats": "{\"numRecords\":1}"}
    name = os.path.join(table, "_delta_log", f"{version:020d}.json")
    with open(name + ".new", "w") as out:
        out.write(json.dumps({"commitInfo": {"timestamp": 1700000000000 + version, "operation": "WRITE"}}) + "\n"
                  + json.dumps({"add": add}) + "\n")
    os.rename(name + ".new", name)


if __name__ == "__main__":
    make(os.path.abspath(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
