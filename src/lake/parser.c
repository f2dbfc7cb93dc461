#include "lake/parser.h"

#include "base/buf.h"
#include "base/vec.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

int parser_init(struct parser *p, mr_str text, struct arena *arena, struct mr_error *err)
{
	*p = (struct parser){.text = text, .arena = arena, .err = err};
	size_t error_at;
	return sql_lex(text, DIALECT_DUCKDB, arena, &p->tokens, &p->count, &error_at, err);
}

bool parser_at_end(const struct parser *p)
{
	return p->at == p->count;
}

bool parser_take(struct parser *p, const char *words)
{
	size_t at = p->at;
	while (*words) {
		size_t n = strcspn(words, " ");
		char word[32];
		snprintf(word, sizeof word, "%.*s", (int)n, words);
		if (at >= p->count || !token_is(&p->tokens[at], word))
			return false;
		at++;
		words += n + (words[n] == ' ');
	}
	p->at = at;
	return true;
}

int parser_fail(struct parser *p, const char *what)
{
	const struct token *got = parser_peek(p);
	bool end = got->kind == TOKEN_END;
	mr_fail(p->err, MR_ERR_INVALID, "expected %s, found %s%.*s%s", what, end ? "the end" : "'",
		MR_FMT(got->text), end ? "" : "'");
	if (p->err) {
		int line, column;
		text_place(p->text, got->at, &line, &column);
		snprintf(p->err->where, sizeof p->err->where, "%d:%d", line, column);
	}
	return MR_ERR_INVALID;
}

int parser_expect(struct parser *p, const char *words)
{
	if (parser_take(p, words))
		return 0;
	char upper[64];
	size_t n = mr_min_size(strlen(words), sizeof upper - 1);
	for (size_t i = 0; i < n; i++)
		upper[i] = (char)toupper((unsigned char)words[i]);
	upper[n] = 0;
	return parser_fail(p, upper);
}

int parser_end(struct parser *p)
{
	return parser_at_end(p) ? 0 : parser_fail(p, "the end of the statement");
}

static bool is_name(const struct token *t)
{
	return t->kind == TOKEN_WORD || t->kind == TOKEN_NAME;
}

int parser_word(struct parser *p, const char *what, mr_str *out)
{
	if (!is_name(parser_peek(p)))
		return parser_fail(p, what);
	*out = token_value(&p->tokens[p->at++], DIALECT_DUCKDB, p->arena);
	return 0;
}

int parser_string(struct parser *p, const char *what, mr_str *out)
{
	/* "text" is a string in Spark; where only a string can stand it is one here too. */
	const struct token *t = parser_peek(p);
	if (t->kind != TOKEN_STRING && !(t->kind == TOKEN_NAME && t->text.ptr[0] == '"'))
		return parser_fail(p, what);
	*out = token_value(&p->tokens[p->at++], DIALECT_DUCKDB, p->arena);
	return 0;
}

int parser_integer(struct parser *p, const char *what, int64_t *out)
{
	const struct token *t = parser_peek(p);
	char digits[24], *end;
	bool fits = t->text.len < sizeof digits;
	snprintf(digits, sizeof digits, "%.*s", MR_FMT(t->text));
	errno = 0;
	long long value = strtoll(digits, &end, 10);
	if (t->kind != TOKEN_NUMBER || !fits || *end || errno)
		return parser_fail(p, what);
	p->at++;
	*out = value;
	return 0;
}

static mr_str lower(struct arena *arena, mr_str text)
{
	char *copy = arena_strdup(arena, arena_copy(arena, text).ptr);
	for (size_t i = 0; i < text.len; i++)
		copy[i] = (char)tolower((unsigned char)copy[i]);
	return mr_str_n(copy, text.len);
}

