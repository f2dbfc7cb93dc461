"""kafka-python: every codec, keys and headers, a group of two, transactions."""
import sys
import threading
import time

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

broker, topic = sys.argv[1:]
admin = KafkaAdminClient(bootstrap_servers=broker)
admin.create_topics([NewTopic(topic, num_partitions=4, replication_factor=1)])

sent = 0
for codec in (None, "gzip", "lz4"):
    producer = KafkaProducer(bootstrap_servers=broker, acks="all", compression_type=codec)
    for i in range(500):
        producer.send(topic, key=b"k%d" % (i % 7), value=b"%s %d" % (str(codec).encode(), i), headers=[("h", b"v")])
        sent += 1
    producer.flush(30)
    producer.close()

seen, lock = set(), threading.Lock()
parts = [set(), set()]


def consume(me):
    consumer = KafkaConsumer(topic, bootstrap_servers=broker, group_id="kp", auto_offset_reset="earliest",
                             session_timeout_ms=10000, consumer_timeout_ms=500)
    until = time.monotonic() + 60
    while time.monotonic() < until and len(seen) < sent:
        for batch in consumer.poll(200).values():
            for record in batch:
                with lock:
                    seen.add((record.partition, record.offset))
                assert record.headers[0][0] == "h" and record.key.startswith(b"k")
        parts[me] |= {p.partition for p in consumer.assignment()}
    # both are there: the partitions are shared
    while time.monotonic() < until and not all(parts):
        consumer.poll(200)
        parts[me] = {p.partition for p in consumer.assignment()} or parts[me]
    consumer.commit()
    consumer.close()


threads = [threading.Thread(target=consume, args=(i,)) for i in range(2)]
for t in threads:
    t.start()
for t in threads:
    t.join()
assert len(seen) == sent, (len(seen), sent)
assert all(parts), parts

producer = KafkaProducer(bootstrap_servers=broker, transactional_id="kp-tx")
producer.init_transactions()
producer.begin_transaction()
producer.send(topic + "-tx", b"aborted")
producer.flush()
producer.abort_transaction()
producer.begin_transaction()
producer.send(topic + "-tx", b"committed")
producer.commit_transaction()
producer.close()
consumer = KafkaConsumer(topic + "-tx", bootstrap_servers=broker, auto_offset_reset="earliest",
                         isolation_level="read_committed", consumer_timeout_ms=5000)
values = [r.value for r in consumer]
assert values == [b"committed"], values
