#include "task/airflow.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FILE_SECONDS 30  /* as the helper's PARSE_SECONDS */
#define START_SECONDS 60 /* Airflow's own import, on a slow machine */
#define LINES_BYTES_MAX ((size_t)64 << 20)
#define EXIT_NO_AIRFLOW 3

void airflow_cache_release(struct airflow_cache *cache)
{
	mr_buf_release(&cache->lines);
}

char *airflow_python(const char *dags_folder)
{
	const char *given = getenv("MILLRACE_AIRFLOW_PYTHON");
	if (given && *given)
		return mr_strdup(given);
	char *folder =
	    realpath(dags_folder, NULL); /* not the Python itself: a link in its .venv tells it where */
	char *own = mr_asprintf("%s/../.venv/bin/python3", folder ? folder : dags_folder);
	free(folder);
	if (access(own, X_OK) == 0)
		return own;
	free(own);
	return mr_strdup("python3");
}

/* A sum over names, sizes and times; never 0. */
static uint64_t mark_of(char *const *files, size_t count)
{
	uint64_t mark = 0;
	for (size_t i = 0; i < count; i++) {
		struct stat st = {0};
		struct mr_buf text = {0};
		if (stat(files[i], &st) != 0)
			continue; /* gone: the helper says so */
		mr_buf_printf(&text, "%s %lld %lld.%09ld", files[i], (long long)st.st_size,
			      (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
		mark += mr_hash(mr_buf_view(&text)) | 1;
		mr_buf_release(&text);
	}
	return mark ? mark : 1;
}

/* *out is the reading end of what it prints. A group of its own, so that all of it can be ended. */
static int start(char *const *argv, pid_t *pid, int *out, struct mr_error *err)
{
	int ends[2];
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return mr_fail_errno(err, "cannot make a pipe");
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, ends[1], 1);
	posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setpgroup(&attributes, 0);
	int failed = posix_spawnp(pid, argv[0], &files, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	close(ends[1]);
	*out = ends[0];
	if (!failed)
		return 0;
	close(ends[0]);
	errno = failed;
	mr_fail_errno(err, "cannot run %s", argv[0]);
	return mr_hint(err, "set MILLRACE_AIRFLOW_PYTHON to the Python that has Airflow");
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until the end of the output or of the time. */
static int read_all(int fd, int64_t patience_ms, struct mr_buf *out, struct mr_error *err)
{
	int64_t deadline = now_ms() + patience_ms;
	char part[65536];
	for (;;) {
		struct pollfd poller = {fd, POLLIN, 0};
		int64_t left = deadline - now_ms();
		int ready = left > 0 ? poll(&poller, 1, (int)left) : 0;
		if (ready == 0)
			return mr_fail(err, MR_ERR_TIMEOUT, "reading Airflow DAG files took more than %lld s",
				       (long long)patience_ms / 1000);
		ssize_t n = ready > 0 ? read(fd, part, sizeof part) : -1;
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return mr_fail_errno(err, "cannot read from Airflow's side");
		if (n > 0)
			mr_buf_append(out, part, (size_t)n);
		if (out->len > LINES_BYTES_MAX)
			return mr_fail(err, MR_ERR_LIMIT, "Airflow DAG files of more than %zu MiB as JSON",
				       LINES_BYTES_MAX >> 20);
	}
}

static int say_end(const char *python, int status, struct mr_error *err)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_AIRFLOW) {
		mr_fail(err, MR_ERR_UNSUPPORTED, "this DAG file needs Airflow, which %s does not have",
			python);
		return mr_hint(err,
			       "%s -m pip install apache-airflow-core, or set MILLRACE_AIRFLOW_PYTHON to "
			       "the Python that has it",
			       python);
	}
	return mr_fail(err, MR_ERR_IO, "%s ended with status %d while it read the Airflow DAG files", python,
		       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static int run_helper(const char *folder, char *const *files, size_t count, struct mr_buf *lines,
		      struct mr_error *err)
{
	char *python = airflow_python(folder);
	const char *const head[] = {python, "-c", airflow_helper, "parse", folder};
	MR_VEC(char *) argv = {0};
	pid_t pid;
	int fd, status = 0;
	for (size_t i = 0; i < MR_COUNT(head); i++)
		mr_vec_push(&argv, (char *)head[i]);
	for (size_t i = 0; i < count; i++)
		mr_vec_push(&argv, files[i]);
	mr_vec_push(&argv, NULL);
	int rc = start(argv.items, &pid, &fd, err);
	if (rc == 0) {
		rc = read_all(fd, (START_SECONDS + FILE_SECONDS * (int64_t)count) * 1000, lines, err);
		close(fd);
		if (rc < 0)
			kill(-pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (rc == 0)
			rc = say_end(python, status, err);
	}
	mr_vec_release(&argv);
	free(python);
	return rc;
}

int airflow_read(void *arg, const char *folder, char *const *files, size_t count, struct mr_buf *lines,
		 struct mr_error *err)
{
	struct airflow_cache *cache = arg;
	uint64_t mark = mark_of(files, count);
	if (cache->mark != mark) {
		mr_buf_clear(&cache->lines);
		cache->mark = 0;
		int rc = run_helper(folder, files, count, &cache->lines, err);
		if (rc < 0)
			return rc;
		cache->mark = mark;
	}
	mr_buf_str(lines, mr_buf_view(&cache->lines));
	return 0;
}
