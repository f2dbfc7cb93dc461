/* sql/source.c - rows made by millrace as a DuckDB table function.
 *
 * A batch (codec/columns.h) is copied column by column into DuckDB's vectors. Strings are not
 * copied: a vector's 16-byte string points into the batch, which stays as it is until DuckDB
 * asks for the next one; by then the pipeline is through with this one or has copied it. The
 * batch promises valid UTF-8, so nothing is checked again.
 *
 * One thread a scan (max_threads 1), as struct sql_source promises its callbacks.
 */
#include "sql/internal.h"

#include <stdlib.h>

struct bound_source {
	const struct sql_source *source;
	struct arena arena;
	struct column_def *defs;
	size_t def_count;
	void *bound;
};

struct open_scan {
	const struct sql_source *source;
	void *scan;
	struct columns batch;
	size_t *projected; /* output vector -> column; SIZE_MAX: a row id that nobody reads */
	size_t projected_count;
};

static void free_bound(void *arg)
{
	struct bound_source *b = arg;
	if (b->bound && b->source->unbind)
		b->source->unbind(b->bound);
	arena_release(&b->arena);
	free(b);
}

static void free_scan(void *arg)
{
	struct open_scan *s = arg;
	if (s->scan)
		s->source->close(s->scan);
	columns_release(&s->batch);
	free(s->projected);
	free(s);
}

/* DuckDB carries one text; report.c takes what follows the newline as the hint again. */
static char *error_text(const struct mr_error *err)
{
	return mr_asprintf("%s%s%s", err->message, err->hint[0] ? "\n" : "", err->hint);
}

static duckdb_logical_type logical_type_of(const struct column_def *def)
{
	static const duckdb_type types[] = {
	    [COL_BOOLEAN] = DUCKDB_TYPE_BOOLEAN,
	    [COL_BYTE] = DUCKDB_TYPE_TINYINT,
	    [COL_SHORT] = DUCKDB_TYPE_SMALLINT,
	    [COL_INTEGER] = DUCKDB_TYPE_INTEGER,
	    [COL_LONG] = DUCKDB_TYPE_BIGINT,
	    [COL_FLOAT] = DUCKDB_TYPE_FLOAT,
	    [COL_DOUBLE] = DUCKDB_TYPE_DOUBLE,
	    [COL_DECIMAL] = DUCKDB_TYPE_DECIMAL,
	    [COL_STRING] = DUCKDB_TYPE_VARCHAR,
	    [COL_BINARY] = DUCKDB_TYPE_BLOB,
	    [COL_DATE] = DUCKDB_TYPE_DATE,
	    [COL_TIMESTAMP] = DUCKDB_TYPE_TIMESTAMP_TZ,
	    [COL_TIMESTAMP_NTZ] = DUCKDB_TYPE_TIMESTAMP,
	    [COL_JSON] = DUCKDB_TYPE_VARCHAR,
	};
	if (def->type == COL_DECIMAL)
		return duckdb_create_decimal_type(def->precision, def->scale);
	duckdb_logical_type type = duckdb_create_logical_type(types[def->type]);
	if (def->type == COL_JSON)
		duckdb_logical_type_set_alias(type, "JSON");
	return type;
}

static void add_result_columns(duckdb_bind_info info, const struct bound_source *b)
{
	for (size_t i = 0; i < b->def_count; i++) {
		duckdb_logical_type type = logical_type_of(&b->defs[i]);
		char *name = mr_strndup(b->defs[i].name);
		duckdb_bind_add_result_column(info, name, type);
		free(name);
		duckdb_destroy_logical_type(&type);
	}
}

static void on_bind(duckdb_bind_info info)
{
	const struct sql_source *source = duckdb_bind_get_extra_info(info);
	struct bound_source *b = mr_calloc(1, sizeof *b);
	b->source = source;
	mr_str *params = arena_calloc(&b->arena, source->param_count + 1, sizeof *params);
	for (size_t i = 0; i < source->param_count; i++) {
		duckdb_value value = duckdb_bind_get_parameter(info, i);
		char *text = duckdb_get_varchar(value);
		params[i] = arena_copy(&b->arena, mr_str_from(text ? text : ""));
		duckdb_free(text);
		duckdb_destroy_value(&value);
	}
	struct mr_error err = {0};
	int rc = source->bind(source->arg, params, &b->arena, &b->defs, &b->def_count, &b->bound, &err);
	if (rc < 0) {
		char *text = error_text(&err);
		duckdb_bind_set_error(info, text);
		free(text);
		free_bound(b);
		return;
	}
	add_result_columns(info, b);
	duckdb_bind_set_bind_data(info, b, free_bound);
}

static void on_init(duckdb_init_info info)
{
	struct bound_source *b = duckdb_init_get_bind_data(info);
	struct open_scan *s = mr_calloc(1, sizeof *s);
	s->source = b->source;
	s->projected_count = duckdb_init_get_column_count(info);
	s->projected = mr_calloc(s->projected_count + 1, sizeof *s->projected);
	size_t *wanted = mr_calloc(s->projected_count + 1, sizeof *wanted);
	size_t wanted_count = 0;
	for (size_t i = 0; i < s->projected_count; i++) {
		idx_t column = duckdb_init_get_column_index(info, i);
		s->projected[i] = column < b->def_count ? column : SIZE_MAX;
		if (column < b->def_count)
			wanted[wanted_count++] = column;
	}
	columns_init(&s->batch, b->defs, b->def_count);
	struct mr_error err = {0};
	if (b->source->open(b->bound, wanted, wanted_count, &s->scan, &err) < 0) {
		char *text = error_text(&err);
		duckdb_init_set_error(info, text);
		free(text);
		s->scan = NULL;
	}
	free(wanted);
	duckdb_init_set_max_threads(info, 1);
	duckdb_init_set_init_data(info, s, free_scan);
}

