#include "delta/stream.h"

#include "delta/internal.h"

#include <stdlib.h>

/* What one version holds for a stream. */
struct stream_version {
	int64_t version;
	MR_VEC(struct delta_data_file) adds;
	int64_t adds_bytes;
	int64_t feed_files, feed_bytes; /* of the change data feed */
	size_t removes;
	mr_str removed; /* one of them, for messages */
};

struct stream {
	struct delta_table *table;
	const struct delta_snapshot *snapshot;
	const struct delta_stream_read *read;
	struct arena arena;
	struct delta_stream_batch batch;
	int64_t files_left, bytes_left;
	MR_VEC(struct delta_data_file) files;
	int64_t snapshot_version; /* of those, with a change feed: they are its inserts; -1: none */
	int64_t first, last;      /* versions whose changes are read; last < first: none */
	struct stream_version now;
};

/* ---- where it starts ---- */

/* The first version at that time or later. */
static int version_at(struct stream *s, int64_t ms, int64_t *out, struct mr_error *err)
{
	int64_t before = -1;
	pthread_mutex_lock(&s->table->lock);
	int rc = delta_commit_time_find(s->table, ms - 1, &before, err);
	pthread_mutex_unlock(&s->table->lock);
	if (rc < 0 && rc != MR_ERR_NOT_FOUND)
		return rc;
	*out = rc == MR_ERR_NOT_FOUND ? 0 : before + 1;
	return 0;
}

static int begin(struct stream *s, const struct delta_stream_offset *from, struct mr_error *err)
{
	struct delta_stream_offset *at = &s->batch.end;
	int64_t version = s->read->start_at;
	int rc = 0;
	*at = *from;
	if (from->version >= 0)
		return 0;
	switch (s->read->start) {
	case DELTA_START_SNAPSHOT:
		*at = (struct delta_stream_offset){.version = s->snapshot->version, .initial = true};
		return 0;
	case DELTA_START_LATEST:
		*at = (struct delta_stream_offset){.version = s->snapshot->version};
		s->batch.decided = true;
		return 0;
	case DELTA_START_TIMESTAMP:
		rc = version_at(s, s->read->start_at, &version, err);
		break;
	case DELTA_START_VERSION:
		break;
	}
	*at = (struct delta_stream_offset){.version = mr_min_i64(version, s->snapshot->version + 1) - 1};
	if (rc == 0 && s->read->start == DELTA_START_VERSION && version > s->snapshot->version) {
		rc = mr_fail(err, MR_ERR_NOT_FOUND,
			     "DELTA_VERSION_NOT_FOUND: %s has no version %lld yet; its newest is %lld",
			     s->table->path, (long long)version, (long long)s->snapshot->version);
		mr_hint(err, "startingVersion = latest starts with what comes from now on");
	}
	return rc;
}

/* ---- what fits ---- */

static bool admit(struct stream *s, int64_t files, int64_t bytes)
{
	if (s->files_left <= 0 || s->bytes_left <= 0) {
		s->batch.more = true;
		return false;
	}
	s->files_left -= files;
	s->bytes_left -= bytes;
	return true;
}

/* Files from `index` on, as many as fit; true when they all did. */
static bool take_files(struct stream *s, const struct delta_data_file *files, size_t count)
{
	size_t i = (size_t)s->batch.end.index;
	for (; i < count && admit(s, 1, files[i].size); i++)
		mr_vec_push(&s->files, files[i]);
	s->batch.end.index = (int64_t)i;
	return i >= count;
}

/* ---- what the table held ---- */

static int by_age(const void *a, const void *b)
{
	const struct delta_data_file *x = a, *y = b;
	if (x->modified_ms != y->modified_ms)
		return x->modified_ms < y->modified_ms ? -1 : 1;
	int order = memcmp(x->path.ptr, y->path.ptr, mr_min_size(x->path.len, y->path.len));
	return order ? order : (x->path.len > y->path.len) - (x->path.len < y->path.len);
}

/* Without statistics, which delta_files would look for. */
static size_t list_files(const struct delta_snapshot *snapshot, struct arena *arena,
			 struct delta_data_file **out)
{
	struct delta_data_file *files =
	    arena_alloc(arena, ((size_t)snapshot->file_count + 1) * sizeof *files);
	size_t count = 0;
	struct file_cursor cursor = file_cursor(snapshot->files, snapshot->entry_count);
	for (struct file_entry *entry; (entry = delta_snapshot_next_file(snapshot, &cursor));)
		files[count++] =
		    (struct delta_data_file){.path = delta_file_path(snapshot->files, entry, arena),
					     .partition_values = entry->partition_values,
					     .size = entry->size,
					     .modified_ms = entry->modified_ms,
					     .dv = file_entry_dv(entry)};
	*out = files;
	return count;
}

