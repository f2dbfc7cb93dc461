/* lake/alter.c - ALTER TABLE: a new metaData action, and nothing else.
 *
 *   ADD COLUMN[S] (name TYPE ..., ...) | SET TBLPROPERTIES (...) | UNSET TBLPROPERTIES [IF EXISTS] (...)
 *   ADD CONSTRAINT name CHECK (condition) | DROP CONSTRAINT [IF EXISTS] name
 *   {ALTER | CHANGE} [COLUMN] name {SET NOT NULL | DROP NOT NULL | COMMENT '...' | SET DEFAULT e |
 *                                   DROP DEFAULT | TYPE t}
 *   DROP FEATURE name [TRUNCATE HISTORY]
 *   CLUSTER BY {(a, ...) | NONE}
 *   RENAME COLUMN a TO b | DROP COLUMN[S] [IF EXISTS] a | (a, ...)
 * RENAME, DROP and TYPE take fields of nested columns too: a.b, a.element.b, a.value.b.
 *
 * What is asked of rows is first asked of those that are there.
 */
#include "lake/change.h"
#include "lake/cluster.h"
#include "lake/define.h"
#include "lake/retire.h"

struct alteration {
	struct change c;
	struct definition def;
	const char *operation;
	struct clustering cluster;
	bool waits; /* the feature goes with a later statement */
};

static mr_str quoted(struct arena *arena, mr_str text)
{
	struct mr_buf out = {0};
	json_quote(&out, text);
	mr_str copy = arena_copy(arena, mr_buf_view(&out));
	mr_buf_release(&out);
	return copy;
}

static int add_columns(struct alteration *a, struct parser *p)
{
	bool many = parser_take(p, "(");
	int rc = 0;
	do {
		struct field field;
		rc = parse_field(p, &field);
		if (rc == 0 && (parser_is(p, "first") || parser_is(p, "after")))
			return mr_fail(p->err, MR_ERR_UNSUPPORTED,
				       "new columns come last: no FIRST, no AFTER");
		if (rc == 0 && field.not_null)
			return mr_fail(
			    p->err, MR_ERR_INVALID,
			    "column %.*s cannot be NOT NULL: rows that are there have no value for it",
			    MR_FMT(field.name));
		if (rc == 0 && field_get(&field, "CURRENT_DEFAULT", p->arena).len)
			return mr_fail(
			    p->err, MR_ERR_UNSUPPORTED,
			    "a column with a default cannot be added to rows that are there; add it, then "
			    "ALTER COLUMN ... SET DEFAULT");
		if (rc == 0)
			mr_vec_push(&a->def.fields, field);
	} while (rc == 0 && many && parser_take(p, ","));
	a->operation = "ADD COLUMNS";
	return rc == 0 && many ? parser_expect(p, ")") : rc;
}

/* MR_ERR_INVALID when rows are there for which the condition is not true. */
static int check_rows(struct alteration *a, mr_str condition, mr_str what, struct mr_error *err)
{
	size_t *chosen, count;
	int64_t rows = 0;
	struct mr_buf negated = {0};
	mr_buf_printf(&negated, "(%.*s) IS NOT TRUE", MR_FMT(condition));
	int rc = change_find(&a->c, mr_buf_view(&negated), &chosen, &count, &rows, err);
	mr_buf_release(&negated);
	if (rc == 0 && rows)
		rc = mr_fail(err, MR_ERR_INVALID, "%lld rows of the table violate %.*s", (long long)rows,
			     MR_FMT(what));
	return rc;
}

static int add_constraint(struct alteration *a, struct parser *p)
{
	mr_str name, text, condition;
	int rc = parser_word(p, "the constraint's name", &name);
	if (rc == 0)
		rc = parser_expect(p, "check");
	if (rc == 0)
		rc = parser_parentheses(p, &text);
	if (rc < 0)
		return rc;
	mr_str key = arena_printf(p->arena, "delta.constraints.%.*s", MR_FMT(name));
	if (definition_property(&a->def, key.ptr).ptr)
		return mr_fail(p->err, MR_ERR_EXISTS, "there is a constraint %.*s already", MR_FMT(name));
	rc = lake_expression(a->c.s, text, &condition, p->err);
	if (rc == 0)
		rc = check_rows(a, condition, text, p->err);
	if (rc == 0)
		definition_set(&a->def, key, text);
	a->operation = "ADD CONSTRAINT";
	return rc;
}

static int drop_constraint(struct alteration *a, struct parser *p)
{
	mr_str name;
	bool if_exists = parser_take(p, "if exists");
	int rc = parser_word(p, "the constraint's name", &name);
	a->operation = "DROP CONSTRAINT";
	if (rc == 0 &&
	    !definition_unset(&a->def, arena_printf(p->arena, "delta.constraints.%.*s", MR_FMT(name))) &&
	    !if_exists)
		return mr_fail(p->err, MR_ERR_NOT_FOUND, "there is no constraint %.*s", MR_FMT(name));
	return rc;
}

