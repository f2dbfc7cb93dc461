/* The keeper for real: its process, tasks that end well and badly, hide, hang, flood; servers that come
 * and go; its own death. */
#include "task/keeper_client.h"
#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "env/disk_linux.h"
#include "env/env.h"
#include "task/procfs.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct ear { /* what the keeper said, in order */
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct mr_buf said; /* lines */
	int gone, ready;
	struct keeper_client *client;
	char *folder;
};

static void on_message(void *arg, struct json_value message)
{
	struct ear *ear = arg;
	pthread_mutex_lock(&ear->lock);
	json_write_value(&ear->said, message);
	mr_buf_char(&ear->said, '\n');
	pthread_cond_broadcast(&ear->more);
	pthread_mutex_unlock(&ear->lock);
}

static void on_gone(void *arg)
{
	struct ear *ear = arg;
	pthread_mutex_lock(&ear->lock);
	ear->gone++;
	pthread_cond_broadcast(&ear->more);
	pthread_mutex_unlock(&ear->lock);
}

static void on_ready(void *arg)
{
	struct ear *ear = arg;
	pthread_mutex_lock(&ear->lock);
	ear->ready++;
	pthread_cond_broadcast(&ear->more);
	pthread_mutex_unlock(&ear->lock);
}

/* The program beside the tests: build/<kind>/millrace. */
static const char *program(void)
{
	static char path[4200];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
	CHECK(n > 0);
	path[n] = 0;
	for (int i = 0; i < 2; i++)
		*strrchr(path, '/') = 0;
	memcpy(path + strlen(path), "/millrace", 10);
	return path;
}

static void ear_open(struct ear *ear, const char *folder)
{
	struct mr_error err;
	*ear = (struct ear){.folder = mr_strdup(folder)};
	pthread_mutex_init(&ear->lock, NULL);
	pthread_cond_init(&ear->more, NULL);
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* the keeper is killed here; that leaks nothing */
	struct keeper_client_options options = {
	    .folder = folder,
	    .program = program(),
	    .linger_ms = 300,
	    .message = on_message,
	    .gone = on_gone,
	    .ready = on_ready,
	    .arg = ear,
	};
	CHECK_OK(keeper_client_new(&options, &ear->client, &err), err);
}

static void ear_close(struct ear *ear)
{
	keeper_client_free(ear->client);
	mr_buf_release(&ear->said);
	free(ear->folder);
	pthread_mutex_destroy(&ear->lock);
	pthread_cond_destroy(&ear->more);
}

/* Wait until a line holds both words; the line. */
static mr_str ear_wait(struct ear *ear, const char *one, const char *other, int seconds, char line[4096])
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&ear->lock);
	for (;;) {
		mr_str rest = mr_buf_view(&ear->said);
		for (const char *nl; (nl = rest.len ? memchr(rest.ptr, '\n', rest.len) : NULL) != NULL;) {
			size_t n = mr_min_size((size_t)(nl - rest.ptr), 4095);
			memcpy(line, rest.ptr, n);
			line[n] = 0;
			if (strstr(line, one) && strstr(line, other)) {
				pthread_mutex_unlock(&ear->lock);
				return mr_str_from(line);
			}
			rest = mr_str_tail(rest, (size_t)(nl - rest.ptr) + 1);
		}
		if (pthread_cond_timedwait(&ear->more, &ear->lock, &until) != 0) {
			pthread_mutex_unlock(&ear->lock);
			test_fail(__FILE__, __LINE__, "no message with %s and %s; said:\n%s", one, other,
				  mr_buf_view(&ear->said).ptr);
		}
	}
}

static const char *id_of(int n)
{
	static char ids[8][40];
	char *id = ids[n % 8];
	/* The machine is searched for them: not those of another run of the tests. */
	snprintf(id, 40, "%08x-0000-4000-8000-%012d", (unsigned)getpid(), n);
	return id;
}

struct task_text {
	int n;
	const char *script;
	const char *secret;
	int timeout_ms, grace_ms;
	int64_t memory;
};

static char *log_path(struct ear *ear, int n)
{
	return test_path("%s/%d.log", ear->folder, n);
}

