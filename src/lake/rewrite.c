/* lake/rewrite.c - tables by path and at a version, inside any query.
 *
 *   delta.`/path`  delta.`/path@v12`  delta_scan('/path' [, version => 12])
 *   silver.t VERSION AS OF 12   silver.t TIMESTAMP AS OF '2024-01-31'   silver.t@v12
 *   table_changes('silver.t', 2 [, 5])  table_changes_by_path('/path', 2 [, 5])
 *
 * Each becomes a view of the connection, of one snapshot, and its name takes the spelling's place. The views
 * are made when the whole text is known, and with it which files it can do without (delta/skip.h).
 */
#include "delta/skip.h"
#include "lake/internal.h"

#include <strings.h>

struct rewriting {
	struct lake_session *session;
	struct parser p;
	struct mr_buf out;
	size_t copied; /* bytes of the text that are in out */
};

static mr_str next_name(struct lake_session *s)
{
	return arena_printf(&s->arena, LAKE_SCHEMA ".t%zu", ++s->views);
}

static int make_view(struct lake_session *s, mr_str relation, mr_str name, struct mr_error *err)
{
	struct mr_buf sql = {0};
	mr_buf_printf(&sql,
		      "CREATE SCHEMA IF NOT EXISTS " LAKE_SCHEMA
		      "; CREATE OR REPLACE VIEW %.*s AS SELECT * FROM ",
		      MR_FMT(name));
	mr_buf_str(&sql, relation);
	int rc = sql_exec(s->conn, mr_buf_view(&sql), err);
	mr_buf_release(&sql);
	return rc;
}

/* The snapshot stays with the session until the statement is over. */
static int view_of(struct lake_session *s, struct delta_table *table, const struct table_time *time,
		   mr_str *name, struct mr_error *err)
{
	struct delta_snapshot *snapshot;
	int rc = lake_snapshot(table, time, &snapshot, err);
	if (rc < 0)
		return rc;
	mr_vec_push(&s->snapshots, snapshot);
	*name = next_name(s);
	mr_vec_push(&s->pending, (struct lake_view){*name, snapshot});
	return 0;
}

/* What the statement asks of the rows of "lake.t1". */
static const struct sql_predicate *predicate_of(mr_str name, const struct sql_table_predicate *predicates,
						size_t count)
{
	mr_str table = mr_str_tail(name, strlen(LAKE_SCHEMA "."));
	for (size_t i = 0; i < count; i++)
		if (mr_str_is(predicates[i].schema, LAKE_SCHEMA) && mr_str_eq(predicates[i].table, table))
			return predicates[i].predicate;
	return NULL;
}

int lake_make_views(struct lake_session *s, const struct sql_table_predicate *predicates, size_t count,
		    struct mr_error *err)
{
	int rc = 0;
	for (size_t i = 0; i < s->pending.len && rc == 0; i++) {
		struct lake_view *view = &s->pending.items[i];
		struct mr_buf relation = {0};
		delta_scan_where_sql(view->snapshot, predicate_of(view->name, predicates, count), &relation);
		rc = make_view(s, mr_buf_view(&relation), view->name, err);
		mr_buf_release(&relation);
	}
	s->pending.len = 0;
	return rc;
}

/* tokens[first] .. p->at are replaced by the view's name. */
static void replace(struct rewriting *r, size_t first, mr_str name)
{
	const struct token *from = &r->p.tokens[first], *last = &r->p.tokens[r->p.at - 1];
	mr_buf_append(&r->out, r->p.text.ptr + r->copied, from->at - r->copied);
	mr_buf_str(&r->out, name);
	r->copied = last->at + last->text.len;
}

/* ---- delta_scan('/path', version => 3) ---- */

static int rewrite_scan(struct rewriting *r)
{
	size_t first = r->p.at;
	mr_str path, word, name;
	struct table_time time = {0};
	struct delta_table *table;
	struct mr_error *err = r->p.err;
	r->p.at += 2;
	int rc = parser_string(&r->p, "the table's path in quotes", &path);
	if (rc == 0 && parser_take(&r->p, ",")) {
		rc = parser_word(&r->p, "version => N", &word);
		if (rc == 0 && !mr_str_is(word, "version"))
			rc = mr_fail(err, MR_ERR_INVALID, "delta_scan has no parameter %.*s", MR_FMT(word));
		if (rc == 0 && !parser_take(&r->p, ":=") && !parser_take(&r->p, "= >"))
			rc = parser_fail(&r->p, "=>");
		time.kind = TIME_VERSION;
		if (rc == 0)
			rc = parser_integer(&r->p, "a version", &time.value);
	}
	if (rc == 0)
		rc = parser_expect(&r->p, ")");
	if (rc == 0)
		rc = lake_at_path(r->session->lake, path, &table, err);
	if (rc == 0)
		rc = view_of(r->session, table, &time, &name, err);
	if (rc == 0)
		replace(r, first, name);
	return rc;
}

