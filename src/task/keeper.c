#include "task/keeper_internal.h"

#include "base/log.h"
#include "env/env.h"
#include "env/resident.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_BYTES_MAX (FRAME_BYTES_MAX + 65536)

static void disconnect(struct keeper *keeper)
{
	if (keeper->connection.fd < 0)
		return;
	loop_unwatch(keeper->loop, &keeper->connection);
	close(keeper->connection.fd);
	keeper->connection.fd = -1;
	keeper->connected = false;
	mr_buf_clear(&keeper->in); /* what the old server asked for and we did not read is not done */
	mr_buf_clear(&keeper->out);
	mr_buf_clear(&keeper->held);
	if (keeper->tasks.len == 0)
		loop_timer_set(keeper->loop, &keeper->linger, keeper->options->linger_ms * 1000);
}

static void flush(struct keeper *keeper)
{
	while (keeper->connected && keeper->out.len > 0) {
		ssize_t n = send(keeper->connection.fd, keeper->out.ptr, keeper->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			disconnect(keeper);
			return;
		}
		if (n < 0)
			break;
		mr_buf_consume(&keeper->out, (size_t)n);
	}
	if (keeper->connected)
		loop_watch_change(keeper->loop, &keeper->connection,
				  LOOP_READ | (keeper->out.len ? LOOP_WRITE : 0));
}

void keeper_send(struct keeper *keeper, mr_str json)
{
	if (!keeper->connected)
		return;
	frame_put(&keeper->out, json);
	loop_wake(keeper->loop);
}

void keeper_send_after_journal(struct keeper *keeper, mr_str json)
{
	if (keeper->connected)
		frame_put(&keeper->held, json);
	loop_wake(keeper->loop);
}

/* At the end of a turn: one write for all that ended in it, then they are told. A journal that cannot
 * be written does not keep the server from knowing. */
static void on_turn(void *arg)
{
	struct keeper *keeper = arg;
	struct mr_error err;
	if (keeper->journal.pending.len && ends_write(&keeper->journal, &err) != 0)
		mr_log_error("keeper", &err);
	mr_buf_str(&keeper->out, mr_buf_view(&keeper->held));
	mr_buf_clear(&keeper->held);
	flush(keeper);
}

static void say_hello(struct keeper *keeper)
{
	struct mr_buf json = {0};
	struct json_writer w = json_writer(&json);
	keeper->connected = true;
	keeper->connections++;
	json_begin_object(&w);
	json_member_cstr(&w, "say", "hello");
	json_member_int(&w, "version", KEEPER_VERSION);
	json_member_int(&w, "pid", getpid());
	json_end_object(&w);
	keeper_send(keeper, mr_buf_view(&json));
	mr_buf_release(&json);
	loop_timer_cancel(keeper->loop, &keeper->linger);
}

static void say_unknown(struct keeper *keeper, mr_str id)
{
	struct mr_buf json = {0};
	struct json_writer w = json_writer(&json);
	json_begin_object(&w);
	json_member_cstr(&w, "say", "unknown");
	json_member_str(&w, "id", id);
	json_end_object(&w);
	keeper_send(keeper, mr_buf_view(&json));
	mr_buf_release(&json);
}

static void answer(struct keeper *keeper, mr_str id)
{
	struct keeper_task *task = mr_map_get(&keeper->tasks, id);
	mr_str line;
	if (task) {
		task->wanted_by = keeper->connections;
		keeper_say_started(keeper, task);
		return;
	}
	if (ends_find(&keeper->journal, id, &line)) {
		keeper_send_after_journal(keeper, line);
		return;
	}
	say_unknown(keeper, id);
}

/* The server was not heard of in time: another may have taken its place and start these tries again. */
static void on_lease(struct loop_timer *timer)
{
	struct keeper *keeper = MR_CONTAINER_OF(timer, struct keeper, lease);
	keeper_kill_tasks(keeper, "lease");
}

