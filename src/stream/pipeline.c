/* stream/pipeline.c - SQL files into flows: parsed one by one, then resolved against each other,
 * then put in order. */
#include "stream/pipeline.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/vec.h"
#include "conf/nearest.h"
#include "stream/ddl.h"
#include "stream/statement.h"
#include "stream/translate.h"

#include <strings.h>

enum mark { UNSEEN, VISITING, DONE, LEFT_OUT };

struct node { /* one statement that parsed */
	struct flow flow;
	const struct pipeline_file *file;
	struct token *tokens;
	size_t token_count;
	struct ddl ddl;
	struct table_ref *refs; /* one a source; token numbers from the query's first */
	struct flow_source *sources;
	enum mark mark;
};

struct pipeline {
	struct arena arena;
	MR_VEC(struct node *) nodes;
	MR_VEC(const struct flow *) flows;
	MR_VEC(struct mr_error) errors;
	struct mr_map by_name; /* name -> node */
	const mr_str *known;
	size_t known_count;
};

/* Keep an error with its place: `at` is an offset in the file's text. */
static void report(struct pipeline *p, const struct pipeline_file *file, size_t at, size_t width,
		   struct mr_error *err)
{
	int line, column;
	text_place(file->text, at, &line, &column);
	mr_error_where(err, file->path, line, column);
	text_caret(file->text, at, width, err);
	mr_vec_push(&p->errors, *err);
}

/* ---- parsing ---- */

static void find_sources(struct pipeline *p, struct node *node)
{
	const struct token *query = node->tokens + node->ddl.query_token;
	size_t count = find_tables(query, node->token_count - node->ddl.query_token, &p->arena, &node->refs);
	struct flow_source *sources = arena_calloc(&p->arena, count + 1, sizeof *sources);
	for (size_t i = 0; i < count; i++) {
		sources[i].name = ddl_name(&query[node->refs[i].first], node->refs[i].count, &p->arena);
		sources[i].stream = node->refs[i].stream_word != SIZE_MAX;
		sources[i].options = STREAM_OPTIONS_DEFAULT;
	}
	node->flow.sources = node->sources = sources;
	node->flow.source_count = count;
}

/* STREAM t WITH (...) of every source. */
static int read_options(struct pipeline *p, struct node *node, size_t *error_token, struct mr_error *err)
{
	int rc = 0;
	for (size_t i = 0; i < node->flow.source_count && rc == 0; i++) {
		const struct table_ref *ref = &node->refs[i];
		if (ref->with_word == SIZE_MAX)
			continue;
		size_t first = node->ddl.query_token + ref->with_word + 2, at = 0;
		rc = stream_options_parse(&node->tokens[first], ref->with_count - 3, &p->arena,
					  &node->sources[i].options, &at, err);
		*error_token = first + at;
	}
	return rc;
}

static int parse_statement(struct pipeline *p, const struct pipeline_file *file, mr_str statement)
{
	struct mr_error err;
	size_t base = (size_t)(statement.ptr - file->text.ptr), at = 0, error_token = 0;
	struct node *node = arena_calloc(&p->arena, 1, sizeof *node);
	node->file = file;
	int rc = sql_lex(statement, DIALECT_SPARK, &p->arena, &node->tokens, &node->token_count, &at, &err);
	if (rc < 0) {
		report(p, file, base + at, 1, &err);
		return rc;
	}
	rc = ddl_parse(node->tokens, node->token_count, &p->arena, &node->ddl, &error_token, &err);
	if (rc < 0) {
		const struct token *t = &node->tokens[error_token];
		report(p, file, base + t->at, t->text.len, &err);
		return rc;
	}
	const struct token *first = &node->tokens[node->ddl.query_token];
	node->flow = (struct flow){.kind = node->ddl.kind,
				   .name = node->ddl.name,
				   .file = file->path,
				   .spark_query = mr_str_tail(statement, first->at),
				   .partition_by = node->ddl.partition_by,
				   .partition_count = node->ddl.partition_count,
				   .comment = node->ddl.comment};
	const struct token *name = &node->tokens[node->ddl.name_token];
	int column;
	text_place(file->text, base + name->at, &node->flow.line, &node->flow.column);
	text_place(file->text, base + first->at, &node->flow.query_line, &column);
	if (mr_map_get(&p->by_name, node->flow.name)) {
		mr_fail(&err, MR_ERR_EXISTS, "table %.*s is defined twice", MR_FMT(node->flow.name));
		report(p, file, base + name->at, name->text.len, &err);
		return MR_ERR_EXISTS;
	}
	find_sources(p, node);
	rc = read_options(p, node, &error_token, &err);
	if (rc < 0) {
		const struct token *t = &node->tokens[error_token];
		report(p, file, base + t->at, t->text.len, &err);
		return rc;
	}
	mr_vec_push(&p->nodes, node);
	mr_map_put(&p->by_name, node->flow.name, node);
	return 0;
}

