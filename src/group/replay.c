/* group/replay.c - the groups as the internal topic tells them.
 *
 * Records are applied in their order, so a log that was compacted, or was not, says the same.
 * Transactional batches stay pending until their producer's marker. Members have a session
 * timeout from now on to come back; a group whose members do not is rebalanced to nothing.
 */
#include "group/coordinator.h"

#include "base/varint.h"
#include "log/replay.h"

#include <stdlib.h>

struct replay {
	struct groups *groups;
	const struct batch_header *batch; /* the record's */
};

static void apply_offset(struct replay *p, const struct record_key *key, const struct record *record,
			 struct group_offset *value, mr_str metadata)
{
	value->partition = key->partition;
	value->log_offset = record->offset;
	struct group *group = group_make(p->groups, key->group);
	if (p->batch->attributes & BATCH_TRANSACTIONAL) {
		offsets_put_pending(&group->offsets, p->batch->producer_id, key->topic, value, metadata);
		txn_groups_note(p->groups, p->batch->producer_id, group);
	} else {
		offsets_put(&group->offsets, key->topic, value, metadata);
	}
}

static int apply_consumer(struct replay *p, const struct record_key *key, mr_str value, struct mr_error *err)
{
	struct group *group = group_make(p->groups, key->group);
	struct consumer_group *g = &group->consumer;
	if (value.ptr) {
		group->kind = GROUP_CONSUMER;
		return record_consumer_read(key->kind, value, g, key->topic, err);
	}
	if (key->kind == RECORD_CONSUMER_MEMBER) {
		consumer_forget(g, key->topic);
	} else if (key->kind == RECORD_CONSUMER_GROUP) {
		consumer_release(g);
		consumer_init(g, &p->groups->options, &p->groups->deadlines);
		group->kind = GROUP_CLASSIC;
	}
	return 0;
}

static int apply_record(struct replay *p, const struct record *record, struct mr_error *err)
{
	struct record_key key;
	int rc = record_key_read(record->key, &key, err);
	if (rc != 0)
		return rc < 0 ? rc : 0; /* of a kind that is newer than we are */
	if (key.kind == RECORD_OFFSET && !record->value.ptr) {
		struct group *group = group_find(p->groups, key.group);
		if (group)
			offsets_remove(&group->offsets, key.topic, key.partition);
	} else if (key.kind == RECORD_OFFSET) {
		struct group_offset value = {0};
		mr_str metadata;
		rc = record_offset_read(record->value, &value, &metadata, err);
		if (rc == 0)
			apply_offset(p, &key, record, &value, metadata);
	} else if (key.kind == RECORD_CLASSIC_GROUP) {
		struct group *group = group_make(p->groups, key.group);
		classic_reset(&group->classic);
		if (record->value.ptr)
			rc = record_group_read(record->value, &group->classic, err);
	} else {
		rc = apply_consumer(p, &key, record->value, err);
	}
	return rc;
}

/* A marker's key: version int16, then 0 for abort, 1 for commit. */
static void apply_marker(struct replay *p, const struct record *record)
{
	if (record->key.len < 4)
		return;
	bool commit = mr_get_be16(record->key.ptr + 2) == 1;
	txn_groups_decide(p->groups, p->batch->producer_id, commit);
}

static int apply(void *arg, const struct batch_header *batch, const struct record *record,
		 struct mr_error *err)
{
	struct replay p = {arg, batch};
	if (!(batch->attributes & BATCH_CONTROL))
		return apply_record(&p, record, err);
	apply_marker(&p, record);
	return 0;
}

/* From now on the members' time runs. Groups that were deleted left nothing. */
static void wake_members(struct groups *groups)
{
	struct group_now now = groups_now(groups);
	mr_map_each (&groups->by_name, entry) {
		struct group *group = entry->value;
		mr_map_each (&group->classic.members, each) {
			struct classic_member *m = each->value;
			deadline_set(&groups->deadlines, &m->session, now.mono_ms + m->session_timeout_ms);
		}
		group_configure(groups, group);
		mr_map_each (&group->consumer.members, each) {
			struct consumer_member *m = each->value;
			consumer_hold(&group->consumer, m);
			consumer_alive(&group->consumer, m, now);
		}
		group_drop_if_blank(groups, group);
	}
}

int groups_replay(struct groups *groups, struct mr_error *err)
{
	groups->topic = log_topic_find(broker_store(groups->broker), MR_STR(GROUP_TOPIC));
	int rc = log_replay(groups->topic, apply, groups, err);
	if (rc == 0)
		wake_members(groups);
	return rc;
}
