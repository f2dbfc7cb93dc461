/* stream/translate.h - Spark's spelling into DuckDB's, token by token.
 *
 * Lines stay lines, so a position in the translation is near the same one in the source. What
 * a macro can do is a macro (stream/spark_macros.h); only the rest is rewritten here. What is
 * unknown passes through.
 */
#pragma once

#include "base/buf.h"
#include "stream/lex.h"

/* How a table of the query is to be written, or an empty string to leave it alone. */
typedef mr_str (*translate_table_fn)(void *arg, const struct token *first, size_t token_count, bool stream);

struct translation {
	mr_str text;
	enum sql_dialect dialect;
	translate_table_fn table; /* may be NULL */
	void *table_arg;
};

/* Appends the translation of tokens[0 .. count) to out. */
void translate_tokens(const struct translation *t, const struct token *tokens, size_t count,
		      struct arena *arena, struct mr_buf *out);

/* Walks the tables named in FROM and JOIN: visit gets the tokens of each name (parts and
 * dots). WITH names and table functions are not visited. */
struct table_ref {
	size_t first;       /* token of the name's first part */
	size_t count;       /* tokens of the name */
	size_t stream_word; /* token STREAM before it; SIZE_MAX when none */
	size_t close;       /* the ')' of STREAM(name); SIZE_MAX when none */
	size_t with_word;   /* WITH of a STREAM's options; SIZE_MAX when none */
	size_t with_count;  /* tokens from WITH to its ')' */
};
size_t find_tables(const struct token *tokens, size_t count, struct arena *arena, struct table_ref **out);
