/* dag/export_internal.h - shared by export*.c: Python as text, and what a file imports. */
#pragma once

#include "base/buf.h"
#include "base/map.h"
#include "base/vec.h"
#include "codec/json.h"
#include "dag/export.h"
#include "dag/timetable.h"
#include "dag/tz.h"

struct export
{
	const struct dag *dag;
	struct arena arena;
	struct mr_buf body, notes;
	MR_VEC(mr_str) imports; /* "from airflow.sdk import DAG" */
	mr_str *names;          /* of tasks: Python names */
	bool sql, topic;        /* helpers that the file needs */
	int indent;
};

/* ---- export_python.c ---- */
void export_import(struct export *e, const char *module, const char *name); /* name NULL: import module */
void export_string(struct mr_buf *out, mr_str text);                        /* a Python string literal */
/* JSON as a Python literal; {"__xcom__": "task"} is task.output. */
void export_value(struct export *e, struct json_value v, struct mr_buf *out);
void export_json(struct export *e, mr_str json, struct mr_buf *out);
void export_delta(struct export *e, int64_t us, struct mr_buf *out);    /* timedelta(seconds=300) */
void export_datetime(struct export *e, int64_t us, struct mr_buf *out); /* in the DAG's zone */
void export_asset(struct export *e, mr_str uri, struct mr_buf *out);
void export_line(struct export *e, const char *fmt, ...) MR_PRINTF(2, 3); /* indented */
/* A Python name made of text, that no task and no import has. */
mr_str export_name(struct export *e, mr_str text);
void export_note(struct export *e, const char *fmt, ...) MR_PRINTF(2, 3);

/* ---- export_task.c ---- */
int export_task(struct export *e, const struct dag_task *task, struct mr_error *err);
