#!/usr/bin/env python3
"""make bench: the platform's figures, as a table and as JSON lines (build/bench.jsonl).

  bench/run.py [--build build/release] [--only WORD] [--runs 5] [--quick]

Every figure is the median of --runs runs; CPU is user + system of the server process alone (from
/proc), the load generators' not counted. Compare ratios within one run: machines are noisy.
"""
import argparse
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICK = os.sysconf("SC_CLK_TCK")


class Server:
    """`millrace up` on a fresh folder."""

    def __init__(self, binary, yaml, files=()):
        self.folder = Path(tempfile.mkdtemp(prefix="millrace-bench-", dir=ROOT / "build"))
        (self.folder / "millrace.yml").write_text("kafka: {listen: 127.0.0.1:0}\nhttp: {listen: 127.0.0.1:0}\n" + yaml)
        for name, text in dict(files).items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)
        self.start(binary)

    def start(self, binary):
        begin = time.monotonic()
        self.process = subprocess.Popen([binary, "up"], cwd=self.folder, stdout=subprocess.DEVNULL,
                                        stderr=open(self.folder / "log", "w"))
        run = self.folder / ".millrace/run.json"
        while True:
            try:
                self.ports = json.loads(run.read_text())
                if self.ports["pid"] == self.process.pid:
                    break
            except (OSError, ValueError, KeyError):
                pass
            if self.process.poll() is not None or time.monotonic() - begin > 30:
                sys.exit((self.folder / "log").read_text())
            time.sleep(0.001)
        self.ready_ms = (time.monotonic() - begin) * 1000

    def cpu_s(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory_mb(self, field):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+) kB", text).group(1)) / 1024

    def sql(self, query):
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports['http_port']}/api/v1/sql?format=json",
                                         data=query.encode(), method="POST")
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.loads(reply.read())

    def value(self, query):
        return next(iter(self.sql(query)[0].values()))

    def wait(self, query, want, seconds=120):
        end = time.monotonic() + seconds
        while self.value(query) < want:
            if time.monotonic() > end:
                sys.exit(f"{query} did not reach {want}")
            time.sleep(0.02)

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


