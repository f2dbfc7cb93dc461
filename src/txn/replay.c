/* txn/replay.c - the transactional ids as the internal topic tells them, and what is left to do. */
#include "txn/coordinator.h"

#include "txn/records.h"

#define READ_BYTES (1 << 20)

static int apply_record(struct txns *txns, const struct record *record, struct mr_error *err)
{
	mr_str id;
	int rc = txn_key_read(record->key, &id, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	struct txn_entry *entry = entry_find(txns, id);
	if (entry)
		entry_free(txns, entry); /* the last one counts */
	if (!record->value.ptr)
		return 0;
	return txn_value_read(record->value, &entry_make(txns, id)->machine, err);
}

static int apply_batch(struct txns *txns, struct batch_iter *it, mr_str batch, struct mr_error *err)
{
	struct record record;
	int rc = batch_iter_start(it, batch, err);
	while (rc == 0 && (rc = batch_iter_next(it, &record, err)) > 0)
		rc = apply_record(txns, &record, err);
	return rc;
}

static int replay_partition(struct txns *txns, struct log_partition *partition, struct batch_iter *it,
			    struct mr_error *err)
{
	struct mr_buf bytes = {0};
	int64_t at = log_start_offset(partition);
	int rc = 0;
	while (rc == 0 && at < log_stable_offset(partition)) {
		mr_buf_clear(&bytes);
		rc = log_read(partition, at, READ_BYTES, true, &bytes, &at, err);
		mr_str rest = mr_buf_view(&bytes);
		while (rc == 0 && rest.len > 0) {
			int64_t size = batch_size(rest, err);
			rc = size < 0 ? (int)size
				      : apply_batch(txns, it, mr_str_n(rest.ptr, (size_t)size), err);
			rest = mr_str_tail(rest, (size_t)mr_max_i64(size, 1));
		}
		if (bytes.len == 0)
			break;
	}
	mr_buf_release(&bytes);
	return rc;
}

/* What was prepared is ended as it was decided; what was under way has what is left of its time. */
static void take_up(struct txns *txns)
{
	mr_map_each (&txns->by_id, each) {
		struct txn_entry *entry = each->value;
		entry_set_deadline(txns, entry, 0);
		if (machine_is_prepared(&entry->machine)) {
			drive_begin_markers(txns, entry);
			coordinator_make_busy(txns, entry);
		}
	}
}

int txns_replay(struct txns *txns, struct mr_error *err)
{
	struct batch_iter it = {0};
	txns->topic = log_topic_find(broker_store(txns->broker), MR_STR(TXN_TOPIC));
	int32_t count = txns->topic ? log_topic_partition_count(txns->topic) : 0;
	int rc = 0;
	for (int32_t i = 0; i < count && rc == 0; i++)
		rc = replay_partition(txns, log_partition_at(txns->topic, i), &it, err);
	batch_iter_release(&it);
	if (rc < 0)
		return mr_error_wrap(err, rc, "reading " TXN_TOPIC);
	take_up(txns);
	return 0;
}
