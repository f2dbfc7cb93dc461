/* task/keeper.h - the keeper: a small process that starts, watches and ends the processes of tasks.
 *
 * It is the same program under another command (`millrace keeper`), so it has nothing in memory and
 * starts processes quickly beside a large server. It outlives the server: tasks run on, their output
 * goes on into their logs, their ends are written to the journal, and the next server attaches to it.
 *
 * FOLDER/socket      where the server finds it; the newest connection is the only one that counts
 * FOLDER/lock        held while it lives: there is one keeper of a folder
 * FOLDER/ends.jsonl  how tries ended: appended before the server is told. At KEEPER_JOURNAL_BYTES it
 *                    becomes ends.old.jsonl.
 *
 * Durability: an end survives the death of the keeper and the server, for it is in the page cache
 * before it is told. It is not synced: when the machine dies, what the server has not made durable
 * itself is lost, and the try counts as lost like those that were running.
 *
 * Messages are frames (task/frame.h) of JSON. From the server:
 *   {"do": "hello", "version": 1}     makes this connection the one that counts
 *   {"do": "start", "id", "argv", "env": ["K=V"], "cwd", "log", "timeout_ms", "grace_ms", "memory",
 *    "secrets": […]}                  an id that is known already is answered, not started again
 *   {"do": "stop", "id"}              SIGTERM to its processes; after grace_ms SIGKILL
 *   {"do": "ask", "id"}               answered by one of the three below
 *   {"do": "stop_others"}             stop what this connection has neither started nor asked after
 *   {"do": "lease", "until"}          microseconds of CLOCK_MONOTONIC: unless a later one comes, every
 *                                     task is killed then and none is started. Without the first there
 *                                     is no lease. A time, not a delay: who sends it may sleep before.
 * To the server:
 *   {"say": "hello", "version", "pid"}
 *   {"say": "started", "id", "pid", "at"}
 *   {"say": "ended", "id", "at", "exit", "signal", "why", "line"}   why: "" timeout stopped memory
 *                                     lease start; line: the last line it printed
 *   {"say": "unknown", "id"}          it does not run here and its end is not in the journal
 *
 * A task's processes: its own session and process group, marked by TASK_ID_VARIABLE in the
 * environment, in a control group of their own where that is allowed. When the first process ends,
 * all the others are killed, daemons too. When the keeper is killed the kernel kills the first
 * process of every task, and the server hunts down the rest.
 *
 * Threading: one thread, one event loop.
 */
#pragma once

#include "base/error.h"

#define KEEPER_VERSION 1
#define KEEPER_JOURNAL_BYTES ((int64_t)16 << 20)
#define KEEPER_LINE_BYTES_MAX ((size_t)1 << 20) /* of the last line that is reported */

struct keeper_options {
	const char *folder;
	int listen_fd;           /* bound to FOLDER/socket by who started us */
	const char *cgroup_root; /* NULL: our own group */
	int64_t linger_ms;       /* without tasks and server it ends after this */
};

/* Returns when there is nothing left to keep. MR_ERR_LOCKED: another keeper has the folder. */
MR_NODISCARD int keeper_run(const struct keeper_options *options, struct mr_error *err);
