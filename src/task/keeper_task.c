/* A task's life: started, its output into the log, ended, all of its processes gone, reported. */
#include "task/keeper_internal.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_US 1000000       /* for the last output after the end of all processes */
#define MEMORY_EVERY_US 200000 /* between looks at memory where the kernel does not limit it */

static int64_t wall_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Kill whatever can be named: the process group, and the control group. */
static void kill_all(struct keeper_task *task, int signal)
{
	if (task->pid > 0)
		kill(-task->pid, signal);
	if (signal == SIGKILL && task->in_cgroup)
		cgroups_kill(task->keeper->cgroups, task->id);
}

static void write_log(struct keeper_task *task, mr_str bytes)
{
	char note[80];
	if (task->log_fd < 0)
		return;
	if (task->lost_bytes > 0 && bytes.len > 0) {
		int n = snprintf(note, sizeof note, "\n[%llu bytes of output were lost: the disk was full]\n",
				 (unsigned long long)task->lost_bytes);
		if (write(task->log_fd, note, (size_t)n) == n)
			task->lost_bytes = 0;
	}
	while (bytes.len > 0) {
		ssize_t n = write(task->log_fd, bytes.ptr, bytes.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			task->lost_bytes += bytes.len; /* the task runs on */
			return;
		}
		bytes = mr_str_tail(bytes, (size_t)n);
	}
}

/* Remember the last line that has anything in it. */
static void follow_lines(struct keeper_task *task, mr_str bytes)
{
	while (bytes.len > 0) {
		const char *nl = memchr(bytes.ptr, '\n', bytes.len);
		size_t len = nl ? (size_t)(nl - bytes.ptr) : bytes.len;
		mr_buf_append(&task->line, bytes.ptr, len);
		if (nl) {
			mr_str line = mr_buf_view(&task->line);
			while (line.len && strchr(" \t\r", line.ptr[line.len - 1]))
				line.len--;
			if (line.len) {
				mr_buf_clear(&task->last);
				mr_buf_str(&task->last, line);
			}
			mr_buf_clear(&task->line);
		}
		bytes = mr_str_tail(bytes, len + (nl ? 1 : 0));
	}
}

static void finish(struct keeper_task *task);

static void close_pipe(struct keeper_task *task)
{
	struct mr_buf rest = {0};
	if (task->pipe.fd < 0)
		return;
	loop_unwatch(task->keeper->loop, &task->pipe);
	close(task->pipe.fd);
	task->pipe.fd = -1;
	mask_end(&task->mask, &rest);
	write_log(task, mr_buf_view(&rest));
	mr_buf_release(&rest);
	if (task->line.len)
		follow_lines(task, MR_STR("\n"));
}

/* Read what is there. False: the pipe is at its end. */
static bool read_output(struct keeper_task *task)
{
	char bytes[65536];
	for (int i = 0; i < 16; i++) { /* then let the others have their turn */
		ssize_t n = read(task->pipe.fd, bytes, sizeof bytes);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (n == 0)
			return false;
		struct mr_buf masked = {0};
		follow_lines(task, mr_str_n(bytes, (size_t)n));
		mask_feed(&task->mask, mr_str_n(bytes, (size_t)n), &masked);
		write_log(task, mr_buf_view(&masked));
		mr_buf_release(&masked);
	}
	return true;
}

static void on_output(struct loop_watch *watch, int events)
{
	struct keeper_task *task = MR_CONTAINER_OF(watch, struct keeper_task, pipe);
	if (read_output(task))
		return;
	close_pipe(task);
	if (task->ended)
		finish(task);
}

static void on_drained(struct loop_timer *timer)
{
	struct keeper_task *task = MR_CONTAINER_OF(timer, struct keeper_task, drain_timer);
	close_pipe(task);
	finish(task);
}

static void on_timeout(struct loop_timer *timer)
{
	keeper_task_stop(MR_CONTAINER_OF(timer, struct keeper_task, timeout), "timeout");
}

static void on_kill(struct loop_timer *timer)
{
	kill_all(MR_CONTAINER_OF(timer, struct keeper_task, kill_timer), SIGKILL);
}

