/* share/coordinator.h - what the files of share/ share: the groups, their lock, their writes.
 *
 * One lock guards everything. A public function takes it, runs an event of a state machine and
 * notes what must be written; nothing waits for the disk under it, log_append copies into memory.
 *
 * A part's `records.dirty` is what the log does not know yet. share_part_flush appends it as an
 * update; every updates_per_snapshot-th record, and the first after a fault took one back, is a
 * snapshot of the whole instead.
 */
#pragma once

#include "base/map.h"
#include "broker/group_config.h"
#include "codec/batch.h"
#include "share/records.h"
#include "share/share.h"

#include <pthread.h>

enum { DEADLINE_SHARE_SESSION = 200, DEADLINE_SHARE_LOCK, DEADLINE_SHARE_PRUNE };

struct share_group {
	struct share *share;
	char *name;
	bool known; /* it had members, or was given offsets; until it is deleted, or a restart */
	struct share_members members;
	struct mr_map parts;    /* topic id and partition -> struct share_part */
	struct mr_map sessions; /* member id -> struct share_reader */
};

struct share_part {
	struct share_group *group;
	struct log_topic *topic;
	struct log_partition *log;
	int32_t index;
	uint8_t topic_id[16];
	bool begun; /* records.start is known */
	struct share_partition records;
	struct group_write last; /* what was last written */
	int32_t snapshot_epoch, state_epoch, updates;
	int64_t snapshot_at; /* the log offset of the last snapshot; -1: none */
	int64_t created_ms;
	bool snapshot_due;
	struct deadline lock;
};

struct share_reader { /* a share session */
	struct share_group *group;
	char *member_id;
	uint64_t owner;
	int32_t epoch; /* of the request that comes next */
	const void *conn;
	size_t turn;
	MR_VEC(struct share_part *) parts;
};

struct share {
	const struct env *env;
	struct broker *broker;
	struct groups *groups;
	struct share_options options;

	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool thread_runs, stopping;
	int64_t sleeps_until_ms;

	/* lock */
	struct log_topic *topic; /* of the states; NULL until it is there */
	struct mr_map by_name;   /* -> struct share_group */
	size_t sessions;
	uint64_t last_owner;
	struct deadlines deadlines;
	struct deadline prune;
	struct batch_writer batch;
	struct mr_buf key, value;
	void (*moved)(void *arg, const void *key);
	void *moved_arg;
};

/* ---- coordinator.c ---- */

void share_enter(struct share *share);
void share_leave_lock(struct share *share);
int64_t share_now_ms(const struct share *share);                        /* steady */
struct share_group *share_group_find(struct share *share, mr_str name); /* NULL when there is none */
struct share_group *share_group_make(struct share *share, mr_str name);
/* Nobody is in it and nothing is known of it. */
bool share_group_is_blank(const struct share_group *group);
/* A group of another kind has that name. */
bool share_name_is_taken(struct share *share, mr_str name);
struct share_limits share_limits_of(const struct share_group *group);
struct share_topics share_topics_of(struct share *share);
void share_tell_moved(struct share *share, const struct share_part *part);

/* ---- parts.c ---- */

struct share_part *part_find(struct share_group *group, const struct share_partition_ref *ref);
struct share_part *part_make(struct share_group *group, const struct share_partition_ref *ref);
void part_free(struct share_part *part);
/* Have it begin at `start`. */
void part_begin(struct share_part *part, int64_t start);
/* Append what is dirty. */
int part_flush(struct share_part *part, struct group_write *write, struct mr_error *err);
/* Forget what was written of it; it has not begun any more. */
int part_forget(struct share_part *part, struct group_write *write, struct mr_error *err);
void part_fire_lock(struct share_part *part);
void part_keep_deadline(struct share_part *part);

/* ---- sessions.c ---- */

void reader_free(struct share_reader *reader);
/* Release what it had acquired, then reader_free. */
void reader_close(struct share_reader *reader);

/* ---- state.c: the internal topic ---- */

MR_NODISCARD int share_replay(struct share *share, struct mr_error *err);
int share_ensure_topic(struct share *share, struct mr_error *err);
/* One record of the part: its key of the kind, and share->value; forget: a tombstone. */
MR_NODISCARD int share_append(struct share *share, const struct share_part *part, enum share_record kind,
			      bool forget, struct group_write *write, struct mr_error *err);
/* Snapshots of what has had none for long; where the topic may begin then, or -1. Under the lock. */
int64_t share_prune_point(struct share *share);
