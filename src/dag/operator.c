#include "dag/operator.h"

#include "conf/nearest.h"

#define ARGUMENTS(array) .arguments = (array), .argument_count = MR_COUNT(array)
#define ALIASES(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct operator_argument bash_arguments[] = {
    {"bash_command", OPERATOR_STR, .required = true, .templated = true,
     .help = "the command line, for bash -c"},
    {"env", OPERATOR_MAP, .templated = true, .help = "variables of the command's environment"},
    {"append_env", OPERATOR_BOOL, .preset = "false", .help = "add env to the inherited environment"},
    {"cwd", OPERATOR_STR, .templated = true, .help = "the folder to run in (default: a fresh one)"},
    {"output_encoding", OPERATOR_STR, .preset = "\"utf-8\"", .help = "accepted; output is bytes"},
    {"skip_on_exit_code", OPERATOR_LIST, .preset = "[99]", .help = "exit codes that mean skipped"},
    {"xcom", OPERATOR_STR, .preset = "\"text\"", .help = "the last line of output: text, json, or none"},
};

static const struct operator_argument python_arguments[] = {
    {"python_callable", OPERATOR_STR, .help = "module.function, found in the DAG folder"},
    {"python_file", OPERATOR_STR, .templated = true, .help = "a script, instead of a function"},
    {"op_args", OPERATOR_LIST, .templated = true, .help = "positional arguments"},
    {"op_kwargs", OPERATOR_MAP, .templated = true, .help = "named arguments"},
    {"python_callable_name", OPERATOR_STR, .help = "a function of python_callable_file"},
    {"python_callable_file", OPERATOR_STR, .help = "the file that holds it"},
    {"env", OPERATOR_MAP, .templated = true, .help = "variables of the process's environment"},
};

static const struct operator_argument airflow_arguments[] = {
    {"dag_file", OPERATOR_STR, .required = true, .help = "the Airflow DAG file that has this task"},
    {"item1", OPERATOR_ANY, .help = "what a mapped task counts"},
    {"item2", OPERATOR_ANY, .help = "likewise"},
    {"item3", OPERATOR_ANY, .help = "likewise"},
    {"item4", OPERATOR_ANY, .help = "likewise"},
};

static const struct operator_argument branch_arguments[] = {
    {"follow", OPERATOR_LIST, .required = true, .templated = true, .help = "ids of the tasks to go on with"},
};

static const struct operator_argument short_circuit_arguments[] = {
    {"condition", OPERATOR_STR, .required = true, .templated = true, .help = "false: skip what comes after"},
    {"ignore_downstream_trigger_rules", OPERATOR_BOOL, .preset = "true",
     .help = "skip everything downstream, not only the next tasks"},
};

static const struct operator_argument sql_arguments[] = {
    {"sql", OPERATOR_ANY, .required = true, .templated = true, .help = "one statement or several, or a list"},
    {"conn_id", OPERATOR_STR, .help = "accepted; it runs on our own tables"},
    {"database", OPERATOR_STR, .help = "accepted"},
    {"autocommit", OPERATOR_BOOL, .help = "accepted; each statement commits"},
    {"split_statements", OPERATOR_BOOL, .help = "accepted; always so"},
    {"return_last", OPERATOR_BOOL, .help = "accepted; always so"},
    {"show_return_value_in_logs", OPERATOR_BOOL, .help = "accepted"},
};

static const struct operator_argument optimize_arguments[] = {
    {"table", OPERATOR_STR, .required = true, .templated = true, .help = "schema.table"},
    {"where", OPERATOR_STR, .templated = true, .help = "which partitions"},
    {"zorder_by", OPERATOR_LIST, .templated = true, .help = "columns to order files by"},
};

static const struct operator_argument vacuum_arguments[] = {
    {"table", OPERATOR_STR, .required = true, .templated = true, .help = "schema.table"},
    {"retention_hours", OPERATOR_NUMBER, .help = "keep what is younger (default: the table's own)"},
    {"dry_run", OPERATOR_BOOL, .preset = "false", .help = "only list what would go"},
};

static const struct operator_argument http_arguments[] = {
    {"endpoint", OPERATOR_STR, .required = true, .templated = true,
     .help = "a whole URL, or a path on the connection's host"},
    {"http_conn_id", OPERATOR_STR, .templated = true, .preset = "\"http_default\"", .help = "the connection"},
    {"method", OPERATOR_STR, .templated = true, .preset = "\"POST\"", .help = "GET, POST, …"},
    {"data", OPERATOR_ANY, .templated = true, .help = "the body: text, or a mapping as JSON"},
    {"headers", OPERATOR_MAP, .templated = true, .help = "of the request"},
    {"log_response", OPERATOR_BOOL, .preset = "false", .help = "write the answer to the log"},
};