static void start_in(struct ear *ear, const struct task_text *task, const char *log)
{
	struct mr_buf json = {0};
	struct json_writer w = json_writer(&json);
	struct mr_error err;
	json_begin_object(&w);
	json_member_cstr(&w, "do", "start");
	json_member_cstr(&w, "id", id_of(task->n));
	json_key(&w, "argv");
	json_begin_array(&w);
	json_put_cstr(&w, "bash");
	json_put_cstr(&w, "-c");
	json_put_cstr(&w, task->script);
	json_end_array(&w);
	json_key(&w, "env");
	json_begin_array(&w);
	json_put_cstr(&w, "PATH=/usr/bin:/bin");
	json_put_cstr(&w, test_path("MILLRACE_TASK_ID=%s", id_of(task->n)));
	json_end_array(&w);
	json_member_cstr(&w, "cwd", ear->folder);
	json_member_cstr(&w, "log", log);
	json_member_int(&w, "timeout_ms", task->timeout_ms);
	json_member_int(&w, "grace_ms", task->grace_ms ? task->grace_ms : 2000);
	json_member_int(&w, "memory", task->memory);
	json_key(&w, "secrets");
	json_begin_array(&w);
	if (task->secret)
		json_put_cstr(&w, task->secret);
	json_end_array(&w);
	json_end_object(&w);
	CHECK_OK(keeper_client_send(ear->client, mr_buf_view(&json), &err), err);
	mr_buf_release(&json);
}

static void start(struct ear *ear, const struct task_text *task)
{
	start_in(ear, task, log_path(ear, task->n));
}

static void say(struct ear *ear, const char *what, int n)
{
	struct mr_error err;
	char *json = test_path("{\"do\":\"%s\",\"id\":\"%s\"}", what, id_of(n));
	CHECK_OK(keeper_client_send(ear->client, mr_str_from(json), &err), err);
}

static void check_log(struct ear *ear, int n, const char *want)
{
	struct mr_buf text = {0};
	struct mr_error err;
	CHECK_OK(disk_read_file(disk_linux(), log_path(ear, n), 1 << 20, &text, &err), err);
	CHECK_STR(mr_buf_view(&text), want);
	mr_buf_release(&text);
}

static void check_has(const char *line, const char *what)
{
	if (!strstr(line, what))
		test_fail(__FILE__, __LINE__, "%s does not hold %s", line, what);
}

/* A process that only waits to be reaped does not run. Files of /proc say that they are empty. */
static bool runs(pid_t pid)
{
	char text[1024] = "";
	FILE *file = fopen(test_path("/proc/%d/stat", (int)pid), "re");
	if (!file)
		return false;
	text[fread(text, 1, sizeof text - 1, file)] = 0;
	fclose(file);
	const char *state = strrchr(text, ')');
	return state && state[2] != 'Z' && state[2] != 'X';
}

static pid_t pid_in(struct ear *ear, const char *name)
{
	char *path = test_path("%s/%s", ear->folder, name);
	for (int i = 0; i < 500; i++) {
		struct mr_buf text = {0};
		if (disk_read_file(disk_linux(), path, 100, &text, NULL) == 0 && text.len > 1 &&
		    text.ptr[text.len - 1] == '\n') {
			pid_t pid = (pid_t)strtol(text.ptr, NULL, 10);
			mr_buf_release(&text);
			return pid;
		}
		mr_buf_release(&text);
		usleep(10000);
	}
	test_fail(__FILE__, __LINE__, "%s was not written", path);
}

static void check_goes(pid_t pid, int ms)
{
	for (int i = 0; i < ms / 5 && runs(pid); i++)
		usleep(5000);
	CHECK(!runs(pid));
}

TEST(keeper_runs_tasks_and_tells_their_ends)
{
	struct ear ear;
	char line[4096];
	ear_open(&ear, test_folder());
	start(&ear, &(struct task_text){1, "echo hello; echo '{\"rows\": 3}'; echo"});
	start(&ear, &(struct task_text){2, "echo to stderr >&2; exit 7"});
	start(&ear, &(struct task_text){3, "kill -9 $$"});
	start(&ear, &(struct task_text){4, "printf 'the token is s3cr'; sleep 0.1; echo et-t0ken",
					.secret = "s3cret-t0ken"});
	ear_wait(&ear, "started", id_of(1), 5, line);
	ear_wait(&ear, "ended", id_of(1), 5, line);
	check_has(line, "\"exit\":0,\"signal\":0,\"why\":\"\",\"line\":\"{\\\"rows\\\": 3}\"");
	check_log(&ear, 1, "hello\n{\"rows\": 3}\n\n");
	ear_wait(&ear, "ended", id_of(2), 5, line);
	check_has(line, "\"exit\":7");
	check_log(&ear, 2, "to stderr\n");
	ear_wait(&ear, "ended", id_of(3), 5, line);
	check_has(line, "\"signal\":9");
	ear_wait(&ear, "ended", id_of(4), 5, line);
	check_log(&ear, 4, "the token is ***\n");
	ear_close(&ear);
}

