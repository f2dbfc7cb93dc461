/* task/notify.h - callbacks of DAG files (on_failure_callback and the like): tell a webhook or a mailbox
 * what happened.
 *
 *   {webhook: URL or CONNECTION}   POST {"event": "task_failed", "dag_id": …, "run_id": …, …}
 *   {email: [ADDRESS]}             a letter by the connection smtp_default
 *
 * A message that cannot be delivered is tried three times, then it is in the server's log. It is never
 * waited for: nothing of a run depends on it, and a server that ends drops what is pending.
 *
 * Threading: one thread sends; notifier_tell from any, without waiting.
 */
#pragma once

#include "base/error.h"
#include "task/vault.h"

struct task_notice {
	mr_str kind, how_json; /* as in struct dag_callback */
	mr_str what;           /* "task_failed" */
	mr_str dag_id, run_id, task_id, detail;
	int32_t map_index;
};

struct notifier;
MR_NODISCARD int notifier_new(struct vault *vault, struct notifier **out, struct mr_error *err);
void notifier_free(struct notifier *notifier); /* NULL is fine */
/* Copied. Past a thousand that wait, it is dropped. */
void notifier_tell(struct notifier *notifier, const struct task_notice *notice);
