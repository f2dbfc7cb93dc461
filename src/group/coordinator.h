/* group/coordinator.h - what the files of group/ share: the groups, their lock, their writes.
 *
 * One lock guards everything. A public function takes it, settles what has become stable, runs
 * an event of a state machine and concludes: the machine's effects are carried out, those who
 * were answered are told. Nothing waits for the disk under the lock; log_append copies into
 * memory.
 *
 * A write is *unsettled* until the log says what became of it. What it changes for readers
 * (committed offsets, a deleted group) is applied then, in the order of the writes; a write that
 * a fault took back is dropped.
 */
#pragma once

#include "base/map.h"
#include "codec/batch.h"
#include "group/classic.h"
#include "group/offsets.h"
#include "group/records.h"

#include <pthread.h>

enum { DEADLINE_RETENTION = 100 };

struct group {
	char *name;
	enum group_kind kind;
	struct classic_group classic;   /* of a consumer group: empty */
	struct consumer_group consumer; /* of a classic one: empty */
	struct group_offsets offsets;
	uint32_t unsettled;  /* writes of offsets; the group stays while there are any */
	bool deleting;       /* its tombstones are on their way */
	bool forget_classic; /* it was a classic group: that record goes with the next write */
};

/* The groups that hold offsets of one producer's transaction; some may be gone. */
struct txn_groups {
	MR_VEC(char *) names;
};

enum settle { SETTLE_COMMIT, SETTLE_FORGET, SETTLE_TXN, SETTLE_DELETE };

struct unsettled {
	struct unsettled *next;
	struct group_write write;
	enum settle kind;
	char *group;
	int64_t producer_id;        /* of SETTLE_TXN */
	struct txn_offsets entries; /* in the order of the batch's records */
};

struct groups {
	const struct env *env;
	struct broker *broker;
	struct groups_options options;

	pthread_mutex_t lock;
	pthread_cond_t wake; /* an earlier deadline than the thread sleeps for, or the end */
	pthread_t thread;
	bool thread_runs, stopping;
	int64_t sleeps_until_ms;

	/* lock */
	struct log_topic *topic; /* NULL until it is there */
	struct mr_map by_name;   /* -> struct group */
	struct mr_map in_txn;    /* producer id -> struct txn_groups */
	struct deadlines deadlines;
	struct deadline retention;
	struct unsettled *first, **last;
	struct batch_writer batch;
	struct mr_buf key, value; /* of the record that is being made */
	void (*answered)(void *arg, const void *ticket);
	void *answered_arg;
	uint64_t rebalances, commits, expired_members, expired_offsets;
};

/* ---- coordinator.c ---- */

/* Take the lock, and apply what has become stable. */
void groups_enter(struct groups *groups);
void groups_leave_lock(struct groups *groups);
struct group_now groups_now(const struct groups *groups);

struct group *group_find(struct groups *groups, mr_str name); /* NULL when there is none */
struct group *group_make(struct groups *groups, mr_str name);
/* Forget a group that nothing was ever said about. */
void group_drop_if_blank(struct groups *groups, struct group *group);
void group_free(struct groups *groups, struct group *group);

/* Carry out the effects of an event on this group, then release fx. */
void groups_conclude(struct groups *groups, struct group *group, struct group_effects *fx);

/* The answers stand, but clients may not be told before the write is stable; rc < 0: it is not made. */
void hold_back(struct group_effects *fx, int rc, const struct group_write *write);
/* The topics as the log has them. */
struct topic_view groups_topic_view(struct groups *groups);

/* Write what is dirty of a consumer group; stays dirty when the log does not take it. */
int group_persist_consumer(struct groups *groups, struct group *group, struct group_write *write,
			   struct mr_error *err);
/* Make a group without members one of the other kind: MR_ERR_* when that cannot be written. */
int group_turn(struct groups *groups, struct group *group, enum group_kind kind, struct mr_error *err);
/* Read what the group's configuration says now: alterations count from a member's next heartbeat. */
void group_configure(struct groups *groups, struct group *group);
size_t group_member_count(const struct group *group);
bool group_subscribed(const struct group *group, mr_str topic);
/* Tombstones for the records of the group itself, into the batch that was started. */
void write_group_tombstones(struct groups *groups, const struct group *group);

/* ---- migrate.c: from one protocol to the other, with members ---- */

bool group_may_upgrade(const struct groups *groups, const struct group *group);
/* MR_ERR_CORRUPT, and nothing is done, when what members said cannot be read. The records go with the
 * next group_persist_consumer. */
int group_upgrade(struct groups *groups, struct group *group, const struct topic_view *topics,
		  struct group_effects *fx);
/* After an event of a consumer group: turn it into a classic one when only such members are left
 * (quietly: without a rebalance when it can be), else write what is dirty; carry out the effects. Negative
 * when nothing could be written. */
int groups_conclude_consumer(struct groups *groups, struct group *group, bool quietly,
			     struct group_write *write, struct group_effects *fx);

/* ---- writes.c: records into the internal topic ---- */

void write_start(struct groups *groups);
/* The key, and the value that was put into groups->value; forget: a tombstone. */
void write_record(struct groups *groups, const struct record_key *key, bool forget);
/* Append what was collected for this group; nothing is written when nothing was. producer_id -1:
 * no transaction. MR_ERR_BUSY: try again after the next commit of the log. */
MR_NODISCARD int write_end(struct groups *groups, mr_str group, int64_t producer_id, int16_t producer_epoch,
			   struct group_write *write, struct mr_error *err);
int groups_ensure_topic(struct groups *groups, struct mr_error *err);

/* Apply `entries` (taken) when the write is stable. */
void settle_later(struct groups *groups, const struct group_write *write, enum settle kind,
		  struct group *group, int64_t producer_id, struct txn_offsets *entries);
void settle_all(struct groups *groups);
void unsettled_free(struct unsettled *u);

/* ---- commits.c: which groups a transaction concerns ---- */

/* The group holds offsets of the producer's transaction from now on. */
void txn_groups_note(struct groups *groups, int64_t producer_id, const struct group *group);
/* The transaction is decided, in every group that it concerns. */
void txn_groups_decide(struct groups *groups, int64_t producer_id, bool commit);
void txn_groups_release(struct groups *groups);

/* ---- replay.c ---- */

MR_NODISCARD int groups_replay(struct groups *groups, struct mr_error *err);

/* ---- expiry.c ---- */

void groups_expire_offsets(struct groups *groups);
/* What was committed for topics that are not there any more. */
MR_NODISCARD int groups_forget_lost_topics(struct groups *groups, struct mr_error *err);
/* Write tombstones for the committed offsets that `doomed` names; with all_of_it, for the group. */
int group_forget(struct groups *groups, struct group *group,
		 bool (*doomed)(void *arg, const char *topic, const struct group_offset *offset), void *arg,
		 bool all_of_it, struct group_write *write, struct mr_error *err);
