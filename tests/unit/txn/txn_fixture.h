/* The coordinator over a manual log on a simulated disk: nothing is stable until the test commits. */
#pragma once

#include "codec/batch.h"
#include "env/disk_sim.h"
#include "log/transactions.h"
#include "test.h"
#include "txn/txn.h"

struct txn_fixture {
	struct sim_clock clock;
	struct mr_rng rng;
	struct env env;
	struct mr_disk *disk;
	struct log_store *store;
	struct broker *broker;
	struct groups *groups;
	struct txns *txns;
	struct log_partition *partitions[2]; /* of topic "t" */
};

void txn_fixture_init(struct txn_fixture *f, uint64_t seed); /* the disk; nothing is open */
void txn_fixture_open(struct txn_fixture *f);
void txn_fixture_close(struct txn_fixture *f);
void txn_fixture_crash(struct txn_fixture *f); /* power is lost; open again */
void txn_fixture_release(struct txn_fixture *f);
/* Commit the log and let the coordinator go on, till nothing moves any more. */
void txn_fixture_settle(struct txn_fixture *f);

/* The same with one round only. */
void txn_fixture_round(struct txn_fixture *f);

struct txn_producer txn_fixture_start(struct txn_fixture *f, const char *id); /* asks till it may */
/* Settles, and gives the ticket back. *who takes the answer's producer on TXN_OK. */
int txn_fixture_finish(struct txn_fixture *f, struct txn_ticket *ticket, struct txn_producer *who);
int txn_fixture_add(struct txn_fixture *f, const struct txn_producer *who, int32_t partition);
int txn_fixture_end(struct txn_fixture *f, struct txn_producer *who, bool commit, bool bump);
/* One record; returns its offset, or the negated code. */
int64_t txn_fixture_write(struct txn_fixture *f, const struct txn_producer *who, int32_t partition,
			  int32_t sequence, const char *value);
/* What read_committed sees of the partition: "a b ". */
void txn_fixture_committed(struct txn_fixture *f, int32_t partition, struct mr_buf *out);

#define CHECK_COMMITTED(f, partition, want) \
	do { \
		struct mr_buf seen_ = {0}; \
		txn_fixture_committed(f, partition, &seen_); \
		CHECK_STR(mr_buf_view(&seen_), want); \
		mr_buf_release(&seen_); \
	} while (0)
