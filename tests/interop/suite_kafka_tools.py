#!/usr/bin/env python3
"""Kafka's own command-line tools: the same commands on Apache Kafka and on millrace, the same output.

What must differ is masked: addresses, ids, times, paths, rates. What remains is compared line by
line, sorted where the order means nothing.
"""
import re
import tempfile
import time
from pathlib import Path

import suite
from kafka_peer import Kafka, tool

MASKS = [
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r"TopicId: \S+", "TopicId: ID"),
    (r"\d{4}-\d\d-\d\dT\S+", "TIME"),
    (r"(consumer|console-consumer|perf-consumer)[-\w]*-[0-9a-f]{8}-[0-9a-f-]{27}", "MEMBER"),
    (r"console-consumer-\d+", "ANONYMOUS-GROUP"),
    (r"\d+\.\d+ (ms|records/sec|MB/sec)", "N UNIT"),
    (r"(InvalidTopicException): .*bad name.*", r"\1: REASON"),  # each says it in its own words
    (r"(broker\(s\) are registered).*", r"\1"),
    (r"min\.insync\.replicas=1,?", ""),  # Kafka sets its own default once more when it formats its disk
    (r"[ \t]+", " "),
]


def masked(lines, keep=None):
    out = []
    for line in lines:
        for pattern, text in MASKS:
            line = re.sub(pattern, text, line)
        line = line.strip()
        if line and not line.startswith(("SLF4J", "WARN", "[")) and (not keep or re.search(keep, line)):
            out.append(line)
    return sorted(out)


class Both:
    """The same command on both brokers."""

    def __init__(self, kafka, ours):
        self.kafka, self.ours = kafka, ours

    def run(self, name, *args, stdin="", keep=None, check=True, flag="--bootstrap-server", seconds=60):
        results = []
        for broker in (self.kafka, self.ours):
            lines = tool(name, flag, broker.kafka, *args, stdin=stdin, check=check, seconds=seconds)
            results.append(masked(lines, keep))
        theirs, own = results
        if theirs != own:
            missing = [line for line in theirs if line not in own]
            more = [line for line in own if line not in theirs]
            raise AssertionError(f"only Kafka says {missing}; only millrace says {more}")
        return own


def topics(both):
    def run(*args, **named):
        return both.run("kafka-topics", *args, **named)
    run("--create", "--topic", "one", "--partitions", "3", "--config", "retention.ms=60000")
    run("--create", "--topic", "two", "--config", "cleanup.policy=compact", "--config", "max.message.bytes=2000")
    run("--list", "--exclude-internal")
    described = run("--describe", "--topic", "one", keep=r"PartitionCount|Partition:")
    assert len(described) == 4, described
    run("--alter", "--topic", "one", "--partitions", "5")
    run("--describe", "--topic", "one", keep=r"Partition: \d")
    run("--create", "--topic", "one", check=False, keep="already exists")
    run("--create", "--topic", "bad name", check=False, keep="InvalidTopicException|illegal")
    run("--create", "--topic", "x", "--replication-factor", "3", check=False, keep="Error while|larger")
    run("--alter", "--topic", "one", "--partitions", "2", check=False, keep="Error while|InvalidPartitions")
    run("--create", "--topic", "gone")
    run("--delete", "--topic", "gone")
    run("--describe", "--topic", "gone", check=False, keep="does not exist")
    run("--list", "--exclude-internal")


def configs(both):
    def run(*args, **named):
        return both.run("kafka-configs", *args, **named)
    run("--alter", "--entity-type", "topics", "--entity-name", "one", "--add-config",
        "retention.ms=120000,segment.bytes=2097152,cleanup.policy=[compact,delete]")
    run("--describe", "--entity-type", "topics", "--entity-name", "one")
    run("--alter", "--entity-type", "topics", "--entity-name", "one", "--delete-config", "segment.bytes")
    run("--describe", "--entity-type", "topics", "--entity-name", "one")
    run("--alter", "--entity-type", "topics", "--entity-name", "one", "--add-config", "retention.ms=soon",
        check=False, keep="InvalidConfig|Not a number")
    run("--alter", "--entity-type", "topics", "--entity-name", "one", "--add-config", "no.such=1",
        check=False, keep="Unknown topic config")


def produce_consume(both):
    lines = "".join(f"k{i}:value {i}\n" for i in range(100))
    both.run("kafka-console-producer", "--topic", "two", "--property", "parse.key=true", "--property",
             "key.separator=:", stdin=lines)
    read = both.run("kafka-console-consumer", "--topic", "two", "--from-beginning", "--max-messages", "100",
                    "--property", "print.key=true", keep="^k")
    assert len(read) == 100, len(read)


def offsets(both):
    both.run("kafka-get-offsets", "--topic", "two")
    both.run("kafka-get-offsets", "--topic", "two", "--time", "-2")
    for broker in (both.kafka, both.ours):  # the greatest timestamp: which record has it is chance
        assert re.fullmatch(r"two:0:\d\d", tool("kafka-get-offsets", "--bootstrap-server", broker.kafka, "--topic",
                                                "two", "--time", "-3")[0])
    both.run("kafka-get-offsets", "--topic-partitions", "one:0,two:0", "--time", "-1")


