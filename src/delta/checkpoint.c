/* delta/checkpoint.c - writing checkpoints: the state as Parquet.
 *
 * It goes through the JSON of actions, so that a checkpoint says exactly what commits
 * would: the actions as JSON lines into a temporary file, COPY from there into
 * Parquet, sync, rename, then _last_checkpoint (a hint to others, not synced; we list).
 * checkpoint_read.c goes the way back.
 *
 * A classic checkpoint is one file. With the feature v2Checkpoint and delta.checkpointPolicy = v2 it is
 * N.checkpoint.UUID.parquet, which names a sidecar that holds all that is about files, and is
 * there before it.
 */
#include "delta/internal.h"

#include <stdio.h>

#define HINT_BYTES_MAX ((size_t)1 << 20)

#define DV_COLUMNS \
	"deletionVector STRUCT(storageType VARCHAR, pathOrInlineDv VARCHAR, \"offset\" INTEGER, " \
	"sizeInBytes INTEGER, cardinality BIGINT), baseRowId BIGINT, defaultRowCommitVersion BIGINT"

/* Spark's column layout (protocol, "Checkpoint Schema"). */
static const char file_columns[] =
    "add: 'STRUCT(path VARCHAR, partitionValues MAP(VARCHAR, VARCHAR), size BIGINT, modificationTime BIGINT, "
    "dataChange BOOLEAN, tags MAP(VARCHAR, VARCHAR), stats VARCHAR, " DV_COLUMNS
    ", clusteringProvider VARCHAR)', "
    "remove: 'STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN, extendedFileMetadata "
    "BOOLEAN, "
    "partitionValues MAP(VARCHAR, VARCHAR), size BIGINT, tags MAP(VARCHAR, VARCHAR), " DV_COLUMNS ")'";
static const char state_columns[] =
    "txn: 'STRUCT(appId VARCHAR, version BIGINT, lastUpdated BIGINT)', "
    "metaData: 'STRUCT(id VARCHAR, name VARCHAR, description VARCHAR, format STRUCT(provider VARCHAR, "
    "options MAP(VARCHAR, VARCHAR)), schemaString VARCHAR, partitionColumns VARCHAR[], "
    "configuration MAP(VARCHAR, VARCHAR), createdTime BIGINT)', "
    "protocol: 'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER, readerFeatures VARCHAR[], "
    "writerFeatures VARCHAR[])', "
    "domainMetadata: 'STRUCT(domain VARCHAR, configuration VARCHAR, removed BOOLEAN)'";
static const char v2_columns[] =
    "checkpointMetadata: 'STRUCT(version BIGINT)', "
    "sidecar: 'STRUCT(path VARCHAR, sizeInBytes BIGINT, modificationTime BIGINT)'";

/* A checkpoint holds the whole state, so one at every tenth version makes n small commits cost n^2. Where
 * the table does not say, it comes when a hundredth of the state is new, or when as many versions came as a
 * table of that age is worth: at 10, 20, 40, 50, then at hundreds. It stays a fixed part of what commits
 * cost, and an opening reads at most CHECKPOINT_INTERVAL_MAX commits after it. */
int64_t delta_checkpoint_interval(mr_str property, size_t file_count, int64_t version)
{
	static const int64_t steps[] = {CHECKPOINT_INTERVAL_MAX, 50, 20};
	int64_t interval = property.len ? strtoll(property.ptr, NULL, 10) : 0;
	if (interval >= 1)
		return interval;
	interval = (int64_t)(file_count / CHECKPOINT_NEW_SHARE);
	interval -= interval % CHECKPOINT_INTERVAL_DEFAULT;
	for (size_t i = 0; i < MR_COUNT(steps); i++)
		if (version >= steps[i])
			interval = mr_max_i64(interval, steps[i]);
	if (interval > CHECKPOINT_INTERVAL_MAX)
		return CHECKPOINT_INTERVAL_MAX;
	return interval < CHECKPOINT_INTERVAL_DEFAULT ? CHECKPOINT_INTERVAL_DEFAULT : interval;
}

