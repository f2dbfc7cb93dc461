// kafkajs: admin, produce with gzip, a group of two, transactions.
const { Kafka, CompressionTypes, logLevel } = require("kafkajs");

const [broker, topic] = process.argv.slice(2);
const kafka = new Kafka({ clientId: "interop", brokers: [broker], logLevel: logLevel.ERROR });

function assert(condition, message) {
  if (!condition) throw new Error(message);
}

async function until(done, seconds, what) {
  for (let i = 0; i < seconds * 10; i++) {
    if (done()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`not within ${seconds} s: ${what}`);
}

async function groups() {
  const seen = new Set();
  const shares = [0, 0];
  const consumers = [0, 1].map(() => kafka.consumer({ groupId: "js" }));
  for (const [i, consumer] of consumers.entries()) {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    consumer.on(consumer.events.GROUP_JOIN, (e) => {
      shares[i] = (e.payload.memberAssignment[topic] || []).length;
    });
    await consumer.run({ eachMessage: async ({ partition, message }) => seen.add(`${partition}/${message.offset}`) });
  }
  await until(() => seen.size === 500 && shares[0] === 2 && shares[1] === 2, 60, `500 seen (${seen.size}), 2+2 (${shares})`);
  for (const consumer of consumers) await consumer.disconnect();
}

async function transactions() {
  const producer = kafka.producer({ transactionalId: "js-tx", maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  const out = `${topic}-tx`;
  for (const [value, commit] of [["aborted", false], ["committed", true]]) {
    const transaction = await producer.transaction();
    await transaction.send({ topic: out, messages: [{ value }] });
    await (commit ? transaction.commit() : transaction.abort());
  }
  await producer.disconnect();
  const values = [];
  const consumer = kafka.consumer({ groupId: "js-tx-read" });
  await consumer.connect();
  await consumer.subscribe({ topic: out, fromBeginning: true });
  await consumer.run({ eachMessage: async ({ message }) => values.push(message.value.toString()) });
  await until(() => values.length > 0, 60, "the committed message");
  await consumer.disconnect();
  assert(values.join() === "committed", `read ${values}`);
}

async function main() {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 4 }, { topic: `${topic}-tx`, numPartitions: 1 }] });
  const producer = kafka.producer();
  await producer.connect();
  for (let batch = 0; batch < 5; batch++) {
    const messages = Array.from({ length: 100 }, (_, i) => ({ key: `k${i}`, value: `v${batch}-${i}` }));
    await producer.send({ topic, acks: -1, compression: batch % 2 ? CompressionTypes.GZIP : CompressionTypes.None, messages });
  }
  await producer.disconnect();
  await groups();
  const offsets = await admin.fetchOffsets({ groupId: "js", topics: [topic] });
  const sum = offsets[0].partitions.reduce((n, p) => n + Math.max(0, Number(p.offset)), 0);
  assert(sum === 500, `committed ${sum} of 500`);
  await transactions();
  await admin.disconnect();
}

main().then(
  () => process.exit(0),
  (e) => {
    console.error(e);
    process.exit(1);
  },
);
