/* tests/fault/disk_fault.c - a disk that fails on demand, put before a program with LD_PRELOAD.
 *
 * MR_DISK_FAULT names a control file of lines "ERRNO CALL WORD", read at each call:
 *   28 write /log/events-0/   writes to files whose path holds the word fail with ENOSPC
 *   5 sync /journal/          fsync and fdatasync fail with EIO
 *   5 read /log/events-0/     reads fail, sendfile's too
 * CALL is write (also what reserves room, and with ENOSPC no file system has a byte left), sync or read. No
 * file, no fault; so a test breaks a disk under a running server and mends it again. Paths come from
 * /proc/self/fd.
 */
#undef _FILE_OFFSET_BITS /* both names of a call are replaced, and this would make one of them of two */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

enum { TEXT_MAX = 4096 };

/* The control file, by calls that are not replaced here; false when there is none. */
static int read_control(char text[TEXT_MAX])
{
	const char *path = getenv("MR_DISK_FAULT");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, TEXT_MAX - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return n > 0;
}

static int faults_for(const char *call, const char *path)
{
	char text[TEXT_MAX], *rest, name[16], word[256];
	int code;
	if (!read_control(text))
		return 0;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, "%d %15s %255s", &code, name, word) == 3 && strcmp(name, call) == 0 &&
		    strstr(path, word))
			return code;
	}
	return 0;
}

/* Sets errno and returns true when the call is to fail. */
static int broken(const char *call, int fd)
{
	int saved = errno;
	char link[64], path[TEXT_MAX];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = 0;
	int code = path[0] == '/' ? faults_for(call, path) : 0;
	errno = code ? code : saved;
	return code != 0;
}

#define REPLACE(result, name, call, parameters, arguments, fd) \
	result name parameters; \
	result name parameters \
	{ \
		static result(*real) parameters; \
		if (!real) \
			*(void **)&real = dlsym(RTLD_NEXT, #name); \
		return broken(call, fd) ? -1 : real arguments; \
	}

REPLACE(ssize_t, write, "write", (int fd, const void *from, size_t len), (fd, from, len), fd)
REPLACE(ssize_t, pwrite, "write", (int fd, const void *from, size_t len, off_t at), (fd, from, len, at), fd)
REPLACE(ssize_t, pwrite64, "write", (int fd, const void *from, size_t len, off_t at), (fd, from, len, at), fd)
REPLACE(ssize_t, writev, "write", (int fd, const struct iovec *from, int count), (fd, from, count), fd)
REPLACE(int, fallocate, "write", (int fd, int mode, off_t at, off_t len), (fd, mode, at, len), fd)
REPLACE(int, fallocate64, "write", (int fd, int mode, off_t at, off_t len), (fd, mode, at, len), fd)
REPLACE(int, fsync, "sync", (int fd), (fd), fd)
REPLACE(int, fdatasync, "sync", (int fd), (fd), fd)
REPLACE(ssize_t, pread, "read", (int fd, void *to, size_t len, off_t at), (fd, to, len, at), fd)
REPLACE(ssize_t, pread64, "read", (int fd, void *to, size_t len, off_t at), (fd, to, len, at), fd)
REPLACE(ssize_t, sendfile, "read", (int to, int from, off_t *at, size_t len), (to, from, at, len), from)
REPLACE(ssize_t, sendfile64, "read", (int to, int from, off_t *at, size_t len), (to, from, at, len), from)

static int is_full(void)
{
	char text[TEXT_MAX];
	int code;
	return read_control(text) && sscanf(text, "%d write", &code) == 1 && code == ENOSPC;
}

int statvfs(const char *path, struct statvfs *out)
{
	static int (*real)(const char *, struct statvfs *);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "statvfs");
	int rc = real(path, out);
	if (rc == 0 && is_full())
		out->f_bavail = out->f_bfree = 0;
	return rc;
}

int statvfs64(const char *path, struct statvfs64 *out)
{
	static int (*real)(const char *, struct statvfs64 *);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "statvfs64");
	int rc = real(path, out);
	if (rc == 0 && is_full())
		out->f_bavail = out->f_bfree = 0;
	return rc;
}
