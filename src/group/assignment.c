#include "group/assignment.h"

static int order(const struct topic_partition *a, const struct topic_partition *b)
{
	int ids = memcmp(a->topic_id, b->topic_id, 16);
	return ids ? ids : (a->partition > b->partition) - (a->partition < b->partition);
}

static size_t place_of(const struct partition_set *set, const struct topic_partition *part)
{
	size_t low = 0, high = set->parts.len;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (order(&set->parts.items[middle], part) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool parts_has(const struct partition_set *set, const struct topic_partition *part)
{
	size_t at = place_of(set, part);
	return at < set->parts.len && order(&set->parts.items[at], part) == 0;
}

void parts_add(struct partition_set *set, const struct topic_partition *part)
{
	size_t at = place_of(set, part);
	if (at < set->parts.len && order(&set->parts.items[at], part) == 0)
		return;
	mr_vec_push(&set->parts, *part);
	memmove(&set->parts.items[at + 1], &set->parts.items[at],
		(set->parts.len - 1 - at) * sizeof *set->parts.items);
	set->parts.items[at] = *part;
}

void parts_copy(struct partition_set *to, const struct partition_set *from)
{
	to->parts.len = 0;
	parts_merge(to, from);
}

void parts_merge(struct partition_set *to, const struct partition_set *more)
{
	for (size_t i = 0; i < more->parts.len; i++)
		parts_add(to, &more->parts.items[i]);
}

bool parts_equal(const struct partition_set *a, const struct partition_set *b)
{
	bool same = a->parts.len == b->parts.len;
	for (size_t i = 0; same && i < a->parts.len; i++)
		same = order(&a->parts.items[i], &b->parts.items[i]) == 0;
	return same;
}

static void filter(const struct partition_set *a, const struct partition_set *b, bool in_b,
		   struct partition_set *to)
{
	to->parts.len = 0;
	for (size_t i = 0; i < a->parts.len; i++) {
		if (parts_has(b, &a->parts.items[i]) == in_b)
			mr_vec_push(&to->parts, a->parts.items[i]);
	}
}

void parts_both(const struct partition_set *a, const struct partition_set *b, struct partition_set *to)
{
	filter(a, b, true, to);
}

void parts_without(const struct partition_set *a, const struct partition_set *b, struct partition_set *to)
{
	filter(a, b, false, to);
}

/* ---- assignors ---- */

static bool subscribes(const struct assign_member *m, uint32_t topic)
{
	size_t low = 0, high = m->topic_count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (m->topics[middle] < topic)
			low = middle + 1;
		else
			high = middle;
	}
	return low < m->topic_count && m->topics[low] == topic;
}

static struct topic_partition part_of(const struct assign_topic *topic, int32_t partition)
{
	struct topic_partition part = {.partition = partition};
	memcpy(part.topic_id, topic->id, 16);
	return part;
}

static struct assign_member *least_loaded(struct assign_member *members, size_t count, uint32_t topic)
{
	struct assign_member *least = NULL;
	for (size_t i = 0; i < count; i++) {
		if (subscribes(&members[i], topic) &&
		    (!least || members[i].target.parts.len < least->target.parts.len))
			least = &members[i];
	}
	return least;
}

/* One partition: who had it keeps it; nobody's goes to whoever has least. */
static struct assign_member *first_owner(struct assign_member *members, size_t count, uint32_t topic,
					 const struct topic_partition *part)
{
	for (size_t i = 0; i < count; i++) {
		if (parts_has(members[i].had, part) && subscribes(&members[i], topic))
			return &members[i];
	}
	return NULL;
}

static void drop(struct partition_set *set, const struct topic_partition *part)
{
	size_t at = place_of(set, part);
	mr_vec_remove(&set->parts, at);
}

/* Every move evens out a difference of two or more, so that moving comes to an end. */
static bool even_out(const struct assign_topic *topics, size_t topic_count, struct assign_member *members,
		     size_t count)
{
	bool moved = false;
	for (uint32_t t = 0; t < topic_count; t++) {
		for (size_t i = 0; i < count; i++) {
			struct assign_member *rich = &members[i];
			for (int32_t p = topics[t].partitions; p-- > 0;) {
				struct topic_partition part = part_of(&topics[t], p);
				struct assign_member *poor = least_loaded(members, count, t);
				if (!poor || rich->target.parts.len < poor->target.parts.len + 2)
					break;
				if (!parts_has(&rich->target, &part))
					continue;
				drop(&rich->target, &part);
				parts_add(&poor->target, &part);
				moved = true;
			}
		}
	}
	return moved;
}

static void assign_uniform(const struct assign_topic *topics, size_t topic_count,
			   struct assign_member *members, size_t count)
{
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t t = 0; t < topic_count; t++) {
			for (int32_t p = 0; p < topics[t].partitions; p++) {
				struct topic_partition part = part_of(&topics[t], p);
				struct assign_member *had = first_owner(members, count, t, &part);
				struct assign_member *to = pass == 0 ? had
							   : had     ? NULL
								     : least_loaded(members, count, t);
				if (to)
					parts_add(&to->target, &part);
			}
		}
	}
	while (even_out(topics, topic_count, members, count))
		;
}

static void assign_range(const struct assign_topic *topics, size_t topic_count, struct assign_member *members,
			 size_t count)
{
	for (uint32_t t = 0; t < topic_count; t++) {
		int64_t readers = 0, reader = 0;
		for (size_t i = 0; i < count; i++)
			readers += subscribes(&members[i], t);
		for (size_t i = 0; i < count; i++) {
			if (!subscribes(&members[i], t))
				continue;
			int64_t each = topics[t].partitions / readers, more = topics[t].partitions % readers;
			int64_t from = reader * each + mr_min_i64(reader, more);
			int64_t to = from + each + (reader < more);
			for (int64_t p = from; p < to; p++) {
				struct topic_partition part = part_of(&topics[t], (int32_t)p);
				parts_add(&members[i].target, &part);
			}
			reader++;
		}
	}
}

assignor_fn assignor_find(mr_str name)
{
	return mr_str_is(name, "uniform") ? assign_uniform : mr_str_is(name, "range") ? assign_range : NULL;
}
