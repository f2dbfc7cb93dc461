/* tests/unit/dag/test_export.c - DAGs as Python text. That Airflow loads it, tests/interop sees. */
#include "test.h"

#include "base/buf.h"
#include "dag/export.h"
#include "dag/load.h"
#include "env/env.h"

static struct dag_set load(const char *text)
{
	struct dag_load_options options = {.disk = env_linux()->disk};
	struct dag_set set = {0};
	dag_load_text(&options, "dags/x.yml", mr_str_from(text), &set);
	dag_set_finish(&options, &set);
	if (set.faults.len)
		test_fail(__FILE__, __LINE__, "%s: %s", set.faults.items[0].error.where,
			  set.faults.items[0].error.message);
	return set;
}

static bool has(const struct mr_buf *text, const char *part)
{
	return memmem(text->ptr, text->len, part, strlen(part)) != NULL;
}

TEST(export_writes_what_airflow_reads)
{
	struct dag_set set =
	    load("x:\n  schedule: '0 2 * * *'\n  timezone: Europe/Berlin\n  start_date: 2026-01-01\n"
		 "  tasks:\n"
		 "    class: {operator: BashOperator, bash_command: \"a\\n\\\"b\\\" \\\\ {{ ds }}\"}\n"
		 "    a-b: {operator: EmptyOperator, dependencies: [class]}\n"
		 "    a_b: {operator: DeltaVacuumOperator, table: s.t, retention_hours: 5,"
		 " dependencies: [class, a-b]}\n");
	struct mr_buf out = {0}, notes = {0};
	struct mr_error err;
	CHECK_OK(dag_export_airflow(set.dags.items[0], &out, &notes, &err), err);
	CHECK(has(&out, "schedule=CronTriggerTimetable(\"0 2 * * *\", timezone=\"Europe/Berlin\")"));
	CHECK(has(&out, "start_date=pendulum.datetime(2026, 1, 1, tz=\"Europe/Berlin\")"));
	/* Names that Python would refuse, or that two tasks would share. */
	CHECK(has(&out,
		  "class_2 = BashOperator(task_id=\"class\", bash_command=\"a\\n\\\"b\\\" \\\\ {{ ds }}\")"));
	CHECK(has(&out, "a_b = EmptyOperator(task_id=\"a-b\")"));
	CHECK(has(&out, "a_b_2 = BashOperator(task_id=\"a_b\""));
	CHECK(has(&out, "env={\"SQL\": \"VACUUM s.t RETAIN 5 HOURS\"}"));
	CHECK(has(&out, "class_2 >> a_b\n"));
	CHECK(has(&out, "[class_2, a_b] >> a_b_2\n") || has(&out, "[a_b, class_2] >> a_b_2\n"));
	CHECK_INT(notes.len, 0);
	mr_buf_release(&out);
	mr_buf_release(&notes);
	dag_set_release(&set);
}

TEST(export_refuses_what_it_cannot_say)
{
	struct dag_set set =
	    load("x:\n  schedule: null\n  start_date: 2026-01-01\n  tasks:\n"
		 "    s: {operator: SQLExecuteQueryOperator, expand: {sql: l.output}, dependencies: [l]}\n"
		 "    l: {operator: BashOperator, bash_command: 'true'}\n");
	struct mr_buf out = {0};
	struct mr_error err;
	CHECK_INT(dag_export_airflow(set.dags.items[0], &out, NULL, &err), MR_ERR_UNSUPPORTED);
	CHECK(strstr(err.message, "task 's'") != NULL);
	CHECK_INT(out.len, 0);
	dag_set_release(&set);
}
