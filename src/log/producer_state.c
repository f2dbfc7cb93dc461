/* log/producer_state.c - sequences of idempotent producers. See the header.
 *
 * Saved form, big-endian: count u32, then per producer id i64, seen_ms i64, last_ms i64, epoch
 * offset i64, coordinator epoch i32, epoch i16, batches u8, and per batch first i32, last i32, base offset
 * i64, delta i32.
 */
#include "log/producer_state.h"

#include "log/batch_bytes.h"

#include "base/mem.h"

#include <stdlib.h>

enum { PRODUCER_SAVED = 39, BATCH_SAVED = 20 };

static mr_str key_of(const int64_t *id)
{
	return mr_str_n(id, sizeof *id);
}

static struct producer *find(const struct producer_table *table, int64_t id)
{
	return mr_map_get(&table->by_id, key_of(&id));
}

static void forget(struct producer_table *table, int64_t id)
{
	free(mr_map_remove(&table->by_id, key_of(&id)));
}

void producers_release(struct producer_table *table)
{
	mr_map_each (&table->by_id, entry)
		free(entry->value);
	mr_map_release(&table->by_id);
}

/* Sequences are 31 bits and wrap to 0. */
static int32_t sequence_add(int32_t sequence, int32_t by)
{
	return (int32_t)(((int64_t)sequence + by) & INT32_MAX);
}

int32_t producers_epoch(const struct producer_table *table, int64_t id)
{
	const struct producer *producer = find(table, id);
	return producer ? producer->epoch : -1;
}

enum producer_verdict producers_judge(const struct producer_table *table, const char *batch,
				      struct producer_batch *first_try)
{
	const struct producer *producer = find(table, bb_producer_id(batch));
	int32_t first = bb_base_sequence(batch);
	int32_t last = sequence_add(first, bb_last_delta(batch));
	if (!producer)
		return PRODUCER_NEXT;
	if (bb_producer_epoch(batch) < producer->epoch)
		return PRODUCER_BAD_EPOCH;
	if (first < 0)
		return PRODUCER_NEXT;
	if (bb_producer_epoch(batch) > producer->epoch || producer->count == 0)
		return first == 0 ? PRODUCER_NEXT : PRODUCER_BAD_SEQUENCE;
	for (int i = 0; i < producer->count; i++) {
		const struct producer_batch *kept = &producer->batches[i];
		if (kept->first_sequence == first && kept->last_sequence == last) {
			*first_try = *kept;
			return PRODUCER_DUPLICATE;
		}
	}
	int32_t want = sequence_add(producer->batches[producer->count - 1].last_sequence, 1);
	return first == want ? PRODUCER_NEXT : PRODUCER_BAD_SEQUENCE;
}

static void forget_longest_idle(struct producer_table *table)
{
	const struct producer *idle = NULL;
	mr_map_each (&table->by_id, entry) {
		const struct producer *producer = entry->value;
		if (!idle || producer->seen_ms < idle->seen_ms)
			idle = producer;
	}
	if (idle)
		forget(table, idle->id);
}

static struct producer *known(struct producer_table *table, int64_t id, int16_t epoch, int64_t offset)
{
	struct producer *producer = find(table, id);
	if (!producer) {
		if (table->by_id.len >= PRODUCERS_MAX)
			forget_longest_idle(table);
		producer = mr_calloc(1, sizeof *producer);
		*producer = (struct producer){
		    .id = id, .epoch_offset = offset, .epoch = epoch, .last_ms = -1, .coordinator_epoch = -1};
		mr_map_put(&table->by_id, key_of(&id), producer);
	}
	if (epoch != producer->epoch) {
		producer->count = 0;
		producer->epoch_offset = offset;
		producer->epoch = epoch;
	}
	return producer;
}

static void note_batch(struct producer *producer, const char *batch)
{
	if (producer->count == PRODUCER_BATCHES_KEPT) {
		memmove(producer->batches, producer->batches + 1,
			(PRODUCER_BATCHES_KEPT - 1) * sizeof producer->batches[0]);
		producer->count--;
	}
	producer->last_ms = mr_max_i64(producer->last_ms, bb_max_timestamp(batch));
	producer->batches[producer->count++] = (struct producer_batch){
	    .first_sequence = bb_base_sequence(batch),
	    .last_sequence = sequence_add(bb_base_sequence(batch), bb_last_delta(batch)),
	    .base_offset = bb_offset(batch),
	    .last_offset_delta = bb_last_delta(batch),
	};
}

