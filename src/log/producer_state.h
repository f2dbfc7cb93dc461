/* log/producer_state.h - what one partition knows of its idempotent producers.
 *
 * Per producer id: the epoch and the last five batches (Kafka's number: a client has at
 * most five requests in flight). A retry of one of them is recognised and answered with
 * the first try's offset; a hole in the sequence is refused. A producer that is not known
 * (expired, or never seen) may start with any sequence.
 *
 * A transaction's marker carries an epoch, too: a higher one fences the producer's earlier
 * incarnations here, and its next batch starts at sequence 0. Batches of the coordinator itself
 * (offsets of a transaction) have no sequence, -1: only their epoch is judged.
 *
 * Threading: guarded by the partition's lock.
 */
#pragma once

#include "base/buf.h"
#include "base/map.h"
#include "log/txn_table.h"

#define PRODUCER_BATCHES_KEPT 5
#define PRODUCER_EXPIRES_MS (24LL * 3600 * 1000)
#define PRODUCERS_MAX 100000 /* a partition; beyond it the longest idle are forgotten */

struct producer_batch {
	int32_t first_sequence;
	int32_t last_sequence;
	int64_t base_offset;
	int32_t last_offset_delta;
};

struct producer {
	int64_t id;
	int64_t seen_ms;           /* of the last append, wall clock */
	int64_t epoch_offset;      /* of what brought the epoch: a batch or a marker */
	int64_t last_ms;           /* the greatest timestamp of its batches; -1 */
	int32_t coordinator_epoch; /* of the last marker; -1 */
	int16_t epoch;
	uint8_t count; /* batches kept; 0 after a marker with a new epoch */
	struct producer_batch batches[PRODUCER_BATCHES_KEPT]; /* oldest first */
};

struct producer_table {
	struct mr_map by_id;
};

void producers_release(struct producer_table *table);

enum producer_verdict { PRODUCER_NEXT, PRODUCER_DUPLICATE, PRODUCER_BAD_SEQUENCE, PRODUCER_BAD_EPOCH };

/* Does this batch (a whole header) follow? On PRODUCER_DUPLICATE *first_try is the kept one. */
enum producer_verdict producers_judge(const struct producer_table *table, const char *batch,
				      struct producer_batch *first_try);
/* -1 when the producer is not known. */
int32_t producers_epoch(const struct producer_table *table, int64_t id);
/* Remember a whole batch that has its offset; ignores batches without a producer id. */
void producers_note(struct producer_table *table, const char *batch, size_t size, int64_t now_ms);
/* Forget every batch at or past `offset`: they were appended and then lost to a fault. */
void producers_roll_back(struct producer_table *table, int64_t offset);
/* Not those whose transaction is under way. */
void producers_expire(struct producer_table *table, const struct txn_table *txns, int64_t now_ms);

/* For the checkpoint: producers with their batches below `offset`; and back. */
void producers_save(const struct producer_table *table, int64_t offset, struct mr_buf *out);
/* Returns the bytes used, 0 when they are not what producers_save wrote. */
size_t producers_load(struct producer_table *table, mr_str bytes);
