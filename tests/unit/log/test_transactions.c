/* Transactions of a partition: the last stable offset, what read_committed sees, .txnindex, restarts;
 * random histories against a model that keeps them in plain arrays. */
#include "log_kit.h"

#include "base/mem.h"
#include "env/disk_sim.h"
#include "log/transactions.h"

#include <unistd.h>

static int64_t add(struct log_partition *p, int64_t producer, int16_t epoch, int32_t sequence,
		   const char *tag, bool transactional)
{
	struct mr_error err;
	struct batch_writer w;
	mr_str batch;
	struct log_append append;
	batch_writer_init(&w, 0);
	batch_writer_start(&w);
	batch_writer_add(&w, 1000, MR_STR_NULL, mr_str_from(tag), NULL, 0);
	CHECK_OK(batch_writer_finish(&w, BATCH_NONE, &batch, &err), err);
	struct batch_header from = {.attributes = transactional ? BATCH_TRANSACTIONAL : 0,
				    .producer_id = producer,
				    .producer_epoch = epoch,
				    .base_sequence = sequence};
	batch_writer_inherit(&w, &from, batch);
	int rc = log_append(p, batch, &append, &err);
	batch_writer_release(&w);
	return rc != 0 ? -rc : append.base_offset;
}

static int64_t mark(struct log_partition *p, int64_t producer, int16_t epoch, bool commit)
{
	struct log_append append;
	int rc = log_append_marker(p, producer, epoch, commit, 0, &append, NULL);
	return rc != 0 ? -rc : append.base_offset;
}

static void settle(struct log_partition *p)
{
	struct mr_error err;
	CHECK_OK(log_wait_stable(p, log_end_offset(p), 10000, &err), err);
}

/* The values that log_read_committed gives, in pieces of `step` bytes. */
static struct mr_buf committed(struct log_partition *p, int64_t offset, size_t step)
{
	struct mr_buf text = {0}, bytes = {0};
	struct batch_iter it = {0};
	struct record record;
	struct mr_error err;
	int64_t next = offset;
	do {
		offset = next;
		mr_buf_clear(&bytes);
		CHECK_OK(log_read_committed(p, offset, step, true, &bytes, &next, &err), err);
		mr_str rest = mr_buf_view(&bytes);
		while (rest.len) {
			int64_t size = batch_size(rest, NULL);
			CHECK(size > 0);
			CHECK_OK(batch_iter_start(&it, mr_str_n(rest.ptr, (size_t)size), &err), err);
			while (batch_iter_next(&it, &record, &err) == 1) {
				mr_buf_str(&text, record.value);
				mr_buf_char(&text, ' ');
			}
			rest = mr_str_tail(rest, (size_t)size);
		}
	} while (next > offset);
	CHECK_INT(next, log_last_stable_offset(p));
	batch_iter_release(&it);
	mr_buf_release(&bytes);
	return text;
}

#define CHECK_COMMITTED(p, want) \
	do { \
		struct mr_buf values_ = committed(p, 0, 1 << 20); \
		CHECK_STR(mr_buf_view(&values_), want); \
		mr_buf_release(&values_); \
	} while (0)

TEST(log_transactions_hide_what_is_not_committed)
{
	struct log_store *store = kit_open(test_folder());
	struct log_partition *p = log_partition_at(kit_topic(store, "t", 1), 0);
	CHECK_INT(add(p, 1, 0, 0, "a", true), 0);
	CHECK_INT(add(p, 2, 0, 0, "b", true), 1);
	CHECK_INT(kit_append(p, "plain", 1), 2);
	settle(p);
	CHECK_INT(log_last_stable_offset(p), 0);
	CHECK(log_in_transaction(p, 1, 0) && !log_in_transaction(p, 3, 0) && !log_in_transaction(p, 1, 1));
	CHECK_COMMITTED(p, "");
	CHECK_INT(mark(p, 2, 0, false), 3);
	settle(p);
	CHECK_INT(log_last_stable_offset(p), 0);
	CHECK_INT(mark(p, 1, 0, true), 4);
	settle(p);
	CHECK_INT(log_last_stable_offset(p), 5);
	CHECK_COMMITTED(p, "a plain.0 ");
	struct log_aborted *aborted;
	CHECK_INT(log_aborted(p, 0, 5, &aborted), 1);
	CHECK_INT(aborted[0].producer_id, 2);
	CHECK_INT(aborted[0].first_offset, 1);
	CHECK_INT(aborted[0].last_offset, 3);
	free(aborted);
	CHECK_INT(log_aborted(p, 4, 5, &aborted), 0);
	free(aborted);
	CHECK_INT(log_aborted(p, 0, 1, &aborted), 0);
	free(aborted);
	log_store_close(store);
}