/* Another process's checkpoint shows in the hint. */
static int64_t hinted_checkpoint(struct delta_table *table)
{
	struct mr_buf text = {0};
	struct json_value root;
	int64_t version = -1;
	char *path = mr_asprintf("%s/_last_checkpoint", table->log_path);
	if (disk_read_file(table->env->disk, path, HINT_BYTES_MAX, &text, NULL) == 0 &&
	    json_parse(table->parser, mr_buf_view(&text), &root, NULL) == 0 &&
	    json_type(json_get(root, "version")) == JSON_INT)
		version = json_int(json_get(root, "version"));
	mr_buf_release(&text);
	free(path);
	return version;
}

bool delta_checkpoint_is_due(struct delta_table *table)
{
	struct delta_log_state *state = table->state;
	int64_t interval =
	    delta_checkpoint_interval(delta_meta_property(state->meta, "delta.checkpointInterval"),
				      state->files->count, state->version);
	if (state->version <= 0 || state->version <= state->checkpoint_version)
		return false;
	/* At the interval's multiples, as other engines do; and when one was missed. */
	if (state->version % interval == 0)
		return true;
	if (state->version - state->checkpoint_version <= interval)
		return false;
	int64_t hinted = hinted_checkpoint(table);
	if (hinted > state->checkpoint_version && hinted <= state->version)
		state->checkpoint_version = hinted;
	return state->version - state->checkpoint_version > interval;
}

/* ---- writing ---- */

static void put_line(struct mr_buf *out, const char *name, mr_str body)
{
	struct json_writer w = json_writer(out);
	json_begin_object(&w);
	json_key(&w, name);
	json_put_raw(&w, body);
	json_end_object(&w);
	mr_buf_char(out, '\n');
}

static void put_state(struct mr_buf *out, const struct delta_log_state *state)
{
	struct json_writer w = json_writer(out);
	json_begin_object(&w);
	delta_protocol_write(&w, state->protocol);
	json_end_object(&w);
	mr_buf_char(out, '\n');
	put_line(out, "metaData", state->meta->json);
	mr_map_each (&state->domains, domain) {
		put_line(out, "domainMetadata", mr_str_from(domain->value));
	}
	mr_map_each (&state->txns, entry) {
		const struct txn_state *txn = entry->value;
		w = json_writer(out);
		json_begin_object(&w);
		json_key(&w, "txn");
		json_begin_object(&w);
		json_member_str(&w, "appId", mr_str_n(entry->key, entry->key_len));
		json_member_int(&w, "version", txn->version);
		if (txn->last_updated)
			json_member_int(&w, "lastUpdated", txn->last_updated);
		json_end_object(&w);
		json_end_object(&w);
		mr_buf_char(out, '\n');
	}
}

static bool lives_again(const struct delta_log_state *state, const struct file_entry *entry)
{
	const struct file_entry *live = delta_live_same(&state->live, state->files, entry);
	return live && delta_dv_same(file_entry_dv(live), file_entry_dv(entry));
}

/* Returns how many adds. dataChange is false throughout, as the protocol asks. */
static int64_t put_files(struct mr_buf *out, const struct delta_log_state *state, int64_t now_ms)
{
	int64_t adds = 0, keep_ms = delta_tombstones_ms(state->meta);
	struct arena arena = {0}, scratch = {0};
	mr_str *stats = delta_stats_texts(state->files, state->files->count, NULL, &arena);
	struct file_cursor cursor = file_cursor(state->files, state->files->count);
	for (struct file_entry *entry; (entry = delta_file_cursor_next(&cursor));) {
		struct json_writer w = json_writer(out);
		arena_reset(&scratch);
		mr_str path = delta_file_path(state->files, entry, &scratch);
		if (entry->removed == VERSION_NEVER) {
			delta_file_add_write(&w, state->meta, entry, path, stats[cursor.at - 1], false);
			adds++;
		} else if (entry->removed_ms >= now_ms - keep_ms && !lives_again(state, entry)) {
			delta_file_remove_write(&w, state->meta, entry, path, entry->removed_ms,
						entry->data_change);
		} else {
			continue;
		}
		mr_buf_char(out, '\n');
	}
	arena_release(&scratch);
	arena_release(&arena);
	return adds;
}

