/* query/render.h - a result as text: box, csv, tsv, json, jsonl, markdown.
 *
 * All but box stream: a row is written when it is read. A box needs its widths first, so it
 * holds the first RENDER_BOX_ROWS rows, and counts the others.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "sql/engine.h"

#define RENDER_BOX_ROWS 200

enum render_format { RENDER_BOX, RENDER_CSV, RENDER_TSV, RENDER_JSON, RENDER_JSONL, RENDER_MARKDOWN };

struct render_options {
	enum render_format format;
	int width; /* of the terminal, for box; 0: as wide as it gets */
};

/* "box" … "markdown"; else MR_ERR_INVALID, naming them all. */
MR_NODISCARD int render_format_parse(mr_str name, enum render_format *out, struct mr_error *err);

/* Reads result to its end. put's non-zero answer ends it with MR_ERR_CANCELLED. */
typedef int (*render_put_fn)(void *arg, mr_str bytes);
MR_NODISCARD int render(struct sql_result *result, const struct render_options *options, render_put_fn put,
			void *arg, struct mr_error *err);

/* Columns that a terminal gives the text (wide and combining characters counted as such). */
size_t text_columns(mr_str text);