/* ---- table_changes('t', 3 [, 7]) ---- */

/* A version, or a time in quotes. */
static int take_bound(struct rewriting *r, struct table_time *out)
{
	if (parser_peek(&r->p)->kind == TOKEN_STRING)
		return lake_take_stamp(r->session, &r->p, out);
	out->kind = TIME_VERSION;
	return parser_integer(&r->p, "a version or a time in quotes", &out->value);
}

static int changed_table(struct rewriting *r, bool by_path, struct delta_table **table)
{
	mr_str text;
	struct parser inner;
	struct table_name name;
	struct mr_error *err = r->p.err;
	int rc = parser_string(&r->p, "the table in quotes", &text);
	if (rc == 0 && by_path)
		return lake_at_path(r->session->lake, text, table, err);
	if (rc == 0)
		rc = parser_init(&inner, text, r->p.arena, err);
	if (rc == 0)
		rc = parser_table(&inner, &name);
	if (rc == 0)
		rc = lake_resolve(r->session, &name, false, table, err);
	return rc == 1 ? mr_fail(err, MR_ERR_NOT_FOUND, "there is no Delta table %.*s", MR_FMT(text)) : rc;
}

/* The first version at or after a time is the one behind the last before it. */
static int first_version(struct delta_table *table, const struct table_time *from, int64_t *out,
			 struct mr_error *err)
{
	struct delta_snapshot *snapshot;
	*out = from->value;
	if (from->kind == TIME_VERSION)
		return 0;
	int rc = delta_snapshot_at_time(table, from->value - 1, &snapshot, err);
	if (rc == MR_ERR_NOT_FOUND) {
		*out = 0;
		return 0;
	}
	if (rc == 0) {
		*out = delta_version(snapshot) + 1;
		delta_snapshot_unref(snapshot);
	}
	return rc;
}

static int changes_view(struct lake_session *s, struct delta_table *table, const struct table_time *from,
			const struct table_time *to, mr_str *name, struct mr_error *err)
{
	struct delta_snapshot *snapshot;
	struct mr_buf relation = {0};
	int64_t version = 0;
	int rc = lake_snapshot(table, to, &snapshot, err);
	if (rc < 0)
		return rc;
	mr_vec_push(&s->snapshots, snapshot);
	rc = first_version(table, from, &version, err);
	if (rc == 0)
		rc = delta_changes_sql(table, snapshot, version, &relation, err);
	*name = next_name(s);
	if (rc == 0)
		rc = make_view(s, mr_buf_view(&relation), *name, err);
	mr_buf_release(&relation);
	return rc;
}

static int rewrite_changes(struct rewriting *r, bool by_path)
{
	size_t first = r->p.at;
	mr_str name;
	struct table_time from = {0}, to = {0};
	struct delta_table *table;
	r->p.at += 2;
	int rc = changed_table(r, by_path, &table);
	if (rc == 0)
		rc = parser_expect(&r->p, ",");
	if (rc == 0)
		rc = take_bound(r, &from);
	if (rc == 0 && parser_take(&r->p, ","))
		rc = take_bound(r, &to);
	if (rc == 0)
		rc = parser_expect(&r->p, ")");
	if (rc == 0)
		rc = changes_view(r->session, table, &from, &to, &name, r->p.err);
	if (rc == 0)
		replace(r, first, name);
	return rc;
}

/* ---- names ---- */

static bool is_name(const struct token *t)
{
	return t->kind == TOKEN_WORD || t->kind == TOKEN_NAME;
}

static bool begins_time(const struct parser *p)
{
	struct parser ahead = *p;
	return parser_take(&ahead, "version as of") || parser_take(&ahead, "for version as of") ||
	       parser_take(&ahead, "for system_version as of") || parser_take(&ahead, "timestamp as of") ||
	       parser_take(&ahead, "for timestamp as of") || parser_take(&ahead, "for system_time as of");
}

/* t@v12 without quotes: three tokens. */
static void take_suffix(struct parser *p, struct table_time *time)
{
	if (!parser_is(p, "@"))
		return;
	const struct token *word = &p->tokens[p->at + 1];
	mr_str text = arena_printf(p->arena, "@%.*s", MR_FMT(word->text));
	lake_cut_time(&text, time);
	if (time->kind != TIME_NOW)
		p->at += 2;
}

