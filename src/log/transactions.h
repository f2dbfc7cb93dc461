/* log/transactions.h - transactions as a partition sees them: markers, the last stable offset,
 * reading what was committed.
 *
 * A partition learns of a transaction from its first transactional batch, and of its end from
 * the marker. Whether a producer may write is decided elsewhere (txn/); here lies what readers need.
 *
 * Durability and threading: as log.h says. State survives a restart: the checkpoint holds the
 * transactions under way, .txnindex files the aborted ones, and recovery replays what came since.
 */
#pragma once

#include "log/log.h"

/* End the producer's transaction in this partition; written also when none is under way. Epoch
 * older than the last one seen: LOG_BAD_EPOCH. Errors as for log_append. */
MR_NODISCARD int log_append_marker(struct log_partition *partition, int64_t producer_id, int16_t epoch,
				   bool commit, int32_t coordinator_epoch, struct log_append *out,
				   struct mr_error *err);

/* What read_committed may read: everything below it is decided and stable. */
int64_t log_last_stable_offset(const struct log_partition *partition);
/* Is a transaction of the producer under way here, of this epoch? What comes with a later one is of
 * the next transaction, though the marker of the last may not be here yet. */
bool log_in_transaction(const struct log_partition *partition, int64_t producer_id, int16_t epoch);

struct log_aborted {
	int64_t producer_id;
	int64_t first_offset; /* of the transaction */
	int64_t last_offset;  /* the marker's */
};
/* The aborted transactions that have batches in [from, to), by first offset; free(). */
size_t log_aborted(const struct log_partition *partition, int64_t from, int64_t to, struct log_aborted **out);

/* As log_read, but nothing at or past the last stable offset: what a Fetch with read_committed is
 * given. Batches of aborted transactions are among it. */
MR_NODISCARD int log_read_decided(struct log_partition *partition, int64_t offset, size_t max_bytes,
				  bool min_one, struct mr_buf *out, int64_t *next_out, struct mr_error *err);
/* The same without the batches of aborted transactions and without markers: for readers in this
 * process. *next_out may have moved although nothing was appended. */
MR_NODISCARD int log_read_committed(struct log_partition *partition, int64_t offset, size_t max_bytes,
				    bool min_one, struct mr_buf *out, int64_t *next_out,
				    struct mr_error *err);

struct log_producer {
	int64_t id;
	int64_t last_timestamp;    /* -1 when unknown */
	int64_t txn_first_offset;  /* of the transaction under way; -1 */
	int32_t last_sequence;     /* -1 */
	int32_t coordinator_epoch; /* of the last marker; -1 */
	int16_t epoch;
};
/* Those the partition knows, by id; free(). */
size_t log_producers(const struct log_partition *partition, struct log_producer **out);
