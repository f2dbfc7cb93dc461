/* group/membership.c - the classic protocol's requests, from the outside of a group. */
#include "group/coordinator.h"

#include <stdio.h>
#include <stdlib.h>

static struct group_ticket *ticket_new(void)
{
	struct group_ticket *ticket = mr_calloc(1, sizeof *ticket);
	arena_init(&ticket->arena, 1024);
	ticket->generation = -1;
	ticket->member_id = ticket->leader = ticket->assignment = MR_STR("");
	return ticket;
}

bool group_ticket_done(struct groups *groups, const struct group_ticket *ticket)
{
	pthread_mutex_lock(&groups->lock);
	bool done = ticket->done;
	pthread_mutex_unlock(&groups->lock);
	return done;
}

void group_ticket_drop(struct groups *groups, struct group_ticket *ticket)
{
	if (!ticket)
		return;
	pthread_mutex_lock(&groups->lock);
	if (ticket->held_by)
		*ticket->held_by = NULL;
	pthread_mutex_unlock(&groups->lock);
	arena_release(&ticket->arena);
	free(ticket);
}

/* As Kafka names members: the instance or the client, and a UUID. */
static void fresh_id(struct groups *groups, const struct group_join *in, struct mr_buf *out)
{
	char uuid[37];
	rng_uuid(groups->env->rng, uuid);
	mr_buf_str(out, in->instance_id.ptr ? in->instance_id : in->client_id);
	mr_buf_printf(out, "-%s", uuid);
}

/* Who comes without an id may start a group; who has one must be known. */
static int join_target(struct groups *groups, const struct group_join *in, struct group **out)
{
	const struct groups_options *o = &groups->options;
	if (in->group.len == 0)
		return GROUP_INVALID_ID;
	if (in->session_timeout_ms < o->session_min_ms || in->session_timeout_ms > o->session_max_ms)
		return GROUP_INVALID_SESSION_TIMEOUT;
	struct group *group =
	    in->member_id.len ? group_find(groups, in->group) : group_make(groups, in->group);
	if (!group)
		return GROUP_UNKNOWN_MEMBER;
	if (group->deleting)
		return GROUP_NOT_AVAILABLE;
	bool vacant = group->consumer.members.len == 0;
	if (group->kind == GROUP_CONSUMER && vacant && group_turn(groups, group, GROUP_CLASSIC, NULL) < 0)
		return GROUP_NOT_AVAILABLE;
	*out = group;
	return 0;
}

static void join(struct groups *groups, struct group *group, const struct group_join *in, const char *id,
		 struct group_ticket *ticket, struct group_effects *fx)
{
	struct group_now now = groups_now(groups);
	if (group->kind == GROUP_CLASSIC) {
		classic_join(&group->classic, in, id, ticket, now, fx);
		groups_conclude(groups, group, fx);
		return;
	}
	struct topic_view topics = groups_topic_view(groups);
	struct group_write write;
	bool replaced;
	consumer_join(&group->consumer, in, id, &topics, ticket, now, &replaced, fx);
	/* In the place of the last one of the other protocol, it takes over what that one had. */
	(void)!groups_conclude_consumer(groups, group, replaced, &write, fx);
}

void groups_join(struct groups *groups, const struct group_join *in, struct group_ticket **out)
{
	struct group_ticket *ticket = ticket_new();
	struct group_effects fx = {0};
	struct group *group = NULL;
	struct mr_buf id = {0};
	groups_enter(groups);
	int code = join_target(groups, in, &group);
	if (code) {
		ticket->member_id = arena_copy(&ticket->arena, in->member_id);
		ticket_answer(ticket, code, &fx);
		mr_vec_release(&fx.answered);
	} else {
		fresh_id(groups, in, &id);
		join(groups, group, in, mr_buf_view(&id).ptr, ticket, &fx);
		group_drop_if_blank(groups, group);
	}
	groups_leave_lock(groups);
	mr_buf_release(&id);
	*out = ticket;
}

/* GROUP_UNKNOWN_MEMBER when there is no such group. */
static int member_target(struct groups *groups, mr_str name, struct group **out)
{
	if (name.len == 0)
		return GROUP_INVALID_ID;
	struct group *group = group_find(groups, name);
	if (!group)
		return GROUP_UNKNOWN_MEMBER;
	if (group->deleting)
		return GROUP_NOT_AVAILABLE;
	*out = group;
	return 0;
}

void groups_sync(struct groups *groups, const struct group_sync *in, struct group_ticket **out)
{
	struct group_ticket *ticket = ticket_new();
	struct group_effects fx = {0};
	struct group *group;
	groups_enter(groups);
	int code = member_target(groups, in->group, &group);
	if (code) {
		ticket_answer(ticket, code, &fx);
		mr_vec_release(&fx.answered);
	} else {
		struct topic_view topics = groups_topic_view(groups);
		struct group_now now = groups_now(groups);
		if (group->kind == GROUP_CONSUMER)
			consumer_sync(&group->consumer, in, &topics, ticket, now, &fx);
		else
			classic_sync(&group->classic, in, ticket, now, &fx);
		groups_conclude(groups, group, &fx);
	}
	groups_leave_lock(groups);
	*out = ticket;
}

int groups_heartbeat(struct groups *groups, const struct group_member_ref *in)
{
	struct group *group;
	groups_enter(groups);
	int code = member_target(groups, in->group, &group);
	if (code == 0)
		code = group->kind == GROUP_CONSUMER
			   ? consumer_classic_heartbeat(&group->consumer, in, groups_now(groups))
			   : classic_heartbeat(&group->classic, in, groups_now(groups));
	groups_leave_lock(groups);
	return code;
}

int groups_leave(struct groups *groups, mr_str name, struct group_leaver *leavers, size_t count,
		 struct group_write *write)
{
	struct group_effects fx = {0};
	struct group *group;
	*write = (struct group_write){NULL, -1};
	groups_enter(groups);
	int code = member_target(groups, name, &group);
	if (code == 0 && group->kind == GROUP_CONSUMER) {
		consumer_leave(&group->consumer, leavers, count);
		if (groups_conclude_consumer(groups, group, false, write, &fx) < 0)
			code = GROUP_NOT_AVAILABLE;
	} else if (code == 0) {
		code = classic_leave(&group->classic, leavers, count, groups_now(groups), &fx);
		groups_conclude(groups, group, &fx);
		group_drop_if_blank(groups, group);
	}
	groups_leave_lock(groups);
	return code;
}
