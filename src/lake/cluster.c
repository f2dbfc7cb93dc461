#include "lake/cluster.h"

#include <strings.h>

static bool same(mr_str a, mr_str b)
{
	return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

int cluster_parse(struct parser *p, struct clustering *out)
{
	*out = (struct clustering){.given = true};
	if (parser_take(p, "none"))
		return 0;
	if (parser_is(p, "auto"))
		return mr_fail(p->err, MR_ERR_UNSUPPORTED,
			       "CLUSTER BY AUTO is not supported: name the columns");
	int rc = parser_names(p, &out->names, &out->count);
	if (rc == 0 && out->count > CLUSTER_COLUMNS_MAX)
		return mr_fail(p->err, MR_ERR_LIMIT, "CLUSTER BY takes at most %d columns",
			       CLUSTER_COLUMNS_MAX);
	return rc;
}

static mr_str physical(const struct field *field, struct arena *arena)
{
	mr_str name = field_get(field, "delta.columnMapping.physicalName", arena);
	return name.len ? name : field->name;
}

static int check_column(const struct definition *def, mr_str name, const struct field **out,
			struct mr_error *err)
{
	static const char *const without[] = {"\"boolean\"", "\"binary\"", "\"variant\"", "\"void\""};
	const struct field *field = definition_find(def, name);
	if (!field)
		return mr_fail(err, MR_ERR_NOT_FOUND, "the table has no column %.*s to cluster by",
			       MR_FMT(name));
	bool bounded = field->type.ptr[0] != '{';
	for (size_t i = 0; i < MR_COUNT(without); i++)
		bounded &= !mr_str_is(field->type, without[i]);
	if (!bounded)
		return mr_fail(err, MR_ERR_UNSUPPORTED,
			       "the table cannot be clustered by %.*s: files have no bounds of its type",
			       MR_FMT(name));
	*out = field;
	return 0;
}

int cluster_domain(const struct clustering *clustering, const struct definition *def,
		   struct delta_domain *out, struct mr_error *err)
{
	struct mr_buf text = {0};
	struct json_writer w = json_writer(&text);
	int rc = 0;
	json_begin_object(&w);
	json_key(&w, "clusteringColumns");
	json_begin_array(&w);
	for (size_t i = 0; i < clustering->count && rc == 0; i++) {
		const struct field *field;
		rc = check_column(def, clustering->names[i], &field, err);
		for (size_t j = 0; j < i && rc == 0; j++)
			if (same(clustering->names[i], clustering->names[j]))
				rc = mr_fail(err, MR_ERR_INVALID, "CLUSTER BY names column %.*s twice",
					     MR_FMT(clustering->names[i]));
		if (rc < 0)
			break;
		json_begin_array(&w);
		json_put_str(&w, physical(field, def->arena));
		json_end_array(&w);
	}
	json_end_array(&w);
	json_member_cstr(&w, "domainName", CLUSTER_DOMAIN);
	json_end_object(&w);
	if (rc == 0 && clustering->count && def->partition_by.len)
		rc = mr_fail(err, MR_ERR_INVALID, "CLUSTER BY and PARTITIONED BY exclude each other");
	if (rc == 0)
		*out = (struct delta_domain){.name = MR_STR(CLUSTER_DOMAIN),
					     .configuration = arena_copy(def->arena, mr_buf_view(&text))};
	mr_buf_release(&text);
	return rc;
}

/* Columns that are nested, which others may cluster by, are left out: the rest still sorts. */
static void take_columns(const struct definition *def, struct json_value columns, struct clustering *out)
{
	for (struct json_iter it = json_iter(columns); json_next(&it) && out->count < CLUSTER_COLUMNS_MAX;) {
		struct json_iter parts = json_iter(it.value);
		if (!json_next(&parts))
			continue;
		mr_str first = json_str(parts.value);
		for (size_t i = 0; i < def->fields.len && !json_next(&parts); i++) {
			const struct field *field = &def->fields.items[i];
			if (!mr_str_eq(physical(field, def->arena), first))
				continue;
			out->names[out->count++] = arena_copy(def->arena, field->name);
			break;
		}
	}
}

int cluster_read(struct delta_table *table, const struct delta_snapshot *snapshot, struct arena *arena,
		 struct clustering *out, struct mr_error *err)
{
	mr_str configuration;
	struct json_value root;
	struct definition def;
	*out = (struct clustering){.names = arena_alloc(arena, CLUSTER_COLUMNS_MAX * sizeof *out->names)};
	int rc = delta_domain_configuration(table, CLUSTER_DOMAIN, arena, &configuration, err);
	if (rc < 0 || !configuration.ptr)
		return rc;
	struct json_parser *parser = json_parser_new();
	definition_init(&def, arena);
	rc = definition_read(&def, delta_metadata_json(snapshot), err);
	if (rc == 0)
		rc = json_parse(parser, configuration, &root, err);
	if (rc == 0)
		take_columns(&def, json_get(root, "clusteringColumns"), out);
	out->given = rc == 0;
	definition_release(&def);
	json_parser_free(parser);
	return rc;
}

int cluster_check_drop(struct delta_table *table, const struct delta_snapshot *snapshot, mr_str column,
		       struct arena *arena, struct mr_error *err)
{
	struct clustering clustering;
	int rc = cluster_read(table, snapshot, arena, &clustering, err);
	for (size_t i = 0; i < clustering.count && rc == 0; i++)
		if (same(clustering.names[i], column))
			rc =
			    mr_fail(err, MR_ERR_UNSUPPORTED,
				    "the table is clustered by column %.*s: ALTER TABLE ... CLUSTER BY first",
				    MR_FMT(column));
	return rc;
}
