/* group/records_consumer.c - values of consumer groups' records (KIP-848): all "flexible", version 0. */
#include "codec/bytes.h"
#include "group/records.h"

#define VERSION 0
#define NAMES_MAX 100000

static int corrupt(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_CORRUPT, "a record of " GROUP_TOPIC " has a damaged consumer group");
}

static void skip_tags(struct bytes_in *in)
{
	uint64_t count = bytes_uvarint(in);
	for (uint64_t i = 0; i < count && !in->bad; i++) {
		bytes_uvarint(in);
		bytes_take(in, bytes_uvarint(in));
	}
}

static void put_no_tags(struct mr_buf *out)
{
	bytes_put_uvarint(out, 0);
}

/* ---- sets of partitions: by topic, each with its partitions ---- */

static void read_parts(struct bytes_in *in, struct partition_set *out)
{
	out->parts.len = 0;
	int64_t topics = bytes_length(in, true);
	for (int64_t i = 0; i < topics && !in->bad; i++) {
		struct topic_partition part = {0};
		const char *id = bytes_take(in, 16);
		if (id)
			memcpy(part.topic_id, id, 16);
		int64_t count = bytes_length(in, true);
		for (int64_t k = 0; k < count && !in->bad; k++) {
			part.partition = bytes_i32(in);
			if (!in->bad)
				parts_add(out, &part);
		}
		skip_tags(in);
	}
}

static size_t same_topic(const struct partition_set *set, size_t from)
{
	size_t end = from;
	while (end < set->parts.len &&
	       memcmp(set->parts.items[end].topic_id, set->parts.items[from].topic_id, 16) == 0)
		end++;
	return end;
}

static void put_parts(struct mr_buf *out, const struct partition_set *set)
{
	size_t topics = 0;
	for (size_t i = 0; i < set->parts.len; i = same_topic(set, i))
		topics++;
	bytes_put_uvarint(out, topics + 1);
	for (size_t i = 0; i < set->parts.len;) {
		size_t end = same_topic(set, i);
		mr_buf_append(out, set->parts.items[i].topic_id, 16);
		bytes_put_uvarint(out, end - i + 1);
		for (; i < end; i++)
			bytes_put_i32(out, set->parts.items[i].partition);
		put_no_tags(out);
	}
}

/* ---- members ---- */

#define TAG_CLASSIC 0

/* ClassicMemberMetadata: int32 session timeout, [string name, bytes metadata]. */
static void read_classic(struct bytes_in *in, struct consumer_member *m)
{
	int32_t session_ms = bytes_i32(in);
	int64_t count = bytes_length(in, true);
	MR_VEC(struct group_protocol) protocols = {0};
	for (int64_t i = 0; i < count && !in->bad && protocols.len < NAMES_MAX; i++) {
		mr_str name = bytes_string(in), metadata = bytes_sized(in, true);
		skip_tags(in);
		if (!in->bad && name.ptr)
			mr_vec_push(&protocols, (struct group_protocol){name, metadata});
	}
	skip_tags(in);
	in->bad |= protocols.len == 0;
	if (!in->bad)
		consumer_set_protocols(m, protocols.items, protocols.len, session_ms);
	mr_vec_release(&protocols);
}

static void read_member_tags(struct bytes_in *in, struct consumer_member *m)
{
	uint64_t count = bytes_uvarint(in);
	consumer_set_protocols(m, NULL, 0, 0);
	for (uint64_t i = 0; i < count && !in->bad; i++) {
		uint64_t tag = bytes_uvarint(in), size = bytes_uvarint(in);
		struct bytes_in field = {.flexible = true};
		const char *at = bytes_take(in, size);
		if (!at || tag != TAG_CLASSIC)
			continue;
		field.rest = mr_str_n(at, size);
		read_classic(&field, m);
		in->bad |= field.bad;
	}
}

static void put_classic(struct mr_buf *out, const struct consumer_member *m)
{
	struct mr_buf field = {0};
	bytes_put_i32(&field, m->session_timeout_ms);
	bytes_put_uvarint(&field, m->protocol_count + 1);
	for (size_t i = 0; i < m->protocol_count; i++) {
		bytes_put_compact(&field, m->protocols[i].name);
		bytes_put_compact(&field, m->protocols[i].metadata);
		put_no_tags(&field);
	}
	put_no_tags(&field);
	bytes_put_uvarint(out, 1);
	bytes_put_uvarint(out, TAG_CLASSIC);
	bytes_put_uvarint(out, field.len);
	mr_buf_str(out, mr_buf_view(&field));
	mr_buf_release(&field);
}

