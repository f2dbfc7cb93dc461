/* share/members.h - who is in a share group and what each reads, as a pure state machine (KIP-932).
 *
 * Members only send heartbeats. The group epoch grows with every change of members, subscriptions or
 * topics; the assignment follows at once, and a member is at the group's epoch when it was told.
 * Nothing is given up before it is taken: partitions of share groups may have many readers, so there
 * is no rebalance. The assignor "simple" gives every member something and every partition somebody.
 *
 * Membership is not written down: after a restart members are answered GROUP_UNKNOWN_MEMBER and join
 * again at once.
 *
 * No clock, no I/O, no locks.
 */
#pragma once

#include "base/map.h"
#include "group/assignment.h"
#include "group/deadlines.h"
#include "group/group.h"

#define SHARE_EPOCH_LEAVE (-1)

struct share_members;

struct share_member {
	struct share_members *group;
	char *id, *rack_id, *client_id, *client_host; /* rack_id NULL: none */
	MR_VEC(char *) topics;                        /* sorted, no duplicates */
	int32_t epoch, previous_epoch;
	bool untold; /* the assignment has changed since it was told */
	struct partition_set assigned;
	struct deadline session;
};

struct share_members {
	struct mr_map by_id; /* -> struct share_member */
	int32_t epoch;
	uint64_t topics_hash; /* of the subscribed topics at `epoch` */
	struct deadlines *deadlines;
	int deadline_kind; /* of a member's session */
};

/* The topics as they are now: false when there is none of that name. */
struct share_topics {
	void *arg;
	bool (*find)(void *arg, mr_str name, struct assign_topic *out);
};

struct share_heartbeat {
	mr_str group, member_id, rack_id; /* rack_id ptr NULL: not said */
	mr_str client_id, client_host;
	int32_t member_epoch;
	const mr_str *topics;
	int64_t topic_count; /* -1: unchanged */
};

struct share_answer {
	const char *message; /* why not; static */
	int32_t epoch;
	bool assignment_told;
	struct topic_partition *assignment; /* from the arena */
	size_t assignment_count;
};

void share_members_init(struct share_members *m, struct deadlines *deadlines, int deadline_kind);
void share_members_release(struct share_members *m);

/* Joins, goes on, or leaves. GROUP_OK, GROUP_UNKNOWN_MEMBER, GROUP_FENCED_MEMBER_EPOCH, GROUP_FULL,
 * GROUP_INVALID_REQUEST. */
int share_members_heartbeat(struct share_members *m, const struct share_heartbeat *in,
			    const struct share_topics *topics, size_t size_max, int64_t now_ms,
			    int32_t session_ms, struct arena *arena, struct share_answer *out);
/* It was silent for too long, or left. */
void share_members_drop(struct share_members *m, struct share_member *member,
			const struct share_topics *topics);
