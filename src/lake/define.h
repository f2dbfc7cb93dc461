/* lake/define.h - a table's definition: what a metaData action says, as something to change.
 *
 * CREATE TABLE fills one in, ALTER TABLE reads one, changes it and writes it back. Types are
 * Delta's JSON ("long", {"type":"array",...}); what a field's metadata holds beyond what is
 * changed here stays as it is.
 */
#pragma once

#include "base/vec.h"
#include "codec/json.h"
#include "env/rng.h"
#include "lake/parser.h"
#include "sql/engine.h"

struct field {
	mr_str name;
	mr_str type;     /* JSON */
	mr_str metadata; /* JSON object */
	bool not_null;
};

struct property {
	mr_str key, value;
};

struct definition {
	struct arena *arena;
	mr_str id, name, description;
	int64_t created_ms;
	MR_VEC(struct field) fields;
	MR_VEC(mr_str) partition_by;
	MR_VEC(struct property) properties;
};

void definition_init(struct definition *def, struct arena *arena);
void definition_release(struct definition *def);
MR_NODISCARD int definition_read(struct definition *def, mr_str metadata_json, struct mr_error *err);
/* The body of a metaData action. */
void definition_write(const struct definition *def, struct mr_buf *out);
MR_NODISCARD int definition_check(const struct definition *def, struct mr_error *err);
/* Names of the table features that it needs: at most DEFINITION_FEATURES_MAX. */
#define DEFINITION_FEATURES_MAX 16
size_t definition_features(const struct definition *def, const char *out[DEFINITION_FEATURES_MAX]);

struct field *definition_find(const struct definition *def, mr_str name);  /* without case; NULL */
mr_str definition_property(const struct definition *def, const char *key); /* ptr NULL: not set */
void definition_set(struct definition *def, mr_str key, mr_str value);
bool definition_unset(struct definition *def, mr_str key);

/* ---- mapping.c ---- */

bool definition_is_mapped(const struct definition *def);
/* Where delta.columnMapping.mode asks for it, every field that has none gets an id and a physical
 * name: its own in a table that has files and was not mapped. MR_ERR_UNSUPPORTED for a change of mode
 * that the files do not allow. */
MR_NODISCARD int definition_map(struct definition *def, mr_str mode_before, bool has_files,
				struct mr_rng *rng, struct mr_error *err);

/* ---- evolve.c ---- */

MR_NODISCARD int definition_rename(struct definition *def, mr_str from, mr_str to, struct mr_error *err);
MR_NODISCARD int definition_drop(struct definition *def, mr_str name, struct mr_error *err);
/* Whether it may be renamed or dropped ("renamed"): the table is mapped, and no constraint or generated
 * column names it. */
MR_NODISCARD int definition_check_free(const struct definition *def, const struct field *field,
				       const char *verb, struct mr_error *err);
/* type is JSON. MR_ERR_UNSUPPORTED when old files could not be read by it. */
MR_NODISCARD int definition_widen(struct definition *def, struct field *field, mr_str type,
				  struct mr_error *err);

/* ---- nested.c: a field inside of a column; path is the way to it, `count` > 0 names ---- */

MR_NODISCARD int nested_rename(struct definition *def, struct field *top, const mr_str *path, size_t count,
			       mr_str to, struct mr_error *err);
MR_NODISCARD int nested_drop(struct definition *def, struct field *top, const mr_str *path, size_t count,
			     struct mr_error *err);
MR_NODISCARD int nested_widen(struct definition *def, struct field *top, const mr_str *path, size_t count,
			      mr_str type, struct mr_error *err);

/* One member of a field's metadata; value is JSON. */
void field_set(struct field *field, const char *key, mr_str value, struct arena *arena);
/* The text of a string member, ptr NULL when it is not there. */
mr_str field_get(const struct field *field, const char *key, struct arena *arena);

/* A type in Spark's or DuckDB's spelling, as Delta's JSON. */
MR_NODISCARD int parse_type(struct parser *p, mr_str *json);
MR_NODISCARD int parse_type_text(mr_str text, struct arena *arena, mr_str *json, struct mr_error *err);
/* name TYPE [NOT NULL] [COMMENT 's'] [DEFAULT e] [GENERATED ALWAYS AS (e)] */
MR_NODISCARD int parse_field(struct parser *p, struct field *out);
/* ( 'key' = 'value', key.part = true, ... ) */
MR_NODISCARD int parse_properties(struct parser *p, struct definition *def);
/* The columns of a query that is in DuckDB's SQL. */
MR_NODISCARD int definition_of_query(struct definition *def, struct sql_conn *conn, mr_str query,
				     struct mr_error *err);
