/* delta/commit.c - a commit: its lines, and the race for the next version.
 *
 * The handle's lock orders the writers of a process that share a handle; link(2) decides
 * between the others. A loser applies what the winners wrote, looks at its expectations again
 * and tries the version after theirs.
 */
#include "delta/internal.h"

#include <time.h>

#define ATTEMPTS_MAX 1000
#define JITTER_US_MAX 20000

static void write_partition_values(struct json_writer *w, const struct table_meta *meta, const mr_str *values)
{
	json_key(w, "partitionValues");
	json_begin_object(w);
	for (size_t i = 0; i < meta->partition_count; i++) {
		json_key_str(w, meta->partition_names[i]);
		if (values && values[i].len)
			json_put_str(w, values[i]);
		else
			json_put_null(w);
	}
	json_end_object(w);
}

static void write_path(struct json_writer *w, mr_str path)
{
	struct mr_buf encoded = {0};
	delta_path_encode(&encoded, path);
	json_member_str(w, "path", mr_buf_view(&encoded));
	mr_buf_release(&encoded);
}

void delta_file_add_write(struct json_writer *w, const struct table_meta *meta, const struct file_entry *file,
			  bool data_change)
{
	json_begin_object(w);
	json_key(w, "add");
	json_begin_object(w);
	write_path(w, file->path);
	write_partition_values(w, meta, file->partition_values);
	json_member_int(w, "size", file->size);
	json_member_int(w, "modificationTime", file->modified_ms);
	json_member_bool(w, "dataChange", data_change);
	if (file->stats.len)
		json_member_str(w, "stats", file->stats);
	json_end_object(w);
	json_end_object(w);
}

void delta_file_remove_write(struct json_writer *w, const struct table_meta *meta,
			     const struct file_entry *file, int64_t now_ms)
{
	json_begin_object(w);
	json_key(w, "remove");
	json_begin_object(w);
	write_path(w, file->path);
	json_member_int(w, "deletionTimestamp", now_ms);
	json_member_bool(w, "dataChange", true);
	json_member_bool(w, "extendedFileMetadata", true);
	write_partition_values(w, meta, file->partition_values);
	json_member_int(w, "size", file->size);
	json_end_object(w);
	json_end_object(w);
}

struct totals {
	int64_t rows, bytes;
	size_t removed;
};

static void write_metric(struct json_writer *w, const char *name, int64_t value)
{
	struct mr_buf text = {0};
	mr_buf_printf(&text, "%lld", (long long)value); /* metrics are strings in Delta */
	json_member_str(w, name, mr_buf_view(&text));
	mr_buf_release(&text);
}

static void write_info(struct json_writer *w, const struct delta_table *table,
		       const struct delta_commit *commit, const struct totals *totals, int64_t now_ms)
{
	char id[37];
	rng_uuid(table->env->rng, id);
	json_begin_object(w);
	json_key(w, "commitInfo");
	json_begin_object(w);
	json_member_int(w, "timestamp", now_ms);
	json_member_cstr(w, "operation", commit->operation ? commit->operation : "WRITE");
	json_key(w, "operationParameters");
	json_put_raw(w, commit->operation_parameters.len ? commit->operation_parameters : MR_STR("{}"));
	json_member_int(w, "readVersion", table->state->version);
	json_member_cstr(w, "isolationLevel", "WriteSerializable");
	json_member_bool(w, "isBlindAppend", !commit->overwrite);
	json_key(w, "operationMetrics");
	json_begin_object(w);
	write_metric(w, "numFiles", (int64_t)commit->file_count);
	write_metric(w, "numOutputRows", totals->rows);
	write_metric(w, "numOutputBytes", totals->bytes);
	if (commit->overwrite)
		write_metric(w, "numRemovedFiles", (int64_t)totals->removed);
	json_end_object(w);
	json_member_cstr(w, "engineInfo", ENGINE_INFO);
	json_member_cstr(w, "txnId", id);
	json_end_object(w);
	json_end_object(w);
}

static void write_txn(struct json_writer *w, const struct delta_txn *txn, int64_t now_ms)
{
	json_begin_object(w);
	json_key(w, "txn");
	json_begin_object(w);
	json_member_str(w, "appId", txn->app_id);
	json_member_int(w, "version", txn->version);
	json_member_int(w, "lastUpdated", now_ms);
	json_end_object(w);
	json_end_object(w);
}

static void write_removes(struct mr_buf *out, const struct delta_log_state *state, int64_t now_ms)
{
	struct file_cursor cursor = file_cursor(state->files, state->files->count);
	for (struct file_entry *entry; (entry = delta_file_cursor_next(&cursor));) {
		if (entry->removed != VERSION_NEVER)
			continue;
		struct json_writer w = json_writer(out);
		delta_file_remove_write(&w, state->meta, entry, now_ms);
		mr_buf_char(out, '\n');
	}
}

