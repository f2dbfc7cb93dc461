/* txn/replay.c - the transactional ids as the internal topic tells them, and what is left to do. */
#include "txn/coordinator.h"

#include "log/replay.h"
#include "txn/records.h"

static int apply_record(void *arg, const struct batch_header *batch, const struct record *record,
			struct mr_error *err)
{
	struct txns *txns = arg;
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
	txns->topic = log_topic_find(broker_store(txns->broker), MR_STR(TXN_TOPIC));
	int rc = log_replay(txns->topic, apply_record, txns, err);
	if (rc == 0)
		take_up(txns);
	return rc;
}
