/* api/routes.c - what /api/v2 answers. Paths, members and codes are those of Airflow 3's REST API but for
 * /grid, /recentRuns and /stream, which are ours. */
#include "api/routes.h"

#define DAG "/dags/{dag_id}"
#define RUN DAG "/dagRuns/{dag_run_id}"
#define TI RUN "/taskInstances/{task_id}"

const struct api_route api_routes[] = {
    {"GET", "/dags", api_dag_list},
    {"PATCH", "/dags", api_dags_patch},
    {"GET", DAG, api_dag_get},
    {"PATCH", DAG, api_dag_patch},
    {"GET", DAG "/details", api_dag_details},
    {"GET", DAG "/dagVersions", api_dag_versions},
    {"GET", DAG "/tasks", api_task_list},
    {"GET", DAG "/tasks/{task_id}", api_task_get},
    {"GET", DAG "/assets/queuedEvents", api_dag_queued},
    {"GET", "/dagSources/{dag_id}", api_dag_source},
    {"GET", "/dagTags", api_tag_list},

    {"GET", DAG "/dagRuns", api_run_list},
    {"POST", DAG "/dagRuns", api_run_post},
    {"POST", DAG "/dagRuns/list", api_run_batch},
    {"GET", RUN, api_run_get},
    {"PATCH", RUN, api_run_patch},
    {"POST", RUN "/clear", api_run_clear},
    {"GET", RUN "/wait", api_run_wait},
    {"GET", "/dagStats", api_dag_stats},
    {"POST", DAG "/clearTaskInstances", api_clear},

    {"GET", RUN "/taskInstances", api_instance_list},
    {"POST", RUN "/taskInstances/list", api_instance_batch},
    {"GET", TI, api_instance_get},
    {"PATCH", TI, api_instance_patch},
    {"GET", TI "/tries", api_instance_tries},
    {"GET", TI "/tries/{try_number}", api_instance_try},
    {"GET", TI "/listMapped", api_instance_mapped_list},
    {"GET", TI "/logs/{try_number}", api_log},
    {"GET", TI "/xcomEntries", api_xcom_list},
    {"GET", TI "/xcomEntries/{xcom_key}", api_xcom_get},
    {"GET", TI "/{map_index}", api_instance_mapped_get},
    {"PATCH", TI "/{map_index}", api_instance_mapped_patch},
    {"GET", TI "/{map_index}/tries", api_instance_mapped_tries},
    {"GET", TI "/{map_index}/tries/{try_number}", api_instance_mapped_try},

    {"GET", "/assets", api_asset_list},
    {"GET", "/assets/events", api_asset_event_list},
    {"POST", "/assets/events", api_asset_event_post},
    {"GET", "/assets/{asset_id}", api_asset_get},
    {"POST", "/assets/{asset_id}/materialize", api_asset_materialize},
    {"GET", "/assets/{asset_id}/queuedEvents", api_asset_queued},

    {"GET", "/backfills", api_backfill_list},
    {"POST", "/backfills", api_backfill_post},
    {"POST", "/backfills/dry_run", api_backfill_dry_run},
    {"GET", "/backfills/{backfill_id}", api_backfill_get},

    {"GET", "/variables", api_variable_list},
    {"POST", "/variables", api_variable_post},
    {"GET", "/variables/{variable_key}", api_variable_get},
    {"PATCH", "/variables/{variable_key}", api_variable_patch},
    {"DELETE", "/variables/{variable_key}", api_variable_delete},
    {"GET", "/connections", api_connection_list},
    {"POST", "/connections", api_connection_post},
    {"GET", "/connections/{connection_id}", api_connection_get},
    {"PATCH", "/connections/{connection_id}", api_connection_patch},
    {"DELETE", "/connections/{connection_id}", api_connection_delete},
    {"GET", "/pools", api_pool_list},
    {"POST", "/pools", api_pool_post},
    {"GET", "/pools/{pool_name}", api_pool_get},
    {"PATCH", "/pools/{pool_name}", api_pool_patch},

    {"GET", "/monitor/health", api_health},
    {"GET", "/version", api_version},
    {"GET", "/importErrors", api_import_error_list},
    {"GET", "/importErrors/{import_error_id}", api_import_error_get},
    {"GET", "/eventLogs", api_event_log_list},
    {"GET", "/eventLogs/{event_log_id}", api_event_log_get},

    {"GET", "/grid", api_grid},
    {"GET", "/recentRuns", api_recent_runs},
    {"GET", "/stream", api_stream},
};
const size_t api_route_count = MR_COUNT(api_routes);
