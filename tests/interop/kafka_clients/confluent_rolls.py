"""A group of three rolls from the classic protocol to the consumer protocol and back while records come in.

Each consumer is stopped and started with the other group.protocol, one after the other; the group is
mixed meanwhile. Everything is read, commits hold, and the group's type is what its members speak.
"""
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

broker, topic = sys.argv[1:]
conf = {"bootstrap.servers": broker}
admin = AdminClient(conf)
PARTITIONS = 6
for f in admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
    f.result()
producer = Producer({**conf, "linger.ms": 5})
produced = 0


class Group:
    def __init__(self, name, **classic):
        self.name, self.members, self.seen = name, {}, set()
        self.speaks = {"classic": {"group.protocol": "classic", "session.timeout.ms": 10000,
                                   "heartbeat.interval.ms": 500, **classic},
                       "consumer": {"group.protocol": "consumer"}}

    def start(self, slot, speaks):
        consumer = Consumer({**conf, "group.id": self.name, "auto.offset.reset": "earliest",
                             "enable.auto.commit": False, **self.speaks[speaks]})
        consumer.subscribe([topic])
        self.members[slot] = consumer

    def poll(self):
        global produced
        for _ in range(5):
            producer.produce(topic, value=str(produced))
            produced += 1
        producer.poll(0)
        for consumer in self.members.values():
            for m in consumer.consume(100, 0.05):
                if m.error():
                    assert m.error().code() == KafkaError._PARTITION_EOF, m.error()
                    continue
                self.seen.add(int(m.value()))

    def commit(self, consumer):
        try:
            consumer.commit(asynchronous=False)
        except KafkaException as e:
            assert e.args[0].code() in (KafkaError._NO_OFFSET, KafkaError.ILLEGAL_GENERATION,
                                        KafkaError.REBALANCE_IN_PROGRESS, KafkaError.STALE_MEMBER_EPOCH), e

    def settle(self, what):
        """All partitions have one owner for a while."""
        until, quiet = time.monotonic() + 90, 0
        while quiet < 15:
            assert time.monotonic() < until, (self.name, what, [c.assignment() for c in self.members.values()])
            self.poll()
            owned = sorted(p.partition for c in self.members.values() for p in c.assignment())
            quiet = quiet + 1 if owned == list(range(PARTITIONS)) else 0

    def kind(self):
        return admin.describe_consumer_groups([self.name])[self.name].result().type.name

    def roll(self, speaks, before, mixed, after):
        assert self.kind() == before, (self.kind(), before)
        for slot in list(self.members):
            self.commit(self.members[slot])
            self.members.pop(slot).close()
            self.start(slot, speaks)
            self.settle(f"{slot} speaks {speaks}")
            if slot < 2:
                assert self.kind() == mixed, (slot, self.kind(), mixed)
        assert self.kind() == after, (self.kind(), after)

    def finish(self):
        until = time.monotonic() + 60
        producer.flush(30)
        wanted = set(range(produced))
        while not wanted <= self.seen:
            assert time.monotonic() < until, (self.name, len(wanted - self.seen))
            for consumer in self.members.values():
                self.seen.update(int(m.value()) for m in consumer.consume(500, 0.1) if not m.error())
        for consumer in self.members.values():
            self.commit(consumer)
        any_one = next(iter(self.members.values()))
        committed = any_one.committed([TopicPartition(topic, p) for p in range(PARTITIONS)])
        assert sum(max(p.offset, 0) for p in committed) == produced, (committed, produced)
        for consumer in self.members.values():
            consumer.close()


for name, settings in (("range", {"partition.assignment.strategy": "range"}),
                       ("cooperative", {"partition.assignment.strategy": "cooperative-sticky"})):
    group = Group(f"roll-{name}", **settings)
    for slot in range(3):
        group.start(slot, "classic")
    group.settle("all classic")
    group.roll("consumer", "CLASSIC", "CONSUMER", "CONSUMER")
    group.roll("classic", "CONSUMER", "CONSUMER", "CLASSIC")
    group.finish()
    print(name, produced, "records")
