/* Sensors: a look, and when nothing is there a deferral until the next. The total time-out counts over
 * looks and tries and is final.
 */
#include "broker/broker.h"
#include "dag/civil.h"
#include "dag/tz.h"
#include "group/group.h"
#include "lake/lake.h"
#include "log/log.h"
#include "query/catalog.h"
#include "task/op.h"

#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>

/* poke_interval, longer and longer with exponential_backoff, never past max_wait or the deadline. */
static int64_t next_look(struct op_call *call)
{
	double wait = op_number(call, "poke_interval", 60), most = op_number(call, "max_wait", 0);
	int64_t now = clock_wall_us(call->services->env->clock);
	if (op_bool(call, "exponential_backoff"))
		wait *= pow(2, call->try->poke < 20 ? call->try->poke : 20);
	if (most > 0 && wait > most)
		wait = most;
	if (wait < 0.01)
		wait = 0.01;
	int64_t at = now + (int64_t)(wait * 1e6);
	return call->try->deadline_us != NO_TIME && at > call->try->deadline_us ? call->try->deadline_us : at;
}

int sensor_run(struct op_call *call, const struct task_op *op, struct op_result *out, struct mr_error *err)
{
	bool found = false, soft = op_bool(call, "soft_fail");
	int rc = op->poke(call, &found, out, err);
	if (rc < 0 && op_bool(call, "silent_fail")) {
		task_log_line(&call->log, "WARNING", "the look failed: %s", err ? err->message : "");
		rc = 0;
	} else if (rc < 0) {
		return rc;
	}
	if (found) {
		out->outcome = DAG_SUCCEEDED;
		return 0;
	}
	if (call->try->deadline_us != NO_TIME &&
	    clock_wall_us(call->services->env->clock) >= call->try->deadline_us) {
		out->deferred = false;
		out->outcome = soft ? DAG_SKIPPED : DAG_FAILED_FINAL;
		out->reason = MR_STR("the sensor timed out");
		return 0;
	}
	out->deferred = true;
	out->reschedule = true;
	if (out->until_us == NO_TIME)
		out->until_us = next_look(call);
	return 0;
}

int file_poke(struct op_call *call, bool *found, struct op_result *out, struct mr_error *err)
{
	mr_str path = op_str(call, "filepath");
	glob_t paths;
	if (!path.len)
		return mr_fail(err, MR_ERR_INVALID, "filepath is empty");
	char *pattern = (char *)arena_copy(&call->arena, path).ptr;
	int rc = glob(pattern, 0, NULL, &paths);
	*found = rc == 0;
	if (rc == 0)
		globfree(&paths);
	else if (rc != GLOB_NOMATCH)
		return mr_fail(err, MR_ERR_IO, "cannot look for %s", pattern);
	task_log_line(&call->log, "INFO", "Poking for file %s: %s", pattern, *found ? "there" : "not there");
	return 0;
}

/* -1: there is no such table yet. */
static int table_version(struct op_call *call, mr_str name, int64_t *version, struct mr_error *err)
{
	struct catalog *catalog = call->services->catalog;
	struct catalog_entry *entry = catalog ? catalog_find(catalog, name) : NULL;
	struct delta_table *table = entry ? entry->table : NULL;
	struct delta_snapshot *snapshot;
	*version = -1;
	if (!table && catalog && catalog_lake(catalog) &&
	    lake_find(catalog_lake(catalog), name, &table, NULL) < 0)
		table = NULL;
	if (!table)
		return 0;
	int rc = delta_snapshot(table, &snapshot, err);
	if (rc < 0)
		return rc == MR_ERR_NOT_FOUND ? 0 : rc;
	*version = delta_version(snapshot);
	delta_snapshot_unref(snapshot);
	return 0;
}

/* partition: {dt: 2026-01-01} is where: dt = '2026-01-01'. */
static void put_conditions(struct op_call *call, struct mr_buf *out)
{
	mr_str where = op_str(call, "where");
	const char *and = "";
	if (where.len) {
		mr_buf_printf(out, "(%.*s)", MR_FMT(where));
		and = " AND ";
	}
	for (struct json_iter it = json_iter(op_arg(call, "partition")); json_next(&it);) {
		mr_buf_printf(out, "%s`%.*s` = '", and, MR_FMT(it.key));
		mr_str value = json_str(it.value);
		struct mr_buf number = {0};
		if (json_type(it.value) != JSON_STRING) {
			json_write_value(&number, it.value);
			value = mr_buf_view(&number);
		}
		for (size_t i = 0; i < value.len; i++) {
			if (value.ptr[i] == '\'')
				mr_buf_char(out, '\'');
			mr_buf_char(out, value.ptr[i]);
		}
		mr_buf_char(out, '\'');
		mr_buf_release(&number);
		and = " AND ";
	}
}

