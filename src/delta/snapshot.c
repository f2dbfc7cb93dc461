/* delta/snapshot.c - the log's actions applied to a state, and views of it. See internal.h. */
#include "delta/internal.h"

struct delta_log_state *delta_state_new(void)
{
	struct delta_log_state *state = mr_calloc(1, sizeof *state);
	state->version = -1;
	state->checkpoint_version = -1;
	state->commit_ms = -1;
	state->files = delta_file_set_new();
	return state;
}

static void protocol_free(struct table_protocol *protocol)
{
	if (!protocol)
		return;
	arena_release(&protocol->arena);
	free(protocol);
}

void delta_state_free(struct delta_log_state *state)
{
	if (!state)
		return;
	mr_map_each (&state->txns, txn) {
		free(txn->value);
	}
	mr_map_each (&state->domains, domain) {
		free(domain->value);
	}
	mr_map_release(&state->txns);
	mr_map_release(&state->domains);
	delta_live_release(&state->live);
	delta_stats_source_free(state->later);
	arena_release(&state->scratch);
	protocol_free(state->protocol);
	delta_meta_unref(state->meta);
	delta_file_set_unref(state->files);
	free(state);
}

/* ---- files ---- */

static void count_file(struct delta_log_state *state, const struct file_entry *entry, int sign)
{
	state->file_count += sign;
	state->size_bytes += sign * entry->size;
	if (entry->stats_later)
		state->files_later += sign;
	else if (entry->rows < 0)
		state->files_without_rows += sign;
	else
		state->rows += sign * entry->rows;
}

static void kill_file(struct delta_log_state *state, struct file_entry *entry, int64_t version, int64_t at_ms)
{
	count_file(state, entry, -1);
	entry->removed_ms = at_ms;
	atomic_store(&entry->removed, version);
}

/* NULL when the table has no partitions. */
static mr_str *partition_values(struct delta_log_state *state, const mr_str *values)
{
	size_t count = state->meta->partition_count;
	return count ? delta_file_set_tuple(state->files, values, count) : NULL;
}

static mr_str *partition_values_json(struct delta_log_state *state, struct json_value json)
{
	const struct table_meta *meta = state->meta;
	mr_str few[8], *values = few;
	if (meta->partition_count > MR_COUNT(few))
		values = mr_calloc(meta->partition_count, sizeof *values);
	for (size_t i = 0; i < meta->partition_count; i++)
		values[i] = json_str(json_get_str(json, meta->columns[meta->partition_index[i]].physical));
	mr_str *tuple = partition_values(state, values);
	if (values != few)
		free(values);
	return tuple;
}

/* Valid until the next action. */
static int decode_path(struct delta_log_state *state, mr_str encoded, mr_str *out, struct mr_error *err)
{
	arena_reset(&state->scratch);
	return delta_path_decode(encoded, &state->scratch, out, err);
}

void delta_state_begin_later(struct delta_log_state *state, struct delta_table *table, mr_str path,
			     bool is_checkpoint)
{
	state->later = delta_stats_source_new(state->files, table, path, is_checkpoint);
	state->later_row = 0;
}

void delta_state_end_later(struct delta_log_state *state)
{
	if (state->later)
		delta_stats_source_add(state->files, state->later);
	state->later = NULL;
}

static void keep_stats(struct delta_log_state *state, struct file_entry *entry, mr_str stats)
{
	entry->rows = -1;
	if (state->later) {
		delta_stats_source_set(state->later, state->later_row, state->files->count - 1);
		entry->stats_later = true;
		return;
	}
	entry->stats = stats.len ? arena_copy(&state->files->arena, stats).ptr : NULL;
	entry->rows = delta_stats_rows(stats);
	const struct delta_dv *dv = file_entry_dv(entry);
	if (dv && entry->rows >= 0)
		entry->rows -= dv->cardinality;
}

