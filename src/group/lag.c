/* group/lag.c - how far groups are behind: in rows, and in the time that the rows span.
 *
 * Seconds are the distance from the timestamp of the next record that the group will read to the
 * newest one of the partition: how old the consumer's view of the world is. What is not read yet
 * of a topic that went quiet does not grow older. The batch that holds the committed offset is
 * read without the lock.
 */
#include "group/coordinator.h"
#include "group/subscription.h"

/* ---- who reads a partition ---- */

struct owner {
	mr_str topic;
	int32_t partition;
	mr_str member_id, client_id;
};

struct owners {
	MR_VEC(struct owner) items;
};

static void note_assignment(mr_str bytes, mr_str member_id, mr_str client_id, struct owners *owners)
{
	struct named_partitions parts = {0};
	if (assignment_read(bytes, &parts, NULL) == 0) {
		for (size_t i = 0; i < parts.items.len; i++)
			mr_vec_push(&owners->items,
				    (struct owner){parts.items.items[i].topic, parts.items.items[i].partition,
						   member_id, client_id});
	}
	mr_vec_release(&parts.items);
}

static void owners_of(struct groups *groups, mr_str group, struct owners *owners, struct arena *arena)
{
	struct group_view view;
	owners->items.len = 0;
	if (groups_describe(groups, group, &view, arena) != GROUP_OK ||
	    !mr_str_is(view.summary.protocol_type, "consumer"))
		return;
	for (size_t i = 0; i < view.summary.members; i++) {
		const struct group_member_view *m = &view.members[i];
		if (!m->consumer)
			note_assignment(m->assignment, m->id, m->client_id, owners);
		for (size_t k = 0; m->consumer && k < m->consumer->assigned_count; k++) {
			const struct group_topic_part *part = &m->consumer->assigned[k];
			mr_vec_push(&owners->items,
				    (struct owner){part->topic, part->partition, m->id, m->client_id});
		}
	}
}

/* ---- lag ---- */

/* The timestamp of the record at this offset, or after it in its batch; -1 when unknown. */
static int64_t timestamp_at(struct log_partition *partition, int64_t offset, struct batch_iter *it,
			    struct mr_buf *bytes)
{
	struct record record;
	mr_buf_clear(bytes);
	if (log_read(partition, offset, 0, true, bytes, NULL, NULL) < 0 || bytes->len == 0 ||
	    batch_iter_start(it, mr_buf_view(bytes), NULL) < 0)
		return -1;
	while (batch_iter_next(it, &record, NULL) > 0) {
		if (record.offset >= offset)
			return record.timestamp;
	}
	return -1;
}

static void measure(struct groups *groups, struct group_lag *lag, struct batch_iter *it, struct mr_buf *bytes)
{
	struct log_topic *topic = log_topic_find(broker_store(groups->broker), lag->topic);
	struct log_partition *partition = topic ? log_partition_at(topic, lag->partition) : NULL;
	lag->log_end = partition ? log_stable_offset(partition) : -1;
	if (!partition || lag->committed >= lag->log_end)
		return;
	int64_t from = mr_max_i64(lag->committed, log_start_offset(partition));
	lag->lag_rows = lag->log_end - from;
	int64_t next_ms = timestamp_at(partition, from, it, bytes);
	int64_t newest_ms = log_max_timestamp(partition);
	if (next_ms >= 0 && newest_ms > next_ms)
		lag->lag_seconds = (double)(newest_ms - next_ms) / 1000;
}

struct lags {
	MR_VEC(struct group_lag) items;
};

static void lags_of(struct groups *groups, mr_str group, struct lags *out, struct arena *arena)
{
	struct group_fetch fetch = {.member = {.group = group, .generation = -1}};
	struct group_offset_entry *entries;
	struct owners owners = {0};
	size_t count;
	if (groups_fetch_all(groups, &fetch, &entries, &count, arena) != GROUP_OK)
		return;
	owners_of(groups, group, &owners, arena);
	for (size_t i = 0; i < count; i++) {
		struct group_lag lag = {
		    .group = group,
		    .topic = entries[i].topic,
		    .partition = entries[i].partition,
		    .committed = entries[i].offset,
		    .member_id = MR_STR(""),
		    .client_id = MR_STR(""),
		};
		for (size_t k = 0; k < owners.items.len; k++) {
			const struct owner *o = &owners.items.items[k];
			if (o->partition == lag.partition && mr_str_eq(o->topic, lag.topic)) {
				lag.member_id = o->member_id;
				lag.client_id = o->client_id;
			}
		}
		mr_vec_push(&out->items, lag);
	}
	mr_vec_release(&owners.items);
}

struct group_lag *groups_lag(struct groups *groups, mr_str group, size_t *count, struct arena *arena)
{
	struct lags lags = {0};
	size_t group_count = 0;
	if (group.ptr) {
		lags_of(groups, arena_copy(arena, group), &lags, arena);
	} else {
		const struct group_summary *all = groups_list(groups, &group_count, arena);
		for (size_t i = 0; i < group_count; i++)
			lags_of(groups, all[i].name, &lags, arena);
	}
	struct batch_iter it = {0};
	struct mr_buf bytes = {0};
	for (size_t i = 0; i < lags.items.len; i++)
		measure(groups, &lags.items.items[i], &it, &bytes);
	batch_iter_release(&it);
	mr_buf_release(&bytes);
	struct group_lag *out = arena_calloc(arena, mr_max_size(lags.items.len, 1), sizeof *out);
	if (lags.items.len)
		memcpy(out, lags.items.items, lags.items.len * sizeof *out);
	*count = lags.items.len;
	mr_vec_release(&lags.items);
	return out;
}
