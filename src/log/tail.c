/* log/tail.c - committed batches kept in memory. See the header. */
#include "log/tail.h"

#include "log/batch_bytes.h"
#include "log/store.h"

#include <stdlib.h>

#define BLOCK_SMALL ((size_t)16 << 10)

void tail_drop(struct tail_block *block)
{
	if (!block || --block->holds > 0)
		return;
	free(block->bytes);
	free(block);
}

void tail_clear(struct tail *tail)
{
	for (size_t i = 0; i < tail->blocks.len; i++)
		tail_drop(tail->blocks.items[i]);
	mr_vec_release(&tail->blocks);
	tail->bytes = 0;
}

void tail_queue_release(struct tail_queue *queue)
{
	mr_vec_release(&queue->partitions);
}

/* The file of its segment lacks some of it: nobody else has these bytes but the journal. */
static bool is_owed(const struct log_partition *partition, const struct tail_block *block)
{
	const struct segment *active = partition_active(partition);
	return !partition->deleted && active && block->segment == active->base &&
	       block->position + (int64_t)block->len > active->written_size;
}

static void drop_oldest(struct log_partition *partition, size_t count)
{
	struct tail *tail = &partition->tail;
	struct tail_queue *queue = &partition->topic->store->tails;
	for (size_t i = 0; i < count; i++) {
		struct tail_block *block = tail->blocks.items[i];
		tail->bytes -= block->cap;
		queue->bytes -= block->cap;
		queue->blocks--;
		tail_drop(block);
	}
	tail->blocks.len -= count;
	memmove(tail->blocks.items, tail->blocks.items + count,
		tail->blocks.len * sizeof *tail->blocks.items);
}

/* The partition drops blocks by itself: its first places in the queue stand for nothing now. */
static void drop_unasked(struct log_partition *partition, size_t count)
{
	if (count == 0)
		return;
	drop_oldest(partition, count);
	partition->tail.stale += count;
}

static int64_t next_after(mr_str batches)
{
	int64_t next = 0;
	for (size_t at = 0; at < batches.len; at += (size_t)bb_size(batches.ptr + at))
		next = bb_next_offset(batches.ptr + at);
	return next;
}

static struct tail_block *new_block(struct log_partition *partition, const struct flight_run *run,
				    int64_t first, char *bytes, size_t cap)
{
	struct tail_queue *queue = &partition->topic->store->tails;
	struct tail_block *block = mr_alloc(sizeof *block);
	*block = (struct tail_block){.holds = 1,
				     .bytes = bytes,
				     .cap = cap,
				     .first = first,
				     .segment = run->segment->base,
				     .position = run->position};
	mr_vec_push(&partition->tail.blocks, block);
	partition->tail.bytes += cap;
	mr_vec_push(&queue->partitions, partition);
	queue->bytes += cap;
	queue->blocks++;
	return block;
}

static bool has_room(const struct tail_block *block, const struct flight_run *run, size_t len)
{
	return block->cap - block->len >= len && block->segment == run->segment->base &&
	       block->position + (int64_t)block->len == run->position;
}

static void keep_within_limit(struct log_partition *partition)
{
	struct tail *tail = &partition->tail;
	size_t bytes = tail->bytes, count = 0;
	while (bytes > TAIL_PARTITION_MAX && count + 1 < tail->blocks.len &&
	       !is_owed(partition, tail->blocks.items[count]))
		bytes -= tail->blocks.items[count++]->cap;
	drop_unasked(partition, count);
}

