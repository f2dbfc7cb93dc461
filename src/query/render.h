/* query/render.h - a query's result as text, handed out in pieces as it is made.
 *
 * box       a table for people: names, types, numbers to the right, cut to a width. Holds the
 *           rows it shows and no more; the rest are counted, not kept.
 * csv       RFC 4180 with a header line; NULL is nothing, an empty text is "".
 * tsv       a header line, then \t \n \r \\ escaped as in PostgreSQL's COPY; NULL is nothing.
 * json      one array of objects. jsonl: one object a line.
 * markdown  a table; | and line ends are escaped.
 *
 * All output is UTF-8; box and markdown show control characters as escapes, so data cannot drive
 * the terminal. One thread at a time.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"

struct sql_result;

enum render_format { RENDER_BOX, RENDER_CSV, RENDER_TSV, RENDER_JSON, RENDER_JSONL, RENDER_MARKDOWN };

struct render_options {
	enum render_format format;
	int width;       /* cells of the terminal, box only; 0: no limit but 200 a column */
	size_t rows_max; /* box only; 0: 200 */
};

/* A non-zero return ends the rendering. */
typedef int (*render_put_fn)(void *arg, mr_str text);

/* "box", "csv", ...: MR_ERR_INVALID with the nearest as hint. */
MR_NODISCARD int render_format_parse(mr_str name, enum render_format *out, struct mr_error *err);

/* Read result to its end. MR_ERR_CANCELLED when put ended it. The result stays the caller's. */
MR_NODISCARD int render(struct sql_result *result, const struct render_options *options, render_put_fn put,
			void *arg, struct mr_error *err);