/* A table is at a version, or has rows that fit a condition. Wakes with the table's next commit. */
int delta_poke(struct op_call *call, bool *found, struct op_result *out, struct mr_error *err)
{
	mr_str name = op_str(call, "table");
	struct mr_buf conditions = {0}, sql = {0};
	out->event = arena_printf(&call->arena, "delta:%.*s", MR_FMT(name));
	int rc = table_version(call, name, &out->seen, err);
	if (rc < 0)
		return rc;
	task_log_line(&call->log, "INFO", "%.*s is at version %lld", MR_FMT(name), (long long)out->seen);
	*found = out->seen >= 0 && (double)out->seen >= op_number(call, "version", -1);
	put_conditions(call, &conditions);
	if (*found && conditions.len) {
		mr_buf_printf(&sql, "SELECT count(*) FROM (SELECT 1 FROM %.*s WHERE %s LIMIT 1)",
			      MR_FMT(name), conditions.ptr);
		rc = op_query_truth(call, mr_buf_view(&sql), found, err);
	}
	mr_buf_release(&conditions);
	mr_buf_release(&sql);
	return rc;
}

void delta_arm(struct op_call *call, struct topic_watch *topics, const struct op_result *result)
{
	int64_t version;
	(void)topics;
	if (table_version(call, op_str(call, "table"), &version, NULL) == 0 && version > result->seen)
		dag_sink_event(call->services->sink, result->event, MR_STR("{}"));
}

/* A group has read its topic but for so many records. */
static int lag_poke(struct op_call *call, mr_str topic, mr_str group, bool *found, struct mr_error *err)
{
	int32_t only = (int32_t)op_number(call, "partition", -1);
	double most = op_number(call, "lag", 0);
	struct arena arena = {0};
	int64_t total = 0;
	size_t count = 0, known = 0;
	if (!call->services->groups)
		return mr_fail(err, MR_ERR_UNSUPPORTED, "there are no consumer groups here");
	struct group_lag *lags = groups_lag(call->services->groups, group, &count, &arena);
	for (size_t i = 0; i < count; i++) {
		if (!mr_str_eq(lags[i].topic, topic) || (only >= 0 && lags[i].partition != only))
			continue;
		total += lags[i].lag_rows;
		known++;
	}
	*found = known > 0 && (double)total <= most;
	task_log_line(&call->log, "INFO", "group %.*s is %lld records behind on %.*s (%zu partitions)",
		      MR_FMT(group), (long long)total, MR_FMT(topic), known);
	arena_release(&arena);
	return 0;
}

static double wanted_records(struct op_call *call)
{
	return op_number(call, "offset", 1);
}

/* The topic holds records up to an offset: of one partition, or summed over all. Or: a group has
 * caught up, which has no event of its own. */
int topic_poke(struct op_call *call, bool *found, struct op_result *out, struct mr_error *err)
{
	mr_str name = op_str(call, "topic"), group = op_str(call, "group");
	int32_t only = (int32_t)op_number(call, "partition", -1);
	struct broker *broker = call->services->catalog ? catalog_broker(call->services->catalog) : NULL;
	if (group.len)
		return lag_poke(call, name, group, found, err);
	if (!broker)
		return mr_fail(err, MR_ERR_UNSUPPORTED, "there are no topics here");
	out->seen = topic_records(broker_store(broker), name, only);
	out->event =
	    arena_printf(&call->arena, "topic:%.*s:%d:%.0f", MR_FMT(name), (int)only, wanted_records(call));
	*found = (double)out->seen >= wanted_records(call);
	task_log_line(&call->log, "INFO", "topic %.*s is at %lld of %.0f", MR_FMT(name), (long long)out->seen,
		      wanted_records(call));
	return 0;
}

