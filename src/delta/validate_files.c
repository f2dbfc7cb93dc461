/* delta/validate_files.c - checks of add, remove and cdc actions, each alone and together (PROTOCOL.md, "Add
 * File and Remove File", "Per-file Statistics", "Deletion Vectors", "Row Tracking"). */
#include "delta/validate_checks.h"

#include <ctype.h>

static int file_path(struct validation *v, const struct action *action, struct mr_error *err)
{
	mr_str path;
	return delta_path_decode(action->file.path, &v->arena, &path, err);
}

static int file_partition(struct validation *v, const struct action *action, struct mr_error *err)
{
	struct json_value values = action->file.partition_values;
	const struct table_meta *meta = v->meta;
	if (json_count(values) != meta->partition_count)
		return mr_fail(err, MR_ERR_INVALID, "%zu partition values for %zu partition columns",
			       json_count(values), meta->partition_count);
	for (size_t i = 0; i < meta->partition_count; i++) {
		mr_str name = meta->columns[meta->partition_index[i]].physical;
		struct json_value value = json_get_str(values, name);
		if (!json_present(value) ||
		    (json_type(value) != JSON_STRING && json_type(value) != JSON_NULL))
			return mr_fail(err, MR_ERR_INVALID,
				       "the partition value of %.*s is neither text nor null", MR_FMT(name));
	}
	return 0;
}

/* Which bytes a value of a type may have; strings, binary and floats may have any. */
static const struct {
	enum column_type type;
	const char *bytes;
} value_bytes[] = {
    {COL_BYTE, "+-0123456789"},           {COL_SHORT, "+-0123456789"},
    {COL_INTEGER, "+-0123456789"},        {COL_LONG, "+-0123456789"},
    {COL_DECIMAL, "+-.0123456789eE"},     {COL_DATE, "+-0123456789"},
    {COL_TIMESTAMP, "+-0123456789:. TZ"}, {COL_TIMESTAMP_NTZ, "+-0123456789:. TZ"},
    {COL_BOOLEAN, "truefalsTRUEFALS"},
};

static int partition_text(struct validation *v, const struct action *action, struct mr_error *err)
{
	const struct table_meta *meta = v->meta;
	for (size_t i = 0; i < meta->partition_count; i++) {
		size_t at = meta->partition_index[i];
		mr_str value =
		    json_str(json_get_str(action->file.partition_values, meta->columns[at].physical));
		for (size_t j = 0; j < MR_COUNT(value_bytes); j++)
			for (size_t k = 0; k < value.len && value_bytes[j].type == meta->defs[at].type; k++)
				if (!value.ptr[k] || !strchr(value_bytes[j].bytes, value.ptr[k]))
					return mr_fail(err, MR_ERR_INVALID,
						       "\"%.*s\" is no value of the partition column %.*s",
						       (int)mr_min_size(value.len, 100), value.ptr,
						       MR_FMT(meta->defs[at].name));
	}
	return 0;
}

static int file_figures(struct validation *v, const struct action *action, struct mr_error *err)
{
	if (action->file.size < 0 || action->file.time_ms < 0)
		return mr_fail(err, MR_ERR_INVALID, "size %lld, modificationTime %lld",
			       (long long)action->file.size, (long long)action->file.time_ms);
	return 0;
}

/* A decimal's bounds may have 38 digits, which are JSON, but no number of the parser's. */
static mr_str cut_numbers(mr_str text, struct arena *arena)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t len = 0, digits = 0;
	bool quoted = false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (quoted && c == '\\' && i + 1 < text.len)
			out[len++] = text.ptr[i++];
		else if (c == '"')
			quoted = !quoted;
		digits = !quoted && isdigit((unsigned char)c) ? digits + 1 : 0;
		if (digits <= 18)
			out[len++] = text.ptr[i];
	}
	out[len] = 0;
	return mr_str_n(out, len);
}

/* How many rows the file has, -1 when its statistics do not say. *stats is absent without any. */
static int read_stats(struct validation *v, const struct action_file *file, struct json_value *stats,
		      int64_t *rows, struct mr_error *err)
{
	*stats = (struct json_value){0};
	*rows = -1;
	if (!file->stats.len)
		return 0;
	mr_str text = cut_numbers(file->stats, &v->arena);
	if (json_parse(v->inner, text, stats, err) < 0 || json_type(*stats) != JSON_OBJECT)
		return mr_fail(err, MR_ERR_INVALID, "stats are no JSON object");
	struct json_value records = json_get(*stats, "numRecords");
	if (json_present(records) && (json_type(records) != JSON_INT || json_int(records) < 0))
		return mr_fail(err, MR_ERR_INVALID, "numRecords is no count");
	*rows = json_present(records) ? json_int(records) : -1;
	return 0;
}

