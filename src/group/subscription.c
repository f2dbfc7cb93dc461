#include "group/subscription.h"

#include "codec/bytes.h"

#define VERSION_MAX 3

static void read_partitions(struct bytes_in *in, struct named_partitions *out)
{
	int64_t topics = bytes_length(in, true);
	for (int64_t i = 0; i < topics && !in->bad; i++) {
		mr_str topic = bytes_string(in);
		int64_t partitions = bytes_length(in, true);
		for (int64_t k = 0; k < partitions && !in->bad; k++) {
			int32_t partition = bytes_i32(in);
			if (!in->bad && topic.ptr)
				mr_vec_push(&out->items, (struct named_partition){topic, partition});
		}
	}
}

int subscription_read(mr_str bytes, struct subscription *out, struct mr_error *err)
{
	struct bytes_in in = {.rest = bytes};
	*out = (struct subscription){.version = bytes_i16(&in), .rack_id = MR_STR_NULL};
	int64_t topics = bytes_length(&in, true);
	for (int64_t i = 0; i < topics && !in.bad; i++) {
		mr_str topic = bytes_string(&in);
		if (!in.bad && topic.ptr)
			mr_vec_push(&out->topics, topic);
	}
	(void)bytes_sized(&in, true);
	if (out->version >= 1)
		read_partitions(&in, &out->owned);
	if (out->version >= 2)
		(void)bytes_i32(&in);
	if (out->version >= 3)
		out->rack_id = bytes_string(&in);
	if (in.bad || out->version < 0)
		return mr_fail(err, MR_ERR_CORRUPT, "the member's subscription is malformed");
	return 0;
}

void subscription_release(struct subscription *subscription)
{
	mr_vec_release(&subscription->topics);
	mr_vec_release(&subscription->owned.items);
}

bool subscription_names(mr_str bytes, mr_str topic)
{
	struct bytes_in in = {.rest = bytes};
	(void)bytes_i16(&in);
	int64_t topics = bytes_length(&in, true);
	for (int64_t i = 0; i < topics && !in.bad; i++) {
		mr_str name = bytes_string(&in);
		if (!in.bad && mr_str_eq(name, topic))
			return true;
	}
	return false;
}

int assignment_read(mr_str bytes, struct named_partitions *out, struct mr_error *err)
{
	struct bytes_in in = {.rest = bytes};
	if (bytes.len == 0)
		return 0;
	int version = bytes_i16(&in);
	read_partitions(&in, out);
	if (in.bad || version < 0)
		return mr_fail(err, MR_ERR_CORRUPT, "the member's assignment is malformed");
	return 0;
}

static size_t same_topic(const struct named_partition *parts, size_t count, size_t from)
{
	size_t end = from;
	while (end < count && mr_str_eq(parts[end].topic, parts[from].topic))
		end++;
	return end;
}

void assignment_write(const struct named_partition *parts, size_t count, int version, struct mr_buf *out)
{
	int32_t topics = 0;
	for (size_t i = 0; i < count; i = same_topic(parts, count, i))
		topics++;
	bytes_put_i16(out, (int16_t)(version < VERSION_MAX ? version : VERSION_MAX));
	bytes_put_i32(out, topics);
	for (size_t i = 0; i < count;) {
		size_t end = same_topic(parts, count, i);
		bytes_put_string(out, parts[i].topic);
		bytes_put_i32(out, (int32_t)(end - i));
		for (; i < end; i++)
			bytes_put_i32(out, parts[i].partition);
	}
	bytes_put_blob(out, MR_STR_NULL);
}