static const struct operator_argument http_sensor_arguments[] = {
    {"endpoint", OPERATOR_STR, .required = true, .templated = true,
     .help = "a whole URL, or a path on the connection's host"},
    {"http_conn_id", OPERATOR_STR, .templated = true, .preset = "\"http_default\"", .help = "the connection"},
    {"method", OPERATOR_STR, .templated = true, .preset = "\"GET\"", .help = "GET, HEAD, …"},
    {"data", OPERATOR_ANY, .templated = true, .help = "the body: text, or a mapping as JSON"},
    {"headers", OPERATOR_MAP, .templated = true, .help = "of the request"},
    {"response_contains", OPERATOR_STR, .templated = true, .help = "text that the answer must hold"},
};

static const struct operator_argument email_arguments[] = {
    {"to", OPERATOR_LIST, .required = true, .templated = true, .help = "addresses"},
    {"subject", OPERATOR_STR, .required = true, .templated = true, .help = "one line"},
    {"html_content", OPERATOR_STR, .required = true, .templated = true, .help = "the text"},
    {"cc", OPERATOR_LIST, .templated = true, .help = "addresses"},
    {"bcc", OPERATOR_LIST, .templated = true, .help = "addresses"},
    {"conn_id", OPERATOR_STR, .preset = "\"smtp_default\"", .help = "the mail server's connection"},
};

static const struct operator_argument trigger_arguments[] = {
    {"trigger_dag_id", OPERATOR_STR, .required = true, .templated = true, .help = "the DAG to start"},
    {"trigger_run_id", OPERATOR_STR, .templated = true, .help = "its run's id (default: made up)"},
    {"logical_date", OPERATOR_STR, .templated = true, .help = "its run's date"},
    {"conf", OPERATOR_MAP, .templated = true, .help = "its run's conf"},
    {"wait_for_completion", OPERATOR_BOOL, .preset = "false", .help = "succeed when that run has"},
    {"poke_interval", OPERATOR_DURATION, .preset = "60", .help = "time between two looks at it"},
    {"deferrable", OPERATOR_BOOL, .help = "accepted; always so"},
};

static const struct operator_argument file_arguments[] = {
    {"filepath", OPERATOR_STR, .required = true, .templated = true,
     .help = "a path; *, ? and [] are patterns"},
    {"fs_conn_id", OPERATOR_STR, .help = "accepted; paths are absolute"},
    {"recursive", OPERATOR_BOOL, .help = "accepted"},
};

static const struct operator_argument sql_sensor_arguments[] = {
    {"sql", OPERATOR_STR, .required = true, .templated = true,
     .help = "its first cell says: 0, empty, null, false are no"},
    {"conn_id", OPERATOR_STR, .help = "accepted; it runs on our own tables"},
};

static const struct operator_argument delta_arguments[] = {
    {"table", OPERATOR_STR, .required = true, .templated = true, .help = "schema.table"},
    {"version", OPERATOR_NUMBER, .templated = true, .help = "at least this version (default: it exists)"},
    {"where", OPERATOR_STR, .templated = true, .help = "has a row that fits: dt = '{{ ds }}'"},
    {"partition", OPERATOR_MAP, .templated = true, .help = "has a row of it: {dt: '{{ ds }}'}"},
};

static const struct operator_argument topic_arguments[] = {
    {"topic", OPERATOR_STR, .required = true, .templated = true, .help = "the topic"},
    {"partition", OPERATOR_INT, .help = "of this partition (default: all, added up)"},
    {"offset", OPERATOR_NUMBER, .templated = true, .preset = "1", .help = "records up to this offset"},
    {"group", OPERATOR_STR, .templated = true, .help = "instead: this consumer group has caught up"},
    {"lag", OPERATOR_NUMBER, .templated = true, .preset = "0", .help = "but for so many records"},
};

static const struct operator_argument time_arguments[] = {
    {"target_time", OPERATOR_STR, .required = true, .templated = true, .help = "a time of day, or a moment"},
};

static const struct operator_argument delta_time_arguments[] = {
    {"delta", OPERATOR_DURATION, .required = true, .help = "after the data interval's end"},
};