/* Newer actions on a file replace older ones, within a version too. */
int delta_state_add_file(struct delta_log_state *state, const struct file_arrival *file, struct mr_error *err)
{
	mr_str path;
	if (file->size < 0)
		return mr_fail(err, MR_ERR_CORRUPT, "a file of %lld bytes", (long long)file->size);
	int rc = decode_path(state, file->path, &path, err);
	if (rc < 0)
		return rc;
	struct file_entry *entry = delta_file_set_add(state->files);
	delta_path_keep(state->files, entry, path);
	delta_live_expect(&state->live, entry);
	entry->partition_values = partition_values(state, file->partition_values);
	entry->size = file->size;
	entry->modified_ms = file->modified_ms;
	entry->extra = file->extra;
	entry->added = state->version;
	entry->data_change = file->data_change;
	keep_stats(state, entry, file->stats);
	struct file_entry *before = delta_live_put(&state->live, state->files, state->files->count - 1);
	if (before)
		kill_file(state, before, state->version, file->modified_ms);
	count_file(state, entry, 1);
	return 0;
}

static int check_add(const struct delta_log_state *state, const struct action_file *add, struct mr_error *err)
{
	if (!state->meta)
		return mr_fail(err, MR_ERR_CORRUPT, "files are added before there is metaData");
	if (add->has_dv && (add->dv.cardinality < 0 || add->dv.size < 0 || !strchr("uip", add->dv.storage)))
		return mr_fail(err, MR_ERR_CORRUPT, "a deletionVector lacks what tells where it is");
	return 0;
}

static int apply_add(struct delta_log_state *state, const struct action_file *add, struct mr_error *err)
{
	int rc = check_add(state, add, err);
	if (rc < 0)
		return rc;
	struct file_arrival file = {
	    .path = add->path,
	    .partition_values = partition_values_json(state, add->partition_values),
	    .size = add->size,
	    .modified_ms = add->time_ms,
	    .stats = add->stats,
	    .data_change = add->data_change,
	};
	delta_file_extra_read(&state->files->arena, add, &file.extra);
	rc = delta_state_add_file(state, &file, err);
	state->later_row++;
	return rc;
}

static int apply_remove(struct delta_log_state *state, const struct action_file *remove, struct mr_error *err)
{
	mr_str path;
	int rc = decode_path(state, remove->path, &path, err);
	if (rc < 0)
		return rc;
	struct file_entry *entry = delta_live_get(&state->live, state->files, path);
	bool same = entry && delta_dv_same(file_entry_dv(entry), remove->has_dv ? &remove->dv : NULL);
	if (entry && !same && entry->added == state->version)
		return 0; /* its successor came first, and took its place */
	if (same) {
		delta_live_remove(&state->live, state->files, entry);
		kill_file(state, entry, state->version, remove->time_ms);
		return 0;
	}
	/* A tombstone of a file that left before the checkpoint: only checkpoints need it. */
	entry = delta_file_set_add(state->files);
	delta_path_keep(state->files, entry, path);
	entry->size = remove->size;
	entry->rows = -1;
	entry->added = state->version;
	entry->removed_ms = remove->time_ms;
	atomic_store(&entry->removed, state->version);
	delta_file_extra_read(&state->files->arena, remove, &entry->extra);
	if (state->meta)
		entry->partition_values = partition_values_json(state, remove->partition_values);
	return 0;
}

/* ---- the rest ---- */

static void apply_txn(struct delta_log_state *state, const struct action_txn *action)
{
	struct txn_state *txn = mr_map_get(&state->txns, action->app_id);
	if (!txn) {
		txn = mr_alloc(sizeof *txn);
		mr_map_put(&state->txns, action->app_id, txn);
	}
	*txn = (struct txn_state){action->version, action->last_updated};
}

static void apply_domain(struct delta_log_state *state, const struct action_domain *action)
{
	struct mr_buf body = {0};
	json_write_value(&body, action->body);
	free(action->removed ? mr_map_remove(&state->domains, action->domain)
			     : mr_map_put(&state->domains, action->domain, mr_buf_take(&body)));
	mr_buf_release(&body);
}

static void apply_protocol(struct delta_log_state *state, const struct action_protocol *action)
{
	protocol_free(state->protocol);
	state->protocol = mr_calloc(1, sizeof *state->protocol);
	delta_protocol_copy(state->protocol, action);
}

