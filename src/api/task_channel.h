/* api/task_channel.h - what tasks ask of the scheduler while they run (docs/airflow.md).
 *
 * A Unix socket, FOLDER/airflow.sock, of this user only. Messages are frames (task/frame.h) of JSON:
 *
 *   {"id": uuid of the try, "token"}                 first; answered with {"status": 200} or 403
 *   {"method": "GET", "target": "/dags/x?limit=1", "body": …}   a request to /api/v2, answered with
 *                                                    {"status", "body"}
 *   {"secret": "variable" or "connection", "name"}   in clear: {"status", "body": text}
 *
 *   {"event": name}                                  deferred tasks that wait for it are resumed: 200
 *
 * The token is a try's own and in its job file (task/airflow.h): who cannot read that has no business here,
 * and a try that is over has no token. Nothing about a connection is kept: a task whose server died connects
 * to the next one and asks again.
 *
 * Threads: one accepts; one each connection, TASK_CHANNEL_MAX at most, the others wait.
 */
#pragma once

#include "base/error.h"

#define TASK_CHANNEL_MAX 256

struct dag_sink;
struct dags;
struct task_channel;

/* folder: DATA/dag; sink: who hears of events; the socket of a server that is gone is replaced. */
MR_NODISCARD int task_channel_new(struct dags *dags, struct dag_sink *sink, const char *folder,
				  struct task_channel **out, struct mr_error *err);
/* Ends every connection. NULL is fine. */
void task_channel_free(struct task_channel *channel);
