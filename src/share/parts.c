/* share/parts.c - one partition of one group: where it begins, its records, its writes. */
#include "share/coordinator.h"

#include "log/transactions.h"

#include <stdlib.h>

#define PART_KEY_BYTES 20

static mr_str part_key(const uint8_t topic_id[16], int32_t index, char out[PART_KEY_BYTES])
{
	memcpy(out, topic_id, 16);
	mr_put_be32(out + 16, (uint32_t)index);
	return mr_str_n(out, PART_KEY_BYTES);
}

struct share_part *part_find(struct share_group *group, const struct share_partition_ref *ref)
{
	uint8_t id[16];
	char key[PART_KEY_BYTES];
	log_topic_id(ref->topic, id);
	return mr_map_get(&group->parts, part_key(id, ref->partition, key));
}

struct share_part *part_make(struct share_group *group, const struct share_partition_ref *ref)
{
	struct share_part *part = part_find(group, ref);
	char key[PART_KEY_BYTES];
	if (part)
		return part;
	part = mr_calloc(1, sizeof *part);
	part->group = group;
	part->topic = ref->topic;
	part->index = ref->partition;
	part->log = log_partition_at(ref->topic, ref->partition);
	part->snapshot_at = -1;
	part->lock = (struct deadline){.kind = DEADLINE_SHARE_LOCK, .owner = part};
	log_topic_id(ref->topic, part->topic_id);
	mr_map_put(&group->parts, part_key(part->topic_id, part->index, key), part);
	return part;
}

void part_free(struct share_part *part)
{
	char key[PART_KEY_BYTES];
	deadline_clear(&part->group->share->deadlines, &part->lock);
	mr_map_remove(&part->group->parts, part_key(part->topic_id, part->index, key));
	share_partition_release(&part->records);
	free(part);
}

void part_begin(struct share_part *part, int64_t start)
{
	share_partition_release(&part->records);
	share_partition_init(&part->records, start);
	deadline_clear(&part->group->share->deadlines, &part->lock);
	part->begun = true;
	part->snapshot_due = true;
}

/* ---- writing ---- */

/* An acquisition is not written: the record is as it was before. Nor is what was never delivered,
 * which is what replay takes a hole for. */
static void collect_all(const struct share_partition *p, struct share_ranges *out)
{
	for (size_t i = 0; i < p->ranges.len; i++) {
		struct share_range r = p->ranges.items[i];
		if (r.state == SHARE_ACQUIRED) {
			r.state = SHARE_AVAILABLE;
			r.deliveries--;
		}
		if (r.state != SHARE_AVAILABLE || r.deliveries > 0)
			mr_vec_push(out, r);
	}
}

static void collect_dirty(const struct share_partition *p, struct share_ranges *out)
{
	for (size_t i = 0; i < p->dirty.len; i++) {
		struct share_range r = p->dirty.items[i];
		struct share_range *last = out->len ? &out->items[out->len - 1] : NULL;
		if (r.last < p->start)
			continue;
		r.first = mr_max_i64(r.first, p->start);
		if (last && last->last + 1 == r.first && last->state == r.state &&
		    last->deliveries == r.deliveries)
			last->last = r.last;
		else
			mr_vec_push(out, r);
	}
}

static int write_state(struct share_part *part, enum share_record kind, struct group_write *write,
		       struct mr_error *err)
{
	struct share *share = part->group->share;
	int64_t now_ms = clock_wall_ms(share->env->clock);
	struct share_value value = {
	    .snapshot_epoch = part->snapshot_epoch + (kind == SHARE_SNAPSHOT),
	    .state_epoch = part->state_epoch,
	    .created_ms = part->created_ms ? part->created_ms : now_ms,
	    .written_ms = now_ms,
	    .start = kind == SHARE_SNAPSHOT || part->records.start_moved ? part->records.start : -1,
	    .done_count = (int32_t)share_partition_done_count(&part->records),
	};
	if (kind == SHARE_SNAPSHOT)
		collect_all(&part->records, &value.batches);
	else
		collect_dirty(&part->records, &value.batches);
	mr_buf_clear(&share->value);
	share_value_write(kind, &value, &share->value);
	mr_vec_release(&value.batches);
	int rc = share_append(share, part, kind, false, write, err);
	if (rc == 0) {
		part->snapshot_epoch = value.snapshot_epoch;
		part->created_ms = value.created_ms;
	}
	return rc;
}

int part_flush(struct share_part *part, struct group_write *write, struct mr_error *err)
{
	struct share_partition *p = &part->records;
	*write = part->last; /* what was changed before may be on its way still */
	if (part->last.partition && groups_write_state(&part->last, NULL) < 0)
		part->snapshot_due = true;
	if (!part->begun || (!part->snapshot_due && !p->dirty.len && !p->start_moved))
		return 0;
	bool whole = part->snapshot_due || part->updates >= part->group->share->options.updates_per_snapshot;
	int rc = write_state(part, whole ? SHARE_SNAPSHOT : SHARE_UPDATE, write, err);
	if (rc != 0)
		return rc;
	part->last = *write;
	part->updates = whole ? 0 : part->updates + 1;
	if (whole)
		part->snapshot_at = write->next_offset - 1;
	part->snapshot_due = p->start_moved = false;
	p->dirty.len = 0;
	return 0;
}

int part_forget(struct share_part *part, struct group_write *write, struct mr_error *err)
{
	int rc = share_append(part->group->share, part, SHARE_SNAPSHOT, true, write, err);
	if (rc != 0)
		return rc;
	part_begin(part, 0);
	part->last = *write;
	part->begun = part->snapshot_due = false;
	part->snapshot_at = -1;
	part->state_epoch = part->updates = 0;
	part->created_ms = 0;
	return 0;
}

