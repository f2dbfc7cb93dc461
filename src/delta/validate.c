/* delta/validate.c - the checks that every commit passes. See validate.h.
 *
 * The lines are read twice: first for the protocol and the metadata that the version will have, then
 * each action is held against them. Source: PROTOCOL.md, sections "Actions", "Action Reconciliation"
 * and "Table Features".
 */
#include "delta/validate.h"

#include "delta/internal.h"

#include <ctype.h>
#include <stdio.h>

struct id_range {
	int64_t from, to; /* the last one too */
};

struct validation {
	const struct delta_log_state *before;
	struct json_parser *inner;             /* for JSON inside of strings */
	const struct table_protocol *protocol; /* that the version has */
	struct table_meta *meta;
	struct table_protocol listed; /* the commit's own protocol, if new_protocol */
	size_t protocols, metas;
	size_t actions, infos; /* so far */
	bool info_first;
	int64_t commit_ms;             /* its in-commit timestamp; -1 */
	int64_t mark_before, mark;     /* the highest row id that was given, and will be */
	MR_VEC(struct id_range) fresh; /* ids that files got above mark_before */
	struct arena arena;
	struct mr_map adds, removes, domains, apps; /* keys: decoded paths, names; values: struct seen */
};

struct seen {
	bool has_dv;
	struct delta_dv dv;
};

static const struct delta_dv *seen_dv(const struct seen *seen)
{
	return seen->has_dv ? &seen->dv : NULL;
}

static bool has(const struct validation *v, const char *feature)
{
	return delta_protocol_has(v->protocol, feature);
}

static bool property_is(const struct validation *v, const char *key, const char *value)
{
	return mr_str_is(delta_meta_property(v->meta, key), value);
}

static const struct delta_dv *action_dv(const struct action_file *file)
{
	return file->has_dv ? &file->dv : NULL;
}

/* NULL when the key is new. */
static struct seen *note(struct validation *v, struct mr_map *map, mr_str key, const struct action_file *file)
{
	struct seen *seen = arena_calloc(&v->arena, 1, sizeof *seen);
	if (file && file->has_dv) {
		*seen = (struct seen){.has_dv = true, .dv = file->dv};
		seen->dv.data = arena_copy(&v->arena, file->dv.data);
	}
	return mr_map_put(map, key, seen);
}

/* ---- protocol and metadata ---- */

static int one_protocol(struct validation *v, const struct action *action, struct mr_error *err)
{
	return v->protocols > 1 ? mr_fail(err, MR_ERR_INVALID, "there are two protocol actions") : 0;
}

static int protocol_lists(struct validation *v, const struct action *action, struct mr_error *err)
{
	if (v->protocol->reader < 1 || v->protocol->writer < 1)
		return mr_fail(err, MR_ERR_INVALID, "versions (%d, %d) are none", v->protocol->reader,
			       v->protocol->writer);
	return delta_protocol_check(v->protocol, err);
}

static bool lists_reader(const struct table_protocol *protocol, const char *name)
{
	for (size_t i = 0; i < protocol->reader_feature_count; i++)
		if (mr_str_is(protocol->reader_features[i], name))
			return true;
	return false;
}

static int protocol_features(struct validation *v, const struct action *action, struct mr_error *err)
{
	for (size_t i = 0; i < v->protocol->writer_feature_count; i++) {
		const struct delta_feature *feature = delta_feature_find(v->protocol->writer_features[i]);
		if (!feature)
			continue;
		bool legacy = feature->legacy_reader && feature->legacy_reader <= v->protocol->reader &&
			      v->protocol->reader < 3;
		if (feature->is_reader && !legacy && !lists_reader(v->protocol, feature->name))
			return mr_fail(err, MR_ERR_INVALID, "readers are not told of the feature %s",
				       feature->name);
		for (size_t j = 0; j < MR_COUNT(feature->depends) && feature->depends[j]; j++)
			if (!has(v, feature->depends[j]))
				return mr_fail(err, MR_ERR_INVALID, "the feature %s needs %s", feature->name,
					       feature->depends[j]);
	}
	return 0;
}