/* Null counts, of nested columns too. */
static int check_counts(struct json_value counts, int64_t rows, struct mr_error *err)
{
	for (struct json_iter it = json_iter(counts); json_next(&it);) {
		int rc = 0;
		if (json_type(it.value) == JSON_OBJECT)
			rc = check_counts(it.value, rows, err);
		else if (json_type(it.value) != JSON_NULL &&
			 (json_type(it.value) != JSON_INT || json_int(it.value) < 0 ||
			  (rows >= 0 && json_int(it.value) > rows)))
			rc = mr_fail(err, MR_ERR_INVALID, "the nullCount of %.*s is none of %lld rows",
				     MR_FMT(it.key), (long long)rows);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int file_stats(struct validation *v, const struct action *action, struct mr_error *err)
{
	static const char *const objects[] = {"minValues", "maxValues", "nullCount"};
	struct json_value stats;
	int64_t rows;
	int rc = read_stats(v, &action->file, &stats, &rows, err);
	for (size_t i = 0; i < MR_COUNT(objects) && rc == 0; i++) {
		struct json_value value = json_get(stats, objects[i]);
		if (json_present(value) && json_type(value) != JSON_OBJECT)
			rc = mr_fail(err, MR_ERR_INVALID, "%s is no JSON object", objects[i]);
	}
	return rc == 0 ? check_counts(json_get(stats, "nullCount"), rows, err) : rc;
}

static int add_once(struct validation *v, const struct action *action, struct mr_error *err)
{
	mr_str path;
	int rc = delta_path_decode(action->file.path, &v->arena, &path, err);
	if (rc == 0 && validation_note(v, &v->adds, path, &action->file))
		rc = mr_fail(err, MR_ERR_INVALID, "the file %.*s is added twice", MR_FMT(path));
	return rc;
}

static int row_ids(struct validation *v, const struct action *action, struct mr_error *err)
{
	const struct action_file *file = &action->file;
	struct json_value stats;
	int64_t rows;
	if (!delta_rows_are_tracked(v->protocol, v->meta))
		return 0;
	int rc = read_stats(v, file, &stats, &rows, err);
	if (rc < 0)
		return rc;
	if (file->base_row_id < 0 || file->default_row_commit_version < 0 || rows < 0)
		return mr_fail(err, MR_ERR_INVALID,
			       "a file without row ids, or without numRecords, in a table that tracks rows");
	if (file->base_row_id > v->mark_before && rows)
		mr_vec_push(&v->fresh, (struct id_range){file->base_row_id, file->base_row_id + rows - 1});
	return 0;
}

static int remove_known(struct validation *v, const struct action *action, struct mr_error *err)
{
	mr_str path;
	int rc = delta_path_decode(action->file.path, &v->arena, &path, err);
	if (rc < 0)
		return rc;
	if (validation_note(v, &v->removes, path, &action->file))
		return mr_fail(err, MR_ERR_INVALID, "the file %.*s is removed twice", MR_FMT(path));
	const struct delta_log_state *before = v->before;
	const struct file_entry *entry = before ? delta_live_get(&before->live, before->files, path) : NULL;
	if (!entry || !delta_dv_same(file_entry_dv(entry), action_dv(&action->file)))
		return mr_fail(err, MR_ERR_INVALID, "the file %.*s%s is removed, but not in the table",
			       MR_FMT(path), action->file.has_dv ? " with that deletion vector" : "");
	return 0;
}

/* As the table was: a table that is replaced by one that only grows may lose its rows. */
static int append_only(struct validation *v, const struct action *action, struct mr_error *err)
{
	const struct delta_log_state *before = v->before;
	if (before && action->file.data_change && delta_protocol_has(before->protocol, "appendOnly") &&
	    mr_str_is(delta_meta_property(before->meta, "delta.appendOnly"), "true"))
		return mr_fail(err, MR_ERR_INVALID, "rows go from a table that only grows");
	return 0;
}

static int vector_place(struct validation *v, const struct action *action, struct mr_error *err)
{
	const struct delta_dv *dv = &action->file.dv;
	mr_str path;
	if (!action->file.has_dv)
		return 0;
	if (!validation_has(v, "deletionVectors"))
		return mr_fail(err, MR_ERR_INVALID, "a deletion vector without the feature deletionVectors");
	if (dv->size <= 0 || (dv->storage == 'i' && dv->offset >= 0))
		return mr_fail(err, MR_ERR_INVALID, "a deletion vector of %lld bytes at offset %lld",
			       (long long)dv->size, (long long)dv->offset);
	int rc = delta_dv_path(dv, &v->arena, &path, err);
	return rc < 0 ? rc : 0;
}

static int vector_count(struct validation *v, const struct action *action, struct mr_error *err)
{
	struct json_value stats;
	int64_t rows, deleted = action->file.dv.cardinality;
	if (!action->file.has_dv)
		return 0;
	int rc = read_stats(v, &action->file, &stats, &rows, err);
	if (rc < 0)
		return rc;
	if (rows < 0)
		return mr_fail(err, MR_ERR_INVALID, "a file with a deletion vector has no numRecords");
	if (deleted < 1 || deleted > rows)
		return mr_fail(err, MR_ERR_INVALID, "%lld deleted rows of %lld", (long long)deleted,
			       (long long)rows);
	return 0;
}

static int change_data(struct validation *v, const struct action *action, struct mr_error *err)
{
	if (action->file.data_change)
		return mr_fail(err, MR_ERR_INVALID, "a cdc action changes data");
	if (!validation_has(v, "changeDataFeed"))
		return mr_fail(err, MR_ERR_INVALID, "a cdc action without the feature changeDataFeed");
	return 0;
}

/* ---- together ---- */

/* A file that goes and comes at once would be in the table for some readers only. */
static int add_remove_apart(struct validation *v, struct mr_error *err)
{
	mr_map_each (&v->adds, add) {
		mr_str path = mr_str_n(add->key, add->key_len);
		const struct seen *removed = mr_map_get(&v->removes, path);
		if (removed && delta_dv_same(seen_dv(removed), seen_dv(add->value)))
			return mr_fail(err, MR_ERR_INVALID, "the file %.*s is both added and removed",
				       MR_FMT(path));
	}
	return 0;
}

/* A file may be added again, with another vector, only in place of what it was. */
static int add_replaces(struct validation *v, struct mr_error *err)
{
	const struct delta_log_state *before = v->before;
	if (!before)
		return 0;
	mr_map_each (&v->adds, add) {
		mr_str path = mr_str_n(add->key, add->key_len);
		const struct file_entry *entry = delta_live_get(&before->live, before->files, path);
		if (entry && !delta_dv_same(file_entry_dv(entry), seen_dv(add->value)) &&
		    !mr_map_get(&v->removes, path))
			return mr_fail(err, MR_ERR_INVALID,
				       "the file %.*s gets a deletion vector, and is not removed without it",
				       MR_FMT(path));
	}
	return 0;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct id_range *left = a, *right = b;
	return (left->from > right->from) - (left->from < right->from);
}

static int row_ids_apart(struct validation *v, struct mr_error *err)
{
	struct id_range *fresh = v->fresh.items;
	if (v->fresh.len)
		qsort(fresh, v->fresh.len, sizeof *fresh, compare_ranges);
	for (size_t i = 0; i < v->fresh.len; i++) {
		if (fresh[i].to > v->mark)
			return mr_fail(err, MR_ERR_INVALID, "row id %lld is above the mark, %lld",
				       (long long)fresh[i].to, (long long)v->mark);
		if (i && fresh[i].from <= fresh[i - 1].to)
			return mr_fail(err, MR_ERR_INVALID, "row id %lld is given twice",
				       (long long)fresh[i].from);
	}
	return 0;
}

#define COMING (KIND(ACTION_ADD) | KIND(ACTION_CDC)) /* what goes may be of another partitioning */
#define FILES (COMING | KIND(ACTION_REMOVE))

static const struct action_check checks[] = {
    {"file-path", FILES, file_path},
    {"file-partition", COMING, file_partition},
    {"file-partition-text", COMING, partition_text},
    {"file-size", FILES, file_figures},
    {"add-stats", KIND(ACTION_ADD), file_stats},
    {"add-once", KIND(ACTION_ADD), add_once},
    {"vector-place", KIND(ACTION_ADD), vector_place},
    {"vector-count", KIND(ACTION_ADD), vector_count},
    {"row-ids", KIND(ACTION_ADD), row_ids},
    {"remove-known", KIND(ACTION_REMOVE), remove_known},
    {"append-only", KIND(ACTION_REMOVE), append_only},
    {"cdc", KIND(ACTION_CDC), change_data},
};

static const struct commit_check commit_checks[] = {
    {"add-remove-apart", add_remove_apart},
    {"add-replaces", add_replaces},
    {"row-ids-apart", row_ids_apart},
};

const struct check_tables delta_file_checks = {checks, MR_COUNT(checks), commit_checks,
					       MR_COUNT(commit_checks)};