TEST(log_markers_fence_old_epochs)
{
	struct log_store *store = kit_open(test_folder());
	struct log_partition *p = log_partition_at(kit_topic(store, "t", 1), 0);
	CHECK_INT(add(p, 1, 3, 0, "a", true), 0);
	CHECK_INT(add(p, 1, 3, 1, "b", false), -LOG_BAD_TXN_STATE);
	CHECK_INT(mark(p, 1, 2, true), -LOG_BAD_EPOCH);
	CHECK_INT(mark(p, 1, 4, false), 1);
	CHECK_INT(add(p, 1, 3, 1, "b", true), -LOG_BAD_EPOCH);
	CHECK_INT(add(p, 1, 4, 1, "b", true), -LOG_BAD_SEQUENCE);
	CHECK_INT(add(p, 1, 4, 0, "c", true), 2);
	CHECK_INT(add(p, 1, 4, 0, "c", true), 2); /* a retry */
	CHECK_INT(add(p, 1, 4, -1, "coordinator", true), 3);
	settle(p);
	struct log_producer *producers;
	CHECK_INT(log_producers(p, &producers), 1);
	CHECK_INT(producers[0].epoch, 4);
	CHECK_INT(producers[0].last_sequence, 0);
	CHECK_INT(producers[0].coordinator_epoch, 0);
	CHECK_INT(producers[0].txn_first_offset, 2);
	free(producers);
	log_store_close(store);
}

TEST(log_transactions_that_a_fault_took_back)
{
	struct mr_error err;
	struct sim_clock clock;
	struct mr_rng rng;
	sim_clock_init(&clock, 1700000000LL * 1000000);
	rng_seed(&rng, 1);
	struct mr_disk *disk = sim_disk_new(1);
	struct env env = {&clock.base, disk, &rng};
	struct log_store_options options = {
	    .env = &env, .dir = "data", .journal_bytes = 1 << 20, .manual = true};
	struct log_store *store;
	CHECK_OK(log_store_open(&options, &store, &err), err);
	struct log_partition *p = log_partition_at(kit_topic(store, "t", 1), 0);
	CHECK_INT(add(p, 1, 0, 0, "a", true), 0);
	CHECK_OK(log_store_commit(store, &err), err);
	CHECK_INT(mark(p, 1, 0, false), 1);
	CHECK_INT(add(p, 2, 0, 0, "b", true), 2);
	CHECK(!log_in_transaction(p, 1, 0) && log_in_transaction(p, 2, 0));
	sim_disk_set_space(disk, 0);
	CHECK(log_store_commit(store, &err) < 0);
	CHECK(log_in_transaction(p, 1, 0) && !log_in_transaction(p, 2, 0));
	sim_disk_set_space(disk, -1);
	CHECK_INT(mark(p, 1, 0, true), -MR_ERR_NO_SPACE); /* fenced; asks for it to be mended */
	CHECK_OK(log_store_commit(store, &err), err);
	CHECK_INT(mark(p, 1, 0, true), 3);
	CHECK_OK(log_store_commit(store, &err), err);
	CHECK_COMMITTED(p, "a ");
	log_store_close(store);
	sim_disk_free(disk);
}

/* ---- restarts ---- */

static struct log_partition *reopen(struct log_store **store, const char *dir, bool crash)
{
	(crash ? log_store_abandon : log_store_close)(*store);
	*store = kit_open(dir);
	return log_partition_at(log_topic_find(*store, MR_STR("t")), 0);
}

