/* service/gateway.c - the gateway's thread: a loop, its listeners and connections, one intake.
 *
 * A turn of the loop: sockets are read, their lines go to the intake, and a timer due at once
 * flushes at the turn's end, so that a burst becomes few batches. A commit of the log wakes the
 * loop; what was parked goes on when there is room.
 */
#include "service/gateway.h"

#include "base/log.h"
#include "service/listener.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { LISTENERS_MAX = 64, FAULT_LOOK_US = 100000 };

struct gateway {
	struct loop *loop;
	struct intake *intake;
	struct log_store *store;
	struct connections connections;
	struct listener *listeners[LISTENERS_MAX];
	size_t listener_count;
	struct loop_timer flush_timer;
	/* A fault of the disk takes appends back without a commit to wake us. */
	struct loop_timer look_timer;
	struct loop_timer stop_timer;
	struct log_listener commit;
	pthread_t thread;
	_Atomic int64_t stop_ms; /* 0: run; else stop within so long */
	bool draining;
};

static void on_commit(void *arg, struct log_partition *const *moved, size_t count)
{
	(void)moved;
	(void)count;
	struct gateway *g = arg;
	loop_wake(g->loop);
}

static void look_again(struct gateway *g)
{
	bool waits = !intake_idle(g->intake) || g->connections.parked || g->draining;
	if (waits && g->look_timer.index == 0)
		loop_timer_set(g->loop, &g->look_timer, FAULT_LOOK_US);
}

static void drain(struct gateway *g)
{
	bool held = false;
	for (size_t i = 0; i < g->listener_count; i++)
		held |= !listener_drain(g->listeners[i]);
	if (!held && !g->connections.first && intake_idle(g->intake))
		loop_stop(g->loop);
}

static void on_flush(struct loop_timer *timer)
{
	struct gateway *g = MR_CONTAINER_OF(timer, struct gateway, flush_timer);
	intake_flush(g->intake);
	if (g->draining)
		drain(g);
	look_again(g);
}

static void on_added(void *arg)
{
	struct gateway *g = arg;
	if (g->flush_timer.index == 0)
		loop_timer_set(g->loop, &g->flush_timer, 0);
}

/* A commit happened, the stop was asked for, or it is time to look. */
static void on_progress(struct gateway *g)
{
	bool room = intake_progress(g->intake);
	if (atomic_load(&g->stop_ms) && !g->draining) {
		g->draining = true;
		loop_timer_set(g->loop, &g->stop_timer, atomic_load(&g->stop_ms) * 1000);
		connections_drain(&g->connections);
	}
	if (room) {
		connections_resume(&g->connections);
		for (size_t i = 0; i < g->listener_count; i++)
			listener_resume(g->listeners[i]);
	}
	if (g->draining)
		drain(g);
	look_again(g);
}

static void on_wake(void *arg)
{
	on_progress(arg);
}

static void on_look(struct loop_timer *timer)
{
	on_progress(MR_CONTAINER_OF(timer, struct gateway, look_timer));
}

static void on_stop_late(struct loop_timer *timer)
{
	struct gateway *g = MR_CONTAINER_OF(timer, struct gateway, stop_timer);
	mr_warn("gateway", "stopped before the log had %llu lines safe",
		(unsigned long long)intake_waiting(g->intake));
	loop_stop(g->loop);
}

static void *run(void *arg)
{
	struct gateway *g = arg;
	loop_run(g->loop);
	return NULL;
}

static void gateway_free(struct gateway *g)
{
	for (size_t i = 0; i < g->listener_count; i++)
		listener_free(g->listeners[i]);
	if (g->intake)
		connections_release(&g->connections);
	if (g->store)
		log_unlisten(g->store, &g->commit);
	intake_free(g->intake);
	loop_free(g->loop);
	free(g);
}

static int open_listeners(struct gateway *g, const struct conf_gateway *conf, struct mr_error *err)
{
	if (conf->listen_count > LISTENERS_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "gateway: %zu listeners; at most %d are allowed",
			       conf->listen_count, LISTENERS_MAX);
	int rc = 0;
	for (size_t i = 0; i < conf->listen_count && rc == 0; i++) {
		rc = listener_open(&g->connections, conf->listen[i].protocol, conf->listen[i].address,
				   &g->listeners[i], err);
		g->listener_count += rc == 0;
	}
	return rc;
}

static int gateway_open(struct gateway *g, const struct env *env, struct broker *broker,
			const struct conf_gateway *conf, struct mr_error *err)
{
	int rc = loop_new(&g->loop, err);
	if (rc < 0)
		return rc;
	loop_on_wake(g->loop, on_wake, g);
	/* Before the producer's own listener: the newest is called first, and must be, for the
	 * producer has to know of the commit when the loop asks it. */
	g->commit = (struct log_listener){.fn = on_commit, .arg = g};
	g->store = broker_store(broker);
	log_listen(g->store, &g->commit);
	rc = intake_new(env, broker, conf, &g->intake, err);
	if (rc < 0)
		return rc;
	g->connections = (struct connections){
	    .loop = g->loop,
	    .intake = g->intake,
	    .line_bytes_max = conf->max_line_bytes > 0 ? (size_t)conf->max_line_bytes : (size_t)1 << 20,
	    .added = on_added,
	    .arg = g};
	return open_listeners(g, conf, err);
}

int gateway_start(const struct env *env, struct broker *broker, const struct conf_gateway *conf,
		  struct gateway **out, struct mr_error *err)
{
	struct gateway *g = mr_calloc(1, sizeof *g);
	g->flush_timer.fire = on_flush;
	g->look_timer.fire = on_look;
	g->stop_timer.fire = on_stop_late;
	int rc = gateway_open(g, env, broker, conf, err);
	if (rc == 0 && pthread_create(&g->thread, NULL, run, g) != 0)
		rc = mr_fail(err, MR_ERR_IO, "cannot start the gateway's thread");
	if (rc < 0) {
		gateway_free(g);
		return rc;
	}
	*out = g;
	return 0;
}

void gateway_stop(struct gateway *gateway, int64_t timeout_ms)
{
	if (!gateway)
		return;
	atomic_store(&gateway->stop_ms, mr_max_i64(timeout_ms, 1));
	loop_wake(gateway->loop);
	pthread_join(gateway->thread, NULL);
	gateway_free(gateway);
}

size_t gateway_listener_count(const struct gateway *gateway)
{
	return gateway->listener_count;
}

void gateway_listener(const struct gateway *gateway, size_t i, mr_str *protocol, char address[64])
{
	*protocol = listener_protocol(gateway->listeners[i]);
	const char *text = listener_address(gateway->listeners[i]);
	memcpy(address, text, strlen(text) + 1);
}

void gateway_stats(struct gateway *gateway, struct gateway_stats *out)
{
	intake_stats(gateway->intake, out);
}
