/* delta/type.h - the types of a table's columns, nested ones too.
 *
 * A column has a logical name, which people use, and a physical one, which its files use: they
 * differ in tables with column mapping, at every level of a nested type.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "codec/columns.h"
#include "codec/json.h"

enum type_kind {
	TYPE_PRIMITIVE,
	TYPE_STRUCT,
	TYPE_ARRAY, /* parts: element */
	TYPE_MAP,   /* parts: key, value */
};

struct type_node;

struct type_part {
	mr_str name, physical;
	int64_t field_id; /* 0: none */
	struct type_node *type;
};

struct type_node {
	enum type_kind kind;
	struct column_def def; /* primitive: its type */
	bool is_void, is_variant;
	struct type_part *parts;
	size_t part_count;
};

/* A `type` of schemaString. The node lives in arena. MR_ERR_UNSUPPORTED names a type that is
 * not known here; MR_ERR_LIMIT for one that nests too deep. */
MR_NODISCARD int delta_type_parse(struct json_value type, struct arena *arena, struct type_node **out,
				  struct mr_error *err);
/* A member of "fields": its names, field id and type. */
MR_NODISCARD int delta_field_parse(struct json_value field, struct arena *arena, struct type_part *out,
				   struct mr_error *err);

/* DuckDB's spelling, by logical or by physical names, appended. */
void delta_type_sql(struct mr_buf *out, const struct type_node *type, bool physical);
/* Whether some name inside the type differs between the two. */
bool delta_type_is_renamed(const struct type_node *type);
/* The SQL expression that gives `expression`, of the physical type, its logical names (or, with
 * to_physical, the other way round). */
void delta_type_rename_sql(struct mr_buf *out, const struct type_node *type, mr_str expression,
			   bool to_physical);
/* COPY's FIELD_IDS entry of a column: `"name": 3` or `"name": {__duckdb_field_id: 3, ...}`. */
void delta_type_field_ids_sql(struct mr_buf *out, const struct type_part *part);
