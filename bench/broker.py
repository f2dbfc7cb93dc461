#!/usr/bin/env python3
"""make bench-broker: millrace beside Apache Kafka, in turn on the same machine, by the same load generator.

  bench/broker.py [--build build/release] [--runs 3] [--only WORD] [--quick] [--alone]

Each case runs on a fresh topic of each broker, Kafka and millrace taking turns, and begins with a disk that has nothing
to do, so that no case waits for another's; figures are medians, CPU is user + system of the broker process alone. millrace is durable: an acknowledgement has been synced to disk;
Kafka is as it comes, which does not wait for the disk, and, in the cases called "fsync", told to.
Ends with the marks: the ratio of the two, and whether it is met. --alone leaves Kafka out.
"""
import argparse
import json
import os
import re
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/interop"))
from kafka_peer import Kafka, cpu_seconds  # noqa: E402


CONNECTIONS = 2000
PARTITIONS = 10_000


def memory_mb(pid):
    """Proportional share of the resident memory."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"Pss:\s+(\d+) kB", text).group(1)) / 1024


def settle(folder):
    """Nothing is left for the disk to do: written, and what deleted files had given back; for at most ten seconds."""
    os.sync()
    device = os.stat(folder).st_dev
    state = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
    before, end = None, time.monotonic() + 10
    while state.exists() and time.monotonic() < end:
        fields = state.read_text().split()  # the kernel's Documentation/block/stat.rst
        now = fields[4], fields[8], fields[11:12]  # writes done, what is under way, discards done
        if now == before and fields[8] == "0":
            break
        before = now
        time.sleep(0.2)


def request(api, version, body):
    frame = struct.pack(">hhih", api, version, 1, -1) + body
    return struct.pack(">i", len(frame)) + frame


def long_poll(topic):
    """Fetch version 4 from the start of partition 0: a minute's wait for one byte, in short strings and arrays."""
    partition = struct.pack(">iqi", 0, 0, 1 << 20)
    return request(1, 4, struct.pack(">iiiibi", -1, 60_000, 1, 1 << 20, 0, 1) + struct.pack(">h", len(topic))
                   + topic.encode() + struct.pack(">i", 1) + partition)