TEST(keeper_says_what_cannot_be_started)
{
	struct ear ear;
	char line[4096];
	ear_open(&ear, test_folder());
	start_in(&ear, &(struct task_text){1, "true"}, "/nonexistent/x.log");
	ear_wait(&ear, "ended", id_of(1), 5, line);
	check_has(line, "\"why\":\"start\",\"line\":\"cannot open the log /nonexistent/x.log");
	char *json =
	    test_path("{\"do\":\"start\",\"id\":\"%s\",\"argv\":[\"/no/such\"],\"env\":[],\"cwd\":\"/\","
		      "\"log\":\"%s\"}",
		      id_of(2), log_path(&ear, 2));
	struct mr_error err;
	CHECK_OK(keeper_client_send(ear.client, mr_str_from(json), &err), err);
	ear_wait(&ear, "ended", id_of(2), 5, line);
	check_has(line, "cannot run /no/such: No such file or directory");
	ear_close(&ear);
}

TEST(keeper_leaves_nothing_behind)
{
	struct ear ear;
	char line[4096];
	ear_open(&ear, test_folder());
	start(&ear,
	      &(struct task_text){
		  1, "sleep 300 & echo $! > child; setsid bash -c 'echo $$ > session; exec sleep 300' & "
		     "(setsid bash -c 'sleep 300 & echo $! > daemon' &) ; "
		     "while [ ! -s daemon -o ! -s session ]; do sleep 0.02; done; kill -9 $$"});
	pid_t child = pid_in(&ear, "child"), session = pid_in(&ear, "session"),
	      daemon = pid_in(&ear, "daemon");
	ear_wait(&ear, "ended", id_of(1), 10, line);
	check_has(line, "\"signal\":9");
	check_goes(child, 2000);
	check_goes(session, 2000);
	check_goes(daemon, 2000);
	ear_close(&ear);
}

/* The environment is gone, and so is the mark: it may stay while a task runs, and goes with the last. */
TEST(keeper_finds_daemons_that_hide)
{
	struct ear ear;
	char line[4096];
	ear_open(&ear, test_folder());
	start(&ear, &(struct task_text){1, "(setsid env -i /bin/sh -c 'echo $$ > daemon; exec sleep 300' &); "
					   "while [ ! -s daemon ]; do sleep 0.02; done; echo out"});
	pid_t daemon = pid_in(&ear, "daemon");
	ear_wait(&ear, "ended", id_of(1), 10, line);
	check_goes(daemon, 2000);
	ear_close(&ear);
}

TEST(keeper_stops_tasks_in_time)
{
	struct ear ear;
	char line[4096];
	ear_open(&ear, test_folder());
	start(&ear, &(struct task_text){1, "sleep 60", .timeout_ms = 100});
	start(&ear, &(struct task_text){2, "trap '' TERM; echo $$ > stubborn; while true; do sleep 0.1; done",
					.timeout_ms = 300, .grace_ms = 200});
	start(&ear,
	      &(struct task_text){
		  3, "trap 'echo bye; exit 3' TERM; echo $$ > polite; while true; do sleep 0.05; done"});
	ear_wait(&ear, "ended", id_of(1), 5, line);
	check_has(line, "\"signal\":15,\"why\":\"timeout\"");
	ear_wait(&ear, "ended", id_of(2), 5, line);
	check_has(line, "\"signal\":9,\"why\":\"timeout\"");
	pid_in(&ear, "polite");
	say(&ear, "stop", 3);
	ear_wait(&ear, "ended", id_of(3), 5, line);
	check_has(line, "\"exit\":3,\"signal\":0,\"why\":\"stopped\",\"line\":\"bye\"");
	ear_close(&ear);
}

static void lease(struct ear *ear, int64_t until_us)
{
	struct mr_error err;
	char *json = test_path("{\"do\":\"lease\",\"until\":%lld}", (long long)until_us);
	CHECK_OK(keeper_client_send(ear->client, mr_str_from(json), &err), err);
}

/* Its server may sleep or be gone: the keeper counts itself. */
TEST(keeper_ends_tasks_with_the_lease)
{
	struct ear ear;
	char line[4096];
	struct mr_clock *clock = env_linux()->clock;
	ear_open(&ear, test_folder());
	start(&ear, &(struct task_text){1, "trap '' TERM; echo $$ > one; while true; do sleep 0.1; done"});
	pid_t one = pid_in(&ear, "one");
	lease(&ear, clock_mono_us(clock) + 200000);
	lease(&ear, clock_mono_us(clock) + 900000); /* renewed */
	usleep(500000);
	CHECK(runs(one));
	ear_wait(&ear, "ended", id_of(1), 5, line);
	check_has(line, "\"signal\":9,\"why\":\"lease\"");
	check_goes(one, 1000);
	start(&ear, &(struct task_text){2, "echo late"}); /* from before it slept */
	ear_wait(&ear, "unknown", id_of(2), 5, line);
	lease(&ear, clock_mono_us(clock) + 20000000);
	start(&ear, &(struct task_text){3, "echo $$ > three; sleep 60"});
	pid_t three = pid_in(&ear, "three");
	/* A kill -9 of the server: nobody renews, nobody listens. */
	lease(&ear, clock_mono_us(clock) + 300000);
	ear_close(&ear);
	check_goes(three, 3000);
}

