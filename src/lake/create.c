/* lake/create.c - CREATE TABLE, with a list of columns or out of a query; DROP TABLE.
 *
 *   CREATE [OR REPLACE] TABLE [IF NOT EXISTS] name [(columns)] [USING delta]
 *     {PARTITIONED BY (...) | CLUSTER BY (...) | LOCATION '...' | COMMENT '...' | TBLPROPERTIES (...)} [AS
 * query] CREATE [OR REPLACE] TABLE [IF NOT EXISTS] name SHALLOW CLONE source [VERSION AS OF n] {clauses}
 */
#include "lake/clone.h"
#include "lake/cluster.h"
#include "lake/define.h"
#include "lake/internal.h"
#include "lake/rows.h"

struct creation {
	struct table_name name;
	struct definition def;
	bool replace, if_absent, using_delta;
	mr_str location;
	mr_str query; /* as written; empty: none */
	struct clone clone;
	struct clustering cluster;
};

static int parse_columns(struct parser *p, struct creation *c)
{
	int rc = parser_expect(p, "(");
	while (rc == 0) {
		struct field field;
		rc = parse_field(p, &field);
		if (rc == 0)
			mr_vec_push(&c->def.fields, field);
		if (rc == 0 && !parser_take(p, ","))
			return parser_expect(p, ")");
	}
	return rc;
}

/* (a, b) or, as Hive has it, (a INT, b STRING): those are columns as well. */
static int parse_partitions(struct parser *p, struct creation *c)
{
	int rc = parser_expect(p, "(");
	while (rc == 0) {
		struct field field = {.metadata = MR_STR("{}")};
		rc = parser_word(p, "a column's name", &field.name);
		if (rc == 0 && !parser_is(p, ",") && !parser_is(p, ")")) {
			rc = parse_type(p, &field.type);
			if (rc == 0)
				mr_vec_push(&c->def.fields, field);
		}
		if (rc == 0)
			mr_vec_push(&c->def.partition_by, field.name);
		if (rc == 0 && !parser_take(p, ","))
			return parser_expect(p, ")");
	}
	return rc;
}

static int parse_clause(struct parser *p, struct creation *c)
{
	if (parser_take(p, "using delta")) {
		c->using_delta = true;
		return 0;
	}
	if (parser_is(p, "using"))
		return mr_fail(p->err, MR_ERR_UNSUPPORTED, "tables are Delta tables: USING delta");
	if (parser_take(p, "partitioned by"))
		return parse_partitions(p, c);
	if (parser_take(p, "location"))
		return parser_string(p, "the table's path in quotes", &c->location);
	if (parser_take(p, "comment"))
		return parser_string(p, "the comment in quotes", &c->def.description);
	if (parser_take(p, "tblproperties"))
		return parse_properties(p, &c->def);
	if (parser_take(p, "cluster by"))
		return cluster_parse(p, &c->cluster);
	return parser_fail(p, "AS, or a clause of CREATE TABLE");
}

static int parse(struct lake_session *s, struct parser *p, struct creation *c)
{
	c->if_absent = parser_take(p, "if not exists");
	int rc = parser_table(p, &c->name);
	if (rc == 0 && parser_is(p, "("))
		rc = parse_columns(p, c);
	else if (rc == 0 && parser_take(p, "shallow clone"))
		rc = clone_parse(s, p, &c->clone);
	if (rc == 0 && (parser_is(p, "deep") || (parser_is(p, "clone"))))
		rc = mr_fail(p->err, MR_ERR_UNSUPPORTED,
			     "a deep clone is CREATE TABLE ... AS SELECT; SHALLOW CLONE copies no files");
	while (rc == 0 && !parser_at_end(p) && !parser_is(p, "as"))
		rc = parse_clause(p, c);
	if (rc == 0 && c->clone.given && (c->def.partition_by.len || parser_is(p, "as")))
		rc = mr_fail(p->err, MR_ERR_INVALID, "a clone has its source's columns and partitions");
	if (rc == 0 && parser_take(p, "as"))
		c->query = parser_rest(p);
	return rc;
}

/* Tables of the session's own, in memory, stay possible where nothing says Delta. */
static bool is_duckdbs(const struct lake_session *s, const struct creation *c)
{
	return !s->lake->tables_dir && !c->using_delta && !c->clone.given && !c->location.len &&
	       !c->name.path.len && !c->replace;
}

