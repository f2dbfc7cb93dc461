#!/usr/bin/env python3
"""The crash tests at length, with a summary: make torture. Each says how far it has come.

  MR_TEST_SCALE  how many times as long as in an ordinary run the simulated power cuts take (10)
  KILL_SCALE     the same for kill -9 of the real program (3)
"""
import argparse
import os
import re
import subprocess
import sys
import time

SCALE = float(os.environ.get("MR_TEST_SCALE", 10))
KILL_SCALE = int(os.environ.get("KILL_SCALE", 3))


def parts(options):
    unit = [f"{options.debug}/tests/unit_tests"]
    cli = ["python3", "tests/run.py", "--debug", options.debug, "--release", options.release, "--only"]
    return [
        (f"{int(1000 * SCALE)} seeds with power loss", SCALE, [*unit, "plain_power_loss_log"]),
        (f"{int(500 * SCALE)} seeds with disk faults and power loss", SCALE, [*unit, "disk_faults_and_power_loss_log"]),
        ("power cuts before every disk call of the log", SCALE, [*unit, "log_power_cut_at_every_call"]),
        ("compaction, power cuts before every call of it too", SCALE, [*unit, "test_log_compact"]),
        ("groups, transactions and ingest with power loss", SCALE,
         [*unit, "groups_survive_power_cuts", "txns_power_cut", "txns_outlive", "ingest_survives"]),
        (f"{int(1008 * SCALE)} statements on Delta tables ended by power loss or kill", 42 * SCALE, [*unit, "delta_survives"]),
        (f"{int(1000 * SCALE)} seeds of servers that stand by for each other", 25 * SCALE, [*unit, "dag_servers_stand_by"]),
        (f"{int(1020 * SCALE)} seeds of the scheduler against chance, as many among people", 17 * SCALE,
         [*unit, "dag_scheduler_survives"]),
        (f"{100 * KILL_SCALE} times kill -9 under idempotent load, {15 * KILL_SCALE} under transactions", KILL_SCALE,
         [*cli, "test_kill:"]),
    ]


def run(name, scale, command):
    print(f"== {name}", flush=True)
    start = time.monotonic()
    child = subprocess.Popen(command, env=dict(os.environ, MR_TEST_SCALE=str(scale)), text=True, stdout=subprocess.PIPE)
    last = ""
    for line in child.stdout:
        print(line, end="", flush=True)
        last = line
    passed = re.match(r"[1-9]\d* passed, 0 failed$", last)  # a name that no test has is no success
    return child.wait() == 0 and bool(passed), time.monotonic() - start


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--debug", default="build/debug")
    p.add_argument("--release", default="build/release")
    results = [(name, *run(name, scale, command)) for name, scale, command in parts(p.parse_args())]
    print("\n== torture")
    for name, held, seconds in results:
        print(f"{'held  ' if held else 'BROKEN'} {name} ({seconds:.0f} s)")
    return 0 if all(held for _, held, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
