/* txn/coordinator.h - what the files of txn/ share: the transactional ids, their lock, their work.
 *
 * An entry is *busy* while its change is not settled or its markers are not all safe; busy entries
 * are on one list, and every look (coordinator_advance) takes each as far as it can go. Nothing
 * waits for the disk under the lock; log_append copies into memory.
 *
 * The log's listener only sets a flag under its own small lock: the committer never waits for ours.
 */
#pragma once

#include "base/map.h"
#include "codec/batch.h"
#include "group/deadlines.h"
#include "txn/machine.h"

#include <pthread.h>

#define COORDINATOR_RETRY_MS 100 /* when the disk refuses */

enum { DEADLINE_TIMEOUT = 1, DEADLINE_EXPIRY };

struct txn_marker { /* of one partition of a transaction that is being ended */
	struct log_partition *partition;
	int64_t next_offset; /* -1: not appended */
	bool safe;
};

struct txn_entry {
	struct txns *txns;
	char *id;
	struct txn_machine machine;
	int64_t written; /* next_offset of the pending change; -1: not appended yet */
	MR_VEC(struct txn_marker) markers;
	struct txn_ticket *ticket; /* who waits; NULL when nobody does */
	bool ends_offsets;         /* a partition of __consumer_offsets is among the markers */
	bool ticket_ends;          /* it is answered when the transaction is complete */
	bool busy;
	struct txn_entry *busy_next;
	struct deadline deadline;
};

struct txns {
	const struct env *env;
	struct broker *broker;
	struct groups *groups;
	struct txns_options options;

	pthread_mutex_t lock;
	struct log_topic *topic; /* NULL until it is there */
	struct mr_map by_id;     /* -> struct txn_entry */
	struct txn_entry *busy;
	struct deadlines deadlines;
	struct deadline expiry;
	struct batch_writer batch;
	struct mr_buf key, value;
	void (*answered)(void *arg, const void *ticket);
	void *answered_arg;

	pthread_t thread;
	bool thread_runs;
	pthread_mutex_t wake_lock; /* taken last, held for an instant */
	pthread_cond_t wake;
	bool woken, stopping;
	struct log_listener listener;
};

/* ---- coordinator.c ---- */

void coordinator_make_busy(struct txns *txns, struct txn_entry *entry);
void coordinator_wake(struct txns *txns);
struct txn_entry *entry_find(struct txns *txns, mr_str id); /* NULL when there is none */
struct txn_entry *entry_make(struct txns *txns, mr_str id);
void entry_free(struct txns *txns, struct txn_entry *entry);
/* Set or clear the deadline that the state asks for; no sooner than in least_ms. */
void entry_set_deadline(struct txns *txns, struct txn_entry *entry, int64_t least_ms);

/* ---- drive.c: changes into the log, markers into the partitions ---- */

/* The machine has proposed a change: append it, now or (the log is full) soon. */
void drive_change(struct txns *txns, struct txn_entry *entry);
/* Take every busy entry as far as it can go. Returns whether any has to be tried again without news
 * from the log. */
bool drive_busy(struct txns *txns);
void drive_answer(struct txns *txns, struct txn_entry *entry, int code);
int drive_ensure_topic(struct txns *txns, struct mr_error *err);
/* Markers for all partitions of what is prepared. */
void drive_begin_markers(struct txns *txns, struct txn_entry *entry);

/* ---- replay.c ---- */

MR_NODISCARD int txns_replay(struct txns *txns, struct mr_error *err);