static int one_metadata(struct validation *v, const struct action *action, struct mr_error *err)
{
	return v->metas > 1 ? mr_fail(err, MR_ERR_INVALID, "there are two metaData actions") : 0;
}

static int metadata_whole(struct validation *v, const struct action *action, struct mr_error *err)
{
	struct json_value body = action->metadata.body;
	if (!v->meta->id.len)
		return mr_fail(err, MR_ERR_INVALID, "the table has no id");
	if (!v->meta->column_count)
		return mr_fail(err, MR_ERR_INVALID, "the table has no columns");
	if (!mr_str_is(json_str(json_get(json_get(body, "format"), "provider")), "parquet"))
		return mr_fail(err, MR_ERR_INVALID, "the format's provider is not parquet");
	for (struct json_iter it = json_iter(json_get(body, "configuration")); json_next(&it);)
		if (json_type(it.value) != JSON_STRING)
			return mr_fail(err, MR_ERR_INVALID, "the property %.*s is no string", MR_FMT(it.key));
	return 0;
}

static int metadata_features(struct validation *v, const struct action *action, struct mr_error *err)
{
	size_t count;
	const struct delta_feature *features = delta_features(&count);
	for (size_t i = 0; i < count; i++) {
		const struct delta_feature *feature = &features[i];
		bool twin = mr_str_ends(mr_str_from(feature->name), MR_STR("-preview"));
		if (!twin && feature->used && feature->used(v->meta) && !has(v, feature->name) &&
		    !(mr_str_is(mr_str_from(feature->name), "variantType") && has(v, "variantType-preview")))
			return mr_fail(err, MR_ERR_INVALID,
				       "the metadata uses the feature %s, which the protocol lacks",
				       feature->name);
	}
	return 0;
}

struct mapping_check {
	struct validation *v;
	struct mr_map ids;
	int64_t max;
	struct mr_error *err;
};

/* Ids and physical names of the members of structs; lists and maps are passed through. */
static int check_mapped(struct mapping_check *c, mr_str name, mr_str physical, int64_t id,
			const struct type_node *type)
{
	char key[24];
	snprintf(key, sizeof key, "%lld", (long long)id);
	if (name.len && (id < 1 || id > c->max))
		return mr_fail(c->err, MR_ERR_INVALID,
			       "column %.*s has the id %lld, which is not in 1 .. maxColumnId (%lld)",
			       MR_FMT(name), (long long)id, (long long)c->max);
	if (name.len && !physical.len)
		return mr_fail(c->err, MR_ERR_INVALID, "column %.*s has no physical name", MR_FMT(name));
	if (name.len && note(c->v, &c->ids, mr_str_from(key), NULL))
		return mr_fail(c->err, MR_ERR_INVALID, "the id of column %.*s is another's too",
			       MR_FMT(name));
	int rc = 0;
	for (size_t i = 0; i < type->part_count && rc == 0; i++) {
		const struct type_part *part = &type->parts[i];
		bool is_member = type->kind == TYPE_STRUCT;
		rc = check_mapped(c, is_member ? part->name : MR_STR(""), part->physical, part->field_id,
				  part->type);
	}
	return rc;
}

static int metadata_mapping(struct validation *v, const struct action *action, struct mr_error *err)
{
	const struct table_meta *meta = v->meta;
	if (meta->mapping == MAPPING_NONE)
		return 0;
	mr_str text = delta_meta_property(meta, "delta.columnMapping.maxColumnId");
	struct mapping_check c = {
	    .v = v, .err = err, .max = text.len ? strtoll(text.ptr, NULL, 10) : INT64_MAX};
	struct mr_map physical = {0};
	int rc = 0;
	for (size_t i = 0; i < meta->column_count && rc == 0; i++) {
		const struct table_column *column = &meta->columns[i];
		rc = check_mapped(&c, meta->defs[i].name, column->physical, column->field_id, column->type);
		if (rc == 0 && note(v, &physical, column->physical, NULL))
			rc = mr_fail(err, MR_ERR_INVALID, "the physical name %.*s is two columns'",
				     MR_FMT(column->physical));
	}
	mr_map_release(&physical);
	mr_map_release(&c.ids);
	return rc;
}

