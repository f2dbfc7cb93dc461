#include "share/members.h"

#include <stdlib.h>

#define TOPICS_MAX 10000 /* of one member's subscription */

void share_members_init(struct share_members *m, struct deadlines *deadlines, int deadline_kind)
{
	*m = (struct share_members){.deadlines = deadlines, .deadline_kind = deadline_kind};
}

static void free_topics(struct share_member *member)
{
	for (size_t i = 0; i < member->topics.len; i++)
		free(member->topics.items[i]);
	mr_vec_release(&member->topics);
}

static void member_free(struct share_member *member)
{
	deadline_clear(member->group->deadlines, &member->session);
	mr_map_remove(&member->group->by_id, mr_str_from(member->id));
	free_topics(member);
	parts_release(&member->assigned);
	free(member->id);
	free(member->rack_id);
	free(member->client_id);
	free(member->client_host);
	free(member);
}

void share_members_release(struct share_members *m)
{
	mr_map_each (&m->by_id, each)
		member_free(each->value);
	mr_map_release(&m->by_id);
}

/* ---- the assignor "simple" ---- */

static int by_id(const void *a, const void *b)
{
	const struct share_member *const *x = a, *const *y = b;
	return strcmp((*x)->id, (*y)->id);
}

static bool subscribes(const struct share_member *member, const char *topic)
{
	for (size_t i = 0; i < member->topics.len; i++) {
		if (strcmp(member->topics.items[i], topic) == 0)
			return true;
	}
	return false;
}

