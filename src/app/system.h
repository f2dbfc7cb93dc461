/* app/system.h - the system.* tables of a running app: topics, partitions, tables,
 * table_history, ingests, flows, errors; groups, group_members, group_lag, connections; dags, dag_runs,
 * task_instances. */
#pragma once

#include "app/app.h"
#include "query/system.h"

/* The definitions, with the app as their argument; as long as the app lives; free(). */
struct system_table *app_system_tables(struct app *app, size_t *count);
/* Those about DAGs (system_dags.c), without the argument. */
const struct system_table *app_dag_tables(size_t *count);