/* ---- rules of streaming tables ---- */

/* What would need state, at the query's top level. NULL when nothing does. */
static const struct token *stateful_token(const struct node *node)
{
	static const char *const words[] = {"group", "distinct", "order", "limit", "having", "qualify"};
	static const char *const aggregates[] = {"count", "sum",          "avg",        "min",
						 "max",   "collect_list", "collect_set"};
	for (size_t i = node->ddl.query_token; i < node->token_count; i++) {
		const struct token *t = &node->tokens[i];
		for (size_t n = 0; n < MR_COUNT(words); n++) {
			bool from_distinct = token_is(t, "distinct") && token_is(&t[1], "from");
			if (token_is(t, words[n]) && !from_distinct)
				return t;
		}
		for (size_t n = 0; n < MR_COUNT(aggregates); n++) {
			if (token_is(t, aggregates[n]) && token_is(&t[1], "("))
				return t;
		}
	}
	return NULL;
}

static int check_streaming(const struct node *node, const struct token **at, struct mr_error *err)
{
	*at = &node->tokens[node->ddl.name_token];
	if (node->flow.source_count > FLOW_SOURCES_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "a flow reads at most %d tables", FLOW_SOURCES_MAX);
	size_t streams = 0;
	for (size_t i = 0; i < node->flow.source_count; i++) {
		const struct table_ref *ref = &node->refs[i];
		if (!node->flow.sources[i].stream)
			continue;
		*at = &node->tokens[node->ddl.query_token + ref->first];
		if (node->flow.kind == FLOW_MATERIALIZED_VIEW)
			return mr_fail(err, MR_ERR_INVALID, "a materialized view reads tables, not STREAMs");
		streams++;
	}
	if (node->flow.kind != FLOW_STREAMING_TABLE)
		return 0;
	if (streams != 1)
		return mr_fail(err, MR_ERR_INVALID,
			       "a streaming table reads exactly one STREAM, this one reads %zu", streams);
	const struct token *stateful = stateful_token(node);
	if (!stateful)
		return 0;
	*at = stateful;
	return mr_fail(err, MR_ERR_UNSUPPORTED,
		       "%.*s over a STREAM needs state, which is not supported; use a MATERIALIZED VIEW",
		       MR_FMT(stateful->text));
}

/* ---- resolving and ordering ---- */

static bool is_known(const struct pipeline *p, mr_str name)
{
	for (size_t i = 0; i < p->known_count; i++) {
		if (p->known[i].len == name.len && strncasecmp(p->known[i].ptr, name.ptr, name.len) == 0)
			return true;
	}
	return false;
}

static int unknown_table(const struct pipeline *p, mr_str name, struct mr_error *err)
{
	MR_VEC(const char *) names = {0};
	for (size_t i = 0; i < p->nodes.len; i++)
		mr_vec_push(&names, mr_strndup(p->nodes.items[i]->flow.name));
	for (size_t i = 0; i < p->known_count; i++)
		mr_vec_push(&names, mr_strndup(p->known[i]));
	const char *near = conf_nearest(name, names.items, names.len);
	int rc = mr_fail(err, MR_ERR_NOT_FOUND, "table %.*s does not exist%s%s%s", MR_FMT(name),
			 near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	for (size_t i = 0; i < names.len; i++)
		free((char *)names.items[i]);
	mr_vec_release(&names);
	return rc;
}

struct quoting {
	struct arena *arena;
};

/* Every table as a quoted path: what the catalogue's views are called. */
static mr_str quoted_table(void *arg, const struct token *first, size_t count, bool stream)
{
	(void)stream;
	struct quoting *q = arg;
	mr_str name = ddl_name(first, count, q->arena);
	struct mr_buf out = {0};
	mr_buf_char(&out, '"');
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] == '.')
			mr_buf_cstr(&out, "\".\"");
		else
			mr_buf_char(&out, name.ptr[i]);
	}
	mr_buf_char(&out, '"');
	mr_str copy = arena_copy(q->arena, mr_buf_view(&out));
	mr_buf_release(&out);
	return copy;
}

static void translate(struct pipeline *p, struct node *node)
{
	struct quoting quoting = {&p->arena};
	/* Tokens hold offsets into their statement. */
	const struct token *first = &node->tokens[0];
	mr_str statement =
	    mr_str_n(first->text.ptr - first->at,
		     node->tokens[node->token_count].at + node->tokens[node->token_count].text.len);
	struct translation t = {
	    .text = statement, .dialect = DIALECT_SPARK, .table = quoted_table, .table_arg = &quoting};
	struct mr_buf out = {0};
	translate_tokens(&t, node->tokens + node->ddl.query_token, node->token_count - node->ddl.query_token,
			 &p->arena, &out);
	node->flow.query = arena_copy(&p->arena, mr_buf_view(&out));
	mr_buf_release(&out);
}

