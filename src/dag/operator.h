/* dag/operator.h - the operators that DAG files may name: one table, read by the loader (which
 * checks the keys of a task against it), by the executors (which find their code by `name`) and by
 * the documentation.
 *
 * A DAG file may say our name ("BashOperator"), Airflow's dotted class name, or any dotted path
 * that ends in a name or an alias of the table ("airflow.providers.standard.operators.bash.
 * BashOperator"). Rows live in operator.c. Static data; safe from any thread.
 */
#pragma once

#include "base/types.h"

enum operator_kind {
	OPERATOR_STR,
	OPERATOR_BOOL,
	OPERATOR_INT,
	OPERATOR_NUMBER,
	OPERATOR_DURATION, /* 30s, 5m, a number of seconds, or {__type__: datetime.timedelta, …} */
	OPERATOR_LIST,     /* one scalar is a list of one */
	OPERATOR_MAP,
	OPERATOR_ANY, /* passed on as it is */
};

struct operator_argument {
	const char *name;
	enum operator_kind kind;
	bool required;
	bool templated;
	const char *preset; /* the default as JSON; NULL: absent */
	const char *help;
};

enum operator_place {
	OPERATOR_NOWHERE, /* nothing to do: the scheduler itself succeeds it */
	OPERATOR_ENGINE,  /* in this process, on a thread of the engine executor */
	OPERATOR_PROCESS, /* a process of its own, through the keeper */
};

struct operator
{
	const char *name;
	const char *const *aliases; /* Airflow class names without their module; NULL-terminated, or NULL */
	enum operator_place place;
	bool
	    sensor; /* also takes poke_interval, timeout, soft_fail, mode, exponential_backoff, silent_fail */
	bool asks_server; /* while it runs: it cannot be sent away */
	bool branch;      /* its result names the children to follow */
	const struct operator_argument *arguments;
	size_t argument_count;
	const char *help;
};

/* By name, alias or dotted path; NULL when unknown. */
const struct operator* operator_find(mr_str name);
/* The nearest name for a message, or NULL. */
const char *operator_nearest(mr_str name);
/* Own arguments, then, for a sensor, the common ones. NULL when unknown. */
const struct operator_argument *operator_argument(const struct operator* op, mr_str name);
const char *operator_argument_nearest(const struct operator* op, mr_str name);

size_t operator_count(void);
const struct operator* operator_at(size_t i);
