/* task/notify.h - callbacks of DAG files: tell a webhook or a mailbox what happened. Blocking: call it
 * from a thread that may wait. */
#pragma once

#include "base/error.h"
#include "task/vault.h"

struct task_notice {
	mr_str what; /* "task_failed" */
	mr_str dag_id, run_id, task_id, detail;
	int32_t map_index;
};

/* kind and JSON as in struct dag_callback. */
MR_NODISCARD int task_notify(struct vault *vault, mr_str kind, mr_str how_json,
			     const struct task_notice *notice, struct mr_error *err);