def groups(both):
    def run(*args, **named):
        return both.run("kafka-consumer-groups", *args, **named)
    both.run("kafka-console-consumer", "--topic", "two", "--group", "readers", "--from-beginning", "--max-messages",
             "40", keep="^value")
    run("--list")
    time.sleep(1)
    described = run("--describe", "--group", "readers", check=False)
    assert any(re.search(r"readers two 0 \d+ 100 \d+", line) for line in described), described
    run("--describe", "--group", "readers", "--state", check=False, keep="readers")
    run("--reset-offsets", "--group", "readers", "--topic", "two", "--to-offset", "10", "--dry-run", keep="readers")
    run("--reset-offsets", "--group", "readers", "--topic", "two", "--to-earliest", "--execute", keep="readers")
    run("--reset-offsets", "--group", "readers", "--topic", "two", "--shift-by", "7", "--execute", keep="readers")
    run("--describe", "--group", "readers", check=False, keep="^readers")
    run("--delete-offsets", "--group", "readers", "--topic", "two", check=False, keep="two|success|rror")
    run("--delete", "--group", "readers", keep="success|rror")
    run("--describe", "--group", "readers", check=False, keep="does not exist|rror")


def delete_records(both):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        f.write('{"partitions":[{"topic":"three","partition":0,"offset":2}],"version":1}')
        f.flush()
        both.run("kafka-console-producer", "--topic", "three", stdin="a\nb\nc\n")
        both.run("kafka-delete-records", "--offset-json-file", f.name, keep="partition:|low_watermark")
        both.run("kafka-get-offsets", "--topic", "three", "--time", "-2")


def acls(both):
    def run(*args, **named):
        return both.run("kafka-acls", *args, **named)
    run("--add", "--allow-principal", "User:bob", "--operation", "Read", "--topic", "one", keep="principal|ACL")
    run("--add", "--deny-principal", "User:eve", "--operation", "All", "--topic", "t", "--resource-pattern-type",
        "prefixed", keep="principal|ACL")
    run("--list", keep="principal|ACL")
    run("--list", "--topic", "one", keep="principal|ACL")
    run("--remove", "--allow-principal", "User:bob", "--operation", "Read", "--topic", "one", "--force",
        keep="principal|ACL")
    run("--remove", "--topic", "t", "--resource-pattern-type", "prefixed", "--force", keep="principal|ACL")
    run("--list", keep="principal|ACL")


def log_dirs(both):
    for broker in (both.kafka, both.ours):
        lines = tool("kafka-log-dirs", "--bootstrap-server", broker.kafka, "--describe", "--topic-list", "two")
        found = "".join(lines)
        assert '"partition":"two-0"' in found and '"size":' in found, found


def performance(both):
    for broker in (both.kafka, both.ours):
        at = ["--bootstrap-server", broker.kafka]
        lines = tool("kafka-producer-perf-test", *at, "--topic", "perf", "--num-records", "20000",
                     "--record-size", "100", "--throughput", "-1")
        assert any(line.startswith("20000 records sent") for line in lines), lines
        lines = tool("kafka-consumer-perf-test", *at, "--topic", "perf", "--num-records", "20000")
        assert any(re.search(r", 2\d{4}, ", line) for line in lines), lines


def verifiable(both):
    for broker in (both.kafka, both.ours):
        at = ["--bootstrap-server", broker.kafka, "--topic", "verified"]
        lines = tool("kafka-verifiable-producer", *at, "--max-messages", "500", "--acks", "-1")
        assert any('"acked":500' in line for line in lines), lines[-3:]
        lines = tool("kafka-verifiable-consumer", *at, "--group-id", "verifiers", "--max-messages", "500",
                     "--reset-policy", "earliest")
        assert any('"offsets_committed"' in line and '"success":true' in line for line in lines), lines[-5:]


def dump_log(both):
    broker = both.ours
    lines = "".join(f"{i}:{'x' * (i % 50)}\n" for i in range(2000))
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        tool("kafka-console-producer", "--bootstrap-server", broker.kafka, "--topic", "dumped",
             "--compression-codec", codec, stdin=lines)
    time.sleep(0.5)
    broker.stop()  # what is in the journal goes to the segment
    segment = next(Path(broker.folder).glob(".millrace/log/dumped-0/*.log"))
    out = tool("kafka-dump-log", "--deep-iteration", "--files", segment)
    records = [line for line in out if line.startswith("| offset:")]
    assert len(records) == 10000, (len(records), out[-3:])
    assert not any("isvalid: false" in line for line in out)
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        assert any(f"compresscodec: {codec}" in line for line in out), codec
    for index in segment.parent.glob("*.index"):
        out = tool("kafka-dump-log", "--index-sanity-check", "--files", f"{index}")
        assert any("passed sanity check" in line for line in out), out
    broker.start()


CHECKS = [topics, configs, produce_consume, offsets, groups, delete_records, acls, log_dirs, performance, verifiable,
          dump_log]


def main(s):
    with Kafka(s.folder / "kafka") as kafka, s.broker() as ours:
        both = Both(kafka, ours)
        for check in CHECKS:
            s.check(check.__name__, check, both)


if __name__ == "__main__":
    suite.run(__doc__, main)
