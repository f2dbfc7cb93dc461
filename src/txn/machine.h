/* txn/machine.h - one transactional id as a pure state machine: (event, now) -> answer and change.
 *
 *            add                 end              markers are written
 *   Empty ────────► Ongoing ───────────► Prepare ────────────────────► Complete ──► Ongoing ...
 *     ▲                │ time-out, a new producer: the epoch rises, Prepare Abort     │
 *     └────────────────┴───────────────── init ◄──────────────────────────────────────┘
 *
 * A change is only *proposed*: the machine leaves it in `next`, the coordinator writes it and calls
 * machine_settle when it is durable, or machine_undo when a fault took it back. Meanwhile every event
 * is answered TXN_CONCURRENT. machine.def has the answers by state.
 *
 * Epochs. A producer's epoch rises with every init, when somebody else takes over, and, for clients
 * that speak KIP-890 (`bump` of machine_end), at the end of every transaction: so a batch that comes
 * late can never become part of the next one. When epochs run out the producer gets a new id.
 *
 * No clock, no I/O, no locks. Rules: Kafka's TransactionCoordinator and TransactionMetadata, KIP-98,
 * 360, 890.
 */
#pragma once

#include "base/vec.h"
#include "txn/txn.h"

struct txn_partition {
	char *topic;
	int32_t index;
};

struct txn_fields { /* what is written; partitions beside it */
	int64_t producer_id;
	int64_t previous_producer_id; /* -1; the one before the id was changed */
	int64_t next_producer_id;     /* -1; takes over when the transaction is complete */
	int64_t start_ms;             /* of the transaction, wall; -1 */
	int64_t update_ms;            /* wall */
	int32_t timeout_ms;
	int16_t epoch;
	int16_t last_epoch;     /* -1; whose producer may ask again for what raised it */
	int16_t client_version; /* 2: the epoch rises with every transaction */
	enum txn_state state;
};

struct txn_machine {
	struct txn_fields now;
	struct txn_fields next; /* while pending */
	bool pending;
	MR_VEC(struct txn_partition) partitions; /* with the proposed ones at the end */
	size_t settled_partitions;
};

void machine_init(struct txn_machine *m); /* nobody has used the id yet */
void machine_release(struct txn_machine *m);

/* Positive enum txn_code, or TXN_OK; `pending` tells whether something is to be written. */

/* expected_id -1: a producer that starts. fresh_id: taken when a new id is needed. */
int machine_start(struct txn_machine *m, int64_t expected_id, int16_t expected_epoch, int32_t timeout_ms,
		  int64_t fresh_id, int64_t now_ms);
int machine_add(struct txn_machine *m, int64_t producer_id, int16_t epoch,
		const struct txn_partition_ref *partitions, size_t count, int64_t now_ms);
/* May the producer write to this partition now? */
int machine_verify(const struct txn_machine *m, int64_t producer_id, int16_t epoch,
		   const struct txn_partition_ref *partition);
/* bump: the client takes the new epoch from the answer. */
int machine_end(struct txn_machine *m, int64_t producer_id, int16_t epoch, bool commit, bool bump,
		int64_t fresh_id, int64_t now_ms);
/* All markers are safe. */
void machine_complete(struct txn_machine *m, int64_t now_ms);
/* Abort what is under way and raise the epoch: its time is over, or another producer begins. */
void machine_fence(struct txn_machine *m, int64_t fresh_id, int64_t now_ms);
/* Nobody has used the id for long: TXN_OK when it may be forgotten. */
int machine_expire(struct txn_machine *m, int64_t idle_before_ms);

void machine_settle(struct txn_machine *m);
void machine_undo(struct txn_machine *m);

static inline bool machine_is_prepared(const struct txn_machine *m)
{
	return m->now.state == TXN_PREPARE_COMMIT || m->now.state == TXN_PREPARE_ABORT;
}

void machine_add_partition(struct txn_machine *m, mr_str topic, int32_t index);
