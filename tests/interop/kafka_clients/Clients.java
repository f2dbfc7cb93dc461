// Kafka's Java client: groups of both protocols, a transaction that carries offsets, the admin client.
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

public class Clients {
    static String broker;

    static Properties props(String... pairs) {
        Properties p = new Properties();
        p.put("bootstrap.servers", broker);
        for (int i = 0; i < pairs.length; i += 2)
            p.put(pairs[i], pairs[i + 1]);
        return p;
    }

    static KafkaProducer<String, String> producer(String... pairs) {
        return new KafkaProducer<>(props(pairs), new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(String... pairs) {
        return new KafkaConsumer<>(props(pairs), new StringDeserializer(), new StringDeserializer());
    }

    static void check(boolean ok, String what) {
        if (!ok)
            throw new AssertionError(what);
    }

    static void group(String topic, String protocol, int count) {
        String[] settings = {"group.id", "java-" + protocol, "group.protocol", protocol, "auto.offset.reset", "earliest",
                             "enable.auto.commit", "false"};
        Set<String> seen = new HashSet<>();
        try (KafkaConsumer<String, String> a = consumer(settings); KafkaConsumer<String, String> b = consumer(settings)) {
            a.subscribe(List.of(topic));
            b.subscribe(List.of(topic));
            long until = System.nanoTime() + 60_000_000_000L;
            while (System.nanoTime() < until && !(seen.size() == count && a.assignment().size() == 2 && b.assignment().size() == 2))
                for (KafkaConsumer<String, String> c : List.of(a, b))
                    for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(100)))
                        seen.add(r.partition() + "/" + r.offset());
            check(a.assignment().size() == 2 && b.assignment().size() == 2, protocol + ": the members share the partitions");
            check(seen.size() == count, protocol + ": saw " + seen.size() + " of " + count);
            a.commitSync();
            b.commitSync();
        }
    }

    /** Polls until all partitions have one owner among the members for a while. */
    static void settle(Collection<KafkaConsumer<String, String>> members, Set<String> seen, int partitions, String what) {
        long until = System.nanoTime() + 90_000_000_000L;
        for (int quiet = 0; quiet < 10;) {
            check(System.nanoTime() < until, what + ": the group does not settle");
            List<TopicPartition> owned = new ArrayList<>();
            for (KafkaConsumer<String, String> c : members) {
                for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(50)))
                    seen.add(r.partition() + "/" + r.offset());
                owned.addAll(c.assignment());
            }
            quiet = owned.size() == partitions && new HashSet<>(owned).size() == partitions ? quiet + 1 : 0;
        }
    }

    /** Member by member from one protocol to the other and back: the group is never stopped. */
    static void roll(String topic, int count, Class<?> assignor) throws Exception {
        String name = "java-roll-" + assignor.getSimpleName();
        Set<String> seen = new HashSet<>();
        List<KafkaConsumer<String, String>> members = new ArrayList<>(Arrays.asList(null, null));
        String[] common = {"group.id", name, "auto.offset.reset", "earliest", "enable.auto.commit", "false",
                           "heartbeat.interval.ms", "500"};
        try (Admin admin = Admin.create(props())) {
            for (String protocol : List.of("classic", "consumer", "classic")) {
                List<String> settings = new ArrayList<>(List.of(common));
                settings.addAll(List.of("group.protocol", protocol));
                if (protocol.equals("classic"))
                    settings.addAll(List.of("partition.assignment.strategy", assignor.getName()));
                else
                    settings.subList(6, 8).clear(); /* the broker decides about heartbeats */
                for (int i = 0; i < members.size(); i++) {
                    if (members.get(i) != null) {
                        members.get(i).commitSync();
                        members.get(i).close();
                    }
                    members.set(i, consumer(settings.toArray(new String[0])));
                    members.get(i).subscribe(List.of(topic));
                    settle(members.stream().filter(Objects::nonNull).toList(), seen, 4, name + " " + protocol + " " + i);
                }
                String type = admin.describeConsumerGroups(List.of(name)).all().get().get(name).type().toString();
                check(type.equalsIgnoreCase(protocol), name + " is " + type + ", all members speak " + protocol);
            }
        }
        for (KafkaConsumer<String, String> m : members) {
            m.commitSync();
            m.close();
        }
        check(seen.size() == count, name + ": saw " + seen.size() + " of " + count);
    }

    static void exactlyOnce(String topic, int count) {
        String out = topic + "-out";
        int done = 0;
        try (KafkaProducer<String, String> tx = producer("transactional.id", "java-tx");
             KafkaConsumer<String, String> source = consumer("group.id", "java-eos", "auto.offset.reset", "earliest",
                                                             "enable.auto.commit", "false", "max.poll.records", "200")) {
            tx.initTransactions();
            source.subscribe(List.of(topic));
            long until = System.nanoTime() + 60_000_000_000L;
            for (int batch = 0; done < count && System.nanoTime() < until;) {
                ConsumerRecords<String, String> records = source.poll(Duration.ofMillis(500));
                if (records.isEmpty())
                    continue;
                tx.beginTransaction();
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                for (ConsumerRecord<String, String> r : records) {
                    tx.send(new ProducerRecord<>(out, r.value()));
                    offsets.put(new TopicPartition(r.topic(), r.partition()), new OffsetAndMetadata(r.offset() + 1));
                }
                tx.sendOffsetsToTransaction(offsets, source.groupMetadata());
                if (batch++ == 1) {
                    tx.abortTransaction();
                    for (TopicPartition p : source.assignment()) {
                        OffsetAndMetadata at = source.committed(Set.of(p)).get(p);
                        source.seek(p, at == null ? 0 : at.offset());
                    }
                    continue;
                }
                tx.commitTransaction();
                done += records.count();
            }
        }
        Set<String> values = new HashSet<>();
        int read = 0;
        try (KafkaConsumer<String, String> reader = consumer("group.id", "java-read", "auto.offset.reset", "earliest",
                                                             "isolation.level", "read_committed")) {
            reader.subscribe(List.of(out));
            for (int quiet = 0; quiet < 4;) {
                ConsumerRecords<String, String> records = reader.poll(Duration.ofMillis(500));
                quiet = records.isEmpty() ? quiet + 1 : 0;
                read += records.count();
                records.forEach(r -> values.add(r.value()));
            }
        }
        check(values.size() == count && read == count, "exactly once: " + read + " read, " + values.size() + " different");
    }

    public static void main(String[] args) throws Exception {
        broker = args[0];
        String topic = args[1];
        int count = 2000;
        try (Admin admin = Admin.create(props())) {
            admin.createTopics(List.of(new NewTopic(topic, 4, (short) 1), new NewTopic(topic + "-out", 2, (short) 1))).all().get();
            check(admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size() == 4, "4 partitions");
        }
        try (KafkaProducer<String, String> p = producer("compression.type", "snappy", "linger.ms", "5")) {
            for (int i = 0; i < count; i++)
                p.send(new ProducerRecord<>(topic, "k" + i % 20, "v" + i));
            p.flush();
        }
        group(topic, "classic", count);
        group(topic, "consumer", count);
        roll(topic, count, RangeAssignor.class);
        roll(topic, count, CooperativeStickyAssignor.class);
        exactlyOnce(topic, count);
        System.exit(0);
    }
}
