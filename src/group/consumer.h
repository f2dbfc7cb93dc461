/* group/consumer.h - a group whose assignment the broker makes (KIP-848), as a pure state machine.
 *
 * Members only send heartbeats. Three epochs drive everything: the *group epoch* grows with each
 * change of members, subscriptions or topics; the *assignment epoch* says for which of them the
 * target assignment was computed; a *member epoch* says how far one member has come. A member
 * moves to the target in its own time: it first gives up what it is to lose (UNREVOKED), and gets
 * what others have given up (UNRELEASED until they have). A partition never has two owners.
 *
 * Members of the classic protocol may stand among them (KIP-848's online migration): their JoinGroup is
 * a heartbeat that brings a subscription, SyncGroup fetches what the member is assigned, Heartbeat
 * says when to join again, and the member's epoch is their generation (consumer_classic.c).
 *
 * Events take the time and a view of the topics; what must last is marked dirty, and written by the
 * coordinator (records_consumer.c). No clock, no I/O, no locks. Rules: KIP-848, and Kafka's
 * CurrentAssignmentBuilder.
 */
#pragma once

#include "base/map.h"
#include "group/assignment.h"
#include "group/deadlines.h"
#include "group/effects.h"

enum { DEADLINE_CONSUMER_SESSION = 20, DEADLINE_CONSUMER_REBALANCE };

#define EPOCH_LEAVE (-1)
#define EPOCH_LEAVE_STATIC (-2) /* a static member that will be back */

enum consumer_member_state { MEMBER_STABLE, MEMBER_UNREVOKED, MEMBER_UNRELEASED }; /* Kafka's numbers */

enum { DIRTY_METADATA = 1, DIRTY_TARGET = 2, DIRTY_CURRENT = 4 };

struct consumer_group;

struct consumer_member {
	struct consumer_group *group;
	char *id;
	char *instance_id, *rack_id, *regex, *assignor; /* NULL: none */
	char *client_id, *client_host;
	int32_t rebalance_timeout_ms;
	MR_VEC(char *) topics; /* sorted */
	int32_t epoch, previous_epoch;
	enum consumer_member_state state;
	struct partition_set assigned, revoking, target;
	int dirty;
	/* What it must do in time, besides heartbeats: give up partitions; a classic one: join, sync. */
	struct deadline session, rebalance;
	/* Of a member that speaks the classic protocol: what it joined with. NULL: it does not. */
	struct group_protocol *protocols;
	size_t protocol_count;
	int32_t session_timeout_ms; /* its own */
};

static inline bool consumer_is_classic(const struct consumer_member *m)
{
	return m->protocols != NULL;
}

/* The topics as they are now. */
struct topic_view {
	void *arg;
	/* false when there is no such topic */
	bool (*find)(void *arg, mr_str name, struct assign_topic *out);
	/* The names that the regular expression matches whole, from the arena. */
	void (*matching)(void *arg, const char *regex, struct arena *arena, mr_str **names, size_t *count);
	/* From the arena; ptr NULL when there is no such topic. */
	mr_str (*name)(void *arg, const uint8_t id[16], struct arena *arena);
};

struct consumer_group {
	const struct groups_options *options;
	struct deadlines *deadlines;
	int32_t session_ms; /* of members that do not bring their own */
	int32_t epoch, assignment_epoch;
	uint64_t topics_hash;     /* of the subscribed topics, at `epoch`; 0: not known */
	int64_t topics_looked_ms; /* when */
	struct mr_map members;    /* id -> struct consumer_member */
	struct mr_map statics;    /* instance id -> the same */
	struct mr_map owners;     /* topic id and partition -> who holds it */
	MR_VEC(char *) gone;      /* ids of members whose records must go */
	bool dirty_epoch, dirty_assignment_epoch;
};

struct consumer_heartbeat {
	mr_str group, member_id, instance_id, rack_id, assignor, regex; /* ptr NULL: not said */
	mr_str client_id, client_host;
	int32_t member_epoch, rebalance_timeout_ms; /* -1: unchanged */
	const mr_str *topics;
	int64_t topic_count; /* -1: unchanged */
	const struct topic_partition *owned;
	int64_t owned_count; /* -1: not said */
};

