"""A real Apache Airflow to measure beside: LocalExecutor, its metadata in a PostgreSQL of its own, all on loopback.

Airflow comes from PyPI into build/peers, PostgreSQL is Debian's. Limits are raised so that only the machine
and the scheduler hold tasks back; PostgreSQL is as it comes, fsync included.
"""
import datetime
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import peers
from kafka_peer import free_port

AIRFLOW = "3.3.2"
PACKAGES = (f"apache-airflow=={AIRFLOW}", "apache-airflow-providers-postgres==7.1.1", "psycopg2-binary==2.9.13",
            "asyncpg==0.32.0")
PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")


class Postgres:
    """One cluster in a folder; as user postgres when we are root, because it refuses to be root."""

    def __init__(self, folder):
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
        if not found:
            sys.exit("bench: PostgreSQL is missing; hint: apt-get install postgresql")
        self.bin, self.folder, self.port = found[-1], Path(folder), free_port()

    def call(self, program, *args):
        as_user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        subprocess.run([self.bin / program, *map(str, args)], check=True, stdout=subprocess.DEVNULL, cwd="/", **as_user)

    def __enter__(self):
        self.folder.mkdir(parents=True)
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres")
            for parent in self.folder.parents:
                if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
                    parent.chmod(parent.stat().st_mode | 0o011)
        self.call("initdb", "-D", self.folder / "data", "-A", "trust", "-E", "UTF8", "--locale=C")
        self.call("pg_ctl", "-D", self.folder / "data", "-l", self.folder / "log", "-w", "-o",
                  f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=200",
                  "start")
        self.pid = int((self.folder / "data/postmaster.pid").read_text().split()[0])
        self.user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        return self

    def __exit__(self, *_):
        self.call("pg_ctl", "-D", self.folder / "data", "-m", "fast", "-w", "stop")


class Airflow:
    name = "Airflow"

    def __init__(self, folder, dags):
        """`dags` is a folder of Python files. A file that comes later is found minutes later."""
        self.folder, self.dags = Path(folder), Path(dags)
        self.postgres = Postgres(self.folder / "postgres")
        self.processes = {}

    def environment(self):
        self.port = free_port()
        api = f"http://127.0.0.1:{self.port}"
        more = {
            "AIRFLOW_HOME": self.folder / "home",
            "AIRFLOW__CORE__DAGS_FOLDER": self.dags,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": 64,
            "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": 1000,
            "AIRFLOW__CORE__MAX_ACTIVE_RUNS_PER_DAG": 100,
            "AIRFLOW__CORE__DEFAULT_POOL_TASK_SLOT_COUNT": 2000,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{api}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN":
                f"postgresql+psycopg2://{self.postgres.user}@127.0.0.1:{self.postgres.port}/airflow",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": self.port,
            "AIRFLOW__API__WORKERS": 1,
            "AIRFLOW__API__BASE_URL": api,
            "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": free_port(),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": free_port(),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost",
        }
        python = peers.python("airflow", *PACKAGES)
        return {**os.environ, **{k: str(v) for k, v in more.items()}, "PATH": f"{python.parent}:{os.environ['PATH']}"}

    def __enter__(self):
        self.folder.mkdir(parents=True)
        self.postgres.__enter__()
        self.env = self.environment()
        self.postgres.call("createdb", "-h", "127.0.0.1", "-p", self.postgres.port, "airflow")
        with open(self.folder / "migrate.log", "wb") as log:
            subprocess.run(["airflow", "db", "migrate"], env=self.env, stdout=log, stderr=log, check=True)
        started = time.time()
        for part in PARTS:
            with open(self.folder / f"{part}.log", "wb") as log:
                self.processes[part] = subprocess.Popen(["airflow", part], env=self.env, stdout=log, stderr=log,
                                                        stdin=subprocess.DEVNULL, start_new_session=True)
        self.url = f"http://127.0.0.1:{self.port}"
        self.ready_seconds = self.wait_healthy(started) - started
        with urllib.request.urlopen(self.url + "/auth/token") as answer:
            self.token = json.load(answer)["access_token"]
        return self

    def wait_healthy(self, started):
        """Healthy by heartbeats that are newer than the start."""
        while time.time() - started < 180:
            try:
                with urllib.request.urlopen(self.url + "/api/v2/monitor/health", timeout=2) as answer:
                    health = json.load(answer)
                beats = [health[p][f"latest_{p}_heartbeat"] for p in ("scheduler", "dag_processor", "triggerer")]
                if all(b and datetime.datetime.fromisoformat(b).timestamp() > started for b in beats):
                    return time.time()
            except (OSError, ValueError, KeyError):
                pass
            time.sleep(0.1)
        sys.exit(f"Airflow is not healthy after 180 s; its logs are in {self.folder}")

    def __exit__(self, *_):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                pass
            try:
                os.killpg(process.pid, signal.SIGKILL)  # a session of its own: what it left behind goes too
            except ProcessLookupError:
                pass
        self.postgres.__exit__()

    def pids(self):
        return [p.pid for p in self.processes.values()] + [self.postgres.pid]
