/* delta/commit_lines.c - the actions of a commit as lines of JSON. commitInfo comes first: with
 * in-commit timestamps readers look for it there. */
#include "delta/internal.h"

/* {"kind": ... the members to come */
static void begin(struct json_writer *w, const char *kind)
{
	json_begin_object(w);
	json_key(w, kind);
	json_begin_object(w);
}

static void end(struct json_writer *w)
{
	json_end_object(w);
	json_end_object(w);
}

static void write_metric(struct json_writer *w, const char *name, int64_t value)
{
	struct mr_buf text = {0};
	mr_buf_printf(&text, "%lld", (long long)value); /* metrics are strings in Delta */
	json_member_str(w, name, mr_buf_view(&text));
	mr_buf_release(&text);
}

static void write_metrics(struct json_writer *w, const struct delta_table *table,
			  const struct delta_commit *const *commits, size_t count)
{
	int64_t files = 0, rows = 0, bytes = 0;
	json_key(w, "operationMetrics");
	json_begin_object(w);
	for (size_t i = 0; i < commits[0]->metric_count; i++)
		write_metric(w, commits[0]->metrics[i].name, commits[0]->metrics[i].value);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < commits[i]->file_count; j++) {
			files++;
			rows += mr_max_i64(commits[i]->files[j].rows, 0);
			bytes += commits[i]->files[j].size;
		}
	if (!commits[0]->metric_count) {
		write_metric(w, "numFiles", files);
		write_metric(w, "numOutputRows", rows);
		write_metric(w, "numOutputBytes", bytes);
		if (commits[0]->overwrite)
			write_metric(w, "numRemovedFiles", table->state->file_count);
	}
	json_end_object(w);
}

static bool is_blind_append(const struct delta_commit *commit)
{
	return !commit->overwrite && !commit->remove_count && !commit->read_count && !commit->reads_table &&
	       !commit->metadata.len && !commit->rearranges && !commit->base;
}

/* Rows that are in new files now got new ids. */
static bool keeps_row_ids(const struct delta_table *table, const struct delta_commit *commit)
{
	for (size_t i = 0; i < commit->file_count && commit->remove_count; i++)
		if (!commit->files[i].row_ids &&
		    !delta_live_get(&table->state->live, table->state->files, commit->files[i].path))
			return false;
	return true;
}

static void write_tags(struct json_writer *w, const struct delta_table *table,
		       const struct delta_commit *commit)
{
	json_key(w, "tags");
	json_begin_object(w);
	json_member_cstr(w, "delta.rowTracking.preserved", keeps_row_ids(table, commit) ? "true" : "false");
	json_end_object(w);
}

static void write_info(struct json_writer *w, const struct delta_table *table,
		       const struct delta_commit *const *commits, size_t count,
		       const struct version_frame *frame)
{
	static const char *const levels[] = {[DELTA_WRITE_SERIALIZABLE] = "WriteSerializable",
					     [DELTA_SERIALIZABLE] = "Serializable",
					     [DELTA_SNAPSHOT] = "SnapshotIsolation"};
	const struct delta_commit *commit = commits[0];
	begin(w, "commitInfo");
	if (frame->in_commit_ms >= 0)
		json_member_int(w, "inCommitTimestamp", frame->in_commit_ms);
	json_member_int(w, "timestamp", frame->now_ms);
	json_member_cstr(w, "operation", commit->operation ? commit->operation : "WRITE");
	json_key(w, "operationParameters");
	json_put_raw(w, commit->operation_parameters.len ? commit->operation_parameters : MR_STR("{}"));
	if (frame->stamp->read_version >= 0)
		json_member_int(w, "readVersion", frame->stamp->read_version);
	json_member_cstr(w, "isolationLevel",
			 levels[commit->rearranges ? DELTA_SNAPSHOT : commit->isolation]);
	json_member_bool(w, "isBlindAppend", is_blind_append(commit));
	write_metrics(w, table, commits, count);
	if (frame->tracks_rows)
		write_tags(w, table, commit);
	json_member_cstr(w, "engineInfo", ENGINE_INFO);
	json_member_cstr(w, "txnId", frame->stamp->txn_id);
	end(w);
}