static int row_columns(struct validation *v, const struct action *action, struct mr_error *err)
{
	static const char *const keys[] = {"delta.rowTracking.materializedRowIdColumnName",
					   "delta.rowTracking.materializedRowCommitVersionColumnName"};
	for (size_t i = 0; i < MR_COUNT(keys) && property_is(v, "delta.enableRowTracking", "true"); i++)
		if (!delta_meta_property(v->meta, keys[i]).len)
			return mr_fail(err, MR_ERR_INVALID, "row tracking is enabled without %s", keys[i]);
	return 0;
}

/* ---- files ---- */

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
	if (rc == 0 && note(v, &v->adds, path, &action->file))
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
	if (note(v, &v->removes, path, &action->file))
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
	if (!has(v, "deletionVectors"))
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
	if (!has(v, "changeDataFeed"))
		return mr_fail(err, MR_ERR_INVALID, "a cdc action without the feature changeDataFeed");
	return 0;
}

/* ---- the rest ---- */

static int one_info(struct validation *v, const struct action *action, struct mr_error *err)
{
	struct json_value at = json_get(action->commit_info, "inCommitTimestamp");
	v->info_first = v->actions == 0;
	v->commit_ms = json_type(at) == JSON_INT ? json_int(at) : -1;
	return ++v->infos > 1 ? mr_fail(err, MR_ERR_INVALID, "there are two commitInfo actions") : 0;
}

static int domain_once(struct validation *v, const struct action *action, struct mr_error *err)
{
	mr_str domain = action->domain.domain;
	if (!has(v, "domainMetadata"))
		return mr_fail(err, MR_ERR_INVALID, "domain metadata without the feature domainMetadata");
	if (note(v, &v->domains, domain, NULL))
		return mr_fail(err, MR_ERR_INVALID, "the domain %.*s is written twice", MR_FMT(domain));
	if (json_type(json_get(action->domain.body, "configuration")) != JSON_STRING ||
	    json_type(json_get(action->domain.body, "removed")) != JSON_BOOL)
		return mr_fail(err, MR_ERR_INVALID, "the domain %.*s lacks configuration or removed",
			       MR_FMT(domain));
	return 0;
}

/* Domains "delta." belong to features; nobody else writes them. */
static int domain_system(struct validation *v, const struct action *action, struct mr_error *err)
{
	static const char *const owned[][2] = {{"delta.clustering", "clustering"},
					       {"delta.rowTracking", "rowTracking"}};
	mr_str domain = action->domain.domain;
	if (!mr_str_starts(domain, MR_STR("delta.")))
		return 0;
	for (size_t i = 0; i < MR_COUNT(owned); i++)
		if (mr_str_is(domain, owned[i][0]) && has(v, owned[i][1]))
			return 0;
	return mr_fail(err, MR_ERR_INVALID, "the domain %.*s is not one to write to", MR_FMT(domain));
}

static int row_domain(struct validation *v, const struct action *action, struct mr_error *err)
{
	if (!mr_str_is(action->domain.domain, ROW_TRACKING_DOMAIN))
		return 0;
	v->mark = delta_row_id_mark_of(v->inner, json_str(json_get(action->domain.body, "configuration")));
	if (action->domain.removed || v->mark < v->mark_before)
		return mr_fail(err, MR_ERR_INVALID, "the highest row id would fall from %lld to %lld",
			       (long long)v->mark_before, (long long)v->mark);
	return 0;
}

