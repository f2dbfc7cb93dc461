"""confluent-kafka (the newest librdkafka): groups of both protocols, static members, transactions with offsets."""
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

broker, topic = sys.argv[1:]
conf = {"bootstrap.servers": broker}
admin = AdminClient(conf)
for f in admin.create_topics([NewTopic(topic, 6, 1), NewTopic(topic + "-out", 1, 1)]).values():
    f.result()

N = 3000
producer = Producer({**conf, "enable.idempotence": True, "compression.type": "zstd", "linger.ms": 5})
for i in range(N):
    producer.produce(topic, key=str(i % 10), value=str(i))
assert producer.flush(30) == 0


def group(name, **more):
    """Two members share the partitions, one leaves, the other takes all over."""
    settings = {**conf, "group.id": name, "auto.offset.reset": "earliest", "enable.auto.commit": False, **more}
    a, b = Consumer(settings), Consumer(settings)
    a.subscribe([topic])
    b.subscribe([topic])
    until, seen = time.monotonic() + 60, set()
    while time.monotonic() < until:
        for c in (a, b):
            m = c.poll(0.1)
            if m and not m.error():
                seen.add((m.partition(), m.offset()))
        if len(a.assignment()) == 3 and len(b.assignment()) == 3:
            break
    assert len(a.assignment()) == 3 and len(b.assignment()) == 3, (name, a.assignment(), b.assignment())
    try:
        b.commit(asynchronous=False)
    except KafkaException as e:
        assert e.args[0].code() == KafkaError._NO_OFFSET, e  # its partitions had no messages for it yet
    b.close()
    # What was seen and not committed comes again after a rebalance: the positions say when all was read.
    begun = {p.partition: max(p.offset, 0) for p in a.committed([TopicPartition(topic, p) for p in range(6)])}
    while time.monotonic() < until:
        m = a.poll(0.1)
        if m and not m.error():
            seen.add((m.partition(), m.offset()))
        assigned = a.assignment()
        if len(assigned) == 6 and sum(max(p.offset, begun[p.partition]) for p in a.position(assigned)) == N:
            break
    assert len(a.assignment()) == 6, a.assignment()
    assert len(seen) == N, (name, len(seen))
    a.commit(asynchronous=False)
    committed = a.committed([TopicPartition(topic, p) for p in range(6)])
    assert sum(max(t.offset, 0) for t in committed) == N, committed
    a.close()


group("ck-range", **{"partition.assignment.strategy": "range"})
group("ck-cooperative", **{"partition.assignment.strategy": "cooperative-sticky"})
group("ck-consumer", **{"group.protocol": "consumer"})

# consume, transform, produce: exactly once
tx = Producer({**conf, "transactional.id": "ck-tx"})
tx.init_transactions()
source = Consumer({**conf, "group.id": "ck-eos", "auto.offset.reset": "earliest", "enable.auto.commit": False})
source.subscribe([topic])
done, batches = 0, 0
until = time.monotonic() + 90
while done < N and time.monotonic() < until:
    messages = [m for m in source.consume(500, 1.0) if not m.error()]
    if not messages:
        continue
    tx.begin_transaction()
    for m in messages:
        tx.produce(topic + "-out", value=m.value())
    tx.send_offsets_to_transaction(source.position(source.assignment()), source.consumer_group_metadata())
    batches += 1
    if batches == 2:
        tx.abort_transaction()
        for p in source.committed(source.assignment()):
            source.seek(TopicPartition(p.topic, p.partition, max(p.offset, 0)))
        continue
    tx.commit_transaction()
    done += len(messages)
source.close()
reader = Consumer({**conf, "group.id": "ck-read", "auto.offset.reset": "earliest",
                   "isolation.level": "read_committed"})
reader.subscribe([topic + "-out"])
values, quiet = [], 0
while quiet < 3:
    batch = [m.value() for m in reader.consume(1000, 1.0) if not m.error()]
    values += batch
    quiet = 0 if batch else quiet + 1
reader.close()
assert sorted(map(int, values)) == list(range(N)), (len(values), len(set(values)))

# a second producer of the same id fences the first
second = Producer({**conf, "transactional.id": "ck-tx"})
second.init_transactions()
try:
    tx.begin_transaction()
    tx.produce(topic + "-out", value="zombie")
    tx.commit_transaction()
    raise AssertionError("the fenced producer could commit")
except KafkaException as e:
    assert e.args[0].code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH,
                                KafkaError.PRODUCER_FENCED), e