/* ---- locks ---- */

/* All locks last equally long: one that is set is the earliest. */
void part_keep_deadline(struct share_part *part)
{
	struct share *share = part->group->share;
	int64_t due_ms = share_partition_deadline(&part->records);
	if (due_ms == INT64_MAX)
		deadline_clear(&share->deadlines, &part->lock);
	else
		deadline_set(&share->deadlines, &part->lock, due_ms);
}

void part_fire_lock(struct share_part *part)
{
	struct share *share = part->group->share;
	struct share_limits limits = share_limits_of(part->group);
	struct group_write write;
	int64_t lost = share_partition_expire(&part->records, &limits, share_now_ms(share));
	part_keep_deadline(part);
	/* What the log does not take now goes with the next change. */
	(void)!part_flush(part, &write, NULL);
	if (lost)
		share_tell_moved(share, part);
}

/* ---- what handlers ask ---- */

struct share_part *share_part_find(struct share *share, mr_str name, const struct share_partition_ref *ref)
{
	share_enter(share);
	struct share_group *group = share_group_find(share, name);
	struct share_part *part = group ? part_find(group, ref) : NULL;
	share_leave_lock(share);
	return part;
}

struct log_partition *share_part_log(const struct share_part *part)
{
	return part->log;
}

static int reset_offset(const struct share_part *part, int64_t *out, struct mr_error *err)
{
	mr_str name = mr_str_from(part->group->name);
	char value[64];
	group_config_text(broker_group_configs(part->group->share->broker), name, "share.auto.offset.reset",
			  "latest", value, sizeof value);
	mr_str how = mr_str_from(value);
	int64_t timestamp, since_ms, found = log_stable_offset(part->log);
	int rc = 0;
	if (mr_str_is(how, "earliest")) {
		found = log_start_offset(part->log);
	} else if (group_config_duration(how, &since_ms)) {
		int64_t from_ms = clock_wall_ms(part->group->share->env->clock) - since_ms;
		rc = log_find_time(part->log, from_ms, &found, &timestamp, err);
	}
	if (rc > 0) /* nothing is as new as that */
		found = log_stable_offset(part->log);
	if (rc >= 0)
		*out = found;
	return rc < 0 ? rc : 0;
}

static int begin(struct share_part *part, struct mr_error *err)
{
	int64_t start;
	struct group_write write;
	int rc = reset_offset(part, &start, err);
	if (rc < 0)
		return rc;
	part_begin(part, start);
	/* Nobody waits for it: an acknowledgement will, and writes it should this be lost. */
	(void)!part_flush(part, &write, NULL);
	return 0;
}

int share_part_plan(struct share *share, struct share_part *part, struct share_plan *out,
		    struct mr_error *err)
{
	share_enter(share);
	int rc = part->begun ? 0 : begin(part, err);
	if (rc == 0) {
		struct share_limits limits = share_limits_of(part->group);
		char value[64];
		group_config_text(broker_group_configs(share->broker), mr_str_from(part->group->name),
				  "share.isolation.level", "read_uncommitted", value, sizeof value);
		bool committed = strcmp(value, "read_committed") == 0;
		share_partition_trim(&part->records, log_start_offset(part->log));
		*out = (struct share_plan){
		    .from = share_partition_next(&part->records, &limits),
		    .until = committed ? log_last_stable_offset(part->log) : log_stable_offset(part->log),
		    .committed = committed,
		};
		if (out->from >= out->until)
			out->from = -1;
	}
	share_leave_lock(share);
	return rc;
}

int64_t share_part_acquire(struct share *share, struct share_part *part, struct share_acquire *in,
			   struct share_ranges *out)
{
	share_enter(share);
	struct share_limits limits = share_limits_of(part->group);
	in->now_ms = share_now_ms(share);
	int64_t got = part->begun ? share_partition_acquire(&part->records, &limits, in, out) : 0;
	if (got && !deadline_is_set(&part->lock))
		part_keep_deadline(part);
	share_leave_lock(share);
	return got;
}

void share_part_archive(struct share *share, struct share_part *part, const struct share_span *spans,
			size_t count)
{
	share_enter(share);
	for (size_t i = 0; i < count && part->begun; i++)
		share_partition_archive(&part->records, spans[i].first, spans[i].last);
	share_leave_lock(share);
}

int share_part_acknowledge(struct share *share, struct share_part *part, uint64_t owner,
			   const struct share_ack_batch *batches, size_t count)
{
	static const int codes[] = {
	    [SHARE_OK] = GROUP_OK,
	    [SHARE_INVALID_REQUEST] = SHARE_BAD_REQUEST,
	    [SHARE_INVALID_STATE] = SHARE_BAD_RECORD_STATE,
	};
	share_enter(share);
	struct share_limits limits = share_limits_of(part->group);
	enum share_outcome outcome = SHARE_INVALID_STATE;
	if (part->begun)
		outcome = share_partition_acknowledge(&part->records, &limits, owner, share_now_ms(share),
						      batches, count);
	/* Released records may be taken, and the window may have moved. */
	if (outcome == SHARE_OK)
		share_tell_moved(share, part);
	share_leave_lock(share);
	return codes[outcome];
}

int share_part_flush(struct share *share, struct share_part *part, struct group_write *write,
		     struct mr_error *err)
{
	share_enter(share);
	int rc = part_flush(part, write, err);
	share_leave_lock(share);
	return rc;
}