static int txn_once(struct validation *v, const struct action *action, struct mr_error *err)
{
	if (note(v, &v->apps, action->txn.app_id, NULL))
		return mr_fail(err, MR_ERR_INVALID, "the application %.*s has two txn actions",
			       MR_FMT(action->txn.app_id));
	return action->txn.app_id.len ? 0 : mr_fail(err, MR_ERR_INVALID, "a txn action of nobody");
}

static int known_kind(struct validation *v, const struct action *action, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_INVALID, "this is no action of a commit");
}

#define KIND(kind) (1u << (kind))
#define COMING (KIND(ACTION_ADD) | KIND(ACTION_CDC)) /* what goes may be of another partitioning */
#define FILES (COMING | KIND(ACTION_REMOVE))

static const struct {
	const char *name;
	unsigned kinds;
	int (*fn)(struct validation *v, const struct action *action, struct mr_error *err);
} action_checks[] = {
    {"action-kind", KIND(ACTION_SIDECAR) | KIND(ACTION_CHECKPOINT) | KIND(ACTION_OTHER), known_kind},
    {"one-protocol", KIND(ACTION_PROTOCOL), one_protocol},
    {"protocol-lists", KIND(ACTION_PROTOCOL), protocol_lists},
    {"protocol-features", KIND(ACTION_PROTOCOL), protocol_features},
    {"one-metadata", KIND(ACTION_METADATA), one_metadata},
    {"metadata-whole", KIND(ACTION_METADATA), metadata_whole},
    {"metadata-features", KIND(ACTION_METADATA), metadata_features},
    {"metadata-mapping", KIND(ACTION_METADATA), metadata_mapping},
    {"row-columns", KIND(ACTION_METADATA), row_columns},
    {"one-commit-info", KIND(ACTION_COMMIT_INFO), one_info},
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
    {"domain-once", KIND(ACTION_DOMAIN), domain_once},
    {"domain-system", KIND(ACTION_DOMAIN), domain_system},
    {"row-domain", KIND(ACTION_DOMAIN), row_domain},
    {"txn-once", KIND(ACTION_TXN), txn_once},
};

/* ---- of the commit as a whole ---- */

static int first_version(struct validation *v, struct mr_error *err)
{
	if (!v->before && (!v->protocols || !v->metas))
		return mr_fail(err, MR_ERR_INVALID, "version 0 has no %s",
			       v->protocols ? "metaData" : "protocol");
	return 0;
}

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

static int commit_timestamp(struct validation *v, struct mr_error *err)
{
	if (!delta_commit_time_inside(v->meta))
		return 0;
	if (!v->info_first || v->commit_ms < 0)
		return mr_fail(err, MR_ERR_INVALID, "its first line is no commitInfo with inCommitTimestamp");
	if (v->before && v->before->commit_ms >= v->commit_ms)
		return mr_fail(err, MR_ERR_INVALID,
			       "its inCommitTimestamp is not above the previous one, %lld",
			       (long long)v->before->commit_ms);
	return 0;
}

/* Readers of older versions have to know since when timestamps count. */
static int commit_timestamp_since(struct validation *v, struct mr_error *err)
{
	char version[24], time[24];
	if (!v->before || !delta_commit_time_inside(v->meta) || delta_commit_time_inside(v->before->meta))
		return 0;
	snprintf(version, sizeof version, "%lld", (long long)v->before->version + 1);
	snprintf(time, sizeof time, "%lld", (long long)v->commit_ms);
	if (!property_is(v, "delta.inCommitTimestampEnablementVersion", version) ||
	    !property_is(v, "delta.inCommitTimestampEnablementTimestamp", time))
		return mr_fail(err, MR_ERR_INVALID,
			       "in-commit timestamps are enabled, but not noted since when");
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(struct validation *v, struct mr_error *err);
} commit_checks[] = {
    {"first-version", first_version},       {"add-remove-apart", add_remove_apart},
    {"add-replaces", add_replaces},         {"row-ids-apart", row_ids_apart},
    {"commit-timestamp", commit_timestamp}, {"commit-timestamp-since", commit_timestamp_since},
};