int delta_state_apply(struct delta_log_state *state, struct json_parser *parser, const struct action *action,
		      struct mr_error *err)
{
	struct table_meta *meta;
	struct json_value at;
	int rc;
	switch (action->kind) {
	case ACTION_ADD:
		return apply_add(state, &action->file, err);
	case ACTION_REMOVE:
		return apply_remove(state, &action->file, err);
	case ACTION_TXN:
		apply_txn(state, &action->txn);
		return 0;
	case ACTION_DOMAIN:
		apply_domain(state, &action->domain);
		return 0;
	case ACTION_PROTOCOL:
		apply_protocol(state, &action->protocol);
		return 0;
	case ACTION_METADATA:
		rc = delta_meta_parse(parser, &action->metadata, &meta, err);
		if (rc < 0)
			return rc;
		delta_meta_unref(state->meta);
		state->meta = meta;
		return 0;
	case ACTION_COMMIT_INFO:
		at = json_get(action->commit_info, "inCommitTimestamp");
		state->commit_ms = json_type(at) == JSON_INT ? json_int(at) : -1;
		return 0;
	default:
		return 0;
	}
}

int delta_state_check(const struct delta_log_state *state, struct mr_error *err)
{
	if (!state->protocol || !state->meta)
		return mr_fail(err, MR_ERR_CORRUPT, "the log up to version %lld has no %s action",
			       (long long)state->version, state->protocol ? "metaData" : "protocol");
	return delta_gate_read(state->protocol, state->meta, err);
}

static void copy_entry(struct file_set *to, const struct file_set *set, const struct file_entry *from,
		       size_t partitions, struct arena *scratch)
{
	mr_str stats = file_entry_stats(from);
	struct file_entry *entry = delta_file_set_add(to);
	*entry = *from;
	arena_reset(scratch);
	delta_path_keep(to, entry, delta_file_path(set, from, scratch));
	entry->stats = stats.len ? arena_copy(&to->arena, stats).ptr : NULL;
	entry->extra = delta_file_extra_copy(&to->arena, from->extra);
	if (from->partition_values)
		entry->partition_values = delta_file_set_tuple(to, from->partition_values, partitions);
}

void delta_state_compact(struct delta_log_state *state, int64_t now_ms)
{
	size_t expired = 0;
	int64_t keep_ms = delta_tombstones_ms(state->meta);
	struct file_cursor cursor = file_cursor(state->files, state->files->count);
	for (struct file_entry *entry; (entry = delta_file_cursor_next(&cursor));)
		expired += entry->removed != VERSION_NEVER && entry->removed_ms < now_ms - keep_ms;
	if (expired < 1000 || expired < state->files->count / 2)
		return;
	struct file_set *set = delta_file_set_new();
	uint32_t *moved = mr_calloc(state->files->count, sizeof *moved);
	struct live_files live = {0};
	cursor = file_cursor(state->files, state->files->count);
	for (struct file_entry *entry; (entry = delta_file_cursor_next(&cursor));) {
		bool dead = entry->removed != VERSION_NEVER;
		if (dead && entry->removed_ms < now_ms - keep_ms)
			continue;
		copy_entry(set, state->files, entry, state->meta->partition_count, &state->scratch);
		moved[cursor.at - 1] = (uint32_t)set->count;
		if (!dead)
			delta_live_put(&live, set, set->count - 1);
	}
	delta_stats_sources_copy(set, state->files, moved);
	free(moved);
	delta_live_release(&state->live);
	state->live = live;
	delta_file_set_unref(state->files);
	state->files = set;
}

/* ---- snapshots ---- */

struct delta_snapshot *delta_snapshot_new(const struct delta_log_state *state, struct mr_disk *disk,
					  const char *path)
{
	struct delta_snapshot *snapshot = mr_calloc(1, sizeof *snapshot);
	*snapshot = (struct delta_snapshot){
	    .refs = 1,
	    .disk = disk,
	    .path = mr_strdup(path),
	    .version = state->version,
	    .files = delta_file_set_ref(state->files),
	    .entry_count = state->files->count,
	    .file_count = state->file_count,
	    .size_bytes = state->size_bytes,
	    .rows = state->files_without_rows ? -1
		    : state->files_later      ? ROWS_LATER
					      : state->rows,
	    .meta = delta_meta_ref(state->meta),
	    .reader = state->protocol->reader,
	    .writer = state->protocol->writer,
	};
	snapshot->txns = arena_alloc(&snapshot->arena, (state->txns.len + 1) * sizeof *snapshot->txns);
	mr_map_each (&state->txns, txn) {
		mr_str app_id = arena_copy(&snapshot->arena, mr_str_n(txn->key, txn->key_len));
		snapshot->txns[snapshot->txn_count++] =
		    (struct delta_txn){app_id, ((struct txn_state *)txn->value)->version};
	}
	return snapshot;
}

