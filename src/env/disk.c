/* env/disk.c - what can be said in terms of the vtable, once for every disk. */
#include "env/disk.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"

int disk_open(struct mr_disk *disk, const char *path, int flags, struct mr_file **out, struct mr_error *err)
{
	return disk->ops->open(disk, path, flags, out, err);
}

int disk_stat(struct mr_disk *disk, const char *path, struct file_info *out, struct mr_error *err)
{
	return disk->ops->stat(disk, path, out, err);
}

int disk_unlink(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	return disk->ops->unlink(disk, path, err);
}

int disk_rename(struct mr_disk *disk, const char *from, const char *to, struct mr_error *err)
{
	return disk->ops->rename(disk, from, to, err);
}

int disk_link(struct mr_disk *disk, const char *from, const char *to, struct mr_error *err)
{
	return disk->ops->link(disk, from, to, err);
}

int disk_sync_dir(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	return disk->ops->sync_dir(disk, path, err);
}

int disk_list(struct mr_disk *disk, const char *path, disk_list_fn fn, void *arg, struct mr_error *err)
{
	return disk->ops->list(disk, path, fn, arg, err);
}

int64_t disk_free_bytes(struct mr_disk *disk, const char *path)
{
	return disk->ops->free_bytes(disk, path);
}

int disk_locate(struct mr_disk *disk, mr_str uri, char **path, struct mr_error *err)
{
	if (disk->ops->locate)
		return disk->ops->locate(disk, uri, path, err);
	mr_fail(err, MR_ERR_UNSUPPORTED, "%.*s: only paths of this machine can be opened here", MR_FMT(uri));
	return mr_hint(err, "ask from a shell on its machine: millrace sql -c \"...\"");
}

char *disk_name(struct mr_disk *disk, const char *path)
{
	return disk->ops->name ? disk->ops->name(disk, path) : mr_strdup(path);
}

int disk_fetch(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	return disk->ops->fetch ? disk->ops->fetch(disk, path, err) : 0;
}

/* Cut the last component off; "." when there is none. */
static void parent_of(char *path)
{
	char *slash = strrchr(path, '/');
	if (!slash)
		path[0] = '.', path[1] = 0;
	else if (slash == path)
		path[1] = 0;
	else
		*slash = 0;
}

int disk_mkdir_all(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	struct file_info info;
	if (disk_stat(disk, path, &info, NULL) == 0) {
		if (info.is_dir)
			return 0;
		return mr_fail(err, MR_ERR_EXISTS, "%s is a file, not a folder", path);
	}
	char *parent = mr_strdup(*path ? path : ".");
	parent_of(parent);
	int rc = 0;
	if (strcmp(parent, path) != 0)
		rc = disk_mkdir_all(disk, parent, err);
	if (rc == 0)
		rc = disk->ops->mkdir(disk, path, err);
	if (rc == MR_ERR_EXISTS) /* somebody else made it meanwhile */
		rc = 0;
	if (rc == 0)
		rc = disk_sync_dir(disk, parent, err);
	free(parent);
	return rc;
}

struct names {
	MR_VEC(char *) list;
	MR_VEC(bool) dirs;
};

static int collect_name(void *arg, const char *name, const struct file_info *info)
{
	struct names *names = arg;
	mr_vec_push(&names->list, mr_strdup(name));
	mr_vec_push(&names->dirs, info->is_dir);
	return 0;
}

int disk_remove_all(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	struct file_info info;
	int rc = disk_stat(disk, path, &info, err);
	if (rc == MR_ERR_NOT_FOUND)
		return 0;
	if (rc < 0)
		return rc;
	if (!info.is_dir)
		return disk_unlink(disk, path, err);
	struct names names = {0};
	rc = disk_list(disk, path, collect_name, &names, err);
	for (size_t i = 0; i < names.list.len && rc == 0; i++) {
		char *child = mr_asprintf("%s/%s", path, names.list.items[i]);
		rc = names.dirs.items[i] ? disk_remove_all(disk, child, err) : disk_unlink(disk, child, err);
		free(child);
	}
	for (size_t i = 0; i < names.list.len; i++)
		free(names.list.items[i]);
	mr_vec_release(&names.list);
	mr_vec_release(&names.dirs);
	return rc < 0 ? rc : disk->ops->rmdir(disk, path, err);
}

