/* group/group.h - consumer groups and their committed offsets, kept in an internal topic.
 *
 * What a client asks is a function here; what a group then does is decided by pure state
 * machines (classic.h, consumer.h) that know neither clock nor disk. This layer holds them:
 * it gives them the time, writes what must last to `__consumer_offsets` in Kafka's own record
 * formats (records.h), and wakes who waits.
 *
 * Durability: a function that changes something returns a struct group_write; the change may be
 * told to a client when groups_write_state answers 0. Committed offsets become visible to
 * readers at that moment, not before: nobody reads an offset that a power cut can take back.
 * groups_open replays the topic. Members that it finds have a session timeout to come back.
 *
 * Threading: every function is safe from any thread. One thread of its own fires deadlines.
 *
 * Codes: 0, a positive enum group_code (what the protocol expects to happen now and then; kafka/
 * has the table to Kafka's codes), or a negative mr_code.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "base/types.h"
#include "broker/broker.h"
#include "env/env.h"

struct groups;

#define GROUP_TOPIC "__consumer_offsets"

enum group_code {
	GROUP_OK,
	GROUP_INVALID_ID,
	GROUP_INVALID_REQUEST,
	GROUP_INVALID_SESSION_TIMEOUT,
	GROUP_INCONSISTENT_PROTOCOL,
	GROUP_MEMBER_ID_REQUIRED,
	GROUP_UNKNOWN_MEMBER,
	GROUP_ILLEGAL_GENERATION,
	GROUP_REBALANCE_IN_PROGRESS,
	GROUP_FENCED_INSTANCE,
	GROUP_FULL,
	GROUP_NOT_AVAILABLE, /* try again: it is being deleted, or the disk failed */
	GROUP_NOT_FOUND,
	GROUP_NON_EMPTY,
	GROUP_SUBSCRIBED_TO_TOPIC,
	GROUP_METADATA_TOO_LARGE,
	GROUP_UNSTABLE_OFFSET, /* a transaction has not decided yet */
	GROUP_FENCED_MEMBER_EPOCH,
	GROUP_STALE_MEMBER_EPOCH,
	GROUP_UNRELEASED_INSTANCE,
	GROUP_UNSUPPORTED_ASSIGNOR,
	GROUP_INVALID_REGEX,
	GROUP_UNSUPPORTED_VERSION,
	GROUP_UNKNOWN_TOPIC,
	GROUP_TOPIC_REFUSED, /* an entry that the caller may not touch: groups leave it alone */
};

enum { MIGRATION_UPGRADE = 1, MIGRATION_DOWNGRADE = 2 };

struct groups_options {
	const struct env *env;
	struct broker *broker;
	bool manual; /* no thread: the owner calls groups_tick (tests) */
	/* By Kafka's names; groups_options_default has Kafka's values but where it says so. */
	int32_t topic_partitions;           /* offsets.topic.num.partitions; here 1 */
	int64_t topic_segment_bytes;        /* offsets.topic.segment.bytes */
	int64_t retention_ms;               /* offsets.retention.minutes */
	int64_t retention_check_ms;         /* offsets.retention.check.interval.ms */
	int32_t metadata_bytes_max;         /* offset.metadata.max.bytes */
	int32_t session_min_ms;             /* group.min.session.timeout.ms */
	int32_t session_max_ms;             /* group.max.session.timeout.ms */
	int32_t initial_rebalance_delay_ms; /* group.initial.rebalance.delay.ms; here 0 */
	int32_t size_max;                   /* group.max.size */
	int32_t consumer_session_ms;        /* group.consumer.session.timeout.ms */
	int32_t consumer_heartbeat_ms;      /* group.consumer.heartbeat.interval.ms */
	int consumer_migration;             /* group.consumer.migration.policy: MIGRATION_*; both */
};
void groups_options_default(struct groups_options *options);

/* Replays the internal topic when there is one; it is made by groups_prepare or a first write. */
MR_NODISCARD int groups_open(const struct groups_options *options, struct groups **out, struct mr_error *err);
void groups_close(struct groups *groups); /* NULL is fine; no ticket may be left */
/* Make the internal topic when there is none: what finding the coordinator does. */
MR_NODISCARD int groups_prepare(struct groups *groups, struct mr_error *err);
/* Called with a ticket's address whenever one was answered; must be short, must not call back. */
void groups_listen(struct groups *groups, void (*answered)(void *arg, const void *ticket), void *arg);
/* Fire what is due and expire offsets: the thread's work, for `manual` ones. */
void groups_tick(struct groups *groups);