static void copy_validity(duckdb_vector vector, const uint8_t *valid, size_t rows)
{
	if (!memchr(valid, 0, rows))
		return;
	duckdb_vector_ensure_validity_writable(vector);
	uint64_t *bits = duckdb_vector_get_validity(vector);
	for (size_t i = 0; i < rows; i += 64) {
		uint64_t word = 0;
		for (size_t j = 0; j < 64 && i + j < rows; j++)
			word |= (uint64_t)(valid[i + j] != 0) << j;
		bits[i / 64] = word;
	}
}

static void copy_strings(duckdb_vector vector, const struct column *column, size_t rows)
{
	duckdb_string_t *to = duckdb_vector_get_data(vector);
	const mr_str *from = column->values;
	for (size_t i = 0; i < rows; i++) {
		mr_str s = column->valid[i] ? from[i] : MR_STR_NULL;
		to[i].value.inlined.length = (uint32_t)s.len;
		if (s.len > sizeof to[i].value.inlined.inlined) {
			memcpy(to[i].value.pointer.prefix, s.ptr, sizeof to[i].value.pointer.prefix);
			to[i].value.pointer.ptr = (char *)(uintptr_t)s.ptr;
			continue;
		}
		/* DuckDB compares all 16 bytes: what is not text must be zero. */
		memset(to[i].value.inlined.inlined, 0, sizeof to[i].value.inlined.inlined);
		if (s.len)
			memcpy(to[i].value.inlined.inlined, s.ptr, s.len);
	}
}

/* A decimal is as wide as its precision needs: 4, 9, 18 or 38 digits. */
static void copy_decimals(duckdb_vector vector, const struct column *column, size_t rows)
{
	const __int128 *from = column->values;
	void *to = duckdb_vector_get_data(vector);
	uint8_t precision = column->def.precision;
	for (size_t i = 0; i < rows; i++) {
		__int128 v = column->valid[i] ? from[i] : 0;
		if (precision <= 4)
			((int16_t *)to)[i] = (int16_t)v;
		else if (precision <= 9)
			((int32_t *)to)[i] = (int32_t)v;
		else if (precision <= 18)
			((int64_t *)to)[i] = (int64_t)v;
		else
			((duckdb_hugeint *)to)[i] = (duckdb_hugeint){(uint64_t)v, (int64_t)(v >> 64)};
	}
}

static void copy_column(duckdb_vector vector, const struct column *column, size_t rows)
{
	copy_validity(vector, column->valid, rows);
	switch (column->def.type) {
	case COL_STRING:
	case COL_BINARY:
	case COL_JSON:
		copy_strings(vector, column, rows);
		break;
	case COL_DECIMAL:
		copy_decimals(vector, column, rows);
		break;
	default:
		memcpy(duckdb_vector_get_data(vector), column->values, rows * column_width(column->def.type));
	}
}

static void on_next(duckdb_function_info info, duckdb_data_chunk output)
{
	struct open_scan *s = duckdb_function_get_init_data(info);
	struct mr_error err = {0};
	columns_clear(&s->batch);
	int rc = s->source->next(s->scan, &s->batch, &err);
	if (rc < 0) {
		char *text = error_text(&err);
		duckdb_function_set_error(info, text);
		free(text);
		return;
	}
	size_t rows = rc > 0 ? s->batch.rows : 0;
	MR_ASSERT(rows <= COLUMNS_ROWS_MAX);
	for (size_t i = 0; i < s->projected_count; i++)
		if (s->projected[i] != SIZE_MAX)
			copy_column(duckdb_data_chunk_get_vector(output, i),
				    &s->batch.columns[s->projected[i]], rows);
	duckdb_data_chunk_set_size(output, rows);
}

static int already_there(const char *name, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_EXISTS, "there is a table function %s already", name);
}

int sql_source_add(duckdb_connection admin, struct registered_source *r, struct mr_error *err)
{
	duckdb_table_function function = duckdb_create_table_function();
	duckdb_table_function_set_name(function, r->name);
	duckdb_logical_type text = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
	for (size_t i = 0; i < r->source.param_count; i++)
		duckdb_table_function_add_parameter(function, text);
	duckdb_destroy_logical_type(&text);
	duckdb_table_function_set_extra_info(function, &r->source, NULL);
	duckdb_table_function_set_bind(function, on_bind);
	duckdb_table_function_set_init(function, on_init);
	duckdb_table_function_set_function(function, on_next);
	duckdb_table_function_supports_projection_pushdown(function, true);
	duckdb_state state = duckdb_register_table_function(admin, function);
	duckdb_destroy_table_function(&function);
	return state == DuckDBSuccess ? 0 : already_there(r->name, err);
}

int sql_register_source(struct sql_engine *engine, const struct sql_source *source, struct mr_error *err)
{
	struct registered_source *r = mr_calloc(1, sizeof *r);
	r->source = *source;
	r->name = mr_strdup(source->name);
	r->source.name = r->name;
	pthread_mutex_lock(&engine->lock);
	bool taken = false; /* DuckDB would take a second one as an overload */
	for (struct registered_source *s = engine->sources; s && !taken; s = s->next)
		taken = strcmp(s->name, r->name) == 0;
	int rc = taken ? already_there(r->name, err)
		       : sql_engine_apply(engine, (struct sql_setup){.source = r}, err);
	r->next = engine->sources;
	engine->sources = r; /* kept even when refused: DuckDB may hold the pointer */
	pthread_mutex_unlock(&engine->lock);
	return rc;
}

void sql_sources_free(struct registered_source *sources)
{
	while (sources) {
		struct registered_source *next = sources->next;
		free(sources->name);
		free(sources);
		sources = next;
	}
}