static int unset_properties(struct alteration *a, struct parser *p)
{
	bool if_exists = parser_take(p, "if exists");
	int rc = parser_expect(p, "(");
	a->operation = "UNSET TBLPROPERTIES";
	while (rc == 0) {
		mr_str key;
		rc = parser_string(p, "a property's name in quotes", &key);
		if (rc == 0 && !definition_unset(&a->def, key) && !if_exists)
			return mr_fail(p->err, MR_ERR_NOT_FOUND, "the table has no property %.*s",
				       MR_FMT(key));
		if (rc == 0 && !parser_take(p, ","))
			return parser_expect(p, ")");
	}
	return rc;
}

static int set_not_null(struct alteration *a, struct field *field, struct mr_error *err)
{
	struct mr_buf condition = {0};
	sql_quote_name(&condition, field->name);
	mr_buf_cstr(&condition, " IS NOT NULL");
	int rc = check_rows(a, mr_buf_view(&condition),
			    arena_printf(&a->c.s->arena, "%.*s NOT NULL", MR_FMT(field->name)), err);
	mr_buf_release(&condition);
	field->not_null = true;
	return rc;
}

#define PATH_MAX_PARTS 32

/* A column, or a field in it. */
struct column_path {
	mr_str parts[PATH_MAX_PARTS];
	size_t count;
	struct field *top; /* NULL: the table has no such column */
};

static int take_path(struct alteration *a, struct parser *p, struct column_path *out)
{
	int rc = parser_word(p, "a column's name", &out->parts[0]);
	out->count = 1;
	while (rc == 0 && parser_take(p, ".")) {
		if (out->count == PATH_MAX_PARTS)
			return mr_fail(p->err, MR_ERR_LIMIT, "columns nest deeper than %d", PATH_MAX_PARTS);
		rc = parser_word(p, "a field's name", &out->parts[out->count++]);
	}
	out->top = rc == 0 ? definition_find(&a->def, out->parts[0]) : NULL;
	return rc;
}

static int no_column(const struct column_path *path, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOT_FOUND, "the table has no column %.*s", MR_FMT(path->parts[0]));
}

static int alter_column(struct alteration *a, struct parser *p)
{
	mr_str text;
	struct column_path path;
	parser_take(p, "column");
	int rc = take_path(a, p, &path);
	struct field *field = path.top;
	a->operation = "CHANGE COLUMN";
	if (rc == 0 && !field)
		return no_column(&path, p->err);
	if (rc < 0)
		return rc;
	if (path.count > 1) {
		rc = parser_expect(p, "type");
		if (rc == 0)
			rc = parse_type(p, &text);
		return rc == 0 ? nested_widen(&a->def, field, path.parts + 1, path.count - 1, text, p->err)
			       : rc;
	}
	if (parser_take(p, "set not null"))
		return set_not_null(a, field, p->err);
	if (parser_take(p, "drop not null")) {
		field->not_null = false;
		return 0;
	}
	if (parser_take(p, "drop default")) {
		field_set(field, "CURRENT_DEFAULT", MR_STR(""), p->arena);
		return 0;
	}
	if (parser_take(p, "set default")) {
		text = parser_rest(p);
		field_set(field, "CURRENT_DEFAULT", quoted(p->arena, text), p->arena);
		return 0;
	}
	if (parser_take(p, "type")) {
		rc = parse_type(p, &text);
		return rc == 0 ? definition_widen(&a->def, field, text, p->err) : rc;
	}
	rc = parser_expect(p, "comment");
	if (rc == 0)
		rc = parser_string(p, "the comment in quotes", &text);
	if (rc == 0)
		field_set(field, "comment", quoted(p->arena, text), p->arena);
	return rc;
}

static int rename_column(struct alteration *a, struct parser *p)
{
	struct column_path path;
	mr_str to;
	a->operation = "RENAME COLUMN";
	int rc = take_path(a, p, &path);
	if (rc == 0)
		rc = parser_expect(p, "to");
	if (rc == 0)
		rc = parser_word(p, "the column's new name", &to);
	if (rc < 0 || path.count == 1)
		return rc < 0 ? rc : definition_rename(&a->def, path.parts[0], to, p->err);
	rc =
	    path.top ? definition_check_free(&a->def, path.top, "renamed", p->err) : no_column(&path, p->err);
	return rc == 0 ? nested_rename(&a->def, path.top, path.parts + 1, path.count - 1, to, p->err) : rc;
}

static int drop_one(struct alteration *a, const struct column_path *path, bool if_exists,
		    struct mr_error *err)
{
	if (!path->top && if_exists)
		return 0;
	if (path->count == 1) {
		int rc = cluster_check_drop(a->c.table, a->c.base, path->parts[0], a->def.arena, err);
		return rc == 0 ? definition_drop(&a->def, path->parts[0], err) : rc;
	}
	int rc = path->top ? definition_check_free(&a->def, path->top, "dropped", err) : no_column(path, err);
	if (rc == 0)
		rc = nested_drop(&a->def, path->top, path->parts + 1, path->count - 1, err);
	return rc == MR_ERR_NOT_FOUND && if_exists ? 0 : rc;
}

