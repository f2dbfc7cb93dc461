/* ingest/ingest_step.c - one commit: what is new in the log, as files, with the positions. */
#include "ingest/dead_letters.h"
#include "ingest/ingest_internal.h"

#include "codec/json.h"

/* One step's work. */
struct plan {
	struct arena arena;
	struct ingest_positions at; /* `from` is moved to where the step brings it */
	MR_VEC(struct delta_txn) txns;
	MR_VEC(struct delta_txn) expect;
	struct mr_buf ranges;
	uint64_t lost;
};

static void plan_release(struct plan *plan)
{
	arena_release(&plan->arena);
	mr_vec_release(&plan->txns);
	mr_vec_release(&plan->expect);
	mr_buf_release(&plan->ranges);
}

/* Bring one partition's position to `to`. */
static void plan_move(struct ingest *ingest, struct plan *plan, int32_t partition, int64_t to)
{
	struct ingest_position *at = &plan->at.items[partition];
	mr_str app_id = ingest_app_id(ingest->layout->topic, partition, &plan->arena);
	mr_vec_push(&plan->txns, (struct delta_txn){app_id, to});
	mr_vec_push(&plan->expect, (struct delta_txn){app_id, at->in_snapshot});
	if (to > at->from)
		ranges_put(&plan->ranges, (struct topic_range){partition, at->from, to});
	plan->lost += (uint64_t)at->lost;
	at->from = to;
}

static void plan_id(struct ingest *ingest, struct plan *plan)
{
	if (!plan->txns.len || plan->at.id_in_table == plan->at.id)
		return;
	mr_str app_id = ingest_app_id(ingest->layout->topic, -1, &plan->arena);
	mr_vec_push(&plan->txns, (struct delta_txn){app_id, plan->at.id});
	mr_vec_push(&plan->expect, (struct delta_txn){app_id, plan->at.id_in_table});
}

/* Shares the limit among the partitions that have something new. */
static void plan_step(struct ingest *ingest, struct plan *plan)
{
	uint64_t left = ingest_records_in(ingest, (uint64_t)ingest->conf.commit_bytes);
	left = mr_max_size(mr_min_size(left, (uint64_t)ingest->conf.commit_rows), 1);
	size_t behind = 0;
	for (size_t p = 0; p < plan->at.count; p++)
		behind += plan->at.items[p].from < plan->at.items[p].stable;
	for (size_t p = 0; p < plan->at.count; p++) {
		const struct ingest_position *at = &plan->at.items[p];
		uint64_t new_records = (uint64_t)(at->stable - at->from);
		uint64_t share = behind ? (left + behind - 1) / behind : 0;
		if (new_records > share)
			new_records = share;
		behind -= at->from < at->stable;
		left -= new_records;
		if (new_records || at->lost)
			plan_move(ingest, plan, (int32_t)p, at->from + (int64_t)new_records);
	}
	plan_id(ingest, plan);
}

static mr_str operation_parameters(struct ingest *ingest, struct plan *plan)
{
	struct mr_buf text = {0};
	struct json_writer w = json_writer(&text);
	json_begin_object(&w);
	json_member_str(&w, "topic", ingest->layout->topic);
	json_member_str(&w, "ranges", mr_buf_view(&plan->ranges));
	json_end_object(&w);
	mr_str copy = arena_copy(&plan->arena, mr_buf_view(&text));
	mr_buf_release(&text);
	return copy;
}

static int commit(struct ingest *ingest, struct plan *plan, const struct delta_file *files, size_t file_count,
		  int64_t *version, struct mr_error *err)
{
	struct delta_commit action = {.files = files,
				      .file_count = file_count,
				      .txns = plan->txns.items,
				      .txn_count = plan->txns.len,
				      .operation = "STREAMING UPDATE",
				      .operation_parameters = operation_parameters(ingest, plan),
				      .expect = plan->expect.items,
				      .expect_count = plan->expect.len};
	int rc = delta_commit(ingest->table, &action, version, err);
	if (rc != MR_ERR_CONFLICT)
		return rc;
	mr_error_wrap(err, rc, "another writer ingests topic %.*s into table %.*s",
		      MR_FMT(ingest->layout->topic), MR_FMT(ingest->layout->table));
	mr_hint(err, "let one process ingest it");
	return rc;
}

static void note_commit(struct ingest *ingest, const struct plan *plan, const struct delta_file *files,
			size_t file_count)
{
	struct ingest_stats *stats = &ingest->stats;
	pthread_mutex_lock(&ingest->lock);
	for (size_t i = 0; i < file_count; i++)
		stats->rows += (uint64_t)files[i].rows;
	stats->bytes += ingest->bytes_read;
	stats->rejected = ingest->rejected_earlier + dead_letters_count(ingest->dead_letters);
	stats->commits++;
	stats->last_commit_ms = clock_wall_ms(ingest->options.env->clock);
	if (plan->lost) {
		stats->lost += plan->lost;
		mr_fail(&ingest->loss, MR_ERR_LIMIT,
			"topic %.*s: retention dropped %llu records before they were in table %.*s",
			MR_FMT(ingest->layout->topic), (unsigned long long)stats->lost,
			MR_FMT(ingest->layout->table));
		mr_hint(&ingest->loss, "give the topic a longer retention than ingest is ever behind");
	}
	pthread_mutex_unlock(&ingest->lock);
}

