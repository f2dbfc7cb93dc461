/* group/heartbeats.c - consumer groups from the outside: topics for them, their writes, their kind. */
#include "broker/group_config.h"
#include "group/coordinator.h"
#include "group/regex.h"

#include <stdlib.h>

/* ---- the topics as the log has them ---- */

static bool find_topic(void *arg, mr_str name, struct assign_topic *out)
{
	struct log_topic *topic = log_topic_find(arg, name);
	if (!topic)
		return false;
	log_topic_id(topic, out->id);
	out->partitions = log_topic_partition_count(topic);
	return true;
}

static bool is_internal(mr_str name)
{
	return mr_str_starts(name, MR_STR("__"));
}

static void matching_topics(void *arg, const char *pattern, struct arena *arena, mr_str **names,
			    size_t *count)
{
	struct topic_regex *regex;
	*count = 0;
	if (topic_regex_new(mr_str_from(pattern), &regex, NULL) < 0)
		return;
	size_t topics;
	struct log_topic **all = log_topics(arg, &topics);
	*names = arena_calloc(arena, topics + 1, sizeof **names);
	for (size_t i = 0; i < topics; i++) {
		mr_str name = log_topic_name(all[i]);
		if (!is_internal(name) && topic_regex_matches(regex, name))
			(*names)[(*count)++] = name;
	}
	free(all);
	topic_regex_free(regex);
}

static mr_str topic_name(void *arg, const uint8_t id[16], struct arena *arena)
{
	size_t count;
	mr_str name = MR_STR_NULL;
	struct log_topic **all = log_topics(arg, &count);
	for (size_t i = 0; i < count && !name.ptr; i++) {
		uint8_t other[16];
		log_topic_id(all[i], other);
		if (memcmp(other, id, 16) == 0)
			name = arena_copy(arena, log_topic_name(all[i]));
	}
	free(all);
	return name;
}

struct topic_view groups_topic_view(struct groups *groups)
{
	return (struct topic_view){broker_store(groups->broker), find_topic, matching_topics, topic_name};
}

/* ---- writes ---- */

static void write_one(struct groups *groups, const struct group *group, int kind,
		      const struct consumer_member *m)
{
	struct record_key key = {.kind = kind, .group = mr_str_from(group->name)};
	if (m)
		key.topic = mr_str_from(m->id);
	record_consumer_write(kind, &group->consumer, m, &groups->value);
	write_record(groups, &key, false);
}

static void forget_one(struct groups *groups, const struct group *group, int kind, const char *member)
{
	struct record_key key = {
	    .kind = kind, .group = mr_str_from(group->name), .topic = mr_str_from(member)};
	write_record(groups, &key, true);
}

static void write_members(struct groups *groups, struct group *group, int dirty, int kind)
{
	mr_map_each (&group->consumer.members, entry) {
		const struct consumer_member *m = entry->value;
		if (m->dirty & dirty)
			write_one(groups, group, kind, m);
	}
}

static void forget_member(struct groups *groups, const struct group *group, const char *id)
{
	forget_one(groups, group, RECORD_CURRENT_MEMBER, id);
	forget_one(groups, group, RECORD_TARGET_MEMBER, id);
	forget_one(groups, group, RECORD_CONSUMER_MEMBER, id);
}

static void write_gone(struct groups *groups, const struct group *group)
{
	for (size_t i = 0; i < group->consumer.gone.len; i++) {
		const char *id = group->consumer.gone.items[i];
		bool came_back = mr_map_get(&group->consumer.members, mr_str_from(id));
		if (!came_back)
			forget_member(groups, group, id);
	}
}

static void clean(struct consumer_group *g)
{
	mr_map_each (&g->members, entry)
		((struct consumer_member *)entry->value)->dirty = 0;
	for (size_t i = 0; i < g->gone.len; i++)
		free(g->gone.items[i]);
	g->gone.len = 0;
	g->dirty_epoch = g->dirty_assignment_epoch = false;
}

int group_persist_consumer(struct groups *groups, struct group *group, struct group_write *write,
			   struct mr_error *err)
{
	write_start(groups);
	if (group->forget_classic)
		forget_one(groups, group, RECORD_CLASSIC_GROUP, NULL);
	write_gone(groups, group);
	write_members(groups, group, DIRTY_METADATA, RECORD_CONSUMER_MEMBER);
	if (group->consumer.dirty_epoch)
		write_one(groups, group, RECORD_CONSUMER_GROUP, NULL);
	write_members(groups, group, DIRTY_TARGET, RECORD_TARGET_MEMBER);
	if (group->consumer.dirty_assignment_epoch)
		write_one(groups, group, RECORD_TARGET, NULL);
	write_members(groups, group, DIRTY_CURRENT, RECORD_CURRENT_MEMBER);
	int rc = write_end(groups, mr_str_from(group->name), -1, -1, write, err);
	if (rc == 0) {
		clean(&group->consumer);
		group->forget_classic = false;
	}
	return rc;
}

