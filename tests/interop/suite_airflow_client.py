#!/usr/bin/env python3
"""apache-airflow-client (PyPI) against our /api/v2: it lists, triggers, clears, marks, reads logs and XComs,
backfills, sends asset events, and keeps variables, connections and pools."""
import subprocess
from pathlib import Path

import peers
import suite as interop

CLIENT = "3.3.2"
DAGS = """
etl:
  schedule: '0 3 * * *'
  start_date: 2026-01-01
  catchup: false
  tags: [demo]
  params: {country: {default: US, enum: [US, DE], type: string}}
  tasks:
    make: {operator: BashOperator, bash_command: "echo reading {{ params.country }}; echo 42",
           outlets: ['delta://lake/reads']}
    each: {operator: BashOperator, expand: {bash_command: ["true", "echo b"]}, dependencies: [make]}
consumer:
  schedule: ['delta://lake/reads']
  start_date: 2026-01-01
  tasks: {t: {operator: EmptyOperator}}
flaky:
  schedule: null
  start_date: 2026-01-01
  tasks:
    a: {operator: BashOperator, bash_command: "exit 3"}
    b: {operator: BashOperator, bash_command: "echo b", dependencies: [a]}
"""


def verdict(line):
    if line.startswith("FAILED"):
        raise AssertionError(line.split(": ", 1)[1])


def main(suite):
    python = peers.python("airflow-client", f"apache-airflow-client=={CLIENT}")
    with suite.broker(name="airflow-client") as server:
        dags = Path(server.folder) / "dags"
        dags.mkdir()
        (dags / "all.yml").write_text(DAGS)
        server.stop()
        server.start()
        done = subprocess.run([python, Path(__file__).parent / "airflow_client_checks.py", server.http], text=True,
                              capture_output=True, timeout=300, check=False)
    lines = [x for x in done.stdout.splitlines() if x.startswith(("ok ", "FAILED "))]
    for line in lines:
        suite.check(line.split()[1].rstrip(":"), verdict, line)
    if len(lines) != 14:
        suite.check("every check ran", verdict, f"FAILED client: {done.stdout[-500:]}{done.stderr[-1500:]}")


if __name__ == "__main__":
    interop.run(__doc__, main)
