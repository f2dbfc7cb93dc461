// franz-go: produce with every codec, a group that commits, transactions.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	broker, topic := os.Args[1], os.Args[2]
	ctx, cancel := context.WithTimeout(context.Background(), 120*time.Second)
	defer cancel()
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(),
		kgo.Lz4Compression(), kgo.ZstdCompression()}
	sent := 0
	for _, codec := range codecs {
		client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ProducerBatchCompression(codec),
			kgo.AllowAutoTopicCreation())
		must(err)
		var records []*kgo.Record
		for i := 0; i < 200; i++ {
			records = append(records, &kgo.Record{Topic: topic, Key: []byte(fmt.Sprint(i % 5)),
				Value: []byte(fmt.Sprintf("%s %d", "value that compresses compresses", i))})
		}
		must(client.ProduceSync(ctx, records...).FirstErr())
		sent += len(records)
		client.Close()
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumerGroup("franz"), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	must(err)
	seen := 0
	for seen < sent {
		fetches := consumer.PollFetches(ctx)
		must(ctx.Err())
		for _, e := range fetches.Errors() {
			must(e.Err)
		}
		seen += fetches.NumRecords()
	}
	must(consumer.CommitUncommittedOffsets(ctx))
	consumer.Close()

	out := topic + "-tx"
	tx, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.TransactionalID("franz-tx"), kgo.AllowAutoTopicCreation())
	must(err)
	for _, step := range []struct {
		value string
		end   kgo.TransactionEndTry
	}{{"aborted", kgo.TryAbort}, {"committed", kgo.TryCommit}} {
		must(tx.BeginTransaction())
		must(tx.ProduceSync(ctx, &kgo.Record{Topic: out, Value: []byte(step.value)}).FirstErr())
		must(tx.EndTransaction(ctx, step.end))
	}
	tx.Close()
	reader, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(out),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	must(err)
	fetches := reader.PollFetches(ctx)
	var values []string
	fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	if len(values) != 1 || values[0] != "committed" {
		must(fmt.Errorf("read_committed read %v", values))
	}
	reader.Close()
}
