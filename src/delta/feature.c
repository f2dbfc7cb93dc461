/* delta/feature.c - the registry of table features. See feature.h.
 *
 * A table with reader version 3 or writer version 7 lists its features by name; earlier
 * versions imply those whose legacy version is not above theirs.
 */
#include "delta/internal.h"

static bool property_is_true(const struct table_meta *meta, const char *key)
{
	return mr_str_is(delta_meta_property(meta, key), "true");
}

static bool uses_append_only(const struct table_meta *meta)
{
	return property_is_true(meta, "delta.appendOnly");
}

static bool uses_invariants(const struct table_meta *meta)
{
	return meta->has_invariants;
}

static bool uses_constraints(const struct table_meta *meta)
{
	for (size_t i = 0; i < meta->configuration_count; i++)
		if (mr_str_starts(meta->configuration[i].key, MR_STR("delta.constraints.")))
			return true;
	return false;
}

static bool uses_change_feed(const struct table_meta *meta)
{
	return property_is_true(meta, "delta.enableChangeDataFeed");
}

static bool uses_generated(const struct table_meta *meta)
{
	return meta->has_generated;
}

static bool uses_mapping(const struct table_meta *meta)
{
	return meta->mapping != MAPPING_NONE;
}

static bool uses_identity(const struct table_meta *meta)
{
	return meta->has_identity;
}

static bool uses_defaults(const struct table_meta *meta)
{
	return meta->has_defaults;
}

static bool uses_ntz(const struct table_meta *meta)
{
	return meta->has_ntz;
}

static bool uses_variant(const struct table_meta *meta)
{
	return meta->has_variant;
}

static bool uses_commit_timestamps(const struct table_meta *meta)
{
	return property_is_true(meta, "delta.enableInCommitTimestamps");
}

static bool uses_vectors(const struct table_meta *meta)
{
	return property_is_true(meta, "delta.enableDeletionVectors");
}

static bool uses_row_tracking(const struct table_meta *meta)
{
	return property_is_true(meta, "delta.enableRowTracking");
}

static bool uses_widening(const struct table_meta *meta)
{
	return property_is_true(meta, "delta.enableTypeWidening");
}

static bool uses_v2_checkpoints(const struct table_meta *meta)
{
	return mr_str_is(delta_meta_property(meta, "delta.checkpointPolicy"), "v2");
}

static bool uses_iceberg_1(const struct table_meta *meta)
{
	return property_is_true(meta, "delta.enableIcebergCompatV1");
}

static bool uses_iceberg_2(const struct table_meta *meta)
{
	return property_is_true(meta, "delta.enableIcebergCompatV2");
}

static const struct delta_feature features[] = {
    /* name, for readers, read, write, legacy versions, depends on, used */
    {"appendOnly", false, DELTA_YES, DELTA_YES, 0, 2, {0}, uses_append_only},
    {"invariants", false, DELTA_YES, DELTA_CHECKED, 0, 2, {0}, uses_invariants},
    {"checkConstraints", false, DELTA_YES, DELTA_CHECKED, 0, 3, {0}, uses_constraints},
    {"changeDataFeed", false, DELTA_YES, DELTA_YES, 0, 4, {0}, uses_change_feed},
    {"generatedColumns", false, DELTA_YES, DELTA_CHECKED, 0, 4, {0}, uses_generated},
    {"columnMapping", true, DELTA_YES, DELTA_YES, 2, 5, {0}, uses_mapping},
    {"identityColumns", false, DELTA_YES, DELTA_CHECKED, 0, 6, {0}, uses_identity},
    {"allowColumnDefaults", false, DELTA_YES, DELTA_YES, 0, 0, {0}, uses_defaults},
    {"deletionVectors", true, DELTA_YES, DELTA_YES, 0, 0, {0}, uses_vectors},
    {"timestampNtz", true, DELTA_YES, DELTA_YES, 0, 0, {0}, uses_ntz},
    /* a misspelling that is out there */
    {"timestampWithoutTimezone", true, DELTA_YES, DELTA_NO, 0, 0, {0}, NULL},
    {"v2Checkpoint", true, DELTA_YES, DELTA_YES, 0, 0, {0}, uses_v2_checkpoints},
    {"vacuumProtocolCheck", true, DELTA_YES, DELTA_YES, 0, 0, {0}, NULL},
    {"domainMetadata", false, DELTA_YES, DELTA_YES, 0, 0, {0}, NULL},
    {"inCommitTimestamp", false, DELTA_YES, DELTA_YES, 0, 0, {0}, uses_commit_timestamps},
    {"clustering", false, DELTA_YES, DELTA_YES, 0, 0, {"domainMetadata"}, NULL},
    {"typeWidening", true, DELTA_YES, DELTA_YES, 0, 0, {0}, uses_widening},
    {"typeWidening-preview", true, DELTA_YES, DELTA_YES, 0, 0, {0}, NULL},
    {"rowTracking", false, DELTA_YES, DELTA_YES, 0, 0, {"domainMetadata"}, uses_row_tracking},
    {"variantType", true, DELTA_YES, DELTA_UNUSED, 0, 0, {0}, uses_variant},
    {"variantType-preview", true, DELTA_YES, DELTA_UNUSED, 0, 0, {0}, uses_variant},
    {"variantShredding-preview", true, DELTA_NO, DELTA_NO, 0, 0, {0}, NULL},
    {"icebergCompatV1", false, DELTA_YES, DELTA_UNUSED, 0, 0, {"columnMapping"}, uses_iceberg_1},
    {"icebergCompatV2", false, DELTA_YES, DELTA_UNUSED, 0, 0, {"columnMapping"}, uses_iceberg_2},
    {"icebergWriterCompatV1", false, DELTA_YES, DELTA_NO, 0, 0, {"icebergCompatV2"}, NULL},
    {"collations", false, DELTA_YES, DELTA_NO, 0, 0, {0}, NULL},
    {"checkpointProtection", false, DELTA_YES, DELTA_NO, 0, 0, {0}, NULL},
    {"coordinatedCommits-preview", false, DELTA_NO, DELTA_NO, 0, 0, {0}, NULL},
    {"catalogManaged", true, DELTA_NO, DELTA_NO, 0, 0, {0}, NULL},
    {"catalogOwned-preview", true, DELTA_NO, DELTA_NO, 0, 0, {0}, NULL},
};