/* ---- what must be stable before a client may be told ---- */

struct group_write {
	struct log_partition *partition; /* NULL: nothing was written */
	int64_t next_offset;
};
/* 0: safe; 1: not yet (wait for the partition); negative: a fault took it back. */
int groups_write_state(const struct group_write *write, struct mr_error *err);

/* ---- the classic protocol: join, sync, heartbeat, leave ---- */

struct group_protocol {
	mr_str name;
	mr_str metadata;
};

struct group_join {
	mr_str group, member_id;
	mr_str instance_id; /* ptr NULL: a dynamic member */
	mr_str client_id, client_host, protocol_type;
	const struct group_protocol *protocols;
	size_t protocol_count;
	int32_t session_timeout_ms, rebalance_timeout_ms;
	bool require_known_id; /* from version 4: a new member comes twice */
	bool skip_assignment;  /* from version 9: a leader may be told not to assign */
	mr_str reason;
};

struct group_sync_assignment {
	mr_str member_id;
	mr_str bytes;
};

struct group_sync {
	mr_str group, member_id, instance_id;
	int32_t generation;
	mr_str protocol_type, protocol; /* ptr NULL: not compared */
	const struct group_sync_assignment *assignments;
	size_t assignment_count;
};

struct group_join_member {
	mr_str id, instance_id, metadata;
};

/* The answer to a join or a sync, when it comes. */
struct group_ticket {
	/* Read by its owner once group_ticket_done says so; views into its arena. */
	int code;
	mr_str member_id, leader, protocol_type, protocol;
	int32_t generation;
	bool skip_assignment;
	const struct group_join_member *members; /* of a join, for the leader */
	size_t member_count;
	mr_str assignment; /* of a sync */
	struct group_write write;

	struct arena arena;
	struct group_ticket **held_by; /* the member that will answer; NULL when done */
	bool done;
};

/* *out is the caller's, to be given back with group_ticket_drop, answered or not; giving it back
 * does not take the join back. Always answered in the end. */
void groups_join(struct groups *groups, const struct group_join *in, struct group_ticket **out);
void groups_sync(struct groups *groups, const struct group_sync *in, struct group_ticket **out);
bool group_ticket_done(struct groups *groups, const struct group_ticket *ticket);
void group_ticket_drop(struct groups *groups, struct group_ticket *ticket);

struct group_member_ref {
	mr_str group, member_id, instance_id;
	int32_t generation; /* or the member epoch */
};
int groups_heartbeat(struct groups *groups, const struct group_member_ref *in);

/* ---- the consumer protocol (KIP-848): one heartbeat does it all; consumer.h has the words ---- */

struct consumer_heartbeat;
struct consumer_answer;
/* The answer's strings come from the arena; tell it when the write is safe. A classic group of consumers
 * turns into one of this protocol; GROUP_NOT_FOUND when it may not. */
int groups_consumer_heartbeat(struct groups *groups, const struct consumer_heartbeat *in,
			      struct consumer_answer *out, struct group_write *write, struct arena *arena);
/* As the group's configuration has it now (consumer.heartbeat.interval.ms). */
int32_t groups_heartbeat_interval_ms(const struct groups *groups, mr_str group);

struct group_leaver {
	mr_str member_id, instance_id; /* a static member may be named by its instance alone */
	mr_str reason;
	int code; /* out */
};
int groups_leave(struct groups *groups, mr_str group, struct group_leaver *leavers, size_t count,
		 struct group_write *write);

/* ---- offsets ---- */

struct group_offset_entry {
	mr_str topic;
	int32_t partition;
	int64_t offset; /* a fetch: -1 when none is committed */
	int32_t leader_epoch;
	mr_str metadata;
	int code; /* out; a commit skips the entries that have one already */
};

struct group_commit {
	struct group_member_ref member; /* generation -1 and no id: from outside the group */
	bool by_epoch;                  /* OffsetCommit from version 9 on */
	struct group_offset_entry *entries;
	size_t count;
};
/* MR_ERR_BUSY: nothing was done, try again after the next commit of the log. */
int groups_commit(struct groups *groups, const struct group_commit *in, struct group_write *write,
		  struct mr_error *err);

