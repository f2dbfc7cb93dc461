"""What strangers do to the three ports: lengths that lie, APIs that are not there, bombs, clients that dawdle.
The one connection pays for it; the server's memory and everybody else do not notice."""
import re
import socket
import struct
import time
import zlib
from pathlib import Path

PROJECT = """
topics:
  events: {partitions: 1}
  typed: {partitions: 1, schema: s.yml, on_invalid: dlq}
gateway:
  listen: [{tcp: 127.0.0.1:0}]
  rules:
    - {regex: '^\\{', field: msg, actions: [{forward: events}]}
"""
SCHEMA = {"s.yml": "type: object\nproperties: {a: {type: integer}}\n"}
MB = 1 << 20


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def answer(port, data):
    """All that comes back before the server closes; it must close within ten seconds."""
    got = b""
    with connect(port) as s:
        try:
            s.sendall(data)
            while piece := s.recv(65536):
                got += piece
        except ConnectionError:
            pass
    return got


def exchange(s, key, version, body, flexible=False):
    """One request with its reply, without the size and the correlation id."""
    header = struct.pack(">hhih", key, version, 7, -1) + (b"\0" if flexible else b"")
    s.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
    size = struct.unpack(">i", read(s, 4))[0]
    reply = read(s, size)
    assert reply[:4] == struct.pack(">i", 7)
    return reply[4:]


def read(s, n):
    got = b""
    while len(got) < n:
        piece = s.recv(n - len(got))
        assert piece, f"closed after {len(got)} of {n} bytes"
        got += piece
    return got