static int64_t count_lines(mr_str text)
{
	int64_t lines = 0;
	for (size_t i = 0; i < text.len; i++)
		lines += text.ptr[i] == '\n';
	return lines;
}

/* ---- statistics as a struct ---- */

static void put_stats_member(struct mr_buf *out, const struct table_meta *meta, bool counts)
{
	const char *comma = "";
	mr_buf_char(out, '{');
	for (size_t i = 0; i < meta->column_count; i++) {
		const struct table_column *column = &meta->columns[i];
		bool bounded = meta->defs[i].type != COL_BINARY && meta->defs[i].type != COL_BOOLEAN;
		if (column->partition || column->nested || column->is_void || (!counts && !bounded))
			continue;
		mr_buf_cstr(out, comma);
		json_quote(out, column->physical);
		mr_buf_char(out, ':');
		json_quote(out, counts ? MR_STR("BIGINT") : column->read_type);
		comma = ",";
	}
	mr_buf_char(out, '}');
}

/* The shape of stats_parsed, as json_transform takes it. */
static void stats_shape(struct mr_buf *out, const struct table_meta *meta)
{
	static const char *const members[] = {"minValues", "maxValues", "nullCount"};
	mr_buf_cstr(out, "{\"numRecords\":\"BIGINT\",\"tightBounds\":\"BOOLEAN\"");
	for (size_t i = 0; i < MR_COUNT(members); i++) {
		struct mr_buf member = {0};
		put_stats_member(&member, meta, i == 2);
		if (member.len > 2)
			mr_buf_printf(out, ",\"%s\":%.*s", members[i], MR_FMT(mr_buf_view(&member)));
		mr_buf_release(&member);
	}
	mr_buf_char(out, '}');
}

/* "add" with stats_parsed, where delta.checkpoint.writeStatsAsStruct asks for it. */
static void put_add(struct mr_buf *sql, const struct table_meta *meta)
{
	struct mr_buf shape = {0};
	if (!mr_str_is(delta_meta_property(meta, "delta.checkpoint.writeStatsAsStruct"), "true")) {
		mr_buf_cstr(sql, "*");
		return;
	}
	stats_shape(&shape, meta);
	mr_buf_cstr(sql, "* REPLACE (CASE WHEN add IS NULL THEN NULL ELSE struct_insert(add, "
			 "stats_parsed := json_transform(add.stats, ");
	sql_quote_literal(sql, mr_buf_view(&shape));
	mr_buf_cstr(sql, ")) END AS add)");
	mr_buf_release(&shape);
}

/* ---- files ---- */

static int copy_to_parquet(struct delta_table *table, const char *from, const char *to, mr_str columns,
			   bool has_files, struct mr_error *err)
{
	struct sql_conn *conn;
	int rc = sql_connect(table->engine, &conn, err);
	if (rc < 0)
		return rc;
	struct mr_buf sql = {0};
	mr_buf_cstr(&sql, "COPY (SELECT ");
	if (has_files)
		put_add(&sql, table->state->meta);
	else
		mr_buf_char(&sql, '*');
	mr_buf_cstr(&sql, " FROM read_json(");
	sql_quote_literal(&sql, mr_str_from(from));
	mr_buf_printf(&sql,
		      ", format='newline_delimited', compression='uncompressed', "
		      "columns={%.*s})) TO ",
		      MR_FMT(columns));
	sql_quote_literal(&sql, mr_str_from(to));
	mr_buf_cstr(&sql, " (FORMAT parquet, COMPRESSION snappy, USE_TMP_FILE false)");
	rc = sql_exec(conn, mr_buf_view(&sql), err);
	mr_buf_release(&sql);
	sql_disconnect(conn);
	return rc;
}