struct consumer_answer {
	const char *message; /* why not; static */
	mr_str member_id;    /* from the arena */
	int32_t epoch;
	bool assignment_told;
	struct topic_partition *assignment; /* from the arena */
	size_t assignment_count;
};

void consumer_init(struct consumer_group *g, const struct groups_options *options,
		   struct deadlines *deadlines);
void consumer_release(struct consumer_group *g);

/* Is the request one that can be made? GROUP_OK, or a code and out->message. */
int consumer_check(const struct consumer_heartbeat *in, struct consumer_answer *out);
int consumer_heartbeat(struct consumer_group *g, const struct consumer_heartbeat *in,
		       const struct topic_view *topics, struct group_now now, struct arena *arena,
		       struct consumer_answer *out, struct group_effects *fx);
int consumer_commit(struct consumer_group *g, const struct group_member_ref *in, bool by_epoch);
void consumer_deadline(struct consumer_group *g, struct deadline *deadline, struct group_effects *fx);
bool consumer_subscribed(const struct consumer_group *g, mr_str topic);
mr_str consumer_assignor(const struct consumer_group *g);
const char *consumer_state_word(const struct consumer_group *g);

/* ---- members of the classic protocol: consumer_classic.c ---- */

/* Answers the ticket at once; the epoch is the generation, and nobody leads. *replaced: a static
 * member of the consumer protocol went for it. */
void consumer_join(struct consumer_group *g, const struct group_join *in, const char *fresh_id,
		   const struct topic_view *topics, struct group_ticket *ticket, struct group_now now,
		   bool *replaced, struct group_effects *fx);
void consumer_sync(struct consumer_group *g, const struct group_sync *in, const struct topic_view *topics,
		   struct group_ticket *ticket, struct group_now now, struct group_effects *fx);
int consumer_classic_heartbeat(struct consumer_group *g, const struct group_member_ref *in,
			       struct group_now now);
void consumer_leave(struct consumer_group *g, struct group_leaver *leavers, size_t count);
/* What it holds, as a classic member is told it; from the arena. */
mr_str consumer_assignment_bytes(const struct consumer_member *m, const struct topic_view *topics,
				 struct arena *arena);
size_t consumer_classic_count(const struct consumer_group *g);
/* NULL: it speaks the consumer protocol now. */
void consumer_set_protocols(struct consumer_member *m, const struct group_protocol *protocols, size_t count,
			    int32_t session_timeout_ms);
/* From now on the member has its session timeout to be heard of. */
void consumer_alive(struct consumer_group *g, struct consumer_member *m, struct group_now now);
/* The group's epoch grows: all members are to come to a new target. */
void consumer_bump(struct consumer_group *g);

/* ---- between consumer.c and consumer_classic.c ---- */

/* A new member, or one in the place of `old`, a static member that goes. */
struct consumer_member *consumer_admit(struct consumer_group *g, const struct consumer_heartbeat *in,
				       struct consumer_member *old);
/* Take what the member says, make a new target when one is due, move the member towards it. */
void consumer_advance(struct consumer_group *g, struct consumer_member *m,
		      const struct consumer_heartbeat *in, const struct topic_view *topics,
		      struct group_now now, struct arena *arena, struct group_effects *fx);
void consumer_remove(struct consumer_group *g, struct consumer_member *m);
/* Does another hold something that the member is to get? */
bool consumer_waits(const struct consumer_group *g, const struct consumer_member *m);

/* ---- for replay ---- */
struct consumer_member *consumer_restore(struct consumer_group *g, mr_str id);
void consumer_forget(struct consumer_group *g, mr_str id);
void consumer_note_instance(struct consumer_group *g, struct consumer_member *m, mr_str instance_id);
void consumer_hold(struct consumer_group *g, struct consumer_member *m); /* what it holds is its own */
void consumer_set_string(char **to, mr_str s);
void consumer_set_topics(struct consumer_member *m, const mr_str *topics, size_t count);
