/* api/put_dag.h - a DAG, its tasks and its params as Airflow's API shows them. */
#pragma once

#include "api/call.h"
#include "dag/timetable.h"

/* Members of a DAGResponse. row: of the store, by the names of dag's columns and `version`
 * (LIST_VERSION_OF). dag: what the file says. */
void put_dag_members(struct api_call *call, struct json_value row, const struct dag *dag);
/* What a DAGDetailsResponse has beside them. */
void put_dag_details(struct api_call *call, struct json_value row, const struct dag *dag);
/* A TaskResponse. */
void put_task(struct json_writer *w, const struct dag *dag, const struct dag_task *task);
void put_params(struct json_writer *w, const struct dag *dag, const char *source);
/* {"all": [{"asset": …}, {"any": …}]} */
void put_condition(struct json_writer *w, const struct asset_condition *condition);
