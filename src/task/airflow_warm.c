/* The processes beside the tasks' own: the warm Airflow (airflow_warm.py) and the triggerer
 * (airflow_triggerer.py). One that is there already keeps its lock, and a second one ends at once. */
#include "task/airflow.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

char *airflow_warm_socket(const char *python)
{
	uint64_t mark = mr_hash(mr_str_from(python)) * 31 + mr_hash(mr_str_from(airflow_helper));
	return mr_asprintf("airflow-warm-%016llx", (unsigned long long)mark);
}

static bool answers(const char *folder, const char *socket_name)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC); /* names of sockets are short */
	int fd = dir < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(name.sun_path, sizeof name.sun_path, "/proc/self/fd/%d/%s", dir, socket_name);
	bool there = fd >= 0 && connect(fd, (const struct sockaddr *)&name, sizeof name) == 0;
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	return there;
}

/* It leaves at once a process that is nobody's child. */
static int spawn(const char *const *argv, const char *log, struct mr_error *err)
{
	posix_spawn_file_actions_t files;
	pid_t pid;
	int status = 0;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	posix_spawn_file_actions_adddup2(&files, 1, 2);
	int failed = posix_spawnp(&pid, argv[0], &files, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	if (failed) {
		errno = failed;
		return mr_fail_errno(err, "cannot run %s", argv[0]);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return 0;
}

static void start(const char *role, const char *python, const char *folder, const char *name,
		  const char *dags_folder)
{
	struct mr_error err;
	char *dags = realpath(dags_folder, NULL);
	char *log = mr_asprintf("%s/%s.log", folder, name);
	const char *const argv[] = {
	    python, "-u", "-c", airflow_helper, role, folder, name, dags ? dags : dags_folder, NULL};
	if (spawn(argv, log, &err) < 0)
		mr_log_error("dags", &err);
	free(log);
	free(dags);
}

void airflow_warm_start(const char *python, const char *folder, const char *socket_name,
			const char *dags_folder)
{
	if (!answers(folder, socket_name))
		start("warm", python, folder, socket_name, dags_folder);
}

static bool any_triggers(const char *folder)
{
	char *path = mr_asprintf("%s/triggers", folder);
	DIR *dir = opendir(path);
	bool any = false;
	for (struct dirent *entry; dir && !any && (entry = readdir(dir));)
		any = entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	free(path);
	return any;
}

void airflow_triggers_start(const char *folder, const char *dags_folder)
{
	if (!any_triggers(folder))
		return;
	char *python = airflow_python(dags_folder);
	start("triggerer", python, folder, "airflow-triggerer", dags_folder);
	free(python);
}
