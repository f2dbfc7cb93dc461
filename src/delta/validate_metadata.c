/* delta/validate_metadata.c - checks of protocol and metaData actions (PROTOCOL.md, "Change Metadata",
 * "Protocol Evolution", "Table Features", "Column Mapping"). */
#include "delta/validate_checks.h"

#include <stdio.h>

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
			if (!validation_has(v, feature->depends[j]))
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
		if (!twin && feature->used && feature->used(v->meta) && !validation_has(v, feature->name) &&
		    !(mr_str_is(mr_str_from(feature->name), "variantType") &&
		      validation_has(v, "variantType-preview")))
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
	if (name.len && validation_note(c->v, &c->ids, mr_str_from(key), NULL))
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
		if (rc == 0 && validation_note(v, &physical, column->physical, NULL))
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
	for (size_t i = 0; i < MR_COUNT(keys) && validation_property_is(v, "delta.enableRowTracking", "true");
	     i++)
		if (!delta_meta_property(v->meta, keys[i]).len)
			return mr_fail(err, MR_ERR_INVALID, "row tracking is enabled without %s", keys[i]);
	return 0;
}

static const struct action_check checks[] = {
    {"one-protocol", KIND(ACTION_PROTOCOL), one_protocol},
    {"protocol-lists", KIND(ACTION_PROTOCOL), protocol_lists},
    {"protocol-features", KIND(ACTION_PROTOCOL), protocol_features},
    {"one-metadata", KIND(ACTION_METADATA), one_metadata},
    {"metadata-whole", KIND(ACTION_METADATA), metadata_whole},
    {"metadata-features", KIND(ACTION_METADATA), metadata_features},
    {"metadata-mapping", KIND(ACTION_METADATA), metadata_mapping},
    {"row-columns", KIND(ACTION_METADATA), row_columns},
};

const struct check_tables delta_metadata_checks = {.actions = checks, .action_count = MR_COUNT(checks)};