static void check_restarted(struct log_partition *p)
{
	CHECK_COMMITTED(p, "a ");
	CHECK_INT(log_last_stable_offset(p), 4);
	CHECK(log_in_transaction(p, 3, 0));
	struct log_aborted *aborted;
	CHECK_INT(log_aborted(p, 0, 5, &aborted), 1);
	CHECK_INT(aborted[0].first_offset, 1);
	free(aborted);
}

TEST(log_transactions_survive_restarts)
{
	const char *dir = test_folder();
	struct log_store *store = kit_open(dir);
	struct log_partition *p = log_partition_at(kit_topic(store, "t", 1), 0);
	add(p, 1, 0, 0, "a", true);
	add(p, 2, 0, 0, "b", true);
	mark(p, 2, 0, false);
	mark(p, 1, 0, true);
	CHECK_INT(add(p, 3, 0, 0, "c", true), 4);
	settle(p);
	p = reopen(&store, dir, true);
	check_restarted(p);
	p = reopen(&store, dir, false);
	check_restarted(p);
	CHECK_INT(mark(p, 3, 0, true), 5);
	settle(p);
	p = reopen(&store, dir, true);
	CHECK_COMMITTED(p, "a c ");
	CHECK_INT(log_last_stable_offset(p), 6);
	log_store_close(store);
}

static size_t count_aborted(struct log_partition *p)
{
	struct log_aborted *aborted;
	size_t count = log_aborted(p, 0, INT64_MAX, &aborted);
	for (size_t i = 0; i < count; i++)
		CHECK(aborted[i].last_offset >= log_start_offset(p));
	free(aborted);
	return count;
}

/* What retention drops, it drops from the aborted index too, in memory and in files; a transaction that
 * began in what is gone holds readers at the start of what is left, not before it. */
TEST(log_transactions_go_with_retention)
{
	const char *dir = test_folder();
	struct mr_error err;
	struct log_store *store = kit_open(dir);
	struct log_topic_config config;
	struct log_topic *topic;
	log_topic_config_default(&config);
	config.segment_bytes = 64 << 10;
	config.retention_bytes = 256 << 10;
	CHECK_OK(log_topic_create(store, MR_STR("t"), &config, &topic, &err), err);
	struct log_partition *p = log_partition_at(topic, 0);
	char large[8001];
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = 0;
	CHECK_INT(add(p, 7, 0, 0, "open", true), 0);
	for (int i = 0; i < 200; i++) {
		CHECK(add(p, 1, 0, i, large, true) >= 0);
		CHECK(mark(p, 1, 0, false) >= 0);
		settle(p);
	}
	CHECK_INT(count_aborted(p), 200);
	CHECK_OK(log_store_retain(store, &err), err);
	size_t left = count_aborted(p);
	CHECK(left > 5 && left < 60);
	CHECK(log_start_offset(p) > 100);
	CHECK_INT(log_last_stable_offset(p), log_start_offset(p));
	for (int crash = 0; crash < 2; crash++) {
		p = reopen(&store, dir, crash);
		CHECK_INT(count_aborted(p), left);
	}
	CHECK(mark(p, 7, 0, false) >= 0);
	settle(p);
	CHECK_INT(log_last_stable_offset(p), log_end_offset(p));
	log_store_close(store);
}

TEST(log_txnindex_is_kafkas_and_is_made_again)
{
	const char *dir = test_folder();
	struct log_store *store = kit_open(dir);
	struct log_partition *p = log_partition_at(kit_topic(store, "t", 1), 0);
	add(p, 1, 0, 0, "a", true);
	add(p, 0x1122334455, 0, 0, "b", true);
	mark(p, 0x1122334455, 0, false);
	mark(p, 1, 0, true);
	settle(p);
	p = reopen(&store, dir, false);
	char *path = mr_asprintf("%s/log/t-0/00000000000000000000.txnindex", dir);
	static const uint8_t want[34] = {0, 0, 0, 0, 0, 0x11, 0x22, 0x33, 0x44, 0x55, 0, 0, 0, 0, 0, 0, 0,
					 1, 0, 0, 0, 0, 0,    0,    0,    2,    0,    0, 0, 0, 0, 0, 0, 0};
	size_t len;
	char *bytes = kit_read_file(path, &len);
	CHECK_INT(len, sizeof want);
	CHECK(memcmp(bytes, want, sizeof want) == 0);
	free(bytes);
	for (int damage = 0; damage < 4; damage++) {
		char garbled[34];
		memcpy(garbled, want, sizeof want);
		garbled[17] ^= damage == 1;
		if (damage == 2)
			CHECK_INT(unlink(path), 0);
		else
			kit_write_file(path, garbled, damage == 3 ? 20 : sizeof garbled);
		p = reopen(&store, dir, false);
		CHECK_COMMITTED(p, "a ");
		bytes = kit_read_file(path, &len);
		CHECK_INT(len, sizeof want);
		CHECK(memcmp(bytes, want, sizeof want) == 0);
		free(bytes);
	}
	free(path);
	log_store_close(store);
}

