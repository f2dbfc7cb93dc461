/* api/routes.h - the handlers of /api/v2, by resource; routes.c has the table. */
#pragma once

#include "api/call.h"

/* route_dags.c */
api_fn api_dag_list, api_dag_get, api_dag_details, api_dag_patch, api_dags_patch, api_dag_source,
    api_dag_versions, api_tag_list;
/* route_tasks.c */
api_fn api_task_list, api_task_get;
/* route_runs.c */
api_fn api_run_list, api_run_get, api_run_post, api_run_patch, api_run_clear;
/* route_wait.c, route_batch.c */
api_fn api_run_wait, api_run_batch, api_instance_batch, api_dag_stats;
/* route_instances.c */
api_fn api_instance_list, api_instance_get, api_instance_mapped_list, api_instance_mapped_get,
    api_instance_tries, api_instance_try, api_instance_mapped_tries, api_instance_mapped_try,
    api_instance_patch, api_instance_mapped_patch;
/* route_clear.c */
api_fn api_clear;
/* route_logs.c */
api_fn api_log;
/* route_xcoms.c */
api_fn api_xcom_list, api_xcom_get;
/* route_vault.c */
api_fn api_variable_list, api_variable_get, api_variable_post, api_variable_patch, api_variable_delete,
    api_connection_list, api_connection_get, api_connection_post, api_connection_patch, api_connection_delete;
/* route_pools.c */
api_fn api_pool_list, api_pool_get, api_pool_post, api_pool_patch;
/* route_assets.c */
api_fn api_asset_list, api_asset_get, api_asset_event_list, api_asset_event_post, api_asset_materialize,
    api_asset_queued, api_dag_queued;
/* route_backfills.c */
api_fn api_backfill_list, api_backfill_get, api_backfill_post, api_backfill_dry_run;
/* route_monitor.c */
api_fn api_health, api_version, api_import_error_list, api_import_error_get, api_event_log_list,
    api_event_log_get;
/* route_stream.c, route_grid.c, route_recent.c */
api_fn api_stream, api_grid, api_recent_runs;

/* A run of the DAG, now, and the answer that shows it (route_runs.c). */
MR_NODISCARD int api_trigger(struct api_call *call, mr_str dag_id, struct mr_error *err);
/* A TaskInstanceCollection of a run's instances that meet a condition on t (route_instances.c). */
MR_NODISCARD int api_put_instances(struct api_call *call, mr_str dag_id, mr_str run_id, const char *condition,
				   struct mr_error *err);
/* Of a TaskInstance resource: "t" is the instance, "r" its run. */
struct resource;
extern const struct resource api_instances;