struct group_fetch {
	struct group_member_ref member; /* generation -1: not checked */
	bool require_stable;            /* GROUP_UNSTABLE_OFFSET where a transaction is undecided */
};
/* Fills the entries' offsets and codes; strings come from the arena. */
int groups_fetch(struct groups *groups, const struct group_fetch *in, struct group_offset_entry *entries,
		 size_t count, struct arena *arena);
/* The same for all there is; the array comes from the arena, ordered by topic and partition. */
int groups_fetch_all(struct groups *groups, const struct group_fetch *in, struct group_offset_entry **out,
		     size_t *count, struct arena *arena);

/* Per-entry codes as in groups_commit: GROUP_SUBSCRIBED_TO_TOPIC. */
int groups_delete_offsets(struct groups *groups, mr_str group, struct group_offset_entry *entries,
			  size_t count, struct group_write *write, struct mr_error *err);
/* A topic is gone: forget what was committed for it, in every group. */
int groups_topic_deleted(struct groups *groups, mr_str topic, struct mr_error *err);

/* ---- offsets of transactions ----
 *
 * group_txn_offset_commit writes the offsets as a transactional batch of the producer and keeps
 * them pending. The transaction coordinator appends the marker to groups_partition_of(group) as to
 * any partition of the transaction, and when that is stable calls group_txn_complete, which
 * makes them visible or drops them. Replay does the same from batches and markers.
 */
int group_txn_offset_commit(struct groups *groups, const struct group_commit *in, int64_t producer_id,
			    int16_t producer_epoch, struct group_write *write, struct mr_error *err);
void group_txn_complete(struct groups *groups, int64_t producer_id, bool commit);
/* The partition of the internal topic that holds this group; NULL before groups_prepare. */
struct log_partition *groups_partition_of(struct groups *groups, mr_str group);

/* ---- looking, and deleting ---- */

enum group_kind { GROUP_CLASSIC, GROUP_CONSUMER };
const char *group_kind_name(enum group_kind kind); /* "classic", "consumer" */

struct group_summary {
	mr_str name, protocol_type;
	const char *state; /* Kafka's word: "Stable" */
	enum group_kind kind;
	size_t members;
};
/* All groups by name; the array and its strings come from the arena. */
struct group_summary *groups_list(struct groups *groups, size_t *count, struct arena *arena);

struct group_topic_part {
	mr_str topic;
	uint8_t topic_id[16];
	int32_t partition;
};
struct consumer_member_view {
	mr_str rack_id, regex; /* ptr NULL: none */
	int32_t epoch;
	bool classic; /* it speaks the classic protocol */
	const mr_str *topics;
	size_t topic_count;
	const struct group_topic_part *assigned, *target; /* in the order of topics */
	size_t assigned_count, target_count;
};
struct group_member_view {
	mr_str id, instance_id, client_id, client_host;
	mr_str metadata, assignment;                 /* as the member and the leader wrote them (classic) */
	const struct consumer_member_view *consumer; /* of a consumer group's member; else NULL */
};
struct group_view {
	struct group_summary summary;
	mr_str protocol; /* the assignor that was voted for, or the server's */
	mr_str leader;
	int32_t generation; /* or the group epoch */
	int32_t assignment_epoch;
	struct group_member_view *members;
};
int groups_describe(struct groups *groups, mr_str group, struct group_view *out, struct arena *arena);

struct group_lag {
	mr_str group, topic;
	int32_t partition;
	int64_t committed, log_end;
	int64_t lag_rows;
	double lag_seconds; /* from the next record to read to the newest one; 0 when there is none */
	mr_str member_id, client_id; /* who reads it now; empty when nobody does */
};
/* Of every committed offset, of one group or (ptr NULL) of all; reads a batch each. */
struct group_lag *groups_lag(struct groups *groups, mr_str group, size_t *count, struct arena *arena);

int groups_delete(struct groups *groups, mr_str group, struct group_write *write, struct mr_error *err);

struct groups_stats {
	size_t groups, members, offsets;
	size_t transactions; /* producers that hold offsets of an undecided one */
	uint64_t rebalances, commits, expired_members, expired_offsets;
};
void groups_stats(struct groups *groups, struct groups_stats *out);
