/* log/transactions.c - the public side of a partition's transactions. See the header. */
#include "log/transactions.h"

#include "log/batch_bytes.h"
#include "log/store.h"

#include "base/mem.h"

#include <stdlib.h>

int log_append_marker(struct log_partition *partition, int64_t producer_id, int16_t epoch, bool commit,
		      int32_t coordinator_epoch, struct log_append *out, struct mr_error *err)
{
	char batch[TXN_MARKER_SIZE];
	int64_t now_ms = clock_wall_ms(partition->topic->store->env->clock);
	txn_marker_write(batch, producer_id, epoch, commit, coordinator_epoch, now_ms);
	return log_append(partition, mr_str_n(batch, sizeof batch), out, err);
}

static void lock(const struct log_partition *partition)
{
	pthread_mutex_lock((pthread_mutex_t *)&partition->lock);
}

static void unlock(const struct log_partition *partition)
{
	pthread_mutex_unlock((pthread_mutex_t *)&partition->lock);
}

int64_t log_last_stable_offset(const struct log_partition *partition)
{
	lock(partition);
	int64_t offset = txns_last_stable(&partition->txns, partition->stable_offset);
	offset = mr_max_i64(offset, partition->start_offset); /* retention takes open ones, too */
	unlock(partition);
	return offset;
}

bool log_in_transaction(const struct log_partition *partition, int64_t producer_id, int16_t epoch)
{
	lock(partition);
	bool in = txns_undecided(&partition->txns, producer_id) >= 0 &&
		  producers_epoch(&partition->producers, producer_id) == epoch;
	unlock(partition);
	return in;
}

/* ---- what was aborted ---- */

static int by_first(const void *a, const void *b)
{
	const struct log_aborted *x = a, *y = b;
	return (x->first_offset > y->first_offset) - (x->first_offset < y->first_offset);
}

/* The first entry whose marker is at or after `offset`. */
static size_t first_at(const struct txn_table *txns, int64_t offset)
{
	size_t low = 0, high = txns->aborted.len;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (txns->aborted.items[middle].last_offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t log_aborted(const struct log_partition *partition, int64_t from, int64_t to, struct log_aborted **out)
{
	MR_VEC(struct log_aborted) found = {0};
	lock(partition);
	const struct txn_table *txns = &partition->txns;
	for (size_t i = first_at(txns, from); i < txns->aborted.len; i++) {
		const struct txn_aborted *aborted = &txns->aborted.items[i];
		if (aborted->first_offset < to)
			mr_vec_push(&found, (struct log_aborted){aborted->producer_id, aborted->first_offset,
								 aborted->last_offset});
		if (aborted->last_stable_offset >= to)
			break; /* what was aborted later began later, too */
	}
	unlock(partition);
	if (found.len > 1)
		qsort(found.items, found.len, sizeof found.items[0], by_first);
	*out = found.items;
	return found.len;
}

/* ---- reading ---- */

/* Nothing may be read yet; an offset out of range is told all the same. */
static int read_nothing(struct log_partition *partition, int64_t offset, int64_t *next_out,
			struct mr_error *err)
{
	struct mr_buf nothing = {0};
	int rc = log_read(partition, offset, 0, false, &nothing, NULL, err);
	mr_buf_release(&nothing);
	if (rc == 0 && next_out)
		*next_out = offset;
	return rc;
}

/* Take away what lies at or past `until`; a transaction's first offset is a batch's. */
static void trim(struct mr_buf *out, size_t start, int64_t until, int64_t *next)
{
	size_t at = start;
	while (at < out->len && bb_offset(out->ptr + at) < until) {
		*next = bb_next_offset(out->ptr + at);
		at += (size_t)bb_size(out->ptr + at);
	}
	out->len = at;
}

int log_read_decided(struct log_partition *partition, int64_t offset, size_t max_bytes, bool min_one,
		     struct mr_buf *out, int64_t *next_out, struct mr_error *err)
{
	int64_t until = log_last_stable_offset(partition);
	if (offset >= until)
		return read_nothing(partition, offset, next_out, err);
	size_t start = out->len;
	int64_t next;
	int rc = log_read(partition, offset, max_bytes, min_one, out, &next, err);
	if (rc < 0)
		return rc;
	if (next > until) {
		next = offset;
		trim(out, start, until, &next);
	}
	if (next_out)
		*next_out = next;
	return 0;
}

static bool is_aborted(const char *batch, const struct log_aborted *aborted, size_t count)
{
	for (size_t i = 0; i < count && aborted[i].first_offset <= bb_offset(batch); i++) {
		if (aborted[i].producer_id == bb_producer_id(batch) &&
		    aborted[i].last_offset > bb_offset(batch))
			return true;
	}
	return false;
}

static bool any_transactional(const struct mr_buf *out, size_t start)
{
	for (size_t at = start; at < out->len; at += (size_t)bb_size(out->ptr + at)) {
		if (mr_get_be16(out->ptr + at + BATCH_AT_ATTRIBUTES) & (BATCH_TRANSACTIONAL | BATCH_CONTROL))
			return true;
	}
	return false;
}

int log_read_committed(struct log_partition *partition, int64_t offset, size_t max_bytes, bool min_one,
		       struct mr_buf *out, int64_t *next_out, struct mr_error *err)
{
	size_t start = out->len;
	int64_t next;
	int rc = log_read_decided(partition, offset, max_bytes, min_one, out, &next, err);
	if (rc < 0)
		return rc;
	if (next_out)
		*next_out = next;
	if (!any_transactional(out, start))
		return 0;
	struct log_aborted *aborted;
	size_t count = log_aborted(partition, offset, next, &aborted);
	size_t kept = start;
	for (size_t at = start, size; at < out->len; at += size) {
		const char *batch = out->ptr + at;
		unsigned attributes = mr_get_be16(batch + BATCH_AT_ATTRIBUTES);
		size = (size_t)bb_size(batch);
		if (attributes & BATCH_CONTROL)
			continue;
		if ((attributes & BATCH_TRANSACTIONAL) && is_aborted(batch, aborted, count))
			continue;
		memmove(out->ptr + kept, batch, size);
		kept += size;
	}
	out->len = kept;
	free(aborted);
	return 0;
}

/* ---- looking ---- */

static int by_id(const void *a, const void *b)
{
	const struct log_producer *x = a, *y = b;
	return (x->id > y->id) - (x->id < y->id);
}

size_t log_producers(const struct log_partition *partition, struct log_producer **out)
{
	lock(partition);
	size_t count = 0;
	*out = mr_calloc(mr_max_size(partition->producers.by_id.len, 1), sizeof **out);
	mr_map_each (&partition->producers.by_id, entry) {
		const struct producer *producer = entry->value;
		(*out)[count++] = (struct log_producer){
		    .id = producer->id,
		    .last_timestamp = producer->last_ms,
		    .txn_first_offset = txns_undecided(&partition->txns, producer->id),
		    .last_sequence =
			producer->count ? producer->batches[producer->count - 1].last_sequence : -1,
		    .coordinator_epoch = producer->coordinator_epoch,
		    .epoch = producer->epoch,
		};
	}
	unlock(partition);
	qsort(*out, count, sizeof **out, by_id);
	return count;
}
