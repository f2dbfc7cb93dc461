/* task/procfs.h - who runs on this machine, from /proc: what the keeper needs to find the processes
 * of a task. Any thread. */
#pragma once

#include "base/vec.h"

#include <sys/types.h>

#define TASK_ID_VARIABLE "MILLRACE_TASK_ID" /* in the environment of every process of a task */

struct pid_list {
	MR_VEC(pid_t) pids;
};

/* Children of this (single-threaded) process, zombies too. */
void procfs_children(struct pid_list *out);
/* The try's id in the environment of a process; false when there is none or it cannot be read. */
bool procfs_task_id(pid_t pid, char out[37]);
/* Clock ticks after boot at which it started; 0: it is gone. */
uint64_t procfs_start(pid_t pid);
uint64_t procfs_now(void); /* in the same ticks */
/* Resident bytes of all processes in this session. */
int64_t procfs_session_memory(pid_t session);
/* SIGKILL every process of the try, until there is none. False: some would not go. */
bool procfs_kill_task(const char *id);
