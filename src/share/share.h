/* share/share.h - share groups (KIP-932): many consumers take records of the same partitions, each
 * record is acknowledged by itself.
 *
 * What a client asks is a function here; the rules are pure state machines (partition.h: the records
 * of one partition; members.h: who is in a group). This layer holds them, writes what must last to
 * `__share_group_state` in Kafka's own record formats (records.h), and wakes who waits for records.
 *
 * Durability: an acknowledgement may be told to a client when share_part_flush's write is safe. What
 * is not safe when the power goes is delivered again. share_open replays the topic.
 *
 * Threading: every function is safe from any thread. One thread of its own fires deadlines (locks,
 * sessions) and prunes the topic. Handles (struct share_part) live until share_close.
 *
 * Codes: 0, a positive enum group_code or share_code, or a negative mr_code.
 */
#pragma once

#include "broker/broker.h"
#include "group/group.h"
#include "share/members.h"
#include "share/partition.h"

struct share;
struct share_part; /* one partition as one group reads it; its address is what waiters wait for */

enum share_code { /* after the groups' codes */
		  SHARE_SESSION_NOT_FOUND = 100,
		  SHARE_BAD_SESSION_EPOCH,
		  SHARE_SESSION_LIMIT,
		  SHARE_BAD_RECORD_STATE,
		  SHARE_BAD_REQUEST,
};

struct share_options {
	const struct env *env;
	struct broker *broker;
	struct groups *groups; /* whose names share groups may not have */
	bool manual;           /* no thread: the owner calls share_tick (tests) */
	/* By Kafka's names and with its values. */
	int32_t session_ms;           /* group.share.session.timeout.ms */
	int32_t heartbeat_ms;         /* group.share.heartbeat.interval.ms */
	int32_t size_max;             /* group.share.max.size */
	int32_t sessions_max;         /* group.share.max.share.sessions */
	int32_t updates_per_snapshot; /* share.coordinator.snapshot.update.records.per.snapshot */
	int64_t prune_ms;             /* share.coordinator.state.topic.prune.interval.ms */
	struct share_limits limits;
};
void share_options_default(struct share_options *options);

MR_NODISCARD int share_open(const struct share_options *options, struct share **out, struct mr_error *err);
void share_close(struct share *share); /* NULL is fine */
/* Called with a part's address when records of it may have become available; must be short, must not
 * call back. */
void share_listen(struct share *share, void (*moved)(void *arg, const void *key), void *arg);
/* Fire what is due: the thread's work, for `manual` ones. */
void share_tick(struct share *share);

/* ---- membership ---- */

int share_group_heartbeat(struct share *share, const struct share_heartbeat *in, struct share_answer *out,
			  int32_t *heartbeat_ms, struct arena *arena);
/* Is there a share group of that name? Other groups may not take it. */
bool share_group_exists(struct share *share, mr_str group);

struct share_member_view {
	mr_str id, rack_id, client_id, client_host; /* rack_id ptr NULL: none */
	int32_t epoch;
	const mr_str *topics;
	size_t topic_count;
	const struct group_topic_part *assigned; /* in the order of topics */
	size_t assigned_count;
};
struct share_group_view {
	mr_str name;
	const char *state; /* Kafka's word */
	int32_t epoch;
	struct share_member_view *members;
	size_t member_count;
};
/* GROUP_NOT_FOUND. Strings and arrays come from the arena. */
int share_group_describe(struct share *share, mr_str group, struct share_group_view *out,
			 struct arena *arena);
/* By name, without their members' details. */
struct share_group_view *share_groups_list(struct share *share, size_t *count, struct arena *arena);
/* GROUP_NON_EMPTY, GROUP_NOT_FOUND. */
int share_group_delete(struct share *share, mr_str group, struct group_write *write, struct mr_error *err);

/* ---- sessions: which partitions a member reads, and in which order its requests come ---- */

struct share_partition_ref {
	struct log_topic *topic;
	int32_t partition;
};
struct share_ask {
	mr_str group, member_id;
	int32_t epoch;      /* 0 opens, -1 closes, else the next one */
	const void *conn;   /* with whose end the session ends */
	bool acknowledging; /* of ShareAcknowledge, which opens none */
	const struct share_partition_ref *add, *forget;
	size_t add_count, forget_count;
};
struct share_session {
	uint64_t owner; /* whose records these are */
	int32_t lock_ms;
	bool closing;              /* share_session_close when what it brought is done */
	struct share_part **parts; /* from the arena; each request begins with another one */
	size_t part_count;
};
int share_session_enter(struct share *share, const struct share_ask *ask, struct share_session *out,
			struct arena *arena);
/* Release what the member had acquired. */
void share_session_close(struct share *share, mr_str group, mr_str member_id);
/* The same for all sessions of a connection that is gone. */
void share_connection_gone(struct share *share, const void *conn);

/* ---- records ---- */

/* NULL when the group has none for it; made by share_session_enter. */
struct share_part *share_part_find(struct share *share, mr_str group, const struct share_partition_ref *ref);
struct log_partition *share_part_log(const struct share_part *part);

struct share_plan {
	int64_t from;   /* where to read; -1: nothing can be acquired now */
	int64_t until;  /* nothing at or past it: what is stable, or decided when read_committed */
	bool committed; /* share.isolation.level is read_committed */
};
/* Begins the partition when nobody has read it yet, where share.auto.offset.reset says. */
int share_part_plan(struct share *share, struct share_part *part, struct share_plan *out,
		    struct mr_error *err);
/* in->owner of the session; now_ms is filled in. Ranges are appended to out. */
int64_t share_part_acquire(struct share *share, struct share_part *part, struct share_acquire *in,
			   struct share_ranges *out);
/* Spans that hold nothing for readers: transactions that were aborted. */
void share_part_archive(struct share *share, struct share_part *part, const struct share_span *spans,
			size_t count);
/* Changes nothing unless all is well: SHARE_BAD_RECORD_STATE, SHARE_BAD_REQUEST. Durable with the
 * write of the next share_part_flush. */
int share_part_acknowledge(struct share *share, struct share_part *part, uint64_t owner,
			   const struct share_ack_batch *batches, size_t count);
/* Write what has changed. MR_ERR_BUSY: again after the next commit of the log. */
MR_NODISCARD int share_part_flush(struct share *share, struct share_part *part, struct group_write *write,
				  struct mr_error *err);

/* ---- offsets, for administration ---- */

struct share_offset {
	struct share_partition_ref ref;
	int64_t start; /* -1: not begun */
	int64_t lag;   /* -1: not begun */
	int code;
};
/* Of the refs, or (refs NULL) of all there are; from the arena, by topic and partition. */
int share_offsets_describe(struct share *share, mr_str group, const struct share_partition_ref *refs,
			   size_t count, struct share_offset **out, size_t *out_count, struct arena *arena);
/* Begin at these offsets, but for those with a code; makes the group when there is none.
 * GROUP_NON_EMPTY, GROUP_NOT_FOUND when a group of another kind has the name. */
int share_offsets_alter(struct share *share, mr_str group, struct share_offset *offsets, size_t count,
			struct group_write *write, struct mr_error *err);
/* Forget these topics. GROUP_NON_EMPTY, GROUP_NOT_FOUND; per topic GROUP_UNKNOWN_TOPIC in codes. */
int share_offsets_delete(struct share *share, mr_str group, struct log_topic *const *topics, size_t count,
			 int *codes, struct group_write *write, struct mr_error *err);
