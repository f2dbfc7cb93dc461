/* task/launch.h - a try that is a process of its own, wherever that runs: what it runs, and what its end
 * means. What executors of processes share (docs/executors.md).
 *
 * An executor renders a try with launch_prepare, starts what it says where it likes, and hands its end to
 * launch_report_end. In between the try has a folder, FOLDER/work/<id> of the services, in which its
 * $MILLRACE_XCOM is; it belongs to the executor, which takes it before and gives it back after.
 *
 * Threading: a launch belongs to one thread; the reports are for any.
 */
#pragma once

#include "task/op.h"
#include "task/work_folders.h"

struct launch {
	struct op_call call; /* its log is open, its arguments are rendered */
	struct op_command command;
	MR_VEC(char *) env; /* K=V: all of it; the call's */
	const char *cwd;
	const char *log; /* the path */
	mr_str reason;   /* when it cannot run: why, for people */
};

/* own_env: with the environment of this process below what the task and its operator say. A failure is the
 * try's own: its log says it. Release it whatever comes back. */
MR_NODISCARD int launch_prepare(struct launch *launch, const struct task_services *services,
				struct dag_try *try, struct work_folders *folders, bool own_env,
				struct mr_error *err);
void launch_release(struct launch *launch);

struct launch_end {
	int64_t at_us; /* NO_TIME: now */
	int exit_code, signal;
	mr_str reason; /* of an end that was not the program's own choice; empty: the operator judges */
	mr_str line;   /* the last that it printed */
};

/* The report that ends it: FINISHED or DEFERRED, and a line in its log. */
void launch_report_end(const struct task_services *services, struct dag_try *try,
		       const struct launch_end *end);
void launch_report_started(const struct task_services *services, const char *id, int64_t at_us, mr_str host,
			   int64_t pid);
void launch_report_failed(const struct task_services *services, const char *id, mr_str reason);
void launch_report_lost(const struct task_services *services, const char *id, mr_str reason);
