#!/usr/bin/env python3
"""Kafka clients of other languages: Python (kafka-python, confluent-kafka, aiokafka), JavaScript
(kafkajs), Go (franz-go, sarama) and Java produce, consume with groups and rebalance, and commit
transactions where they have them.

Each program below kafka_clients/ takes a broker's address and a topic, checks its own way round and
ends with 0, or says what was wrong.
"""
import shutil
from pathlib import Path

import peers
import suite

HERE = Path(__file__).resolve().parent / "kafka_clients"


def python_client(name, packages, broker):
    suite.call(peers.python(name, *packages), HERE / f"{name}.py", broker.kafka, f"py-{name}", seconds=180)


def rolling_group(broker):
    """The group of confluent_rolls.py: from one protocol to the other and back, member by member."""
    python = peers.python("confluent_kafka_client", "confluent-kafka==2.15.0")
    suite.call(python, HERE / "confluent_rolls.py", broker.kafka, "py-rolls", seconds=300)


def kafkajs(broker):
    home = peers.npm("kafkajs", "kafkajs@2.2.4")
    suite.call("node", HERE / "kafkajs.js", broker.kafka, "js-kafkajs", seconds=180,
               env={"NODE_PATH": str(home / "node_modules"), "KAFKAJS_NO_PARTITIONER_WARNING": "1"})


def go_client(name, modules, broker):
    suite.call(peers.go_program(name, HERE / f"{name}.go", modules), broker.kafka, f"go-{name}", seconds=180)


def java(program, broker, topic, seconds=180):
    suite.call("java", "-Xmx512m", "-Dlog4j2.level=ERROR", "-cp", f"{peers.kafka_tools()}/*", HERE / f"{program}.java",
               broker.kafka, topic, seconds=seconds)


def connect(s, broker):
    """A file source and a file sink of Kafka Connect, standalone: lines go in and come out."""
    folder = s.folder / "connect"
    folder.mkdir()
    lines = "".join(f"line {i}\n" for i in range(1000))
    (folder / "in.txt").write_text(lines)
    (folder / "plugins").mkdir()
    shutil.copy(next(peers.kafka_tools().glob("connect-file-*.jar")), folder / "plugins")
    (folder / "worker.properties").write_text(
        f"bootstrap.servers={broker.kafka}\nkey.converter=org.apache.kafka.connect.storage.StringConverter\n"
        "value.converter=org.apache.kafka.connect.storage.StringConverter\n"
        f"offset.storage.file.filename={folder}/offsets\noffset.flush.interval.ms=1000\n"
        f"listeners=http://127.0.0.1:0\nplugin.path={folder}/plugins\nplugin.discovery=service_load\n")
    (folder / "source.properties").write_text(
        "name=source\nconnector.class=org.apache.kafka.connect.file.FileStreamSourceConnector\ntasks.max=1\n"
        f"file={folder}/in.txt\ntopic=connected\n")
    (folder / "sink.properties").write_text(
        "name=sink\nconnector.class=org.apache.kafka.connect.file.FileStreamSinkConnector\ntasks.max=1\n"
        f"file={folder}/out.txt\ntopics=connected\n")
    command = ["java", "-Xmx512m", "-Dlog4j2.level=ERROR", "-cp", f"{peers.kafka_tools()}/*",
               "org.apache.kafka.connect.cli.ConnectStandalone", folder / "worker.properties",
               folder / "source.properties", folder / "sink.properties"]
    with suite.running(command, folder / "connect.log"):
        suite.wait_for(lambda: (folder / "out.txt").exists() and (folder / "out.txt").read_text() == lines, 90,
                       "the sink's file")


def main(s):
    with s.broker() as broker:
        s.check("kafka-python", python_client, "kafka_python", ["kafka-python==3.0.12", "lz4"], broker)
        s.check("confluent-kafka", python_client, "confluent_kafka_client", ["confluent-kafka==2.15.0"], broker)
        s.check("a group changes protocol", rolling_group, broker)
        s.check("aiokafka", python_client, "aiokafka_client", ["aiokafka==0.14.0"], broker)
        s.check("kafkajs", kafkajs, broker)
        s.check("franz-go", go_client, "franz", ["github.com/twmb/franz-go@v1.20.0"], broker)
        s.check("sarama", go_client, "sarama_client", ["github.com/IBM/sarama@v1.46.0"], broker)
        s.check("java client", java, "Clients", broker, "java")
        s.check("kafka streams", java, "WordCount", broker, "words")
        s.check("kafka connect", connect, s, broker)


if __name__ == "__main__":
    suite.run(__doc__, main)