const struct delta_feature *delta_features(size_t *count)
{
	*count = MR_COUNT(features);
	return features;
}

const struct delta_feature *delta_feature_find(mr_str name)
{
	for (size_t i = 0; i < MR_COUNT(features); i++)
		if (mr_str_is(name, features[i].name))
			return &features[i];
	return NULL;
}

static bool is_listed(const mr_str *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (mr_str_is(names[i], name))
			return true;
	return false;
}

bool delta_protocol_has(const struct table_protocol *protocol, const char *name)
{
	if (protocol->writer >= 7)
		return is_listed(protocol->writer_features, protocol->writer_feature_count, name);
	const struct delta_feature *feature = delta_feature_find(mr_str_from(name));
	return feature && feature->legacy_writer && feature->legacy_writer <= protocol->writer;
}

/* ---- gating ---- */

static int refuse(const char *verb, mr_str feature, struct mr_error *err)
{
	mr_fail(err, MR_ERR_UNSUPPORTED, "the table uses the feature %.*s, which cannot be %s here",
		MR_FMT(feature), verb);
	return mr_hint(err, "docs/delta.md lists the features; another engine may drop this one");
}

static int needs_check(mr_str feature, struct mr_error *err)
{
	mr_fail(err, MR_ERR_UNSUPPORTED,
		"the table uses the feature %.*s, whose rules this write does not check", MR_FMT(feature));
	return mr_hint(err, "write to it with INSERT, UPDATE or MERGE");
}

static int gate(enum delta_support support, mr_str name, const struct delta_feature *feature,
		const struct table_meta *meta, bool enforced, const char *verb, struct mr_error *err)
{
	bool used = feature && feature->used && feature->used(meta);
	if (support == DELTA_NO || (support == DELTA_UNUSED && used))
		return refuse(verb, name, err);
	if (support == DELTA_CHECKED && used && !enforced)
		return needs_check(name, err);
	return 0;
}

int delta_gate_read(const struct table_protocol *protocol, const struct table_meta *meta,
		    struct mr_error *err)
{
	int rc = 0;
	if (protocol->reader < 1 || protocol->reader > 3)
		return mr_fail(err, MR_ERR_UNSUPPORTED,
			       "the table needs reader version %d; 1 to 3 are known here", protocol->reader);
	for (size_t i = 0; i < protocol->reader_feature_count && protocol->reader == 3 && rc == 0; i++) {
		mr_str name = protocol->reader_features[i];
		const struct delta_feature *feature = delta_feature_find(name);
		rc = gate(feature ? feature->read : DELTA_NO, name, feature, meta, true, "read", err);
	}
	return rc;
}