struct plan {
	struct share_member **members; /* by id */
	struct partition_set *targets; /* of each */
	size_t count;
	MR_VEC(const char *) topics; /* all that are subscribed to, sorted */
	uint64_t hash;
	size_t turn; /* who begins at the next topic: spreads topics of few partitions */
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void collect(struct share_members *m, struct plan *plan)
{
	plan->members = mr_calloc(mr_max_size(m->by_id.len, 1), sizeof(struct share_member *));
	plan->targets = mr_calloc(mr_max_size(m->by_id.len, 1), sizeof *plan->targets);
	mr_map_each (&m->by_id, each) {
		struct share_member *member = each->value;
		plan->members[plan->count++] = member;
		for (size_t i = 0; i < member->topics.len; i++)
			mr_vec_push(&plan->topics, member->topics.items[i]);
	}
	qsort(plan->members, plan->count, sizeof *plan->members, by_id);
	if (plan->topics.len)
		qsort(plan->topics.items, plan->topics.len, sizeof *plan->topics.items, by_text);
	size_t kept = 0;
	for (size_t i = 0; i < plan->topics.len; i++) {
		if (kept == 0 || strcmp(plan->topics.items[kept - 1], plan->topics.items[i]) != 0)
			plan->topics.items[kept++] = plan->topics.items[i];
	}
	plan->topics.len = kept;
}

/* Round and round until every partition has a reader and every subscriber a partition. */
static void spread(struct plan *plan, const char *name, const struct assign_topic *topic)
{
	MR_VEC(size_t) readers = {0};
	for (size_t i = 0; i < plan->count; i++) {
		if (subscribes(plan->members[i], name))
			mr_vec_push(&readers, i);
	}
	size_t partitions = (size_t)topic->partitions;
	size_t rounds = mr_max_size(partitions, readers.len);
	for (size_t k = 0; k < rounds && partitions && readers.len; k++) {
		struct topic_partition part = {.partition = (int32_t)(k % partitions)};
		memcpy(part.topic_id, topic->id, 16);
		parts_add(&plan->targets[readers.items[(k + plan->turn) % readers.len]], &part);
	}
	plan->turn += partitions;
	mr_vec_release(&readers);
}

static uint64_t hash_topic(uint64_t hash, const char *name, const struct assign_topic *topic)
{
	hash = hash * 31 + mr_hash(mr_str_from(name));
	hash = hash * 31 + mr_hash(mr_str_n(topic->id, 16));
	return hash * 31 + (uint64_t)topic->partitions + 1;
}

/* Compute the targets anew; a change of any makes a new epoch. `changed`: of members already. */
static void assign(struct share_members *m, const struct share_topics *topics, bool changed)
{
	struct plan plan = {0};
	struct assign_topic topic;
	collect(m, &plan);
	for (size_t i = 0; i < plan.topics.len; i++) {
		if (!topics->find(topics->arg, mr_str_from(plan.topics.items[i]), &topic))
			continue;
		plan.hash = hash_topic(plan.hash, plan.topics.items[i], &topic);
		spread(&plan, plan.topics.items[i], &topic);
	}
	if (changed || plan.hash != m->topics_hash)
		m->epoch++;
	m->topics_hash = plan.hash;
	for (size_t i = 0; i < plan.count; i++) {
		struct share_member *member = plan.members[i];
		if (!parts_equal(&member->assigned, &plan.targets[i])) {
			parts_copy(&member->assigned, &plan.targets[i]);
			member->untold = true;
		}
		parts_release(&plan.targets[i]);
	}
	mr_vec_release(&plan.topics);
	free(plan.members);
	free(plan.targets);
}

/* ---- heartbeats ---- */

static bool set_text(char **to, mr_str s)
{
	if (!s.ptr || (*to && mr_str_is(s, *to)))
		return false;
	free(*to);
	*to = mr_strndup(s);
	return true;
}

static bool same_topics(const struct share_member *member, char *const *topics, size_t count)
{
	bool same = member->topics.len == count;
	for (size_t i = 0; same && i < count; i++)
		same = strcmp(member->topics.items[i], topics[i]) == 0;
	return same;
}

static bool set_topics(struct share_member *member, const mr_str *names, int64_t count)
{
	MR_VEC(char *) topics = {0};
	if (count < 0)
		return false;
	for (int64_t i = 0; i < count; i++)
		mr_vec_push(&topics, mr_strndup(names[i]));
	if (count)
		qsort(topics.items, topics.len, sizeof *topics.items, by_text);
	size_t kept = 0;
	for (size_t i = 0; i < topics.len; i++) {
		if (kept && strcmp(topics.items[kept - 1], topics.items[i]) == 0)
			free(topics.items[i]);
		else
			topics.items[kept++] = topics.items[i];
	}
	topics.len = kept;
	bool changed = !same_topics(member, topics.items, topics.len);
	free_topics(member);
	memcpy(&member->topics, &topics, sizeof member->topics);
	return changed;
}

static struct share_member *member_new(struct share_members *m, mr_str id)
{
	struct share_member *member = mr_calloc(1, sizeof *member);
	member->group = m;
	member->id = mr_strndup(id);
	member->session = (struct deadline){.kind = m->deadline_kind, .owner = member};
	mr_map_put(&m->by_id, id, member);
	return member;
}

static int check(const struct share_members *m, const struct share_member *member,
		 const struct share_heartbeat *in, size_t size_max, struct share_answer *out)
{
	if (!in->member_id.len || in->member_epoch < SHARE_EPOCH_LEAVE || in->topic_count > TOPICS_MAX ||
	    (in->member_epoch == 0 && in->topic_count < 0)) {
		out->message = !in->member_id.len      ? "MemberId can't be empty."
			       : in->member_epoch == 0 ? "SubscribedTopicNames must be set in first request."
						       : "MemberEpoch is invalid.";
		return GROUP_INVALID_REQUEST;
	}
	if (!member && in->member_epoch == 0)
		return m->by_id.len >= size_max ? GROUP_FULL : GROUP_OK;
	if (!member) {
		out->message = "The member is not in the group.";
		return GROUP_UNKNOWN_MEMBER;
	}
	bool fits = in->member_epoch <= 0 || in->member_epoch == member->epoch ||
		    in->member_epoch == member->previous_epoch;
	if (!fits)
		out->message = "The share group member has an epoch that is not the one it was told.";
	return fits ? GROUP_OK : GROUP_FENCED_MEMBER_EPOCH;
}

static void tell(struct share_member *member, const struct share_heartbeat *in, struct arena *arena,
		 struct share_answer *out)
{
	if (member->epoch != member->group->epoch)
		member->previous_epoch = member->epoch;
	member->epoch = member->group->epoch;
	out->epoch = member->epoch;
	out->assignment_told = in->member_epoch == 0 || in->topic_count >= 0 || member->untold;
	if (!out->assignment_told)
		return;
	member->untold = false;
	out->assignment_count = member->assigned.parts.len;
	out->assignment = arena_calloc(arena, out->assignment_count + 1, sizeof *out->assignment);
	if (out->assignment_count)
		memcpy(out->assignment, member->assigned.parts.items,
		       out->assignment_count * sizeof *out->assignment);
}

int share_members_heartbeat(struct share_members *m, const struct share_heartbeat *in,
			    const struct share_topics *topics, size_t size_max, int64_t now_ms,
			    int32_t session_ms, struct arena *arena, struct share_answer *out)
{
	struct share_member *member = mr_map_get(&m->by_id, in->member_id);
	*out = (struct share_answer){0};
	int code = check(m, member, in, size_max, out);
	if (code != GROUP_OK)
		return code;
	if (in->member_epoch == SHARE_EPOCH_LEAVE) {
		share_members_drop(m, member, topics);
		out->epoch = SHARE_EPOCH_LEAVE;
		return GROUP_OK;
	}
	bool changed = !member;
	if (!member)
		member = member_new(m, in->member_id);
	set_text(&member->client_id, in->client_id);
	set_text(&member->client_host, in->client_host);
	changed |= set_text(&member->rack_id, in->rack_id);
	changed |= set_topics(member, in->topics, in->topic_count);
	assign(m, topics, changed);
	deadline_set(m->deadlines, &member->session, now_ms + session_ms);
	tell(member, in, arena, out);
	return GROUP_OK;
}

void share_members_drop(struct share_members *m, struct share_member *member,
			const struct share_topics *topics)
{
	member_free(member);
	assign(m, topics, true);
}
