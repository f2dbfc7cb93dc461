#include "task/procfs.h"

#include "base/buf.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define ENVIRON_BYTES_MAX ((size_t)4 << 20)

static bool read_all(const char *path, size_t limit, struct mr_buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;
	if (fd < 0)
		return false;
	mr_buf_init(out, limit);
	while (mr_buf_reserve(out, 8192) && (n = read(fd, out->ptr + out->len, 8192)) > 0)
		out->len += (size_t)n;
	if (out->ptr)
		out->ptr[out->len] = 0;
	close(fd);
	return n == 0;
}

/* Calls fn for every process until it returns false. */
static void each_process(bool (*fn)(pid_t pid, void *arg), void *arg)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	while (proc && (entry = readdir(proc)) != NULL) {
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    !fn((pid_t)strtol(entry->d_name, NULL, 10), arg))
			break;
	}
	if (proc)
		closedir(proc);
}

/* proc(5), stat: the fields behind the command, which may itself hold spaces and parentheses. */
struct stat_fields {
	pid_t parent, session;
	uint64_t start;
	int64_t resident_pages;
};

static bool read_stat(pid_t pid, struct stat_fields *out)
{
	char path[64], text[1024];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	text[n] = 0;
	char *p = strrchr(text, ')');
	if (!p || p[1] == 0)
		return false;
	unsigned long long values[50] = {0};
	p += 3; /* ") S" */
	for (size_t i = 0; i < MR_COUNT(values) && *p; i++)
		values[i] = (unsigned long long)strtoll(p, &p, 10);
	*out = (struct stat_fields){(pid_t)values[0], (pid_t)values[2], values[18], (int64_t)values[20]};
	return true;
}

static bool add_child(pid_t pid, void *arg)
{
	struct pid_list *list = arg;
	struct stat_fields stat;
	if (read_stat(pid, &stat) && stat.parent == getpid())
		mr_vec_push(&list->pids, pid);
	return true;
}

void procfs_children(struct pid_list *out)
{
	char path[64];
	struct mr_buf text = {0};
	out->pids.len = 0;
	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	if (read_all(path, 1 << 20, &text)) {
		for (char *p = text.ptr, *end; p && *p; p = end) {
			long pid = strtol(p, &end, 10);
			if (end == p)
				break;
			mr_vec_push(&out->pids, (pid_t)pid);
		}
	} else {
		each_process(add_child, out); /* a kernel without CONFIG_PROC_CHILDREN */
	}
	mr_buf_release(&text);
}

bool procfs_task_id(pid_t pid, char out[37])
{
	char path[64];
	struct mr_buf text = {0};
	const size_t name_len = sizeof TASK_ID_VARIABLE; /* with the "=" */
	bool found = false;
	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	read_all(path, ENVIRON_BYTES_MAX, &text);
	for (size_t at = 0; !found && at < text.len; at += strlen(text.ptr + at) + 1) {
		const char *entry = text.ptr + at;
		found = strncmp(entry, TASK_ID_VARIABLE "=", name_len) == 0 && strlen(entry) == name_len + 36;
		if (found)
			memcpy(out, entry + name_len, 37);
	}
	mr_buf_release(&text);
	return found;
}

uint64_t procfs_start(pid_t pid)
{
	struct stat_fields stat;
	return read_stat(pid, &stat) ? stat.start : 0;
}

uint64_t procfs_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 100 + (uint64_t)t.tv_nsec / 10000000; /* USER_HZ is 100 everywhere */
}

struct session_sum {
	pid_t session;
	int64_t pages;
};

static bool add_memory(pid_t pid, void *arg)
{
	struct session_sum *sum = arg;
	struct stat_fields stat;
	if (getsid(pid) == sum->session && read_stat(pid, &stat))
		sum->pages += stat.resident_pages;
	return true;
}

int64_t procfs_session_memory(pid_t session)
{
	struct session_sum sum = {session, 0};
	each_process(add_memory, &sum);
	return sum.pages * sysconf(_SC_PAGESIZE);
}

struct hunt {
	const char *id;
	int found;
};

static bool kill_marked(pid_t pid, void *arg)
{
	struct hunt *hunt = arg;
	char id[37];
	if (pid != getpid() && procfs_task_id(pid, id) && strcmp(id, hunt->id) == 0) {
		kill(pid, SIGKILL);
		hunt->found++;
	}
	return true;
}

bool procfs_kill_task(const char *id)
{
	for (int round = 0; round < 200; round++) {
		struct hunt hunt = {id, 0};
		each_process(kill_marked, &hunt);
		if (hunt.found == 0)
			return true;
		usleep(5000); /* until the kernel has taken them away */
	}
	return false;
}