/* The commit as it would follow the present state. */
static void write_commit(struct mr_buf *out, const struct delta_table *table,
			 const struct delta_commit *commit)
{
	const struct delta_log_state *state = table->state;
	int64_t now_ms = clock_wall_ms(table->env->clock);
	struct totals totals = {.removed = (size_t)state->file_count};
	for (size_t i = 0; i < commit->file_count; i++) {
		totals.rows += mr_max_i64(commit->files[i].rows, 0);
		totals.bytes += commit->files[i].size;
	}
	struct json_writer w = json_writer(out);
	write_info(&w, table, commit, &totals, now_ms);
	mr_buf_char(out, '\n');
	for (size_t i = 0; i < commit->txn_count; i++) {
		w = json_writer(out);
		write_txn(&w, &commit->txns[i], now_ms);
		mr_buf_char(out, '\n');
	}
	if (commit->overwrite)
		write_removes(out, state, now_ms);
	for (size_t i = 0; i < commit->file_count; i++) {
		const struct delta_file *file = &commit->files[i];
		struct file_entry entry = {.path = file->path,
					   .partition_values = file->partition_values,
					   .size = file->size,
					   .modified_ms = now_ms,
					   .stats = file->stats_json};
		w = json_writer(out);
		delta_file_add_write(&w, state->meta, &entry, true);
		mr_buf_char(out, '\n');
	}
}

static int check_expectations(const struct delta_log_state *state, const struct delta_commit *commit,
			      struct mr_error *err)
{
	for (size_t i = 0; i < commit->expect_count; i++) {
		const struct delta_txn *expected = &commit->expect[i];
		const struct txn_state *txn = mr_map_get(&state->txns, expected->app_id);
		int64_t version = txn ? txn->version : -1;
		if (version != expected->version)
			return mr_fail(
			    err, MR_ERR_CONFLICT, "another writer moved %.*s to %lld (expected %lld)",
			    MR_FMT(expected->app_id), (long long)version, (long long)expected->version);
	}
	/* Files are written for a schema and a partitioning. */
	if (commit->read && !mr_str_eq(commit->read->meta->json, state->meta->json))
		return mr_fail(err, MR_ERR_CONFLICT, "the table's metadata changed while files were written");
	return 0;
}

static int check_commit(const struct delta_log_state *state, const struct delta_commit *commit,
			struct mr_error *err)
{
	int rc = delta_gate_write(state->protocol, state->meta, err);
	if (rc < 0)
		return rc;
	if (commit->overwrite && state->file_count &&
	    mr_str_is(delta_meta_property(state->meta, "delta.appendOnly"), "true"))
		return mr_fail(err, MR_ERR_UNSUPPORTED, "the table is append-only (delta.appendOnly)");
	return check_expectations(state, commit, err);
}

static void wait_a_little(struct delta_table *table, int attempt)
{
	if (attempt == 0)
		return; /* one loss is chance; go on at once */
	uint64_t bound = mr_min_size((size_t)200 << mr_min_size((size_t)attempt, 10), JITTER_US_MAX);
	uint64_t us = rng_below(table->env->rng, bound);
	nanosleep(&(struct timespec){.tv_nsec = (long)us * 1000}, NULL);
}

/* The winner's version is ours: take our own bytes in, as any reader would. */
static int take_in(struct delta_table *table, mr_str bytes, int64_t version)
{
	struct mr_error ignored;
	char *path = delta_store_commit_path(table, version);
	int rc = delta_log_apply_commit(table, table->state, bytes, version, &ignored);
	if (rc == 0)
		rc = disk_stat(table->env->disk, path, &table->state->newest, &ignored);
	free(path);
	if (rc < 0) { /* read it anew next time */
		delta_state_free(table->state);
		table->state = NULL;
	}
	return rc;
}

static int commit_locked(struct delta_table *table, const struct delta_commit *commit, int64_t *version_out,
			 struct mr_error *err)
{
	struct mr_buf bytes = {0};
	int rc = MR_ERR_EXISTS;
	int64_t version = -1;
	for (int attempt = 0; attempt < ATTEMPTS_MAX && rc == MR_ERR_EXISTS; attempt++) {
		rc = delta_log_advance(table, err);
		if (rc == 0)
			rc = check_commit(table->state, commit, err);
		if (rc < 0)
			break;
		mr_buf_clear(&bytes);
		write_commit(&bytes, table, commit);
		version = table->state->version + 1;
		rc = delta_store_put_commit(table, version, mr_buf_view(&bytes), err);
		if (rc == MR_ERR_EXISTS)
			wait_a_little(table, attempt);
	}
	if (rc == MR_ERR_EXISTS)
		rc = mr_fail(err, MR_ERR_BUSY, "%s: other writers won %d times in a row", table->path,
			     ATTEMPTS_MAX);
	if (rc == 0) {
		*version_out = version;
		/* The commit stands, whatever comes of the checkpoint: the next one tries again. */
		if (take_in(table, mr_buf_view(&bytes), version) == 0 && table->engine &&
		    delta_checkpoint_is_due(table->state)) {
			int ignored = delta_checkpoint_write(table, NULL);
			(void)ignored;
		}
	}
	mr_buf_release(&bytes);
	return rc;
}

int delta_commit(struct delta_table *table, const struct delta_commit *commit, int64_t *version_out,
		 struct mr_error *err)
{
	pthread_mutex_lock(&table->lock);
	int rc = commit_locked(table, commit, version_out, err);
	pthread_mutex_unlock(&table->lock);
	return rc;
}
