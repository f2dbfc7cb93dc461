/* api/route_tasks.c - tasks of a DAG, as its file says. */
#include "api/put_dag.h"
#include "api/routes.h"

int api_task_list(struct api_call *call, struct mr_error *err)
{
	struct dag *dag;
	int rc = api_dag(call, call->path[0], &dag, err);
	if (rc < 0)
		return rc;
	api_begin_list(call, "tasks");
	for (size_t i = 0; i < dag->task_count; i++)
		put_task(&call->w, dag, &dag->tasks[dag->order[i]]);
	api_end_list(call, (int64_t)dag->task_count);
	dag_unref(dag);
	return 0;
}

int api_task_get(struct api_call *call, struct mr_error *err)
{
	struct dag *dag;
	int rc = api_dag(call, call->path[0], &dag, err);
	if (rc < 0)
		return rc;
	const struct dag_task *task = dag_task_find(dag, call->path[1]);
	if (task)
		put_task(&call->w, dag, task);
	else
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "Task with id %.*s was not found", MR_FMT(call->path[1]));
	dag_unref(dag);
	return rc;
}