static int write_lines(struct mr_disk *disk, const char *path, mr_str lines, struct mr_error *err)
{
	struct mr_file *file;
	int rc = disk_open(disk, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file, err);
	if (rc < 0)
		return rc;
	rc = file_write_at(file, lines.ptr, lines.len, 0, err);
	file_close(file);
	return rc;
}

/* Lines into folder/name as Parquet, whole and synced. */
static int write_parquet(struct delta_table *table, mr_str lines, mr_str columns, bool has_files,
			 const char *folder, const char *name, struct mr_error *err)
{
	struct mr_disk *disk = table->env->disk;
	char id[37];
	rng_uuid(table->env->rng, id);
	char *json = mr_asprintf("%s/.checkpoint.%s.json.tmp", table->log_path, id);
	char *parquet = mr_asprintf("%s/.checkpoint.%s.parquet.tmp", table->log_path, id);
	char *final = mr_asprintf("%s/%s", folder, name);
	int rc = write_lines(disk, json, lines, err);
	if (rc == 0)
		rc = copy_to_parquet(table, json, parquet, columns, has_files, err);
	if (rc == 0)
		rc = delta_store_sync_file(table, parquet, err);
	if (rc == 0)
		rc = disk_rename(disk, parquet, final, err);
	if (rc == 0)
		rc = disk_sync_dir(disk, folder, err);
	int ignored = disk_unlink(disk, json, NULL);
	if (rc < 0)
		ignored = disk_unlink(disk, parquet, NULL);
	(void)ignored;
	free(json);
	free(parquet);
	free(final);
	return rc;
}

struct checkpoint {
	struct mr_buf state, files; /* actions, a line each */
	int64_t adds, size;
};

static int write_classic(struct delta_table *table, struct checkpoint *checkpoint, const char **name,
			 struct arena *arena, struct mr_error *err)
{
	struct mr_buf columns = {0};
	mr_buf_printf(&columns, "%s, %s", file_columns, state_columns);
	*name = arena_printf(arena, "%020lld.checkpoint.parquet", (long long)table->state->version).ptr;
	mr_buf_str(&checkpoint->state, mr_buf_view(&checkpoint->files));
	int rc = write_parquet(table, mr_buf_view(&checkpoint->state), mr_buf_view(&columns), true,
			       table->log_path, *name, err);
	mr_buf_release(&columns);
	return rc;
}

static int write_sidecar(struct delta_table *table, struct checkpoint *checkpoint, struct mr_error *err)
{
	struct file_info info;
	char id[37];
	rng_uuid(table->env->rng, id);
	char *folder = mr_asprintf("%s/_sidecars", table->log_path);
	char *name = mr_asprintf("%s.parquet", id), *path = mr_asprintf("%s/%s", folder, name);
	int rc = disk_mkdir_all(table->env->disk, folder, err);
	if (rc == 0)
		rc = write_parquet(table, mr_buf_view(&checkpoint->files), mr_str_from(file_columns), true,
				   folder, name, err);
	if (rc == 0)
		rc = disk_stat(table->env->disk, path, &info, err);
	if (rc == 0) {
		mr_buf_printf(
		    &checkpoint->state,
		    "{\"sidecar\":{\"path\":\"%s\",\"sizeInBytes\":%lld,\"modificationTime\":%lld}}\n", name,
		    (long long)info.size, (long long)info.mtime_ms);
		checkpoint->size += info.size;
	}
	free(folder);
	free(name);
	free(path);
	return rc;
}

