/* lake/parser.h - a statement's tokens, read from left to right.
 *
 * Expressions and queries inside a statement are not understood here: they are stretches of the
 * text, up to a word on the same level of parentheses, that the session binds later.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "stream/lex.h"

struct parser {
	mr_str text;
	struct token *tokens;
	size_t count, at;
	struct arena *arena;
	struct mr_error *err;
};

/* How a statement names a table. */
struct table_name {
	mr_str text; /* as written, for messages */
	mr_str name; /* "silver.t", lower case; empty when it is by path */
	mr_str path; /* of delta.`/path` */
};

MR_NODISCARD int parser_init(struct parser *p, mr_str text, struct arena *arena, struct mr_error *err);

static inline const struct token *parser_peek(const struct parser *p)
{
	return &p->tokens[p->at];
}

static inline bool parser_is(const struct parser *p, const char *word)
{
	return token_is(&p->tokens[p->at], word);
}

bool parser_at_end(const struct parser *p);
/* Take all the words ("or replace"), or none. */
bool parser_take(struct parser *p, const char *words);
MR_NODISCARD int parser_expect(struct parser *p, const char *words);
MR_NODISCARD int parser_end(struct parser *p);
/* "expected WHAT, found ...", with the place. */
int parser_fail(struct parser *p, const char *what);

MR_NODISCARD int parser_table(struct parser *p, struct table_name *out);
/* [AS] alias, quoted for SQL; else the name's last part (a path has none: "t"). A word of `not_alias`
 * is none. */
MR_NODISCARD int parser_alias(struct parser *p, const struct table_name *name, const char *const *not_alias,
			      mr_str *out);
MR_NODISCARD int parser_word(struct parser *p, const char *what, mr_str *out); /* a name, unquoted */
MR_NODISCARD int parser_string(struct parser *p, const char *what, mr_str *out);
MR_NODISCARD int parser_integer(struct parser *p, const char *what, int64_t *out);
/* ( a, b.c, ... ) */
MR_NODISCARD int parser_names(struct parser *p, mr_str **out, size_t *count);
/* The stretch up to one of the words (NULL-terminated list) or symbols on this level, or the end. */
MR_NODISCARD int parser_stretch(struct parser *p, const char *const *stops, const char *what, mr_str *out);
/* Past a ')' that closes the '(' here; the stretch between them. */
MR_NODISCARD int parser_parentheses(struct parser *p, mr_str *out);
mr_str parser_rest(struct parser *p);
