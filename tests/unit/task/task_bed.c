#include "task_bed.h"

#include "test.h"

#include "base/vec.h"
#include "dag/civil.h"
#include "env/disk_linux.h"
#include "task/context.h"
#include "task/task_log.h"

#include <stdlib.h>
#include <unistd.h>

static void on_report(struct dag_sink *sink, const struct dag_report *report)
{
	static const char *const kinds[] = {"started", "finished", "deferred", "lost"};
	static const char *const outcomes[] = {"success", "failed", "failed for good", "skipped"};
	struct task_bed *bed = MR_CONTAINER_OF(sink, struct task_bed, sink);
	pthread_mutex_lock(&bed->lock);
	mr_buf_printf(&bed->heard, "%s %s", report->id, kinds[report->kind]);
	if (report->kind == DAG_REPORT_STARTED)
		bed->pid = report->pid;
	if (report->kind == DAG_REPORT_FINISHED)
		mr_buf_printf(&bed->heard, " %s", outcomes[report->outcome]);
	if (report->reason.len)
		mr_buf_printf(&bed->heard, " reason=%.*s", MR_FMT(report->reason));
	for (size_t i = 0; i < report->xcom_count; i++)
		mr_buf_printf(&bed->heard, " %.*s=%.*s", MR_FMT(report->xcoms[i].key),
			      MR_FMT(report->xcoms[i].json));
	if (report->follow != DAG_FOLLOW_ALL)
		mr_buf_printf(&bed->heard, " follow=%d", (int)report->follow);
	for (size_t i = 0; i < report->follow_count; i++)
		mr_buf_printf(&bed->heard, " ->%.*s", MR_FMT(report->follow_ids[i]));
	mr_buf_char(&bed->heard, '\n');
	pthread_cond_broadcast(&bed->more);
	pthread_mutex_unlock(&bed->lock);
}

static void on_event(struct dag_sink *sink, mr_str event, mr_str payload)
{
	struct task_bed *bed = MR_CONTAINER_OF(sink, struct task_bed, sink);
	(void)payload;
	pthread_mutex_lock(&bed->lock);
	mr_buf_printf(&bed->heard, "event %.*s\n", MR_FMT(event));
	pthread_cond_broadcast(&bed->more);
	pthread_mutex_unlock(&bed->lock);
}

static int xcom_get(struct dag_sink *sink, const struct dag_try *try, mr_str task_id, int32_t map_index,
		    mr_str key, struct mr_buf *out, struct mr_error *err)
{
	if (!mr_str_is(task_id, "list") || !mr_str_is(key, "return_value"))
		return 1;
	mr_buf_cstr(out, "[\"a.parquet\", \"b.parquet\"]");
	return 0;
}

static const struct dag_sink_ops sink_ops = {on_report, on_event, xcom_get};

static const char *program(void)
{
	static char path[4200];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
	CHECK(n > 0);
	path[n] = 0;
	for (int i = 0; i < 2; i++)
		*strrchr(path, '/') = 0;
	memcpy(path + strlen(path), "/millrace", 10);
	return path;
}

void task_bed_start(struct task_bed *bed)
{
	struct mr_error err;
	CHECK_OK(process_executor_new(&bed->services, 8, &bed->process, &err), err);
	CHECK_OK(engine_executor_new(&bed->services, 8, 2, &bed->engine, &err), err);
}

void task_bed_stop(struct task_bed *bed)
{
	bed->process->ops->free(bed->process);
	bed->engine->ops->free(bed->engine);
}

void task_bed_open_with(struct task_bed *bed, const char *dags, const struct task_services *more)
{
	struct mr_error err;
	*bed = (struct task_bed){.sink.ops = &sink_ops, .folder = mr_strdup(test_folder())};
	pthread_mutex_init(&bed->lock, NULL);
	pthread_cond_init(&bed->more, NULL);
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	char *folder = test_path("%s/dag", bed->folder);
	bed->services = *more;
	bed->services.env = env_linux();
	bed->services.folder = folder;
	bed->services.logs = test_path("%s/logs", bed->folder);
	bed->services.dags_folder = bed->folder;
	bed->services.hostname = "here";
	bed->services.keeper_program = program();
	bed->services.sink = &bed->sink;
	CHECK_OK(vault_open(env_linux(), folder, &bed->services.vault, &err), err);
	struct dag_load_options options = {.disk = disk_linux(), .check_template = task_check_template};
	dag_load_text(&options, "dags/x.yml", mr_str_from(dags), &bed->set);
	dag_set_finish(&options, &bed->set);
	for (size_t i = 0; i < bed->set.faults.len; i++)
		test_fail(__FILE__, __LINE__, "%s %s", bed->set.faults.items[i].error.where,
			  bed->set.faults.items[i].error.message);
	task_bed_start(bed);
}

void task_bed_open(struct task_bed *bed, const char *dags)
{
	static const struct task_services none;
	task_bed_open_with(bed, dags, &none);
}