def resident_mb(server):
    """The most memory that the server has held so far."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) // 1024


def all_serve(t, server, n):
    """Each port does its work for a client that behaves."""
    t.kcat(server, "-P", "-t", "events", input='{"n":%d}\n' % n)
    t.syslog(server, b'<13>1 2026-01-01T00:00:00Z host app - - - {"n":%d}\n' % n)
    t.until(f"SELECT count(*) FROM events WHERE value = '{{\"n\":{n}}}'", 2)


def test_lengths_that_lie(t):
    t.project(PROJECT, SCHEMA)
    server = t.up(binary=t.release)
    all_serve(t, server, 0)
    before = resident_mb(server)
    kafka = server.ports["kafka_port"]
    for size in (0x7FFFFFFF, 101 * MB, -1, -2147483648, 0, 7):
        assert answer(kafka, struct.pack(">i", size) + b"x" * 5000) == b"", size
    # A length that is allowed costs what comes, not what was announced.
    held = [connect(kafka) for _ in range(20)]
    for s in held:
        s.sendall(struct.pack(">i", 99 * MB) + b"\0\0\0\x07")
    # Inside a frame: an array of two thousand million topics, a string of 32767 bytes that are not there.
    metadata = struct.pack(">hhih", 3, 1, 1, -1)
    for body in (b"\x7f\xff\xff\xff", b"\0\0\0\1\x7f\xff", b"\0\0\0\1\xff\xf0"):
        assert answer(kafka, struct.pack(">i", len(metadata + body)) + metadata + body) == b"", body
    http = answer(server.ports["http_port"],
                  b"POST /api/v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2147483648\r\n\r\nSELECT")
    assert b" 413 " in http.split(b"\r\n")[0], http
    with connect(server.syslog) as s:
        s.sendall(b"2147483647 <13>1 - - - - - - text" + b"y" * 100000)
        all_serve(t, server, 1)
    for s in held:
        s.close()
    assert resident_mb(server) - before < 100, (before, resident_mb(server))
    all_serve(t, server, 2)


def test_unknown_apis_and_versions(t):
    t.project(PROJECT, SCHEMA)
    server = t.up()
    kafka = server.ports["kafka_port"]
    for key, version in ((-1, 0), (4, 0), (500, 0), (0, 99), (1, -1), (3, 127), (18, -1)):
        frame = struct.pack(">hhih", key, version, 7, -1)
        got = answer(kafka, struct.pack(">i", len(frame)) + frame) if key != 18 else b""
        assert got == b"", (key, version, got)  # as Kafka: it closes
    # But a newer ApiVersions is told, by version 0 and UNSUPPORTED_VERSION, what there is (KIP-511).
    with connect(kafka) as s:
        reply = exchange(s, 18, 99, b"")
        code, count = struct.unpack(">hi", reply[:6])
        keys = [struct.unpack(">hhh", reply[6 + 6 * i:12 + 6 * i]) for i in range(count)]
        assert code == 35 and len(reply) == 6 + 6 * count, reply[:20]
        assert any(key == 18 and least == 0 for key, least, most in keys), keys
        assert exchange(s, 18, 0, b"")[:2] == b"\0\0"  # the connection goes on
    all_serve(t, server, 1)


def crc32c(data):
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
        table.append(i)
    crc = 0xFFFFFFFF
    for b in data:
        crc = crc >> 8 ^ table[(crc ^ b) & 255]
    return crc ^ 0xFFFFFFFF


def gzip_batch(plain_bytes):
    """One record batch, gzip, whose records inflate to so many zero bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(bytes(MB)) for _ in range(plain_bytes // MB)) + packer.flush()
    rest = struct.pack(">hiqqqhii", 1, 0, 1000, 1000, -1, -1, -1, 1) + packed
    return struct.pack(">qiibI", 0, 9 + len(rest), 0, 2, crc32c(rest)) + rest


def produce(s, topic, batch):
    """Produce version 3; its error code."""
    body = struct.pack(">hhi", -1, -1, 10000) + struct.pack(">ih", 1, len(topic)) + topic.encode()
    body += struct.pack(">iii", 1, 0, len(batch)) + batch
    reply = exchange(s, 0, 3, body)
    return struct.unpack(">h", reply[4 + 2 + len(topic) + 4 + 4:][:2])[0]


def test_decompression_bombs(t):
    t.project(PROJECT, SCHEMA)
    server = t.up(binary=t.release)
    all_serve(t, server, 0)
    before = resident_mb(server)
    bomb = gzip_batch(700 * MB)
    assert len(bomb) < MB
    with connect(server.ports["kafka_port"]) as s:
        for _ in range(3):
            code = produce(s, "typed", bomb)  # its contract has the broker look inside
            assert code in (2, 10, 87), code  # CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, INVALID_RECORD
    assert t.value("SELECT count(*) FROM typed", binary=t.release) == 0
    assert resident_mb(server) - before < 400, (before, resident_mb(server))
    all_serve(t, server, 1)


def test_clients_that_dawdle(t):
    """A byte now and then, a request that never ends, a connection that says nothing: a hundred on each port."""
    t.project(PROJECT, SCHEMA)
    server = t.up()
    ports = {server.ports["kafka_port"]: b"\0\0\0\x20\0\x03\0\x01\0\0\0\x01\xff\xff",
             server.ports["http_port"]: b"POST /api/v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nSELECT",
             server.syslog: b"<13>1 2026-01-01T00:00:00Z host app"}
    dawdlers = []
    for port, text in ports.items():
        for i in range(100):
            s = connect(port)
            if i % 2:
                dawdlers.append((s, text))
            else:
                dawdlers.append((s, b""))
    for step in range(10):
        for s, text in dawdlers:
            if step < len(text):
                try:
                    s.sendall(text[step:step + 1])
                except ConnectionError:
                    pass
        time.sleep(0.05)
    start = time.monotonic()
    all_serve(t, server, 1)
    assert time.monotonic() - start < 10
    for s, _ in dawdlers:
        s.close()
    all_serve(t, server, 2)


def test_reset_in_the_middle(t):
    """Connections that end with a reset, in a frame, before a reply, in a long poll: nothing is left of them."""
    t.project(PROJECT, SCHEMA)
    server = t.up()
    kafka = server.ports["kafka_port"]
    all_serve(t, server, 0)
    fds = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
    fetch = struct.pack(">iiiib", -1, 30000, 1, MB, 0) + struct.pack(">ih6siiqi", 1, 6, b"events", 1, 0, 2, MB)
    header = struct.pack(">hhih", 1, 4, 7, -1)
    frame = struct.pack(">i", len(header + fetch)) + header + fetch
    for i in range(60):
        s = connect((kafka, server.ports["http_port"], server.syslog)[i % 3] if i % 2 else kafka)
        s.sendall(frame if i % 2 == 0 else frame[:20])
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    all_serve(t, server, 1)
    until = time.monotonic() + 10
    while len(list(Path(f"/proc/{server.process.pid}/fd").iterdir())) > fds + 8:
        assert time.monotonic() < until, "descriptors leak"
        time.sleep(0.1)