/* ---- carrying it out ---- */

static int find_place(struct lake_session *s, struct creation *c, struct delta_table **table, mr_str *path,
		      struct mr_error *err)
{
	bool derived;
	if (c->name.path.len && c->location.len)
		return mr_fail(err, MR_ERR_INVALID, "the table's path is its name already: no LOCATION");
	if (!c->name.path.len && s->lake->options.find &&
	    s->lake->options.find(s->lake->options.find_arg, c->name.name, &derived))
		return mr_fail(err, MR_ERR_EXISTS, "%.*s is the project's own table", MR_FMT(c->name.name));
	int rc = 0;
	if (c->name.path.len)
		*path = c->name.path;
	else
		rc = lake_place(s->lake, c->name.name, c->location, &s->arena, path, err);
	return rc == 0 ? lake_at_path(s->lake, *path, table, err) : rc;
}

/* Columns that were written down, else the query's. */
static int complete(struct lake_session *s, struct creation *c, mr_str *query, struct mr_error *err)
{
	int rc = 0;
	if (c->query.len)
		rc = s->bind(s->bind_arg, c->query, &s->arena, query, err);
	if (rc == 0 && c->query.len && c->def.fields.len)
		return mr_fail(err, MR_ERR_INVALID, "a column list and a query: the query gives the columns");
	if (rc == 0 && c->clone.given)
		rc = clone_read(s, &c->clone, &c->def, err);
	if (rc == 0 && c->query.len)
		rc = definition_of_query(&c->def, s->conn, *query, err);
	return rc == 0 ? definition_check(&c->def, err) : rc;
}

/* Ids go on where those of the table that is replaced end. */
static int map_columns(struct lake_session *s, struct creation *c, const struct delta_snapshot *before,
		       struct mr_error *err)
{
	static const char key[] = "delta.columnMapping.maxColumnId";
	mr_str max = before ? delta_property(before, key) : MR_STR_NULL;
	if (max.len && definition_is_mapped(&c->def))
		definition_set(&c->def, mr_str_from(key), max);
	return definition_map(&c->def, MR_STR(""), false, s->lake->options.env->rng, err);
}

static const char *operation_of(const struct creation *c, bool replaces)
{
	if (c->clone.given)
		return "CLONE";
	if (c->query.len)
		return replaces ? "CREATE OR REPLACE TABLE AS SELECT" : "CREATE TABLE AS SELECT";
	return replaces ? "CREATE OR REPLACE TABLE" : "CREATE TABLE";
}

/* What CLUSTER BY says; a clone has its source's; a table that is replaced without has none any more. */
static int choose_domain(struct lake_session *s, struct creation *c, struct delta_table *table,
			 const struct delta_snapshot *before, struct delta_commit *commit,
			 struct delta_domain *domain, struct mr_error *err)
{
	struct clustering had = {0};
	int rc = 0;
	if (!c->cluster.given && c->clone.given)
		rc = cluster_read(c->clone.table, c->clone.snapshot, &s->arena, &c->cluster, err);
	if (rc == 0 && !c->cluster.count && before)
		rc = cluster_read(table, before, &s->arena, &had, err);
	if (rc < 0 || !(c->cluster.given || had.given))
		return rc;
	rc = cluster_domain(&c->cluster, &c->def, domain, err);
	commit->domains = domain;
	commit->domain_count = 1;
	return rc;
}