static int take_snapshot(struct ingest *ingest, struct delta_snapshot **out, struct mr_error *err)
{
	int rc = delta_snapshot(ingest->table, out, err);
	if (rc != MR_ERR_NOT_FOUND)
		return rc;
	mr_fail(err, rc, "table %.*s is gone: %s holds no Delta table", MR_FMT(ingest->layout->table),
		delta_path(ingest->table));
	mr_hint(err, "restore the folder, or restart to ingest topic %.*s from its beginning",
		MR_FMT(ingest->layout->topic));
	return rc;
}

/* The files of the planned ranges, with what they reject safe in the dead letters. */
static int write_files(struct ingest *ingest, const struct delta_snapshot *snapshot, struct plan *plan,
		       struct delta_file **files, size_t *count, struct mr_error *err)
{
	const struct ingest_writer *writer = &ingest->writer;
	*files = NULL;
	*count = 0;
	ingest->bytes_read = 0;
	if (!plan->ranges.len)
		return 0;
	int rc = writer->write(writer->arg, ingest, snapshot, mr_buf_view(&plan->ranges), &plan->arena, files,
			       count, err);
	return rc < 0 ? rc : dead_letters_drain(ingest->dead_letters, err);
}

static int step(struct ingest *ingest, const struct delta_snapshot *snapshot, struct plan *plan,
		struct mr_error *err)
{
	struct delta_file *files;
	size_t count;
	int64_t version;
	if (!plan->txns.len)
		return 0;
	int rc = write_files(ingest, snapshot, plan, &files, &count, err);
	if (rc == 0)
		rc = commit(ingest, plan, files, count, &version, err);
	if (rc < 0)
		return rc;
	note_commit(ingest, plan, files, count);
	return 1;
}

/* The topic of that name may have been deleted and made again. */
static int find_topic(struct ingest *ingest, struct mr_error *err)
{
	struct log_topic *topic = log_topic_find(broker_store(ingest->options.broker), ingest->layout->topic);
	if (!topic) {
		mr_fail(err, MR_ERR_NOT_FOUND, "topic %.*s was deleted", MR_FMT(ingest->layout->topic));
		mr_hint(err, "make it again, or take its ingest out of the project");
		return err ? err->code : MR_ERR_NOT_FOUND;
	}
	if (topic == ingest->topic)
		return 0;
	struct dead_letters *letters;
	int rc = dead_letters_new(ingest->options.broker, topic, ingest->options.manual, &letters, err);
	if (rc < 0)
		return rc;
	ingest->rejected_earlier += dead_letters_count(ingest->dead_letters);
	dead_letters_free(ingest->dead_letters);
	ingest->dead_letters = letters;
	pthread_mutex_lock(&ingest->lock);
	ingest->topic = topic;
	pthread_mutex_unlock(&ingest->lock);
	return 0;
}

int ingest_step(struct ingest *ingest, struct mr_error *err)
{
	struct plan plan = {0};
	struct delta_snapshot *snapshot;
	int rc = find_topic(ingest, err);
	if (rc == 0)
		rc = take_snapshot(ingest, &snapshot, err);
	if (rc < 0)
		return rc;
	ingest->step_us = clock_mono_us(ingest->options.env->clock);
	ingest_positions_read(snapshot, ingest->topic, &plan.arena, &plan.at);
	plan_step(ingest, &plan);
	rc = step(ingest, snapshot, &plan, err);
	if (rc >= 0)
		ingest_note_positions(ingest, &plan.at);
	delta_snapshot_unref(snapshot);
	plan_release(&plan);
	return rc;
}

static bool reached(struct ingest *ingest, const struct ingest_positions *goal)
{
	bool all = true;
	pthread_mutex_lock(&ingest->lock);
	for (size_t p = 0; p < goal->count; p++)
		all &= p < ingest->seen.len && ingest->seen.items[p].committed >= goal->items[p].stable;
	pthread_mutex_unlock(&ingest->lock);
	return all;
}

int ingest_drain(struct ingest *ingest, struct mr_error *err)
{
	struct arena arena = {0};
	struct ingest_positions goal;
	struct delta_snapshot *snapshot;
	int rc = find_topic(ingest, err);
	if (rc == 0)
		rc = take_snapshot(ingest, &snapshot, err);
	if (rc < 0)
		return rc;
	ingest_positions_read(snapshot, ingest->topic, &arena, &goal);
	delta_snapshot_unref(snapshot);
	do {
		rc = ingest_step(ingest, err);
	} while (rc > 0 && !reached(ingest, &goal));
	arena_release(&arena);
	return rc < 0 ? rc : 0;
}

int ingest_rewind(struct ingest *ingest, struct mr_error *err)
{
	struct plan plan = {0};
	struct delta_snapshot *snapshot;
	int rc = take_snapshot(ingest, &snapshot, err);
	if (rc < 0)
		return rc;
	ingest_positions_read(snapshot, ingest->topic, &plan.arena, &plan.at);
	for (size_t p = 0; p < plan.at.count; p++) {
		if (plan.at.items[p].ahead)
			plan_move(ingest, &plan, (int32_t)p, plan.at.items[p].from);
	}
	rc = step(ingest, snapshot, &plan, err);
	delta_snapshot_unref(snapshot);
	plan_release(&plan);
	return rc < 0 ? rc : 0;
}
