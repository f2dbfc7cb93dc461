/* group/classic_member.c - the members of a classic group: making, naming, choosing. */
#include "group/classic.h"

#include "group/subscription.h"

#include <stdlib.h>

static char *dup_or_null(mr_str s)
{
	return s.ptr ? mr_strndup(s) : NULL;
}

/* ---- members ---- */

struct group_protocol *protocols_copy(const struct group_protocol *protocols, size_t count)
{
	size_t size = count * sizeof *protocols;
	for (size_t i = 0; i < count; i++)
		size += protocols[i].name.len + 1 + protocols[i].metadata.len;
	struct group_protocol *copy = mr_alloc(mr_max_size(size, 1));
	char *at = (char *)(copy + count);
	for (size_t i = 0; i < count; i++) {
		mr_str name = protocols[i].name, metadata = protocols[i].metadata;
		copy[i] = (struct group_protocol){{at, name.len}, {at + name.len + 1, metadata.len}};
		if (name.len)
			memcpy(at, name.ptr, name.len);
		at[name.len] = 0;
		at += name.len + 1;
		if (metadata.len)
			memcpy(at, metadata.ptr, metadata.len);
		at += metadata.len;
	}
	return copy;
}

bool protocols_equal(const struct group_protocol *a, size_t a_count, const struct group_protocol *b,
		     size_t b_count)
{
	if (a_count != b_count)
		return false;
	for (size_t i = 0; i < a_count; i++) {
		if (!mr_str_eq(a[i].name, b[i].name) || !mr_str_eq(a[i].metadata, b[i].metadata))
			return false;
	}
	return true;
}

void classic_member_set_protocols(struct classic_member *m, const struct group_protocol *protocols,
				  size_t count)
{
	free(m->protocols);
	m->protocols = protocols_copy(protocols, count);
	m->protocol_count = count;
}

void classic_member_set_client(struct classic_member *m, mr_str client_id, mr_str client_host)
{
	free(m->client_id);
	free(m->client_host);
	m->client_id = mr_strndup(client_id);
	m->client_host = mr_strndup(client_host);
}

void classic_member_assign(struct classic_member *m, mr_str assignment)
{
	free((char *)m->assignment.ptr);
	m->assignment = (mr_str){mr_strndup(assignment), assignment.len};
}

struct classic_member *classic_member_new(struct classic_group *g, mr_str id, const struct group_join *in)
{
	struct classic_member *m = mr_calloc(1, sizeof *m);
	*m = (struct classic_member){
	    .group = g,
	    .id = mr_strndup(id),
	    .instance_id = dup_or_null(in->instance_id),
	    .client_id = mr_strndup(in->client_id),
	    .client_host = mr_strndup(in->client_host),
	    .session_timeout_ms = in->session_timeout_ms,
	    .rebalance_timeout_ms = in->rebalance_timeout_ms,
	    .is_new = true,
	    .session = {.kind = DEADLINE_SESSION, .owner = m},
	};
	classic_member_set_protocols(m, in->protocols, in->protocol_count);
	classic_member_assign(m, MR_STR(""));
	mr_map_put(&g->members, id, m);
	if (m->instance_id)
		mr_map_put(&g->statics, in->instance_id, m);
	return m;
}

void classic_member_free(struct classic_group *g, struct classic_member *m)
{
	deadline_clear(g->deadlines, &m->session);
	mr_map_remove(&g->members, mr_str_from(m->id));
	if (m->instance_id && mr_map_get(&g->statics, mr_str_from(m->instance_id)) == m)
		mr_map_remove(&g->statics, mr_str_from(m->instance_id));
	if (m->join)
		m->join->held_by = NULL;
	if (m->sync)
		m->sync->held_by = NULL;
	free(m->id);
	free(m->instance_id);
	free(m->client_id);
	free(m->client_host);
	free(m->protocols);
	free((char *)m->assignment.ptr);
	free(m);
}

void classic_member_rename(struct classic_group *g, struct classic_member *m, mr_str id)
{
	bool leads = g->leader && mr_str_is(mr_str_from(m->id), g->leader);
	mr_map_remove(&g->members, mr_str_from(m->id));
	free(m->id);
	m->id = mr_strndup(id);
	mr_map_put(&g->members, id, m);
	if (leads) {
		free(g->leader);
		g->leader = mr_strndup(id);
	}
}

bool classic_member_says_the_same(const struct classic_member *m, const struct group_join *in)
{
	return protocols_equal(m->protocols, m->protocol_count, in->protocols, in->protocol_count);
}

