"""What the suites share: checks that are counted, a broker of ours, folders that go away.

    def main(suite):
        with suite.broker() as broker:
            suite.check("lists topics", lists_topics, broker.kafka)

    if __name__ == "__main__":
        suite.run(__doc__, main)
"""
import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PEERS = ROOT / "build" / "peers"


class Broker:
    """`millrace up` on a project of its own; ends by SIGTERM."""

    def __init__(self, binary, folder, project):
        self.binary, self.folder, self.project = binary, Path(folder), project

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "millrace.yml").write_text(self.project)
        self.start()
        return self

    def start(self, seconds=30):
        run = self.folder / ".millrace" / "run.json"
        self.log = open(self.folder / "server.log", "ab")
        self.process = subprocess.Popen([self.binary, "up", self.folder], stdout=self.log, stderr=self.log)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            try:
                self.ports = json.loads(run.read_text())
                if self.ports.get("pid") == self.process.pid:
                    return
            except (OSError, ValueError):
                pass
            time.sleep(0.01)
        raise AssertionError("the broker did not start: " + (self.folder / "server.log").read_text()[-2000:])

    @property
    def kafka(self):
        return f"127.0.0.1:{self.ports['kafka_port']}"

    @property
    def http(self):
        return f"http://127.0.0.1:{self.ports['http_port']}"

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)
        self.log.close()

    def __exit__(self, *_):
        self.stop()


class Suite:
    def __init__(self, options, folder):
        self.options, self.build, self.folder, self.words = options, Path(options.build).resolve(), Path(folder), options.words
        self.binary = str(self.build / "millrace")
        self.passed = self.failed = 0

    def broker(self, more="", name="broker"):
        project = "kafka: {listen: 127.0.0.1:0}\nhttp: {listen: 127.0.0.1:0}\n" + more
        return Broker(self.binary, self.folder / name, project)

    def wanted(self, name):
        return not self.words or any(w in name for w in self.words)

    def check(self, name, test, *args, **named):
        """Counts one check: it fails when test raises. Returns what test does."""
        if not self.wanted(name):
            return None
        started = time.monotonic()
        try:
            result = test(*args, **named)
        except Exception as e:  # whatever it is, the other checks go on
            self.failed += 1
            print(f"FAILED {name}: {type(e).__name__}: {str(e)[:1500]}", flush=True)
            return None
        self.passed += 1
        print(f"ok {name} ({time.monotonic() - started:.1f} s)", flush=True)
        return result


def call(*command, seconds=120, stdin=None, env=None, cwd=None):
    """Standard output of a command that must succeed."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=seconds, input=stdin,
                          env={**os.environ, **(env or {})}, cwd=cwd, check=False)
    if done.returncode:
        raise AssertionError(f"{command[0]} ended with {done.returncode}: {(done.stdout + done.stderr)[-1500:]}")
    return done.stdout


@contextlib.contextmanager
def running(command, log):
    """A process for the length of a `with`; its output goes to the file `log`."""
    with open(log, "wb") as out:
        process = subprocess.Popen([str(c) for c in command], stdout=out, stderr=out)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(ready, seconds, what):
    until = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.1)


def run(description, main, more_options=None):
    """A suite's whole program. more_options(parser) adds options of its own, found in suite.options."""
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--build", default=str(ROOT / "build/release"))
    p.add_argument("--keep", action="store_true", help="keep the folder it works in")
    p.add_argument("words", nargs="*", help="only checks whose name holds one of these")
    if more_options:
        more_options(p)
    options = p.parse_args()
    folder = tempfile.mkdtemp(prefix="millrace-interop-")
    suite = Suite(options, folder)
    try:
        main(suite)
    finally:
        if options.keep:
            print("kept " + folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{suite.passed} passed, {suite.failed} failed")
    sys.exit(1 if suite.failed else 0)
