/* env/disk.h - files behind a vtable: Linux (disk_linux.c) or simulated (disk_sim.h).
 *
 * Durability, which the simulated disk enforces to the letter:
 *   - bytes written survive a crash only after file_sync of that file;
 *   - a create, rename, link or unlink survives only after disk_sync_dir of its directory;
 *   - before that each is kept, dropped or (bytes) torn at 512-byte borders, independently.
 *
 * Paths are UTF-8, absolute or relative to the working directory, '/'-separated.
 * Threading: a disk is safe from any thread; a file may be read from many threads,
 * written by one at a time.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"

struct mr_disk;
struct mr_file;

enum {
	FILE_READ = 0, /* always readable */
	FILE_WRITE = 1 << 0,
	FILE_CREATE = 1 << 1,    /* create when absent */
	FILE_EXCLUSIVE = 1 << 2, /* with FILE_CREATE: MR_ERR_EXISTS when present */
	FILE_TRUNCATE = 1 << 3,
	FILE_PRIVATE = 1 << 4, /* with FILE_CREATE: for its owner's eyes only */
};

struct file_info {
	int64_t size;
	int64_t mtime_ms;
	bool is_dir;
};

/* name is the last path component, valid during the call; a non-zero return ends the listing. */
typedef int (*disk_list_fn)(void *arg, const char *name, const struct file_info *info);

struct mr_disk_ops {
	int (*open)(struct mr_disk *, const char *path, int flags, struct mr_file **, struct mr_error *);
	int (*stat)(struct mr_disk *, const char *path, struct file_info *, struct mr_error *);
	int (*mkdir)(struct mr_disk *, const char *path, struct mr_error *);
	int (*unlink)(struct mr_disk *, const char *path, struct mr_error *);
	int (*rmdir)(struct mr_disk *, const char *path, struct mr_error *);
	int (*rename)(struct mr_disk *, const char *from, const char *to, struct mr_error *);
	int (*link)(struct mr_disk *, const char *from, const char *to, struct mr_error *);
	int (*sync_dir)(struct mr_disk *, const char *path, struct mr_error *);
	int (*list)(struct mr_disk *, const char *path, disk_list_fn, void *arg, struct mr_error *);
	int64_t (*free_bytes)(struct mr_disk *, const char *path);
	/* Of disks that hold more than files of this machine (store/mount.h); NULL: it does not. */
	int (*locate)(struct mr_disk *, mr_str uri, char **path, struct mr_error *);
	char *(*name)(struct mr_disk *, const char *path);
	int (*fetch)(struct mr_disk *, const char *path, struct mr_error *);
	bool syncs_together; /* several syncs at the same time take less than one after the other */
};

struct mr_disk {
	const struct mr_disk_ops *ops;
};

struct mr_file_ops {
	int (*read_at)(struct mr_file *, void *, size_t, int64_t at, size_t *got, struct mr_error *);
	int (*write_at)(struct mr_file *, const void *, size_t, int64_t at, struct mr_error *);
	int (*sync)(struct mr_file *, struct mr_error *);
	int (*truncate)(struct mr_file *, int64_t size, struct mr_error *);
	int (*preallocate)(struct mr_file *, int64_t size, struct mr_error *);
	int (*size)(struct mr_file *, int64_t *size, struct mr_error *);
	void (*close)(struct mr_file *);
};

struct mr_file {
	const struct mr_file_ops *ops;
	int fd; /* for mmap and sendfile; -1 when simulated */
};

MR_NODISCARD int disk_open(struct mr_disk *disk, const char *path, int flags, struct mr_file **out,
			   struct mr_error *err);
MR_NODISCARD int disk_stat(struct mr_disk *disk, const char *path, struct file_info *out,
			   struct mr_error *err); /* MR_ERR_NOT_FOUND when absent */
