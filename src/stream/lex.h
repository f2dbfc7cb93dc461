/* stream/lex.h - SQL text as tokens. Spaces and comments are not tokens but stay findable: a
 * token knows its place in the text, so a translation can copy what lies between. */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "base/types.h"

enum token_kind {
	TOKEN_END,    /* one, after the last */
	TOKEN_WORD,   /* keyword or bare name */
	TOKEN_NAME,   /* `name` or "name" */
	TOKEN_STRING, /* 'text', and in Spark's dialect "text" */
	TOKEN_NUMBER,
	TOKEN_SYMBOL, /* one operator: <=> == :: := != <= >= || -> or a single character */
};

enum sql_dialect {
	DIALECT_SPARK,  /* "text" is a string, backslash escapes */
	DIALECT_DUCKDB, /* "text" is a name; Spark's unambiguous spellings are understood as well */
};

struct token {
	enum token_kind kind;
	mr_str text; /* as written, quotes included; points into the source */
	size_t at;   /* offset in the source */
};

/* The tokens live in arena. An unterminated quote or comment is an error, with its offset in
 * *error_at. */
MR_NODISCARD int sql_lex(mr_str text, enum sql_dialect dialect, struct arena *arena, struct token **out,
			 size_t *count, size_t *error_at, struct mr_error *err);

bool token_is(const struct token *token, const char *word); /* a word or symbol, without case */
/* What a name or a string means: quotes off, doubled quotes and (Spark) escapes undone. */
mr_str token_value(const struct token *token, enum sql_dialect dialect, struct arena *arena);

/* Line and column (from 1) of an offset. */
void text_place(mr_str text, size_t at, int *line, int *column);
/* The line of `at` with a caret under it, for err->hint. */
int text_caret(mr_str text, size_t at, size_t width, struct mr_error *err);
