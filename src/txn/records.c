#include "txn/records.h"

#include "codec/bytes.h"

#define PARTITIONS_MAX 1000000

enum { TAG_PREVIOUS_ID, TAG_NEXT_ID, TAG_CLIENT_VERSION };

void txn_key_write(mr_str id, struct mr_buf *out)
{
	bytes_put_i16(out, 0);
	bytes_put_string(out, id);
}

int txn_key_read(mr_str bytes, mr_str *id, struct mr_error *err)
{
	struct bytes_in in = {.rest = bytes};
	int16_t version = bytes_i16(&in);
	if (!in.bad && version != 0)
		return 1;
	mr_str found = bytes_string(&in);
	if (in.bad || !found.ptr)
		return mr_fail(err, MR_ERR_CORRUPT, "a damaged key in " TXN_TOPIC);
	*id = found;
	return 0;
}

/* ---- writing ---- */

static bool is_first_of_topic(const struct txn_machine *m, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (strcmp(m->partitions.items[i].topic, m->partitions.items[at].topic) == 0)
			return false;
	}
	return true;
}

static void put_topic(const struct txn_machine *m, const char *topic, struct mr_buf *out)
{
	size_t count = 0;
	for (size_t i = 0; i < m->partitions.len; i++)
		count += strcmp(m->partitions.items[i].topic, topic) == 0;
	bytes_put_compact(out, mr_str_from(topic));
	bytes_put_uvarint(out, count + 1);
	for (size_t i = 0; i < m->partitions.len; i++) {
		if (strcmp(m->partitions.items[i].topic, topic) == 0)
			bytes_put_i32(out, m->partitions.items[i].index);
	}
	bytes_put_uvarint(out, 0); /* no tagged fields */
}

static void put_partitions(const struct txn_machine *m, struct mr_buf *out)
{
	bool has_any = m->next.state == TXN_ONGOING || m->next.state == TXN_PREPARE_COMMIT ||
		       m->next.state == TXN_PREPARE_ABORT;
	if (m->next.state == TXN_EMPTY) {
		bytes_put_uvarint(out, 0); /* null */
		return;
	}
	size_t topics = 0;
	for (size_t i = 0; i < m->partitions.len && has_any; i++)
		topics += is_first_of_topic(m, i);
	bytes_put_uvarint(out, topics + 1);
	for (size_t i = 0; i < m->partitions.len && has_any; i++) {
		if (is_first_of_topic(m, i))
			put_topic(m, m->partitions.items[i].topic, out);
	}
}

static void put_tag(struct mr_buf *out, int tag, int size)
{
	bytes_put_uvarint(out, (uint64_t)tag);
	bytes_put_uvarint(out, (uint64_t)size);
}

void txn_value_write(const struct txn_machine *m, struct mr_buf *out)
{
	const struct txn_fields *f = &m->next;
	bytes_put_i16(out, 1);
	bytes_put_i64(out, f->producer_id);
	bytes_put_i16(out, f->epoch);
	bytes_put_i32(out, f->timeout_ms);
	bytes_put_i8(out, (int8_t)f->state);
	put_partitions(m, out);
	bytes_put_i64(out, f->update_ms);
	bytes_put_i64(out, f->start_ms);
	bytes_put_uvarint(out, (uint64_t)((f->previous_producer_id >= 0) + (f->next_producer_id >= 0) +
					  (f->client_version != 0)));
	if (f->previous_producer_id >= 0) {
		put_tag(out, TAG_PREVIOUS_ID, 8);
		bytes_put_i64(out, f->previous_producer_id);
	}
	if (f->next_producer_id >= 0) {
		put_tag(out, TAG_NEXT_ID, 8);
		bytes_put_i64(out, f->next_producer_id);
	}
	if (f->client_version != 0) {
		put_tag(out, TAG_CLIENT_VERSION, 2);
		bytes_put_i16(out, f->client_version);
	}
}

/* ---- reading ---- */

/* -1: null. Each element takes bytes, so the count is bounded by what is left. */
static int64_t get_count(struct bytes_in *in)
{
	int64_t count = in->flexible ? (int64_t)(bytes_uvarint(in) & UINT32_MAX) - 1 : bytes_i32(in);
	if (count > (int64_t)in->rest.len || count > PARTITIONS_MAX)
		in->bad = true;
	return in->bad ? 0 : count;
}

static void skip_tags(struct bytes_in *in)
{
	for (uint64_t tags = in->flexible ? bytes_uvarint(in) : 0; tags > 0 && !in->bad; tags--) {
		(void)bytes_uvarint(in);
		(void)bytes_take(in, (size_t)bytes_uvarint(in));
	}
}

static void get_partitions(struct bytes_in *in, struct txn_machine *m)
{
	int64_t topics = get_count(in);
	for (int64_t t = 0; t < topics && !in->bad; t++) {
		mr_str topic = bytes_string(in);
		int64_t count = get_count(in);
		for (int64_t i = 0; i < count && !in->bad; i++) {
			int32_t index = bytes_i32(in);
			if (!in->bad && topic.ptr)
				machine_add_partition(m, topic, index);
		}
		skip_tags(in);
	}
}

static void get_tags(struct bytes_in *in, struct txn_fields *f)
{
	for (uint64_t tags = in->flexible ? bytes_uvarint(in) : 0; tags > 0 && !in->bad; tags--) {
		uint64_t tag = bytes_uvarint(in), size = bytes_uvarint(in);
		struct bytes_in value = {.rest = mr_str_n(in->rest.ptr, mr_min_size(size, in->rest.len))};
		(void)bytes_take(in, (size_t)size);
		if (tag == TAG_PREVIOUS_ID)
			f->previous_producer_id = bytes_i64(&value);
		else if (tag == TAG_NEXT_ID)
			f->next_producer_id = bytes_i64(&value);
		else if (tag == TAG_CLIENT_VERSION)
			f->client_version = bytes_i16(&value);
		in->bad = in->bad || value.bad;
	}
}

int txn_value_read(mr_str bytes, struct txn_machine *m, struct mr_error *err)
{
	struct bytes_in in = {.rest = bytes};
	struct txn_fields *f = &m->now;
	int16_t version = bytes_i16(&in);
	if (!in.bad && (version < 0 || version > 1))
		return mr_fail(err, MR_ERR_UNSUPPORTED, "a value of version %d in " TXN_TOPIC, version);
	in.flexible = version == 1;
	f->producer_id = bytes_i64(&in);
	f->epoch = bytes_i16(&in);
	f->timeout_ms = bytes_i32(&in);
	int8_t state = bytes_i8(&in);
	get_partitions(&in, m);
	f->update_ms = bytes_i64(&in);
	f->start_ms = bytes_i64(&in);
	get_tags(&in, f);
	if (in.bad || state < 0 || state >= TXN_STATES)
		return mr_fail(err, MR_ERR_CORRUPT, "a damaged value in " TXN_TOPIC);
	f->state = (enum txn_state)state;
	if (f->client_version >= 2 && f->epoch > 0)
		f->last_epoch = (int16_t)(f->epoch - 1);
	m->settled_partitions = m->partitions.len;
	return 0;
}