void task_bed_close(struct task_bed *bed)
{
	task_bed_stop(bed);
	vault_free(bed->services.vault);
	dag_set_release(&bed->set);
	mr_buf_release(&bed->heard);
	free(bed->folder);
	pthread_mutex_destroy(&bed->lock);
	pthread_cond_destroy(&bed->more);
}

struct dag_try *task_bed_try(struct task_bed *bed, const char *task_id, const char *map_json)
{
	struct arena arena;
	arena_init(&arena, 1024);
	struct dag_try *try = arena_calloc(&arena, 1, sizeof *try);
	try->arena = arena;
	atomic_init(&try->refs, 1);
	/* The machine is searched for them: not those of another run of the tests. */
	snprintf(try->id, sizeof try->id, "%08x-0000-4000-8001-%012d", (unsigned)getpid(), ++bed->next_id);
	try->dag = dag_ref(bed->set.dags.items[0]);
	try->task = dag_task_find(try->dag, mr_str_from(task_id));
	CHECK(try->task != NULL);
	try->run = (struct dag_run_context){
	    .run_id = MR_STR("manual__2026"),
	    .run_type = MR_STR("manual"),
	    .logical_date_us = INT64_C(1767225600000000), /* 2026-01-01 */
	    .data_interval_start_us = INT64_C(1767225600000000),
	    .data_interval_end_us = INT64_C(1767312000000000),
	    .run_after_us = INT64_C(1767312000000000),
	    .start_date_us = INT64_C(1767312000000000),
	    .conf_json = MR_STR("{\"fast\": true}"),
	    .params_json = MR_STR("{\"country\": \"US\"}"),
	    .asset_events_json = MR_STR("{}"),
	};
	try->map_index = map_json ? 0 : -1;
	try->map_json = mr_str_from(map_json ? map_json : "");
	try->try_number = 1;
	try->first_start_us = clock_wall_us(env_linux()->clock);
	try->deadline_us = NO_TIME;
	try->previous_success_us = NO_TIME;
	return try;
}

/* The last line about this try, once it is no "started". */
const char *task_bed_wait(struct task_bed *bed, const char *id)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	pthread_mutex_lock(&bed->lock);
	for (;;) {
		mr_str rest = mr_buf_view(&bed->heard);
		for (const char *nl; rest.len && (nl = memchr(rest.ptr, '\n', rest.len)) != NULL;) {
			mr_str line = mr_str_n(rest.ptr, (size_t)(nl - rest.ptr));
			if (mr_str_starts(line, mr_str_from(id)) &&
			    !strstr(test_path("%.*s", MR_FMT(line)), " started")) {
				pthread_mutex_unlock(&bed->lock);
				return test_path("%.*s", MR_FMT(mr_str_tail(line, 37)));
			}
			rest = mr_str_tail(rest, line.len + 1);
		}
		if (pthread_cond_timedwait(&bed->more, &bed->lock, &until) != 0) {
			pthread_mutex_unlock(&bed->lock);
			test_fail(__FILE__, __LINE__, "no end of %s; heard:\n%s", id,
				  mr_buf_view(&bed->heard).ptr);
		}
	}
}

static struct dag_executor *executor_of(struct task_bed *bed, const struct dag_try *try)
{
	return try->task->operator->place == OPERATOR_PROCESS ? bed->process : bed->engine;
}

void task_bed_submit(struct task_bed *bed, struct dag_try *try)
{
	struct mr_error err;
	struct dag_executor *executor = executor_of(bed, try);
	CHECK_OK(executor->ops->submit(executor, try, &err), err);
}

const char *task_bed_run(struct task_bed *bed, const char *task_id, const char *map_json)
{
	struct dag_try *try = task_bed_try(bed, task_id, map_json);
	task_bed_submit(bed, try);
	const char *end = task_bed_wait(bed, test_path("%s", try->id));
	dag_try_unref(try);
	return end;
}

mr_str task_bed_log(struct task_bed *bed, const char *task_id, int map_index)
{
	struct mr_buf path = {0}, text = {0};
	struct mr_error err;
	task_log_path(bed->services.logs, bed->set.dags.items[0]->id, MR_STR("manual__2026"),
		      mr_str_from(task_id), map_index, 1, &path);
	CHECK_OK(task_log_read(path.ptr, 0, 1 << 16, &text, &err), err);
	mr_str copy = mr_str_from(test_path("%s", mr_buf_view(&text).ptr));
	mr_buf_release(&path);
	mr_buf_release(&text);
	return copy;
}

void check_has(mr_str text, const char *what)
{
	if (!text.len || !memmem(text.ptr, text.len, what, strlen(what)))
		test_fail(__FILE__, __LINE__, "no '%s' in: %.*s", what, MR_FMT(text));
}

bool task_bed_heard(struct task_bed *bed, const char *line)
{
	bool heard = false;
	for (int i = 0; i < 500 && !heard; i++) {
		pthread_mutex_lock(&bed->lock);
		heard = bed->heard.len && strstr(mr_buf_view(&bed->heard).ptr, line);
		pthread_mutex_unlock(&bed->lock);
		if (!heard)
			usleep(10000);
	}
	return heard;
}
