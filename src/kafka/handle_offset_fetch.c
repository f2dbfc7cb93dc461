/* OffsetFetch (9), versions 1-10: what groups have committed; -1 where nothing is.
 *
 * From version 2 no list asks for all of a group's offsets; from 8 several groups in one request;
 * from 10 topics by id. With require_stable (version 7) a partition whose transaction is not
 * decided answers UNSTABLE_OFFSET_COMMIT, and the client asks again.
 */
#include "kafka/group_request.h"

/* One group of the request, in the form of versions 8 and up. */
struct wanted {
	struct group_fetch fetch;
	const struct offset_fetch_topic *topics;
	int32_t count; /* -1: all */
};

static void fill_partition(struct request *r, const struct group_offset_entry *e,
			   struct offset_fetch_partition_reply *out)
{
	*out = (struct offset_fetch_partition_reply){
	    .partition_index = e->partition,
	    .committed_offset = e->code ? -1 : e->offset,
	    .committed_leader_epoch = e->code ? -1 : e->leader_epoch,
	    .metadata = e->code ? MR_STR("") : e->metadata,
	    .error_code = request_code(r, kafka_group_error(e->code)),
	};
}

static void fetch_named(struct request *r, const struct wanted *want, const struct offset_fetch_topic *t,
			struct offset_fetch_topic_reply *out)
{
	size_t count = (size_t)t->partition_indexes.count;
	bool by_id = r->header.version >= 10;
	struct log_topic *topic = by_id ? kafka_topic_by_id(request_core(r), t->topic_id) : NULL;
	struct group_offset_entry *entries = arena_calloc(&r->arena, count + 1, sizeof *entries);
	for (size_t i = 0; i < count; i++)
		entries[i] = (struct group_offset_entry){
		    .topic = topic ? log_topic_name(topic) : t->name,
		    .partition = t->partition_indexes.items[i],
		};
	(void)groups_fetch(request_core(r)->groups, &want->fetch, entries, count, &r->arena);
	out->name = t->name;
	memcpy(out->topic_id, t->topic_id, 16);
	request_array(r, &out->partitions, count);
	for (size_t i = 0; i < count; i++) {
		fill_partition(r, &entries[i], &out->partitions.items[i]);
		if (!request_may_topic(r, ACL_DESCRIBE, entries[i].topic))
			out->partitions.items[i] = (struct offset_fetch_partition_reply){
			    .partition_index = entries[i].partition,
			    .committed_offset = -1,
			    .committed_leader_epoch = -1,
			    .metadata = MR_STR(""),
			    .error_code = request_code(r, KE_TOPIC_AUTHORIZATION_FAILED),
			};
		else if (by_id && !topic)
			out->partitions.items[i].error_code = request_code(r, KE_UNKNOWN_TOPIC_ID);
	}
}

/* Of all that there is, only what the caller may know of. */
static size_t keep_allowed(const struct request *r, struct group_offset_entry *entries, size_t count)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (request_may_topic(r, ACL_DESCRIBE, entries[i].topic))
			entries[kept++] = entries[i];
	}
	return kept;
}

static int32_t count_topics(const struct group_offset_entry *entries, size_t count)
{
	int32_t topics = 0;
	for (size_t i = 0; i < count; i++)
		topics += i == 0 || !mr_str_eq(entries[i].topic, entries[i - 1].topic);
	return topics;
}

/* The entries are in the order of their topics. */
static void group_by_topic(struct request *r, const struct group_offset_entry *entries, size_t count,
			   struct offset_fetch_topic_reply *out)
{
	for (size_t i = 0; i < count; out++) {
		size_t end = i;
		while (end < count && mr_str_eq(entries[end].topic, entries[i].topic))
			end++;
		struct log_topic *topic = log_topic_find(request_core(r)->store, entries[i].topic);
		out->name = entries[i].topic;
		if (topic)
			log_topic_id(topic, out->topic_id);
		request_array(r, &out->partitions, end - i);
		for (size_t k = 0; i < end; i++, k++)
			fill_partition(r, &entries[i], &out->partitions.items[k]);
	}
}

static int16_t fetch_group(struct request *r, const struct wanted *want, struct offset_fetch_group_reply *out)
{
	struct group_offset_entry *all;
	size_t count;
	struct groups *groups = request_core(r)->groups;
	out->group_id = want->fetch.member.group;
	if (!request_may_group(r, ACL_DESCRIBE, out->group_id))
		return out->error_code = request_code(r, KE_GROUP_AUTHORIZATION_FAILED);
	int code = want->count < 0 ? groups_fetch_all(groups, &want->fetch, &all, &count, &r->arena)
				   : groups_fetch(groups, &want->fetch, NULL, 0, &r->arena);
	if (code != GROUP_OK) {
		request_array(r, &out->topics, 0);
		return out->error_code = request_code(r, kafka_group_error(code));
	}
	if (want->count < 0) {
		count = keep_allowed(r, all, count);
		request_array(r, &out->topics, count_topics(all, count));
		group_by_topic(r, all, count, out->topics.items);
		return KE_NONE;
	}
	request_array(r, &out->topics, want->count);
	for (int32_t i = 0; i < want->count; i++)
		fetch_named(r, want, &want->topics[i], &out->topics.items[i]);
	return KE_NONE;
}

enum step offset_fetch_step(struct request *r)
{
	const struct offset_fetch_request *in = r->in;
	struct offset_fetch_response *out = r->out;
	if (r->header.version < 8) {
		struct wanted want = {
		    .fetch = {.member = {.group = in->group_id, .generation = -1},
			      .require_stable = in->require_stable},
		    .topics = in->topics.items,
		    .count = in->topics.count,
		};
		struct offset_fetch_group_reply reply = {0};
		out->error_code = fetch_group(r, &want, &reply);
		out->topics.items = reply.topics.items;
		out->topics.count = reply.topics.count;
		return STEP_DONE;
	}
	request_array(r, &out->groups, in->groups.count);
	for (int32_t i = 0; i < in->groups.count; i++) {
		const struct offset_fetch_group *g = &in->groups.items[i];
		struct wanted want = {
		    .fetch = {.member = {g->group_id, g->member_id, MR_STR_NULL, g->member_epoch},
			      .require_stable = in->require_stable},
		    .topics = g->topics.items,
		    .count = g->topics.count,
		};
		fetch_group(r, &want, &out->groups.items[i]);
	}
	return STEP_DONE;
}
