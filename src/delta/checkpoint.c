/* delta/checkpoint.c - writing classic checkpoints: the state as one Parquet file.
 *
 * It goes through the JSON of actions, so that a checkpoint says exactly what commits
 * would: the actions as JSON lines into a temporary file, COPY from there into
 * Parquet, sync, rename, then _last_checkpoint (a hint to others; we list).
 * checkpoint_read.c goes the way back.
 */
#include "delta/internal.h"

#define DV_COLUMNS \
	"deletionVector STRUCT(storageType VARCHAR, pathOrInlineDv VARCHAR, \"offset\" INTEGER, " \
	"sizeInBytes INTEGER, cardinality BIGINT), baseRowId BIGINT, defaultRowCommitVersion BIGINT"

/* Spark's column layout of a V1 checkpoint (protocol, "Checkpoint Schema"). */
static const char checkpoint_columns[] =
    "{txn: 'STRUCT(appId VARCHAR, version BIGINT, lastUpdated BIGINT)', "
    "add: 'STRUCT(path VARCHAR, partitionValues MAP(VARCHAR, VARCHAR), size BIGINT, modificationTime BIGINT, "
    "dataChange BOOLEAN, tags MAP(VARCHAR, VARCHAR), stats VARCHAR, " DV_COLUMNS
    ", clusteringProvider VARCHAR)', "
    "remove: 'STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN, extendedFileMetadata "
    "BOOLEAN, "
    "partitionValues MAP(VARCHAR, VARCHAR), size BIGINT, tags MAP(VARCHAR, VARCHAR), " DV_COLUMNS ")', "
    "metaData: 'STRUCT(id VARCHAR, name VARCHAR, description VARCHAR, format STRUCT(provider VARCHAR, "
    "options MAP(VARCHAR, VARCHAR)), schemaString VARCHAR, partitionColumns VARCHAR[], "
    "configuration MAP(VARCHAR, VARCHAR), createdTime BIGINT)', "
    "protocol: 'STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER, readerFeatures VARCHAR[], "
    "writerFeatures VARCHAR[])', "
    "domainMetadata: 'STRUCT(domain VARCHAR, configuration VARCHAR, removed BOOLEAN)'}";

bool delta_checkpoint_is_due(const struct delta_log_state *state)
{
	mr_str text = delta_meta_property(state->meta, "delta.checkpointInterval");
	int64_t interval = text.len ? strtoll(text.ptr, NULL, 10) : CHECKPOINT_INTERVAL_DEFAULT;
	if (interval < 1)
		interval = CHECKPOINT_INTERVAL_DEFAULT;
	/* At the interval's multiples, as other engines do; and when one was missed. */
	int64_t since = state->version - state->checkpoint_version;
	return since > 0 && state->version > 0 && (state->version % interval == 0 || since > interval);
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
	const struct file_entry *live = delta_live_get(&state->live, state->files, entry->path);
	return live && delta_dv_same(file_entry_dv(live), file_entry_dv(entry));
}