int classic_member_find(const struct classic_group *g, mr_str id, mr_str instance_id,
			struct classic_member **out)
{
	struct classic_member *m;
	if (instance_id.ptr) {
		m = mr_map_get(&g->statics, instance_id);
		if (m && !mr_str_is(id, m->id))
			return GROUP_FENCED_INSTANCE;
	} else {
		m = mr_map_get(&g->members, id);
	}
	if (!m)
		return GROUP_UNKNOWN_MEMBER;
	*out = m;
	return GROUP_OK;
}

mr_str classic_member_metadata(const struct classic_group *g, const struct classic_member *m)
{
	for (size_t i = 0; g->protocol && i < m->protocol_count; i++) {
		if (mr_str_is(m->protocols[i].name, g->protocol))
			return m->protocols[i].metadata;
	}
	return MR_STR("");
}

struct classic_member *classic_restore_member(struct classic_group *g, mr_str id, mr_str instance_id,
					      int32_t session_timeout_ms, int32_t rebalance_timeout_ms,
					      mr_str subscription, mr_str assignment)
{
	struct group_protocol protocol = {mr_str_from(g->protocol ? g->protocol : ""), subscription};
	struct group_join in = {
	    .instance_id = instance_id,
	    .client_id = MR_STR(""),
	    .client_host = MR_STR(""),
	    .protocols = &protocol,
	    .protocol_count = 1,
	    .session_timeout_ms = session_timeout_ms,
	    .rebalance_timeout_ms = rebalance_timeout_ms,
	};
	struct classic_member *m = classic_member_new(g, id, &in);
	m->is_new = false;
	m->synced = true;
	classic_member_assign(m, assignment);
	return m;
}

/* ---- pending members ---- */

void classic_pending_add(struct classic_group *g, const char *id, int64_t due_ms)
{
	struct pending_member *p = mr_calloc(1, sizeof *p);
	*p = (struct pending_member){
	    .group = g,
	    .id = mr_strdup(id),
	    .expiry = {.kind = DEADLINE_PENDING, .owner = p},
	};
	mr_map_put(&g->pending, mr_str_from(id), p);
	deadline_set(g->deadlines, &p->expiry, due_ms);
}

bool classic_pending_remove(struct classic_group *g, mr_str id)
{
	struct pending_member *p = mr_map_remove(&g->pending, id);
	if (!p)
		return false;
	deadline_clear(g->deadlines, &p->expiry);
	free(p->id);
	free(p);
	return true;
}

/* ---- choosing a protocol ---- */

static bool knows(const struct classic_member *m, mr_str protocol)
{
	for (size_t i = 0; i < m->protocol_count; i++) {
		if (mr_str_eq(m->protocols[i].name, protocol))
			return true;
	}
	return false;
}

static bool all_know(const struct classic_group *g, mr_str protocol)
{
	mr_map_each (&g->members, entry) {
		if (!knows(entry->value, protocol))
			return false;
	}
	return true;
}

static const struct group_protocol *first_choice(const struct classic_group *g,
						 const struct classic_member *m)
{
	for (size_t i = 0; i < m->protocol_count; i++) {
		if (all_know(g, m->protocols[i].name))
			return &m->protocols[i];
	}
	return NULL;
}

/* Every candidate is in every member's list: the first member's list holds them all. */
const char *classic_vote(const struct classic_group *g)
{
	const struct classic_member *any = NULL;
	mr_map_each (&g->members, entry) {
		if (!any)
			any = entry->value;
	}
	const char *winner = NULL;
	size_t most = 0;
	for (size_t i = 0; any && i < any->protocol_count; i++) {
		size_t votes = 0;
		mr_map_each (&g->members, entry) {
			const struct group_protocol *choice = first_choice(g, entry->value);
			votes += choice && mr_str_eq(choice->name, any->protocols[i].name);
		}
		if (votes > most) {
			most = votes;
			winner = any->protocols[i].name.ptr;
		}
	}
	return winner;
}

bool classic_fits(const struct classic_group *g, const struct group_join *in)
{
	if (g->members.len == 0)
		return in->protocol_type.len > 0 && in->protocol_count > 0;
	if (!g->protocol_type || !mr_str_is(in->protocol_type, g->protocol_type))
		return false;
	for (size_t i = 0; i < in->protocol_count; i++) {
		if (all_know(g, in->protocols[i].name))
			return true;
	}
	return false;
}

/* ---- what consumers subscribe to ---- */

bool classic_uses_consumer_protocol(const struct classic_group *g)
{
	return g->protocol_type && strcmp(g->protocol_type, "consumer") == 0;
}

bool classic_subscribed(const struct classic_group *g, mr_str topic)
{
	if (!classic_uses_consumer_protocol(g))
		return false;
	mr_map_each (&g->members, entry) {
		if (subscription_names(classic_member_metadata(g, entry->value), topic))
			return true;
	}
	return false;
}