int delta_snapshot_with(const struct delta_snapshot *snapshot, mr_str metadata, struct delta_snapshot **out,
			struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	struct action_metadata action;
	struct table_meta *meta;
	int rc = json_parse(parser, metadata, &action.body, err);
	if (rc == 0)
		rc = delta_meta_parse(parser, &action, &meta, err);
	json_parser_free(parser);
	if (rc < 0)
		return rc;
	struct delta_snapshot *with = mr_calloc(1, sizeof *with);
	*with = (struct delta_snapshot){
	    .refs = 1,
	    .disk = snapshot->disk,
	    .path = mr_strdup(snapshot->path),
	    .version = snapshot->version,
	    .files = delta_file_set_ref(snapshot->files),
	    .entry_count = snapshot->entry_count,
	    .file_count = snapshot->file_count,
	    .size_bytes = snapshot->size_bytes,
	    .rows = delta_row_count(snapshot),
	    .meta = meta,
	    .txn_count = snapshot->txn_count,
	    .reader = snapshot->reader,
	    .writer = snapshot->writer,
	};
	with->txns = arena_alloc(&with->arena, (snapshot->txn_count + 1) * sizeof *with->txns);
	for (size_t i = 0; i < snapshot->txn_count; i++)
		with->txns[i] = (struct delta_txn){arena_copy(&with->arena, snapshot->txns[i].app_id),
						   snapshot->txns[i].version};
	*out = with;
	return 0;
}

static bool sees(const struct delta_snapshot *snapshot, const struct file_entry *entry)
{
	return entry->added <= snapshot->version && atomic_load(&entry->removed) > snapshot->version;
}

struct file_entry *delta_snapshot_next_file(const struct delta_snapshot *snapshot, struct file_cursor *cursor)
{
	struct file_entry *entry;
	while ((entry = delta_file_cursor_next(cursor)))
		if (sees(snapshot, entry))
			return entry;
	return NULL;
}

struct delta_snapshot *delta_snapshot_ref(struct delta_snapshot *snapshot)
{
	atomic_fetch_add(&snapshot->refs, 1);
	return snapshot;
}

void delta_snapshot_unref(struct delta_snapshot *snapshot)
{
	if (!snapshot || atomic_fetch_sub(&snapshot->refs, 1) > 1)
		return;
	delta_file_set_unref(snapshot->files);
	delta_meta_unref(snapshot->meta);
	arena_release(&snapshot->arena);
	free(snapshot->path);
	free(snapshot);
}

int64_t delta_version(const struct delta_snapshot *snapshot)
{
	return snapshot->version;
}

int64_t delta_file_count(const struct delta_snapshot *snapshot)
{
	return snapshot->file_count;
}

int64_t delta_size_bytes(const struct delta_snapshot *snapshot)
{
	return snapshot->size_bytes;
}

struct counting {
	const struct delta_snapshot *snapshot;
	int64_t rows, files;
};

static int64_t living_rows(const struct file_entry *entry, mr_str stats)
{
	const struct delta_dv *dv = file_entry_dv(entry);
	int64_t rows = delta_stats_rows(stats);
	return rows >= 0 && dv ? rows - dv->cardinality : rows;
}

static void count_rows(void *arg, size_t index, mr_str stats)
{
	struct counting *counting = arg;
	const struct file_entry *entry = delta_file_set_at(counting->snapshot->files, index);
	int64_t rows = living_rows(entry, stats);
	if (rows < 0 || !sees(counting->snapshot, entry))
		return;
	counting->rows += rows;
	counting->files++;
}

int64_t delta_row_count(const struct delta_snapshot *snapshot)
{
	int64_t rows = snapshot->rows;
	if (rows != ROWS_LATER)
		return rows;
	struct counting counting = {snapshot, 0, 0};
	delta_stats_visit(snapshot->files, snapshot->entry_count, NULL, count_rows, &counting);
	rows = counting.files == snapshot->file_count ? counting.rows : -1;
	/* Whoever comes at the same time finds the same. */
	atomic_store((_Atomic int64_t *)(uintptr_t)&snapshot->rows, rows);
	return rows;
}

