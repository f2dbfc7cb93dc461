/* group/classic.h - a group of the classic protocol as a pure state machine.
 *
 *            join                all joined, or time is up          leader syncs
 *   Empty ─────────► Preparing ────────────────────────► Completing ─────────────► Stable
 *     ▲                 │  ▲                                  │                      │
 *     └─── none left ───┘  └──── join, leave, expiry ─────────┴──────────────────────┘
 *
 * Members choose a protocol (an assignor) by vote; the leader assigns; the machine never looks
 * into what members and leader say to each other. Eager and cooperative rebalancing are the
 * clients' affair. Static members (KIP-345) keep their place and assignment when they come back
 * under the same instance id; whoever used it before is fenced.
 *
 * Events take the time and say what is to be done (effects.h). No clock, no I/O, no locks.
 * classic.def has the answers by state. Rules: Kafka's GroupCoordinator, KIP-345, 394, 559, 814.
 */
#pragma once

#include "base/map.h"
#include "group/deadlines.h"
#include "group/effects.h"

enum classic_state {
#define STATE(name, word, join, sync, heartbeat, commit) CLASSIC_##name,
#include "group/classic.def"
#undef STATE
	CLASSIC_STATES
};

/* Kinds of deadlines; their owners are a member, a pending member, a group. */
enum { DEADLINE_SESSION = 1, DEADLINE_PENDING, DEADLINE_REBALANCE };

struct classic_group;

struct classic_member {
	struct classic_group *group;
	char *id;
	char *instance_id; /* NULL: dynamic */
	char *client_id, *client_host;
	int32_t session_timeout_ms, rebalance_timeout_ms;
	struct group_protocol *protocols; /* one allocation, strings included */
	size_t protocol_count;
	mr_str assignment;                /* owned */
	struct group_ticket *join, *sync; /* NULL also when the connection is gone */
	bool joining;                     /* has joined the rebalance under way */
	bool syncing;                     /* waits for its assignment */
	bool synced;                      /* has asked for the assignment of this generation */
	bool is_new;                      /* never got an answer to a join */
	struct deadline session;          /* not set while the group makes it wait */
};

struct pending_member { /* knows its id (KIP-394) and has not joined with it yet */
	struct classic_group *group;
	char *id;
	struct deadline expiry;
};

enum classic_timer { TIMER_INITIAL, TIMER_JOIN, TIMER_SYNC };

struct classic_group {
	const struct groups_options *options;
	struct deadlines *deadlines;
	enum classic_state state;
	int64_t state_since_ms; /* wall */
	char *protocol_type;    /* NULL: offsets only, never had members */
	char *protocol;         /* the vote's winner, or NULL */
	char *leader;           /* a member's id, or NULL */
	int32_t generation;
	struct mr_map members; /* id -> struct classic_member */
	struct mr_map statics; /* instance id -> the same */
	struct mr_map pending; /* id -> struct pending_member */
	struct deadline timer;
	enum classic_timer timer_for;
	bool joined_in_delay; /* a member came during the initial delay */
	int64_t delay_left_ms;
};

void classic_init(struct classic_group *g, const struct groups_options *options, struct deadlines *deadlines);
void classic_release(struct classic_group *g); /* tickets must have been dropped or answered */

const char *classic_state_word(enum classic_state state);

/* fresh_id: what a member without an id is to be called. Answers the ticket, now or later. */
void classic_join(struct classic_group *g, const struct group_join *in, const char *fresh_id,
		  struct group_ticket *ticket, struct group_now now, struct group_effects *fx);
void classic_sync(struct classic_group *g, const struct group_sync *in, struct group_ticket *ticket,
		  struct group_now now, struct group_effects *fx);
int classic_heartbeat(struct classic_group *g, const struct group_member_ref *in, struct group_now now);
int classic_leave(struct classic_group *g, struct group_leaver *leavers, size_t count, struct group_now now,
		  struct group_effects *fx);
/* May this one commit offsets? A member's commit is a sign of life, too. */
int classic_commit(struct classic_group *g, const struct group_member_ref *in, bool transactional,
		   struct group_now now);
/* A deadline of this group's, taken off the heap, has come. */
void classic_deadline(struct classic_group *g, struct deadline *deadline, struct group_now now,
		      struct group_effects *fx);

/* Is the group one of consumers whose members read this topic? False when it cannot be known. */
bool classic_subscribed(const struct classic_group *g, mr_str topic);
/* A "consumer" group's metadata can be read; others' cannot. */
bool classic_uses_consumer_protocol(const struct classic_group *g);

/* ---- for replay (records.c) ---- */

/* A member as it was written; it has a session timeout to come back. */
struct classic_member *classic_restore_member(struct classic_group *g, mr_str id, mr_str instance_id,
					      int32_t session_timeout_ms, int32_t rebalance_timeout_ms,
					      mr_str subscription, mr_str assignment);
/* Forget members, generation and protocol. */
void classic_reset(struct classic_group *g);
/* What the member said under the protocol in force; empty when there is none. */
mr_str classic_member_metadata(const struct classic_group *g, const struct classic_member *m);

/* ---- for a group of the other protocol that turns into this one (migrate.c) ---- */

/* A member that is there already, with no assignment yet; it has a session timeout to be heard of. */
struct classic_member *classic_adopt(struct classic_group *g, mr_str id, const struct group_join *in,
				     struct group_now now);
/* All members have been adopted: the group is stable in this generation, under the protocol they
 * vote for. False, and nothing is done, when they have none in common. */
bool classic_take_over(struct classic_group *g, int32_t generation, struct group_now now);
/* Everybody is to join again. */
void classic_rebalance(struct classic_group *g, struct group_now now, struct group_effects *fx);
/* Whoever waits for a join or a sync is told to join again. */
void classic_interrupt(struct classic_group *g, struct group_effects *fx);

/* ---- what members say they can speak ---- */

/* One allocation, strings included, names with a NUL. */
struct group_protocol *protocols_copy(const struct group_protocol *protocols, size_t count);
bool protocols_equal(const struct group_protocol *a, size_t a_count, const struct group_protocol *b,
		     size_t b_count);

/* ---- between classic.c and classic_member.c ---- */

struct classic_member *classic_member_new(struct classic_group *g, mr_str id, const struct group_join *in);
void classic_member_free(struct classic_group *g, struct classic_member *m);
void classic_member_set_protocols(struct classic_member *m, const struct group_protocol *protocols,
				  size_t count);
bool classic_member_says_the_same(const struct classic_member *m, const struct group_join *in);
void classic_member_rename(struct classic_group *g, struct classic_member *m, mr_str id);
void classic_member_set_client(struct classic_member *m, mr_str client_id, mr_str client_host);
void classic_member_assign(struct classic_member *m, mr_str assignment);
/* 0 and *out, GROUP_UNKNOWN_MEMBER or GROUP_FENCED_INSTANCE. */
int classic_member_find(const struct classic_group *g, mr_str id, mr_str instance_id,
			struct classic_member **out);
void classic_pending_add(struct classic_group *g, const char *id, int64_t due_ms);
bool classic_pending_remove(struct classic_group *g, mr_str id);
/* The protocol that most members prefer of those that all of them know; NULL when there is none. */
const char *classic_vote(const struct classic_group *g);
/* Could a member with these protocols be of this group? */
bool classic_fits(const struct classic_group *g, const struct group_join *in);
