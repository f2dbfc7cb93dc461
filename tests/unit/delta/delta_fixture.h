/* tests/unit/delta/delta_fixture.h - a table in a fresh folder, an engine and a connection. */
#pragma once

#include "test.h"

#include "base/mem.h"
#include "delta/delta.h"

#include <stdlib.h>

struct delta_fixture {
	struct sql_engine *engine;
	struct sql_conn *conn;
	struct delta_table *table;
	struct arena arena;
	char *path;
	struct mr_error err;
};

static inline void delta_fixture_open(struct delta_fixture *f)
{
	*f = (struct delta_fixture){.path = test_path("%s/t", test_folder())};
	struct sql_engine_options options = {.threads = 2, .memory_bytes_max = 512 << 20};
	CHECK_OK(sql_engine_open(&options, &f->engine, &f->err), f->err);
	CHECK_OK(sql_connect(f->engine, &f->conn, &f->err), f->err);
	CHECK_OK(delta_open(env_linux(), f->engine, f->path, &f->table, &f->err), f->err);
}

static inline void delta_fixture_close(struct delta_fixture *f)
{
	delta_close(f->table);
	sql_disconnect(f->conn);
	sql_engine_close(f->engine);
	arena_release(&f->arena);
}

/* "n long, p date" -> columns; partition_by as "p,q" or NULL. */
static inline int delta_fixture_try_create(struct delta_fixture *f, const char *columns,
					   const char *partition_by)
{
	struct column_def defs[40];
	mr_str partitions[8];
	struct delta_create create = {.columns = defs, .partition_by = partitions};
	char *text = arena_strdup(&f->arena, columns);
	for (char *at = text, *end; at; at = end ? end + 2 : NULL) {
		end = strstr(at, ", ");
		if (end)
			*end = 0;
		char *space = strchr(at, ' ');
		struct column_def *def = &defs[create.column_count++];
		*def = (struct column_def){.name = mr_str_n(at, (size_t)(space - at))};
		mr_str type = mr_str_from(space + 1);
		if (mr_str_ends(type, MR_STR("!"))) {
			def->not_null = true;
			type.len--;
		}
		CHECK_OK(column_type_parse(type, def, &f->err), f->err);
	}
	char *names = arena_strdup(&f->arena, partition_by ? partition_by : "");
	for (char *at = names, *end; at && *at; at = end) {
		end = strchr(at, ',');
		if (end)
			*end++ = 0;
		partitions[create.partition_count++] = mr_str_from(at);
	}
	return delta_create(f->table, &create, &f->err);
}

static inline void delta_fixture_create(struct delta_fixture *f, const char *columns,
					const char *partition_by)
{
	CHECK_OK(delta_fixture_try_create(f, columns, partition_by), f->err);
}

static inline struct delta_snapshot *delta_now(struct delta_fixture *f)
{
	struct delta_snapshot *s;
	CHECK_OK(delta_snapshot(f->table, &s, &f->err), f->err);
	return s;
}

/* Writes the query's rows and commits them; returns the version. */
static inline int64_t delta_put(struct delta_fixture *f, const char *query, struct delta_commit commit)
{
	struct delta_file *files;
	int64_t version;
	struct delta_snapshot *s = delta_now(f);
	CHECK_OK(delta_write_files(f->table, s, f->conn, mr_str_from(query), &f->arena, &files,
				   &commit.file_count, &f->err),
		 f->err);
	commit.files = files;
	commit.read = s;
	CHECK_OK(delta_commit(f->table, &commit, &version, &f->err), f->err);
	delta_snapshot_unref(s);
	return version;
}

static inline int64_t delta_append(struct delta_fixture *f, const char *query)
{
	return delta_put(f, query, (struct delta_commit){.operation = "WRITE"});
}

/* The first value of SELECT <what> FROM <snapshot>. */
static inline char *delta_ask(struct delta_fixture *f, const struct delta_snapshot *s, const char *what)
{
	struct mr_buf sql = {0};
	struct sql_result *r;
	mr_buf_printf(&sql, "SELECT %s FROM ", what);
	delta_scan_sql(s, &sql);
	CHECK_OK(sql_query(f->conn, mr_buf_view(&sql), &r, &f->err), f->err);
	int rc = sql_next(r, &f->err);
	if (rc < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", mr_buf_view(&sql).ptr, f->err.message);
	char *text =
	    (char *)(uintptr_t)arena_copy(&f->arena, rc == 1 ? sql_text(r, 0) : MR_STR("(no row)")).ptr;
	sql_result_free(r);
	mr_buf_release(&sql);
	return text;
}

#define CHECK_ROWS(fixture, snapshot, what, want) \
	CHECK_STR(mr_str_from(delta_ask((fixture), (snapshot), (what))), (want))

/* CHECK_ROWS on the newest version. */
#define CHECK_NOW(fixture, what, want) \
	do { \
		struct delta_snapshot *now_ = delta_now(fixture); \
		CHECK_ROWS((fixture), now_, (what), (want)); \
		delta_snapshot_unref(now_); \
	} while (0)
