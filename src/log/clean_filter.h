/* log/clean_filter.h - compaction's rules: which records of a batch stay. No I/O.
 *
 * Kafka's rules (LogCleaner, KIP-534), in three walks over the same batches in offset order:
 *
 *   clean_filter_survey   all of them: transactions and their ends, each producer's last batch
 *   clean_filter_learn    the dirty ones: the last offset of each key
 *   clean_filter_batch    all of them: what is left
 *
 * A record stays when no later one has its key. A tombstone, and a marker none of whose
 * transaction's batches is left, stays until the delete horizon, which the first cleaning writes
 * into the batch (attribute bit 6; baseTimestamp is the horizon). Records of aborted transactions
 * go. A producer's last batch stays, empty, so that its sequence is not forgotten. Batches keep
 * their base and last offsets, producer, sequence and codec.
 *
 * One difference: an abort marker stays for good, since the aborted-transaction index names it.
 */
#pragma once

#include "log/clean_map.h"

#include "base/error.h"
#include "base/map.h"
#include "codec/batch.h"

struct clean_filter {
	struct clean_map map;
	int64_t map_end; /* offsets below are known to the map */
	int64_t now_ms;
	int64_t delete_retention_ms;
	struct mr_map producers; /* 8 bytes of id -> struct clean_producer */
	struct batch_iter iter;
	struct batch_writer writer;
};

void clean_filter_init(struct clean_filter *filter, size_t map_bytes, int64_t now_ms,
		       int64_t delete_retention_ms);
void clean_filter_release(struct clean_filter *filter);

MR_NODISCARD int clean_filter_survey(struct clean_filter *filter, mr_str batch, struct mr_error *err);
/* The first offset of a transaction that the survey saw begin and not end, else INT64_MAX. */
int64_t clean_filter_undecided(const struct clean_filter *filter);
/* 0; 1 when the map is full: nothing from this batch on is known. */
MR_NODISCARD int clean_filter_learn(struct clean_filter *filter, mr_str batch, struct mr_error *err);
/* *out is the batch as it is, a smaller one (valid until the next call), or empty: it goes. */
MR_NODISCARD int clean_filter_batch(struct clean_filter *filter, mr_str batch, mr_str *out,
				    struct mr_error *err);