int parser_table(struct parser *p, struct table_name *out)
{
	size_t first = p->at;
	mr_str part;
	struct mr_buf name = {0};
	int rc = parser_word(p, "a table's name", &part);
	bool by_path = rc == 0 && token_is(&p->tokens[first], "delta");
	*out = (struct table_name){0};
	if (rc == 0)
		mr_buf_str(&name, part);
	while (rc == 0 && parser_take(p, ".")) {
		bool quoted = parser_peek(p)->kind == TOKEN_NAME;
		rc = parser_word(p, "the rest of a table's name", &part);
		if (rc == 0 && by_path && quoted)
			out->path = part;
		mr_buf_char(&name, '.');
		mr_buf_str(&name, part);
	}
	if (rc == 0) {
		const struct token *last = &p->tokens[p->at - 1];
		out->text = mr_str_n(p->text.ptr + p->tokens[first].at,
				     last->at + last->text.len - p->tokens[first].at);
		if (!out->path.len)
			out->name = lower(p->arena, mr_buf_view(&name));
	}
	mr_buf_release(&name);
	return rc;
}

int parser_alias(struct parser *p, const struct table_name *name, const char *const *not_alias, mr_str *out)
{
	const char *dot = name->name.len ? memrchr(name->name.ptr, '.', name->name.len) : NULL;
	mr_str alias = !name->name.len ? MR_STR("t")
		       : dot           ? mr_str_tail(name->name, (size_t)(dot - name->name.ptr) + 1)
				       : name->name;
	int rc = 0;
	bool said = parser_take(p, "as");
	for (; !said && not_alias && *not_alias; not_alias++)
		if (parser_is(p, *not_alias))
			break;
	if (said || (is_name(parser_peek(p)) && (!not_alias || !*not_alias)))
		rc = parser_word(p, "an alias", &alias);
	if (rc == 0)
		*out = arena_printf(p->arena, "\"%.*s\"", MR_FMT(alias));
	return rc;
}

int parser_names(struct parser *p, mr_str **out, size_t *count)
{
	MR_VEC(mr_str) names = {0};
	int rc = parser_expect(p, "(");
	while (rc == 0) {
		mr_str name, part;
		rc = parser_word(p, "a column's name", &name);
		while (rc == 0 && parser_take(p, ".")) {
			rc = parser_word(p, "a field's name", &part);
			if (rc == 0)
				name = arena_printf(p->arena, "%.*s.%.*s", MR_FMT(name), MR_FMT(part));
		}
		if (rc == 0)
			mr_vec_push(&names, name);
		if (rc == 0 && !parser_take(p, ",")) {
			rc = parser_expect(p, ")");
			break;
		}
	}
	if (rc == 0) {
		*out = arena_alloc(p->arena, (names.len + 1) * sizeof **out);
		if (names.len)
			memcpy(*out, names.items, names.len * sizeof **out);
		*count = names.len;
	}
	mr_vec_release(&names);
	return rc;
}

static mr_str between(const struct parser *p, size_t first, size_t end)
{
	const struct token *last = &p->tokens[end - 1];
	return mr_str_n(p->text.ptr + p->tokens[first].at, last->at + last->text.len - p->tokens[first].at);
}

static bool is_one_of(const struct token *t, const char *const *words)
{
	for (; words && *words; words++)
		if (token_is(t, *words))
			return true;
	return false;
}

int parser_stretch(struct parser *p, const char *const *stops, const char *what, mr_str *out)
{
	size_t first = p->at;
	int depth = 0, cases = 0;
	for (; p->at < p->count; p->at++) {
		const struct token *t = parser_peek(p);
		bool opens = token_is(t, "(") || token_is(t, "[") || token_is(t, "{");
		bool closes = token_is(t, ")") || token_is(t, "]") || token_is(t, "}");
		if (!depth && !cases && (is_one_of(t, stops) || closes))
			break;
		depth += opens ? 1 : closes ? -1 : 0;
		/* WHEN and THEN of a CASE are no clauses of the statement. */
		if (token_is(t, "case"))
			cases++;
		else if (token_is(t, "end") && cases)
			cases--;
	}
	if (p->at == first)
		return parser_fail(p, what);
	*out = between(p, first, p->at);
	return 0;
}

int parser_parentheses(struct parser *p, mr_str *out)
{
	int rc = parser_expect(p, "(");
	if (rc == 0 && parser_take(p, ")")) {
		*out = MR_STR("");
		return 0;
	}
	if (rc == 0)
		rc = parser_stretch(p, NULL, "something between the parentheses", out);
	return rc == 0 ? parser_expect(p, ")") : rc;
}

mr_str parser_rest(struct parser *p)
{
	mr_str rest = p->at < p->count ? between(p, p->at, p->count) : MR_STR("");
	p->at = p->count;
	return rest;
}
