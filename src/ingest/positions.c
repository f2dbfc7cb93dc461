#include "ingest/positions.h"

#include "base/varint.h"
#include "log/transactions.h"

mr_str ingest_app_id(mr_str topic, int32_t partition, struct arena *arena)
{
	if (partition < 0)
		return arena_printf(arena, "millrace-ingest/%.*s/id", MR_FMT(topic));
	return arena_printf(arena, "millrace-ingest/%.*s/%d", MR_FMT(topic), partition);
}

static struct ingest_position position_of(const struct delta_snapshot *snapshot, struct log_topic *topic,
					  int32_t index, bool same_topic, struct arena *arena)
{
	const struct log_partition *partition = log_partition_at(topic, index);
	int64_t in_snapshot = delta_txn(snapshot, ingest_app_id(log_topic_name(topic), index, arena));
	int64_t in_table = same_topic ? in_snapshot : -1;
	int64_t start = log_start_offset(partition);
	struct ingest_position at = {.in_snapshot = in_snapshot,
				     .in_table = in_table,
				     .from = mr_max_i64(in_table, 0),
				     .stable = log_last_stable_offset(partition)};
	if (at.from < start) {
		at.lost = in_table < 0 ? 0 : start - in_table;
		at.from = start;
	}
	if (at.from > at.stable) {
		at.ahead = true;
		at.from = at.stable;
	}
	return at;
}

void ingest_positions_read(const struct delta_snapshot *snapshot, struct log_topic *topic,
			   struct arena *arena, struct ingest_positions *out)
{
	uint8_t uuid[16];
	log_topic_id(topic, uuid);
	*out = (struct ingest_positions){
	    .count = (size_t)log_topic_partition_count(topic),
	    .id = (int64_t)(mr_get_be64(uuid) >> 1),
	    .id_in_table = delta_txn(snapshot, ingest_app_id(log_topic_name(topic), -1, arena)),
	};
	out->items = arena_calloc(arena, out->count, sizeof *out->items);
	/* A table that something else than us began has no id: its positions are believed. */
	bool same = out->id_in_table < 0 || out->id_in_table == out->id;
	for (size_t p = 0; p < out->count; p++)
		out->items[p] = position_of(snapshot, topic, (int32_t)p, same, arena);
}
