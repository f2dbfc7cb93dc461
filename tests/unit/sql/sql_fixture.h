/* tests/unit/sql/sql_fixture.h - an engine and a connection for a test. */
#pragma once

#include "test.h"

#include "sql/engine.h"

#include <stdlib.h>

struct sql_fixture {
	struct sql_engine *engine;
	struct sql_conn *conn;
	struct mr_error err;
};

static inline void sql_fixture_open(struct sql_fixture *f)
{
	struct sql_engine_options options = {.threads = 2, .memory_bytes_max = 512 << 20};
	CHECK_OK(sql_engine_open(&options, &f->engine, &f->err), f->err);
	CHECK_OK(sql_connect(f->engine, &f->conn, &f->err), f->err);
}

static inline void sql_fixture_close(struct sql_fixture *f)
{
	sql_disconnect(f->conn);
	sql_engine_close(f->engine);
}

/* The first column of the first row as text; the caller frees. */
static inline char *sql_one(struct sql_fixture *f, const char *sql)
{
	struct sql_result *r;
	CHECK_OK(sql_query(f->conn, mr_str_from(sql), &r, &f->err), f->err);
	int rc = sql_next(r, &f->err);
	if (rc < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", sql, f->err.message);
	char *text = mr_strndup(rc == 1 ? sql_text(r, 0) : MR_STR("(no row)"));
	sql_result_free(r);
	return text;
}

#define CHECK_SQL(fixture, sql, want) \
	do { \
		char *one_ = sql_one((fixture), (sql)); \
		CHECK_STR(mr_str_from(one_), (want)); \
		free(one_); \
	} while (0)