void tail_add(struct log_partition *partition, struct mr_buf *flight, const struct flight_run *run)
{
	struct tail *tail = &partition->tail;
	size_t len = run->to - run->from;
	const char *bytes = flight->ptr + run->from;
	int64_t first = bb_offset(bytes), next = next_after(mr_str_n(bytes, len));
	struct tail_block *last = tail->blocks.len ? tail->blocks.items[tail->blocks.len - 1] : NULL;
	/* After offsets that a fault took back: a block must not seem to have them. What was owed has been
	 * written before the partition was opened again, or within the round that brought so much. */
	if (!last || last->next != first || len > TAIL_PARTITION_MAX) {
		drop_unasked(partition, tail->blocks.len);
		last = NULL;
	}
	if (len > TAIL_PARTITION_MAX)
		return;
	if (last && has_room(last, run, len)) {
		memcpy(last->bytes + last->len, bytes, len);
	} else if (len == flight->len && len > BLOCK_SMALL / 2 && flight->cap <= 2 * len + BLOCK_SMALL) {
		last = new_block(partition, run, first, flight->ptr, flight->cap);
		*flight = (struct mr_buf){.len = len, .limit = flight->limit};
	} else {
		size_t cap = mr_max_size(len, BLOCK_SMALL);
		last = new_block(partition, run, first, mr_alloc(cap), cap);
		memcpy(last->bytes, bytes, len);
	}
	last->len += len;
	last->next = next;
	keep_within_limit(partition);
}

void tail_forget_before(struct log_partition *partition, int64_t offset)
{
	const struct tail *tail = &partition->tail;
	size_t count = 0;
	while (count < tail->blocks.len && tail->blocks.items[count]->first < offset)
		count++;
	drop_unasked(partition, count);
}

/* Forget the places that stand for nothing. */
static void sweep_queue(struct tail_queue *queue)
{
	size_t kept = 0;
	for (size_t i = queue->head; i < queue->partitions.len; i++) {
		struct log_partition *partition = queue->partitions.items[i];
		if (partition->tail.stale > 0)
			partition->tail.stale--;
		else
			queue->partitions.items[kept++] = partition;
	}
	queue->partitions.len = kept;
	queue->head = 0;
}

void tail_evict(struct log_store *store)
{
	struct tail_queue *queue = &store->tails;
	if (queue->partitions.len > 2 * queue->blocks + 1024)
		sweep_queue(queue);
	while (queue->bytes > TAIL_STORE_MAX && queue->head < queue->partitions.len) {
		struct log_partition *partition = queue->partitions.items[queue->head];
		pthread_mutex_lock(&partition->lock);
		bool stale = partition->tail.stale > 0;
		bool owed = !stale && is_owed(partition, partition->tail.blocks.items[0]);
		if (stale)
			partition->tail.stale--;
		else if (!owed)
			drop_oldest(partition, 1);
		pthread_mutex_unlock(&partition->lock);
		if (owed) /* soon written */
			return;
		queue->head++;
	}
}

struct tail_block *tail_hold(const struct tail *tail, int64_t offset)
{
	size_t low = 0, high = tail->blocks.len; /* blocks before low end at or before the offset */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (tail->blocks.items[middle]->next <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == tail->blocks.len || tail->blocks.items[low]->first > offset)
		return NULL;
	tail->blocks.items[low]->holds++;
	return tail->blocks.items[low];
}

static bool ends_before(const struct tail_block *block, int64_t segment, int64_t position)
{
	return block->segment < segment ||
	       (block->segment == segment && block->position + (int64_t)block->len <= position);
}

size_t tail_copy(const struct tail *tail, int64_t segment, int64_t position, char *to, size_t len)
{
	size_t low = 0, high = tail->blocks.len;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (ends_before(tail->blocks.items[middle], segment, position))
			low = middle + 1;
		else
			high = middle;
	}
	size_t copied = 0;
	for (; low < tail->blocks.len && copied < len; low++) {
		const struct tail_block *block = tail->blocks.items[low];
		int64_t at = position + (int64_t)copied - block->position;
		if (block->segment != segment || at < 0 || at >= (int64_t)block->len)
			break;
		size_t take = mr_min_size(len - copied, block->len - (size_t)at);
		memcpy(to + copied, block->bytes + at, take);
		copied += take;
	}
	return copied;
}
