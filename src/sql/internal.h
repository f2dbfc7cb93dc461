/* sql/internal.h - what the files of sql/ share; nobody else includes this or duckdb.h. */
#pragma once

#include "base/mem.h"
#include "base/vec.h"
#include "codec/json.h"
#include "sql/duckdb_calls.h"
#include "sql/engine.h"

#include <pthread.h>

struct registered_source {
	struct sql_source source;
	char *name;
	struct registered_source *next;
};

struct registered_filter {
	struct sql_filter filter;
	struct registered_filter *next;
};

/* What is done to the database when it is opened, in the order it was asked for: one of the three. */
struct sql_setup {
	char *statements;
	struct registered_source *source;
	struct registered_filter *filter;
};

struct sql_engine {
	struct sql_engine_options options; /* temp_dir is ours */
	pthread_mutex_t lock;              /* all below */
	duckdb_database db;
	duckdb_connection admin; /* NULL until the database is open and set up */
	int failed;              /* the code of `failure`: opening it is not tried twice */
	struct mr_error failure;
	MR_VEC(struct sql_setup) setup; /* until it is open */
	int64_t next_catalog;
	struct registered_source *sources; /* freed after the database is closed */
	struct registered_filter *filters; /* likewise */
};

struct sql_conn {
	struct sql_engine *engine;
	duckdb_connection handle;
	int64_t catalog;            /* its private one is "mr_<catalog>" */
	struct json_parser *parser; /* of DuckDB's error reports */
	struct sql_result *stream;  /* the result that DuckDB is still computing, if any */
};

/* A type with its parts, read once per result: asking DuckDB allocates. */
struct sql_type {
	duckdb_type id;
	duckdb_logical_type logical;
	struct sql_type *children; /* list, array: 1; map: key, value; struct, union: members */
	mr_str *child_names;       /* struct, union */
	size_t child_count;
	size_t array_size;
	duckdb_type storage;  /* decimal, enum: the integer that holds it */
	uint8_t width, scale; /* decimal */
	mr_str name;          /* "STRUCT(a INTEGER)" */
	bool is_json;         /* VARCHAR with the JSON alias */
};

void sql_type_init(struct sql_type *type, duckdb_logical_type logical,
		   struct arena *arena); /* takes logical */
void sql_type_release(struct sql_type *type);
bool sql_type_is_known(const struct sql_type *type); /* we can read values of it, and of its parts */

/* Turn DuckDB's report about `sql` into *err. Returns the code. */
int sql_report(struct sql_conn *conn, const char *report, duckdb_error_type type, mr_str sql,
	       struct mr_error *err);

/* A NUL-terminated copy; MR_ERR_INVALID when the text holds a NUL. The caller frees. */
int sql_text_copy(mr_str sql, char **out, struct mr_error *err);

/* One value of a vector as a DuckDB value (NULL too); the caller destroys it. */
duckdb_value sql_value_at(const struct sql_type *type, duckdb_vector vector, idx_t row);
mr_str sql_string_at(duckdb_vector vector, idx_t row);
bool sql_valid_at(duckdb_vector vector, idx_t row);
void sql_value_json(const struct sql_type *type, duckdb_vector vector, idx_t row, struct json_writer *w);

/* Prepare one statement; *out is the caller's. */
int sql_prepare(struct sql_conn *conn, mr_str sql, duckdb_prepared_statement *out, struct mr_error *err);

/* To the database when it is open, else into the setup; under the engine's lock. A failure says what DuckDB
 * said. */
int sql_engine_apply(struct sql_engine *engine, struct sql_setup step, struct mr_error *err);
/* Open the database, if it is not yet, and set it up. */
int sql_engine_ready(struct sql_engine *engine, struct mr_error *err);

int sql_source_add(duckdb_connection admin, struct registered_source *source, struct mr_error *err);
int sql_filter_add(duckdb_connection admin, struct registered_filter *filter, struct mr_error *err);
void sql_sources_free(struct registered_source *sources);
void sql_filters_free(struct registered_filter *filters);
