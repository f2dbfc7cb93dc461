/* delta/gate.c - which tables may be read and written here: the registry of table features.
 *
 * A table with reader version 3 or writer version 7 lists its features by name; earlier
 * versions imply those whose legacy version is not above theirs. A feature may be understood
 * (YES), harmless as long as the table does not use it (UNUSED: `used` decides), or not
 * understood (NO). What is not in the table is not understood. Refusals name the feature.
 */
#include "delta/internal.h"

enum support { NO, UNUSED, YES };

static bool has_prefix_property(const struct table_meta *meta, mr_str prefix)
{
	for (size_t i = 0; i < meta->configuration_count; i++)
		if (mr_str_starts(meta->configuration[i].key, prefix))
			return true;
	return false;
}

static bool property_is_true(const struct table_meta *meta, const char *key)
{
	return mr_str_is(delta_meta_property(meta, key), "true");
}

static bool uses_invariants(const struct table_meta *meta)
{
	return meta->has_invariants;
}

static bool uses_constraints(const struct table_meta *meta)
{
	return has_prefix_property(meta, MR_STR("delta.constraints."));
}

static bool uses_generated(const struct table_meta *meta)
{
	return meta->has_generated;
}

static bool uses_mapping(const struct table_meta *meta)
{
	mr_str mode = delta_meta_property(meta, "delta.columnMapping.mode");
	return mode.len && !mr_str_is(mode, "none");
}

static bool uses_identity(const struct table_meta *meta)
{
	return meta->has_identity;
}

static bool uses_defaults(const struct table_meta *meta)
{
	return meta->has_defaults;
}

static bool uses_commit_timestamps(const struct table_meta *meta)
{
	return property_is_true(meta, "delta.enableInCommitTimestamps");
}

static const struct feature {
	const char *name;
	enum support read, write;
	int legacy_reader, legacy_writer; /* 0: none */
	bool (*used)(const struct table_meta *meta);
} features[] = {
    {"appendOnly", YES, YES, 0, 2, NULL},
    {"invariants", YES, UNUSED, 0, 2, uses_invariants},
    {"checkConstraints", YES, UNUSED, 0, 3, uses_constraints},
    {"changeDataFeed", YES, YES, 0, 4, NULL}, /* whole files come and go: no cdc files needed */
    {"generatedColumns", YES, UNUSED, 0, 4, uses_generated},
    {"columnMapping", UNUSED, UNUSED, 2, 5, uses_mapping},
    {"identityColumns", YES, UNUSED, 0, 6, uses_identity},
    {"allowColumnDefaults", YES, UNUSED, 0, 0, uses_defaults},
    {"timestampNtz", YES, YES, 0, 0, NULL},
    {"timestampWithoutTimezone", YES, NO, 0, 0, NULL}, /* a misspelling that is out there */
    {"vacuumProtocolCheck", YES, YES, 0, 0, NULL},
    {"domainMetadata", YES, YES, 0, 0, NULL},
    {"inCommitTimestamp", YES, UNUSED, 0, 0, uses_commit_timestamps},
    {"deletionVectors", YES, YES, 0, 0, NULL}, /* a file that has one is refused when it is met */
};

static const struct feature *find_feature(mr_str name)
{
	for (size_t i = 0; i < MR_COUNT(features); i++)
		if (mr_str_is(name, features[i].name))
			return &features[i];
	return NULL;
}

static int refuse(const char *verb, mr_str feature, struct mr_error *err)
{
	mr_fail(err, MR_ERR_UNSUPPORTED, "the table uses the feature %.*s, which cannot be %s here",
		MR_FMT(feature), verb);
	return mr_hint(err, "docs/delta.md lists the features; another engine may drop this one");
}

static bool is_refused(enum support support, const struct feature *feature, const struct table_meta *meta)
{
	return support == NO || (support == UNUSED && feature->used(meta));
}

int delta_gate_read(const struct table_protocol *protocol, const struct table_meta *meta,
		    struct mr_error *err)
{
	if (protocol->reader < 1 || protocol->reader > 3)
		return mr_fail(err, MR_ERR_UNSUPPORTED,
			       "the table needs reader version %d; 1 to 3 are known here", protocol->reader);
	for (size_t i = 0; i < protocol->reader_feature_count && protocol->reader == 3; i++) {
		mr_str name = protocol->reader_features[i];
		const struct feature *feature = find_feature(name);
		if (!feature || is_refused(feature->read, feature, meta))
			return refuse("read", name, err);
	}
	for (size_t i = 0; i < MR_COUNT(features) && protocol->reader < 3; i++)
		if (features[i].legacy_reader && features[i].legacy_reader <= protocol->reader &&
		    is_refused(features[i].read, &features[i], meta))
			return refuse("read", mr_str_from(features[i].name), err);
	return 0;
}