int delta_gate_write(const struct table_protocol *protocol, const struct table_meta *meta, bool enforced,
		     struct mr_error *err)
{
	int rc = 0;
	if (protocol->writer < 1 || protocol->writer > 7)
		return mr_fail(err, MR_ERR_UNSUPPORTED,
			       "the table needs writer version %d; 1 to 7 are known here", protocol->writer);
	for (size_t i = 0; i < protocol->writer_feature_count && protocol->writer == 7 && rc == 0; i++) {
		mr_str name = protocol->writer_features[i];
		const struct delta_feature *feature = delta_feature_find(name);
		rc = gate(feature ? feature->write : DELTA_NO, name, feature, meta, enforced, "written", err);
	}
	for (size_t i = 0; i < MR_COUNT(features) && protocol->writer < 7 && rc == 0; i++)
		if (features[i].legacy_writer && features[i].legacy_writer <= protocol->writer)
			rc = gate(features[i].write, mr_str_from(features[i].name), &features[i], meta,
				  enforced, "written", err);
	return rc;
}

/* ---- upgrades ---- */

struct needs {
	bool feature[MR_COUNT(features)];
};

static void need(struct needs *needs, const struct delta_feature *feature)
{
	needs->feature[feature - features] = true;
	for (size_t i = 0; i < MR_COUNT(feature->depends) && feature->depends[i]; i++)
		need(needs, delta_feature_find(mr_str_from(feature->depends[i])));
}

static bool is_covered(const struct table_protocol *current, const struct needs *needs)
{
	for (size_t i = 0; i < MR_COUNT(features); i++) {
		if (!needs->feature[i])
			continue;
		if (!delta_protocol_has(current, features[i].name))
			return false;
		if (features[i].is_reader && current->reader < 3 &&
		    (!features[i].legacy_reader || features[i].legacy_reader > current->reader))
			return false;
	}
	return true;
}

/* Versions without lists, while every feature that is needed has one. */
static bool find_legacy(const struct table_protocol *current, const struct needs *needs,
			struct table_protocol *out)
{
	out->reader = current ? current->reader : 1;
	out->writer = current ? current->writer : 2;
	if (out->reader > 2 || out->writer > 6)
		return false;
	for (size_t i = 0; i < MR_COUNT(features); i++) {
		if (!needs->feature[i])
			continue;
		if (!features[i].legacy_writer)
			return false;
		out->reader =
		    features[i].legacy_reader > out->reader ? features[i].legacy_reader : out->reader;
		out->writer =
		    features[i].legacy_writer > out->writer ? features[i].legacy_writer : out->writer;
	}
	return true;
}

static void add_name(struct table_protocol *out, mr_str **names, size_t *count, const char *name)
{
	if (!is_listed(*names, *count, name))
		(*names)[(*count)++] = arena_copy(&out->arena, mr_str_from(name));
}

static void list_feature(struct table_protocol *out, const struct delta_feature *feature)
{
	add_name(out, &out->writer_features, &out->writer_feature_count, feature->name);
	if (!feature->is_reader)
		return;
	out->reader = 3;
	add_name(out, &out->reader_features, &out->reader_feature_count, feature->name);
}

/* (1 or 3, 7): what current lists or implies, and what is needed. */
static void list_features(const struct table_protocol *current, const struct needs *needs,
			  struct table_protocol *out)
{
	size_t room = MR_COUNT(features) + (current ? current->writer_feature_count : 0);
	*out = (struct table_protocol){.reader = current && current->reader == 3 ? 3 : 1, .writer = 7};
	out->reader_features = arena_calloc(&out->arena, room + MR_COUNT(features), sizeof(mr_str));
	out->writer_features = arena_calloc(&out->arena, room, sizeof(mr_str));
	for (size_t i = 0; current && i < current->writer_feature_count; i++)
		add_name(out, &out->writer_features, &out->writer_feature_count,
			 current->writer_features[i].ptr);
	for (size_t i = 0; current && i < current->reader_feature_count; i++)
		add_name(out, &out->reader_features, &out->reader_feature_count,
			 current->reader_features[i].ptr);
	for (size_t i = 0; i < MR_COUNT(features); i++)
		if (needs->feature[i] || (current && delta_protocol_has(current, features[i].name)))
			list_feature(out, &features[i]);
}

static int need_names(struct needs *needs, const char *const *names, size_t count, struct mr_error *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct delta_feature *feature = delta_feature_find(mr_str_from(names[i]));
		if (!feature || feature->write == DELTA_NO)
			return refuse("written", mr_str_from(names[i]), err);
		need(needs, feature);
	}
	return 0;
}

static int cover(const struct table_protocol *current, const struct needs *needs, struct table_protocol *out)
{
	struct table_protocol legacy = {0};
	if (current && is_covered(current, needs))
		return 0;
	if (find_legacy(current, needs, &legacy))
		*out = legacy;
	else
		list_features(current, needs, out);
	return 1;
}

