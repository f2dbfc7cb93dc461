/* group/consumer.h - a group whose assignment the broker makes (KIP-848), as a pure state machine.
 *
 * Members only send heartbeats. Three epochs drive everything: the *group epoch* grows with each
 * change of members, subscriptions or topics; the *assignment epoch* says for which of them the
 * target assignment was computed; a *member epoch* says how far one member has come. A member
 * moves to the target in its own time: it first gives up what it is to lose (UNREVOKED), and gets
 * what others have given up (UNRELEASED until they have). A partition never has two owners.
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
	struct deadline session, rebalance;
};

/* The topics as they are now. */
struct topic_view {
	void *arg;
	/* false when there is no such topic */
	bool (*find)(void *arg, mr_str name, struct assign_topic *out);
	/* The names that the regular expression matches whole, from the arena. */
	void (*matching)(void *arg, const char *regex, struct arena *arena, mr_str **names, size_t *count);
};

struct consumer_group {
	const struct groups_options *options;
	struct deadlines *deadlines;
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

int consumer_heartbeat(struct consumer_group *g, const struct consumer_heartbeat *in,
		       const struct topic_view *topics, struct group_now now, struct arena *arena,
		       struct consumer_answer *out, struct group_effects *fx);
int consumer_commit(struct consumer_group *g, const struct group_member_ref *in, bool by_epoch);
void consumer_deadline(struct consumer_group *g, struct deadline *deadline, struct group_effects *fx);
bool consumer_subscribed(const struct consumer_group *g, mr_str topic);
mr_str consumer_assignor(const struct consumer_group *g);
const char *consumer_state_word(const struct consumer_group *g);

/* ---- for replay ---- */
struct consumer_member *consumer_restore(struct consumer_group *g, mr_str id);
void consumer_forget(struct consumer_group *g, mr_str id);
void consumer_note_instance(struct consumer_group *g, struct consumer_member *m, mr_str instance_id);
void consumer_hold(struct consumer_group *g, struct consumer_member *m); /* what it holds is its own */
void consumer_set_string(char **to, mr_str s);
void consumer_set_topics(struct consumer_member *m, const mr_str *topics, size_t count);