MR_NODISCARD int disk_unlink(struct mr_disk *disk, const char *path, struct mr_error *err);
MR_NODISCARD int disk_rename(struct mr_disk *disk, const char *from, const char *to, struct mr_error *err);
/* link(2): put-if-absent; MR_ERR_EXISTS when `to` is there. */
MR_NODISCARD int disk_link(struct mr_disk *disk, const char *from, const char *to, struct mr_error *err);
MR_NODISCARD int disk_sync_dir(struct mr_disk *disk, const char *path, struct mr_error *err);

struct disk_sync {
	const char *path;
	bool is_folder;
};
/* All of them are on the disk when it returns 0; in no particular order, so none may depend on another.
 * On an error some are and some are not. Starts threads where that makes it quicker, and waits for them. */
MR_NODISCARD int disk_sync_all(struct mr_disk *disk, const struct disk_sync *items, size_t count,
			       struct mr_error *err);
/* In no particular order; without "." and "..". */
MR_NODISCARD int disk_list(struct mr_disk *disk, const char *path, disk_list_fn fn, void *arg,
			   struct mr_error *err);

/* What may still be written to the file system of `path`; 0 when that cannot be told. Quick: a call of
 * the system, no I/O. */
int64_t disk_free_bytes(struct mr_disk *disk, const char *path);

/* Create path and its missing parents, each synced into its parent. Present is success. */
MR_NODISCARD int disk_mkdir_all(struct mr_disk *disk, const char *path, struct mr_error *err);
/* Remove path and all below it. Absent is success. */
MR_NODISCARD int disk_remove_all(struct mr_disk *disk, const char *path, struct mr_error *err);

/* The path by which this disk knows "s3://bucket/folder", to be freed; MR_ERR_UNSUPPORTED, with the way out,
 * for what it cannot reach. */
MR_NODISCARD int disk_locate(struct mr_disk *disk, mr_str uri, char **path, struct mr_error *err);
/* And back: what people call a path; itself when it is no other's. To be freed. */
char *disk_name(struct mr_disk *disk, const char *path);
/* For programs that open files themselves: afterwards the file is there under its path, as it is now. */
MR_NODISCARD int disk_fetch(struct mr_disk *disk, const char *path, struct mr_error *err);

struct mr_buf;
/* Read a whole file, at most `limit` bytes (MR_ERR_LIMIT), appended to out. */
MR_NODISCARD int disk_read_file(struct mr_disk *disk, const char *path, size_t limit, struct mr_buf *out,
				struct mr_error *err);
/* Write path.tmp, sync it, rename over path, sync the directory: old or new, never between. */
MR_NODISCARD int disk_replace_file(struct mr_disk *disk, const char *path, mr_str bytes,
				   struct mr_error *err);
/* The same with flags for the new file: FILE_PRIVATE. */
MR_NODISCARD int disk_replace_file_as(struct mr_disk *disk, const char *path, int flags, mr_str bytes,
				      struct mr_error *err);
/* Old or new for other processes; after a power cut perhaps neither: for what only a running process means.
 */
MR_NODISCARD int disk_replace_file_unsynced(struct mr_disk *disk, const char *path, mr_str bytes,
					    struct mr_error *err);
bool disk_exists(struct mr_disk *disk, const char *path);

/* Reads up to len bytes; *got is short only at the end of the file. */
MR_NODISCARD int file_read_at(struct mr_file *file, void *to, size_t len, int64_t at, size_t *got,
			      struct mr_error *err);
MR_NODISCARD int file_write_at(struct mr_file *file, const void *from, size_t len, int64_t at,
			       struct mr_error *err);                   /* all or an error */
MR_NODISCARD int file_sync(struct mr_file *file, struct mr_error *err); /* fdatasync */
MR_NODISCARD int file_truncate(struct mr_file *file, int64_t size, struct mr_error *err);
/* Reserve blocks up to size without changing the file's size. Unsupported is success. */
MR_NODISCARD int file_preallocate(struct mr_file *file, int64_t size, struct mr_error *err);
MR_NODISCARD int file_size(struct mr_file *file, int64_t *size, struct mr_error *err);
void file_close(struct mr_file *file); /* NULL is fine; does not sync */
