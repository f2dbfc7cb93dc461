/* codec/json_columns_scan.h - inside codec/json_columns: where a document's tokens start.
 *
 * simdjson's first stage finds, 64 bytes at a time, each brace, bracket, colon, comma, quote
 * that opens a string and first byte of a number or literal; it checks UTF-8 and that strings
 * close and hold no bare control character. It needs no padding after the text. What the tokens
 * mean, and whether their order is JSON, is for json_columns.c to say.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "base/types.h"
#include "codec/columns.h"

#define JSON_SCAN_BYTES_MAX ((size_t)16 << 20)

struct json_scan;

struct json_scan *json_scan_new(void);
void json_scan_free(struct json_scan *scan);

/* On success *at_out is *count_out offsets into text, and after them text.len: each token ends
 * before the next one's start, white space aside. Valid until the next call. */
MR_NODISCARD int json_scan_tokens(struct json_scan *scan, mr_str text, const uint32_t **at_out,
				  size_t *count_out, struct mr_error *err);

/* A number that is one by JSON's grammar; false when it is too large for a double. */
bool json_scan_double(mr_str number, double *out);

/* ---- json_columns_store.c: one token into one place of a column ---- */

enum json_token_kind {
	JSON_TOKEN_STRING,
	JSON_TOKEN_NUMBER,
	JSON_TOKEN_TRUE,
	JSON_TOKEN_FALSE,
	JSON_TOKEN_NESTED
};

struct json_token {
	enum json_token_kind kind;
	bool integer; /* a number without fraction and exponent */
	mr_str text;  /* a string's is between its quotes and unescaped; a nested one's is the JSON */
	mr_str raw;   /* as in the document, quotes included */
};

/* Into values[row] of a column of def's type; false when the token does not fit it. */
bool json_token_store(const struct json_token *token, const struct column_def *def, void *values, size_t row,
		      struct arena *arena);

/* Is it a number by JSON's grammar? *integer: without fraction and exponent. */
bool json_number_valid(mr_str text, bool *integer);
/* Resolve the escapes of what stands between two quotes; at least one backslash. The result
 * is in arena. false: an escape that is none, or half a surrogate pair. */
bool json_unescape(mr_str escaped, struct arena *arena, mr_str *out);
