/* codec/columns.h - rows as typed columns, and JSON decoded straight into them.
 *
 * A column batch is what flows from a topic into a Parquet file or a query: filled by a
 * decoder, read by sql/ (which copies it into DuckDB vectors) or, later, by a Parquet
 * writer of our own. Strings are views into the batch's arena or into memory that its
 * producer keeps alive until the next columns_clear.
 *
 * Not locked: one thread at a time.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "base/types.h"

/* Delta Lake's primitive types; JSON is a string column that holds JSON text. */
enum column_type {
	COL_BOOLEAN,       /* uint8_t 0/1 */
	COL_BYTE,          /* int8_t  */
	COL_SHORT,         /* int16_t */
	COL_INTEGER,       /* int32_t */
	COL_LONG,          /* int64_t */
	COL_FLOAT,         /* float   */
	COL_DOUBLE,        /* double  */
	COL_DECIMAL,       /* __int128 scaled; precision, scale in column_def */
	COL_STRING,        /* mr_str, valid UTF-8 */
	COL_BINARY,        /* mr_str */
	COL_DATE,          /* int32_t days since 1970-01-01 */
	COL_TIMESTAMP,     /* int64_t microseconds since 1970, UTC */
	COL_TIMESTAMP_NTZ, /* int64_t microseconds, no zone */
	COL_JSON,          /* mr_str of JSON text; stored as string */
};

struct column_def {
	mr_str name;
	enum column_type type;
	uint8_t precision, scale; /* COL_DECIMAL */
	bool not_null;
};

/* Parse and print Delta's spelling: "long", "decimal(10,2)", "timestamp_ntz". */
MR_NODISCARD int column_type_parse(mr_str text, struct column_def *out, struct mr_error *err);
mr_str column_type_name(const struct column_def *def, struct arena *arena);
size_t column_width(enum column_type type); /* bytes a value takes in column.values */

struct column {
	struct column_def def;
	uint8_t *valid; /* a byte a row: 1 present, 0 NULL */
	void *values;   /* column_width() a row; undefined where NULL */
};

#define COLUMNS_ROWS_MAX 2048 /* DuckDB's vector size */

struct columns {
	struct column *columns;
	size_t column_count;
	size_t rows;
	struct arena arena; /* strings that were copied or unescaped */
};

void columns_init(struct columns *c, const struct column_def *defs, size_t count);
void columns_release(struct columns *c);
void columns_clear(struct columns *c); /* rows = 0, strings forgotten */

static inline void column_set_null(struct column *column, size_t row)
{
	column->valid[row] = 0;
}

/* ---- JSON objects into rows ---- */

struct json_columns;

/* The decoder fills the columns of `c` from json_count on... columns named in defs are looked
 * up as top-level members; a member that is absent or null gives NULL; a member without a
 * column is ignored. Strings to TIMESTAMP and DATE: ISO 8601 (with zone or Z; none means UTC);
 * numbers to TIMESTAMP: epoch seconds when < 1e11, else milliseconds. */
struct json_columns *json_columns_new(const struct column_def *defs, size_t count);
void json_columns_free(struct json_columns *decoder);

/* Decode one document into row `row` of columns[0 .. count). 0, or 1 when the document
 * does not fit, with the reason in *err (message: `"status" is "abc", expected long`); the row
 * is then undefined. text must stay alive as long as the row. */
MR_NODISCARD int json_columns_decode(struct json_columns *decoder, mr_str text, struct columns *into,
				     size_t row, struct mr_error *err);

/* ISO 8601 to microseconds UTC; false when it is none. Also for log lines and schemas. */
bool parse_timestamp_us(mr_str text, int64_t *us_out);
bool parse_date_days(mr_str text, int32_t *days_out);
/* "2026-01-01T00:00:00.000Z" (ms), and a NUL. */
void format_timestamp_ms(int64_t ms, char out[32]);