static const struct operator_argument external_arguments[] = {
    {"external_dag_id", OPERATOR_STR, .required = true, .templated = true, .help = "the other DAG"},
    {"external_task_id", OPERATOR_STR, .templated = true, .help = "its task (default: the whole run)"},
    {"external_task_ids", OPERATOR_LIST, .templated = true, .help = "its tasks"},
    {"execution_delta", OPERATOR_DURATION, .help = "how much earlier its logical date is"},
    {"allowed_states", OPERATOR_LIST, .preset = "[\"success\"]", .help = "what counts as done"},
    {"failed_states", OPERATOR_LIST, .help = "what makes the sensor fail"},
    {"check_existence", OPERATOR_BOOL, .help = "accepted"},
};

static const struct operator_argument sensor_arguments[] = {
    {"poke_interval", OPERATOR_DURATION, .preset = "60", .help = "time between two looks"},
    {"timeout", OPERATOR_DURATION, .preset = "604800", .help = "in all, over looks and retries"},
    {"soft_fail", OPERATOR_BOOL, .preset = "false", .help = "skipped instead of failed"},
    {"silent_fail", OPERATOR_BOOL, .preset = "false", .help = "an error is a look that found nothing"},
    {"mode", OPERATOR_STR, .preset = "\"reschedule\"",
     .help = "accepted; a sensor holds no slot while it waits"},
    {"exponential_backoff", OPERATOR_BOOL, .preset = "false", .help = "longer and longer between looks"},
    {"max_wait", OPERATOR_DURATION, .help = "the longest time between two looks"},
    {"deferrable", OPERATOR_BOOL, .preset = "true", .help = "accepted; always so"},
};

static const struct operator operators[] = {
    {.name = "EmptyOperator",
     .aliases = ALIASES("DummyOperator"),
     .place = OPERATOR_NOWHERE,
     .help = "does nothing: a point to meet at"},
    {.name = "BashOperator",
     .place = OPERATOR_PROCESS,
     ARGUMENTS(bash_arguments),
     .help = "a shell command in a process of its own"},
    {.name = "AirflowOperator",
     .place = OPERATOR_PROCESS,
     .asks_server = true,
     ARGUMENTS(airflow_arguments),
     .help = "a task of an Airflow DAG file, run by Airflow's own task runner"},
    {.name = "PythonOperator",
     .place = OPERATOR_PROCESS,
     ARGUMENTS(python_arguments),
     .help = "a Python function or script in a process of its own"},
    {.name = "BranchPythonOperator",
     .place = OPERATOR_PROCESS,
     .branch = true,
     ARGUMENTS(python_arguments),
     .help = "a Python function that returns the tasks to go on with"},
    {.name = "BranchOperator",
     .aliases = ALIASES("BaseBranchOperator"),
     .place = OPERATOR_ENGINE,
     .branch = true,
     ARGUMENTS(branch_arguments),
     .help = "goes on with the tasks it names and skips the others"},
    {.name = "ShortCircuitOperator",
     .place = OPERATOR_ENGINE,
     ARGUMENTS(short_circuit_arguments),
     .help = "skips what comes after when its condition is false"},
    {.name = "SQLExecuteQueryOperator",
     .aliases = ALIASES("SparkSqlOperator", "DatabricksSqlOperator", "PostgresOperator", "DuckDBOperator"),
     .place = OPERATOR_ENGINE,
     ARGUMENTS(sql_arguments),
     .help = "SQL on our own tables"},
    {.name = "DeltaMergeOperator",
     .place = OPERATOR_ENGINE,
     ARGUMENTS(sql_arguments),
     .help = "MERGE INTO a Delta table"},
    {.name = "DeltaOptimizeOperator",
     .place = OPERATOR_ENGINE,
     ARGUMENTS(optimize_arguments),
     .help = "OPTIMIZE a Delta table"},
    {.name = "DeltaVacuumOperator",
     .place = OPERATOR_ENGINE,
     ARGUMENTS(vacuum_arguments),
     .help = "VACUUM a Delta table"},
    {.name = "PipelineRefreshOperator",
     .aliases = ALIASES("PipelineRunOperator"),
     .place = OPERATOR_ENGINE,
     .help = "brings every flow of the project up to what is there now"},
    {.name = "HttpOperator",
     .aliases = ALIASES("SimpleHttpOperator"),
     .place = OPERATOR_ENGINE,
     ARGUMENTS(http_arguments),
     .help = "calls a URL; a 2xx succeeds"},
    {.name = "EmailOperator", .place = OPERATOR_ENGINE, ARGUMENTS(email_arguments), .help = "sends a mail"},
    {.name = "TriggerDagRunOperator",
     .place = OPERATOR_ENGINE,
     ARGUMENTS(trigger_arguments),
     .help = "starts a run of another DAG"},
    {.name = "FileSensor",
     .place = OPERATOR_ENGINE,
     .sensor = true,
     ARGUMENTS(file_arguments),
     .help = "waits for a file"},
    {.name = "SqlSensor",
     .place = OPERATOR_ENGINE,
     .sensor = true,
     ARGUMENTS(sql_sensor_arguments),
     .help = "waits until a query says yes"},
    {.name = "HttpSensor",
     .place = OPERATOR_ENGINE,
     .sensor = true,
     ARGUMENTS(http_sensor_arguments),
     .help = "waits until a URL answers with a 2xx"},
    {.name = "DeltaTableSensor",
     .aliases = ALIASES("DeltaVersionSensor", "DeltaPartitionSensor"),
     .place = OPERATOR_ENGINE,
     .sensor = true,
     ARGUMENTS(delta_arguments),
     .help = "waits for a table's version, or rows in it"},
    {.name = "TopicSensor",
     .aliases = ALIASES("TopicOffsetSensor", "TopicLagSensor"),
     .place = OPERATOR_ENGINE,
     .sensor = true,
     ARGUMENTS(topic_arguments),
     .help = "waits until a topic holds so much, or a group has read it"},
    {.name = "TimeSensor",
     .aliases = ALIASES("TimeSensorAsync"),
     .place = OPERATOR_ENGINE,
     .sensor = true,
     ARGUMENTS(time_arguments),
     .help = "waits until a time of the day, in the DAG's zone"},
    {.name = "DateTimeSensor",
     .aliases = ALIASES("DateTimeSensorAsync"),
     .place = OPERATOR_ENGINE,
     .sensor = true,
     ARGUMENTS(time_arguments),
     .help = "waits until a moment"},
    {.name = "TimeDeltaSensor",
     .aliases = ALIASES("TimeDeltaSensorAsync"),
     .place = OPERATOR_ENGINE,
     .sensor = true,
     ARGUMENTS(delta_time_arguments),
     .help = "waits some time after the data interval's end"},
    {.name = "ExternalTaskSensor",
     .place = OPERATOR_ENGINE,
     .sensor = true,
     ARGUMENTS(external_arguments),
     .help = "waits for a task or run of another DAG"},
};

