/* sql/result.c - a streaming result and the cursor over its chunks.
 *
 * One result a connection at a time: DuckDB ends an open stream when the connection runs
 * something else, and the next sql_next then reports it.
 */
#include "sql/internal.h"

#include <stdlib.h>
#include <time.h>

struct sql_result {
	struct sql_conn *conn;
	char *sql; /* for places in error reports */
	duckdb_result result;
	bool is_query;
	struct arena arena;
	size_t column_count;
	struct sql_type *types;
	mr_str *names;
	duckdb_data_chunk chunk;
	duckdb_vector *vectors;
	idx_t rows, row; /* of the chunk */
	bool ended;
	char *text; /* what sql_text returned last */
};

static int read_columns(struct sql_result *r, struct mr_error *err)
{
	r->column_count = duckdb_column_count(&r->result);
	r->types = arena_calloc(&r->arena, r->column_count + 1, sizeof *r->types);
	r->names = arena_calloc(&r->arena, r->column_count + 1, sizeof *r->names);
	r->vectors = arena_calloc(&r->arena, r->column_count + 1, sizeof *r->vectors);
	for (size_t i = 0; i < r->column_count; i++) {
		sql_type_init(&r->types[i], duckdb_column_logical_type(&r->result, i), &r->arena);
		r->names[i] = arena_copy(&r->arena, mr_str_from(duckdb_column_name(&r->result, i)));
	}
	for (size_t i = 0; i < r->column_count && r->is_query; i++) {
		if (sql_type_is_known(&r->types[i]))
			continue;
		mr_fail(err, MR_ERR_UNSUPPORTED, "column %.*s has a type that cannot be shown",
			MR_FMT(r->names[i]));
		return mr_hint(err, "cast it: CAST(%.*s AS VARCHAR)", MR_FMT(r->names[i]));
	}
	return 0;
}

/* DuckDB's own loop spins while its other threads have all the tasks, and takes the core from them, or
 * from other processes. */
static void run_tasks(duckdb_pending_result pending)
{
	static const struct timespec nap = {.tv_nsec = 50000};
	duckdb_pending_state state;
	while ((state = duckdb_pending_execute_task(pending)) == DUCKDB_PENDING_RESULT_NOT_READY ||
	       state == DUCKDB_PENDING_NO_TASKS_AVAILABLE)
		if (state == DUCKDB_PENDING_NO_TASKS_AVAILABLE)
			nanosleep(&nap, NULL);
}

/* Only rows are worth streaming; a statement run for its effect runs to its end. */
static duckdb_state execute(duckdb_prepared_statement statement, duckdb_result *out, char **report)
{
	duckdb_pending_result pending;
	duckdb_state state = duckdb_prepared_statement_type(statement) == DUCKDB_STATEMENT_TYPE_SELECT
				 ? duckdb_pending_prepared_streaming(statement, &pending)
				 : duckdb_pending_prepared(statement, &pending);
	if (state == DuckDBSuccess) {
		run_tasks(pending);
		state = duckdb_execute_pending(pending, out);
	} else {
		*report = mr_strdup(duckdb_pending_error(pending));
	}
	return duckdb_destroy_pending(&pending), state;
}