void topic_arm(struct op_call *call, struct topic_watch *topics, const struct op_result *result)
{
	if (topics)
		topic_watch_add(topics, op_str(call, "topic"), (int32_t)op_number(call, "partition", -1),
				(int64_t)wanted_records(call), result->event);
}

/* When: TimeSensor's time of day on the run's day, TimeDeltaSensor's time after the interval,
 * DateTimeSensor's moment. */
static int moment(struct op_call *call, int64_t *us, struct mr_error *err)
{
	const struct dag_try *try = call->try;
	const char *kind = try->task->operator->name;
	mr_str text = op_str(call, "target_time");
	struct tz *tz = NULL;
	char when[64];
	if (strcmp(kind, "TimeDeltaSensor") == 0) {
		int64_t end = try->run.data_interval_end_us;
		*us = (end == NO_TIME ? try->run.run_after_us : end) +
		      (int64_t)(op_number(call, "delta", 0) * 1e6);
		return 0;
	}
	int rc = tz_load(call->services->env->disk,
			 try->dag->timezone.len ? try->dag->timezone : MR_STR("UTC"), &tz, err);
	if (rc != 0)
		return rc;
	if (strcmp(kind, "TimeSensor") == 0) {
		int64_t today = try->run.start_date_us != NO_TIME ? try->run.start_date_us
								  : clock_wall_us(call->services->env->clock);
		struct civil c = civil_from_seconds(tz_local_s(tz, floor_div(today, SECOND_US)));
		snprintf(when, sizeof when, "%04d-%02d-%02dT%.*s", c.year, c.month, c.day, MR_FMT(text));
		text = mr_str_from(when);
	}
	if (!civil_parse(text, tz, us))
		rc = mr_fail(err, MR_ERR_INVALID, "target_time '%.*s' is no time", MR_FMT(text));
	tz_free(tz);
	return rc;
}

int time_poke(struct op_call *call, bool *found, struct op_result *out, struct mr_error *err)
{
	char text[CIVIL_ISO_BYTES];
	int64_t us;
	int rc = moment(call, &us, err);
	if (rc != 0)
		return rc;
	*found = clock_wall_us(call->services->env->clock) >= us;
	out->until_us = us;
	if (call->try->deadline_us != NO_TIME && us > call->try->deadline_us)
		out->until_us = call->try->deadline_us;
	if (!*found)
		task_log_line(&call->log, "INFO", "Waiting until %s", civil_iso(text, us));
	return 0;
}

static bool listed(struct op_call *call, const char *argument, enum task_found state, bool otherwise)
{
	static const char *const names[] = {"", "running", "success", "failed", "skipped"};
	mr_str *states;
	size_t count = op_list(call, argument, &states);
	for (size_t i = 0; i < count; i++)
		if (mr_str_is(states[i], names[state]) ||
		    (state == TASK_FOUND_FAILED && mr_str_is(states[i], "upstream_failed")))
			return true;
	return count ? false : otherwise;
}

int external_task_poke(struct op_call *call, bool *found, struct op_result *out, struct mr_error *err)
{
	mr_str dag_id = op_str(call, "external_dag_id"), *tasks;
	int64_t date = call->try->run.logical_date_us;
	if (!call->services->find)
		return mr_fail(err, MR_ERR_UNSUPPORTED, "there is no scheduler here");
	if (date == NO_TIME)
		return mr_fail(err, MR_ERR_INVALID, "the run has no logical date to look for in %.*s",
			       MR_FMT(dag_id));
	date -= (int64_t)(op_number(call, "execution_delta", 0) * 1e6);
	size_t count = op_list(call, "external_task_ids", &tasks);
	if (count == 0)
		count = op_list(call, "external_task_id", &tasks);
	if (count == 0)
		tasks[count++] = MR_STR("");
	*found = true;
	for (size_t i = 0; i < count; i++) {
		enum task_found state;
		int rc = call->services->find(call->services->arg, dag_id, MR_STR(""), date, tasks[i], &state,
					      err);
		if (rc != 0)
			return rc;
		if (listed(call, "failed_states", state, false))
			return mr_fail(err, MR_ERR_CONFLICT, "%.*s.%.*s has failed", MR_FMT(dag_id),
				       MR_FMT(tasks[i]));
		*found = *found && listed(call, "allowed_states", state, state == TASK_FOUND_SUCCESS);
	}
	return 0;
}