int delta_protocol_for(const struct table_protocol *current, const struct table_meta *meta,
		       const char *const *more, size_t more_count, struct table_protocol *out,
		       struct mr_error *err)
{
	struct needs needs = {0};
	for (size_t i = 0; i < MR_COUNT(features); i++)
		if (features[i].used && features[i].used(meta))
			need(&needs, &features[i]);
	int rc = need_names(&needs, more, more_count, err);
	return rc < 0 ? rc : cover(current, &needs, out);
}

int delta_protocol_extend(const struct table_protocol *from, const char *const *names, size_t count,
			  struct table_protocol *out, bool *changed, struct mr_error *err)
{
	struct needs needs = {0};
	int rc = need_names(&needs, names, count, err);
	if (rc < 0)
		return rc;
	*changed = cover(from, &needs, out) == 1;
	if (!*changed)
		*out = (struct table_protocol){.reader = from->reader, .writer = from->writer};
	return 0;
}

/* Readers' features that leave nothing behind, or whose traces are looked for before (lake/alter.c). */
static bool is_retirable(const char *name)
{
	return strcmp(name, "deletionVectors") == 0 || strcmp(name, "vacuumProtocolCheck") == 0;
}

static size_t without(mr_str *names, size_t count, const char *name)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++)
		if (!mr_str_is(names[i], name))
			names[kept++] = names[i];
	return kept;
}

static int check_drop(const struct table_protocol *from, const struct table_meta *meta, const char *name,
		      struct mr_error *err)
{
	const struct delta_feature *feature = delta_feature_find(mr_str_from(name));
	if (!feature || !delta_protocol_has(from, name))
		return mr_fail(err, MR_ERR_NOT_FOUND, "the table does not have the feature %s", name);
	if (feature->is_reader && !is_retirable(name)) {
		mr_fail(err, MR_ERR_UNSUPPORTED,
			"the feature %s cannot be dropped: older versions in the log may need it", name);
		return mr_hint(err, "CREATE TABLE ... AS SELECT makes a table without it");
	}
	if (feature->used && feature->used(meta)) {
		mr_fail(err, MR_ERR_INVALID, "the feature %s is in use", name);
		return mr_hint(err, "first ALTER TABLE so that no property, constraint or column needs it");
	}
	for (size_t i = 0; i < MR_COUNT(features); i++)
		for (size_t j = 0; j < MR_COUNT(features[i].depends) && features[i].depends[j]; j++)
			if (strcmp(features[i].depends[j], name) == 0 &&
			    delta_protocol_has(from, features[i].name))
				return mr_fail(err, MR_ERR_INVALID, "the feature %s needs %s",
					       features[i].name, name);
	return 0;
}

int delta_protocol_drop(const struct table_protocol *from, const struct table_meta *meta, const char *name,
			struct table_protocol *out, struct mr_error *err)
{
	struct needs nothing = {0};
	int rc = check_drop(from, meta, name, err);
	if (rc < 0)
		return rc;
	list_features(from, &nothing, out);
	out->writer_feature_count = without(out->writer_features, out->writer_feature_count, name);
	out->reader_feature_count = without(out->reader_features, out->reader_feature_count, name);
	return 0;
}

int delta_protocol_check(const struct table_protocol *protocol, struct mr_error *err)
{
	if (protocol->reader < 3 && protocol->reader_feature_count)
		return mr_fail(err, MR_ERR_CORRUPT, "the protocol lists readerFeatures at reader version %d",
			       protocol->reader);
	if (protocol->writer < 7 && protocol->writer_feature_count)
		return mr_fail(err, MR_ERR_CORRUPT, "the protocol lists writerFeatures at writer version %d",
			       protocol->writer);
	if (protocol->reader == 3 && protocol->writer < 7)
		return mr_fail(err, MR_ERR_CORRUPT, "reader version 3 goes with writer version 7, not %d",
			       protocol->writer);
	for (size_t i = 0; i < protocol->reader_feature_count; i++)
		if (!is_listed(protocol->writer_features, protocol->writer_feature_count,
			       protocol->reader_features[i].ptr))
			return mr_fail(err, MR_ERR_CORRUPT, "%s is a reader feature, but no writer feature",
				       protocol->reader_features[i].ptr);
	return 0;
}

/* ---- the action ---- */

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

void delta_protocol_release(struct table_protocol *protocol)
{
	arena_release(&protocol->arena);
	*protocol = (struct table_protocol){0};
}

static void write_names(struct json_writer *w, const char *key, const mr_str *names, size_t count)
{
	json_key(w, key);
	json_begin_array(w);
	for (size_t i = 0; i < count; i++)
		json_put_str(w, names[i]);
	json_end_array(w);
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