TEST(keeper_kills_for_memory_and_says_so)
{
	struct ear ear;
	char line[4096];
	ear_open(&ear, test_folder());
	start(&ear, &(struct task_text){1, "x=$(head -c 200000000 /dev/zero | tr '\\0' x); sleep 60",
					.memory = 60 << 20});
	ear_wait(&ear, "ended", id_of(1), 20, line);
	check_has(line, "\"why\":\"memory\"");
	ear_close(&ear);
}

/* The server goes, the task does not; its end waits in the journal for the next server. */
TEST(keeper_outlives_its_server)
{
	struct ear ear;
	char line[4096];
	const char *folder = test_folder();
	ear_open(&ear, folder);
	pid_t keeper = keeper_client_pid(ear.client);
	start(&ear, &(struct task_text){1, "echo one; sleep 0.3; echo two; exit 5"});
	start(&ear, &(struct task_text){2, "sleep 1.2; exit 6"});
	ear_wait(&ear, "started", id_of(2), 5, line);
	ear_close(&ear);
	usleep(600000);
	ear_open(&ear, folder);
	CHECK_INT(keeper_client_pid(ear.client), keeper);
	say(&ear, "ask", 1);
	say(&ear, "ask", 2);
	say(&ear, "ask", 3);
	ear_wait(&ear, "ended", id_of(1), 5, line);
	check_has(line, "\"exit\":5");
	check_log(&ear, 1, "one\ntwo\n");
	ear_wait(&ear, "started", id_of(2), 5, line);
	ear_wait(&ear, "unknown", id_of(3), 5, line);
	start(&ear, &(struct task_text){2, "echo never"}); /* known: not started again */
	ear_wait(&ear, "ended", id_of(2), 5, line);
	check_has(line, "\"exit\":6");
	check_log(&ear, 2, "");
	ear_close(&ear);
	for (int i = 0; i < 300 && runs(keeper); i++)
		usleep(10000);
	CHECK(!runs(keeper)); /* nothing left to do */
	ear_open(&ear, folder);
	say(&ear, "ask", 2); /* another keeper, the same journal */
	ear_wait(&ear, "ended", id_of(2), 5, line);
	check_has(line, "\"exit\":6");
	ear_close(&ear);
}

TEST(keeper_death_takes_its_tasks_along)
{
	struct ear ear;
	char line[4096];
	ear_open(&ear, test_folder());
	start(&ear, &(struct task_text){
			1, "echo $$ > leader; (setsid bash -c 'sleep 300 & echo $! > daemon' &); sleep 300"});
	pid_t leader = pid_in(&ear, "leader"), daemon = pid_in(&ear, "daemon");
	int64_t before = clock_mono_us(env_linux()->clock);
	kill(keeper_client_pid(ear.client), SIGKILL);
	pthread_mutex_lock(&ear.lock);
	while (ear.gone == 0)
		pthread_cond_wait(&ear.more, &ear.lock);
	pthread_mutex_unlock(&ear.lock);
	check_goes(leader, 500);
	CHECK(procfs_kill_task(id_of(1)));
	check_goes(daemon, 500);
	CHECK(clock_mono_us(env_linux()->clock) - before < 1000000);
	pthread_mutex_lock(&ear.lock);
	while (ear.ready == 0)
		pthread_cond_wait(&ear.more, &ear.lock);
	pthread_mutex_unlock(&ear.lock);
	start(&ear, &(struct task_text){2, "echo again"});
	ear_wait(&ear, "ended", id_of(2), 5, line);
	ear_close(&ear);
}

/* A full disk loses output, not tasks. */
TEST(keeper_goes_on_when_logs_cannot_be_written)
{
	struct ear ear;
	char line[4096];
	ear_open(&ear, test_folder());
	start_in(&ear, &(struct task_text){1, "head -c 1000000 /dev/zero; echo; echo done"}, "/dev/full");
	ear_wait(&ear, "ended", id_of(1), 10, line);
	check_has(line, "\"exit\":0");
	check_has(line, "\"line\":\"done\"");
	ear_close(&ear);
}
