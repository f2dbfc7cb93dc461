/* tests/unit/dag/test_scheduler.c - the scheduler with its threads, a store on disk and an executor
 * that does what it is told. */
#include "test.h"

#include "base/buf.h"
#include "dag/civil.h"
#include "dag/scheduler.h"
#include "env/env.h"

#include <stdlib.h>
#include <unistd.h>

/* Ends every try at once, or keeps it: "hold" in its command. */
struct stub {
	struct dag_executor base;
	struct dag_sink *sink;
	_Atomic int submits, asked;
	bool held_ended;
	bool nobody;        /* the scheduler is told that no executor runs it */
	mr_str preset;      /* the executor of tasks that say none */
	char asked_for[64]; /* names that the scheduler looked for, each once in a row */
};

static void report(struct stub *stub, const char *id, enum dag_report_kind kind)
{
	struct dag_xcom xcom = {MR_STR("return_value"), MR_STR("[1, 2, 3]")};
	struct dag_report r = {.kind = kind,
			       .id = id,
			       .at_us = NO_TIME,
			       .until_us = NO_TIME,
			       .host = MR_STR("here"),
			       .pid = 7,
			       .xcoms = &xcom,
			       .xcom_count = kind == DAG_REPORT_FINISHED};
	dag_sink_report(stub->sink, &r);
}

static int stub_submit(struct dag_executor *base, struct dag_try *try, struct mr_error *err)
{
	struct stub *stub = MR_CONTAINER_OF(base, struct stub, base);
	stub->submits++;
	if (try->task->argument_count &&
	    memmem(try->task->arguments[0].json.ptr, try->task->arguments[0].json.len, "refuse", 6) &&
	    try->try_number == 1)
		return mr_fail(err, MR_ERR_BUSY, "no");
	report(stub, try->id, DAG_REPORT_STARTED);
	if (try->poke == 0 && try->task->operator->sensor) {
		struct dag_report r = {.kind = DAG_REPORT_DEFERRED,
				       .id = try->id,
				       .at_us = NO_TIME,
				       .until_us = NO_TIME,
				       .event = MR_STR("delta:lake.t"),
				       .reschedule = true};
		dag_sink_report(stub->sink, &r);
		return 0;
	}
	if (!try->task->argument_count ||
	    !memmem(try->task->arguments[0].json.ptr, try->task->arguments[0].json.len, "hold", 4))
		report(stub, try->id, DAG_REPORT_FINISHED);
	return 0;
}

static void stub_cancel(struct dag_executor *base, const char *id, enum dag_cancel why)
{
	(void)why;
	report(MR_CONTAINER_OF(base, struct stub, base), id, DAG_REPORT_FINISHED);
}

static int stub_reattach(struct dag_executor *base, struct dag_try *const *tries, size_t count,
			 struct mr_error *err)
{
	struct stub *stub = MR_CONTAINER_OF(base, struct stub, base);
	(void)err;
	for (size_t i = 0; i < count; i++) {
		stub->asked++;
		report(stub, tries[i]->id, DAG_REPORT_FINISHED);
	}
	return 0;
}

static const struct dag_executor_ops stub_ops = {stub_submit, stub_cancel, stub_reattach, NULL};

static struct dag_executor *the_stub(void *arg, mr_str name, const struct operator* op)
{
	struct stub *stub = arg;
	(void)op;
	size_t used = strlen(stub->asked_for);
	if (used < name.len + 1 || memcmp(stub->asked_for + used - name.len - 1, name.ptr, name.len) != 0)
		snprintf(stub->asked_for + used, sizeof stub->asked_for - used, "%.*s,", MR_FMT(name));
	return stub->nobody ? NULL : &stub->base;
}

static struct dag_executor *stub_at(void *arg, size_t i)
{
	struct stub *stub = arg;
	return i == 0 && !stub->nobody ? &stub->base : NULL;
}

static struct scheduler *start(struct stub *stub, struct dag_store *store, const char *folder)
{
	struct mr_error err;
	struct scheduler *s;
	struct scheduler_options options = {.env = env_linux(),
					    .store = store,
					    .folder = folder,
					    .load = {.disk = env_linux()->disk},
					    .reload_ms = 20,
					    .hostname = "here",
					    .executor = stub->preset,
					    .executor_of = the_stub,
					    .executor_at = stub_at,
					    .arg = stub};
	stub->base.ops = &stub_ops;
	CHECK_OK(scheduler_new(&options, &s, &err), err);
	stub->sink = scheduler_sink(s);
	CHECK_OK(scheduler_start(s, &err), err);
	return s;
}

