/* api/hub.h - who watches runs and tasks: every change, once it is durable, to every listener.
 *
 * A listener has a queue of its own with a limit. When its reader is too slow the queue is dropped
 * and it is told so ("reset"): it then asks for everything anew. Nobody waits for a listener.
 *
 * Threading: all from any thread; hub_wait of one listener from one.
 */
#pragma once

#include "base/buf.h"
#include "dag/store.h"

#define HUB_QUEUE_BYTES ((size_t)4 << 20)

struct hub;
struct hub_listener;

struct hub *hub_new(struct dag_store *store);
void hub_free(struct hub *hub); /* no listener is left; NULL is fine */
/* From the scheduler's writing thread: what a durable batch has changed. */
void hub_publish(struct hub *hub, const struct store_batch *batch);
/* Wakes every listener, for good. */
void hub_close(struct hub *hub);

/* dag_id empty: of all DAGs. NULL: too many listen already. */
struct hub_listener *hub_listen(struct hub *hub, mr_str dag_id);
void hub_leave(struct hub_listener *listener);
/* Waits for events and appends them, each a line of server-sent events. 0; 1: nothing came in
 * timeout_ms; MR_ERR_CLOSED: the hub closes. */
int hub_wait(struct hub_listener *listener, int64_t timeout_ms, struct mr_buf *out);
size_t hub_listeners(struct hub *hub);