/* The rows of AS are files of a table that is about to be: a handle's snapshot has none yet. */
static int commit_creation(struct lake_session *s, struct creation *c, struct delta_table *table,
			   struct delta_snapshot *before, mr_str query, struct mr_error *err)
{
	const char *features[DEFINITION_FEATURES_MAX + 2];
	char id[37];
	rng_uuid(s->lake->options.env->rng, id);
	c->def.id = before ? delta_table_id(before) : arena_copy(&s->arena, mr_str_from(id));
	c->def.created_ms = clock_wall_ms(s->lake->options.env->clock);
	int rc = map_columns(s, c, before, err);
	if (rc < 0)
		return rc;
	struct mr_buf metadata = {0};
	definition_write(&c->def, &metadata);
	struct delta_commit commit = {.operation = operation_of(c, before != NULL),
				      .operation_parameters = c->clone.parameters,
				      .files = c->clone.files,
				      .file_count = c->clone.file_count,
				      .metadata = mr_buf_view(&metadata),
				      .features = features,
				      .feature_count = definition_features(&c->def, features),
				      .creates = !before,
				      .base = before,
				      .overwrite = before != NULL,
				      .reads_table = before != NULL,
				      .enforced = true};
	if (c->clone.has_vectors)
		features[commit.feature_count++] = "deletionVectors";
	struct delta_domain domain;
	rc = choose_domain(s, c, table, before, &commit, &domain, err);
	if (rc == 0 && commit.domain_count)
		features[commit.feature_count++] = CLUSTER_FEATURE;
	struct delta_file *files;
	int64_t version;
	if (rc == 0 && c->query.len)
		rc = delta_write_files_for(table, mr_buf_view(&metadata), s->conn, query, &s->arena, &files,
					   &commit.file_count, err);
	if (rc == 0 && c->query.len)
		commit.files = files;
	if (rc == 0)
		rc = delta_commit(table, &commit, &version, err);
	mr_buf_release(&metadata);
	return rc;
}

static int create(struct lake_session *s, struct parser *p, struct creation *c, struct mr_buf *report)
{
	struct delta_table *table;
	struct delta_snapshot *before = NULL;
	mr_str path, query = MR_STR("");
	int rc = find_place(s, c, &table, &path, p->err);
	if (rc < 0)
		return rc;
	rc = delta_snapshot(table, &before, p->err);
	if (rc < 0 && rc != MR_ERR_NOT_FOUND)
		return rc;
	bool exists = rc == 0;
	/* Spark takes a table that is at the LOCATION for the one that is meant. */
	bool adopts = exists && !c->def.fields.len && !c->query.len && !c->clone.given && c->location.len;
	rc = 0;
	if (exists && !c->replace && !c->if_absent && !adopts)
		rc =
		    mr_fail(p->err, MR_ERR_EXISTS, "there is a Delta table at %s already", delta_name(table));
	bool work = rc == 0 && (!exists || c->replace);
	if (work)
		rc = complete(s, c, &query, p->err);
	if (work && rc == 0)
		rc = commit_creation(s, c, table, exists ? before : NULL, query, p->err);
	if (rc == 0 && !c->name.path.len)
		rc = lake_register(s->lake, c->name.name, path, p->err);
	if (exists)
		delta_snapshot_unref(before);
	if (rc == 0)
		mr_buf_printf(report, "SELECT %s AS created", work ? "true" : "false");
	return rc < 0 ? rc : 1;
}

static int run(struct lake_session *s, struct parser *p, struct mr_buf *report, bool replace)
{
	struct creation c = {.replace = replace};
	definition_init(&c.def, &s->arena);
	/* What is not written as Spark writes it may be DuckDB's. */
	struct mr_error *err = p->err;
	int rc = parse(s, p, &c);
	if (rc == 0 || !is_duckdbs(s, &c)) {
		p->err = err;
		rc = rc < 0 ? rc : is_duckdbs(s, &c) ? 0 : create(s, p, &c, report);
	} else {
		rc = 0;
	}
	clone_release(&c.clone);
	definition_release(&c.def);
	return rc;
}

int lake_create(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	return run(s, p, report, false);
}

int lake_create_or_replace(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	return run(s, p, report, true);
}

int lake_drop(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	struct table_name name;
	struct delta_table *table;
	bool derived, if_exists = parser_take(p, "if exists");
	int rc = parser_table(p, &name);
	if (rc < 0)
		return rc;
	if (name.path.len)
		return mr_fail(p->err, MR_ERR_UNSUPPORTED,
			       "DROP TABLE takes a name; remove the folder by hand");
	if (s->lake->options.find && s->lake->options.find(s->lake->options.find_arg, name.name, &derived))
		return mr_fail(p->err, MR_ERR_UNSUPPORTED,
			       "%.*s is the project's: take it out of millrace.yml", MR_FMT(name.name));
	rc = lake_resolve(s, &name, true, &table, p->err);
	if (rc == 1 && (!if_exists || !s->lake->tables_dir))
		return 0; /* DuckDB's, or nobody's: it says so */
	if (rc == 0)
		rc = lake_forget(s->lake, name.name, p->err);
	if (rc >= 0)
		mr_buf_printf(report, "SELECT %s AS dropped", rc == 0 ? "true" : "false");
	return rc < 0 ? rc : 1;
}