void keeper_task_stop(struct keeper_task *task, const char *why)
{
	if (task->ended || task->why[0])
		return;
	task->why = why;
	kill_all(task, SIGTERM);
	loop_timer_set(task->keeper->loop, &task->kill_timer, task->grace_us);
}

void keeper_kill_tasks(struct keeper *keeper, const char *why)
{
	for (size_t i = 0; i < keeper->by_pid.len; i++) {
		struct keeper_task *task = keeper->by_pid.items[i];
		if (!task->why[0])
			task->why = why;
		kill_all(task, SIGKILL);
	}
}

static void free_task(struct keeper_task *task)
{
	struct loop *loop = task->keeper->loop;
	loop_timer_cancel(loop, &task->timeout);
	loop_timer_cancel(loop, &task->kill_timer);
	loop_timer_cancel(loop, &task->drain_timer);
	close_pipe(task);
	if (task->log_fd >= 0)
		close(task->log_fd);
	mask_release(&task->mask);
	mr_buf_release(&task->line);
	mr_buf_release(&task->last);
	free(task);
}

static void say_ended(struct keeper *keeper, const char *id, int status, const char *why, mr_str line)
{
	struct mr_buf json = {0};
	struct json_writer w = json_writer(&json);
	json_begin_object(&w);
	json_member_cstr(&w, "say", "ended");
	json_member_cstr(&w, "id", id);
	json_member_int(&w, "at", wall_us());
	json_member_int(&w, "exit", WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	json_member_int(&w, "signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	json_member_cstr(&w, "why", why);
	json_member_str(&w, "line", line);
	json_end_object(&w);
	ends_add(&keeper->journal, mr_buf_view(&json));
	keeper_send_after_journal(keeper, mr_buf_view(&json));
	mr_buf_release(&json);
}

/* All of its processes are gone and its output is in the log. */
static void finish(struct keeper_task *task)
{
	struct keeper *keeper = task->keeper;
	if (task->in_cgroup) {
		if (!task->why[0] && cgroups_oom(keeper->cgroups, task->id))
			task->why = "memory";
		cgroups_remove(keeper->cgroups, task->id);
	}
	mr_str line = mr_buf_view(&task->last);
	say_ended(keeper, task->id, task->status, task->why, task->last.overflow ? MR_STR("") : line);
	mr_map_remove(&keeper->tasks, mr_str_from(task->id));
	free_task(task);
	if (keeper->tasks.len == 0)
		loop_timer_set(keeper->loop, &keeper->linger, keeper->options->linger_ms * 1000);
}

void keeper_say_started(struct keeper *keeper, const struct keeper_task *task)
{
	struct mr_buf json = {0};
	struct json_writer w = json_writer(&json);
	json_begin_object(&w);
	json_member_cstr(&w, "say", "started");
	json_member_cstr(&w, "id", task->id);
	json_member_int(&w, "pid", task->pid);
	json_member_int(&w, "at", task->started_us);
	json_end_object(&w);
	keeper_send(keeper, mr_buf_view(&json));
	mr_buf_release(&json);
}

static char **string_list(struct arena *arena, struct json_value list)
{
	size_t n = 0;
	char **out = arena_alloc(arena, (json_count(list) + 1) * sizeof *out);
	for (struct json_iter it = json_iter(list); json_next(&it);)
		out[n++] = (char *)arena_copy(arena, json_str(it.value)).ptr;
	out[n] = NULL;
	return out;
}

static void set_mask(struct keeper_task *task, struct arena *arena, struct json_value list)
{
	size_t n = 0;
	mr_str *secrets = arena_alloc(arena, (json_count(list) + 1) * sizeof *secrets);
	for (struct json_iter it = json_iter(list); json_next(&it);)
		secrets[n++] = json_str(it.value);
	mask_init(&task->mask, secrets, n);
}

/* Open the log, make the pipe and the group, spawn. */
static int launch(struct keeper_task *task, struct arena *arena, struct json_value request,
		  struct mr_error *err)
{
	struct keeper *keeper = task->keeper;
	int pipes[2], join_fd = -1, rc = 0;
	const char *log = arena_copy(arena, json_str(json_get(request, "log"))).ptr;
	task->log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (task->log_fd < 0) /* nobody would know what the task did */
		return mr_fail_errno(err, "cannot open the log %s", log);
	if (pipe2(pipes, O_CLOEXEC) != 0)
		return mr_fail_errno(err, "cannot make a pipe");
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	if (keeper->cgroups)
		rc = cgroups_add(keeper->cgroups, task->id, task->memory_max, &join_fd, err);
	task->in_cgroup = join_fd >= 0;
	struct spawn_request spawn = {
	    .argv = string_list(arena, json_get(request, "argv")),
	    .env = string_list(arena, json_get(request, "env")),
	    .cwd = arena_copy(arena, json_str(json_get(request, "cwd"))).ptr,
	    .output_fd = pipes[1],
	    .null_fd = keeper->null_fd,
	    .join_fd = join_fd,
	    .files_soft = keeper->files.soft,
	    .files_hard = keeper->files.hard,
	};
	if (rc == 0 && !spawn.argv[0])
		rc = mr_fail(err, MR_ERR_INVALID, "nothing to run");
	task->start = procfs_now();
	if (rc == 0)
		rc = keeper_spawn(&spawn, &task->pid, err);
	if (join_fd >= 0)
		close(join_fd);
	close(pipes[1]);
	task->pipe = (struct loop_watch){.fd = pipes[0], .ready = on_output};
	if (rc == 0)
		rc = loop_watch(keeper->loop, &task->pipe, LOOP_READ, err);
	if (rc != 0) {
		kill_all(task, SIGKILL);
		close(pipes[0]);
		task->pipe.fd = -1;
	}
	return rc;
}

static void start_timers(struct keeper_task *task, struct json_value request)
{
	struct keeper *keeper = task->keeper;
	int64_t timeout_ms = json_int(json_get(request, "timeout_ms"));
	if (timeout_ms > 0)
		loop_timer_set(keeper->loop, &task->timeout, timeout_ms * 1000);
	if (task->memory_max > 0 && !(task->in_cgroup && cgroups_limit_memory(keeper->cgroups)))
		loop_timer_set(keeper->loop, &keeper->memory_timer, MEMORY_EVERY_US);
	loop_timer_cancel(keeper->loop, &keeper->linger);
}

void keeper_task_start(struct keeper *keeper, struct json_value request)
{
	mr_str id = json_str(json_get(request, "id")), line;
	struct keeper_task *task = mr_map_get(&keeper->tasks, id);
	struct arena arena = {0};
	struct mr_error err;
	if (task) {
		task->wanted_by = keeper->connections;
		keeper_say_started(keeper, task);
		return;
	}
	if (id.len != DAG_UUID_BYTES - 1)
		return;
	task = mr_calloc(1, sizeof *task);
	*task = (struct keeper_task){
	    .keeper = keeper,
	    .wanted_by = keeper->connections,
	    .why = "",
	    .started_us = wall_us(),
	    .grace_us = json_int(json_get(request, "grace_ms")) * 1000,
	    .memory_max = json_int(json_get(request, "memory")),
	    .timeout.fire = on_timeout,
	    .kill_timer.fire = on_kill,
	    .drain_timer.fire = on_drained,
	    .pipe.fd = -1,
	    .log_fd = -1,
	};
	memcpy(task->id, id.ptr, id.len);
	mr_buf_init(&task->line, KEEPER_LINE_BYTES_MAX);
	mr_buf_init(&task->last, KEEPER_LINE_BYTES_MAX);
	set_mask(task, &arena, json_get(request, "secrets"));
	if (launch(task, &arena, request, &err) == 0) {
		mr_map_put(&keeper->tasks, id, task);
		mr_vec_push(&keeper->by_pid, task);
		start_timers(task, request);
		keeper_say_started(keeper, task);
	} else {
		line = mr_str_from(err.message);
		if (task->log_fd >= 0) {
			write_log(task, line);
			write_log(task, MR_STR("\n"));
		}
		say_ended(keeper, task->id, 127 << 8, "start", line);
		if (task->in_cgroup)
			cgroups_remove(keeper->cgroups, task->id);
		free_task(task);
	}
	arena_release(&arena);
}

static void first_process_ended(struct keeper *keeper, size_t index, int status)
{
	struct keeper_task *task = keeper->by_pid.items[index];
	kill_all(task, SIGKILL); /* its pid, and so its group, is ours until it is reaped */
	waitpid(task->pid, NULL, 0);
	mr_vec_remove(&keeper->by_pid, index);
	task->pid = 0;
	task->ended = true;
	task->status = status;
	loop_timer_cancel(keeper->loop, &task->timeout);
	loop_timer_cancel(keeper->loop, &task->kill_timer);
}

static const struct keeper_task *task_of_pid(const struct keeper *keeper, pid_t pid)
{
	for (size_t i = 0; i < keeper->by_pid.len; i++)
		if (keeper->by_pid.items[i]->pid == pid)
			return keeper->by_pid.items[i];
	return NULL;
}

/* An orphan (its parent ended, so it is our child now): may it belong to a task that runs? */
static bool orphan_may_stay(const struct keeper *keeper, pid_t pid)
{
	char id[37];
	if (task_of_pid(keeper, getsid(pid)))
		return true;
	if (procfs_task_id(pid, id))
		return mr_map_get(&keeper->tasks, mr_str_from(id)) &&
		       !((struct keeper_task *)mr_map_get(&keeper->tasks, mr_str_from(id)))->ended;
	/* It hides: whose it is cannot be told, so it stays while a task runs that may have made it. */
	uint64_t start = procfs_start(pid);
	for (size_t i = 0; i < keeper->by_pid.len; i++)
		if (keeper->by_pid.items[i]->start <= start)
			return true;
	return false;
}

static void kill_orphans(struct keeper *keeper)
{
	struct pid_list children = {0};
	procfs_children(&children);
	if (children.pids.len > keeper->by_pid.len)
		for (size_t i = 0; i < children.pids.len; i++)
			if (!task_of_pid(keeper, children.pids.items[i]) &&
			    !orphan_may_stay(keeper, children.pids.items[i]))
				kill(children.pids.items[i], SIGKILL);
	mr_vec_release(&children.pids);
}

static void drain_ended(struct keeper *keeper, struct keeper_task **ended, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct keeper_task *task = ended[i];
		if (task->pipe.fd >= 0 && read_output(task)) { /* somebody may hold the pipe still */
			loop_timer_set(keeper->loop, &task->drain_timer, DRAIN_US);
			continue;
		}
		close_pipe(task);
		finish(task);
	}
}

void keeper_reap(struct keeper *keeper)
{
	MR_VEC(struct keeper_task *) ended = {0};
	siginfo_t info;
	bool any = false;
	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
			break;
		size_t i = 0;
		while (i < keeper->by_pid.len && keeper->by_pid.items[i]->pid != info.si_pid)
			i++;
		any = true;
		if (i < keeper->by_pid.len) {
			struct keeper_task *task = keeper->by_pid.items[i];
			first_process_ended(
			    keeper, i, info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status);
			mr_vec_push(&ended, task);
		} else {
			waitpid(info.si_pid, NULL, 0);
		}
	}
	if (any)
		kill_orphans(keeper);
	drain_ended(keeper, ended.items, ended.len);
	mr_vec_release(&ended);
}

void keeper_check_memory(struct loop_timer *timer)
{
	struct keeper *keeper = MR_CONTAINER_OF(timer, struct keeper, memory_timer);
	bool limited = false;
	for (size_t i = 0; i < keeper->by_pid.len; i++) {
		struct keeper_task *task = keeper->by_pid.items[i];
		if (task->memory_max <= 0 || (task->in_cgroup && cgroups_limit_memory(keeper->cgroups)))
			continue;
		limited = true;
		if (procfs_session_memory(task->pid) > task->memory_max && !task->why[0]) {
			task->why = "memory";
			kill_all(task, SIGKILL);
		}
	}
	if (limited)
		loop_timer_set(keeper->loop, timer, MEMORY_EVERY_US);
}