class Bench:
    def __init__(self, options):
        self.options = options
        self.binary = ROOT / options.build / "millrace"
        self.tools = ROOT / options.build / "bench"
        self.rows = []
        commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=ROOT)
        cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        self.context = {"commit": commit.stdout.strip(), "cores": os.cpu_count(), "kernel": platform.release(),
                        "machine": cpu.group(1) if cpu else platform.machine()}

    def report(self, what, runs, mark="", anchor=""):
        """runs: a list of {figure: value}; the median of each is shown."""
        medians = {k: statistics.median(r[k] for r in runs) for k in runs[0]}
        text = ", ".join(f"{k} {v:,.0f}" if v >= 100 else f"{k} {v:.3g}" for k, v in medians.items())
        print(f"{what:<44} {text}", flush=True)
        if mark or anchor:
            print(f"{'':<44}   mark: {mark or '-'}   anchor: {anchor or '-'}", flush=True)
        self.rows.append(dict(self.context, what=what, runs=len(runs), median=medians, all=runs, mark=mark,
                              anchor=anchor))

    def load(self, server, *args):
        done = subprocess.run([self.tools / "kafka_load", "-b", f"127.0.0.1:{server.ports['kafka_port']}",
                               *map(str, args)], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"kafka_load {args}: {done.stdout} {done.stderr}")
        return json.loads(done.stdout)

    # ---- the benches ----

    def ingest(self):
        """2,000,000 events of about 230 bytes from a topic to a Delta table, one core."""
        count = 200_000 if self.options.quick else 2_000_000
        runs = []
        for _ in range(self.options.runs):
            done = subprocess.run(["taskset", "-c", "0", self.tools / "ingest_bench", str(count)],
                                  capture_output=True, text=True, cwd=ROOT / "build")
            if done.returncode:
                sys.exit(done.stderr)
            runs.append({k: v for k, v in json.loads(done.stdout.strip().split("\n")[-1]).items()
                         if isinstance(v, (int, float))})
        self.report("topic -> Delta, 2M events, one core", runs, "<= 2.5 CPU-s per million, < 300 MB",
                    "Spark SS 50 CPU-s 1250 MB, kafka-delta-ingest 55 CPU-s 340 MB")

    def produce(self):
        """acks=all over Kafka's protocol, 1000-byte messages."""
        count = 20_000 if self.options.quick else 200_000
        for durability in ("durable", "relaxed"):
            for partitions in (1, 16, 256):
                runs = []
                for _ in range(self.options.runs):
                    server = Server(self.binary, f"topics:\n  t: {{partitions: {partitions}, durability: {durability}}}\n")
                    self.load(server, "-t", "t", "-p", partitions, "-n", 2000, "-s", 1000)
                    cpu = server.cpu_s()
                    got = self.load(server, "-t", "t", "-p", partitions, "-n", count, "-s", 1000)
                    paced = self.load(server, "-t", "t", "-p", partitions, "-n", 2000, "-s", 1000, "-r", 1000)
                    runs.append({"MB/s": got["mb_s"], "msg/s": got["per_s"],
                                 "CPU-s/M": (server.cpu_s() - cpu) / count * 1e6,
                                 "ack p50 ms at 1000/s": paced["p50_ms"], "ack p99 ms": paced["p99_ms"]})
                    server.close()
                self.report(f"produce 1000 B, {durability}, {partitions} partitions", runs,
                            anchor="Kafka, no fsync, 1 partition: 213k msg/s, 4.0 CPU-s/M" if partitions == 1 else "")

    def gateway(self):
        """Syslog over TCP, JSON messages routed by a JMESPath rule."""
        lines = 100_000 if self.options.quick else 1_000_000
        yaml = ("topics:\n  views: {partitions: 4}\n  clicks: {}\n  searches: {}\n  errors: {}\n"
                "gateway:\n  listen: [{tcp: 127.0.0.1:0}]\n  rules:\n"
                "    - {jmespath: topic, field: msg, actions: [{merge: {meta: {gateway: '{{iso8601}}'}}}, "
                "{forward: '{{value}}'}]}\n")
        sample = self.syslog_sample()
        for connections in (1, 8):
            runs = []
            for _ in range(self.options.runs):
                server = Server(self.binary, yaml)
                cpu, begin = server.cpu_s(), time.monotonic()
                done = subprocess.run([self.tools / "feeder", "--to", f"127.0.0.1:{server.ports['gateway_ports'][0]}",
                                       "--connections", str(connections), "--lines", str(lines), str(sample)],
                                      capture_output=True, text=True)
                if done.returncode:
                    sys.exit(done.stderr)
                server.wait("SELECT sum(messages) FROM system.topics", lines)
                seconds = time.monotonic() - begin
                runs.append({"lines/s": lines / seconds, "CPU-s/M": (server.cpu_s() - cpu) / lines * 1e6,
                             "peak MB": server.memory_mb("VmHWM")})
                server.close()
            self.report(f"syslog -> topics, {connections} connections", runs, "<= 5 CPU-s per million lines",
                        "rsyslog 21-23, hotdog 56-68 CPU-s/M")

    def syslog_sample(self):
        """1,000 JSON events as a web service logs them, about 215 bytes each."""
        import random
        r = random.Random(7)
        path = ROOT / "build/syslog-sample.jsonl"
        mix = ["views"] * 5 + ["clicks"] * 2 + ["searches"] * 2 + ["errors"]
        with open(path, "w") as out:
            for i in range(1000):
                out.write(json.dumps({
                    "topic": mix[i % 10], "uuid": "%032x" % r.getrandbits(128), "meta": {"schema": "v1.yml"},
                    "url": f"/document/{r.randrange(10**6)}/page-{r.randrange(90)}", "user": r.randrange(10**7),
                    "ms": round(r.random() * 400, 2), "status": 200 if r.random() < 0.97 else 500,
                    "agent": "Mozilla/5.0 (X11; Linux x86_64)"}, separators=(",", ":")) + "\n")
        return path

    def freshness(self):
        """Event acknowledged nowhere yet -> seen by SQL over HTTP."""
        schema = ("type: object\nproperties: {id: {type: integer}, sent: {type: number}, pad: {type: string}}\n"
                  "required: [id]\n")
        yaml = ("topics:\n  t: {partitions: 4, schema: s.yml}\n"
                "ingest:\n  - {topic: t, table: bronze.t, commit: {every: 1s}}\n")
        for rate in (1000, 20000):
            runs = []
            for _ in range(self.options.runs):
                server = Server(self.binary, yaml, {"s.yml": schema})
                runs.append(self.freshness_run(server, rate))
                server.close()
            self.report(f"event -> queryable at {rate:,}/s", runs, "p99 < 100 ms, durable",
                        "kafka-delta-ingest p50 530 p99 1270 ms; Spark SS 1800/3900 ms (1,000/s)")

    def freshness_run(self, server, rate):
        """Sends at an even rate; event i is due at start + i/rate. Each poll's count says which
        events are visible: each newly visible one waited from its due time to the poll's end."""
        seconds = 3 if self.options.quick else 8
        begin = time.monotonic()
        thread = threading.Thread(target=self.load, args=(server, "-t", "t", "-p", 4, "-n", rate * seconds, "-r", rate,
                                                          "-s", 200))
        thread.start()
        waits, seen, start, polls = [], 0, None, 0
        while seen < rate * seconds and time.monotonic() - begin < seconds + 20:
            count = server.value("SELECT count(*) FROM bronze.t")
            now = time.monotonic()
            polls += 1
            if count > seen:
                if start is None:
                    start = now - count / rate  # the client's own start-up is not the platform's
                start = min(start, now - count / rate)
                waits += [(now - (start + i / rate)) * 1000 for i in range(seen, count)]
                seen = count
        thread.join()
        waits.sort()
        return {"p50 ms": waits[len(waits) // 2], "p99 ms": waits[int(len(waits) * 0.99)], "polls": polls}

    def start(self):
        runs = []
        example = ROOT / "examples/weblog"
        files = {str(p.relative_to(example)): p.read_text() for p in example.rglob("*")
                 if p.is_file() and p.name != "millrace.yml" and ".millrace" not in p.parts}
        yaml = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:0", (example / "millrace.yml").read_text())
        yaml = re.sub(r"^(kafka|http):.*\n(?:[ \t]+.*\n)*", "", yaml, flags=re.M)
        for _ in range(self.options.runs):
            server = Server(self.binary, yaml, files)
            time.sleep(1)
            cpu, begin = server.cpu_s(), time.monotonic()
            time.sleep(2 if self.options.quick else 10)
            idle = (server.cpu_s() - cpu) / (time.monotonic() - begin) * 100
            runs.append({"ready ms": server.ready_ms, "idle RSS MB": server.memory_mb("VmRSS"), "idle CPU %": idle})
            server.close()
        self.report("up examples/weblog", runs, "< 300 ms, < 150 MB, < 1 %",
                    "Kafka alone: 4600 ms, 383 MB, 8 %")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build/release")
    p.add_argument("--only", default="")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--quick", action="store_true")
    bench = Bench(p.parse_args())
    print(f"{bench.context['machine']}, {bench.context['cores']} cores, commit {bench.context['commit']}; "
          f"medians of {bench.options.runs} runs")
    for name in ("start", "ingest", "produce", "gateway", "freshness"):
        if bench.options.only in name:
            getattr(bench, name)()
    with open(ROOT / "build/bench.jsonl", "a") as out:
        for row in bench.rows:
            out.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