/* What the rows' writer may hold them against (delta_commit.enforced). */
static bool is_about_rows(const char *name)
{
	static const char *const names[] = {"invariants", "checkConstraints", "generatedColumns",
					    "allowColumnDefaults"};
	for (size_t i = 0; i < MR_COUNT(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static bool write_is_refused(const struct feature *feature, const struct table_meta *meta, bool enforced)
{
	return is_refused(feature->write, feature, meta) &&
	       !(enforced && feature->write == UNUSED && is_about_rows(feature->name));
}

int delta_gate_write(const struct table_protocol *protocol, const struct table_meta *meta, bool enforced,
		     struct mr_error *err)
{
	if (protocol->writer < 1 || protocol->writer > 7)
		return mr_fail(err, MR_ERR_UNSUPPORTED,
			       "the table needs writer version %d; 1 to 7 are known here", protocol->writer);
	for (size_t i = 0; i < protocol->writer_feature_count && protocol->writer == 7; i++) {
		mr_str name = protocol->writer_features[i];
		const struct feature *feature = find_feature(name);
		if (!feature || write_is_refused(feature, meta, enforced))
			return refuse("written", name, err);
	}
	for (size_t i = 0; i < MR_COUNT(features) && protocol->writer < 7; i++)
		if (features[i].legacy_writer && features[i].legacy_writer <= protocol->writer &&
		    write_is_refused(&features[i], meta, enforced))
			return refuse("written", mr_str_from(features[i].name), err);
	return 0;
}

static void copy_names(struct arena *arena, struct json_value list, mr_str **out, size_t *count)
{
	*out = arena_calloc(arena, json_count(list) + 1, sizeof **out);
	*count = 0;
	for (struct json_iter it = json_iter(list); json_next(&it);)
		(*out)[(*count)++] = arena_copy(arena, json_str(it.value));
}

void delta_protocol_copy(struct table_protocol *to, const struct action_protocol *from)
{
	*to = (struct table_protocol){.reader = from->reader, .writer = from->writer};
	copy_names(&to->arena, from->reader_features, &to->reader_features, &to->reader_feature_count);
	copy_names(&to->arena, from->writer_features, &to->writer_features, &to->writer_feature_count);
}

static void write_names(struct json_writer *w, const char *key, const mr_str *names, size_t count)
{
	json_key(w, key);
	json_begin_array(w);
	for (size_t i = 0; i < count; i++)
		json_put_str(w, names[i]);
	json_end_array(w);
}

void delta_protocol_release(struct table_protocol *protocol)
{
	arena_release(&protocol->arena);
	*protocol = (struct table_protocol){0};
}

static bool has_name(const mr_str *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (mr_str_is(names[i], name))
			return true;
	return false;
}

static bool has_feature(const struct table_protocol *protocol, const struct feature *feature)
{
	if (protocol->writer >= 7)
		return has_name(protocol->writer_features, protocol->writer_feature_count, feature->name);
	return feature->legacy_writer && feature->legacy_writer <= protocol->writer;
}

/* A reader must know of it, too. */
static bool is_for_readers(const struct feature *feature)
{
	static const char *const names[] = {"columnMapping", "timestampNtz", "deletionVectors",
					    "v2Checkpoint",  "typeWidening", "variantType"};
	for (size_t i = 0; i < MR_COUNT(names); i++)
		if (strcmp(names[i], feature->name) == 0)
			return true;
	return false;
}

/* Old versions become lists of what they imply: (3,7) or (1,7) says exactly what is needed. */
static void spell_out(struct table_protocol *out, const struct table_protocol *from, const bool *wanted)
{
	out->reader_features =
	    arena_calloc(&out->arena, from->reader_feature_count + MR_COUNT(features) + 1, sizeof(mr_str));
	out->writer_features =
	    arena_calloc(&out->arena, from->writer_feature_count + MR_COUNT(features) + 1, sizeof(mr_str));
	for (size_t i = 0; i < from->reader_feature_count && from->reader >= 3; i++)
		out->reader_features[out->reader_feature_count++] =
		    arena_copy(&out->arena, from->reader_features[i]);
	for (size_t i = 0; i < from->writer_feature_count && from->writer >= 7; i++)
		out->writer_features[out->writer_feature_count++] =
		    arena_copy(&out->arena, from->writer_features[i]);
	for (size_t i = 0; i < MR_COUNT(features); i++) {
		const struct feature *feature = &features[i];
		if (!wanted[i] && !has_feature(from, feature))
			continue;
		mr_str name = mr_str_from(feature->name);
		if (!has_name(out->writer_features, out->writer_feature_count, feature->name))
			out->writer_features[out->writer_feature_count++] = name;
		if (is_for_readers(feature) &&
		    !has_name(out->reader_features, out->reader_feature_count, feature->name))
			out->reader_features[out->reader_feature_count++] = name;
	}
	out->writer = 7;
	out->reader = out->reader_feature_count ? 3 : mr_max_i64(from->reader, 1) < 3 ? 1 : 3;
}

int delta_protocol_extend(const struct table_protocol *from, const char *const *names, size_t count,
			  struct table_protocol *out, bool *changed, struct mr_error *err)
{
	static const struct table_protocol first = {.reader = 1, .writer = 2};
	bool wanted[MR_COUNT(features)] = {0}, any = false;
	const struct table_protocol *start = from ? from : &first;
	for (size_t i = 0; i < count; i++) {
		const struct feature *feature = find_feature(mr_str_from(names[i]));
		if (!feature || feature->write == NO)
			return refuse("written", mr_str_from(names[i]), err);
		wanted[feature - features] = !has_feature(start, feature);
		any |= wanted[feature - features];
	}
	*out = (struct table_protocol){.reader = start->reader, .writer = start->writer};
	if (any)
		spell_out(out, start, wanted);
	*changed = any || !from;
	return 0;
}

/* Lists only where the version asks for them: other readers reject empty ones elsewhere. */
void delta_protocol_write(struct json_writer *w, const struct table_protocol *protocol)
{
	json_key(w, "protocol");
	json_begin_object(w);
	json_member_int(w, "minReaderVersion", protocol->reader);
	json_member_int(w, "minWriterVersion", protocol->writer);
	if (protocol->reader >= 3)
		write_names(w, "readerFeatures", protocol->reader_features, protocol->reader_feature_count);
	if (protocol->writer >= 7)
		write_names(w, "writerFeatures", protocol->writer_features, protocol->writer_feature_count);
	json_end_object(w);
}