static int visit(struct pipeline *p, struct node *node);

static int resolve(struct pipeline *p, struct node *node, const struct token **at, struct mr_error *err)
{
	int rc = check_streaming(node, at, err);
	for (size_t i = 0; i < node->flow.source_count && rc == 0; i++) {
		mr_str name = node->flow.sources[i].name;
		struct node *source = mr_map_get(&p->by_name, name);
		*at = &node->tokens[node->ddl.query_token + node->refs[i].first];
		if (!source) {
			rc = is_known(p, name) ? 0 : unknown_table(p, name, err);
		} else if (source->mark == VISITING) {
			rc = mr_fail(err, MR_ERR_INVALID, "%.*s and %.*s read each other in a circle",
				     MR_FMT(node->flow.name), MR_FMT(name));
		} else if (visit(p, source) < 0) {
			rc = mr_fail(err, MR_ERR_NOT_FOUND, "%.*s is left out because %.*s is",
				     MR_FMT(node->flow.name), MR_FMT(name));
		}
	}
	return rc;
}

/* Depth first: a flow is listed behind all it reads. Negative when it is left out. */
static int visit(struct pipeline *p, struct node *node)
{
	if (node->mark == DONE)
		return 0;
	if (node->mark == LEFT_OUT)
		return MR_ERR_INVALID;
	node->mark = VISITING;
	struct mr_error err;
	const struct token *at;
	int rc = resolve(p, node, &at, &err);
	if (rc < 0) {
		node->mark = LEFT_OUT;
		size_t offset = (size_t)(at->text.ptr - node->file->text.ptr);
		size_t width = at->text.len;
		report(p, node->file, offset, width, &err);
		return rc;
	}
	node->mark = DONE;
	translate(p, node);
	mr_vec_push(&p->flows, &node->flow);
	return 0;
}

int pipeline_load(const struct pipeline_file *files, size_t file_count, const mr_str *known,
		  size_t known_count, struct pipeline **out, struct mr_error *err)
{
	(void)err;
	struct pipeline *p = mr_calloc(1, sizeof *p);
	p->known = known;
	p->known_count = known_count;
	struct pipeline_file *kept = arena_alloc(&p->arena, (file_count + 1) * sizeof *kept);
	for (size_t i = 0; i < file_count; i++) {
		kept[i] = (struct pipeline_file){arena_strdup(&p->arena, files[i].path),
						 arena_copy(&p->arena, files[i].text)};
		mr_str rest = kept[i].text;
		for (mr_str statement; (statement = statement_next(&rest)).len;)
			(void)!parse_statement(p, &kept[i], statement); /* its error is kept */
	}
	for (size_t i = 0; i < p->nodes.len; i++)
		(void)!visit(p, p->nodes.items[i]);
	p->known = NULL; /* the caller's */
	p->known_count = 0;
	*out = p;
	return 0;
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	mr_vec_release(&p->nodes);
	mr_vec_release(&p->flows);
	mr_vec_release(&p->errors);
	mr_map_release(&p->by_name);
	arena_release(&p->arena);
	free(p);
}

size_t pipeline_flows(const struct pipeline *p, const struct flow *const **out)
{
	*out = p->flows.items;
	return p->flows.len;
}

size_t pipeline_errors(const struct pipeline *p, const struct mr_error **out)
{
	*out = p->errors.items;
	return p->errors.len;
}

/* DuckDB has a catalogue of the name "system", so system.x would be ambiguous: the views stand in
 * schema "sys". */
static mr_str system_table(void *arg, const struct token *first, size_t count, bool stream)
{
	(void)stream;
	if (count != 3 || !token_is(first, "system"))
		return MR_STR("");
	return arena_printf(arg, "sys.%.*s", MR_FMT(first[2].text));
}

int spark_translate(mr_str sql, struct arena *arena, mr_str *out, struct mr_error *err)
{
	struct token *tokens;
	size_t count, at = 0;
	int rc = sql_lex(sql, DIALECT_DUCKDB, arena, &tokens, &count, &at, err);
	if (rc < 0) {
		int line, column;
		text_place(sql, at, &line, &column);
		mr_error_where(err, "query", line, column);
		return text_caret(sql, at, 1, err);
	}
	struct translation t = {
	    .text = sql, .dialect = DIALECT_DUCKDB, .table = system_table, .table_arg = arena};
	struct mr_buf text = {0};
	translate_tokens(&t, tokens, count, arena, &text);
	*out = arena_copy(arena, mr_buf_view(&text));
	mr_buf_release(&text);
	return 0;
}
