/* task/keeper_internal.h - shared by the keeper's files: keeper.c (loop, connection), keeper_task.c
 * (a task's life), keeper_ends.c (ends on disk), keeper_spawn.c (a process). */
#pragma once

#include "base/map.h"
#include "base/vec.h"
#include "codec/json.h"
#include "dag/executor.h"
#include "env/loop.h"
#include "task/cgroup.h"
#include "task/frame.h"
#include "task/keeper.h"
#include "task/mask.h"
#include "task/procfs.h"

struct keeper_ends {
	char *path, *old_path;
	int fd;
	int64_t size;
	struct mr_buf pending; /* lines that are not written yet */
	struct mr_map known;   /* id → line, of the files; read at the first question */
	bool loaded;
};

struct keeper {
	const struct keeper_options *options;
	struct loop *loop;
	struct loop_watch signals, listener, connection;
	struct mr_buf in, out, held; /* held: messages that wait for the journal */
	bool connected;              /* and said hello */
	uint64_t connections;        /* that said it so far */
	struct loop_timer linger, memory_timer, lease;
	int64_t lease_until_us;  /* CLOCK_MONOTONIC; 0: no lease */
	struct cgroups *cgroups; /* NULL: not allowed here */
	struct keeper_ends journal;
	struct mr_map tasks; /* id → struct keeper_task, running */
	MR_VEC(struct keeper_task *) by_pid;
	struct json_parser *parser;
	struct rlimit_pair {
		uint64_t soft, hard;
	} files; /* limit that the tasks get */
	int null_fd;
};

struct keeper_task {
	struct keeper *keeper;
	char id[DAG_UUID_BYTES];
	uint64_t wanted_by; /* the last connection that started it or asked after it */
	pid_t pid;
	uint64_t start; /* ticks */
	int64_t started_us;
	bool ended; /* the first process is reaped */
	int status;
	const char *why;
	bool in_cgroup;
	int64_t memory_max, grace_us;
	struct loop_timer timeout, kill_timer, drain_timer;
	struct loop_watch pipe; /* fd -1: at its end */
	int log_fd;
	uint64_t lost_bytes; /* output that the disk did not take */
	struct mask mask;
	struct mr_buf line; /* being printed */
	struct mr_buf last; /* the last whole one that is not empty */
};

/* keeper_spawn.c */
struct spawn_request {
	char *const *argv;
	char *const *env;
	const char *cwd;
	int output_fd, null_fd, join_fd; /* join_fd -1: no control group */
	uint64_t files_soft, files_hard;
};
/* The process leads a session and a process group. On failure *what says which step it was. */
MR_NODISCARD int keeper_spawn(const struct spawn_request *request, pid_t *pid, struct mr_error *err);

/* keeper_task.c */
void keeper_task_start(struct keeper *keeper, struct json_value request);
void keeper_task_stop(struct keeper_task *task, const char *why);
void keeper_kill_tasks(struct keeper *keeper, const char *why);
bool keeper_lease_over(const struct keeper *keeper);
void keeper_reap(struct keeper *keeper); /* after SIGCHLD */
void keeper_check_memory(struct loop_timer *timer);
void keeper_say_started(struct keeper *keeper, const struct keeper_task *task);

/* keeper.c */
void keeper_send(struct keeper *keeper, mr_str json); /* now */
void keeper_send_after_journal(struct keeper *keeper, mr_str json);

/* keeper_ends.c */
MR_NODISCARD int ends_open(struct keeper_ends *journal, const char *folder, struct mr_error *err);
void ends_close(struct keeper_ends *journal);
void ends_add(struct keeper_ends *journal, mr_str line);           /* in memory */
int ends_write(struct keeper_ends *journal, struct mr_error *err); /* writes what was added */
/* The line about this id; false when there is none. */
bool ends_find(struct keeper_ends *journal, mr_str id, mr_str *line);
