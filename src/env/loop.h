/* env/loop.h - one thread's event loop over epoll: descriptors, timers, a wake-up.
 *
 * Never polls: sleeps until a descriptor is ready, the earliest timer is due, or
 * loop_wake is called. Everything but loop_wake and loop_stop belongs to the thread
 * that runs the loop. Callbacks may add and remove watches and timers, their own too.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"

struct loop;

enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 };

/* Embed in the connection. Zero it before loop_watch. */
struct loop_watch {
	int fd;
	void (*ready)(struct loop_watch *watch, int events);
};

struct loop_timer {
	int64_t due_us; /* monotonic */
	size_t index;   /* in the heap, plus one; 0 when not armed */
	void (*fire)(struct loop_timer *timer);
};

MR_NODISCARD int loop_new(struct loop **out, struct mr_error *err);
void loop_free(struct loop *loop);

void loop_run(struct loop *loop);  /* returns after loop_stop */
void loop_stop(struct loop *loop); /* any thread */
/* Any thread: run on_wake in the loop's thread soon; many wakes may become one call. */
void loop_wake(struct loop *loop);
void loop_on_wake(struct loop *loop, void (*fn)(void *arg), void *arg); /* before loop_run */

MR_NODISCARD int loop_watch(struct loop *loop, struct loop_watch *watch, int events, struct mr_error *err);
void loop_watch_change(struct loop *loop, struct loop_watch *watch, int events); /* 0 pauses */
void loop_unwatch(struct loop *loop, struct loop_watch *watch);                  /* does not close fd */

void loop_timer_set(struct loop *loop, struct loop_timer *timer, int64_t delay_us); /* (re)arms */
void loop_timer_cancel(struct loop *loop, struct loop_timer *timer);
int64_t loop_now_us(const struct loop *loop); /* monotonic, as of this turn of the loop */

/* A listening TCP socket on "host:port" (port 0 picks one), non-blocking, SO_REUSEADDR.
 * *port_out is the port bound. The error names the address and who to ask when it is taken. */
MR_NODISCARD int net_listen_tcp(const char *address, int *fd_out, int *port_out, struct mr_error *err);
MR_NODISCARD int net_listen_udp(const char *address, int *fd_out, int *port_out, struct mr_error *err);
MR_NODISCARD int net_connect_tcp(const char *address, int *fd_out, struct mr_error *err); /* blocking */
/* Non-blocking, TCP_NODELAY, with probes that find out a vanished peer. -1 when none waits: errno. */
int net_accept(int listen_fd);
bool net_is_loopback(const char *address); /* "127.0.0.1:9092", "localhost:0", "[::1]:1" */
