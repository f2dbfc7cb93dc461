#include "group/records.h"

#include "codec/bytes.h"

#define OFFSET_VERSION 3
#define GROUP_VERSION 3
#define FLEXIBLE_FROM 4 /* of both */

static int corrupt(struct mr_error *err, const char *what)
{
	return mr_fail(err, MR_ERR_CORRUPT, "a record of " GROUP_TOPIC " has a damaged %s", what);
}

/* ---- keys ---- */

int record_key_read(mr_str bytes, struct record_key *out, struct mr_error *err)
{
	struct bytes_in in = {.rest = bytes};
	struct record_key key = {.kind = bytes_i16(&in)};
	switch (key.kind) {
	case RECORD_OFFSET_V0:
	case RECORD_OFFSET:
		key.group = bytes_string(&in);
		key.topic = bytes_string(&in);
		key.partition = bytes_i32(&in);
		key.kind = RECORD_OFFSET;
		break;
	case RECORD_CLASSIC_GROUP:
	case RECORD_CONSUMER_GROUP:
	case RECORD_TARGET:
		key.group = bytes_string(&in);
		break;
	case RECORD_CONSUMER_MEMBER:
	case RECORD_TARGET_MEMBER:
	case RECORD_CURRENT_MEMBER:
		key.group = bytes_string(&in);
		key.topic = bytes_string(&in);
		break;
	default:
		return in.bad ? corrupt(err, "key") : 1;
	}
	if (in.bad)
		return corrupt(err, "key");
	*out = key;
	return 0;
}

void record_key_write(const struct record_key *key, struct mr_buf *out)
{
	bytes_put_i16(out, (int16_t)key->kind);
	bytes_put_string(out, key->group);
	if (key->topic.ptr)
		bytes_put_string(out, key->topic);
	if (key->kind == RECORD_OFFSET)
		bytes_put_i32(out, key->partition);
}

/* ---- offsets ---- */

int record_offset_read(mr_str bytes, struct group_offset *value, mr_str *metadata_out, struct mr_error *err)
{
	struct bytes_in in = {.rest = bytes};
	int version = bytes_i16(&in);
	in.flexible = version >= FLEXIBLE_FROM;
	int64_t offset = bytes_i64(&in);
	int32_t epoch = version >= 3 ? bytes_i32(&in) : -1;
	mr_str metadata = bytes_sized(&in, false);
	int64_t commit_ms = bytes_i64(&in);
	if (in.bad || version < 0)
		return corrupt(err, "offset");
	value->offset = offset;
	value->leader_epoch = epoch;
	value->commit_ms = commit_ms;
	*metadata_out = metadata.ptr ? metadata : MR_STR("");
	return 0;
}

void record_offset_write(const struct group_offset *value, mr_str metadata, struct mr_buf *out)
{
	bytes_put_i16(out, OFFSET_VERSION);
	bytes_put_i64(out, value->offset);
	bytes_put_i32(out, value->leader_epoch);
	bytes_put_string(out, metadata.ptr ? metadata : MR_STR(""));
	bytes_put_i64(out, value->commit_ms);
}

/* ---- classic groups ---- */

static void skip_tags(struct bytes_in *in)
{
	uint64_t count = in->flexible ? bytes_uvarint(in) : 0;
	for (uint64_t i = 0; i < count && !in->bad; i++) {
		bytes_uvarint(in);
		bytes_take(in, bytes_uvarint(in));
	}
}

static void read_member(struct bytes_in *in, int version, struct classic_group *g)
{
	mr_str id = bytes_string(in);
	mr_str instance_id = version >= 3 ? bytes_string(in) : MR_STR_NULL;
	mr_str client_id = bytes_string(in), client_host = bytes_string(in);
	int32_t rebalance_ms = version >= 1 ? bytes_i32(in) : 0;
	int32_t session_ms = bytes_i32(in);
	mr_str subscription = bytes_sized(in, true), assignment = bytes_sized(in, true);
	skip_tags(in);
	if (in->bad || mr_map_get(&g->members, id))
		return;
	struct classic_member *m =
	    classic_restore_member(g, id, instance_id, session_ms, version >= 1 ? rebalance_ms : session_ms,
				   subscription, assignment);
	classic_member_set_client(m, client_id, client_host);
}

static char *dup_or_null(mr_str s)
{
	return s.ptr ? mr_strndup(s) : NULL;
}

int record_group_read(mr_str bytes, struct classic_group *g, struct mr_error *err)
{
	struct bytes_in in = {.rest = bytes};
	int version = bytes_i16(&in);
	in.flexible = version >= FLEXIBLE_FROM;
	mr_str type = bytes_string(&in);
	g->protocol_type = type.len ? mr_strndup(type) : NULL;
	g->generation = bytes_i32(&in);
	g->protocol = dup_or_null(bytes_string(&in));
	g->leader = dup_or_null(bytes_string(&in));
	g->state_since_ms = version >= 2 ? bytes_i64(&in) : -1;
	int64_t count = bytes_length(&in, true);
	for (int64_t i = 0; i < count && !in.bad; i++)
		read_member(&in, version, g);
	if (in.bad) {
		classic_reset(g);
		return corrupt(err, "group");
	}
	g->state = g->members.len ? CLASSIC_STABLE : CLASSIC_EMPTY;
	return 0;
}

void record_group_write(const struct classic_group *g, struct mr_buf *out)
{
	bytes_put_i16(out, GROUP_VERSION);
	bytes_put_string(out, mr_str_from(g->protocol_type ? g->protocol_type : ""));
	bytes_put_i32(out, g->generation);
	bytes_put_string(out, mr_str_from(g->protocol));
	bytes_put_string(out, mr_str_from(g->leader));
	bytes_put_i64(out, g->state_since_ms);
	bytes_put_i32(out, (int32_t)g->members.len);
	mr_map_each (&g->members, entry) {
		const struct classic_member *m = entry->value;
		bytes_put_string(out, mr_str_from(m->id));
		bytes_put_string(out, mr_str_from(m->instance_id));
		bytes_put_string(out, mr_str_from(m->client_id));
		bytes_put_string(out, mr_str_from(m->client_host));
		bytes_put_i32(out, m->rebalance_timeout_ms);
		bytes_put_i32(out, m->session_timeout_ms);
		bytes_put_blob(out, classic_member_metadata(g, m));
		bytes_put_blob(out, m->assignment);
	}
}