void write_group_tombstones(struct groups *groups, const struct group *group)
{
	if (group->kind == GROUP_CONSUMER) {
		write_gone(groups, group);
		mr_map_each (&group->consumer.members, entry)
			forget_member(groups, group, ((const struct consumer_member *)entry->value)->id);
		forget_one(groups, group, RECORD_TARGET, NULL);
		forget_one(groups, group, RECORD_CONSUMER_GROUP, NULL);
	} else {
		forget_one(groups, group, RECORD_CLASSIC_GROUP, NULL);
	}
}

/* ---- kinds ---- */

size_t group_member_count(const struct group *group)
{
	return group->classic.members.len + group->consumer.members.len;
}

bool group_subscribed(const struct group *group, mr_str topic)
{
	return group->kind == GROUP_CONSUMER ? consumer_subscribed(&group->consumer, topic)
					     : classic_subscribed(&group->classic, topic);
}

int group_turn(struct groups *groups, struct group *group, enum group_kind kind, struct mr_error *err)
{
	bool written = group->consumer.epoch > 0 || group->classic.generation > 0;
	struct group_write write;
	write_start(groups);
	if (written)
		write_group_tombstones(groups, group);
	int rc = write_end(groups, mr_str_from(group->name), -1, -1, &write, err);
	if (rc < 0)
		return rc;
	classic_reset(&group->classic);
	consumer_release(&group->consumer);
	consumer_init(&group->consumer, &groups->options, &groups->deadlines);
	group->kind = kind;
	return 0;
}

void group_configure(struct groups *groups, struct group *group)
{
	group->consumer.session_ms =
	    (int32_t)group_config_int(broker_group_configs(groups->broker), mr_str_from(group->name),
				      "consumer.session.timeout.ms", groups->options.consumer_session_ms);
}

/* ---- heartbeats ---- */

/* A group that is there and of another protocol: it turns into one of consumers, with its members. */
static int turn(struct groups *groups, struct group *group, const struct consumer_heartbeat *in,
		struct consumer_answer *out, struct group_effects *fx)
{
	struct topic_view topics = groups_topic_view(groups);
	int code = consumer_check(in, out); /* a bad request leaves the group as it is */
	if (code != GROUP_OK)
		return code;
	if (group->classic.members.len == 0)
		return group_turn(groups, group, GROUP_CONSUMER, NULL) < 0 ? GROUP_NOT_AVAILABLE : GROUP_OK;
	if (!group_may_upgrade(groups, group)) {
		out->message = "The group has members that use the classic protocol.";
		return GROUP_NOT_FOUND;
	}
	if (group_upgrade(groups, group, &topics, fx) < 0) {
		out->message = "The embedded consumer protocol of the group's members is malformed.";
		return GROUP_NOT_FOUND;
	}
	return GROUP_OK;
}

static int target(struct groups *groups, const struct consumer_heartbeat *in, struct consumer_answer *out,
		  struct group **found, struct group_effects *fx)
{
	if (in->group.len == 0)
		return GROUP_INVALID_REQUEST;
	struct group *group = group_find(groups, in->group);
	if (!group && in->member_epoch != 0)
		return GROUP_NOT_FOUND;
	if (!group)
		group = group_make(groups, in->group);
	if (group->deleting)
		return GROUP_NOT_AVAILABLE;
	if (group->kind == GROUP_CLASSIC && in->member_epoch != 0) {
		out->message = "The group uses the classic protocol.";
		return GROUP_NOT_FOUND;
	}
	int code = group->kind == GROUP_CLASSIC ? turn(groups, group, in, out, fx) : GROUP_OK;
	if (code == GROUP_OK)
		*found = group;
	else
		group_drop_if_blank(groups, group);
	return code;
}

static int check_regex(const struct consumer_heartbeat *in, struct consumer_answer *out, struct arena *arena)
{
	struct topic_regex *regex = NULL;
	struct mr_error err;
	if (!in->regex.len)
		return GROUP_OK;
	if (topic_regex_new(in->regex, &regex, &err) < 0) {
		out->message = arena_strdup(arena, err.message);
		return GROUP_INVALID_REGEX;
	}
	topic_regex_free(regex);
	return GROUP_OK;
}

int groups_consumer_heartbeat(struct groups *groups, const struct consumer_heartbeat *in,
			      struct consumer_answer *out, struct group_write *write, struct arena *arena)
{
	struct topic_view topics = groups_topic_view(groups);
	struct group_effects fx = {0};
	struct group *group;
	*out = (struct consumer_answer){0};
	*write = (struct group_write){NULL, -1};
	groups_enter(groups);
	int code = check_regex(in, out, arena);
	if (code == GROUP_OK)
		code = target(groups, in, out, &group, &fx);
	if (code == GROUP_OK) {
		group_configure(groups, group);
		code = consumer_heartbeat(&group->consumer, in, &topics, groups_now(groups), arena, out, &fx);
		if (groups_conclude_consumer(groups, group, false, write, &fx) < 0)
			code = GROUP_NOT_AVAILABLE;
		group_drop_if_blank(groups, group);
	}
	groups_leave_lock(groups);
	return code;
}

int32_t groups_heartbeat_interval_ms(const struct groups *groups, mr_str group)
{
	return (int32_t)group_config_int(broker_group_configs(groups->broker), group,
					 "consumer.heartbeat.interval.ms",
					 groups->options.consumer_heartbeat_ms);
}
