/* env/disk_linux.c - the real disk. */

#include "base/mem.h"
#include "env/disk_linux.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct linux_disk {
	struct mr_disk base;
	const struct mr_file_ops *file_ops;
};

struct linux_file {
	struct mr_file base;
	char *path; /* for messages */
};

static struct linux_file *linux_file(struct mr_file *file)
{
	return MR_CONTAINER_OF(file, struct linux_file, base);
}

static int lf_read_at(struct mr_file *file, void *to, size_t len, int64_t at, size_t *got,
		      struct mr_error *err)
{
	size_t done = 0;
	while (done < len) {
		ssize_t n = pread(file->fd, (char *)to + done, len - done, at + (int64_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return mr_fail_errno(err, "cannot read %s", linux_file(file)->path);
		if (n == 0)
			break;
		done += (size_t)n;
	}
	*got = done;
	return 0;
}

/* The page cache takes a write in pages as large as the write. The largest ones, of 2 MiB, are often
 * memory that the machine's host has yet to find: six times the cost of smaller ones (docs/log.md). */
#define WRITE_PIECE ((size_t)256 << 10)

static int lf_write_at(struct mr_file *file, const void *from, size_t len, int64_t at, struct mr_error *err)
{
	size_t done = 0;
	while (done < len) {
		size_t piece = mr_min_size(len - done, WRITE_PIECE);
		ssize_t n = pwrite(file->fd, (const char *)from + done, piece, at + (int64_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return mr_fail_errno(err, "cannot write %s", linux_file(file)->path);
		done += (size_t)n;
	}
	return 0;
}

static int lf_sync(struct mr_file *file, struct mr_error *err)
{
	if (fdatasync(file->fd) < 0)
		return mr_fail_errno(err, "cannot sync %s", linux_file(file)->path);
	return 0;
}

static int lf_truncate(struct mr_file *file, int64_t size, struct mr_error *err)
{
	if (ftruncate(file->fd, size) < 0)
		return mr_fail_errno(err, "cannot truncate %s", linux_file(file)->path);
	return 0;
}

static int lf_preallocate(struct mr_file *file, int64_t size, struct mr_error *err)
{
	if (fallocate(file->fd, FALLOC_FL_KEEP_SIZE, 0, size) < 0 && errno != EOPNOTSUPP)
		return mr_fail_errno(err, "cannot reserve %lld bytes for %s", (long long)size,
				     linux_file(file)->path);
	return 0;
}

static int lf_size(struct mr_file *file, int64_t *size, struct mr_error *err)
{
	struct stat st;
	if (fstat(file->fd, &st) < 0)
		return mr_fail_errno(err, "cannot stat %s", linux_file(file)->path);
	*size = st.st_size;
	return 0;
}

static void lf_close(struct mr_file *file)
{
	close(file->fd);
	free(linux_file(file)->path);
	free(linux_file(file));
}

static int lf_no_sync(struct mr_file *file, struct mr_error *err)
{
	(void)file, (void)err;
	return 0;
}

#define FILE_OPS(sync_) \
	{ \
		.read_at = lf_read_at, .write_at = lf_write_at, .sync = (sync_), .truncate = lf_truncate, \
		.preallocate = lf_preallocate, .size = lf_size, .close = lf_close, \
	}

static const struct mr_file_ops linux_file_ops = FILE_OPS(lf_sync);
static const struct mr_file_ops unsynced_file_ops = FILE_OPS(lf_no_sync);

static int ld_open(struct mr_disk *disk, const char *path, int flags, struct mr_file **out,
		   struct mr_error *err)
{
	int how = O_CLOEXEC | (flags & FILE_WRITE ? O_RDWR : O_RDONLY);
	how |= flags & FILE_CREATE ? O_CREAT : 0;
	how |= flags & FILE_EXCLUSIVE ? O_EXCL : 0;
	how |= flags & FILE_TRUNCATE ? O_TRUNC : 0;
	int fd = open(path, how, flags & FILE_PRIVATE ? 0600 : 0644);
	if (fd < 0)
		return mr_fail_errno(err, "cannot open %s", path);
	struct linux_file *file = mr_alloc(sizeof *file);
	const struct linux_disk *on = MR_CONTAINER_OF(disk, struct linux_disk, base);
	*file = (struct linux_file){{on->file_ops, fd}, mr_strdup(path)};
	*out = &file->base;
	return 0;
}

static void info_from_stat(struct file_info *out, const struct stat *st)
{
	out->size = st->st_size;
	out->mtime_ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
	out->is_dir = S_ISDIR(st->st_mode);
}

static int ld_stat(struct mr_disk *disk, const char *path, struct file_info *out, struct mr_error *err)
{
	(void)disk;
	struct stat st;
	if (stat(path, &st) < 0)
		return mr_fail_errno(err, "cannot stat %s", path);
	info_from_stat(out, &st);
	return 0;
}

static int ld_mkdir(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	(void)disk;
	if (mkdir(path, 0755) < 0)
		return mr_fail_errno(err, "cannot make folder %s", path);
	return 0;
}

static int ld_unlink(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	(void)disk;
	if (unlink(path) < 0)
		return mr_fail_errno(err, "cannot remove %s", path);
	return 0;
}

static int ld_rmdir(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	(void)disk;
	if (rmdir(path) < 0)
		return mr_fail_errno(err, "cannot remove folder %s", path);
	return 0;
}

static int ld_rename(struct mr_disk *disk, const char *from, const char *to, struct mr_error *err)
{
	(void)disk;
	if (rename(from, to) < 0)
		return mr_fail_errno(err, "cannot rename %s to %s", from, to);
	return 0;
}

static int ld_link(struct mr_disk *disk, const char *from, const char *to, struct mr_error *err)
{
	(void)disk;
	if (link(from, to) < 0)
		return mr_fail_errno(err, "cannot link %s to %s", from, to);
	return 0;
}

static int ld_sync_dir(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	(void)disk;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return mr_fail_errno(err, "cannot open folder %s", path);
	int rc = fsync(fd) < 0 ? mr_fail_errno(err, "cannot sync folder %s", path) : 0;
	close(fd);
	return rc;
}

static int ld_no_sync_dir(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	(void)disk, (void)path, (void)err;
	return 0;
}

static int ld_list(struct mr_disk *disk, const char *path, disk_list_fn fn, void *arg, struct mr_error *err)
{
	(void)disk;
	DIR *dir = opendir(path);
	if (!dir)
		return mr_fail_errno(err, "cannot list %s", path);
	int rc = 0;
	struct dirent *entry;
	while (rc == 0 && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		struct stat st;
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) < 0)
			continue; /* gone since readdir */
		struct file_info info;
		info_from_stat(&info, &st);
		rc = fn(arg, entry->d_name, &info);
	}
	closedir(dir);
	return rc;
}

static int64_t ld_free_bytes(struct mr_disk *disk, const char *path)
{
	(void)disk;
	struct statvfs fs;
	if (statvfs(path, &fs) < 0)
		return 0;
	uint64_t block = fs.f_frsize ? fs.f_frsize : 1;
	return fs.f_bavail > INT64_MAX / block ? INT64_MAX : (int64_t)(fs.f_bavail * block);
}

#define DISK_OPS(sync_dir_, together) \
	{ \
		.open = ld_open, .stat = ld_stat, .mkdir = ld_mkdir, .unlink = ld_unlink, .rmdir = ld_rmdir, \
		.rename = ld_rename, .link = ld_link, .sync_dir = (sync_dir_), .list = ld_list, \
		.free_bytes = ld_free_bytes, .syncs_together = (together), \
	}

static const struct mr_disk_ops linux_disk_ops = DISK_OPS(ld_sync_dir, true);
static const struct mr_disk_ops unsynced_disk_ops = DISK_OPS(ld_no_sync_dir, false);

struct mr_disk *disk_linux(void)
{
	static struct linux_disk disk = {{&linux_disk_ops}, &linux_file_ops};
	return &disk.base;
}

struct mr_disk *disk_linux_unsynced(void)
{
	static struct linux_disk disk = {{&unsynced_disk_ops}, &unsynced_file_ops};
	return &disk.base;
}
