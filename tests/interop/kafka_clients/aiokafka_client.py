"""aiokafka: produce, a group, transactions."""
import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

broker, topic = sys.argv[1:]


async def main():
    producer = AIOKafkaProducer(bootstrap_servers=broker, acks="all", enable_idempotence=True)
    await producer.start()
    for i in range(300):
        await producer.send(topic, b"%d" % i)
    await producer.stop()

    consumers = [AIOKafkaConsumer(topic, bootstrap_servers=broker, group_id="aio", auto_offset_reset="earliest")
                 for _ in range(2)]
    seen = set()
    for c in consumers:
        await c.start()
    for _ in range(60):
        for c in consumers:
            for batch in (await c.getmany(timeout_ms=300)).values():
                seen |= {r.value for r in batch}
        if len(seen) == 300:
            break
    assert len(seen) == 300, len(seen)
    await consumers[0].commit()
    for c in consumers:
        await c.stop()

    tx = AIOKafkaProducer(bootstrap_servers=broker, transactional_id="aio-tx")
    await tx.start()
    async with tx.transaction():
        await tx.send_and_wait(topic + "-tx", b"committed")
    try:
        async with tx.transaction():
            await tx.send_and_wait(topic + "-tx", b"aborted")
            raise ValueError("on purpose")
    except ValueError:
        pass
    await tx.stop()
    reader = AIOKafkaConsumer(topic + "-tx", bootstrap_servers=broker, auto_offset_reset="earliest",
                              isolation_level="read_committed")
    await reader.start()
    values = []
    for _ in range(10):
        for batch in (await reader.getmany(timeout_ms=500)).values():
            values += [r.value for r in batch]
    await reader.stop()
    assert values == [b"committed"], values


asyncio.run(main())
