#!/usr/bin/env python3
"""Share groups with Kafka's own share consumer and tools: what they say of millrace and of Apache Kafka.

Most checks run the same commands on both brokers and compare what is printed; those about time and
about consumers that die run on millrace alone.
"""
import re
import signal
import subprocess
import tempfile

import peers
import suite
from kafka_peer import TOOLS, Kafka, tool
from suite_kafka_tools import Both

RECORDS = 200


def share_consumer(broker, topic, group, *args):
    """A kafka-console-share-consumer that runs until it is ended."""
    command = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dlog4j2.level=ERROR", "-cp",
               f"{peers.kafka_tools()}/*", TOOLS["kafka-console-share-consumer"], "--bootstrap-server", broker.kafka,
               "--topic", topic, "--group", group, *args]
    out = tempfile.TemporaryFile("w+")
    return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT), out


def lines_of(out):
    out.seek(0)
    return [line.strip() for line in out.read().splitlines() if line.startswith("v")]


def end(consumer):
    process, out = consumer
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    return lines_of(out)


def produce(broker, topic, first, count):
    tool("kafka-console-producer", "--bootstrap-server", broker.kafka, "--topic", topic,
         stdin="".join(f"v{i}\n" for i in range(first, first + count)))


def from_earliest(both, group):
    both.run("kafka-configs", "--alter", "--entity-type", "groups", "--entity-name", group, "--add-config",
             "share.auto.offset.reset=earliest")


def lag(broker, group):
    """What --describe says, without START-OFFSET: Kafka's is one acknowledgement behind, the lag makes up for it."""
    lines = tool("kafka-share-groups", "--bootstrap-server", broker.kafka, "--describe", "--group", group)
    return [" ".join(fields[:3] + fields[4:]) for fields in map(str.split, lines) if fields[:1] == [group]]


def group_configs(both):
    from_earliest(both, "configured")
    describe = ("--describe", "--all", "--entity-type", "groups", "--entity-name", "configured")
    both.run("kafka-configs", *describe, keep=r"^\W*(share\.(?!assignment)|consumer\.(?!assignment))")
    for bad in ("share.auto.offset.reset=soon", "share.delivery.count.limit=1", "share.isolation.level=none",
                "share.record.lock.duration.ms=1", "share.record.lock.duration.ms=1000",
                "share.partition.max.record.locks=5000", "share.session.timeout.ms=1", "nope=1"):
        both.run("kafka-configs", "--alter", "--entity-type", "groups", "--entity-name", "configured", "--add-config",
                 bad, check=False, keep="^Caused by.*(Unknown group|InvalidConfiguration)|^nothing")
    both.run("kafka-configs", "--alter", "--entity-type", "groups", "--entity-name", "configured", "--delete-config",
             "share.auto.offset.reset")
    both.run("kafka-configs", *describe, keep=r"share\.auto")


def consume_and_describe(both):
    both.run("kafka-topics", "--create", "--topic", "one")
    from_earliest(both, "workers")
    for broker in (both.kafka, both.ours):
        produce(broker, "one", 0, RECORDS)
    read = both.run("kafka-console-share-consumer", "--topic", "one", "--group", "workers", "--max-messages",
                    str(RECORDS), "--timeout-ms", "20000", keep="^v")
    assert len(read) == RECORDS, len(read)
    both.run("kafka-share-groups", "--list")
    both.run("kafka-groups", "--list", keep="workers")
    assert lag(both.kafka, "workers") == lag(both.ours, "workers") == ["workers one 0 0"]
    both.run("kafka-share-groups", "--describe", "--group", "workers", "--state", keep="workers")
    both.run("kafka-share-groups", "--describe", "--group", "nobody", check=False, keep="nobody")


def reset_and_delete(both):
    def run(*args, **named):
        return both.run("kafka-share-groups", *args, **named)
    run("--reset-offsets", "--group", "workers", "--topic", "one", "--to-earliest", "--dry-run", keep="workers")
    run("--reset-offsets", "--group", "workers", "--topic", "one", "--to-earliest", "--execute", keep="workers")
    run("--describe", "--group", "workers", "--offsets", keep="workers")
    again = both.run("kafka-console-share-consumer", "--topic", "one", "--group", "workers", "--max-messages",
                     str(RECORDS), "--timeout-ms", "20000", keep="^v")
    assert len(again) == RECORDS, len(again)
    run("--reset-offsets", "--group", "workers", "--topic", "one", "--to-latest", "--execute", keep="workers")
    run("--reset-offsets", "--group", "nobody", "--topic", "one", "--to-latest", "--execute", check=False,
        keep="nobody|rror")
    run("--delete-offsets", "--group", "workers", "--topic", "one", check=False, keep="one|rror")
    run("--delete-offsets", "--group", "workers", "--topic", "missing", check=False, keep="missing|rror")
    run("--delete", "--group", "workers", check=False, keep="workers|rror|success")
    run("--list")


