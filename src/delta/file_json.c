/* delta/file_json.c - a data file as the add and remove actions of the log. */
#include "delta/internal.h"

/* ---- reading ---- */

void delta_file_extra_read(struct arena *arena, const struct action_file *action, struct file_extra **out)
{
	*out = NULL;
	bool has_tags = json_type(action->tags) == JSON_OBJECT && json_count(action->tags);
	if (!action->has_dv && action->base_row_id < 0 && action->default_row_commit_version < 0 &&
	    !has_tags && !action->clustering_provider.len)
		return;
	struct mr_buf tags = {0};
	if (has_tags)
		json_write_value(&tags, action->tags);
	struct file_extra extra = {.has_dv = action->has_dv,
				   .dv = action->dv,
				   .base_row_id = action->base_row_id,
				   .default_row_commit_version = action->default_row_commit_version,
				   .tags = mr_buf_view(&tags),
				   .clustering_provider = action->clustering_provider};
	*out = delta_file_extra_copy(arena, &extra);
	mr_buf_release(&tags);
}

struct file_extra *delta_file_extra_copy(struct arena *arena, const struct file_extra *extra)
{
	if (!extra)
		return NULL;
	struct file_extra *copy = arena_alloc(arena, sizeof *copy);
	*copy = *extra;
	copy->dv.data = arena_copy(arena, extra->dv.data);
	copy->tags = arena_copy(arena, extra->tags);
	copy->clustering_provider = arena_copy(arena, extra->clustering_provider);
	return copy;
}

/* ---- writing ---- */

static void write_dv(struct json_writer *w, const struct delta_dv *dv)
{
	json_key(w, "deletionVector");
	json_begin_object(w);
	json_member_str(w, "storageType", mr_str_n(&dv->storage, 1));
	json_member_str(w, "pathOrInlineDv", dv->data);
	if (dv->offset >= 0)
		json_member_int(w, "offset", dv->offset);
	json_member_int(w, "sizeInBytes", dv->size);
	json_member_int(w, "cardinality", dv->cardinality);
	json_end_object(w);
}

static void write_extra(struct json_writer *w, const struct file_extra *extra)
{
	if (!extra)
		return;
	if (extra->tags.len) {
		json_key(w, "tags");
		json_put_raw(w, extra->tags);
	}
	if (extra->has_dv)
		write_dv(w, &extra->dv);
	if (extra->base_row_id >= 0)
		json_member_int(w, "baseRowId", extra->base_row_id);
	if (extra->default_row_commit_version >= 0)
		json_member_int(w, "defaultRowCommitVersion", extra->default_row_commit_version);
	if (extra->clustering_provider.len)
		json_member_str(w, "clusteringProvider", extra->clustering_provider);
}

static void write_partition_values(struct json_writer *w, const struct table_meta *meta, const mr_str *values)
{
	json_key(w, "partitionValues");
	json_begin_object(w);
	for (size_t i = 0; i < meta->partition_count; i++) {
		json_key_str(w, meta->columns[meta->partition_index[i]].physical);
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
	if (path.ptr[0] == '/') /* as other engines write a file of another table */
		mr_buf_cstr(&encoded, "file://");
	delta_path_encode(&encoded, path);
	json_member_str(w, "path", mr_buf_view(&encoded));
	mr_buf_release(&encoded);
}

void delta_file_place_write(struct json_writer *w, const struct table_meta *meta, mr_str path,
			    const mr_str *partition_values)
{
	write_path(w, path);
	write_partition_values(w, meta, partition_values);
}

void delta_file_add_write(struct json_writer *w, const struct table_meta *meta, const struct file_entry *file,
			  mr_str path, mr_str stats, bool data_change)
{
	json_begin_object(w);
	json_key(w, "add");
	json_begin_object(w);
	write_path(w, path);
	write_partition_values(w, meta, file->partition_values);
	json_member_int(w, "size", file->size);
	json_member_int(w, "modificationTime", file->modified_ms);
	json_member_bool(w, "dataChange", data_change);
	if (stats.len)
		json_member_str(w, "stats", stats);
	write_extra(w, file->extra);
	json_end_object(w);
	json_end_object(w);
}

void delta_file_remove_write(struct json_writer *w, const struct table_meta *meta,
			     const struct file_entry *file, mr_str path, int64_t now_ms, bool data_change)
{
	json_begin_object(w);
	json_key(w, "remove");
	json_begin_object(w);
	write_path(w, path);
	json_member_int(w, "deletionTimestamp", now_ms);
	json_member_bool(w, "dataChange", data_change);
	json_member_bool(w, "extendedFileMetadata", true);
	write_partition_values(w, meta, file->partition_values);
	json_member_int(w, "size", file->size);
	write_extra(w, file->extra);
	json_end_object(w);
	json_end_object(w);
}

int delta_data_file_read(const struct delta_snapshot *snapshot, const struct action_file *action,
			 struct arena *arena, struct delta_data_file *out, struct mr_error *err)
{
	const struct table_meta *meta = snapshot->meta;
	struct delta_data_file file = {.size = action->size};
	int rc = delta_path_decode(action->path, arena, &file.path, err);
	if (rc < 0)
		return rc;
	mr_str *values = arena_calloc(arena, meta->partition_count + 1, sizeof *values);
	for (size_t i = 0; i < meta->partition_count; i++) {
		mr_str value = json_str(
		    json_get_str(action->partition_values, meta->columns[meta->partition_index[i]].physical));
		values[i] = value.len ? arena_copy(arena, value) : MR_STR_NULL;
	}
	file.partition_values = values;
	if (action->has_dv) {
		struct delta_dv *dv = arena_alloc(arena, sizeof *dv);
		*dv = action->dv;
		dv->data = arena_copy(arena, action->dv.data);
		file.dv = dv;
	}
	*out = file;
	return 0;
}
