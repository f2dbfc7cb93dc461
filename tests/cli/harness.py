"""What an end-to-end test works with: a project folder of its own, the binary, a running server.

Servers listen on free loopback ports; everything is stopped, by pid, and removed in close().
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# Leaks are the unit tests' to find; DuckDB keeps caches until the process ends.
ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", NO_COLOR="1", TZ="UTC")


class Server:
    def __init__(self, process, folder, log_path):
        self.process, self.folder, self.log_path = process, folder, log_path
        self.ports = {}

    def wait_ready(self, seconds=30):
        run = Path(self.folder) / ".millrace" / "run.json"
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}: {self.log()}")
            try:
                found = json.loads(run.read_text())
                if found.get("pid") == self.process.pid:
                    self.ports = found
                    return self
            except (OSError, ValueError):
                pass
            time.sleep(0.005)
        raise AssertionError(f"not ready after {seconds} s: {self.log()}")

    @property
    def kafka(self):
        return f"127.0.0.1:{self.ports['kafka_port']}"

    @property
    def http(self):
        return f"http://127.0.0.1:{self.ports['http_port']}"

    @property
    def syslog(self):
        return self.ports["gateway_ports"][0]

    def log(self):
        return Path(self.log_path).read_text(errors="replace")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=10):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


class Millrace:
    def __init__(self, debug, release):
        self.binary = str(ROOT / debug / "millrace")
        self.release = str(ROOT / release / "millrace")
        self.tools = ROOT / release / "bench"
        self.folder = Path(tempfile.mkdtemp(prefix="millrace-cli-"))
        self.servers = []

    def close(self):
        for server in self.servers:
            if server.process.poll() is None:
                server.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, path, text):
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def project(self, yaml, files=()):
        """Writes millrace.yml (listeners on free ports put in front) and other files."""
        head = "" if "kafka:" in yaml else "kafka: {listen: 127.0.0.1:0}\nhttp: {listen: 127.0.0.1:0}\n"
        self.write("millrace.yml", head + yaml)
        for name, text in dict(files).items():
            self.write(name, text)
        return self.folder

    def run(self, *args, code=0, input=None, timeout=120, binary=None, cwd=None):
        """Runs a command to its end; checks the exit code; returns (stdout, stderr)."""
        done = subprocess.run([binary or self.binary, *map(str, args)], capture_output=True, text=True,
                              env=ENV, cwd=cwd or self.folder, input=input, timeout=timeout)
        if code is not None and done.returncode != code:
            raise AssertionError(f"{args} ended with {done.returncode}, expected {code}\n"
                                 f"stdout: {done.stdout[-2000:]}\nstderr: {done.stderr[-4000:]}")
        return done.stdout, done.stderr

    def up(self, *args, binary=None, ready=True, env=None):
        log_path = self.folder / f"server-{len(self.servers)}.log"
        with open(log_path, "w") as log:
            process = subprocess.Popen([binary or self.binary, "up", *map(str, args)], cwd=self.folder,
                                       env=dict(ENV, **(env or {})), stdout=log, stderr=log)
        server = Server(process, self.folder, log_path)
        self.servers.append(server)
        return server.wait_ready() if ready else server

    def sql(self, query, **kw):
        """Rows as dictionaries."""
        out, _ = self.run("sql", "--format", "json", "-c", query, **kw)
        return json.loads(out)

    def value(self, query, **kw):
        (row,) = self.sql(query, **kw)
        (value,) = row.values()
        return value

    def until(self, query, want, seconds=20, **kw):
        """Asks until the single value is `want`."""
        end, got = time.monotonic() + seconds, None
        while time.monotonic() < end:
            got = self.value(query, **kw)
            if got == want:
                return
            time.sleep(0.05)
        raise AssertionError(f"{query} is {got!r} after {seconds} s, expected {want!r}")

    def kcat(self, server, *args, input=None, code=0, timeout=30):
        done = subprocess.run(["kcat", "-b", server.kafka, *map(str, args)], capture_output=True,
                              input=input if input is None or isinstance(input, bytes) else input.encode(),
                              timeout=timeout)
        assert code is None or done.returncode == code, done.stderr.decode(errors="replace")
        return done.stdout.decode(errors="replace")

    def syslog(self, server, data, port=None):
        """Sends bytes to the gateway's TCP port and closes."""
        with socket.create_connection(("127.0.0.1", port or server.syslog), timeout=20) as s:
            s.sendall(data if isinstance(data, bytes) else data.encode())


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
