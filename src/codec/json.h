/* codec/json.h - reading JSON (simdjson behind a C face) and writing it.
 *
 * A parser owns the memory of the document it parsed last: values and strings are
 * valid until the next json_parse of that parser. One parser a thread. Values are
 * small and passed by copy. Limits: 16 MiB a document, 512 levels.
 *
 * The document must be the whole input: bytes after it are an error.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/types.h"

struct json_parser;

struct json_parser *json_parser_new(void);
void json_parser_free(struct json_parser *parser);

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_INT,  /* fits int64 */
	JSON_UINT, /* above INT64_MAX, fits uint64 */
	JSON_DOUBLE,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

/* A place in the parsed document. Zero-initialised is "absent": json_type says JSON_NULL
 * of it, json_present says false. */
struct json_value {
	const void *doc;
	size_t index;
};

MR_NODISCARD int json_parse(struct json_parser *parser, mr_str text, struct json_value *out,
			    struct mr_error *err);

static inline bool json_present(struct json_value v)
{
	return v.doc != NULL;
}

enum json_type json_type(struct json_value v);
bool json_bool(struct json_value v);     /* false unless JSON_BOOL true */
int64_t json_int(struct json_value v);   /* 0 unless a number; doubles are cut towards zero, saturating */
uint64_t json_uint(struct json_value v); /* 0 unless JSON_UINT or a JSON_INT that is not negative */
double json_double(struct json_value v); /* 0 unless a number */
mr_str json_str(struct json_value v);    /* empty unless JSON_STRING */
size_t json_count(struct json_value v);  /* elements of an array, members of an object, else 0 */

/* First member of that name; absent when there is none or v is no object. */
struct json_value json_get(struct json_value v, const char *name);
struct json_value json_get_str(struct json_value v, mr_str name);
struct json_value json_at(struct json_value v, size_t i); /* array element, O(i) */

/* for (struct json_iter it = json_iter(v); json_next(&it);) use(it.key, it.value);
 * Over the members of an object, or the elements of an array (key is empty). */
struct json_iter {
	struct json_value value;
	mr_str key;
	struct json_value container;
	size_t next_index;
	size_t end_index;
	bool is_object;
};
struct json_iter json_iter(struct json_value v);
bool json_next(struct json_iter *it);

/* Compact text of v, appended. Numbers keep their value, integers their digits. */
void json_write_value(struct mr_buf *out, struct json_value v);

/* Writing: commas are put where they are due.
 *   struct json_writer w = json_writer(&buf);
 *   json_begin_object(&w); json_key(&w, "n"); json_put_int(&w, 1); json_end_object(&w);
 */
struct json_writer {
	struct mr_buf *out;
	bool comma;
};

static inline struct json_writer json_writer(struct mr_buf *out)
{
	return (struct json_writer){out, false};
}

void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *name);
void json_key_str(struct json_writer *w, mr_str name);
void json_put_null(struct json_writer *w);
void json_put_bool(struct json_writer *w, bool v);
void json_put_int(struct json_writer *w, int64_t v);
void json_put_uint(struct json_writer *w, uint64_t v);
void json_put_double(struct json_writer *w, double v); /* shortest that round-trips; NaN, Inf: null */
void json_put_str(struct json_writer *w, mr_str v);    /* invalid UTF-8 becomes U+FFFD */
void json_put_cstr(struct json_writer *w, const char *v);
void json_put_value(struct json_writer *w, struct json_value v);
void json_put_raw(struct json_writer *w, mr_str json); /* trusted JSON text */
/* One member: key and value. */
void json_member_str(struct json_writer *w, const char *name, mr_str v);
void json_member_cstr(struct json_writer *w, const char *name, const char *v);
void json_member_int(struct json_writer *w, const char *name, int64_t v);
void json_member_bool(struct json_writer *w, const char *name, bool v);
void json_member_double(struct json_writer *w, const char *name, double v);

/* "text" with quotes and escapes, appended. */
void json_quote(struct mr_buf *out, mr_str text);