static int write_v2(struct delta_table *table, struct checkpoint *checkpoint, const char **name,
		    struct arena *arena, struct mr_error *err)
{
	char id[37];
	rng_uuid(table->env->rng, id);
	long long version = (long long)table->state->version;
	struct mr_buf columns = {0};
	*name = arena_printf(arena, "%020lld.checkpoint.%s.parquet", version, id).ptr;
	mr_buf_printf(&columns, "%s, %s, %s", file_columns, state_columns, v2_columns);
	mr_buf_printf(&checkpoint->state, "{\"checkpointMetadata\":{\"version\":%lld}}\n", version);
	int rc = checkpoint->files.len ? write_sidecar(table, checkpoint, err) : 0;
	if (rc == 0)
		rc = write_parquet(table, mr_buf_view(&checkpoint->state), mr_buf_view(&columns), false,
				   table->log_path, *name, err);
	mr_buf_release(&columns);
	return rc;
}

static int put_last_checkpoint(struct delta_table *table, const struct checkpoint *checkpoint, int64_t lines,
			       struct mr_error *err)
{
	struct mr_buf text = {0};
	struct json_writer w = json_writer(&text);
	json_begin_object(&w);
	json_member_int(&w, "version", table->state->version);
	json_member_int(&w, "size", lines);
	json_member_int(&w, "sizeInBytes", checkpoint->size);
	json_member_int(&w, "numOfAddFiles", checkpoint->adds);
	json_end_object(&w);
	char *path = mr_asprintf("%s/_last_checkpoint", table->log_path);
	int rc = disk_replace_file_unsynced(table->env->disk, path, mr_buf_view(&text), err);
	free(path);
	mr_buf_release(&text);
	return rc;
}

static int write_kind(struct delta_table *table, struct checkpoint *checkpoint, struct mr_error *err)
{
	const struct delta_log_state *state = table->state;
	struct arena arena = {0};
	struct file_info info;
	const char *name;
	int64_t lines =
	    count_lines(mr_buf_view(&checkpoint->state)) + count_lines(mr_buf_view(&checkpoint->files));
	bool v2 = delta_protocol_has(state->protocol, "v2Checkpoint") &&
		  mr_str_is(delta_meta_property(state->meta, "delta.checkpointPolicy"), "v2");
	int rc = v2 ? write_v2(table, checkpoint, &name, &arena, err)
		    : write_classic(table, checkpoint, &name, &arena, err);
	if (rc == 0) {
		mr_str path = arena_printf(&arena, "%s/%s", table->log_path, name);
		rc = disk_stat(table->env->disk, path.ptr, &info, err);
	}
	if (rc == 0) {
		checkpoint->size += info.size;
		rc = put_last_checkpoint(table, checkpoint, lines, err);
	}
	arena_release(&arena);
	return rc;
}

int delta_checkpoint_write(struct delta_table *table, struct mr_error *err)
{
	struct checkpoint checkpoint = {0};
	/* Statistics that were left in files that are gone would be lost for good. */
	if (!delta_stats_sources_exist(table->state->files)) {
		delta_log_forget(table);
		int rc = delta_log_advance(table, err);
		if (rc < 0)
			return rc;
	}
	struct delta_log_state *state = table->state;
	int64_t now_ms = clock_wall_ms(table->env->clock);
	put_state(&checkpoint.state, state);
	checkpoint.adds = put_files(&checkpoint.files, state, now_ms);
	int rc = write_kind(table, &checkpoint, err);
	if (rc == 0) {
		state->checkpoint_version = state->version;
		delta_state_compact(state, now_ms);
	}
	mr_buf_release(&checkpoint.state);
	mr_buf_release(&checkpoint.files);
	return rc;
}

int delta_checkpoint(struct delta_table *table, struct mr_error *err)
{
	if (!table->engine)
		return mr_fail(err, MR_ERR_UNSUPPORTED, "checkpoints need the SQL engine");
	pthread_mutex_lock(&table->lock);
	int rc = delta_log_advance(table, err);
	if (rc == 0)
		rc = delta_checkpoint_write(table, err);
	pthread_mutex_unlock(&table->lock);
	return rc;
}
