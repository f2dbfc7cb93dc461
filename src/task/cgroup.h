/* task/cgroup.h - one control group (version 2) a task, where this process may make them.
 *
 * Needed: a cgroup2 mount and a group of our own that is delegated (systemd: Delegate=yes; or root in
 * a container that owns its tree). Then a task's memory has a hard limit, the kernel says when it was
 * enforced, and all of a task's processes, however they hide, can be killed at once.
 */
#pragma once

#include "base/error.h"

#include <sys/types.h>

struct cgroups;

/* MR_ERR_UNSUPPORTED and why, when groups cannot be made. root: the folder that is ours, NULL: look. */
MR_NODISCARD int cgroups_open(const char *root, struct cgroups **out, struct mr_error *err);
void cgroups_close(struct cgroups *groups); /* NULL is fine */
bool cgroups_limit_memory(const struct cgroups *groups);

/* memory_bytes 0: no limit. *join_fd: writing "0" there moves the writer into the group; the
 * caller's. */
MR_NODISCARD int cgroups_add(struct cgroups *groups, const char *id, int64_t memory_bytes, int *join_fd,
			     struct mr_error *err);
void cgroups_kill(struct cgroups *groups, const char *id);
bool cgroups_oom(struct cgroups *groups, const char *id); /* did the kernel kill for memory? */
void cgroups_remove(struct cgroups *groups, const char *id);
