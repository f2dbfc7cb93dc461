/* log/txn_table.h - the transactions of one partition: those under way, and those that were aborted.
 *
 * A transaction is *open* from its first batch until its marker is stable; it is *decided* once
 * the marker has been appended. What is appended and not yet stable can be taken back by a
 * fault, so a decision only counts when txns_publish has passed it.
 *
 * Invariants: `open` is ascending by first_offset, with at most one undecided entry a producer;
 * `aborted` is ascending by last_offset, which is the marker's offset. Noting a batch a second
 * time (a scan that starts before a checkpoint) changes nothing.
 *
 * Pure memory; guarded by the partition's lock. Source of the rules: Kafka's ProducerStateManager.
 */
#pragma once

#include "base/buf.h"
#include "base/vec.h"

struct txn_open {
	int64_t producer_id;
	int64_t first_offset;
	int64_t last_offset;        /* of the marker; -1: undecided */
	int64_t last_stable_offset; /* when the marker came */
	bool aborted;
};

/* An entry of .txnindex (txn_index.h). */
struct txn_aborted {
	int64_t producer_id, first_offset, last_offset, last_stable_offset;
};

struct txn_table {
	MR_VEC(struct txn_open) open;
	MR_VEC(struct txn_aborted) aborted;
	size_t filed; /* of `aborted`: they are in .txnindex files */
};

void txns_release(struct txn_table *table);

/* Take notice of a whole batch that has its offset: data opens a transaction, a marker decides it. */
void txns_note(struct txn_table *table, const char *batch, size_t size);
/* Everything below `stable` is safe: decided transactions leave `open`. */
void txns_publish(struct txn_table *table, int64_t stable);
/* What was appended at or past `offset` never was. */
void txns_roll_back(struct txn_table *table, int64_t offset);
/* The log starts at `offset` now: aborted transactions that ended before it are forgotten. */
void txns_drop_before(struct txn_table *table, int64_t offset);

/* The first offset of the producer's undecided transaction; -1 when it has none. */
int64_t txns_undecided(const struct txn_table *table, int64_t producer_id);
/* What read_committed may see: below the first open transaction, and below `stable`. */
int64_t txns_last_stable(const struct txn_table *table, int64_t stable);

/* For the checkpoint: the open transactions as of `offset`, and what vouches for the index files. */
struct txn_index_mark {
	uint32_t count, crc; /* of `aborted` */
};
struct txn_index_mark txns_mark(const struct txn_table *table);
void txns_save(const struct txn_table *table, int64_t offset, struct mr_buf *out);
/* Returns the bytes used, 0 when they are not what txns_save wrote. `aborted` is left alone. */
size_t txns_load(struct txn_table *table, mr_str bytes, struct txn_index_mark *mark);

/* ---- markers ---- */

#define TXN_MARKER_SIZE 78

/* The control batch that ends a transaction, complete but for its offset. */
void txn_marker_write(char batch[TXN_MARKER_SIZE], int64_t producer_id, int16_t epoch, bool commit,
		      int32_t coordinator_epoch, int64_t now_ms);
/* 1 a commit, 0 an abort; -1: no marker of a transaction (another kind of control batch). */
int txn_marker_read(const char *batch, size_t size, int32_t *coordinator_epoch);