static mr_str last_part(mr_str dotted)
{
	const char *dot = dotted.len ? memrchr(dotted.ptr, '.', dotted.len) : NULL;
	return dot ? mr_str_tail(dotted, (size_t)(dot - dotted.ptr) + 1) : dotted;
}

const struct operator* operator_find(mr_str name)
{
	mr_str last = last_part(name);
	for (size_t i = 0; i < MR_COUNT(operators); i++) {
		if (mr_str_is(last, operators[i].name))
			return &operators[i];
		for (const char *const *alias = operators[i].aliases; alias && *alias; alias++)
			if (mr_str_is(last, *alias))
				return &operators[i];
	}
	return NULL;
}

const char *operator_nearest(mr_str name)
{
	const char *names[MR_COUNT(operators)];
	for (size_t i = 0; i < MR_COUNT(operators); i++)
		names[i] = operators[i].name;
	return conf_nearest(last_part(name), names, MR_COUNT(names));
}

const struct operator_argument *operator_argument(const struct operator* op, mr_str name)
{
	for (size_t i = 0; i < op->argument_count; i++)
		if (mr_str_is(name, op->arguments[i].name))
			return &op->arguments[i];
	for (size_t i = 0; op->sensor && i < MR_COUNT(sensor_arguments); i++)
		if (mr_str_is(name, sensor_arguments[i].name))
			return &sensor_arguments[i];
	return NULL;
}

const char *operator_argument_nearest(const struct operator* op, mr_str name)
{
	const char *names[64];
	size_t count = 0;
	for (size_t i = 0; i < op->argument_count && count < MR_COUNT(names); i++)
		names[count++] = op->arguments[i].name;
	for (size_t i = 0; op->sensor && i < MR_COUNT(sensor_arguments) && count < MR_COUNT(names); i++)
		names[count++] = sensor_arguments[i].name;
	return conf_nearest(name, names, count);
}

size_t operator_count(void)
{
	return MR_COUNT(operators);
}

const struct operator* operator_at(size_t i)
{
	return i < MR_COUNT(operators) ? &operators[i] : NULL;
}
