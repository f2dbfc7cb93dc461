#!/usr/bin/env python3
"""Runs the unit tests and every tests/cli/test_*.py, and ends with "N passed, N failed".

A CLI test file holds functions test_*(t), where t is tests/cli/harness.py's Millrace helper.
  tests/run.py [--only WORD] [--debug DIR] [--release DIR]
"""
import argparse
import importlib.util
import os
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run_unit(binary, only):
    done = subprocess.run([binary, *([only] if only else [])], stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="")
    found = re.search(r"^(\d+) passed, (\d+) failed$", done.stdout, re.M)
    if not found:
        print("FAILED unit tests: they ended without a summary")
        return 0, 1
    return int(found.group(1)), int(found.group(2))


def run_cli(options):
    sys.path.insert(0, str(ROOT / "tests" / "cli"))
    passed = failed = 0
    for path in sorted((ROOT / "tests" / "cli").glob("test_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        import harness
        for name in [n for n in dir(module) if n.startswith("test_")]:
            if options.only and options.only not in f"{path.stem}:{name}":
                continue
            start = time.monotonic()
            t = harness.Millrace(options.debug, options.release)
            try:
                getattr(module, name)(t)
                passed += 1
                print(f"ok {path.stem}:{name} ({time.monotonic() - start:.1f} s)", flush=True)
            except Exception:
                failed += 1
                traceback.print_exc()
                print(f"FAILED {path.stem}:{name}", flush=True)
            finally:
                t.close()
    return passed, failed


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--debug", default="build/debug")
    p.add_argument("--release", default="build/release")
    p.add_argument("--only")
    options = p.parse_args()
    os.chdir(ROOT)
    unit = run_unit(f"{options.debug}/tests/unit_tests", options.only)
    cli = run_cli(options) if (ROOT / "tests" / "cli" / "harness.py").exists() else (0, 0)
    passed, failed = unit[0] + cli[0], unit[1] + cli[1]
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
