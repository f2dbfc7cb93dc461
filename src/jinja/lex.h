/* jinja/lex.h - template text into tokens: text between tags, and what tags hold.
 *
 * Whitespace signs are dealt with here: text tokens come out as they will be printed. One newline at
 * the end of the template is dropped, as Jinja does. Tokens point into the source or the arena.
 */
#pragma once

#include "base/error.h"
#include "base/vec.h"

enum jinja_token_kind {
	TOKEN_TEXT,
	TOKEN_PRINT_BEGIN, /* {{ */
	TOKEN_PRINT_END,
	TOKEN_TAG_BEGIN, /* {% */
	TOKEN_TAG_END,
	TOKEN_NAME,
	TOKEN_INT,
	TOKEN_FLOAT,
	TOKEN_STR, /* text: without quotes and escapes */
	TOKEN_OP,
	TOKEN_END,
};

struct jinja_token {
	enum jinja_token_kind kind;
	mr_str text;
	uint32_t at; /* where in the source */
	int64_t integer;
	double number;
};

struct jinja_tokens {
	MR_VEC(struct jinja_token) list;
};

/* The tokens end with TOKEN_END. Release list, whatever comes back. */
MR_NODISCARD int jinja_lex(mr_str source, struct arena *arena, struct jinja_tokens *out,
			   struct mr_error *err);

/* Put "line L, column C: " before the message. Returns code. */
int jinja_fail_at(mr_str source, size_t at, int code, struct mr_error *err);
