// sarama: a synchronous producer, a consumer group, transactions.
package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type handler struct{ seen *atomic.Int64 }

func (handler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (h handler) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		s.MarkMessage(message, "")
		h.seen.Add(1)
	}
	return nil
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Producer.Return.Successes = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	return c
}

func transaction(broker, topic string) {
	c := config()
	c.Producer.Idempotent = true
	c.Producer.Transaction.ID = "sarama-tx"
	c.Net.MaxOpenRequests = 1
	producer, err := sarama.NewSyncProducer([]string{broker}, c)
	must(err)
	for _, value := range []string{"aborted", "committed"} {
		must(producer.BeginTxn())
		_, _, err = producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(value)})
		must(err)
		if value == "aborted" {
			must(producer.AbortTxn())
		} else {
			must(producer.CommitTxn())
		}
	}
	must(producer.Close())
	r := config()
	r.Consumer.IsolationLevel = sarama.ReadCommitted
	consumer, err := sarama.NewConsumer([]string{broker}, r)
	must(err)
	partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	must(err)
	select {
	case m := <-partition.Messages():
		if string(m.Value) != "committed" {
			must(fmt.Errorf("read_committed read %s", m.Value))
		}
	case <-time.After(30 * time.Second):
		must(fmt.Errorf("nothing was read"))
	}
}

func main() {
	broker, topic := os.Args[1], os.Args[2]
	producer, err := sarama.NewSyncProducer([]string{broker}, config())
	must(err)
	const count = 500
	for i := 0; i < count; i++ {
		_, _, err = producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(fmt.Sprint(i))})
		must(err)
	}
	must(producer.Close())
	group, err := sarama.NewConsumerGroup([]string{broker}, "sarama", config())
	must(err)
	var seen atomic.Int64
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	go func() {
		for ctx.Err() == nil && seen.Load() < count {
			time.Sleep(50 * time.Millisecond)
		}
		cancel()
	}()
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{topic}, handler{&seen}); err != nil && ctx.Err() == nil {
			must(err)
		}
	}
	must(group.Close())
	if seen.Load() != count {
		must(fmt.Errorf("saw %d of %d", seen.Load(), count))
	}
	transaction(broker, topic+"-tx")
}
