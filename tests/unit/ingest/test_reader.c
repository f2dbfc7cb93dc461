/* Reading a topic's records: what a transaction did not commit is not seen, and not in the way. */
#include "codec/batch.h"
#include "ingest/reader.h"
#include "log/transactions.h"
#include "test.h"

static void add(struct log_partition *p, int64_t producer, int32_t sequence, const char *tag)
{
	struct mr_error err;
	struct batch_writer w;
	mr_str batch;
	struct log_append append;
	batch_writer_init(&w, 0);
	batch_writer_start(&w);
	batch_writer_add(&w, 1000, MR_STR_NULL, mr_str_from(tag), NULL, 0);
	CHECK_OK(batch_writer_finish(&w, BATCH_NONE, &batch, &err), err);
	struct batch_header from = {.attributes = producer < 0 ? 0 : BATCH_TRANSACTIONAL,
				    .producer_id = producer,
				    .base_sequence = sequence};
	batch_writer_inherit(&w, &from, batch);
	CHECK_OK(log_append(p, batch, &append, &err), err);
	batch_writer_release(&w);
}

static void mark(struct log_partition *p, int64_t producer, bool commit)
{
	struct mr_error err;
	struct log_append append;
	CHECK_OK(log_append_marker(p, producer, 0, commit, 0, &append, &err), err);
	CHECK_OK(log_wait_stable(p, append.next_offset, 10000, &err), err);
}

static void check_range(struct log_store *store, int64_t from, int64_t to, const char *want)
{
	struct mr_error err;
	struct topic_range range = {.partition = 0, .from = from, .to = to};
	struct topic_reader *reader;
	struct arena arena = {0};
	struct mr_buf text = {0};
	struct record record;
	int32_t partition;
	int rc;
	CHECK_OK(topic_reader_open(store, MR_STR("t"), &range, 1, &reader, &err), err);
	while ((rc = topic_reader_next(reader, &arena, &record, &partition, &err)) > 0) {
		if (rc == READER_RECORD) {
			mr_buf_str(&text, record.value);
			mr_buf_char(&text, ' ');
		}
	}
	CHECK_OK(rc, err);
	mr_buf_char(&text, '|');
	CHECK_STR(mr_buf_view(&text), want);
	topic_reader_close(reader);
	mr_buf_release(&text);
	arena_release(&arena);
}

TEST(topic_reader_sees_what_was_committed)
{
	struct mr_error err;
	struct log_store_options options = {.env = env_linux(), .dir = test_folder()};
	struct log_store *store;
	struct log_topic *topic;
	struct log_topic_config config;
	log_topic_config_default(&config);
	CHECK_OK(log_store_open(&options, &store, &err), err);
	CHECK_OK(log_topic_create(store, MR_STR("t"), &config, &topic, &err), err);
	struct log_partition *p = log_partition_at(topic, 0);
	add(p, 1, 0, "aborted");
	add(p, 2, 0, "committed");
	add(p, -1, -1, "plain");
	mark(p, 1, false);
	mark(p, 2, true);
	add(p, 1, 1, "aborted");
	mark(p, 1, false);
	check_range(store, 0, 7, "committed plain |");
	check_range(store, 0, 2, "committed |");
	check_range(store, 5, 7, "|");
	check_range(store, 2, 6, "plain |");
	log_store_close(store);
}
