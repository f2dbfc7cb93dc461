/* A topic's whole content in order: over partitions, more than one read holds, and stopped early. */
#include "log/replay.h"

#include "log_kit.h"

struct seen {
	int64_t records, next_offset, stop_at;
};

static int look(void *arg, const struct batch_header *batch, const struct record *record,
		struct mr_error *err)
{
	struct seen *seen = arg;
	if (record->offset == 0)
		seen->next_offset = 0; /* another partition begins */
	CHECK_INT(record->offset, seen->next_offset++);
	CHECK(record->offset >= batch->base_offset);
	return ++seen->records == seen->stop_at
		   ? mr_fail(err, MR_ERR_CORRUPT, "record %d", (int)seen->records)
		   : 0;
}

TEST(log_replay_tells_every_record_once)
{
	struct mr_error err;
	struct log_store *store = kit_open(test_folder());
	struct log_topic *topic = kit_topic(store, "t", 2);
	struct seen seen = {0};
	CHECK_OK(log_replay(NULL, look, &seen, &err), err);
	CHECK_OK(log_replay(topic, look, &seen, &err), err);
	CHECK_INT(seen.records, 0);
	for (int i = 0; i < 30; i++) { /* about 3 MiB in each partition */
		for (int32_t p = 0; p < 2; p++) {
			struct log_append append;
			struct mr_buf batch = kit_batch("r", 100, 1000, 1000);
			CHECK_OK(log_append(log_partition_at(topic, p), mr_buf_view(&batch), &append, &err),
				 err);
			CHECK_OK(log_wait_stable(log_partition_at(topic, p), append.next_offset, 10000, &err),
				 err);
			mr_buf_release(&batch);
		}
	}
	CHECK_OK(log_replay(topic, look, &seen, &err), err);
	CHECK_INT(seen.records, 6000);
	seen = (struct seen){.stop_at = 1234};
	CHECK_INT(log_replay(topic, look, &seen, &err), MR_ERR_CORRUPT);
	CHECK_INT(seen.records, 1234);
	CHECK_STR(mr_str_from(err.message), "reading t: record 1234");
	log_store_close(store);
}
