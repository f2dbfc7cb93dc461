/* txn/txn.h - the transaction coordinator: who may write under a transactional id, and how its
 * transactions end.
 *
 * What a client asks is a function here; the rules are a pure state machine (machine.h). This layer
 * holds the machines, writes their changes to `__transaction_state` in Kafka's own record format,
 * appends the markers that end a transaction, and wakes who waits.
 *
 * Durability: a change is told to nobody before it is safe. The decision is the Prepare record: once
 * it is safe the transaction ends that way, whatever crashes after it; txns_open takes up what was
 * prepared, and aborts what is past its time. A ticket of txns_end is answered when every marker is
 * safe, so that a commit that has returned is visible.
 *
 * Threading: every function is safe from any thread. One thread of its own drives the markers and
 * fires time-outs. Its lock is taken before the groups' and before any of the log's.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "base/types.h"
#include "broker/broker.h"
#include "env/env.h"
#include "group/group.h"

struct txns;

#define TXN_TOPIC "__transaction_state"

enum txn_state {
#define STATE(name, word, start, add, commit, abort) TXN_##name,
#include "txn/machine.def"
#undef STATE
	TXN_STATES
};
const char *txn_state_word(enum txn_state state);

enum txn_code { /* kafka/errors.c has the table to Kafka's codes */
		TXN_OK,
		TXN_INVALID_REQUEST,
		TXN_INVALID_TIMEOUT,
		TXN_INVALID_STATE,
		TXN_CONCURRENT, /* ask again a little later */
		TXN_FENCED,     /* another producer has taken over */
		TXN_UNKNOWN_MAPPING,
		TXN_NOT_FOUND,
		TXN_NOT_AVAILABLE, /* the disk refuses: ask again */
};

struct txns_options {
	const struct env *env;
	struct broker *broker;
	struct groups *groups;
	bool manual;              /* no thread: the owner calls txns_tick (tests) */
	int32_t timeout_max_ms;   /* transaction.max.timeout.ms */
	int64_t id_expiration_ms; /* transactional.id.expiration.ms */
};
void txns_options_default(struct txns_options *options);

MR_NODISCARD int txns_open(const struct txns_options *options, struct txns **out, struct mr_error *err);
void txns_close(struct txns *txns); /* NULL is fine; no ticket may be left */
/* Make the internal topic when there is none: what finding the coordinator does. */
MR_NODISCARD int txns_prepare(struct txns *txns, struct mr_error *err);
/* Called with a ticket's address when it was answered; must be short, must not call back. */
void txns_listen(struct txns *txns, void (*answered)(void *arg, const void *ticket), void *arg);
/* Do what has become possible and fire what is due: the thread's work, for `manual` ones. */
void txns_tick(struct txns *txns);

struct txn_ticket {
	/* Read by its owner once txn_ticket_done says so. */
	int code;
	int64_t producer_id;
	int16_t epoch;

	struct txn_entry *held_by; /* who will answer; NULL when done */
	bool done;
	bool decided; /* of txns_end: it will end that way, though the markers are not all safe */
};
bool txn_ticket_done(struct txns *txns, const struct txn_ticket *ticket);
/* The owner will wait no longer: true, and the answer filled in, when the decision is safe. */
bool txn_ticket_decided(struct txns *txns, struct txn_ticket *ticket);
void txn_ticket_drop(struct txns *txns, struct txn_ticket *ticket);

struct txn_partition_ref {
	mr_str topic;
	int32_t index;
};

struct txn_producer {
	mr_str id; /* the transactional id */
	int64_t producer_id;
	int16_t epoch;
};

/* InitProducerId. producer_id -1: a producer that starts; else one that goes on (KIP-360). */
void txns_start(struct txns *txns, const struct txn_producer *who, int32_t timeout_ms,
		struct txn_ticket **out);
/* These partitions belong to the transaction from now on; starts it when there is none. */
void txns_add(struct txns *txns, const struct txn_producer *who, const struct txn_partition_ref *partitions,
	      size_t count, struct txn_ticket **out);
/* bump: KIP-890, the answer carries the producer's next epoch. */
void txns_end(struct txns *txns, const struct txn_producer *who, bool commit, bool bump,
	      struct txn_ticket **out);
/* Is the partition part of the producer's transaction? */
int txns_verify(struct txns *txns, const struct txn_producer *who, const struct txn_partition_ref *partition);

struct txn_view {
	mr_str id;
	enum txn_state state;
	int64_t producer_id, start_ms;
	int16_t epoch;
	int32_t timeout_ms;
	struct txn_partition_ref *partitions;
	size_t partition_count;
};
/* Strings and arrays come from the arena. TXN_NOT_FOUND. */
int txns_describe(struct txns *txns, mr_str id, struct txn_view *out, struct arena *arena);
struct txn_view *txns_list(struct txns *txns, size_t *count, struct arena *arena); /* by id */
int64_t txns_now_ms(const struct txns *txns); /* the wall clock that start_ms is of */