static char d_name[] = "d";

static int trigger(struct core *core, void *arg, struct mr_error *err)
{
	struct core_trigger what = {
	    .dag_id = mr_str_from(arg), .run_id = MR_STR("r"), .logical_date_us = NO_TIME};
	return core_trigger(core, &what, NULL, err);
}

static void write_file(const char *path, const char *text)
{
	struct mr_error err;
	CHECK_OK(disk_replace_file(env_linux()->disk, path, mr_str_from(text), &err), err);
}

static bool wait_for(struct dag_store *store, const char *sql, const char *want)
{
	struct mr_buf text = {0};
	struct mr_error err;
	bool same = false;
	for (int i = 0; i < 1000 && !same; i++) {
		mr_buf_clear(&text);
		CHECK_OK(store->ops->query(store, sql, NULL, 0, &text, &err), err);
		same = strcmp(mr_buf_view(&text).ptr, want) == 0;
		if (!same)
			usleep(5000);
	}
	if (!same)
		test_fail(__FILE__, __LINE__, "%s gives %s", sql, mr_buf_view(&text).ptr);
	mr_buf_release(&text);
	return same;
}

#define STATES "SELECT state, count(*) AS n FROM task_instance GROUP BY state ORDER BY state"

TEST(scheduler_wakes_sensors_when_their_event_comes)
{
	const char *folder = test_folder();
	struct dag_store *store;
	struct stub stub = {0};
	struct mr_error err;
	write_file(test_path("%s/d.yml", folder),
		   "d: {schedule: null, tasks: {a: {operator: DeltaTableSensor, table: lake.t}}}");
	CHECK_OK(store_sqlite_open(test_path("%s/dags.db", folder), &store, &err), err);
	struct scheduler *s = start(&stub, store, folder);
	CHECK_OK(scheduler_call(s, trigger, d_name, &err), err);
	wait_for(store, STATES, "{\"state\":\"up_for_reschedule\",\"n\":1}\n");
	dag_sink_event(scheduler_sink(s), MR_STR("delta:lake.other"), MR_STR("{}"));
	usleep(50000);
	CHECK_INT(stub.submits, 1);
	dag_sink_event(scheduler_sink(s), MR_STR("delta:lake.t"), MR_STR("{}"));
	wait_for(store, STATES, "{\"state\":\"success\",\"n\":1}\n");
	CHECK_INT(stub.submits, 2);
	scheduler_stop(s);
	scheduler_free(s);
	store->ops->free(store);
}

TEST(scheduler_runs_a_dag_and_takes_new_files)
{
	struct mr_error err;
	struct stub stub = {0};
	struct dag_store *store;
	const char *folder = test_folder();
	CHECK_OK(store_sqlite_open(test_path("%s/s.db", folder), &store, &err), err);
	struct scheduler *s = start(&stub, store, folder);
	CHECK_INT(scheduler_call(s, trigger, d_name, &err), MR_ERR_NOT_FOUND);
	write_file(test_path("%s/d.yml", folder),
		   "d:\n  tasks:\n    a: {operator: BashOperator, bash_command: x}\n"
		   "    m: {operator: BashOperator, expand: {bash_command: a.output}}\n"
		   "    z: {operator: EmptyOperator, dependencies: [m]}\n");
	wait_for(store, "SELECT dag_id, is_active FROM dag", "{\"dag_id\":\"d\",\"is_active\":1}\n");
	CHECK_OK(scheduler_call(s, trigger, d_name, &err), err);
	CHECK_INT(scheduler_call(s, trigger, d_name, &err), MR_ERR_EXISTS);
	wait_for(store, STATES, "{\"state\":\"success\",\"n\":5}\n");
	wait_for(store, "SELECT state, run_type FROM dag_run",
		 "{\"state\":\"success\",\"run_type\":\"manual\"}\n");
	CHECK_INT(stub.submits, 4);
	CHECK_INT(scheduler_call(s, trigger, d_name, &err),
		  MR_ERR_EXISTS); /* though it is no longer in memory */
	scheduler_free(s);
	store->ops->free(store);
}