static void read_member(struct bytes_in *in, struct consumer_group *g, struct consumer_member *m)
{
	mr_str instance_id = bytes_string(in);
	consumer_set_string(&m->rack_id, bytes_string(in));
	mr_str client_id = bytes_string(in), client_host = bytes_string(in);
	int64_t count = bytes_length(in, true);
	MR_VEC(mr_str) topics = {0};
	for (int64_t i = 0; i < count && !in->bad && topics.len < NAMES_MAX; i++) {
		mr_str name = bytes_string(in);
		mr_vec_push(&topics, name.ptr ? name : MR_STR(""));
	}
	consumer_set_topics(m, topics.items, topics.len);
	mr_vec_release(&topics);
	consumer_set_string(&m->regex, bytes_string(in));
	m->rebalance_timeout_ms = bytes_i32(in);
	consumer_set_string(&m->assignor, bytes_string(in));
	read_member_tags(in, m);
	consumer_set_string(&m->client_id, client_id.ptr ? client_id : MR_STR(""));
	consumer_set_string(&m->client_host, client_host.ptr ? client_host : MR_STR(""));
	consumer_note_instance(g, m, instance_id);
}

static void put_member(struct mr_buf *out, const struct consumer_member *m)
{
	bytes_put_compact(out, mr_str_from(m->instance_id));
	bytes_put_compact(out, mr_str_from(m->rack_id));
	bytes_put_compact(out, mr_str_from(m->client_id));
	bytes_put_compact(out, mr_str_from(m->client_host));
	bytes_put_uvarint(out, m->topics.len + 1);
	for (size_t i = 0; i < m->topics.len; i++)
		bytes_put_compact(out, mr_str_from(m->topics.items[i]));
	bytes_put_compact(out, mr_str_from(m->regex));
	bytes_put_i32(out, m->rebalance_timeout_ms);
	bytes_put_compact(out, mr_str_from(m->assignor));
	if (consumer_is_classic(m))
		put_classic(out, m);
	else
		put_no_tags(out);
}

static void read_current(struct bytes_in *in, struct consumer_member *m)
{
	m->epoch = bytes_i32(in);
	m->previous_epoch = bytes_i32(in);
	int8_t state = bytes_i8(in);
	m->state = state >= MEMBER_STABLE && state <= MEMBER_UNRELEASED ? (enum consumer_member_state)state
									: MEMBER_UNRELEASED;
	read_parts(in, &m->assigned);
	read_parts(in, &m->revoking);
	skip_tags(in);
}

static void put_current(struct mr_buf *out, const struct consumer_member *m)
{
	bytes_put_i32(out, m->epoch);
	bytes_put_i32(out, m->previous_epoch);
	bytes_put_i8(out, (int8_t)m->state);
	put_parts(out, &m->assigned);
	put_parts(out, &m->revoking);
}

int record_consumer_read(int kind, mr_str bytes, struct consumer_group *g, mr_str member,
			 struct mr_error *err)
{
	struct bytes_in in = {.rest = bytes};
	(void)bytes_i16(&in);
	in.flexible = true;
	switch (kind) {
	case RECORD_CONSUMER_GROUP:
		g->epoch = bytes_i32(&in);
		break;
	case RECORD_TARGET:
		g->assignment_epoch = bytes_i32(&in);
		break;
	case RECORD_CONSUMER_MEMBER:
		read_member(&in, g, consumer_restore(g, member));
		break;
	case RECORD_TARGET_MEMBER:
		read_parts(&in, &consumer_restore(g, member)->target);
		break;
	case RECORD_CURRENT_MEMBER:
		read_current(&in, consumer_restore(g, member));
		break;
	default:
		break;
	}
	return in.bad ? corrupt(err) : 0;
}

void record_consumer_write(int kind, const struct consumer_group *g, const struct consumer_member *m,
			   struct mr_buf *out)
{
	bytes_put_i16(out, VERSION);
	if (kind == RECORD_CONSUMER_GROUP)
		bytes_put_i32(out, g->epoch);
	else if (kind == RECORD_TARGET)
		bytes_put_i32(out, g->assignment_epoch);
	else if (kind == RECORD_CONSUMER_MEMBER)
		put_member(out, m);
	else if (kind == RECORD_TARGET_MEMBER)
		put_parts(out, &m->target);
	else if (kind == RECORD_CURRENT_MEMBER)
		put_current(out, m);
	if (kind != RECORD_CONSUMER_MEMBER) /* which has some */
		put_no_tags(out);
}