static int drop_columns(struct alteration *a, struct parser *p)
{
	bool if_exists = parser_take(p, "if exists"), many = parser_take(p, "(");
	int rc;
	a->operation = "DROP COLUMNS";
	do {
		struct column_path path;
		rc = take_path(a, p, &path);
		if (rc == 0)
			rc = drop_one(a, &path, if_exists, p->err);
	} while (rc == 0 && many && parser_take(p, ","));
	return rc == 0 && many ? parser_expect(p, ")") : rc;
}

/* delta.feature.NAME = supported, which asked for it, goes too. */
static int drop_feature(struct alteration *a, struct parser *p)
{
	mr_str name;
	a->operation = "DROP FEATURE";
	int rc = parser_word(p, "a table feature", &name);
	if (rc < 0)
		return rc;
	a->c.drops_feature = arena_copy(p->arena, name).ptr;
	bool truncates = parser_take(p, "truncate history");
	if (mr_str_is(name, "deletionVectors")) {
		rc = retire_vectors(&a->c, &a->def, truncates, p->err);
		if (rc == 1) {
			a->operation = "REORG";
			a->c.drops_feature = NULL;
			a->waits = true;
		}
		if (rc != 0)
			return rc < 0 ? rc : 0;
	}
	definition_unset(&a->def, arena_printf(p->arena, "delta.feature.%.*s", MR_FMT(name)));
	return 0;
}

static int change(struct alteration *a, struct parser *p)
{
	if (parser_take(p, "add column") || parser_take(p, "add columns"))
		return add_columns(a, p);
	if (parser_take(p, "add constraint"))
		return add_constraint(a, p);
	if (parser_take(p, "drop constraint"))
		return drop_constraint(a, p);
	if (parser_take(p, "set tblproperties")) {
		a->operation = "SET TBLPROPERTIES";
		return parse_properties(p, &a->def);
	}
	if (parser_take(p, "unset tblproperties"))
		return unset_properties(a, p);
	if (parser_take(p, "alter") || parser_take(p, "change"))
		return alter_column(a, p);
	if (parser_take(p, "drop feature"))
		return drop_feature(a, p);
	if (parser_take(p, "rename column"))
		return rename_column(a, p);
	if (parser_take(p, "drop column") || parser_take(p, "drop columns"))
		return drop_columns(a, p);
	if (parser_take(p, "cluster by")) {
		a->operation = "CLUSTER BY";
		return cluster_parse(p, &a->cluster);
	}
	return parser_fail(
	    p, "ADD, ALTER, SET, UNSET, CLUSTER BY, RENAME COLUMN, DROP COLUMN, FEATURE or CONSTRAINT");
}

static int commit(struct alteration *a, struct mr_error *err)
{
	struct mr_buf metadata = {0};
	mr_str mode = delta_property(a->c.base, "delta.columnMapping.mode");
	int rc = definition_map(&a->def, mode, true, a->c.s->lake->options.env->rng, err);
	if (rc == 0)
		rc = definition_check(&a->def, err);
	definition_write(&a->def, &metadata);
	a->c.metadata = mr_buf_view(&metadata);
	const char *wanted[DEFINITION_FEATURES_MAX + 1];
	struct delta_domain domain;
	a->c.feature_count = definition_features(&a->def, wanted);
	if (rc == 0 && a->cluster.given) {
		wanted[a->c.feature_count++] = CLUSTER_FEATURE;
		a->c.domain = &domain;
		rc = cluster_domain(&a->cluster, &a->def, &domain, err);
	}
	a->c.features = wanted;
	if (rc == 0)
		rc = change_commit(&a->c, a->operation, "{}", err);
	a->c.features = NULL;
	a->c.domain = NULL;
	mr_buf_release(&metadata);
	return rc;
}

int lake_alter(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	struct table_name name;
	struct delta_table *table;
	struct alteration a = {0};
	int rc = parser_table(p, &name);
	if (rc == 0)
		rc = lake_resolve(s, &name, false, &table, p->err);
	if (rc != 0)
		return rc < 0 ? rc : 0; /* 1: DuckDB's table, or nobody's */
	rc = change_open(&a.c, s, table, p->err);
	if (rc < 0)
		return rc;
	definition_init(&a.def, &s->arena);
	rc = definition_read(&a.def, delta_metadata_json(a.c.base), p->err);
	if (rc == 0)
		rc = change(&a, p);
	if (rc == 0)
		rc = parser_end(p);
	if (rc == 0)
		rc = commit(&a, p->err);
	definition_release(&a.def);
	change_close(&a.c);
	if (rc == 0 && a.waits)
		rc = retire_wait(p->err);
	if (rc == 0)
		mr_buf_cstr(report, "SELECT true AS altered");
	return rc < 0 ? rc : 1;
}
