#include "txn/txn_fixture.h"

#include <stdlib.h>

void txn_fixture_init(struct txn_fixture *f, uint64_t seed)
{
	*f = (struct txn_fixture){0};
	sim_clock_init(&f->clock, 1700000000LL * 1000000);
	rng_seed(&f->rng, seed);
	f->disk = sim_disk_new(seed);
	f->env = (struct env){&f->clock.base, f->disk, &f->rng};
}

void txn_fixture_open(struct txn_fixture *f)
{
	struct mr_error err;
	struct log_store_options store = {
	    .env = &f->env, .dir = "data", .journal_bytes = 1 << 20, .manual = true};
	CHECK_OK(log_store_open(&store, &f->store, &err), err);
	struct broker_options broker = {.env = &f->env, .store = f->store};
	log_topic_config_default(&broker.topic_default);
	CHECK_OK(broker_new(&broker, &f->broker, &err), err);
	struct log_topic_config config;
	log_topic_config_default(&config);
	config.partitions = 2;
	struct log_topic *topic = log_topic_find(f->store, MR_STR("t"));
	if (!topic)
		CHECK_OK(log_topic_create(f->store, MR_STR("t"), &config, &topic, &err), err);
	for (int i = 0; i < 2; i++)
		f->partitions[i] = log_partition_at(topic, i);
	struct groups_options groups;
	groups_options_default(&groups);
	groups.env = &f->env;
	groups.broker = f->broker;
	groups.manual = true;
	CHECK_OK(groups_open(&groups, &f->groups, &err), err);
	struct txns_options txns;
	txns_options_default(&txns);
	txns.env = &f->env;
	txns.broker = f->broker;
	txns.groups = f->groups;
	txns.manual = true;
	CHECK_OK(txns_open(&txns, &f->txns, &err), err);
}

void txn_fixture_close(struct txn_fixture *f)
{
	txns_close(f->txns);
	groups_close(f->groups);
	broker_free(f->broker);
	log_store_close(f->store);
}

void txn_fixture_crash(struct txn_fixture *f)
{
	sim_disk_crash(f->disk);
	txns_close(f->txns);
	groups_close(f->groups);
	broker_free(f->broker);
	log_store_abandon(f->store);
	txn_fixture_open(f);
}

void txn_fixture_release(struct txn_fixture *f)
{
	sim_disk_free(f->disk);
}

void txn_fixture_round(struct txn_fixture *f)
{
	struct mr_error err;
	CHECK_OK(log_store_commit(f->store, &err), err);
	txns_tick(f->txns);
}

void txn_fixture_settle(struct txn_fixture *f)
{
	for (int i = 0; i < 6; i++)
		txn_fixture_round(f);
}

int txn_fixture_finish(struct txn_fixture *f, struct txn_ticket *ticket, struct txn_producer *who)
{
	txn_fixture_settle(f);
	CHECK(txn_ticket_done(f->txns, ticket));
	int code = ticket->code;
	if (code == TXN_OK && who) {
		who->producer_id = ticket->producer_id;
		who->epoch = ticket->epoch;
	}
	txn_ticket_drop(f->txns, ticket);
	return code;
}

struct txn_producer txn_fixture_start(struct txn_fixture *f, const char *id)
{
	struct txn_producer who = {mr_str_from(id), -1, -1};
	struct txn_ticket *ticket;
	int code = TXN_CONCURRENT;
	for (int i = 0; i < 3 && code == TXN_CONCURRENT; i++) {
		txns_start(f->txns, &who, 60000, &ticket);
		code = txn_fixture_finish(f, ticket, &who);
	}
	CHECK_INT(code, TXN_OK);
	return who;
}

int txn_fixture_add(struct txn_fixture *f, const struct txn_producer *who, int32_t partition)
{
	struct txn_partition_ref ref = {MR_STR("t"), partition};
	struct txn_ticket *ticket;
	txns_add(f->txns, who, &ref, 1, &ticket);
	return txn_fixture_finish(f, ticket, NULL);
}

int txn_fixture_end(struct txn_fixture *f, struct txn_producer *who, bool commit, bool bump)
{
	struct txn_ticket *ticket;
	txns_end(f->txns, who, commit, bump, &ticket);
	return txn_fixture_finish(f, ticket, who);
}

int64_t txn_fixture_write(struct txn_fixture *f, const struct txn_producer *who, int32_t partition,
			  int32_t sequence, const char *value)
{
	struct mr_error err;
	struct batch_writer w;
	mr_str batch;
	struct log_append append;
	batch_writer_init(&w, 0);
	batch_writer_start(&w);
	batch_writer_add(&w, 1000, MR_STR_NULL, mr_str_from(value), NULL, 0);
	CHECK_OK(batch_writer_finish(&w, BATCH_NONE, &batch, &err), err);
	struct batch_header from = {.attributes = BATCH_TRANSACTIONAL,
				    .producer_id = who->producer_id,
				    .producer_epoch = who->epoch,
				    .base_sequence = sequence};
	batch_writer_inherit(&w, &from, batch);
	int rc = log_append(f->partitions[partition], batch, &append, &err);
	batch_writer_release(&w);
	return rc != 0 ? -rc : append.base_offset;
}

void txn_fixture_committed(struct txn_fixture *f, int32_t partition, struct mr_buf *out)
{
	struct log_partition *p = f->partitions[partition];
	struct mr_buf bytes = {0};
	struct batch_iter it = {0};
	struct record record;
	struct mr_error err;
	CHECK_OK(log_read_committed(p, log_start_offset(p), 1 << 20, true, &bytes, NULL, &err), err);
	mr_str rest = mr_buf_view(&bytes);
	while (rest.len) {
		int64_t size = batch_size(rest, NULL);
		CHECK_OK(batch_iter_start(&it, mr_str_n(rest.ptr, (size_t)size), &err), err);
		while (batch_iter_next(&it, &record, &err) == 1) {
			mr_buf_str(out, record.value);
			mr_buf_char(out, ' ');
		}
		rest = mr_str_tail(rest, (size_t)size);
	}
	batch_iter_release(&it);
	mr_buf_release(&bytes);
}