/* The next scheduler asks after what ran, and goes on with the version that the run began with. */
TEST(scheduler_takes_up_what_ran)
{
	struct mr_error err;
	struct stub stub = {0};
	struct dag_store *store;
	const char *folder = test_folder();
	CHECK_OK(store_sqlite_open(test_path("%s/s.db", folder), &store, &err), err);
	write_file(test_path("%s/d.yml", folder),
		   "d:\n  tasks:\n    a: {operator: BashOperator, bash_command: hold}\n"
		   "    b: {operator: BashOperator, bash_command: x, dependencies: [a]}\n");
	struct scheduler *s = start(&stub, store, folder);
	CHECK_OK(scheduler_call(s, trigger, d_name, &err), err);
	wait_for(store, STATES, "{\"state\":\"none\",\"n\":1}\n{\"state\":\"running\",\"n\":1}\n");
	scheduler_free(s);
	write_file(test_path("%s/d.yml", folder), "d: {tasks: {other: {operator: EmptyOperator}}}\n");
	s = start(&stub, store, folder);
	wait_for(store, STATES, "{\"state\":\"success\",\"n\":2}\n");
	CHECK_INT(stub.asked, 1);
	CHECK_INT(stub.submits, 2);
	scheduler_free(s);
	store->ops->free(store);
}

/* An executor that this server does not have: what it ran ends, with a reason. */
TEST(scheduler_loses_what_no_executor_runs_any_more)
{
	struct mr_error err;
	struct stub stub = {0};
	struct dag_store *store;
	const char *folder = test_folder();
	CHECK_OK(store_sqlite_open(test_path("%s/s.db", folder), &store, &err), err);
	write_file(test_path("%s/d.yml", folder),
		   "d: {tasks: {a: {operator: BashOperator, bash_command: hold, executor: local}}}\n");
	struct scheduler *s = start(&stub, store, folder);
	CHECK_OK(scheduler_call(s, trigger, d_name, &err), err);
	wait_for(store, STATES, "{\"state\":\"running\",\"n\":1}\n");
	scheduler_free(s);
	stub.nobody = true;
	s = start(&stub, store, folder);
	wait_for(store, STATES, "{\"state\":\"failed\",\"n\":1}\n");
	wait_for(store, "SELECT reason FROM task_instance",
		 "{\"reason\":\"this server has no executor 'local'\"}\n");
	CHECK_INT(stub.asked, 0);
	scheduler_free(s);
	store->ops->free(store);
}

/* What a try was given to is asked after it, whatever the configuration has become. */
TEST(scheduler_remembers_the_executor_of_a_try)
{
	static const char dag[] =
	    "d: {tasks: {a: {operator: BashOperator, bash_command: hold, executor_config: "
	    "{cpus: 2}}}}\n";
	struct mr_error err;
	struct stub stub = {.preset = MR_STR("SlurmExecutor")};
	struct dag_store *store;
	const char *folder = test_folder();
	CHECK_OK(store_sqlite_open(test_path("%s/s.db", folder), &store, &err), err);
	write_file(test_path("%s/d.yml", folder), dag);
	struct scheduler *s = start(&stub, store, folder);
	CHECK_OK(scheduler_call(s, trigger, d_name, &err), err);
	wait_for(store, "SELECT state, executor, executor_config FROM task_instance",
		 "{\"state\":\"running\",\"executor\":\"slurm\",\"executor_config\":\"{\\\"cpus\\\":2}\"}\n");
	scheduler_free(s);
	CHECK_STR(mr_str_from(stub.asked_for), "slurm,");
	stub.preset = MR_STR("local");
	stub.asked_for[0] = 0;
	s = start(&stub, store, folder);
	wait_for(store, STATES, "{\"state\":\"success\",\"n\":1}\n");
	CHECK_STR(mr_str_from(stub.asked_for), "slurm,");
	scheduler_free(s);
	store->ops->free(store);
}

static int backfill_two_at_once(struct core *core, void *arg, struct mr_error *err)
{
	struct core_backfill what = {.dag_id = mr_str_from(arg),
				     .from_us = INT64_C(1767225600) * SECOND_US, /* 2026-01-01 */
				     .to_us = INT64_C(1767571200) * SECOND_US,   /* 2026-01-05 */
				     .max_active_runs = 2};
	size_t runs;
	return core_backfill(core, &what, &runs, err);
}

#define RUN_STATES "SELECT state, count(*) AS n FROM dag_run GROUP BY state ORDER BY state"