size_t delta_columns(const struct delta_snapshot *snapshot, const struct column_def **out)
{
	*out = snapshot->meta->defs;
	return snapshot->meta->column_count;
}

size_t delta_partition_columns(const struct delta_snapshot *snapshot, const mr_str **out)
{
	*out = snapshot->meta->partition_names;
	return snapshot->meta->partition_count;
}

mr_str delta_schema_json(const struct delta_snapshot *snapshot)
{
	return snapshot->meta->schema_json;
}

int64_t delta_txn(const struct delta_snapshot *snapshot, mr_str app_id)
{
	for (size_t i = 0; i < snapshot->txn_count; i++)
		if (mr_str_eq(snapshot->txns[i].app_id, app_id))
			return snapshot->txns[i].version;
	return -1;
}

mr_str delta_metadata_json(const struct delta_snapshot *snapshot)
{
	return snapshot->meta->json;
}

mr_str delta_property(const struct delta_snapshot *snapshot, const char *key)
{
	return delta_meta_property(snapshot->meta, key);
}

int64_t delta_property_ms(const struct delta_snapshot *snapshot, const char *key, int64_t absent)
{
	return delta_interval_ms(delta_property(snapshot, key), absent);
}

mr_str delta_column_sql_type(const struct delta_snapshot *snapshot, size_t column)
{
	return snapshot->meta->columns[column].sql_type;
}

mr_str delta_table_id(const struct delta_snapshot *snapshot)
{
	return snapshot->meta->id;
}

void delta_protocol_versions(const struct delta_snapshot *snapshot, int *reader, int *writer)
{
	*reader = snapshot->reader;
	*writer = snapshot->writer;
}

/* Statistics by an entry's index. */
struct texts {
	const struct file_set *set;
	struct arena *arena;
	mr_str *of;
};

static void keep_text(void *arg, size_t entry, mr_str stats)
{
	struct texts *texts = arg;
	bool stays = delta_file_set_at(texts->set, entry)->stats == stats.ptr;
	texts->of[entry] = stays ? stats : arena_copy(texts->arena, stats);
}

mr_str *delta_stats_texts(const struct file_set *set, size_t count, const bool *want, struct arena *arena)
{
	struct texts texts = {set, arena, arena_calloc(arena, count + 1, sizeof *texts.of)};
	delta_stats_visit(set, count, want, keep_text, &texts);
	return texts.of;
}

size_t delta_files(const struct delta_snapshot *snapshot, struct arena *arena, struct delta_data_file **out)
{
	struct delta_data_file *files =
	    arena_alloc(arena, ((size_t)snapshot->file_count + 1) * sizeof *files);
	size_t count = 0;
	mr_str *texts = delta_stats_texts(snapshot->files, snapshot->entry_count, NULL, arena);
	struct file_cursor cursor = file_cursor(snapshot->files, snapshot->entry_count);
	for (struct file_entry *entry; (entry = delta_snapshot_next_file(snapshot, &cursor));) {
		const struct file_extra *extra = entry->extra;
		files[count++] = (struct delta_data_file){
		    .path = delta_file_path(snapshot->files, entry, arena),
		    .partition_values = entry->partition_values,
		    .size = entry->size,
		    .rows = living_rows(entry, texts[cursor.at - 1]),
		    .modified_ms = entry->modified_ms,
		    .stats = texts[cursor.at - 1],
		    .dv = file_entry_dv(entry),
		    .clustered = extra && extra->clustering_provider.len,
		    .base_row_id = extra ? extra->base_row_id : -1,
		    .default_row_commit_version = extra ? extra->default_row_commit_version : -1,
		};
	}
	*out = files;
	return count;
}

size_t delta_removed_since(const struct delta_snapshot *snapshot, int64_t ms, struct arena *arena,
			   struct delta_removed **out)
{
	struct delta_removed *removed = arena_alloc(arena, (snapshot->entry_count + 1) * sizeof *removed);
	size_t count = 0;
	struct file_cursor cursor = file_cursor(snapshot->files, snapshot->entry_count);
	for (struct file_entry *entry; (entry = delta_file_cursor_next(&cursor));)
		if (entry->removed != VERSION_NEVER && entry->removed_ms >= ms)
			removed[count++] = (struct delta_removed){
			    delta_file_path(snapshot->files, entry, arena), file_entry_dv(entry)};
	*out = removed;
	return count;
}
