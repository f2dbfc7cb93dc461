/* app/system_lake.c - system.tables, table_files, table_history, table_maintenance: the tables of the
 * catalogue and those that CREATE TABLE made. */
#include "app/system_fill.h"

#include <stdlib.h>

#define COLUMN SYSTEM_COLUMN

static const char *entry_kind(const struct catalog_entry *entry)
{
	static const char *const flow_kinds[] = {"streaming table", "materialized view", "temporary view"};
	return entry->kind == CATALOG_INGEST ? "ingest" : flow_kinds[entry->flow->kind];
}

/* Every table with a name; handles are borrowed. */
typedef int table_fn(struct system_rows *rows, const char *name, const char *kind, struct delta_table *table,
		     struct mr_error *err);

static int each_made(struct lake *lake, table_fn *fn, struct catalog *catalog, struct system_rows *rows,
		     struct mr_error *err)
{
	struct lake_names names;
	int rc = lake_names(lake, &names, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < names.count && rc == 0; i++) {
		struct delta_table *table;
		if (!catalog_find(catalog, names.items[i]) &&
		    lake_find(lake, names.items[i], &table, NULL) == 0)
			rc = fn(rows, names.items[i].ptr, "table", table, err);
	}
	lake_names_release(&names);
	return rc;
}

static int each_table(struct app *app, table_fn *fn, struct system_rows *rows, struct mr_error *err)
{
	struct catalog_entry *const *entries;
	size_t count = catalog_entries(app_catalog(app), &entries);
	int rc = 0;
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = fn(rows, entries[i]->name, entry_kind(entries[i]), entries[i]->table, err);
	return rc == 0 ? each_made(catalog_lake(app_catalog(app)), fn, app_catalog(app), rows, err) : rc;
}

static const struct column_def tables_columns[] = {
    COLUMN("table_name", COL_STRING), COLUMN("kind", COL_STRING), COLUMN("version", COL_LONG),
    COLUMN("rows", COL_LONG),         COLUMN("files", COL_LONG),  COLUMN("bytes", COL_LONG),
    COLUMN("path", COL_STRING),
};

static int put_table(struct system_rows *rows, const char *name, const char *kind, struct delta_table *table,
		     struct mr_error *err)
{
	struct delta_snapshot *snapshot = NULL;
	int rc = table ? delta_snapshot(table, &snapshot, err) : 0;
	if (rc < 0 && rc != MR_ERR_NOT_FOUND)
		return rc;
	system_cstr(rows, name);
	system_cstr(rows, kind);
	if (snapshot) {
		system_int(rows, delta_version(snapshot));
		system_int(rows, delta_row_count(snapshot));
		system_int(rows, delta_file_count(snapshot));
		system_int(rows, delta_size_bytes(snapshot));
	} else {
		for (int c = 0; c < 4; c++)
			system_null(rows);
	}
	system_cstr(rows, table ? delta_path(table) : NULL);
	delta_snapshot_unref(snapshot);
	return 0;
}

static int fill_tables(void *arg, struct system_rows *rows, struct mr_error *err)
{
	return each_table(arg, put_table, rows, err);
}

static const struct column_def files_columns[] = {
    COLUMN("table_name", COL_STRING), COLUMN("path", COL_STRING),       COLUMN("partition", COL_STRING),
    COLUMN("bytes", COL_LONG),        COLUMN("rows", COL_LONG),         COLUMN("modified", COL_TIMESTAMP),
    COLUMN("stats", COL_STRING),      COLUMN("deleted_rows", COL_LONG),
};

/* "date=2026-01-31/hour=7" */
static void put_partition(struct system_rows *rows, const struct delta_snapshot *snapshot,
			  const struct delta_data_file *file)
{
	const mr_str *names;
	struct mr_buf text = {0};
	size_t count = delta_partition_columns(snapshot, &names);
	for (size_t i = 0; i < count; i++) {
		mr_str value = file->partition_values[i];
		mr_buf_printf(&text, "%s%.*s=%.*s", i ? "/" : "", MR_FMT(names[i]),
			      MR_FMT(value.ptr ? value : MR_STR("null")));
	}
	system_str(rows, mr_buf_view(&text));
	mr_buf_release(&text);
}