/* As many runs at once as it was asked for, also after a restart. */
TEST(scheduler_keeps_the_limit_of_a_backfill)
{
	struct mr_error err;
	struct stub stub = {0};
	struct dag_store *store;
	const char *folder = test_folder();
	CHECK_OK(store_sqlite_open(test_path("%s/s.db", folder), &store, &err), err);
	write_file(test_path("%s/d.yml", folder),
		   "d: {schedule: '@daily', start_date: 2099-01-01, catchup: false,\n"
		   "    tasks: {a: {operator: BashOperator, bash_command: hold}}}\n");
	struct scheduler *s = start(&stub, store, folder);
	CHECK_OK(scheduler_call(s, backfill_two_at_once, d_name, &err), err);
	wait_for(store, RUN_STATES, "{\"state\":\"queued\",\"n\":3}\n{\"state\":\"running\",\"n\":2}\n");
	wait_for(store, "SELECT max_active_runs FROM backfill", "{\"max_active_runs\":2}\n");
	wait_for(store, STATES, "{\"state\":\"none\",\"n\":3}\n{\"state\":\"running\",\"n\":2}\n");
	scheduler_free(s);
	s = start(&stub, store, folder);
	wait_for(store, STATES,
		 "{\"state\":\"none\",\"n\":1}\n{\"state\":\"running\",\"n\":2}\n{\"state\":\"success\","
		 "\"n\":2}\n");
	CHECK_INT(stub.asked, 2);
	CHECK_INT(stub.submits, 4);
	scheduler_free(s);
	store->ops->free(store);
}

/* Two schedulers on one store: the first to be replaced writes nothing more and starts nothing. */
TEST(scheduler_that_was_replaced_stops)
{
	struct mr_error err;
	struct stub old = {0}, new = {0};
	struct dag_store *store;
	const char *folder = test_folder();
	CHECK_OK(store_sqlite_open(test_path("%s/s.db", folder), &store, &err), err);
	write_file(test_path("%s/d.yml", folder),
		   "d: {tasks: {a: {operator: BashOperator, bash_command: x}}}\n");
	struct scheduler *first = start(&old, store, folder);
	struct scheduler *second = start(&new, store, folder);
	CHECK(scheduler_call(first, trigger, d_name, &err) < 0);
	CHECK(scheduler_stats(first).fenced);
	CHECK_INT(old.submits, 0);
	CHECK_OK(scheduler_call(second, trigger, d_name, &err), err);
	wait_for(store, STATES, "{\"state\":\"success\",\"n\":1}\n");
	scheduler_free(first);
	scheduler_free(second);
	store->ops->free(store);
}

/* A store that cannot be written for a while: its own operations but for one. */
struct ailing {
	struct dag_store_ops ops;
	const struct dag_store_ops *well;
	_Atomic int refusals; /* still to come */
};

static int ailing_apply(struct dag_store *store, const struct store_batch *batch, struct mr_error *err)
{
	struct ailing *ailing = (struct ailing *)MR_CONTAINER_OF(store->ops, struct ailing, ops);
	if (ailing->refusals > 0) {
		ailing->refusals--;
		return mr_fail(err, MR_ERR_NO_SPACE, "no space left on the disk of the store");
	}
	return ailing->well->apply(store, batch, err);
}

static int trigger_in_pain(struct core *core, void *arg, struct mr_error *err)
{
	((struct ailing *)arg)->refusals = 2;
	return trigger(core, d_name, err);
}

/* The answer comes when it is written, nothing starts before that, and nothing is forgotten. */
TEST(scheduler_waits_for_a_store_that_fails)
{
	struct mr_error err;
	struct stub stub = {0};
	struct dag_store *store;
	const char *folder = test_folder();
	CHECK_OK(store_sqlite_open(test_path("%s/s.db", folder), &store, &err), err);
	struct ailing ailing = {*store->ops, store->ops};
	ailing.ops.apply = ailing_apply;
	store->ops = &ailing.ops;
	write_file(test_path("%s/d.yml", folder),
		   "d: {tasks: {a: {operator: BashOperator, bash_command: x}}}\n");
	struct scheduler *s = start(&stub, store, folder);
	CHECK_OK(scheduler_call(s, trigger_in_pain, &ailing, &err), err);
	CHECK_INT(ailing.refusals, 0);
	CHECK_INT(scheduler_stats(s).write_errors, 2);
	wait_for(store, STATES, "{\"state\":\"success\",\"n\":1}\n");
	CHECK_INT(stub.submits, 1);
	scheduler_free(s);
	store->ops->free(store);
}
