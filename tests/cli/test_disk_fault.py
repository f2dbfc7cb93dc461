"""A disk that fills up or fails under a running server: nothing is acknowledged that is not safe, reads and
what lies elsewhere go on, the fault is named, and when the disk is well again so is the server, by itself."""
import json
import subprocess
import time

from harness import ENV

PROJECT = """
topics:
  events: {partitions: 1}
  other: {partitions: 1}
"""
INGEST = """
topics:
  events: {partitions: 1, schema: s.yml}
ingest:
  - {topic: events, table: bronze.events, commit: {every: 100ms}}
"""
ENOSPC, EIO = 28, 5
IMPATIENT = ["-X", "retries=0", "-X", "message.timeout.ms=4000"]


class Disk:
    """The server's disk, to be broken and mended."""

    def __init__(self, t):
        self.control = t.folder / "disk-fault"
        library = t.tools.parent / "tests" / "fault" / "libdisk_fault.so"
        self.server = t.up(binary=t.release, env={"LD_PRELOAD": str(library), "MR_DISK_FAULT": str(self.control)})

    def fail(self, code, call, word):
        self.control.write_text(f"{code} {call} {word}\n")

    def mend(self):
        self.control.unlink()


def consume(t, server, topic):
    read = t.kcat(server, "-C", "-t", topic, "-e", "-o", "beginning", "-X", "isolation.level=read_committed", "-f", "%s\n")
    return read.splitlines()


def produce_fails(t, server, topic, text):
    done = subprocess.run(["kcat", "-b", server.kafka, "-P", "-t", topic, *IMPATIENT], input=text.encode(),
                          capture_output=True, timeout=30)
    assert done.returncode != 0, done
    return done.stderr.decode()


def fault_of(t, topic):
    return t.value(f"SELECT max(fault) FROM system.partitions WHERE topic = '{topic}'", binary=t.release)


def produce_when_well(t, server, topic, text, seconds=20):
    """No restart: the first append that comes after the fault asks for the partition again."""
    end = time.monotonic() + seconds
    while True:
        done = subprocess.run(["kcat", "-b", server.kafka, "-P", "-t", topic, "-X", "message.timeout.ms=5000"],
                              input=text.encode(), capture_output=True, timeout=30)
        if done.returncode == 0:
            return
        assert time.monotonic() < end, done.stderr


def produce_until_fenced(t, server, topic, named, seconds=20):
    """The journal takes batches before their segment is written, a second later: what it took was acknowledged
    rightly. The values that it acknowledged."""
    acknowledged, end = [], time.monotonic() + seconds
    while named not in (fault_of(t, topic) or ""):
        assert time.monotonic() < end, "the fault was never noticed"
        value = f"journalled-{len(acknowledged)}"
        done = subprocess.run(["kcat", "-b", server.kafka, "-P", "-t", topic, *IMPATIENT], input=value.encode(),
                              capture_output=True, timeout=30)
        if done.returncode == 0:
            acknowledged.append(value)
        time.sleep(0.2)
    return acknowledged


def fence_and_recover(t, code, call, word, named, late=False):
    """What was acknowledged before stays readable, what is sent meanwhile is refused, what comes after is there."""
    t.project(PROJECT)
    disk = Disk(t)
    server = disk.server
    before = [f"before-{i}" for i in range(100)]
    t.kcat(server, "-P", "-t", "events", input="\n".join(before) + "\n")
    disk.fail(code, call, word)
    if late:
        before += produce_until_fenced(t, server, "events", named)
    error = produce_fails(t, server, "events", "refused\n")
    assert "Disk error" in error, error  # librdkafka's words for KAFKA_STORAGE_ERROR
    assert consume(t, server, "events") == before
    fault = fault_of(t, "events")
    assert fault and named in fault, fault
    described, _ = t.run("topic", "describe", "events")
    assert named in described, described
    if "/log/" in word:
        t.kcat(server, "-P", "-t", "other", input="elsewhere\n")
        assert consume(t, server, "other") == ["elsewhere"]
    disk.mend()
    produce_when_well(t, server, "events", "after\n")
    assert fault_of(t, "events") in (None, ""), fault_of(t, "events")
    told = server.log()
    assert "events-0 takes no appends until its disk is well" in told and named in told, told
    assert "events-0 takes appends again" in told, told
    assert consume(t, server, "events") == before + ["after"]
    server.kill()
    server = t.up(binary=t.release)
    assert consume(t, server, "events") == before + ["after"]


def test_full_disk_under_a_segment(t):
    fence_and_recover(t, ENOSPC, "write", "/log/events-0/", "No space left")


def test_full_disk_under_the_journal(t):
    fence_and_recover(t, ENOSPC, "write", "/.millrace/", "No space left")


def test_failing_writes_to_a_segment(t):
    fence_and_recover(t, EIO, "write", "/log/events-0/", "Input/output error", late=True)


def test_failing_sync_of_the_journal(t):
    fence_and_recover(t, EIO, "sync", "/.millrace/", "Input/output error")