/* At a name: by path, or with a version behind it. 0: replaced, or left alone with p->at moved. */
static int rewrite_name(struct rewriting *r)
{
	struct parser *p = &r->p;
	size_t first = p->at;
	struct table_name name;
	struct table_time time = {0};
	struct delta_table *table;
	mr_str view;
	/* A name that ends in "." or ".*" is no table's, and not our fault to report. */
	size_t end = first + 1;
	while (token_is(&p->tokens[end], ".") && is_name(&p->tokens[end + 1]))
		end += 2;
	if (token_is(&p->tokens[end], ".")) {
		p->at = end + 1;
		return 0;
	}
	int rc = parser_table(p, &name);
	if (rc < 0)
		return rc;
	take_suffix(p, &time);
	if (name.path.len)
		lake_cut_time(&name.path, &time);
	if (!name.path.len && time.kind == TIME_NOW && !begins_time(p))
		return 0;
	if (time.kind == TIME_NOW)
		rc = lake_parse_time(r->session, p, &time);
	if (rc == 0)
		rc = lake_resolve(r->session, &name, false, &table, p->err);
	if (rc == 1)
		rc = mr_fail(p->err, MR_ERR_NOT_FOUND, "there is no Delta table %.*s", MR_FMT(name.text));
	if (rc == 0)
		rc = view_of(r->session, table, &time, &view, p->err);
	if (rc == 0)
		replace(r, first, view);
	return rc;
}

static int rewrite_all(struct rewriting *r)
{
	struct parser *p = &r->p;
	int rc = 0;
	while (rc == 0 && !parser_at_end(p)) {
		bool called = token_is(&p->tokens[p->at + 1], "(") && is_name(parser_peek(p));
		if (called && parser_is(p, "delta_scan"))
			rc = rewrite_scan(r);
		else if (called && parser_is(p, "table_changes"))
			rc = rewrite_changes(r, false);
		else if (called && parser_is(p, "table_changes_by_path"))
			rc = rewrite_changes(r, true);
		else if (is_name(parser_peek(p)) && !called)
			rc = rewrite_name(r);
		else
			p->at++;
	}
	return rc;
}

/* Most statements name nothing of ours: they are not even taken apart. */
static bool may_name_ours(mr_str sql)
{
	static const char *const words[] = {"delta", "as of", "@", "table_changes"};
	for (size_t i = 0; i < MR_COUNT(words); i++) {
		size_t n = strlen(words[i]);
		for (size_t at = 0; at + n <= sql.len; at++)
			if (strncasecmp(sql.ptr + at, words[i], n) == 0)
				return true;
	}
	return false;
}

int lake_rewrite(struct lake_session *session, mr_str sql, struct arena *arena, mr_str *out,
		 struct mr_error *err)
{
	struct rewriting r = {.session = session};
	if (!may_name_ours(sql) || parser_init(&r.p, sql, arena, NULL) < 0) {
		*out = sql; /* what cannot be lexed is the engine's to report */
		return 0;
	}
	r.p.err = err;
	int rc = rewrite_all(&r);
	if (rc == 0) {
		mr_buf_append(&r.out, sql.ptr + r.copied, sql.len - r.copied);
		*out = arena_copy(arena, mr_buf_view(&r.out));
	}
	mr_buf_release(&r.out);
	return rc;
}

/* ---- does it touch files? ---- */

static bool is_file_function(const struct token *t)
{
	static const char *const starts[] = {"read_", "parquet_",  "delta_scan",
					     "glob",  "sniff_csv", "table_changes_by_path"};
	if (!is_name(t) || !token_is(t + 1, "("))
		return false;
	mr_str name = t->kind == TOKEN_NAME ? mr_str_tail(t->text, 1) : t->text;
	for (size_t i = 0; i < MR_COUNT(starts); i++)
		if (name.len >= strlen(starts[i]) && strncasecmp(name.ptr, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

bool lake_names_files(mr_str text)
{
	struct arena arena = {0};
	struct parser p;
	bool found = false;
	if (parser_init(&p, text, &arena, NULL) < 0)
		p.count = 0;
	for (p.at = 0; p.at < p.count && !found; p.at++) {
		const struct token *t = parser_peek(&p);
		bool begins = p.at == 0 || token_is(t - 1, ";");
		bool format = token_is(t, "delta") || token_is(t, "parquet");
		bool by_path =
		    format && token_is(t + 1, ".") && p.at + 2 < p.count && t[2].kind == TOKEN_NAME;
		bool file_as_table =
		    (token_is(t, "from") || token_is(t, "join")) && t[1].kind == TOKEN_STRING;
		bool location = token_is(t, "location") && t[1].kind == TOKEN_STRING;
		found = by_path || file_as_table || location || is_file_function(t) ||
			(begins && token_is(t, "copy"));
	}
	arena_release(&arena);
	return found;
}