int disk_read_file(struct mr_disk *disk, const char *path, size_t limit, struct mr_buf *out,
		   struct mr_error *err)
{
	struct mr_file *file;
	int rc = disk_open(disk, path, FILE_READ, &file, err);
	if (rc < 0)
		return rc;
	int64_t size;
	rc = file_size(file, &size, err);
	if (rc == 0 && (uint64_t)size > limit)
		rc = mr_fail(err, MR_ERR_LIMIT, "%s has %lld bytes, more than the %zu allowed", path,
			     (long long)size, limit);
	if (rc == 0 && !mr_buf_reserve(out, (size_t)size))
		rc = mr_fail(err, MR_ERR_LIMIT, "%s does not fit the buffer", path);
	size_t got = 0;
	if (rc == 0)
		rc = file_read_at(file, out->ptr + out->len, (size_t)size, 0, &got, err);
	if (rc == 0) {
		out->len += got;
		out->ptr[out->len] = 0;
	}
	file_close(file);
	return rc;
}

static int replace_file(struct mr_disk *disk, const char *path, int flags, bool sync, mr_str bytes,
			struct mr_error *err)
{
	char *tmp = mr_asprintf("%s.tmp", path);
	char *parent = mr_strdup(path);
	parent_of(parent);
	struct mr_file *file;
	int rc = disk_open(disk, tmp, flags | FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file, err);
	if (rc == 0) {
		rc = file_write_at(file, bytes.ptr, bytes.len, 0, err);
		if (rc == 0 && sync)
			rc = file_sync(file, err);
		file_close(file);
		if (rc == 0)
			rc = disk_rename(disk, tmp, path, err);
		if (rc == 0 && sync)
			rc = disk_sync_dir(disk, parent, err);
	}
	free(tmp);
	free(parent);
	return rc;
}

int disk_replace_file(struct mr_disk *disk, const char *path, mr_str bytes, struct mr_error *err)
{
	return replace_file(disk, path, 0, true, bytes, err);
}

int disk_replace_file_as(struct mr_disk *disk, const char *path, int flags, mr_str bytes,
			 struct mr_error *err)
{
	return replace_file(disk, path, flags, true, bytes, err);
}

int disk_replace_file_unsynced(struct mr_disk *disk, const char *path, mr_str bytes, struct mr_error *err)
{
	return replace_file(disk, path, 0, false, bytes, err);
}

bool disk_exists(struct mr_disk *disk, const char *path)
{
	struct file_info info;
	return disk_stat(disk, path, &info, NULL) == 0;
}

int file_read_at(struct mr_file *file, void *to, size_t len, int64_t at, size_t *got, struct mr_error *err)
{
	return file->ops->read_at(file, to, len, at, got, err);
}

int file_write_at(struct mr_file *file, const void *from, size_t len, int64_t at, struct mr_error *err)
{
	return file->ops->write_at(file, from, len, at, err);
}

int file_sync(struct mr_file *file, struct mr_error *err)
{
	return file->ops->sync(file, err);
}

int file_truncate(struct mr_file *file, int64_t size, struct mr_error *err)
{
	return file->ops->truncate(file, size, err);
}

int file_preallocate(struct mr_file *file, int64_t size, struct mr_error *err)
{
	return file->ops->preallocate(file, size, err);
}

int file_size(struct mr_file *file, int64_t *size, struct mr_error *err)
{
	return file->ops->size(file, size, err);
}

void file_close(struct mr_file *file)
{
	if (file)
		file->ops->close(file);
}