bool keeper_lease_over(const struct keeper *keeper)
{
	/* Not as of the turn: it may have slept since. */
	return keeper->lease_until_us && clock_mono_us(env_linux()->clock) >= keeper->lease_until_us;
}

static void set_lease(struct keeper *keeper, int64_t until_us)
{
	int64_t left_us = until_us - loop_now_us(keeper->loop);
	keeper->lease_until_us = mr_max_i64(until_us, 1);
	if (left_us > 0) {
		loop_timer_set(keeper->loop, &keeper->lease, left_us);
	} else {
		loop_timer_cancel(keeper->loop, &keeper->lease);
		on_lease(&keeper->lease);
	}
}

/* Tries that the last server was to stop, and died before it said so. */
static void stop_others(struct keeper *keeper)
{
	mr_map_each (&keeper->tasks, entry) {
		struct keeper_task *task = entry->value;
		if (task->wanted_by != keeper->connections)
			keeper_task_stop(task, "stopped");
	}
}

static void obey(struct keeper *keeper, mr_str message)
{
	struct json_value request;
	struct mr_error err;
	if (json_parse(keeper->parser, message, &request, &err) != 0) {
		mr_log_error("keeper", &err);
		disconnect(keeper);
		return;
	}
	mr_str what = json_str(json_get(request, "do")), id = json_str(json_get(request, "id"));
	if (mr_str_is(what, "hello")) {
		say_hello(keeper);
	} else if (mr_str_is(what, "lease")) {
		set_lease(keeper, json_int(json_get(request, "until")));
	} else if (mr_str_is(what, "start") && keeper_lease_over(keeper)) {
		say_unknown(keeper, id); /* who asks has slept, and may have been replaced */
	} else if (mr_str_is(what, "start")) {
		keeper_task_start(keeper, request);
	} else if (mr_str_is(what, "stop")) {
		struct keeper_task *task = mr_map_get(&keeper->tasks, id);
		if (task)
			keeper_task_stop(task, "stopped");
	} else if (mr_str_is(what, "stop_others")) {
		stop_others(keeper);
	} else if (mr_str_is(what, "ask")) {
		answer(keeper, id);
	}
}

static void on_connection(struct loop_watch *watch, int events)
{
	struct keeper *keeper = MR_CONTAINER_OF(watch, struct keeper, connection);
	mr_str message;
	if (events & LOOP_WRITE)
		flush(keeper);
	if (keeper->connection.fd < 0 || !(events & (LOOP_READ | LOOP_HANGUP)))
		return;
	mr_buf_reserve(&keeper->in, 65536);
	ssize_t n = recv(keeper->connection.fd, keeper->in.ptr + keeper->in.len,
			 keeper->in.cap - keeper->in.len - 1, 0);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		disconnect(keeper);
		return;
	}
	keeper->in.len += n > 0 ? (size_t)n : 0;
	int rc;
	struct mr_error err;
	while ((rc = frame_peek(&keeper->in, &message, &err)) == 1) {
		size_t len = message.len;
		obey(keeper, message);
		if (keeper->connection.fd < 0)
			return;
		mr_buf_consume(&keeper->in, 4 + len);
	}
	if (rc < 0)
		disconnect(keeper);
}

/* A new server: the old one, if it still holds on, is not listened to any more. */
static void on_listener(struct loop_watch *watch, int events)
{
	struct keeper *keeper = MR_CONTAINER_OF(watch, struct keeper, listener);
	struct ucred peer;
	socklen_t size = sizeof peer;
	struct mr_error err;
	int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != geteuid()) {
		close(fd);
		return;
	}
	disconnect(keeper);
	keeper->connection = (struct loop_watch){.fd = fd, .ready = on_connection};
	if (loop_watch(keeper->loop, &keeper->connection, LOOP_READ, &err) != 0) {
		mr_log_error("keeper", &err);
		close(fd);
		keeper->connection.fd = -1;
	}
}