void producers_note(struct producer_table *table, const char *batch, size_t size, int64_t now_ms)
{
	int64_t id = bb_producer_id(batch);
	if (id < 0)
		return;
	struct producer *producer = known(table, id, bb_producer_epoch(batch), bb_offset(batch));
	producer->seen_ms = now_ms;
	if (mr_get_be16(batch + BATCH_AT_ATTRIBUTES) & BATCH_CONTROL)
		(void)txn_marker_read(batch, size, &producer->coordinator_epoch);
	else if (bb_base_sequence(batch) >= 0)
		note_batch(producer, batch);
}

static int count_below(const struct producer *producer, int64_t offset)
{
	int count = 0;
	while (count < producer->count && producer->batches[count].base_offset < offset)
		count++;
	return count;
}

void producers_roll_back(struct producer_table *table, int64_t offset)
{
	mr_map_each (&table->by_id, entry) {
		struct producer *producer = entry->value;
		producer->count = (uint8_t)count_below(producer, offset);
		if (producer->epoch_offset >= offset)
			forget(table, producer->id);
	}
}

void producers_expire(struct producer_table *table, const struct txn_table *txns, int64_t now_ms)
{
	mr_map_each (&table->by_id, entry) {
		struct producer *producer = entry->value;
		if (producer->seen_ms < now_ms - PRODUCER_EXPIRES_MS &&
		    txns_undecided(txns, producer->id) < 0)
			forget(table, producer->id);
	}
}

static void put(struct mr_buf *out, uint64_t value, size_t bytes)
{
	char be[8];
	mr_put_be64(be, value);
	mr_buf_append(out, be + 8 - bytes, bytes);
}

void producers_save(const struct producer_table *table, int64_t offset, struct mr_buf *out)
{
	size_t at = out->len;
	uint32_t saved = 0;
	put(out, 0, 4);
	mr_map_each (&table->by_id, entry) {
		const struct producer *producer = entry->value;
		int count = count_below(producer, offset);
		if (producer->epoch_offset >= offset)
			continue;
		put(out, (uint64_t)producer->id, 8);
		put(out, (uint64_t)producer->seen_ms, 8);
		put(out, (uint64_t)producer->last_ms, 8);
		put(out, (uint64_t)producer->epoch_offset, 8);
		put(out, (uint32_t)producer->coordinator_epoch, 4);
		put(out, (uint16_t)producer->epoch, 2);
		put(out, (uint8_t)count, 1);
		for (int i = 0; i < count; i++) {
			const struct producer_batch *batch = &producer->batches[i];
			put(out, (uint32_t)batch->first_sequence, 4);
			put(out, (uint32_t)batch->last_sequence, 4);
			put(out, (uint64_t)batch->base_offset, 8);
			put(out, (uint32_t)batch->last_offset_delta, 4);
		}
		saved++;
	}
	mr_put_be32(out->ptr + at, saved);
}

static size_t load_one(struct producer_table *table, mr_str bytes)
{
	if (bytes.len < PRODUCER_SAVED)
		return 0;
	struct producer loaded = {
	    .id = (int64_t)mr_get_be64(bytes.ptr),
	    .seen_ms = (int64_t)mr_get_be64(bytes.ptr + 8),
	    .last_ms = (int64_t)mr_get_be64(bytes.ptr + 16),
	    .epoch_offset = (int64_t)mr_get_be64(bytes.ptr + 24),
	    .coordinator_epoch = (int32_t)mr_get_be32(bytes.ptr + 32),
	    .epoch = (int16_t)mr_get_be16(bytes.ptr + 36),
	    .count = (uint8_t)bytes.ptr[38],
	};
	size_t size = PRODUCER_SAVED + (size_t)loaded.count * BATCH_SAVED;
	if (loaded.count > PRODUCER_BATCHES_KEPT || bytes.len < size)
		return 0;
	for (int i = 0; i < loaded.count; i++) {
		const char *from = bytes.ptr + PRODUCER_SAVED + (size_t)i * BATCH_SAVED;
		loaded.batches[i] = (struct producer_batch){
		    .first_sequence = (int32_t)mr_get_be32(from),
		    .last_sequence = (int32_t)mr_get_be32(from + 4),
		    .base_offset = (int64_t)mr_get_be64(from + 8),
		    .last_offset_delta = (int32_t)mr_get_be32(from + 16),
		};
	}
	struct producer *kept = mr_alloc(sizeof *kept);
	*kept = loaded;
	free(mr_map_put(&table->by_id, key_of(&loaded.id), kept));
	return size;
}

size_t producers_load(struct producer_table *table, mr_str bytes)
{
	if (bytes.len < 4)
		return 0;
	uint32_t count = mr_get_be32(bytes.ptr);
	size_t at = 4;
	for (uint32_t i = 0; i < count; i++) {
		size_t used = load_one(table, mr_str_tail(bytes, at));
		if (used == 0)
			return 0;
		at += used;
	}
	return at;
}