def test_failing_reads(t):
    """What cannot be read is an error with a name for whoever asks, and for nobody else."""
    t.project(PROJECT)
    disk = Disk(t)
    t.kcat(disk.server, "-P", "-t", "events", input="".join(f"m{i}\n" for i in range(100)))
    t.kcat(disk.server, "-P", "-t", "other", input="elsewhere\n")
    assert disk.server.stop() == 0
    disk = Disk(t)  # what was in memory is forgotten
    server = disk.server
    disk.fail(EIO, "read", "/log/events-0/")
    _, error = t.run("sql", "-c", "SELECT count(*) FROM events", code=1)
    assert "00000000000000000000.log" in error and "Input/output error" in error, error
    with subprocess.Popen(["kcat", "-b", server.kafka, "-C", "-t", "events", "-o", "beginning", "-c", "1", "-u"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as consumer:
        time.sleep(1)
        consumer.kill()  # it asks again and again
        assert consumer.stdout.read() == b""
    assert consume(t, server, "other") == ["elsewhere"]
    t.kcat(server, "-P", "-t", "events", input="m100\n")  # writes do not need what is there
    disk.mend()
    assert consume(t, server, "events") == [f"m{i}" for i in range(101)]


def test_full_disk_under_group_offsets(t):
    t.project(PROJECT)
    disk = Disk(t)
    server = disk.server
    t.kcat(server, "-P", "-t", "events", input="".join(f"m{i}\n" for i in range(10)))
    t.run("group", "seek", "readers", "--topic", "events", "--to", "3", binary=t.release)
    disk.fail(ENOSPC, "write", "/log/__consumer_offsets-")
    _, error = t.run("group", "seek", "readers", "--topic", "events", "--to", "7", code=None, binary=t.release)
    assert error.strip(), "a commit that cannot last was acknowledged"
    t.kcat(server, "-P", "-t", "events", input="m10\n")  # what lies elsewhere goes on
    disk.mend()
    end = time.monotonic() + 20
    while True:
        done = subprocess.run([t.release, "group", "seek", "readers", "--topic", "events", "--to", "8"], env=ENV,
                              cwd=t.folder, capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            break
        assert time.monotonic() < end, done.stderr
    server.kill()
    t.up(binary=t.release)
    offset = t.value("SELECT max(committed_offset) FROM system.group_lag WHERE group_id = 'readers'", binary=t.release)
    assert offset == 8, offset


def test_full_disk_under_transactions(t):
    """Whatever the producer was told is committed is there as a whole; the rest as a whole or not at all."""
    t.project("topics:\n  money: {partitions: 3}\n")
    disk = Disk(t)
    server = disk.server
    outcomes = t.folder / "outcomes"
    load = subprocess.Popen([t.tools / "txn_load", "-b", server.kafka, "-t", "money", "-p", "3", "-i", "bank", "-o",
                             outcomes], stderr=subprocess.DEVNULL)
    try:
        for word in ("/log/money-1/", "/log/__transaction_state-", "/.millrace/"):
            time.sleep(1)
            disk.fail(ENOSPC, "write", word)
            time.sleep(1)
            disk.mend()
        had = len(outcomes.read_text().splitlines())
        end = time.monotonic() + 60
        while len(outcomes.read_text().splitlines()) < had + 10:
            assert load.poll() is None and time.monotonic() < end, "no transaction ended after the disk was mended"
            time.sleep(0.2)
    finally:
        load.kill()
        load.wait()
    committed = {int(line[2:]) for line in outcomes.read_text().splitlines() if line.startswith("c ")}
    assert committed
    end = time.monotonic() + 30  # the transaction that was open is aborted when its time is over
    while True:
        parts = {}
        for line in consume(t, server, "money"):
            value = json.loads(line)
            parts.setdefault(value["txn"], []).append(value["part"])
        missing = [txn for txn in committed if txn not in parts]
        if not missing or time.monotonic() > end:
            break
        time.sleep(1)
    assert not missing, f"{len(missing)} committed transactions are lost, {missing[:10]} among them"
    for txn, seen in parts.items():
        assert sorted(seen) == [0, 1, 2], f"transaction {txn} is there in part or twice: {seen}"


def test_full_disk_under_a_table(t):
    t.project(INGEST, {"s.yml": "type: object\nproperties: {id: {type: integer}}\nrequired: [id]\n"})
    disk = Disk(t)
    server = disk.server
    t.kcat(server, "-P", "-t", "events", input="".join('{"id":%d}\n' % i for i in range(50)))
    t.until("SELECT sum(rows) FROM system.ingests", 50, binary=t.release)
    disk.fail(ENOSPC, "write", "/tables/bronze/")
    t.kcat(server, "-P", "-t", "events", input="".join('{"id":%d}\n' % i for i in range(50, 100)))
    end = time.monotonic() + 20
    while not t.value("SELECT max(error) FROM system.ingests", binary=t.release):
        assert time.monotonic() < end, "no error is shown"
        time.sleep(0.1)
    assert t.value("SELECT count(*) FROM bronze.events", binary=t.release) == 100  # the tail is in the log
    disk.mend()
    t.until("SELECT sum(rows) FROM system.ingests", 100, seconds=60, binary=t.release)
    (row,) = t.sql("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM bronze.events", binary=t.release)
    assert row == {"n": 100, "ids": 100}, row