static void write_txn(struct json_writer *w, const struct delta_txn *txn, int64_t now_ms)
{
	begin(w, "txn");
	json_member_str(w, "appId", txn->app_id);
	json_member_int(w, "version", txn->version);
	json_member_int(w, "lastUpdated", now_ms);
	end(w);
}

static void write_domain(struct json_writer *w, const struct delta_domain *domain)
{
	begin(w, "domainMetadata");
	json_member_str(w, "domain", domain->name);
	json_member_str(w, "configuration", domain->configuration);
	json_member_bool(w, "removed", domain->removed);
	end(w);
}

static void write_cdc(struct json_writer *w, const struct table_meta *meta, const struct delta_file *file)
{
	begin(w, "cdc");
	delta_file_place_write(w, meta, file->path, file->partition_values);
	json_member_int(w, "size", file->size);
	json_member_bool(w, "dataChange", false);
	end(w);
}

static void remove_line(struct mr_buf *out, const struct delta_log_state *state,
			const struct file_entry *entry, int64_t now_ms, bool data_change)
{
	struct arena arena = {0};
	struct json_writer w = json_writer(out);
	mr_str path = delta_file_path(state->files, entry, &arena);
	delta_file_remove_write(&w, state->meta, entry, path, now_ms, data_change);
	mr_buf_char(out, '\n');
	arena_release(&arena);
}

static void remove_lines(struct mr_buf *out, const struct delta_log_state *state,
			 const struct delta_commit *commit, int64_t now_ms)
{
	if (commit->overwrite) {
		struct file_cursor cursor = file_cursor(state->files, state->files->count);
		for (struct file_entry *entry; (entry = delta_file_cursor_next(&cursor));)
			if (entry->removed == VERSION_NEVER)
				remove_line(out, state, entry, now_ms, true);
	}
	for (size_t i = 0; i < commit->remove_count; i++) {
		const struct file_entry *entry =
		    delta_live_get(&state->live, state->files, commit->removes[i]);
		MR_ASSERT(entry); /* else it was a conflict */
		remove_line(out, state, entry, now_ms, !commit->rearranges);
	}
}

static const struct file_entry *live_entry(const struct delta_table *table, mr_str path)
{
	return table->state ? delta_live_get(&table->state->live, table->state->files, path) : NULL;
}

static void add_line(struct mr_buf *out, const struct delta_table *table, struct version_frame *frame,
		     const struct delta_file *file, bool data_change)
{
	struct file_extra extra = {.has_dv = file->dv != NULL,
				   .clustering_provider = file->clustered ? MR_STR("liquid") : MR_STR(""),
				   .dv = file->dv ? *file->dv : (struct delta_dv){0},
				   .base_row_id = file->row_ids ? file->row_ids->base : -1,
				   .default_row_commit_version = file->row_ids ? file->row_ids->version : -1};
	int64_t rows = delta_stats_rows(file->stats_json); /* in the file, deleted ones too */
	delta_row_tracking_assign(frame, live_entry(table, file->path), rows, &extra);
	struct file_entry entry = {.partition_values = file->partition_values,
				   .size = file->size,
				   .modified_ms = frame->now_ms,
				   .extra = &extra};
	struct json_writer w = json_writer(out);
	delta_file_add_write(&w, frame->meta, &entry, file->path, file->stats_json, data_change);
	mr_buf_char(out, '\n');
}

static void file_lines(struct mr_buf *out, const struct delta_table *table, const struct delta_commit *commit,
		       struct version_frame *frame)
{
	for (size_t i = 0; i < commit->file_count; i++)
		add_line(out, table, frame, &commit->files[i], !commit->rearranges);
	for (size_t i = 0; i < commit->cdc_count; i++) {
		struct json_writer w = json_writer(out);
		write_cdc(&w, frame->meta, &commit->cdc[i]);
		mr_buf_char(out, '\n');
	}
}

