#include "query/system.h"

#include "base/vec.h"

struct cell {
	bool null;
	int64_t number;
	double real;
	mr_str text;
};

struct system_rows {
	const struct system_table *table;
	MR_VEC(struct cell) cells;
	struct arena arena;
	size_t next_row;
};

struct system_tables {
	const struct system_table *tables;
	size_t count;
};

static void put(struct system_rows *rows, struct cell cell)
{
	mr_vec_push(&rows->cells, cell);
}

void system_int(struct system_rows *rows, int64_t v)
{
	put(rows, (struct cell){.number = v, .real = (double)v});
}

void system_double(struct system_rows *rows, double v)
{
	put(rows, (struct cell){.real = v, .number = (int64_t)v});
}

void system_str(struct system_rows *rows, mr_str v)
{
	put(rows, (struct cell){.text = arena_copy(&rows->arena, v)});
}

void system_cstr(struct system_rows *rows, const char *v)
{
	if (v)
		system_str(rows, mr_str_from(v));
	else
		system_null(rows);
}

void system_null(struct system_rows *rows)
{
	put(rows, (struct cell){.null = true});
}

/* ---- the table function ---- */

static int system_bind(void *arg, const mr_str *params, struct arena *arena, struct column_def **defs,
		       size_t *def_count, void **bound, struct mr_error *err)
{
	const struct system_table *table = system_table_find(arg, params[0]);
	if (!table)
		return mr_fail(err, MR_ERR_NOT_FOUND, "there is no table system.%.*s", MR_FMT(params[0]));
	*defs = arena_alloc(arena, table->column_count * sizeof **defs);
	memcpy(*defs, table->columns, table->column_count * sizeof **defs);
	*def_count = table->column_count;
	*bound = (void *)table;
	return 0;
}

static void system_unbind(void *bound)
{
	(void)bound; /* the program's */
}

static void system_close(void *scan)
{
	struct system_rows *rows = scan;
	mr_vec_release(&rows->cells);
	arena_release(&rows->arena);
	free(rows);
}

static int system_open(void *bound, const size_t *projected, size_t projected_count, void **scan,
		       struct mr_error *err)
{
	(void)projected, (void)projected_count;
	const struct system_table *table = bound;
	struct system_rows *rows = mr_calloc(1, sizeof *rows);
	rows->table = table;
	int rc = table->fill(table->arg, rows, err);
	if (rc < 0) {
		system_close(rows);
		return rc;
	}
	MR_ASSERT(rows->cells.len % table->column_count == 0);
	*scan = rows;
	return 0;
}

static void put_cell(struct column *column, size_t row, const struct cell *cell)
{
	column->valid[row] = !cell->null;
	switch (column->def.type) {
	case COL_STRING:
	case COL_JSON:
		((mr_str *)column->values)[row] = cell->text;
		break;
	case COL_DOUBLE:
		((double *)column->values)[row] = cell->real;
		break;
	case COL_BOOLEAN:
		((uint8_t *)column->values)[row] = cell->number != 0;
		break;
	case COL_INTEGER:
		((int32_t *)column->values)[row] = (int32_t)cell->number;
		break;
	default:
		MR_ASSERT(column->def.type == COL_LONG || column->def.type == COL_TIMESTAMP);
		((int64_t *)column->values)[row] = cell->number;
		break;
	}
}

static int system_next(void *scan, struct columns *batch, struct mr_error *err)
{
	(void)err;
	struct system_rows *rows = scan;
	size_t width = rows->table->column_count;
	size_t total = rows->cells.len / width;
	size_t n = mr_min_size(total - rows->next_row, COLUMNS_ROWS_MAX);
	for (size_t row = 0; row < n; row++) {
		for (size_t c = 0; c < width; c++)
			put_cell(&batch->columns[c], row,
				 &rows->cells.items[(rows->next_row + row) * width + c]);
	}
	batch->rows = n;
	rows->next_row += n;
	return n > 0;
}

int system_tables_register(struct sql_engine *engine, const struct system_table *tables, size_t count,
			   struct system_tables **out, struct mr_error *err)
{
	struct system_tables *all = mr_alloc(sizeof *all);
	*all = (struct system_tables){tables, count};
	struct sql_source source = {.name = "millrace_system",
				    .param_count = 1,
				    .arg = all,
				    .bind = system_bind,
				    .unbind = system_unbind,
				    .open = system_open,
				    .next = system_next,
				    .close = system_close};
	int rc = sql_register_source(engine, &source, err);
	if (rc < 0) {
		free(all);
		return rc;
	}
	*out = all;
	return 0;
}

void system_tables_free(struct system_tables *tables)
{
	free(tables);
}

const struct system_table *system_table_find(const struct system_tables *tables, mr_str name)
{
	for (size_t i = 0; i < tables->count; i++) {
		if (mr_str_is(name, tables->tables[i].name))
			return &tables->tables[i];
	}
	return NULL;
}

size_t system_table_list(const struct system_tables *tables, const struct system_table **out)
{
	*out = tables->tables;
	return tables->count;
}
