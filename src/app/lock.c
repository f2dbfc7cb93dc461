#include "app/lock.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

int data_lock(const char *data_dir, int *fd_out, struct mr_error *err)
{
	char *path = mr_asprintf("%s/lock", data_dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0) {
		int rc = mr_fail_errno(err, "cannot open %s", path);
		free(path);
		return rc;
	}
	free(path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		char pid[32] = "?";
		ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
		pid[n > 0 ? strcspn(pid, "\n") : 1] = 0;
		close(fd);
		mr_fail(err, MR_ERR_LOCKED, "%s is in use by process %s", data_dir, pid);
		return mr_hint(
		    err, "stop it (kill %s), or ask it: 'millrace sql' and 'millrace status' go through it",
		    pid);
	}
	char pid[32];
	int n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n) {
		int rc = mr_fail_errno(err, "cannot write %s/lock", data_dir);
		close(fd);
		return rc;
	}
	*fd_out = fd;
	return 0;
}

bool data_is_locked(const char *data_dir)
{
	char *path = mr_asprintf("%s/lock", data_dir);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	free(path);
	if (fd < 0)
		return false;
	bool held = flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	close(fd);
	return held;
}