class Millrace:
    name = "millrace"

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, Path(folder)

    def __enter__(self):
        self.folder.mkdir(parents=True)
        (self.folder / "millrace.yml").write_text("kafka: {listen: 127.0.0.1:0, max_connections: 5000}\n"
                                                   "http: {listen: 127.0.0.1:0}\n")
        return self.start()

    def start(self):
        run = self.folder / ".millrace/run.json"
        started = time.monotonic()
        self.process = subprocess.Popen([self.binary, "up", self.folder], stdout=subprocess.DEVNULL,
                                        stderr=open(self.folder / "log", "wb"))
        while True:
            try:
                ports = json.loads(run.read_text())
                if ports["pid"] == self.process.pid:
                    break
            except (OSError, ValueError, KeyError):
                pass
            if self.process.poll() is not None or time.monotonic() - started > 30:
                sys.exit((self.folder / "log").read_text())
            time.sleep(0.0005)
        self.ready_seconds = time.monotonic() - started
        self.kafka = f"127.0.0.1:{ports['kafka_port']}"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, Path(folder)
        self.tools = Path(options.build).resolve() / "bench"
        self.binary = Path(options.build).resolve() / "millrace"
        self.figures = {}
        self.topics = 0

    def call(self, program, *args):
        done = subprocess.run([self.tools / program, *map(str, args)], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{program} {args}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def topic(self, broker, partitions):
        settle(self.folder)
        self.topics += 1
        name = f"bench{self.topics}"
        script = ("import sys\nfrom confluent_kafka.admin import AdminClient, NewTopic\n"
                  "a = AdminClient({'bootstrap.servers': sys.argv[1]})\n"
                  "[f.result() for f in a.create_topics([NewTopic(sys.argv[2], int(sys.argv[3]), 1)]).values()]\n")
        import peers
        subprocess.run([peers.python("confluent_kafka_client", "confluent-kafka==2.15.0"), "-c", script, broker.kafka,
                        name, str(partitions)], check=True)
        return name

    def note(self, what, side, run):
        self.figures.setdefault(what, {}).setdefault(side, []).append(run)

    def median(self, what, side, figure):
        runs = self.figures.get(what, {}).get(side)
        return statistics.median(r[figure] for r in runs) if runs else None

    # ---- cases: each takes a broker that runs, and notes figures ----

    def produce(self, broker, side, size, count, partitions=1):
        topic = self.topic(broker, partitions)
        self.call("kafka_load", "-b", broker.kafka, "-t", topic, "-p", partitions, "-n", count // 20, "-s", size)
        cpu = cpu_seconds(broker.process.pid)
        done = self.call("kafka_load", "-b", broker.kafka, "-t", topic, "-p", partitions, "-n", count, "-s", size)
        cpu = cpu_seconds(broker.process.pid) - cpu
        self.note(f"produce {size} B, {partitions} partition{'s' * (partitions > 1)}", side, {
            "cpu_s_per_million": cpu / count * 1e6, "messages_per_s": count / done["seconds"],
            "p50_ms": done["p50_ms"], "p99_ms": done["p99_ms"]})
        return topic

    def fetch(self, broker, side, topic, size, count, partitions=1):
        cpu = cpu_seconds(broker.process.pid)
        done = self.call("kafka_read", "-b", broker.kafka, "-t", topic, "-n", count, "-p", partitions)
        cpu = cpu_seconds(broker.process.pid) - cpu
        self.note(f"fetch {size} B", side, {"cpu_s_per_million": cpu / count * 1e6,
                                            "messages_per_s": count / done["seconds"]})

    def steady(self, broker, side, partitions):
        """The same total load, 20 MB/s, over many partitions: acknowledgement times."""
        topic = self.topic(broker, partitions)
        count = 20_000 if self.options.quick else 100_000
        done = self.call("kafka_load", "-b", broker.kafka, "-t", topic, "-p", partitions, "-n", count, "-s", 1000,
                         "-r", 20000)
        self.note(f"steady 20k/s, {partitions} partition{'s' * (partitions > 1)}", side,
                  {"p50_ms": done["p50_ms"], "p99_ms": done["p99_ms"]})

    def latency(self, broker, side):
        topic = self.topic(broker, 1)
        done = self.call("kafka_read", "-b", broker.kafka, "-t", topic, "-l", "-n", 500 if self.options.quick else 2000)
        self.note("end to end, one at a time", side, {k: done[k] for k in ("p50_ms", "p99_ms")})

    def connections(self, broker, side):
        """Memory and CPU of 2,000 connections that wait: silent ones, then each with a Fetch that waits."""
        topic = self.topic(broker, 1)
        host, port = broker.kafka.split(":")
        pid, seconds, memory = broker.process.pid, 5 if self.options.quick else 20, []
        before = memory_mb(pid)
        sockets = [socket.create_connection((host, int(port)), timeout=30) for _ in range(CONNECTIONS)]
        for what, ask, answered in (("silent", request(18, 0, b""), True), ("long poll", long_poll(topic), False)):
            for s in sockets:
                s.sendall(ask)
            for s in sockets if answered else ():
                (size,) = struct.unpack(">i", s.recv(4, socket.MSG_WAITALL))
                s.recv(size, socket.MSG_WAITALL)
            time.sleep(1)
            memory.append((memory_mb(pid) - before) / CONNECTIONS * 1024)
            cpu = cpu_seconds(pid)
            time.sleep(seconds)
            self.note(f"{CONNECTIONS:,} connections, {what}", side, {
                "kb_each": memory[-1], "cpu_percent": (cpu_seconds(pid) - cpu) / seconds * 100})
        for s in sockets:
            s.close()

    def many(self, broker, side):
        """10,000 partitions of one topic: what it takes to make them, to write to each, to keep them, to start again."""
        pid, memory, started = broker.process.pid, memory_mb(broker.process.pid), time.monotonic()
        topic = self.topic(broker, PARTITIONS)
        note = {"create_s": time.monotonic() - started,
                "idle_kb_each": (memory_mb(pid) - memory) / PARTITIONS * 1024}
        self.call("kafka_load", "-b", broker.kafka, "-t", topic, "-p", PARTITIONS, "-n", PARTITIONS * 2, "-s", 100)
        note["written_kb_each"] = (memory_mb(pid) - memory) / PARTITIONS * 1024
        note["descriptors"] = len(os.listdir(f"/proc/{pid}/fd"))
        time.sleep(3)
        cpu, seconds = cpu_seconds(pid), 5 if self.options.quick else 20
        time.sleep(seconds)
        note["cpu_percent"] = (cpu_seconds(pid) - cpu) / seconds * 100
        for how, end in (("restart_s", broker.process.terminate), ("restart_killed_s", None)):
            (end or broker.process.kill)()
            broker.process.wait(60)
            broker.start()
            note[how] = broker.ready_seconds
        self.note(f"{PARTITIONS:,} partitions", side, note)

    def idle(self, broker, side):
        time.sleep(3)
        cpu, seconds = cpu_seconds(broker.process.pid), 5 if self.options.quick else 20
        time.sleep(seconds)
        self.note("idle", side, {"memory_mb": memory_mb(broker.process.pid),
                                 "cpu_percent": (cpu_seconds(broker.process.pid) - cpu) / seconds * 100})

    def all(self, broker, side, fsync=False):
        scale = 10 if self.options.quick else 1
        wanted = lambda word: not self.options.only or self.options.only in word
        if wanted("idle") and not fsync:
            self.idle(broker, side)
        for size, count in ((1000, 400_000 // scale), (100, 2_000_000 // scale)):
            if wanted("produce") or wanted("fetch"):
                topic = self.produce(broker, side, size, count)
                if not fsync:
                    self.fetch(broker, side, topic, size, count)
        if wanted("partitions") and not fsync:
            self.produce(broker, side, 1000, 400_000 // scale, 256)
            for partitions in (1, 256):
                self.steady(broker, side, partitions)
        if wanted("many") and side == "millrace":
            self.many(broker, side)
        if wanted("connections") and not fsync:
            self.connections(broker, side)
        if wanted("latency"):
            self.latency(broker, side)

    def run(self):
        for i in range(self.options.runs):
            folder = self.folder / str(i)
            settle(self.folder)
            if not self.options.alone:
                with Kafka(folder / "kafka") as kafka:
                    self.note("ready", "kafka", {"ms": kafka.ready_seconds * 1000})
                    warm = self.topic(kafka, 1)
                    self.call("kafka_load", "-b", kafka.kafka, "-t", warm, "-n", 300_000, "-s", 100)
                    self.all(kafka, "kafka")
                with Kafka(folder / "fsync", more="log.flush.interval.messages=1\n") as kafka:
                    self.all(kafka, "kafka fsync", fsync=True)
            settle(self.folder)
            with Millrace(self.binary, folder / "millrace") as own:
                self.note("ready", "millrace", {"ms": own.ready_seconds * 1000})
                self.all(own, "millrace")
            shutil.rmtree(folder, ignore_errors=True)
            print(f"round {i + 1} of {self.options.runs} done", file=sys.stderr, flush=True)

    # ---- what is shown ----

    def table(self):
        print(f"{'':<34}{'':<20}" + "".join(f"{side:>14}" for side in ("millrace", "kafka", "kafka fsync")))
        for name, sides in self.figures.items():
            for i, figure in enumerate(next(iter(sides.values()))[0]):
                row = [self.median(name, side, figure) for side in ("millrace", "kafka", "kafka fsync")]
                text = "".join(f"{'-' if v is None else format(v, ',.0f') if v >= 100 else format(v, '.3g'):>14}"
                               for v in row)
                print(f"{'' if i else name:<34}{figure:<20}{text}")
            with open(ROOT / "build/bench-broker.jsonl", "a", encoding="utf-8") as out:
                out.write(json.dumps({"at": time.time(), "what": name, "sides": sides}) + "\n")

    def mark(self, text, value, limit, most=True):
        """most: value must be at most the limit, else at least."""
        if value is None or limit is None:
            return
        met = value <= limit if most else value >= limit
        print(f"{'met   ' if met else 'MISSED'}  {text:<72} {value:.3g} (limit {limit:.3g})")

    def marks(self):
        def ratio(what, figure, upside_down=False):
            own, theirs = self.median(what, "millrace", figure), self.median(what, "kafka", figure)
            if not own or not theirs:
                return None
            return theirs / own if upside_down else own / theirs
        print("\nmarks, as ratios in this run")
        for size in (1000, 100):
            self.mark(f"CPU per message, produce {size} B durable, to Kafka's not durable",
                      ratio(f"produce {size} B, 1 partition", "cpu_s_per_million"), 0.25)
        self.mark("CPU per message, fetch 100 B", ratio("fetch 100 B", "cpu_s_per_million"), 0.25)
        self.mark("CPU per message, fetch 1000 B", ratio("fetch 1000 B", "cpu_s_per_million"), 1 / 3)
        self.mark("throughput, produce 1000 B durable, to Kafka's not durable",
                  ratio("produce 1000 B, 1 partition", "messages_per_s"), 1, most=False)
        self.mark("end to end p50, ms, durable", self.median("end to end, one at a time", "millrace", "p50_ms"), 1)
        self.mark("end to end p99, ms, durable, at most Kafka's not durable",
                  self.median("end to end, one at a time", "millrace", "p99_ms"),
                  self.median("end to end, one at a time", "kafka", "p99_ms"))
        self.mark("ready: times faster", ratio("ready", "ms", True), 100, most=False)
        self.mark("idle memory: times smaller", ratio("idle", "memory_mb", True), 20, most=False)
        self.mark("idle CPU, % of a core", self.median("idle", "millrace", "cpu_percent"), 0.2)
        one = self.median("produce 1000 B, 1 partition", "millrace", "messages_per_s")
        many = self.median("produce 1000 B, 256 partitions", "millrace", "messages_per_s")
        if one and many:
            self.mark("throughput of 1 partition, times that of 256", one / many, 1.3)
        one, many = (self.median(f"steady 20k/s, {p}", "millrace", "p99_ms") for p in ("1 partition", "256 partitions"))
        if one and many:
            self.mark("p99 of 256 partitions, times that of 1, at the same load", many / one, 2)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--build", default=str(ROOT / "build/release"))
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--only")
    p.add_argument("--quick", action="store_true")
    p.add_argument("--alone", action="store_true")
    options = p.parse_args()
    os.makedirs(ROOT / "build", exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-broker-", dir=ROOT / "build") as folder:
        bench = Bench(options, folder)
        bench.run()
    bench.table()
    bench.marks()


if __name__ == "__main__":
    main()
