#include "group/offsets.h"

#include <stdlib.h>

static void topic_free(struct topic_offsets *t)
{
	for (size_t i = 0; i < t->partitions.len; i++)
		free(t->partitions.items[i].metadata);
	mr_vec_release(&t->partitions);
	free(t->topic);
	free(t);
}

static void txn_free(struct txn_offsets *t)
{
	for (size_t i = 0; i < t->entries.len; i++) {
		free(t->entries.items[i].topic);
		free(t->entries.items[i].value.metadata);
	}
	mr_vec_release(&t->entries);
	free(t);
}

void offsets_release(struct group_offsets *offsets)
{
	mr_map_each (&offsets->topics, entry)
		topic_free(entry->value);
	mr_map_each (&offsets->pending, entry)
		txn_free(entry->value);
	mr_map_release(&offsets->topics);
	mr_map_release(&offsets->pending);
	offsets->count = 0;
}

/* The first place whose partition is not below this one. */
static size_t place_of(const struct topic_offsets *t, int32_t partition)
{
	size_t low = 0, high = t->partitions.len;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (t->partitions.items[middle].partition < partition)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct group_offset *find(const struct group_offsets *offsets, mr_str topic, int32_t partition)
{
	struct topic_offsets *t = mr_map_get(&offsets->topics, topic);
	size_t at = t ? place_of(t, partition) : 0;
	bool there = t && at < t->partitions.len && t->partitions.items[at].partition == partition;
	return there ? &t->partitions.items[at] : NULL;
}

const struct group_offset *offsets_get(const struct group_offsets *offsets, mr_str topic, int32_t partition)
{
	return find(offsets, topic, partition);
}

void offsets_put(struct group_offsets *offsets, mr_str topic, const struct group_offset *value,
		 mr_str metadata)
{
	struct group_offset *known = find(offsets, topic, value->partition);
	if (known && known->log_offset > value->log_offset)
		return;
	char *text = mr_strndup(metadata);
	if (known) {
		free(known->metadata);
		*known = *value;
		known->metadata = text;
		return;
	}
	struct topic_offsets *t = mr_map_get(&offsets->topics, topic);
	if (!t) {
		t = mr_calloc(1, sizeof *t);
		t->topic = mr_strndup(topic);
		mr_map_put(&offsets->topics, topic, t);
	}
	size_t at = place_of(t, value->partition);
	mr_vec_push(&t->partitions, *value);
	memmove(&t->partitions.items[at + 1], &t->partitions.items[at],
		(t->partitions.len - 1 - at) * sizeof *t->partitions.items);
	t->partitions.items[at] = *value;
	t->partitions.items[at].metadata = text;
	offsets->count++;
}

static void remove_pending(struct txn_offsets *t, mr_str topic, int32_t partition)
{
	for (size_t i = t->entries.len; i-- > 0;) {
		struct txn_offset *entry = &t->entries.items[i];
		if (entry->value.partition != partition || !mr_str_is(topic, entry->topic))
			continue;
		free(entry->topic);
		free(entry->value.metadata);
		mr_vec_remove(&t->entries, i);
	}
}

void offsets_remove(struct group_offsets *offsets, mr_str topic, int32_t partition)
{
	mr_map_each (&offsets->pending, entry)
		remove_pending(entry->value, topic, partition);
	struct topic_offsets *t = mr_map_get(&offsets->topics, topic);
	struct group_offset *known = find(offsets, topic, partition);
	if (!known)
		return;
	free(known->metadata);
	mr_vec_remove(&t->partitions, known - t->partitions.items);
	offsets->count--;
	if (t->partitions.len == 0) {
		mr_map_remove(&offsets->topics, topic);
		topic_free(t);
	}
}

/* ---- transactions ---- */

static mr_str producer_key(const int64_t *producer_id)
{
	return mr_str_n(producer_id, sizeof *producer_id);
}

void offsets_put_pending(struct group_offsets *offsets, int64_t producer_id, mr_str topic,
			 const struct group_offset *value, mr_str metadata)
{
	struct txn_offsets *t = mr_map_get(&offsets->pending, producer_key(&producer_id));
	if (!t) {
		t = mr_calloc(1, sizeof *t);
		t->producer_id = producer_id;
		mr_map_put(&offsets->pending, producer_key(&producer_id), t);
	}
	mr_vec_push(&t->entries, (struct txn_offset){mr_strndup(topic), *value});
	t->entries.items[t->entries.len - 1].value.metadata = mr_strndup(metadata);
}

bool offsets_undecided(const struct group_offsets *offsets, mr_str topic, int32_t partition)
{
	mr_map_each (&offsets->pending, entry) {
		const struct txn_offsets *t = entry->value;
		for (size_t i = 0; i < t->entries.len; i++) {
			if (t->entries.items[i].value.partition == partition &&
			    mr_str_is(topic, t->entries.items[i].topic))
				return true;
		}
	}
	return false;
}

void offsets_decide(struct group_offsets *offsets, int64_t producer_id, bool commit)
{
	struct txn_offsets *t = mr_map_remove(&offsets->pending, producer_key(&producer_id));
	if (!t)
		return;
	for (size_t i = 0; commit && i < t->entries.len; i++) {
		const struct txn_offset *entry = &t->entries.items[i];
		offsets_put(offsets, mr_str_from(entry->topic), &entry->value,
			    mr_str_from(entry->value.metadata));
	}
	txn_free(t);
}
