/* dag/export.h - a DAG as a Python file that Airflow 3 loads.
 *
 * Airflow's operators stay what they are. Ours, which work on this project's tables and topics, become
 * Bash tasks and sensors that call `millrace` in the folder that MILLRACE_PROJECT names. What has no
 * counterpart (callbacks, memory limits) is told as a note and left out; a task that cannot be said at
 * all is an error that names it.
 *
 * Pure text work.
 */
#pragma once

#include "base/error.h"
#include "dag/dag.h"

struct mr_buf;

/* Appends the file. notes: a line for each thing that is left out; may be NULL. */
MR_NODISCARD int dag_export_airflow(const struct dag *dag, struct mr_buf *out, struct mr_buf *notes,
				    struct mr_error *err);