/* Returns how many adds. dataChange is false throughout, as the protocol asks. */
static int64_t put_files(struct mr_buf *out, const struct delta_log_state *state, int64_t now_ms)
{
	int64_t adds = 0;
	struct arena arena = {0};
	mr_str *stats = delta_stats_texts(state->files, state->files->count, NULL, &arena);
	struct file_cursor cursor = file_cursor(state->files, state->files->count);
	for (struct file_entry *entry; (entry = delta_file_cursor_next(&cursor));) {
		struct json_writer w = json_writer(out);
		if (entry->removed == VERSION_NEVER) {
			struct file_entry whole = *entry;
			whole.stats = stats[cursor.at - 1];
			delta_file_add_write(&w, state->meta, &whole, false);
			adds++;
		} else if (entry->removed_ms >= now_ms - TOMBSTONE_MS && !lives_again(state, entry)) {
			delta_file_remove_write(&w, state->meta, entry, entry->removed_ms,
						entry->data_change);
		} else {
			continue;
		}
		mr_buf_char(out, '\n');
	}
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

static int copy_to_parquet(struct delta_table *table, const char *from, const char *to, struct mr_error *err)
{
	struct sql_conn *conn;
	int rc = sql_connect(table->engine, &conn, err);
	if (rc < 0)
		return rc;
	struct mr_buf sql = {0};
	mr_buf_cstr(&sql, "COPY (SELECT * FROM read_json(");
	sql_quote_literal(&sql, mr_str_from(from));
	mr_buf_printf(&sql,
		      ", format='newline_delimited', compression='uncompressed', "
		      "columns=%s)) TO ",
		      checkpoint_columns);
	sql_quote_literal(&sql, mr_str_from(to));
	mr_buf_cstr(&sql, " (FORMAT parquet, COMPRESSION snappy, USE_TMP_FILE false)");
	rc = sql_exec(conn, mr_buf_view(&sql), err);
	mr_buf_release(&sql);
	sql_disconnect(conn);
	return rc;
}

static int put_last_checkpoint(struct delta_table *table, int64_t version, int64_t lines, int64_t adds,
			       int64_t size, struct mr_error *err)
{
	struct mr_buf text = {0};
	struct json_writer w = json_writer(&text);
	json_begin_object(&w);
	json_member_int(&w, "version", version);
	json_member_int(&w, "size", lines);
	json_member_int(&w, "sizeInBytes", size);
	json_member_int(&w, "numOfAddFiles", adds);
	json_end_object(&w);
	char *path = mr_asprintf("%s/_last_checkpoint", table->log_path);
	int rc = disk_replace_file(table->env->disk, path, mr_buf_view(&text), err);
	free(path);
	mr_buf_release(&text);
	return rc;
}

/* Lines at `json`, Parquet at `parquet`, then under its name `final`. */
static int write_files(struct delta_table *table, mr_str lines, const char *json, const char *parquet,
		       const char *final, struct mr_error *err)
{
	struct mr_disk *disk = table->env->disk;
	struct mr_file *file;
	int rc = disk_open(disk, json, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file, err);
	if (rc < 0)
		return rc;
	rc = file_write_at(file, lines.ptr, lines.len, 0, err);
	file_close(file);
	if (rc == 0)
		rc = copy_to_parquet(table, json, parquet, err);
	if (rc == 0)
		rc = delta_store_sync_file(table, parquet, err);
	if (rc == 0)
		rc = disk_rename(disk, parquet, final, err);
	if (rc == 0)
		rc = disk_sync_dir(disk, table->log_path, err);
	int ignored = disk_unlink(disk, json, NULL);
	if (rc < 0)
		ignored = disk_unlink(disk, parquet, NULL);
	(void)ignored;
	return rc;
}

int delta_checkpoint_write(struct delta_table *table, struct mr_error *err)
{
	struct delta_log_state *state = table->state;
	struct mr_buf lines = {0};
	int64_t now_ms = clock_wall_ms(table->env->clock);
	char id[37];
	rng_uuid(table->env->rng, id);
	put_state(&lines, state);
	int64_t adds = put_files(&lines, state, now_ms);
	char *json = mr_asprintf("%s/.checkpoint.%s.json.tmp", table->log_path, id);
	char *parquet = mr_asprintf("%s/.checkpoint.%s.parquet.tmp", table->log_path, id);
	char *final =
	    mr_asprintf("%s/%020lld.checkpoint.parquet", table->log_path, (long long)state->version);
	struct file_info info;
	int rc = write_files(table, mr_buf_view(&lines), json, parquet, final, err);
	if (rc == 0)
		rc = disk_stat(table->env->disk, final, &info, err);
	if (rc == 0)
		rc = put_last_checkpoint(table, state->version, count_lines(mr_buf_view(&lines)), adds,
					 info.size, err);
	if (rc == 0) {
		state->checkpoint_version = state->version;
		delta_state_compact(state, now_ms);
	}
	free(json);
	free(parquet);
	free(final);
	mr_buf_release(&lines);
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