int sql_query(struct sql_conn *conn, mr_str sql, struct sql_result **out, struct mr_error *err)
{
	duckdb_prepared_statement statement;
	int rc = sql_prepare(conn, sql, &statement, err);
	if (rc < 0)
		return rc;
	struct sql_result *r = mr_calloc(1, sizeof *r);
	r->conn = conn;
	r->sql = mr_strndup(sql);
	char *report = NULL;
	if (execute(statement, &r->result, &report) != DuckDBSuccess) {
		rc = sql_report(conn, report ? report : duckdb_result_error(&r->result),
				duckdb_result_error_type(&r->result), sql, err);
	} else {
		r->is_query = duckdb_result_return_type(r->result) == DUCKDB_RESULT_TYPE_QUERY_RESULT;
		conn->stream = r->is_query ? r : NULL;
		rc = read_columns(r, err);
	}
	free(report);
	duckdb_destroy_prepare(&statement);
	if (rc < 0) {
		sql_result_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

/* DuckDB keeps the plan of a stream, and so our sources' scans, until the stream ends. */
static void end_stream(struct sql_result *r)
{
	if (r->conn->stream != r)
		return;
	r->conn->stream = NULL;
	duckdb_interrupt(r->conn->handle);
	duckdb_data_chunk chunk;
	while ((chunk = duckdb_fetch_chunk(r->result)))
		duckdb_destroy_data_chunk(&chunk);
}

void sql_result_free(struct sql_result *r)
{
	if (!r)
		return;
	end_stream(r);
	for (size_t i = 0; i < r->column_count; i++)
		sql_type_release(&r->types[i]);
	duckdb_free(r->text);
	if (r->chunk)
		duckdb_destroy_data_chunk(&r->chunk);
	duckdb_destroy_result(&r->result);
	arena_release(&r->arena);
	free(r->sql);
	free(r);
}

size_t sql_column_count(const struct sql_result *r)
{
	return r->column_count;
}

mr_str sql_column_name(const struct sql_result *r, size_t column)
{
	return r->names[column];
}

mr_str sql_column_type(const struct sql_result *r, size_t column)
{
	return r->types[column].name;
}

int64_t sql_rows_changed(const struct sql_result *r)
{
	if (r->is_query)
		return 0;
	duckdb_result copy = r->result; /* the C API takes it by non-const pointer, and only reads */
	return (int64_t)duckdb_rows_changed(&copy);
}

bool sql_result_is_query(const struct sql_result *r)
{
	return r->is_query;
}

static int next_chunk(struct sql_result *r, struct mr_error *err)
{
	do {
		if (r->chunk)
			duckdb_destroy_data_chunk(&r->chunk);
		r->chunk = duckdb_fetch_chunk(r->result);
		if (!r->chunk) {
			const char *report = duckdb_result_error(&r->result);
			if (report && *report)
				return sql_report(r->conn, report, duckdb_result_error_type(&r->result),
						  mr_str_from(r->sql), err);
			r->ended = true;
			if (r->conn->stream == r)
				r->conn->stream = NULL;
			return 0;
		}
		r->rows = duckdb_data_chunk_get_size(r->chunk);
	} while (r->rows == 0);
	for (size_t i = 0; i < r->column_count; i++)
		r->vectors[i] = duckdb_data_chunk_get_vector(r->chunk, i);
	r->row = 0;
	return 1;
}

int sql_next(struct sql_result *r, struct mr_error *err)
{
	if (r->chunk && r->row + 1 < r->rows) {
		r->row++;
		return 1;
	}
	r->rows = 0;
	return r->ended ? 0 : next_chunk(r, err);
}

bool sql_is_null(struct sql_result *r, size_t column)
{
	return !sql_valid_at(r->vectors[column], r->row);
}

static int64_t decimal_int(const struct sql_type *type, duckdb_vector vector, idx_t row)
{
	duckdb_value value = sql_value_at(type, vector, row);
	int64_t out = duckdb_get_int64(value);
	duckdb_destroy_value(&value);
	return out;
}

int64_t sql_int(struct sql_result *r, size_t column)
{
	const void *data = duckdb_vector_get_data(r->vectors[column]);
	if (sql_is_null(r, column))
		return 0;
	switch (r->types[column].id) {
	case DUCKDB_TYPE_BOOLEAN:
	case DUCKDB_TYPE_UTINYINT:
		return ((const uint8_t *)data)[r->row];
	case DUCKDB_TYPE_TINYINT:
		return ((const int8_t *)data)[r->row];
	case DUCKDB_TYPE_SMALLINT:
		return ((const int16_t *)data)[r->row];
	case DUCKDB_TYPE_USMALLINT:
		return ((const uint16_t *)data)[r->row];
	case DUCKDB_TYPE_INTEGER:
	case DUCKDB_TYPE_DATE:
		return ((const int32_t *)data)[r->row];
	case DUCKDB_TYPE_UINTEGER:
		return ((const uint32_t *)data)[r->row];
	case DUCKDB_TYPE_BIGINT:
	case DUCKDB_TYPE_UBIGINT:
	case DUCKDB_TYPE_TIME:
	case DUCKDB_TYPE_TIMESTAMP:
	case DUCKDB_TYPE_TIMESTAMP_TZ:
	case DUCKDB_TYPE_TIMESTAMP_S:
	case DUCKDB_TYPE_TIMESTAMP_MS:
	case DUCKDB_TYPE_TIMESTAMP_NS:
		return ((const int64_t *)data)[r->row];
	case DUCKDB_TYPE_HUGEINT:
	case DUCKDB_TYPE_UHUGEINT:
		return (int64_t)((const duckdb_hugeint *)data)[r->row].lower;
	case DUCKDB_TYPE_FLOAT:
		return (int64_t)((const float *)data)[r->row];
	case DUCKDB_TYPE_DOUBLE:
		return (int64_t)((const double *)data)[r->row];
	default:
		return decimal_int(&r->types[column], r->vectors[column], r->row);
	}
}

double sql_double(struct sql_result *r, size_t column)
{
	const struct sql_type *type = &r->types[column];
	const void *data = duckdb_vector_get_data(r->vectors[column]);
	if (sql_is_null(r, column))
		return 0;
	if (type->id == DUCKDB_TYPE_DOUBLE)
		return ((const double *)data)[r->row];
	if (type->id == DUCKDB_TYPE_FLOAT)
		return ((const float *)data)[r->row];
	if (type->id == DUCKDB_TYPE_HUGEINT)
		return duckdb_hugeint_to_double(((const duckdb_hugeint *)data)[r->row]);
	if (type->id != DUCKDB_TYPE_DECIMAL)
		return (double)sql_int(r, column);
	duckdb_value value = sql_value_at(type, r->vectors[column], r->row);
	double out = duckdb_get_double(value);
	duckdb_destroy_value(&value);
	return out;
}

static bool is_string(duckdb_type id)
{
	return id == DUCKDB_TYPE_VARCHAR || id == DUCKDB_TYPE_BLOB;
}

mr_str sql_str(struct sql_result *r, size_t column)
{
	if (sql_is_null(r, column) || !is_string(r->types[column].id))
		return MR_STR_NULL;
	return sql_string_at(r->vectors[column], r->row);
}

mr_str sql_text(struct sql_result *r, size_t column)
{
	if (sql_is_null(r, column))
		return MR_STR("NULL");
	if (r->types[column].id == DUCKDB_TYPE_VARCHAR)
		return sql_string_at(r->vectors[column], r->row);
	duckdb_value value = sql_value_at(&r->types[column], r->vectors[column], r->row);
	duckdb_free(r->text);
	r->text = duckdb_get_varchar(value);
	duckdb_destroy_value(&value);
	return mr_str_from(r->text ? r->text : "");
}

bool sql_column_is_number(const struct sql_result *r, size_t column)
{
	switch (r->types[column].id) {
	case DUCKDB_TYPE_TINYINT:
	case DUCKDB_TYPE_SMALLINT:
	case DUCKDB_TYPE_INTEGER:
	case DUCKDB_TYPE_BIGINT:
	case DUCKDB_TYPE_UTINYINT:
	case DUCKDB_TYPE_USMALLINT:
	case DUCKDB_TYPE_UINTEGER:
	case DUCKDB_TYPE_UBIGINT:
	case DUCKDB_TYPE_FLOAT:
	case DUCKDB_TYPE_DOUBLE:
	case DUCKDB_TYPE_HUGEINT:
	case DUCKDB_TYPE_UHUGEINT:
	case DUCKDB_TYPE_BIGNUM:
	case DUCKDB_TYPE_DECIMAL:
		return true;
	default:
		return false;
	}
}

bool sql_column_is_nested(const struct sql_result *r, size_t column)
{
	return r->types[column].child_count > 0 || r->types[column].is_json;
}

void sql_put_json(struct sql_result *r, size_t column, struct mr_buf *out)
{
	struct json_writer w = json_writer(out);
	sql_value_json(&r->types[column], r->vectors[column], r->row, &w);
}
