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
    {"env", OPERATOR_MAP, .templated = true, .help = "variables of the process's environment"},
};

static const struct operator_argument branch_arguments[] = {
    {"follow", OPERATOR_LIST, .required = true, .templated = true, .help = "ids of the tasks to go on with"},
};

static const struct operator_argument short_circuit_arguments[] = {
    {"condition", OPERATOR_STR, .required = true, .templated = true, .help = "false: skip what comes after"},
    {"ignore_downstream_trigger_rules", OPERATOR_BOOL, .preset = "true",
     .help = "skip everything downstream, not only the next tasks"},
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
    {.name = "PythonOperator",
     .place = OPERATOR_PROCESS,
     ARGUMENTS(python_arguments),
     .help = "a Python function or script in a process of its own"},
    {.name = "BranchOperator",
     .aliases = ALIASES("BranchPythonOperator", "BaseBranchOperator"),
     .place = OPERATOR_ENGINE,
     .branch = true,
     ARGUMENTS(branch_arguments),
     .help = "goes on with the tasks it names and skips the others"},
    {.name = "ShortCircuitOperator",
     .place = OPERATOR_ENGINE,
     ARGUMENTS(short_circuit_arguments),
     .help = "skips what comes after when its condition is false"},
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