static int take_snapshot(struct stream *s, struct delta_snapshot **held, struct mr_error *err)
{
	int64_t version = s->batch.end.version;
	const struct delta_snapshot *snapshot = s->snapshot;
	if (version != snapshot->version) {
		int rc = delta_snapshot_at(s->table, version, held, err);
		if (rc < 0)
			return rc;
		snapshot = *held;
	}
	if (snapshot->meta->partition_count != s->snapshot->meta->partition_count)
		return mr_fail(err, MR_ERR_UNSUPPORTED,
			       "DELTA_STREAMING_INCOMPATIBLE_SCHEMA_CHANGE: %s is partitioned in another way "
			       "since version %lld",
			       s->table->path, (long long)version);
	struct delta_data_file *files;
	size_t count = list_files(snapshot, &s->arena, &files);
	qsort(files, count, sizeof *files, by_age);
	s->snapshot_version = version;
	if (take_files(s, files, count))
		s->batch.end = (struct delta_stream_offset){.version = version};
	return 0;
}

/* ---- what versions brought ---- */

static int note_schema(struct stream *s, struct json_value metadata, struct mr_error *err)
{
	mr_str schema = json_str(json_get(metadata, "schemaString"));
	if (!s->read->schema_json.len || mr_str_eq(schema, s->read->schema_json))
		return 0;
	int rc = mr_fail(err, MR_ERR_CONFLICT,
			 "DELTA_SCHEMA_CHANGED_WITH_VERSION: the columns of %s changed in version %lld",
			 s->table->path, (long long)s->now.version);
	mr_hint(err, "restart the stream: it then goes on with the new columns");
	return rc;
}

static int note_action(void *arg, const struct action *action, struct mr_error *err)
{
	struct stream *s = arg;
	const struct action_file *file = &action->file;
	struct delta_data_file data;
	int rc = 0;
	switch (action->kind) {
	case ACTION_METADATA:
		return note_schema(s, action->metadata.body, err);
	case ACTION_CDC:
		s->now.feed_files++;
		s->now.feed_bytes += file->size;
		return 0;
	case ACTION_REMOVE:
		if (file->data_change && !s->now.removes++)
			rc = delta_path_decode(file->path, &s->arena, &s->now.removed, err);
		return rc;
	case ACTION_ADD:
		if (file->data_change)
			rc = delta_data_file_read(s->snapshot, file, &s->arena, &data, err);
		if (file->data_change && rc == 0) {
			mr_vec_push(&s->now.adds, data);
			s->now.adds_bytes += file->size;
		}
		return rc;
	default:
		return 0;
	}
}

static int read_version(struct stream *s, int64_t version, struct mr_error *err)
{
	struct mr_buf bytes = {0};
	s->now.version = version;
	s->now.adds.len = s->now.removes = 0;
	s->now.adds_bytes = s->now.feed_files = s->now.feed_bytes = 0;
	char *path = delta_store_commit_path(s->table, version);
	int rc = delta_store_read_commit(s->table, version, &bytes, err);
	if (rc == MR_ERR_NOT_FOUND) {
		mr_fail(err, rc, "%s: the log no longer holds version %lld", s->table->path,
			(long long)version);
		mr_hint(err, "start again from a full read");
	} else if (rc == 0) {
		rc = delta_actions_parse(s->table->parser, mr_buf_view(&bytes), path, note_action, s, err);
	}
	free(path);
	mr_buf_release(&bytes);
	return rc;
}

/* Do the options bear what the version removes? 1: it is passed over. */
static int check_removes(struct stream *s, struct mr_error *err)
{
	const struct delta_stream_read *read = s->read;
	if (!s->now.removes)
		return 0;
	if (read->skip_change_commits)
		return 1;
	if (read->ignore_changes || (!s->now.adds.len && read->ignore_deletes))
		return 0;
	bool changes = s->now.adds.len > 0;
	int rc = mr_fail(err, MR_ERR_UNSUPPORTED, "%s: version %lld of %s %s rows (%.*s)",
			 changes ? "DELTA_SOURCE_TABLE_IGNORE_CHANGES" : "DELTA_SOURCE_IGNORE_DELETE",
			 (long long)s->now.version, s->table->path, changes ? "changes" : "deletes",
			 MR_FMT(s->now.removed));
	if (changes)
		mr_hint(err, "STREAM t WITH (skipChangeCommits = true) passes over such versions");
	else
		mr_hint(err, "STREAM t WITH (ignoreDeletes = true) passes over such versions, and "
			     "skipChangeCommits over those that change rows, too");
	return rc;
}