static void on_signal(struct loop_watch *watch, int events)
{
	struct keeper *keeper = MR_CONTAINER_OF(watch, struct keeper, signals);
	struct signalfd_siginfo info;
	while (read(watch->fd, &info, sizeof info) == (ssize_t)sizeof info)
		;
	keeper_reap(keeper);
}

static void on_linger(struct loop_timer *timer)
{
	struct keeper *keeper = MR_CONTAINER_OF(timer, struct keeper, linger);
	if (keeper->tasks.len == 0 && keeper->connection.fd < 0)
		loop_stop(keeper->loop);
}

/* SIGTERM and SIGINT do not end it: they come with the server's, and tasks are to run on. */
static int watch_signals(struct keeper *keeper, struct mr_error *err)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigprocmask(SIG_SETMASK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return mr_fail_errno(err, "cannot watch for signals");
	keeper->signals = (struct loop_watch){.fd = fd, .ready = on_signal};
	return loop_watch(keeper->loop, &keeper->signals, LOOP_READ, err);
}

/* Every task takes two descriptors here; tasks get the limit that we were given. */
static void raise_limits(struct keeper *keeper)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	keeper->files.soft = files.rlim_cur;
	keeper->files.hard = files.rlim_max;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static int take_lock(const char *folder, int *fd_out, struct mr_error *err)
{
	char path[4200];
	snprintf(path, sizeof path, "%s/lock", folder);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return mr_fail_errno(err, "cannot open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		return mr_fail(err, MR_ERR_LOCKED, "another keeper has %s", folder);
	}
	*fd_out = fd;
	return 0;
}

static int open_keeper(struct keeper *keeper, struct mr_error *err)
{
	const struct keeper_options *options = keeper->options;
	int rc = loop_new(&keeper->loop, err);
	if (rc == 0)
		rc = ends_open(&keeper->journal, options->folder, err);
	if (rc == 0)
		rc = watch_signals(keeper, err);
	keeper->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	keeper->listener = (struct loop_watch){.fd = options->listen_fd, .ready = on_listener};
	if (rc == 0)
		rc = loop_watch(keeper->loop, &keeper->listener, LOOP_READ, err);
	if (rc != 0)
		return rc;
	struct mr_error why;
	if (cgroups_open(options->cgroup_root, &keeper->cgroups, &why) != 0)
		mr_debug("keeper", "process groups only: %s", why.message);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	raise_limits(keeper);
	loop_on_wake(keeper->loop, on_turn, keeper);
	loop_timer_set(keeper->loop, &keeper->linger, options->linger_ms * 1000);
	return 0;
}

static void close_keeper(struct keeper *keeper)
{
	disconnect(keeper);
	ends_close(&keeper->journal);
	cgroups_close(keeper->cgroups);
	if (keeper->signals.ready)
		close(keeper->signals.fd);
	if (keeper->null_fd >= 0)
		close(keeper->null_fd);
	close(keeper->options->listen_fd);
	mr_buf_release(&keeper->in);
	mr_buf_release(&keeper->out);
	mr_buf_release(&keeper->held);
	mr_map_release(&keeper->tasks);
	mr_vec_release(&keeper->by_pid);
	json_parser_free(keeper->parser);
	if (keeper->loop)
		loop_free(keeper->loop);
}

int keeper_run(const struct keeper_options *options, struct mr_error *err)
{
	int lock_fd;
	int rc = take_lock(options->folder, &lock_fd, err);
	if (rc != 0)
		return rc;
	struct keeper keeper = {
	    .options = options,
	    .connection.fd = -1,
	    .null_fd = -1,
	    .linger.fire = on_linger,
	    .lease.fire = on_lease,
	    .memory_timer.fire = keeper_check_memory,
	    .parser = json_parser_new(),
	};
	mr_buf_init(&keeper.in, IN_BYTES_MAX);
	rc = open_keeper(&keeper, err);
	if (rc == 0) {
		resident_trim();
		loop_run(keeper.loop);
	}
	close_keeper(&keeper);
	close(lock_fd);
	return rc;
}
