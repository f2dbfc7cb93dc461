#!/usr/bin/env python3
"""librdkafka's own test programs (Debian's source package) against our broker.

librdkafka_tests.tsv says which tests a single node can pass and how they are run: "PASS full" runs
without -Q, because the quick mode would skip every sub-test and pass having done nothing. Tests of a
group "skip" or "exclude" need what no plain node has, as their note says.
Some have time limits of their own that a busy machine breaks: one that fails is run once more
with its limits stretched.
"""
import os
import re
import subprocess
from pathlib import Path

import peers
import suite

HERE = Path(__file__).resolve().parent
GROUPS = ("T1", "T2", "T3")
PROJECT = """kafka: {listen: 127.0.0.1:0, num_partitions: 4}
http: {listen: 127.0.0.1:0}
"""


def tests():
    for line in (HERE / "librdkafka_tests.tsv").read_text().splitlines():
        if not line.startswith("#"):
            yield line.split("\t")


def scripts(folder, jars):
    """Stand-ins for Kafka's bin/*.sh, which some tests call."""
    classes = {"kafka-topics": "org.apache.kafka.tools.TopicCommand", "kafka-configs": "kafka.admin.ConfigCommand",
               "kafka-acls": "org.apache.kafka.tools.AclCommand"}
    (folder / "bin").mkdir()
    for name, java in classes.items():
        script = folder / "bin" / f"{name}.sh"
        script.write_text(f'#!/bin/sh\nexec java -Xmx256m -cp "{jars}/*" {java} "$@"\n')
        script.chmod(0o755)
    return folder


def run_one(source, env, test, full, stretch):
    env = {**env, "TESTS": test}
    if stretch > 1:
        conf = Path(env["RDKAFKA_TEST_CONF"])
        stretched = conf.with_name("stretched.conf")
        stretched.write_text(conf.read_text() + f"test.timeout.multiplier={stretch}\n")
        env["RDKAFKA_TEST_CONF"] = str(stretched)
    command = ["./test-runner", "-p1", "-L"] + ([] if full else ["-Q"])
    try:
        done = subprocess.run(command, cwd=source / "tests", env=env, capture_output=True, text=True,
                              timeout=150 * stretch, errors="replace", check=False)
    except subprocess.TimeoutExpired as e:
        raise AssertionError("time out; its end: " + (e.stdout or b"").decode(errors="replace")[-800:]) from None
    out = done.stdout + done.stderr
    if done.returncode or re.search(rf"^\|.* {test}_\w+ +\| +FAILED", out, re.M):
        why = re.search(r'### Test "[^\n]*\n([^\n]*)', out)
        raise AssertionError(why.group(1) if why else out[-800:])
    if not re.search(rf"^\|.* {test}_\w+ +\| +PASSED", out, re.M):
        raise AssertionError("nothing was run: " + out[-300:])


def run_twice(source, env, test, full):
    try:
        run_one(source, env, test, full, 1)
    except AssertionError:
        run_one(source, env, test, full, 3)


def main(s):
    source = peers.librdkafka_tests()
    kafka = scripts(s.folder, peers.kafka_tools())
    broker = s.broker()
    broker.project = PROJECT
    with broker:
        conf = s.folder / "test.conf"
        conf.write_text(f"bootstrap.servers={broker.kafka}\ntest.topic.prefix=rdk\n")
        env = dict(os.environ, BROKERS=broker.kafka, RDKAFKA_TEST_CONF=str(conf), KAFKA_PATH=str(kafka),
                   TEST_KAFKA_VERSION="4.3.0", LD_LIBRARY_PATH=f"{source}/src:{source}/src-cpp")
        for number, name, group, _, note in tests():
            if group in GROUPS:
                s.check(f"{number} {name}", run_twice, source, env, number, "full" in note)


if __name__ == "__main__":
    suite.run(__doc__, main)
