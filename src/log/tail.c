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

static void drop_oldest(struct log_partition *partition)
{
	struct tail *tail = &partition->tail;
	struct tail_block *block = tail->blocks.items[0];
	mr_vec_remove(&tail->blocks, 0);
	tail->bytes -= block->cap;
	partition->topic->store->tails.bytes -= block->cap;
	partition->topic->store->tails.blocks--;
	tail_drop(block);
}

/* The partition drops a block by itself: its first place in the queue stands for nothing now. */
static void drop_unasked(struct log_partition *partition)
{
	drop_oldest(partition);
	partition->tail.stale++;
}

static int64_t next_after(mr_str batches)
{
	int64_t next = 0;
	for (size_t at = 0; at < batches.len; at += (size_t)bb_size(batches.ptr + at))
		next = bb_next_offset(batches.ptr + at);
	return next;
}

static struct tail_block *new_block(struct log_partition *partition, char *bytes, size_t cap)
{
	struct tail_queue *queue = &partition->topic->store->tails;
	struct tail_block *block = mr_alloc(sizeof *block);
	*block = (struct tail_block){.holds = 1, .bytes = bytes, .cap = cap};
	mr_vec_push(&partition->tail.blocks, block);
	partition->tail.bytes += cap;
	mr_vec_push(&queue->partitions, partition);
	queue->bytes += cap;
	queue->blocks++;
	return block;
}

void tail_add(struct log_partition *partition, struct mr_buf *flight)
{
	struct tail *tail = &partition->tail;
	int64_t first = bb_offset(flight->ptr), next = next_after(mr_buf_view(flight));
	struct tail_block *last = tail->blocks.len ? tail->blocks.items[tail->blocks.len - 1] : NULL;
	/* After offsets that a fault took back: a block must not seem to have them. */
	bool follows = last && last->next == first;
	while (tail->blocks.len > 0 && (!follows || flight->len > TAIL_PARTITION_MAX))
		drop_unasked(partition);
	last = tail->blocks.len ? last : NULL;
	if (flight->len > TAIL_PARTITION_MAX)
		return;
	if (last && last->cap - last->len >= flight->len) {
		memcpy(last->bytes + last->len, flight->ptr, flight->len);
	} else if (flight->len > BLOCK_SMALL / 2 && flight->cap <= 2 * flight->len + BLOCK_SMALL) {
		last = new_block(partition, flight->ptr, flight->cap);
		last->first = first;
		size_t len = flight->len;
		*flight = (struct mr_buf){.len = len, .limit = flight->limit};
	} else {
		size_t cap = mr_max_size(flight->len, BLOCK_SMALL);
		last = new_block(partition, mr_alloc(cap), cap);
		last->first = first;
		memcpy(last->bytes, flight->ptr, flight->len);
	}
	last->len += flight->len;
	last->next = next;
	while (tail->bytes > TAIL_PARTITION_MAX && tail->blocks.len > 1)
		drop_unasked(partition);
}

void tail_forget_before(struct log_partition *partition, int64_t offset)
{
	while (partition->tail.blocks.len > 0 && partition->tail.blocks.items[0]->first < offset)
		drop_unasked(partition);
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
		struct log_partition *partition = queue->partitions.items[queue->head++];
		if (partition->tail.stale > 0) {
			partition->tail.stale--;
			continue;
		}
		pthread_mutex_lock(&partition->lock);
		drop_oldest(partition);
		pthread_mutex_unlock(&partition->lock);
	}
}

struct tail_block *tail_hold(const struct tail *tail, int64_t offset)
{
	for (size_t i = tail->blocks.len; i-- > 0;) {
		struct tail_block *block = tail->blocks.items[i];
		if (offset >= block->next)
			return NULL;
		if (offset >= block->first) {
			block->holds++;
			return block;
		}
	}
	return NULL;
}