static bool goes(const struct delta_commit *commit, mr_str path)
{
	for (size_t i = 0; i < commit->remove_count; i++)
		if (mr_str_eq(commit->removes[i], path))
			return true;
	return commit->overwrite;
}

/* Row tracking starts: the files that are there get their ids. */
static void backfill_lines(struct mr_buf *out, const struct delta_log_state *state,
			   const struct delta_commit *commit, struct version_frame *frame)
{
	struct arena arena = {0};
	mr_str *stats = delta_stats_texts(state->files, state->files->count, NULL, &arena);
	struct file_cursor cursor = file_cursor(state->files, state->files->count);
	for (struct file_entry *entry; (entry = delta_file_cursor_next(&cursor));) {
		mr_str path = delta_file_path(state->files, entry, &arena);
		if (entry->removed != VERSION_NEVER || goes(commit, path))
			continue;
		struct file_extra extra = {.base_row_id = -1, .default_row_commit_version = -1};
		struct file_entry whole = *entry;
		if (entry->extra)
			extra = *entry->extra;
		whole.extra = &extra;
		delta_row_tracking_assign(frame, entry, delta_stats_rows(stats[cursor.at - 1]), &extra);
		struct json_writer w = json_writer(out);
		delta_file_add_write(&w, frame->meta, &whole, path, stats[cursor.at - 1], false);
		mr_buf_char(out, '\n');
	}
	arena_release(&arena);
}

static void row_id_line(struct mr_buf *out, int64_t mark)
{
	struct mr_buf text = {0};
	mr_buf_printf(&text, "{\"rowIdHighWaterMark\":%lld}", (long long)mark);
	struct delta_domain domain = {MR_STR(ROW_TRACKING_DOMAIN), mr_buf_view(&text), false};
	struct json_writer w = json_writer(out);
	write_domain(&w, &domain);
	mr_buf_char(out, '\n');
	mr_buf_release(&text);
}

static void state_lines(struct mr_buf *out, const struct delta_commit *commit,
			const struct version_frame *frame)
{
	struct json_writer w;
	for (size_t i = 0; i < commit->domain_count; i++) {
		w = json_writer(out);
		write_domain(&w, &commit->domains[i]);
		mr_buf_char(out, '\n');
	}
	for (size_t i = 0; i < commit->txn_count; i++) {
		w = json_writer(out);
		write_txn(&w, &commit->txns[i], frame->now_ms);
		mr_buf_char(out, '\n');
	}
}

static void first_lines(struct mr_buf *out, const struct version_frame *frame)
{
	if (frame->new_protocol) {
		struct json_writer w = json_writer(out);
		json_begin_object(&w);
		delta_protocol_write(&w, &frame->protocol);
		json_end_object(&w);
		mr_buf_char(out, '\n');
	}
	if (frame->metadata.len)
		mr_buf_printf(out, "{\"metaData\":%.*s}\n", MR_FMT(frame->metadata));
}

void delta_commit_lines(struct mr_buf *out, const struct delta_table *table,
			const struct delta_commit *const *commits, size_t count, struct version_frame *frame)
{
	int64_t mark = frame->row_id_mark;
	struct json_writer w = json_writer(out);
	write_info(&w, table, commits, count, frame);
	mr_buf_char(out, '\n');
	first_lines(out, frame);
	for (size_t i = 0; i < count; i++) {
		state_lines(out, commits[i], frame);
		if (table->state)
			remove_lines(out, table->state, commits[i], frame->now_ms);
		file_lines(out, table, commits[i], frame);
	}
	if (frame->backfills)
		backfill_lines(out, table->state, commits[0], frame);
	if (frame->row_id_mark > mark)
		row_id_line(out, frame->row_id_mark);
}
