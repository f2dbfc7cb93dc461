/* OffsetCommit (8), versions 2-10: answered when the offsets are safe; readers see them then, too.
 *
 * Generation -1 and no member id commit from outside of a group without members. The retention
 * time of versions 2-4 is not honoured, as with Kafka since 2.1: offsets.retention.minutes holds.
 * Topics must exist; from version 10 they are named by id. Metadata is given back as it came, up
 * to offset.metadata.max.bytes. A share group has no such offsets: GROUP_ID_NOT_FOUND.
 */
#include "kafka/group_request.h"

struct commit_progress {
	struct group_commit commit;
	struct group_write write;
	int code;        /* of the whole request */
	int16_t refused; /* Kafka's code for the whole request, or KE_NONE */
	bool appended;
};

static int check(const struct request *r, struct log_topic *topic, int32_t partition)
{
	if (topic && !request_may_topic(r, ACL_READ, log_topic_name(topic)))
		return GROUP_TOPIC_REFUSED;
	return topic && log_partition_at(topic, partition) ? GROUP_OK : GROUP_UNKNOWN_TOPIC;
}

static struct commit_progress *plan(struct request *r)
{
	const struct offset_commit_request *in = r->in;
	struct commit_progress *p = arena_calloc(&r->arena, 1, sizeof *p);
	for (int32_t i = 0; i < in->topics.count; i++)
		p->commit.count += (size_t)in->topics.items[i].partitions.count;
	p->commit.entries = arena_calloc(&r->arena, p->commit.count + 1, sizeof *p->commit.entries);
	p->commit.by_epoch = r->header.version >= 9;
	p->commit.member = (struct group_member_ref){in->group_id, in->member_id, in->group_instance_id,
						     in->generation_id_or_member_epoch};
	struct group_offset_entry *e = p->commit.entries;
	for (int32_t i = 0; i < in->topics.count; i++) {
		const struct offset_commit_topic *t = &in->topics.items[i];
		struct log_topic *topic =
		    kafka_topic_of(request_core(r), t->name, t->topic_id, r->header.version >= 10);
		for (int32_t k = 0; k < t->partitions.count; k++, e++) {
			const struct offset_commit_partition *o = &t->partitions.items[k];
			*e = (struct group_offset_entry){
			    .topic = topic ? log_topic_name(topic) : t->name,
			    .partition = o->partition_index,
			    .offset = o->committed_offset,
			    .leader_epoch = o->committed_leader_epoch,
			    .metadata = o->committed_metadata.ptr ? o->committed_metadata : MR_STR(""),
			    .code = check(r, topic, o->partition_index),
			};
		}
	}
	return p;
}

static int16_t entry_code(const struct request *r, const struct commit_progress *p,
			  const struct group_offset_entry *e)
{
	if (p->refused)
		return p->refused;
	if (p->code)
		return kafka_group_error(p->code);
	if (e->code == GROUP_UNKNOWN_TOPIC && r->header.version >= 10 && !e->topic.len)
		return KE_UNKNOWN_TOPIC_ID;
	return kafka_group_error(e->code);
}

static void answer(struct request *r, const struct commit_progress *p)
{
	const struct offset_commit_request *in = r->in;
	struct offset_commit_response *out = r->out;
	const struct group_offset_entry *e = p->commit.entries;
	request_array(r, &out->topics, in->topics.count);
	for (int32_t i = 0; i < in->topics.count; i++) {
		const struct offset_commit_topic *t = &in->topics.items[i];
		struct offset_commit_topic_reply *reply = &out->topics.items[i];
		reply->name = t->name;
		memcpy(reply->topic_id, t->topic_id, 16);
		request_array(r, &reply->partitions, t->partitions.count);
		for (int32_t k = 0; k < t->partitions.count; k++, e++)
			reply->partitions.items[k] = (struct offset_commit_partition_reply){
			    t->partitions.items[k].partition_index,
			    request_code(r, entry_code(r, p, e)),
			};
	}
}

enum step offset_commit_step(struct request *r)
{
	struct commit_progress *p = r->progress;
	if (!p)
		p = r->progress = plan(r);
	if (!request_may_group(r, ACL_READ, p->commit.member.group)) {
		p->refused = KE_GROUP_AUTHORIZATION_FAILED;
		answer(r, p);
		return STEP_DONE;
	}
	if (!p->appended && share_group_exists(request_core(r)->share, p->commit.member.group)) {
		p->refused = KE_GROUP_ID_NOT_FOUND;
		answer(r, p);
		return STEP_DONE;
	}
	if (!p->appended) {
		p->code = groups_commit(request_core(r)->groups, &p->commit, &p->write, NULL);
		if (p->code == MR_ERR_BUSY)
			return STEP_BUSY;
		p->appended = true;
	}
	int16_t fault;
	enum step step = request_await_write(r, &p->write, &fault);
	if (step != STEP_DONE)
		return step;
	if (fault != KE_NONE)
		p->code = GROUP_NOT_AVAILABLE;
	answer(r, p);
	return STEP_DONE;
}
