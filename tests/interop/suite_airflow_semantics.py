#!/usr/bin/env python3
"""Cron, timetables, backfills, trigger rules and retry delays: ours against the code of the real Airflow.

Installs apache-airflow-core into build/peers (PyPI), lets airflow_cases.py ask it a few thousand
generated questions, and the unit test airflow_says_the_same answer them with our code.
"""
import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
AIRFLOW = "3.3.2"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--build", default="build/release")
    p.add_argument("--seed", default="20260301")
    p.add_argument("--count", default="4000")
    options = p.parse_args()
    peers = Path(options.build).resolve().parent / "peers" / "airflow-semantics"
    python = peers / "venv/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", peers / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", f"apache-airflow-core=={AIRFLOW}", "time-machine"], check=True)
    cases = peers / "cases.tsv"
    with open(cases, "w") as out:
        subprocess.run([python, HERE / "airflow_cases.py", options.seed, options.count], stdout=out, check=True,
                       env=os.environ | {"AIRFLOW_HOME": str(peers / "home")}, stderr=subprocess.DEVNULL)
    unit = subprocess.run([Path(options.build) / "tests/unit_tests", "airflow_says_the_same"], text=True,
                          capture_output=True, env=os.environ | {"MR_DAG_CASES": str(cases)})
    found = re.search(r"(\d+) cases, (\d+) differ", unit.stdout)
    asked, differ = map(int, found.groups()) if found else (0, 1)
    if differ or not asked:
        print(unit.stderr[-4000:])
    print(f"Airflow {AIRFLOW}: {asked} cases of cron, timetables, backfill, trigger rules, retry delays")
    print(f"{asked - differ} passed, {differ} failed")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
