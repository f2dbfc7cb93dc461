#include "task/cgroup.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MOUNT "/sys/fs/cgroup"

struct cgroups {
	char *root;
	bool memory;
};

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

static bool get(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return n > 0;
}

/* Our own group: the line "0::/path" of /proc/self/cgroup. */
static char *own_group(void)
{
	char text[4096];
	struct statfs fs;
	if (statfs(MOUNT, &fs) != 0 || fs.f_type != CGROUP2_SUPER_MAGIC ||
	    !get("/proc/self/cgroup", text, sizeof text))
		return NULL;
	char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!line)
		return NULL;
	line = strchr(line, '/');
	line[strcspn(line, "\n")] = 0;
	return mr_asprintf("%s%s", MOUNT, strcmp(line, "/") == 0 ? "" : line);
}

int cgroups_open(const char *root, struct cgroups **out, struct mr_error *err)
{
	char path[4200], text[1024];
	struct cgroups groups = {root ? mr_strdup(root) : own_group(), false};
	if (!groups.root)
		return mr_fail(err, MR_ERR_UNSUPPORTED, "no cgroup2 tree at " MOUNT);
	/* A group with processes cannot have children with controllers: step aside first. */
	snprintf(path, sizeof path, "%s/keeper", groups.root);
	if (mkdir(path, 0755) != 0 && errno != EEXIST) {
		int rc = mr_fail(err, MR_ERR_UNSUPPORTED, "cannot make control groups in %s: %s", groups.root,
				 strerror(errno));
		free(groups.root);
		return rc;
	}
	snprintf(path, sizeof path, "%s/keeper/cgroup.procs", groups.root);
	put(path, "0");
	snprintf(path, sizeof path, "%s/cgroup.subtree_control", groups.root);
	put(path, "+memory");
	groups.memory = get(path, text, sizeof text) && strstr(text, "memory");
	*out = mr_alloc(sizeof **out);
	**out = groups;
	return 0;
}

void cgroups_close(struct cgroups *groups)
{
	if (!groups)
		return;
	free(groups->root);
	free(groups);
}

bool cgroups_limit_memory(const struct cgroups *groups)
{
	return groups && groups->memory;
}

int cgroups_add(struct cgroups *groups, const char *id, int64_t memory_bytes, int *join_fd,
		struct mr_error *err)
{
	char path[4200], limit[32];
	snprintf(path, sizeof path, "%s/task-%s", groups->root, id);
	if (mkdir(path, 0755) != 0 && errno != EEXIST)
		return mr_fail_errno(err, "cannot make the control group %s", path);
	if (memory_bytes > 0 && groups->memory) {
		snprintf(limit, sizeof limit, "%lld", (long long)memory_bytes);
		snprintf(path, sizeof path, "%s/task-%s/memory.max", groups->root, id);
		if (put(path, limit) != 0)
			return mr_fail_errno(err, "cannot limit memory by %s", path);
		snprintf(path, sizeof path, "%s/task-%s/memory.oom.group", groups->root, id);
		put(path, "1");
		snprintf(path, sizeof path, "%s/task-%s/memory.swap.max", groups->root, id);
		put(path, "0");
	}
	snprintf(path, sizeof path, "%s/task-%s/cgroup.procs", groups->root, id);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return mr_fail_errno(err, "cannot open %s", path);
	*join_fd = fd;
	return 0;
}

void cgroups_kill(struct cgroups *groups, const char *id)
{
	char path[4200];
	snprintf(path, sizeof path, "%s/task-%s/cgroup.kill", groups->root, id);
	put(path, "1");
}

bool cgroups_oom(struct cgroups *groups, const char *id)
{
	char path[4200], text[1024];
	snprintf(path, sizeof path, "%s/task-%s/memory.events", groups->root, id);
	const char *line = get(path, text, sizeof text) ? strstr(text, "oom_kill ") : NULL;
	return line && strtol(line + 9, NULL, 10) > 0;
}

void cgroups_remove(struct cgroups *groups, const char *id)
{
	char path[4200];
	snprintf(path, sizeof path, "%s/task-%s", groups->root, id);
	for (int i = 0; i < 50 && rmdir(path) != 0 && errno == EBUSY; i++)
		usleep(1000); /* the last of its processes is going */
}
