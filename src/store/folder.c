/* store/folder.c - objects as files below a folder.
 *
 * An object is written to a temporary file, synced, and gets its name by link(2) (put if absent) or by
 * rename(2); then its folder is synced. Temporary files (".NAME.UUID.tmp") are never listed. */
#include "base/mem.h"
#include "base/vec.h"
#include "store/store.h"

#define OBJECT_BYTES_MAX ((size_t)1 << 30)

struct folder_store {
	struct store base;
	const struct env *env;
	char *root;
};

static struct folder_store *folder(struct store *store)
{
	return MR_CONTAINER_OF(store, struct folder_store, base);
}

static char *path_of(struct store *store, const char *key)
{
	return mr_asprintf("%s/%s", folder(store)->root, key);
}

static int folder_get(struct store *store, const char *key, int64_t at, size_t limit, struct mr_buf *out,
		      struct mr_error *err)
{
	char *path = path_of(store, key);
	struct mr_file *file;
	size_t got = 0;
	int64_t size = 0;
	int rc = disk_open(folder(store)->env->disk, path, FILE_READ, &file, err);
	if (rc == 0) {
		rc = file_size(file, &size, err);
		size_t want = at < size ? mr_min_size(limit, (size_t)(size - at)) : 0;
		if (rc == 0 && !mr_buf_reserve(out, want))
			rc = mr_fail(err, MR_ERR_LIMIT, "%s does not fit the buffer", path);
		if (rc == 0)
			rc = file_read_at(file, out->ptr + out->len, want, at, &got, err);
		if (rc == 0) {
			out->len += got;
			out->ptr[out->len] = 0;
		}
		file_close(file);
	}
	free(path);
	return rc;
}

static int folder_head(struct store *store, const char *key, struct store_info *out, struct mr_error *err)
{
	char *path = path_of(store, key);
	struct file_info info;
	int rc = disk_stat(folder(store)->env->disk, path, &info, err);
	if (rc == 0 && info.is_dir)
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "%s is a folder", path);
	if (rc == 0)
		*out = (struct store_info){info.size, info.mtime_ms, false};
	free(path);
	return rc;
}

static int write_synced(struct mr_disk *disk, const char *path, mr_str bytes, struct mr_error *err)
{
	struct mr_file *file;
	int rc = disk_open(disk, path, FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, &file, err);
	if (rc < 0)
		return rc;
	rc = file_write_at(file, bytes.ptr, bytes.len, 0, err);
	if (rc == 0)
		rc = file_sync(file, err);
	file_close(file);
	return rc;
}

static int folder_put(struct store *store, const char *key, mr_str bytes, bool if_absent,
		      struct mr_error *err)
{
	struct mr_disk *disk = folder(store)->env->disk;
	char *path = path_of(store, key), uuid[37];
	const char *slash = strrchr(path, '/');
	char *parent = mr_strndup(mr_str_n(path, (size_t)(slash - path)));
	rng_uuid(folder(store)->env->rng, uuid);
	char *temporary = mr_asprintf("%s/.%s.%s.tmp", parent, slash + 1, uuid);
	int rc = disk_mkdir_all(disk, parent, err);
	if (rc == 0)
		rc = write_synced(disk, temporary, bytes, err);
	if (rc == 0)
		rc = if_absent ? disk_link(disk, temporary, path, err)
			       : disk_rename(disk, temporary, path, err);
	if (rc == 0)
		rc = disk_sync_dir(disk, parent, err);
	if (rc < 0 || if_absent) {
		int ignored = disk_unlink(disk, temporary, NULL);
		(void)ignored;
	}
	free(temporary);
	free(parent);
	free(path);
	return rc;
}

static int folder_upload(struct store *store, const char *key, struct mr_disk *from, const char *path,
			 struct mr_error *err)
{
	struct mr_buf bytes = {0};
	int rc = disk_read_file(from, path, OBJECT_BYTES_MAX, &bytes, err);
	if (rc == 0)
		rc = folder_put(store, key, mr_buf_view(&bytes), false, err);
	mr_buf_release(&bytes);
	return rc;
}

struct found {
	char *key;
	struct store_info info;
};

struct listing {
	const char *prefix, *after;
	MR_VEC(struct found) found;
};

static int note(void *arg, const char *name, const struct file_info *info)
{
	struct listing *l = arg;
	if (name[0] == '.' && mr_str_ends(mr_str_from(name), MR_STR(".tmp")))
		return 0;
	char *key = mr_asprintf("%s%s%s", l->prefix, name, info->is_dir ? "/" : "");
	if (l->after && strcmp(key, l->after) <= 0)
		free(key);
	else
		mr_vec_push(&l->found, (struct found){key, {info->size, info->mtime_ms, info->is_dir}});
	return 0;
}

static int compare_found(const void *a, const void *b)
{
	return strcmp(((const struct found *)a)->key, ((const struct found *)b)->key);
}

static int folder_list(struct store *store, const char *prefix, const char *after, store_list_fn fn,
		       void *arg, struct mr_error *err)
{
	struct listing l = {.prefix = prefix, .after = after};
	char *path = path_of(store, prefix);
	int rc = disk_list(folder(store)->env->disk, path, note, &l, err);
	if (rc == MR_ERR_NOT_FOUND)
		rc = 0;
	if (l.found.len)
		qsort(l.found.items, l.found.len, sizeof *l.found.items, compare_found);
	for (size_t i = 0; i < l.found.len; i++) {
		if (rc == 0)
			rc = fn(arg, mr_str_from(l.found.items[i].key), &l.found.items[i].info);
		free(l.found.items[i].key);
	}
	mr_vec_release(&l.found);
	free(path);
	return rc;
}

static int folder_remove(struct store *store, const char *key, struct mr_error *err)
{
	char *path = path_of(store, key);
	int rc = disk_unlink(folder(store)->env->disk, path, err);
	free(path);
	return rc == MR_ERR_NOT_FOUND ? 0 : rc;
}

static void folder_free(struct store *store)
{
	free(folder(store)->root);
	free(folder(store));
}

static const struct store_ops folder_ops = {
    .get = folder_get,
    .head = folder_head,
    .put = folder_put,
    .upload = folder_upload,
    .list = folder_list,
    .remove = folder_remove,
    .free = folder_free,
};

struct store *store_folder_new(const struct env *env, const char *root)
{
	struct folder_store *store = mr_alloc(sizeof *store);
	*store = (struct folder_store){{&folder_ops}, env, mr_strdup(root)};
	return &store->base;
}