/* The next version's files; 1: a limit was reached. */
static int take_version(struct stream *s, struct mr_error *err)
{
	int rc = read_version(s, s->batch.end.version + 1, err);
	if (rc == 0)
		rc = check_removes(s, err);
	if (rc < 0)
		return rc;
	if (rc == 0 && !take_files(s, s->now.adds.items, s->now.adds.len))
		return 1;
	s->batch.end.version++;
	s->batch.end.index = 0;
	return 0;
}

/* The same of the change data feed: a version is taken whole, so its rows stay together. */
static int take_changes(struct stream *s, struct mr_error *err)
{
	int rc = read_version(s, s->batch.end.version + 1, err);
	if (rc < 0)
		return rc;
	struct stream_version *now = &s->now;
	bool feed = now->feed_files > 0;
	int64_t files = feed ? now->feed_files : (int64_t)(now->adds.len + now->removes);
	if (files && !admit(s, files, feed ? now->feed_bytes : now->adds_bytes))
		return 1;
	s->batch.file_count += (size_t)files;
	if (s->last < s->first)
		s->first = now->version;
	s->last = now->version;
	s->batch.end.version++;
	return 0;
}

static int take_versions(struct stream *s, struct mr_error *err)
{
	int rc = 0;
	pthread_mutex_lock(&s->table->lock);
	while (rc == 0 && s->batch.end.version < s->snapshot->version)
		rc = s->read->change_feed ? take_changes(s, err) : take_version(s, err);
	pthread_mutex_unlock(&s->table->lock);
	return rc < 0 ? rc : 0;
}

/* ---- as SQL ---- */

/* What the table held, as a change feed tells it. */
static int put_inserts(struct stream *s, struct mr_buf *out, struct mr_error *err)
{
	int64_t ms;
	pthread_mutex_lock(&s->table->lock);
	int rc = delta_commit_time_of(s->table, s->snapshot_version, &ms, err);
	pthread_mutex_unlock(&s->table->lock);
	if (rc < 0)
		return rc;
	mr_buf_printf(out,
		      "(SELECT *, 'insert' AS _change_type, CAST(%lld AS BIGINT) AS _commit_version, "
		      "make_timestamptz(%lld) AS _commit_timestamp FROM ",
		      (long long)s->snapshot_version, (long long)ms * 1000);
	delta_scan_rows_sql(s->snapshot, s->files.items, s->files.len, out);
	mr_buf_char(out, ')');
	return 0;
}

static int put_relation(struct stream *s, struct mr_buf *out, struct mr_error *err)
{
	s->batch.file_count += s->files.len;
	if (!s->read->change_feed) {
		delta_scan_rows_sql(s->snapshot, s->files.items, s->files.len, out);
		return 0;
	}
	int rc = 0;
	if (s->snapshot_version >= 0) {
		mr_buf_cstr(out, "(SELECT * FROM ");
		rc = put_inserts(s, out, err);
		mr_buf_cstr(out, " UNION ALL SELECT * FROM ");
	}
	if (rc == 0)
		rc = delta_changes_between_sql(s->table, s->snapshot, s->first, s->last, out, err);
	if (s->snapshot_version >= 0)
		mr_buf_char(out, ')');
	return rc;
}

int delta_stream_sql(struct delta_table *table, const struct delta_snapshot *snapshot,
		     const struct delta_stream_read *read, const struct delta_stream_offset *from,
		     struct mr_buf *out, struct delta_stream_batch *batch, struct mr_error *err)
{
	struct stream s = {.table = table,
			   .snapshot = snapshot,
			   .read = read,
			   .files_left = read->max_files,
			   .bytes_left = read->max_bytes,
			   .snapshot_version = -1,
			   .first = 0,
			   .last = -1};
	struct delta_snapshot *held = NULL;
	int rc = begin(&s, from, err);
	if (rc == 0 && s.batch.end.initial)
		rc = take_snapshot(&s, &held, err);
	if (rc == 0 && !s.batch.end.initial)
		rc = take_versions(&s, err);
	if (rc == 0)
		rc = put_relation(&s, out, err);
	if (rc == 0)
		*batch = s.batch;
	delta_snapshot_unref(held);
	mr_vec_release(&s.files);
	mr_vec_release(&s.now.adds);
	arena_release(&s.arena);
	return rc;
}
