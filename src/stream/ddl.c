#include "stream/ddl.h"

#include "base/buf.h"
#include "base/vec.h"

#include <ctype.h>

struct parser {
	const struct token *tokens;
	size_t count;
	size_t at;
	struct arena *arena;
	struct mr_error *err;
};

static bool take(struct parser *p, const char *word)
{
	if (!token_is(&p->tokens[p->at], word))
		return false;
	p->at++;
	return true;
}

static int expect(struct parser *p, const char *word)
{
	if (take(p, word))
		return 0;
	mr_str got = p->tokens[p->at].text;
	return mr_fail(p->err, MR_ERR_INVALID, "expected %s, found %s%.*s%s", word, got.len ? "'" : "the end",
		       MR_FMT(got), got.len ? "'" : "");
}

static int refuse(struct parser *p, const char *what, const char *way_out)
{
	return mr_fail(p->err, MR_ERR_UNSUPPORTED, "%s is not supported%s%s", what, way_out ? "; " : "",
		       way_out ? way_out : "");
}

mr_str ddl_name(const struct token *tokens, size_t count, struct arena *arena)
{
	struct mr_buf name = {0};
	for (size_t i = 0; i < count; i++)
		mr_buf_str(&name, token_value(&tokens[i], DIALECT_SPARK, arena));
	for (size_t i = 0; i < name.len; i++)
		name.ptr[i] = (char)tolower((unsigned char)name.ptr[i]);
	mr_str copy = arena_copy(arena, mr_buf_view(&name));
	mr_buf_release(&name);
	return copy;
}

static bool is_name(const struct token *t)
{
	return t->kind == TOKEN_NAME || t->kind == TOKEN_WORD;
}

static int parse_name(struct parser *p, struct ddl *out)
{
	if (!is_name(&p->tokens[p->at]))
		return mr_fail(p->err, MR_ERR_INVALID, "expected the table's name");
	out->name_token = p->at++;
	while (token_is(&p->tokens[p->at], ".") && is_name(&p->tokens[p->at + 1]))
		p->at += 2;
	out->name_count = p->at - out->name_token;
	out->name = ddl_name(&p->tokens[out->name_token], out->name_count, p->arena);
	if (out->name_count > 3)
		return mr_fail(p->err, MR_ERR_INVALID, "a table's name is schema.table");
	return 0;
}

static int parse_kind(struct parser *p, struct ddl *out)
{
	int rc = expect(p, "CREATE");
	if (rc < 0)
		return rc;
	bool refresh = take(p, "or");
	if (refresh && !take(p, "refresh"))
		return expect(p, "REFRESH");
	if (take(p, "streaming")) {
		out->kind = FLOW_STREAMING_TABLE;
		rc = expect(p, "TABLE");
	} else if (take(p, "materialized")) {
		out->kind = FLOW_MATERIALIZED_VIEW;
		rc = expect(p, "VIEW");
	} else if (take(p, "temporary") || take(p, "temp")) {
		out->kind = FLOW_TEMPORARY_VIEW;
		rc = expect(p, "VIEW");
	} else if (token_is(&p->tokens[p->at], "flow")) {
		rc = refuse(p, "CREATE FLOW", "write the query as CREATE STREAMING TABLE … AS");
	} else {
		rc = mr_fail(p->err, MR_ERR_INVALID,
			     "expected STREAMING TABLE, MATERIALIZED VIEW or TEMPORARY VIEW");
	}
	if (rc == 0 && take(p, "if")) {
		rc = expect(p, "NOT");
		if (rc == 0)
			rc = expect(p, "EXISTS");
	}
	return rc;
}

static int parse_partitions(struct parser *p, struct ddl *out)
{
	MR_VEC(mr_str) columns = {0};
	int rc = expect(p, "BY");
	if (rc == 0)
		rc = expect(p, "(");
	while (rc == 0) {
		if (!is_name(&p->tokens[p->at])) {
			rc = mr_fail(p->err, MR_ERR_INVALID, "expected a column's name");
			break;
		}
		mr_vec_push(&columns, token_value(&p->tokens[p->at++], DIALECT_SPARK, p->arena));
		if (!take(p, ",")) {
			rc = expect(p, ")");
			break;
		}
	}
	out->partition_by = arena_alloc(p->arena, (columns.len + 1) * sizeof *out->partition_by);
	if (columns.len)
		memcpy(out->partition_by, columns.items, columns.len * sizeof *columns.items);
	out->partition_count = columns.len;
	mr_vec_release(&columns);
	return rc;
}

/* TBLPROPERTIES ( 'key' = 'value', … ): read over; Delta properties are the table's own. */
static int skip_parentheses(struct parser *p)
{
	int rc = expect(p, "("), depth = 1;
	while (rc == 0 && depth > 0 && p->tokens[p->at].kind != TOKEN_END) {
		depth += token_is(&p->tokens[p->at], "(") ? 1 : token_is(&p->tokens[p->at], ")") ? -1 : 0;
		p->at++;
	}
	return rc == 0 && depth > 0 ? expect(p, ")") : rc;
}

static int parse_clause(struct parser *p, struct ddl *out)
{
	if (take(p, "partitioned"))
		return parse_partitions(p, out);
	if (take(p, "tblproperties"))
		return skip_parentheses(p);
	if (take(p, "comment")) {
		if (p->tokens[p->at].kind != TOKEN_STRING)
			return mr_fail(p->err, MR_ERR_INVALID, "expected the comment's text in quotes");
		out->comment = token_value(&p->tokens[p->at++], DIALECT_SPARK, p->arena);
		return 0;
	}
	if (take(p, "using"))
		return take(p, "delta") ? 0 : refuse(p, "a format other than delta", NULL);
	if (token_is(&p->tokens[p->at], "cluster"))
		return refuse(p, "CLUSTER BY", "use PARTITIONED BY");
	if (token_is(&p->tokens[p->at], "schedule") || token_is(&p->tokens[p->at], "trigger"))
		return refuse(p, "a schedule in the statement", "flows run when their source moves");
	if (token_is(&p->tokens[p->at], "("))
		return refuse(p, "a column list", "name and cast the columns in the query");
	return expect(p, "AS");
}

int ddl_parse(const struct token *tokens, size_t count, struct arena *arena, struct ddl *out,
	      size_t *error_token, struct mr_error *err)
{
	struct parser p = {tokens, count, 0, arena, err};
	*out = (struct ddl){0};
	int rc = parse_kind(&p, out);
	if (rc == 0)
		rc = parse_name(&p, out);
	while (rc == 0 && !token_is(&p.tokens[p.at], "as"))
		rc = parse_clause(&p, out);
	if (rc == 0) {
		out->query_token = ++p.at;
		if (!token_is(&p.tokens[p.at], "select") && !token_is(&p.tokens[p.at], "with") &&
		    !token_is(&p.tokens[p.at], "("))
			rc = mr_fail(err, MR_ERR_INVALID, "expected a query behind AS");
	}
	*error_token = p.at;
	return rc;
}
