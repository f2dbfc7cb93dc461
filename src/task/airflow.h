/* task/airflow.h - Airflow's DAG files, read by Airflow itself in the project's Python (docs/airflow.md).
 *
 * One process reads all files, each in a fork with a time-out and a memory limit. Nothing of a DAG file
 * ever runs in this process.
 *
 * The Python: $MILLRACE_AIRFLOW_PYTHON, else .venv/bin/python3 beside the DAGs' folder, else python3.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "env/disk.h"

extern const char airflow_helper[]; /* airflow_helper.py and the parts after it */

extern const char airflow_stub[]; /* airflow_stub.py */

struct airflow_cache { /* what was read last: a changed YAML file does not run the scripts again */
	uint64_t mark;
	struct mr_buf lines;
};
void airflow_cache_release(struct airflow_cache *cache);

/* The Python that has Airflow, by the rule above; the caller frees it. */
char *airflow_python(const char *dags_folder);
/* Fits dag_load_options.read_scripts; cache is a struct airflow_cache, zero at first. Blocks until the
 * files are read, or for 30 s a file. MR_ERR_UNSUPPORTED when there is no Airflow. One thread a cache. */
int airflow_read(void *cache, const char *folder, char *const *files, size_t count, struct mr_buf *lines,
		 struct mr_error *err);
/* Is this the token of a try that is not over? work: the folder of the tries' own folders (op_airflow.c
 * makes them). Any thread. */
bool airflow_token_is(struct mr_disk *disk, const char *work, mr_str id, mr_str token);

/* The name, in `folder` (DATA/dag), of the socket of the warm Airflow for a Python; one for each version of
 * the program too. The caller frees it. */
char *airflow_warm_socket(const char *python);
/* See to it that there is one, or that one comes; what stands in the way is logged, and tries do without.
 * Any thread. */
void airflow_warm_start(const char *python, const char *folder, const char *socket, const char *dags_folder);
/* See to it that the triggers in DATA/dag/triggers run. For a start of the server too. Any thread. */
void airflow_triggers_start(const char *folder, const char *dags_folder);
