// A Kafka Streams word count, exactly once: a group, a repartition topic, a changelog, transactions.
import java.nio.file.Files;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;

public class WordCount {
    public static void main(String[] args) throws Exception {
        String broker = args[0], topic = args[1];
        Properties p = new Properties();
        p.put("bootstrap.servers", broker);
        try (Admin admin = Admin.create(p)) {
            admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1), new NewTopic(topic + "-counts", 1, (short) 1))).all().get();
        }
        try (KafkaProducer<String, String> out = new KafkaProducer<>(p, new StringSerializer(), new StringSerializer())) {
            for (int i = 0; i < 300; i++)
                out.send(new ProducerRecord<>(topic, "the mill " + (i % 3 == 0 ? "race" : "wheel")));
        }
        p.put("application.id", topic + "-app");
        p.put("processing.guarantee", "exactly_once_v2");
        p.put("commit.interval.ms", "200");
        p.put("state.dir", Files.createTempDirectory("streams").toString());
        p.put("default.key.serde", Serdes.StringSerde.class.getName());
        p.put("default.value.serde", Serdes.StringSerde.class.getName());
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream(topic)
            .flatMapValues(line -> Arrays.asList(line.split(" ")))
            .groupBy((key, word) -> word)
            .count()
            .toStream()
            .to(topic + "-counts", Produced.with(Serdes.String(), Serdes.Long()));
        Map<String, Long> want = Map.of("the", 300L, "mill", 300L, "race", 100L, "wheel", 200L), counts = new HashMap<>();
        try (KafkaStreams streams = new KafkaStreams(builder.build(), p)) {
            streams.start();
            Properties c = new Properties();
            c.put("bootstrap.servers", broker);
            c.put("group.id", topic + "-reader");
            c.put("auto.offset.reset", "earliest");
            c.put("isolation.level", "read_committed");
            try (KafkaConsumer<String, Long> reader = new KafkaConsumer<>(c, new StringDeserializer(), new LongDeserializer())) {
                reader.subscribe(List.of(topic + "-counts"));
                long until = System.nanoTime() + 90_000_000_000L;
                while (!counts.equals(want) && System.nanoTime() < until)
                    reader.poll(Duration.ofMillis(200)).forEach(r -> counts.merge(r.key(), r.value(), Math::max));
            }
            streams.close(Duration.ofSeconds(10));
        }
        if (!counts.equals(want))
            throw new AssertionError("counted " + counts);
        System.exit(0);
    }
}
