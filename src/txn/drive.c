/* txn/drive.c - what follows from a change: it is written, markers are, and then the next change.
 *
 *   proposed ─append─► written ─stable─► settled ─┬─ Prepare: markers ─all stable─► Complete proposed
 *       ▲                 │ a fault took it back  └─ else: answer
 *       └─────────────────┘ (undone; Complete and time-outs are proposed anew)
 */
#include "txn/coordinator.h"

#include "log/transactions.h"
#include "txn/records.h"

#include <stdlib.h>

#define COORDINATOR_EPOCH 0

int drive_ensure_topic(struct txns *txns, struct mr_error *err)
{
	struct log_store *store = broker_store(txns->broker);
	txns->topic = log_topic_find(store, MR_STR(TXN_TOPIC));
	if (txns->topic)
		return 0;
	struct log_topic_config config;
	log_topic_config_default(&config);
	config.retention_ms = -1;
	config.segment_bytes = 100 << 20; /* transaction.state.log.segment.bytes */
	config.cleanup_policy = LOG_CLEANUP_COMPACT;
	return log_topic_create(store, MR_STR(TXN_TOPIC), &config, &txns->topic, err);
}

void drive_answer(struct txns *txns, struct txn_entry *entry, int code)
{
	struct txn_ticket *ticket = entry->ticket;
	if (!ticket)
		return;
	ticket->code = code;
	ticket->producer_id = entry->machine.now.producer_id;
	ticket->epoch = entry->machine.now.epoch;
	ticket->done = true;
	ticket->held_by = NULL;
	entry->ticket = NULL;
	entry->ticket_ends = false;
	if (txns->answered)
		txns->answered(txns->answered_arg, ticket);
}

/* ---- changes ---- */

static int append_change(struct txns *txns, struct txn_entry *entry, struct mr_error *err)
{
	bool forget = entry->machine.next.state == TXN_DEAD;
	mr_str batch;
	struct log_append append;
	mr_buf_clear(&txns->key);
	mr_buf_clear(&txns->value);
	txn_key_write(mr_str_from(entry->id), &txns->key);
	txn_value_write(&entry->machine, &txns->value);
	batch_writer_start(&txns->batch);
	batch_writer_add(&txns->batch, clock_wall_ms(txns->env->clock), mr_buf_view(&txns->key),
			 forget ? MR_STR_NULL : mr_buf_view(&txns->value), NULL, 0);
	int rc = drive_ensure_topic(txns, err);
	if (rc == 0)
		rc = batch_writer_finish(&txns->batch, BATCH_NONE, &batch, err);
	if (rc == 0)
		rc = log_append(log_partition_at(txns->topic, 0), batch, &append, err);
	if (rc == 0)
		entry->written = append.next_offset;
	return rc;
}

/* The disk refuses. What the coordinator does of itself is proposed again by and by. */
static void undo(struct txns *txns, struct txn_entry *entry)
{
	machine_undo(&entry->machine);
	entry->written = -1;
	if (!entry->ticket_ends || !machine_is_prepared(&entry->machine))
		drive_answer(txns, entry, TXN_NOT_AVAILABLE);
	entry_set_deadline(txns, entry, COORDINATOR_RETRY_MS);
}

void drive_change(struct txns *txns, struct txn_entry *entry)
{
	entry->written = -1;
	coordinator_make_busy(txns, entry);
	int rc = append_change(txns, entry, NULL);
	if (rc != 0 && rc != MR_ERR_BUSY)
		undo(txns, entry);
}

/* ---- markers ---- */

void drive_begin_markers(struct txns *txns, struct txn_entry *entry)
{
	struct log_store *store = broker_store(txns->broker);
	entry->markers.len = 0;
	entry->ends_offsets = false;
	for (size_t i = 0; i < entry->machine.partitions.len; i++) {
		const struct txn_partition *p = &entry->machine.partitions.items[i];
		struct log_topic *topic = log_topic_find(store, mr_str_from(p->topic));
		struct txn_marker marker = {.next_offset = -1};
		marker.partition = topic ? log_partition_at(topic, p->index) : NULL;
		entry->ends_offsets |= strcmp(p->topic, GROUP_TOPIC) == 0;
		marker.safe = !marker.partition; /* the topic is deleted: there is nothing to end */
		mr_vec_push(&entry->markers, marker);
	}
}

