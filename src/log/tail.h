/* log/tail.h - the last committed batches of a partition, in the memory they came in.
 *
 * Who follows a partition reads what was committed a moment ago. A round's bytes are therefore
 * kept in blocks: a large flight's buffer becomes a block as it is, small ones are gathered in a
 * block until it is full (appending to it never moves the bytes that readers have).
 *
 * A block lies in one segment. Bytes that the segment's file does not have yet are here, and stay
 * until it has them (write_back.c).
 *
 * Limits: TAIL_PARTITION_MAX bytes a partition; TAIL_STORE_MAX for all, the oldest go first; beside
 * them what is to be written, which has a limit of its own.
 * Threading: a partition's blocks are guarded by its lock; the store's queue belongs to the
 * holder of io_lock; a block lives while somebody holds it.
 */
#pragma once

#include "base/buf.h"
#include "base/types.h"
#include "base/vec.h"

#define TAIL_PARTITION_MAX ((size_t)1 << 20)
#define TAIL_STORE_MAX ((size_t)64 << 20)

struct flight_run;
struct log_partition;
struct log_store;

struct tail_block {
	_Atomic int holds;
	char *bytes;
	size_t len, cap;
	int64_t first, next; /* offsets: of the first batch, past the last one */
	int64_t segment;     /* its base, */
	int64_t position;    /* and where in it the bytes belong */
};

struct tail {
	MR_VEC(struct tail_block *) blocks; /* oldest first, without a hole */
	size_t bytes;                       /* sum of cap; io */
	size_t stale;                       /* places in the store's queue that stand for nothing; io */
};

/* Blocks in the order they came, for eviction. */
struct tail_queue {
	MR_VEC(struct log_partition *) partitions;
	size_t head;
	size_t bytes, blocks;
};

/* A stretch of the flight, stable now. When it is all of the flight, the buffer's memory may be taken. Lock
 * held. */
void tail_add(struct log_partition *partition, struct mr_buf *flight, const struct flight_run *run);
/* Keep within TAIL_STORE_MAX. Holds io_lock, no partition's lock. */
void tail_evict(struct log_store *store);
/* Compaction has changed what lies before `offset`. Lock and io_lock held. */
void tail_forget_before(struct log_partition *partition, int64_t offset);
void tail_clear(struct tail *tail);
void tail_queue_release(struct tail_queue *queue);

/* The block that has `offset`, with a hold on it, else NULL. Lock held. */
struct tail_block *tail_hold(const struct tail *tail, int64_t offset);
/* At most `len` of the segment's bytes from `position` on: how many it has there. Lock held. */
size_t tail_copy(const struct tail *tail, int64_t segment, int64_t position, char *to, size_t len);
void tail_drop(struct tail_block *block); /* NULL is fine */