static int put_files(struct system_rows *rows, const char *name, const char *kind, struct delta_table *table,
		     struct mr_error *err)
{
	(void)kind;
	struct arena arena = {0};
	struct delta_snapshot *snapshot = NULL;
	struct delta_data_file *files = NULL;
	int rc = table ? delta_snapshot(table, &snapshot, err) : 0;
	size_t count = rc == 0 && snapshot ? delta_files(snapshot, &arena, &files) : 0;
	for (size_t i = 0; i < count; i++) {
		system_cstr(rows, name);
		system_str(rows, files[i].path);
		put_partition(rows, snapshot, &files[i]);
		system_int(rows, files[i].size);
		if (files[i].rows >= 0)
			system_int(rows, files[i].rows);
		else
			system_null(rows);
		system_int(rows, files[i].modified_ms * 1000);
		system_str(rows, files[i].stats);
		system_int(rows, files[i].dv ? files[i].dv->cardinality : 0);
	}
	delta_snapshot_unref(snapshot);
	arena_release(&arena);
	return rc == MR_ERR_NOT_FOUND ? 0 : rc;
}

static int fill_files(void *arg, struct system_rows *rows, struct mr_error *err)
{
	return each_table(arg, put_files, rows, err);
}

static const struct column_def history_columns[] = {
    COLUMN("table_name", COL_STRING),           COLUMN("version", COL_LONG),
    COLUMN("timestamp", COL_TIMESTAMP),         COLUMN("operation", COL_STRING),
    COLUMN("operation_parameters", COL_STRING), COLUMN("operation_metrics", COL_STRING),
    COLUMN("engine_info", COL_STRING),
};

static int put_history(struct system_rows *rows, const char *name, const char *kind,
		       struct delta_table *table, struct mr_error *err)
{
	(void)kind;
	if (!table)
		return 0;
	struct arena arena = {0};
	struct delta_history_entry *history;
	size_t count;
	int rc = delta_history(table, 0, &arena, &history, &count, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		system_cstr(rows, name);
		system_int(rows, history[i].version);
		system_int(rows, history[i].timestamp_ms * 1000);
		system_str(rows, history[i].operation);
		system_str(rows, history[i].operation_parameters);
		system_str(rows, history[i].operation_metrics);
		system_str(rows, history[i].engine_info);
	}
	arena_release(&arena);
	return rc == MR_ERR_NOT_FOUND ? 0 : rc;
}

static int fill_history(void *arg, struct system_rows *rows, struct mr_error *err)
{
	return each_table(arg, put_history, rows, err);
}

static const struct column_def maintenance_columns[] = {
    COLUMN("table_name", COL_STRING), COLUMN("kind", COL_STRING),       COLUMN("started", COL_TIMESTAMP),
    COLUMN("version", COL_LONG),      COLUMN("files_before", COL_LONG), COLUMN("files_after", COL_LONG),
    COLUMN("bytes_before", COL_LONG), COLUMN("bytes_after", COL_LONG),  COLUMN("seconds", COL_DOUBLE),
    COLUMN("error", COL_STRING),
};

static int fill_maintenance(void *arg, struct system_rows *rows, struct mr_error *err)
{
	(void)err;
	struct upkeep_record *records = mr_calloc(UPKEEP_RECORDS_MAX, sizeof *records);
	size_t count = upkeep_records(app_upkeep(arg), records, UPKEEP_RECORDS_MAX);
	for (size_t i = 0; i < count; i++) {
		const struct upkeep_record *r = &records[i];
		system_cstr(rows, r->table);
		system_cstr(rows, chore_name(r->chore));
		system_int(rows, r->started_ms * 1000);
		if (r->version >= 0)
			system_int(rows, r->version);
		else
			system_null(rows);
		system_int(rows, r->files_before);
		system_int(rows, r->files_after);
		system_int(rows, r->bytes_before);
		system_int(rows, r->bytes_after);
		system_double(rows, (double)r->took_us / 1e6);
		system_cstr(rows, r->error.code ? r->error.message : NULL);
	}
	free(records);
	return 0;
}

const struct system_table system_lake_tables[] = {
    SYSTEM_TABLE(tables),
    {"table_files", files_columns, MR_COUNT(files_columns), fill_files, NULL},
    {"table_history", history_columns, MR_COUNT(history_columns), fill_history, NULL},
    {"table_maintenance", maintenance_columns, MR_COUNT(maintenance_columns), fill_maintenance, NULL},
};
const size_t system_lake_table_count = MR_COUNT(system_lake_tables);
