#include "dag/executor.h"

#include "conf/nearest.h"
#include "dag/operator.h"

struct dag_try *dag_try_ref(struct dag_try *try)
{
	atomic_fetch_add_explicit(&try->refs, 1, memory_order_relaxed);
	return try;
}

void dag_try_unref(struct dag_try *try)
{
	if (!try || atomic_fetch_sub_explicit(&try->refs, 1, memory_order_acq_rel) != 1)
		return;
	dag_unref(try->dag);
	struct arena arena = try->arena; /* the try lives in it */
	arena_release(&arena);
}

/* ---- names ---- */

#define PLACE(place) (1u << (place))
#define ANYWHERE (PLACE(OPERATOR_NOWHERE) | PLACE(OPERATOR_ENGINE) | PLACE(OPERATOR_PROCESS))
#define PROCESSES (PLACE(OPERATOR_NOWHERE) | PLACE(OPERATOR_PROCESS))

static const struct executor_name {
	const char *name, *canonical;
	unsigned places; /* of the operators it runs */
	bool remote;     /* where nobody can speak to this server */
} executor_names[] = {
    {"local", "local", ANYWHERE, false},
    {"LocalExecutor", "local", ANYWHERE, false},
    {"airflow.executors.local_executor.LocalExecutor", "local", ANYWHERE, false},
    {"process", "process", PROCESSES, false},
    {"engine", "engine", PLACE(OPERATOR_NOWHERE) | PLACE(OPERATOR_ENGINE), false},
    {"slurm", "slurm", PROCESSES, true},
    {"SlurmExecutor", "slurm", PROCESSES, true},
};

static const struct executor_name *find(mr_str name)
{
	for (size_t i = 0; i < MR_COUNT(executor_names); i++)
		if (mr_str_is(name, executor_names[i].name))
			return &executor_names[i];
	return NULL;
}

static bool runs(const struct executor_name *executor, const struct operator* op)
{
	return (executor->places & PLACE(op->place)) && !(executor->remote && op->asks_server);
}

bool dag_executor_known(mr_str name)
{
	return !name.len || find(name);
}

const char *dag_executor_canonical(mr_str name)
{
	const struct executor_name *known = find(name);
	return known ? known->canonical : name.len ? NULL : "";
}

int dag_executor_check(mr_str name, const struct operator* op, struct mr_error *err)
{
	const char *names[MR_COUNT(executor_names)];
	const struct executor_name *known = name.len ? find(name) : &executor_names[0];
	if (known && (!op || runs(known, op)))
		return 0;
	if (known) {
		mr_fail(err, MR_ERR_INVALID, "executor '%.*s' does not run %s", MR_FMT(name), op->name);
		return mr_hint(err, "leave 'executor' out, or say 'local': the operator knows its place");
	}
	for (size_t i = 0; i < MR_COUNT(names); i++)
		names[i] = executor_names[i].name;
	const char *near = conf_nearest(name, names, MR_COUNT(names));
	mr_fail(err, MR_ERR_INVALID, "no executor is called '%.*s'", MR_FMT(name));
	return mr_hint(err, near ? "did you mean '%s'?" : "there are local, process, engine and slurm%s",
		       near ? near : "");
}

mr_str dag_executor_of(const struct dag_task *task, mr_str preset)
{
	const struct executor_name *known = find(preset);
	if (task->executor.len)
		return task->executor;
	return known && known->remote && runs(known, task->operator) ? mr_str_from(known->canonical)
								     : MR_STR("");
}