const char *delta_validation_name(size_t i)
{
	if (i < MR_COUNT(action_checks))
		return action_checks[i].name;
	i -= MR_COUNT(action_checks);
	return i < MR_COUNT(commit_checks) ? commit_checks[i].name : NULL;
}

/* ---- the two passes ---- */

static int find_state(void *arg, const struct action *action, struct mr_error *err)
{
	struct validation *v = arg;
	if (action->kind == ACTION_PROTOCOL && !v->protocols++) {
		delta_protocol_copy(&v->listed, &action->protocol);
		v->protocol = &v->listed;
	}
	if (action->kind != ACTION_METADATA || v->metas++)
		return 0;
	struct table_meta *meta;
	int rc = delta_meta_parse(v->inner, &action->metadata, &meta, err);
	if (rc == 0) {
		delta_meta_unref(v->meta);
		v->meta = meta;
	}
	return rc;
}

static int check_action(void *arg, const struct action *action, struct mr_error *err)
{
	struct validation *v = arg;
	for (size_t i = 0; i < MR_COUNT(action_checks); i++) {
		int rc = 0;
		if (action_checks[i].kinds & KIND(action->kind))
			rc = action_checks[i].fn(v, action, err);
		if (rc < 0)
			return mr_error_wrap(err, MR_ERR_INVALID, "%s", action_checks[i].name),
			       MR_ERR_INVALID;
	}
	v->actions++;
	return 0;
}

static int check_commit(struct validation *v, struct mr_error *err)
{
	for (size_t i = 0; i < MR_COUNT(commit_checks); i++)
		if (commit_checks[i].fn(v, err) < 0)
			return mr_error_wrap(err, MR_ERR_INVALID, "%s", commit_checks[i].name),
			       MR_ERR_INVALID;
	return 0;
}

static int validate(struct validation *v, mr_str lines, struct json_parser *parser, struct mr_error *err)
{
	static const char name[] = "commit";
	bool declares = memmem(lines.ptr, lines.len, "\"metaData\"", 10) ||
			memmem(lines.ptr, lines.len, "\"protocol\"", 10);
	int rc = declares ? delta_actions_parse(parser, lines, name, find_state, v, err) : 0;
	if (rc == 0 && (!v->protocol || !v->meta))
		rc = first_version(v, err) < 0
			 ? (mr_error_wrap(err, MR_ERR_INVALID, "%s", "first-version"), MR_ERR_INVALID)
			 : 0;
	if (rc == 0)
		rc = delta_actions_parse(parser, lines, name, check_action, v, err);
	return rc == 0 ? check_commit(v, err) : rc;
}

int delta_validate_actions(const struct delta_log_state *before, mr_str lines, struct json_parser *parser,
			   struct mr_error *err)
{
	struct validation v = {.before = before, .inner = json_parser_new(), .commit_ms = -1};
	v.mark = v.mark_before = delta_row_id_mark(v.inner, before);
	if (before) {
		v.protocol = before->protocol;
		v.meta = delta_meta_ref(before->meta);
	}
	int rc = validate(&v, lines, parser, err);
	delta_meta_unref(v.meta);
	delta_protocol_release(&v.listed);
	mr_map_release(&v.adds);
	mr_map_release(&v.removes);
	mr_map_release(&v.domains);
	mr_map_release(&v.apps);
	mr_vec_release(&v.fresh);
	arena_release(&v.arena);
	json_parser_free(v.inner);
	if (rc < 0) {
		mr_error_wrap(err, MR_ERR_INVALID, "the commit breaks the protocol");
		mr_hint(err, "nothing was changed; this is a defect of what made the commit");
		return MR_ERR_INVALID;
	}
	return 0;
}
