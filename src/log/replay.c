#include "log/replay.h"

#define READ_BYTES (1 << 20)

struct replay {
	log_replay_fn apply;
	void *arg;
	struct batch_iter it;
	struct mr_buf bytes;
};

static int replay_batch(struct replay *replay, mr_str batch, struct mr_error *err)
{
	struct record record;
	int rc = batch_iter_start(&replay->it, batch, err);
	while (rc == 0 && (rc = batch_iter_next(&replay->it, &record, err)) > 0)
		rc = replay->apply(replay->arg, &replay->it.header, &record, err);
	return rc;
}

static int replay_bytes(struct replay *replay, struct mr_error *err)
{
	mr_str rest = mr_buf_view(&replay->bytes);
	while (rest.len > 0) {
		int64_t size = batch_size(rest, err);
		if (size <= 0)
			return size < 0 ? (int)size : mr_fail(err, MR_ERR_CORRUPT, "half a batch was read");
		int rc = replay_batch(replay, mr_str_n(rest.ptr, (size_t)size), err);
		if (rc < 0)
			return rc;
		rest = mr_str_tail(rest, (size_t)size);
	}
	return 0;
}

static int replay_partition(struct replay *replay, struct log_partition *partition, struct mr_error *err)
{
	int64_t at = log_start_offset(partition);
	int rc = 0;
	while (rc == 0 && at < log_stable_offset(partition)) {
		mr_buf_clear(&replay->bytes);
		rc = log_read(partition, at, READ_BYTES, true, &replay->bytes, &at, err);
		if (rc == 0 && replay->bytes.len == 0)
			break;
		if (rc == 0)
			rc = replay_bytes(replay, err);
	}
	return rc;
}

int log_replay(struct log_topic *topic, log_replay_fn apply, void *arg, struct mr_error *err)
{
	struct replay replay = {.apply = apply, .arg = arg};
	int32_t count = topic ? log_topic_partition_count(topic) : 0;
	int rc = 0;
	for (int32_t i = 0; i < count && rc == 0; i++)
		rc = replay_partition(&replay, log_partition_at(topic, i), err);
	batch_iter_release(&replay.it);
	mr_buf_release(&replay.bytes);
	if (rc < 0) {
		mr_str name = log_topic_name(topic);
		return mr_error_wrap(err, rc, "reading %.*s", MR_FMT(name));
	}
	return 0;
}