/* ---- a random history against a model ---- */

enum { PRODUCERS = 5, EVENTS = 400 };

struct model_batch {
	int producer; /* -1: none */
	int txn;      /* of `decided`; -1: none */
	char tag[16];
};

struct model {
	struct model_batch batches[EVENTS]; /* by offset: one record a batch */
	int8_t decided[EVENTS];             /* by transaction: 0 under way, 1 committed, 2 aborted */
	int txn_of[PRODUCERS];
	int32_t sequence[PRODUCERS];
	int txns, end;
};

static void model_expect(const struct model *m, struct mr_buf *out)
{
	for (int i = 0; i < m->end; i++) {
		const struct model_batch *b = &m->batches[i];
		if (b->txn >= 0 && m->decided[b->txn] == 0)
			return; /* the last stable offset */
		if (b->tag[0] && (b->txn < 0 || m->decided[b->txn] == 1)) {
			mr_buf_str(out, mr_str_from(b->tag));
			mr_buf_char(out, ' ');
		}
	}
}

static void model_step(struct model *m, struct log_partition *p, uint64_t dice)
{
	int who = (int)(dice % PRODUCERS);
	struct model_batch *b = &m->batches[m->end];
	*b = (struct model_batch){who, -1, ""};
	if (dice / 16 % 3 == 0 && m->txn_of[who] >= 0) {
		bool commit = dice / 64 % 2;
		CHECK_INT(mark(p, who, 0, commit), m->end);
		m->decided[m->txn_of[who]] = commit ? 1 : 2;
		m->txn_of[who] = -1;
	} else {
		if (m->txn_of[who] < 0)
			m->txn_of[who] = m->txns++;
		b->txn = m->txn_of[who];
		snprintf(b->tag, sizeof b->tag, "v%d", m->end);
		CHECK_INT(add(p, who, 0, m->sequence[who]++, b->tag, true), m->end);
	}
	m->end++;
}

TEST(log_transactions_random_history)
{
	const char *dir = test_folder();
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct log_store *store = kit_open(dir);
		struct mr_error err;
		struct log_topic_config config;
		log_topic_config_default(&config);
		struct log_topic *topic;
		if (log_topic_find(store, MR_STR("t")))
			CHECK_OK(log_topic_delete(store, MR_STR("t"), &err), err);
		CHECK_OK(log_topic_create(store, MR_STR("t"), &config, &topic, &err), err);
		struct log_partition *p = log_partition_at(topic, 0);
		struct model m = {0};
		for (int i = 0; i < PRODUCERS; i++)
			m.txn_of[i] = -1;
		uint64_t state = seed * 0x9e3779b97f4a7c15;
		while (m.end < EVENTS) {
			state = state * 6364136223846793005 + 1442695040888963407;
			uint64_t dice = state >> 33;
			model_step(&m, p, dice);
			if (dice / 128 % 23 == 0) {
				settle(p);
				p = reopen(&store, dir, dice / 4096 % 2);
				struct mr_buf want = {0}, got = committed(p, 0, 50 + dice % 900);
				model_expect(&m, &want);
				mr_buf_char(&want, '|');
				mr_buf_char(&got, '|');
				CHECK_STR(mr_buf_view(&got), want.ptr);
				mr_buf_release(&want);
				mr_buf_release(&got);
			}
		}
		log_store_close(store);
	}
}