/* True when it has to be tried again without news from the log. */
static bool drive_marker(const struct txn_machine *m, struct txn_marker *marker)
{
	struct log_append append;
	if (marker->next_offset >= 0) {
		int state = log_append_state(marker->partition, marker->next_offset, NULL);
		marker->safe = state == 0 || state == MR_ERR_NOT_FOUND;
		if (state >= 0 || marker->safe)
			return false;
		marker->next_offset = -1; /* a fault took it back */
	}
	int rc = log_append_marker(marker->partition, m->now.producer_id, m->now.epoch,
				   m->now.state == TXN_PREPARE_COMMIT, COORDINATOR_EPOCH, &append, NULL);
	if (rc == 0)
		marker->next_offset = append.next_offset;
	/* A newer epoch is there: another marker has ended it. */
	marker->safe = rc == MR_ERR_NOT_FOUND || rc == LOG_BAD_EPOCH;
	return rc != 0 && !marker->safe;
}

static bool drive_markers(struct txns *txns, struct txn_entry *entry, bool *all_safe)
{
	struct txn_machine *m = &entry->machine;
	bool retry = false;
	*all_safe = true;
	for (size_t i = 0; i < entry->markers.len; i++) {
		struct txn_marker *marker = &entry->markers.items[i];
		if (!marker->safe)
			retry |= drive_marker(m, marker);
		*all_safe = *all_safe && marker->safe;
	}
	if (*all_safe && entry->ends_offsets && txns->groups)
		group_txn_complete(txns->groups, m->now.producer_id, m->now.state == TXN_PREPARE_COMMIT);
	return retry;
}

/* ---- one entry ---- */

static void settled(struct txns *txns, struct txn_entry *entry)
{
	machine_settle(&entry->machine);
	entry->written = -1;
	entry_set_deadline(txns, entry, 0);
	if (machine_is_prepared(&entry->machine)) {
		drive_begin_markers(txns, entry);
		if (entry->ticket)
			entry->ticket->decided = entry->ticket_ends;
	} else {
		entry->markers.len = 0;
		drive_answer(txns, entry, TXN_OK);
	}
}

/* 0 nothing more can be done now, 1 look again at once, -1 try again soon. */
static int drive_one(struct txns *txns, struct txn_entry *entry)
{
	struct txn_machine *m = &entry->machine;
	if (m->pending && entry->written < 0) {
		int rc = append_change(txns, entry, NULL);
		if (rc != 0 && rc != MR_ERR_BUSY)
			undo(txns, entry);
		return rc == 0 ? 0 : -1;
	}
	if (m->pending) {
		int state = log_append_state(log_partition_at(txns->topic, 0), entry->written, NULL);
		if (state == 0)
			settled(txns, entry);
		else if (state < 0)
			undo(txns, entry);
		return state == 0 ? 1 : state < 0 ? -1 : 0;
	}
	if (!machine_is_prepared(m))
		return 0;
	bool all_safe;
	bool retry = drive_markers(txns, entry, &all_safe);
	if (all_safe) {
		machine_complete(m, clock_wall_ms(txns->env->clock));
		return 1;
	}
	return retry ? -1 : 0;
}

static bool is_idle(const struct txn_entry *entry)
{
	return !entry->machine.pending && !machine_is_prepared(&entry->machine);
}

bool drive_busy(struct txns *txns)
{
	bool retry = false;
	for (struct txn_entry **link = &txns->busy, *entry; (entry = *link);) {
		int rc;
		do {
			rc = drive_one(txns, entry);
		} while (rc == 1);
		retry |= rc < 0;
		if (!is_idle(entry)) {
			link = &entry->busy_next;
			continue;
		}
		*link = entry->busy_next;
		entry->busy = false;
		if (entry->machine.now.state == TXN_DEAD || entry->machine.now.producer_id < 0)
			entry_free(txns, entry);
	}
	return retry;
}
