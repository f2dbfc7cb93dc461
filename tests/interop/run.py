#!/usr/bin/env python3
"""make interop: other people's programs against ours.

Each suite is a script of its own, suite_<name>.py, which prints a line a check and ends with
"N passed, N failed"; this runs those whose name holds one of the words given (all without words)
and adds up. A suite fetches what it needs (PyPI, Maven, npm, Go, Debian's sources) into build/peers.

  tests/interop/run.py [--build DIR] [WORD...]
"""
import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def run(suite, build):
    """Runs one suite, its lines as they come; returns (passed, failed)."""
    started = time.monotonic()
    print(f"== {suite.stem[6:]}", flush=True)
    process = subprocess.Popen([sys.executable, "-u", suite, "--build", build], stdout=subprocess.PIPE, text=True)
    last = ""
    for line in process.stdout:
        last = line.strip() or last
        print("   " + line, end="", flush=True)
    process.wait()
    found = re.fullmatch(r"(\d+) passed, (\d+) failed.*", last)
    passed, failed = map(int, found.groups()) if found else (0, 1)
    if process.returncode and not failed:
        failed = 1
    print(f"== {suite.stem[6:]}: {passed} passed, {failed} failed, {time.monotonic() - started:.0f} s", flush=True)
    return passed, failed


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build/release")
    p.add_argument("words", nargs="*")
    options = p.parse_args()
    suites = [s for s in sorted(HERE.glob("suite_*.py"))
              if not options.words or any(w in s.stem for w in options.words)]
    if not suites:
        sys.exit("interop: no suite is called " + " or ".join(options.words))
    build = os.path.abspath(options.build)
    results = [run(suite, build) for suite in suites]
    passed, failed = (sum(column) for column in zip(*results))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