def reject_and_release(both):
    both.run("kafka-topics", "--create", "--topic", "bad")
    for how in ("--reject", "--release"):
        from_earliest(both, how.strip("-"))
    for broker in (both.kafka, both.ours):
        produce(broker, "bad", 0, 10)
    rejected = both.run("kafka-console-share-consumer", "--topic", "bad", "--group", "reject", "--reject",
                        "--timeout-ms", "8000", check=False, keep="^v")
    assert len(rejected) == 10, rejected  # each once
    released = both.run("kafka-console-share-consumer", "--topic", "bad", "--group", "release", "--release",
                        "--timeout-ms", "10000", check=False, keep="^v", seconds=90)
    assert len(released) == 50, len(released)  # each as often as share.delivery.count.limit says
    for group in ("reject", "release"):
        assert lag(both.kafka, group) == lag(both.ours, group) == [f"{group} bad 0 0"]


def two_share_one_partition(ours):
    tool("kafka-topics", "--bootstrap-server", ours.kafka, "--create", "--topic", "shared")
    tool("kafka-configs", "--bootstrap-server", ours.kafka, "--alter", "--entity-type", "groups", "--entity-name",
         "pair", "--add-config", "share.auto.offset.reset=earliest")
    consumers = [share_consumer(ours, "shared", "pair") for _ in range(2)]
    try:
        def members():
            return [line for line in tool("kafka-share-groups", "--bootstrap-server", ours.kafka, "--describe",
                                          "--group", "pair", "--members", check=False) if line.startswith("pair")]
        suite.wait_for(lambda: len(members()) == 2, 60, "both are members")
        assert all("shared:0" in line for line in members()), members()
        for k in range(6):
            produce(ours, "shared", k * 50, 50)
        suite.wait_for(lambda: sum(len(lines_of(out)) for _, out in consumers) >= 300, 60, "300 records read")
    finally:
        read = [end(consumer) for consumer in consumers]
    every = [line for lines in read for line in lines]
    assert sorted(every) == sorted(f"v{i}" for i in range(300)), len(every)  # none twice, none lost
    assert all(len(lines) > 0 for lines in read), [len(lines) for lines in read]


def killed_consumers_records_come_again(ours):
    """A consumer that is stopped holds records; when it is killed they are given to another."""
    tool("kafka-topics", "--bootstrap-server", ours.kafka, "--create", "--topic", "kill")
    tool("kafka-configs", "--bootstrap-server", ours.kafka, "--alter", "--entity-type", "groups", "--entity-name",
         "fragile", "--add-config", "share.auto.offset.reset=earliest")
    produce(ours, "kill", 0, 100)
    holder, out = share_consumer(ours, "kill", "fragile")
    try:
        suite.wait_for(lambda: len(lines_of(out)) > 0, 40, "it reads")
    finally:
        holder.kill()
        holder.wait(20)
    produce(ours, "kill", 100, 20)
    rest = tool("kafka-console-share-consumer", "--bootstrap-server", ours.kafka, "--topic", "kill", "--group",
                "fragile", "--timeout-ms", "20000", check=False)
    seen = set(lines_of(out)) | {line.strip() for line in rest if line.startswith("v")}
    assert seen >= {f"v{i}" for i in range(120)}, (len(seen), rest[-3:])


def survives_a_restart(ours):
    described = tool("kafka-share-groups", "--bootstrap-server", ours.kafka, "--describe", "--group", "fragile")
    ours.stop()
    ours.start()
    again = tool("kafka-share-groups", "--bootstrap-server", ours.kafka, "--describe", "--group", "fragile")
    assert [re.sub(r"\s+", " ", line) for line in described] == [re.sub(r"\s+", " ", line) for line in again]


def main(s):
    with Kafka(s.folder / "kafka") as kafka, s.broker() as ours:
        both = Both(kafka, ours)
        s.check("group configurations", group_configs, both)
        s.check("consume, list, describe", consume_and_describe, both)
        s.check("reset and delete offsets, delete the group", reset_and_delete, both)
        s.check("rejected once, released to the limit", reject_and_release, both)
        s.check("two consumers share one partition", two_share_one_partition, ours)
        s.check("a killed consumer's records come again", killed_consumers_records_come_again, ours)
        s.check("a restart changes nothing", survives_a_restart, ours)


if __name__ == "__main__":
    suite.run(__doc__, main)
