#include "share/records.h"

#include "codec/bytes.h"

#define KEY_KINDS 2
#define VALUE_VERSION 0
#define LEADER_EPOCH 0
#define TAG_DONE_COUNT 0
#define BATCH_BYTES 20 /* with the count of its tags */

void share_key_write(const struct share_key *key, struct mr_buf *out)
{
	bytes_put_i16(out, (int16_t)key->kind);
	bytes_put_string(out, key->group);
	mr_buf_append(out, key->topic_id, 16);
	bytes_put_i32(out, key->partition);
}

int share_key_read(mr_str bytes, struct share_key *out, struct mr_error *err)
{
	struct bytes_in in = {.rest = bytes};
	int16_t kind = bytes_i16(&in);
	if (!in.bad && (kind < 0 || kind >= KEY_KINDS))
		return 1;
	struct share_key key = {.kind = (enum share_record)kind, .group = bytes_string(&in)};
	const char *id = bytes_take(&in, 16);
	if (id)
		memcpy(key.topic_id, id, 16);
	key.partition = bytes_i32(&in);
	if (in.bad || in.rest.len || !key.group.ptr)
		return mr_fail(err, MR_ERR_CORRUPT, "a record of " SHARE_STATE_TOPIC " has a damaged key");
	*out = key;
	return 0;
}

/* ---- values ---- */

static void put_batches(struct mr_buf *out, const struct share_ranges *batches)
{
	bytes_put_uvarint(out, batches->len + 1);
	for (size_t i = 0; i < batches->len; i++) {
		const struct share_range *r = &batches->items[i];
		bytes_put_i64(out, r->first);
		bytes_put_i64(out, r->last);
		bytes_put_i8(out, (int8_t)r->state);
		bytes_put_i16(out, r->deliveries);
		bytes_put_uvarint(out, 0);
	}
}

void share_value_write(enum share_record kind, const struct share_value *value, struct mr_buf *out)
{
	bytes_put_i16(out, VALUE_VERSION);
	bytes_put_i32(out, value->snapshot_epoch);
	if (kind == SHARE_SNAPSHOT)
		bytes_put_i32(out, value->state_epoch);
	bytes_put_i32(out, LEADER_EPOCH);
	bytes_put_i64(out, value->start);
	if (kind == SHARE_SNAPSHOT) {
		bytes_put_i64(out, value->created_ms);
		bytes_put_i64(out, value->written_ms);
	}
	put_batches(out, &value->batches);
	bytes_put_uvarint(out, 1);
	bytes_put_uvarint(out, TAG_DONE_COUNT);
	bytes_put_uvarint(out, sizeof(int32_t));
	bytes_put_i32(out, value->done_count);
}

static void skip_tags(struct bytes_in *in)
{
	uint64_t count = bytes_uvarint(in);
	for (uint64_t i = 0; i < count && !in->bad; i++) {
		bytes_uvarint(in);
		bytes_take(in, bytes_uvarint(in));
	}
}

static bool is_written_state(int8_t state)
{
	return state == SHARE_AVAILABLE || state == SHARE_ACKNOWLEDGED || state == SHARE_ARCHIVED;
}

static void read_batches(struct bytes_in *in, struct share_ranges *out)
{
	uint64_t count = bytes_uvarint(in);
	if (count > in->rest.len / BATCH_BYTES + 1)
		in->bad = true;
	for (uint64_t i = 1; i < count && !in->bad; i++) {
		struct share_range r = {.first = bytes_i64(in)};
		r.last = bytes_i64(in);
		int8_t state = bytes_i8(in);
		r.state = (enum share_state)state;
		r.deliveries = bytes_i16(in);
		skip_tags(in);
		in->bad = in->bad || r.first < 0 || r.last < r.first || r.last == INT64_MAX ||
			  !is_written_state(state);
		if (!in->bad)
			mr_vec_push(out, r);
	}
}

static void read_tags(struct bytes_in *in, struct share_value *out)
{
	uint64_t count = bytes_uvarint(in);
	for (uint64_t i = 0; i < count && !in->bad; i++) {
		uint64_t tag = bytes_uvarint(in), size = bytes_uvarint(in);
		if (tag == TAG_DONE_COUNT && size == sizeof(int32_t))
			out->done_count = bytes_i32(in);
		else
			bytes_take(in, size);
	}
}

int share_value_read(enum share_record kind, mr_str bytes, struct share_value *out, struct mr_error *err)
{
	struct bytes_in in = {.rest = bytes};
	struct share_value value = {.done_count = -1};
	(void)bytes_i16(&in);
	in.flexible = true;
	value.snapshot_epoch = bytes_i32(&in);
	if (kind == SHARE_SNAPSHOT)
		value.state_epoch = bytes_i32(&in);
	(void)bytes_i32(&in);
	value.start = bytes_i64(&in);
	if (kind == SHARE_SNAPSHOT) {
		value.created_ms = bytes_i64(&in);
		value.written_ms = bytes_i64(&in);
	}
	read_batches(&in, &value.batches);
	read_tags(&in, &value);
	if (in.bad || value.start < -1) {
		mr_vec_release(&value.batches);
		return mr_fail(err, MR_ERR_CORRUPT, "a record of " SHARE_STATE_TOPIC " has a damaged value");
	}
	*out = value;
	return 0;
}
