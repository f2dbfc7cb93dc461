"""Bad configuration, bad input, faults: a clear error, and nothing else disturbed."""
import os
import socket
import subprocess
import time

from harness import ENV, free_port

PROJECT = """
topics:
  events: {partitions: 4}
ingest:
  - {topic: events, table: bronze.events, commit: {every: 300ms}}
gateway:
  listen: [{tcp: 127.0.0.1:0}]
  rules:
    - {regex: '^\\{', field: msg, actions: [{forward: events}]}
"""


def test_unknown_key_names_the_nearest(t):
    t.project("topics:\n  events: {partitons: 4}\n")
    _, err = t.run("up", code=2)
    assert "partitons" in err and "partitions" in err and "millrace.yml:" in err, err


def test_port_taken(t):
    port = free_port()
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        s.listen()
        t.project(f"kafka: {{listen: 127.0.0.1:{port}}}\nhttp: {{listen: 127.0.0.1:0}}\n")
        _, err = t.run("up", code=1)
    assert str(port) in err and "another program" in err, err


def test_beyond_loopback_is_refused(t):
    t.project("kafka: {listen: 0.0.0.0:0}\nhttp: {listen: 127.0.0.1:0}\n")
    _, err = t.run("up", code=2)
    assert "0.0.0.0" in err, err


def test_data_folder_locked(t):
    t.project(PROJECT)
    server = t.up()
    _, err = t.run("up", code=1)
    assert f"process {server.process.pid}" in err, err


def test_garbage_on_every_port(t):
    t.project(PROJECT)
    server = t.up()
    junk = [os.urandom(5000), b"\x7f\xff\xff\xff" + b"x" * 100, b"\x00\x00\x00\x04\xff\xff\xff\xff",
            b"GET / HTTP/1.0\r\n\r\n", b"\x00" * 4096]
    for port in (server.ports["kafka_port"], server.ports["http_port"], server.syslog):
        for bytes in junk:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
                try:
                    s.sendall(bytes)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(65536):
                        pass
                except (ConnectionError, socket.timeout):
                    pass
    assert server.process.poll() is None
    t.kcat(server, "-P", "-t", "events", input='{"a":1}\n')
    t.until("SELECT count(*) FROM events WHERE value = '{\"a\":1}'", 1)


def test_gateway_takes_bad_lines_apart(t):
    t.project(PROJECT)
    server = t.up()
    good = b'<13>1 2026-01-01T00:00:00Z host app - - - {"n":%d}\n'
    lines = good % 1 + b"\xff\xfe not utf-8\n" + good % 2 + b"<13>no rule matches\n" + good % 3
    t.syslog(server, lines)
    t.until("SELECT count(*) FROM events", 3)
    t.until('SELECT count(*) FROM "gateway.dlq"', 2)
    # Ten megabytes without an end: counted as one dead line, memory stays bounded, the next line is fine.
    t.syslog(server, b"x" * 10_000_000 + b"\n" + good % 4)
    t.until("SELECT count(*) FROM events", 4, seconds=30)
    t.until('SELECT count(*) FROM "gateway.dlq"', 3)


def test_deep_json_is_a_dead_letter(t):
    t.project("topics:\n  deep: {schema: s.yml}\ningest: [{topic: deep, table: bronze.deep}]\n",
              {"s.yml": "type: object\nproperties: {a: {type: integer}}\n"})
    server = t.up()
    t.kcat(server, "-P", "-t", "deep", "-D", ";", input="[" * 900_000 + ';{"a":1}')
    assert t.value("SELECT count(*) FROM bronze.deep") == 1
    assert t.value('SELECT count(*) FROM "deep.dlq"') == 1


def test_truncated_segment_is_recovered_from_the_journal_or_cut(t):
    t.project("topics:\n  events: {partitions: 1}\n")
    server = t.up()
    t.kcat(server, "-P", "-t", "events", input="".join(f"m{i}\n" for i in range(100)))
    server.kill()
    segment = t.folder / ".millrace/log/events-0/00000000000000000000.log"
    with open(segment, "r+b") as f:
        f.seek(0)
        data = f.read().rstrip(b"\0")
        f.truncate(len(data) // 2)
    server = t.up()
    # The journal still has what the segment lost: nothing acknowledged is gone.
    assert t.value("SELECT count(*) FROM events") == 100
    assert server.stop() == 0


def test_flipped_bit_in_a_closed_log_is_named(t):
    t.project("topics:\n  events: {partitions: 1}\n")
    server = t.up()
    t.kcat(server, "-P", "-t", "events", input="".join(f"message number {i}\n" for i in range(1000)))
    assert server.stop() == 0
    segment = t.folder / ".millrace/log/events-0/00000000000000000000.log"
    with open(segment, "r+b") as f:
        f.seek(500)
        byte = f.read(1)
        f.seek(500)
        f.write(bytes([byte[0] ^ 4]))
    server = t.up()
    _, err = t.run("sql", "-c", "SELECT count(*) FROM events", code=1)
    assert "events-0 is damaged at offset" in err and "00000000000000000000.log" in err, err
    assert server.stop() == 0


def test_sigterm_ends_within_five_seconds(t):
    t.project(PROJECT)
    server = t.up()
    t.kcat(server, "-P", "-t", "events", input="x\n")
    start = time.monotonic()
    assert server.stop(5) == 0
    assert time.monotonic() - start < 5


def test_disk_full_is_named_and_passes(t):
    """A file size limit stands in for a full disk: writes past it fail, then the limit goes."""
    t.project("topics:\n  events: {partitions: 1}\n")
    server = t.up()
    subprocess.run(["prlimit", f"--pid={server.process.pid}", "--fsize=200000:unlimited"], check=True, env=ENV)
    lines = "".join("x" * 1000 + f"{i}\n" for i in range(1000))
    load = subprocess.Popen(["kcat", "-b", server.kafka, "-P", "-t", "events", "-X", "message.timeout.ms=60000"],
                            stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    load.stdin.write(lines.encode())
    load.stdin.close()
    time.sleep(2)
    assert server.process.poll() is None, server.log()
    subprocess.run(["prlimit", f"--pid={server.process.pid}", "--fsize=unlimited"], check=True, env=ENV)
    assert load.wait(60) == 0, load.stderr.read()
    assert t.value("SELECT count(DISTINCT value) FROM events") == 1000
    server.kill()
    server = t.up()
    assert t.value("SELECT count(DISTINCT value) FROM events") == 1000
