#include "store/mount.h"

#include "base/map.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define OBJECT_PUT_BYTES_MAX ((size_t)256 << 20) /* of a commit */
#define SPARE_MS ((int64_t)3600 * 1000)
#define TRIMS_PER_CACHE 8 /* how often a cache's worth of bytes is looked through */

/* What this process knows of a copy. */
struct copy {
	int64_t used_ms;        /* monotonic */
	int64_t size, mtime_ms; /* the object's, when it was fetched; size -1: not fetched here */
};

struct mount {
	struct mr_disk base;
	const struct env *env;
	char *root; /* ".../s3" */
	int64_t cache_bytes_max;
	int (*open)(void *arg, const char *bucket, struct store **out, struct mr_error *err);
	void *arg;
	pthread_mutex_t lock;
	struct mr_map stores; /* bucket -> store; under the lock, as is what follows */
	struct mr_map copies; /* path -> struct copy */
	int64_t grown;        /* since the last trim */
};

struct object {
	struct store *store;
	char key[STORE_KEY_MAX + 1]; /* "": the bucket itself */
};

static struct mount *mount(struct mr_disk *disk)
{
	return MR_CONTAINER_OF(disk, struct mount, base);
}

static struct mr_disk *below(struct mr_disk *disk)
{
	return mount(disk)->env->disk;
}

/* ---- which object ---- */

static mr_str in_mirror(const struct mount *m, const char *path)
{
	size_t len = strlen(m->root);
	bool inside = strncmp(path, m->root, len) == 0 && path[len] == '/';
	return inside ? mr_str_from(path + len + 1) : MR_STR_NULL;
}

/* The next part of a path; false at its end. Empty ones are passed over. */
static bool next_part(mr_str *rest, mr_str *part)
{
	while (rest->len && *rest->ptr == '/')
		*rest = mr_str_tail(*rest, 1);
	const char *slash = memchr(rest->ptr, '/', rest->len);
	*part = mr_str_n(rest->ptr, slash ? (size_t)(slash - rest->ptr) : rest->len);
	*rest = mr_str_tail(*rest, part->len);
	return part->len > 0;
}

static int store_of(struct mount *m, mr_str bucket, struct store **out, struct mr_error *err)
{
	int rc = 0;
	pthread_mutex_lock(&m->lock);
	struct store *store = mr_map_get(&m->stores, bucket);
	if (!store) {
		char *name = mr_strndup(bucket);
		rc = m->open(m->arg, name, &store, err);
		free(name);
		if (rc == 0)
			mr_map_put(&m->stores, bucket, store);
	}
	pthread_mutex_unlock(&m->lock);
	if (rc == 0)
		*out = store;
	return rc;
}

/* 1: the path is an object's; 0: it is one of the disk below. */
static int find_object(struct mount *m, const char *path, struct object *out, struct mr_error *err)
{
	mr_str rest = in_mirror(m, path), bucket, part;
	size_t len = 0;
	if (!rest.len || !next_part(&rest, &bucket))
		return 0;
	out->key[0] = 0;
	while (next_part(&rest, &part)) {
		if (mr_str_is(part, ".") || mr_str_is(part, ".."))
			return mr_fail(err, MR_ERR_INVALID, "%s: an object's key has no '..'", path);
		if (len + part.len + 1 > STORE_KEY_MAX)
			return mr_fail(err, MR_ERR_LIMIT, "%s: a key may have %d bytes", path, STORE_KEY_MAX);
		len += (size_t)snprintf(out->key + len, sizeof out->key - len, "%s%.*s", len ? "/" : "",
					MR_FMT(part));
	}
	int rc = store_of(m, bucket, &out->store, err);
	return rc < 0 ? rc : 1;
}

static bool is_temporary(const char *path)
{
	return mr_str_ends(mr_str_from(path), MR_STR(".tmp"));
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static int make_parent(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	char *parent = mr_strndup(mr_str_n(path, (size_t)(last_part(path) - path) - 1));
	int rc = disk_mkdir_all(disk, parent, err);
	free(parent);
	return rc;
}

/* ---- copies ---- */

static void note_copy(struct mount *m, const char *path, const struct store_info *info)
{
	pthread_mutex_lock(&m->lock);
	struct copy *copy = mr_map_get(&m->copies, mr_str_from(path));
	if (!copy) {
		copy = mr_alloc(sizeof *copy);
		copy->size = -1;
		mr_map_put(&m->copies, mr_str_from(path), copy);
	}
	copy->used_ms = clock_mono_ms(m->env->clock);
	if (info) {
		copy->size = info->size;
		copy->mtime_ms = info->mtime_ms;
	}
	pthread_mutex_unlock(&m->lock);
}

static bool is_copy_of(struct mount *m, const char *path, const struct store_info *info)
{
	pthread_mutex_lock(&m->lock);
	const struct copy *copy = mr_map_get(&m->copies, mr_str_from(path));
	bool same = copy && copy->size == info->size && copy->mtime_ms == info->mtime_ms;
	pthread_mutex_unlock(&m->lock);
	return same && disk_exists(m->env->disk, path);
}

static bool is_in_use(void *arg, const char *path, const struct file_info *info)
{
	struct mount *m = arg;
	pthread_mutex_lock(&m->lock);
	const struct copy *copy = mr_map_get(&m->copies, mr_str_from(path));
	bool used = copy && clock_mono_ms(m->env->clock) - copy->used_ms < SPARE_MS;
	pthread_mutex_unlock(&m->lock);
	return used || clock_wall_ms(m->env->clock) - info->mtime_ms < SPARE_MS;
}

static void grow(struct mount *m, int64_t bytes)
{
	pthread_mutex_lock(&m->lock);
	m->grown += bytes;
	bool trim = m->grown > m->cache_bytes_max / TRIMS_PER_CACHE;
	if (trim)
		m->grown = 0;
	pthread_mutex_unlock(&m->lock);
	if (trim)
		mirror_trim(m->env, m->root, m->cache_bytes_max, is_in_use, m);
}

static int download(struct mount *m, const struct object *object, const char *path, struct mr_error *err)
{
	struct mr_disk *disk = m->env->disk;
	struct file_info info = {0};
	char uuid[37];
	rng_uuid(m->env->rng, uuid);
	char *temporary = mr_asprintf("%s.%s.tmp", path, uuid);
	int rc = make_parent(disk, path, err);
	if (rc == 0)
		rc = store_download(object->store, object->key, disk, temporary, err);
	if (rc == 0)
		rc = disk_stat(disk, temporary, &info, err);
	if (rc == 0)
		rc = disk_rename(disk, temporary, path, err);
	if (rc < 0) {
		int ignored = disk_unlink(disk, temporary, NULL);
		(void)ignored;
	}
	free(temporary);
	if (rc == 0)
		grow(m, info.size);
	return rc;
}

static int fetch_unique(struct mount *m, const struct object *object, const char *path, struct mr_error *err)
{
	int rc = disk_exists(m->env->disk, path) ? 0 : download(m, object, path, err);
	if (rc == 0)
		note_copy(m, path, NULL);
	return rc;
}

static int mount_fetch(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	struct mount *m = mount(disk);
	struct object object;
	struct store_info info;
	int rc = find_object(m, path, &object, err);
	if (rc <= 0)
		return rc;
	if (mirror_is_unique(mr_str_from(last_part(path))))
		return fetch_unique(m, &object, path, err);
	rc = store_head(object.store, object.key, &info, err);
	if (rc < 0 || is_copy_of(m, path, &info))
		return rc;
	rc = download(m, &object, path, err);
	if (rc == 0)
		note_copy(m, path, &info);
	return rc;
}

/* ---- files ---- */

struct mount_file {
	struct mr_file base;
	struct mr_file *under;
	struct mount *mount;
	char *path;
};

static struct mount_file *mount_file(struct mr_file *file)
{
	return MR_CONTAINER_OF(file, struct mount_file, base);
}

static int mf_read_at(struct mr_file *file, void *to, size_t len, int64_t at, size_t *got,
		      struct mr_error *err)
{
	return file_read_at(mount_file(file)->under, to, len, at, got, err);
}

static int mf_write_at(struct mr_file *file, const void *from, size_t len, int64_t at, struct mr_error *err)
{
	return file_write_at(mount_file(file)->under, from, len, at, err);
}

static int mf_sync(struct mr_file *file, struct mr_error *err)
{
	struct mount_file *f = mount_file(file);
	struct object object;
	int64_t size;
	if (is_temporary(f->path))
		return 0;
	int rc = find_object(f->mount, f->path, &object, err);
	if (rc > 0)
		rc = store_upload(object.store, object.key, f->mount->env->disk, f->path, err);
	if (rc == 0 && file_size(f->under, &size, NULL) == 0) {
		note_copy(f->mount, f->path, NULL);
		grow(f->mount, size);
	}
	return rc;
}

static int mf_truncate(struct mr_file *file, int64_t size, struct mr_error *err)
{
	return file_truncate(mount_file(file)->under, size, err);
}

static int mf_preallocate(struct mr_file *file, int64_t size, struct mr_error *err)
{
	return file_preallocate(mount_file(file)->under, size, err);
}

static int mf_size(struct mr_file *file, int64_t *size, struct mr_error *err)
{
	return file_size(mount_file(file)->under, size, err);
}

static void mf_close(struct mr_file *file)
{
	file_close(mount_file(file)->under);
	free(mount_file(file)->path);
	free(mount_file(file));
}

static const struct mr_file_ops mount_file_ops = {
    .read_at = mf_read_at,
    .write_at = mf_write_at,
    .sync = mf_sync,
    .truncate = mf_truncate,
    .preallocate = mf_preallocate,
    .size = mf_size,
    .close = mf_close,
};

/* ---- the disk ---- */

static int open_to_write(struct mount *m, const char *path, int flags, struct mr_file **out,
			 struct mr_error *err)
{
	struct mr_file *under;
	int rc = flags & FILE_CREATE ? make_parent(m->env->disk, path, err) : 0;
	if (rc == 0)
		rc = disk_open(m->env->disk, path, flags, &under, err);
	if (rc < 0)
		return rc;
	struct mount_file *file = mr_alloc(sizeof *file);
	*file = (struct mount_file){{&mount_file_ops, -1}, under, m, mr_strdup(path)};
	*out = &file->base;
	return 0;
}

static int mount_open(struct mr_disk *disk, const char *path, int flags, struct mr_file **out,
		      struct mr_error *err)
{
	struct object object;
	int rc = find_object(mount(disk), path, &object, err);
	if (rc < 0)
		return rc;
	if (rc > 0 && (flags & FILE_WRITE))
		return open_to_write(mount(disk), path, flags, out, err);
	if (rc > 0 && mirror_is_unique(mr_str_from(last_part(path))))
		rc = fetch_unique(mount(disk), &object, path, err);
	else if (rc > 0)
		rc = download(mount(disk), &object, path, err);
	return rc < 0 ? rc : disk_open(below(disk), path, flags, out, err);
}

static int mount_stat(struct mr_disk *disk, const char *path, struct file_info *out, struct mr_error *err)
{
	struct object object;
	struct store_info info;
	struct file_info there;
	if (!in_mirror(mount(disk), path).len)
		return disk_stat(below(disk), path, out, err);
	/* A folder is one that somebody made here. */
	if (disk_stat(below(disk), path, &there, NULL) == 0 && there.is_dir) {
		*out = there;
		return 0;
	}
	int rc = find_object(mount(disk), path, &object, err);
	if (rc <= 0 || !object.key[0])
		return rc < 0 ? rc : mr_fail(err, MR_ERR_NOT_FOUND, "there is no %s", path);
	rc = store_head(object.store, object.key, &info, err);
	if (rc == 0)
		*out = (struct file_info){info.size, info.mtime_ms, false};
	return rc;
}

static int mount_mkdir(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	return below(disk)->ops->mkdir(below(disk), path, err);
}

static int mount_rmdir(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	return below(disk)->ops->rmdir(below(disk), path, err);
}

static int mount_unlink(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	struct object object;
	int rc = is_temporary(path) ? 0 : find_object(mount(disk), path, &object, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return disk_unlink(below(disk), path, err);
	int ignored = disk_unlink(below(disk), path, NULL);
	(void)ignored;
	return store_remove(object.store, object.key, err);
}

static int mount_rename(struct mr_disk *disk, const char *from, const char *to, struct mr_error *err)
{
	struct object object;
	int rc = find_object(mount(disk), to, &object, err);
	if (rc > 0)
		rc = store_upload(object.store, object.key, below(disk), from, err);
	return rc < 0 ? rc : disk_rename(below(disk), from, to, err);
}

static int mount_link(struct mr_disk *disk, const char *from, const char *to, struct mr_error *err)
{
	struct object object;
	struct mr_buf bytes = {0};
	int rc = find_object(mount(disk), to, &object, err);
	if (rc <= 0)
		return rc < 0 ? rc : disk_link(below(disk), from, to, err);
	rc = disk_read_file(below(disk), from, OBJECT_PUT_BYTES_MAX, &bytes, err);
	if (rc == 0)
		rc = store_put_if_absent(object.store, object.key, mr_buf_view(&bytes), err);
	mr_buf_release(&bytes);
	return rc;
}

static int mount_sync_dir(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	return in_mirror(mount(disk), path).len ? 0 : disk_sync_dir(below(disk), path, err);
}

struct listing {
	disk_list_fn fn;
	void *arg;
	size_t skip; /* of each key */
	bool any;
};

static int tell(void *arg, mr_str key, const struct store_info *info)
{
	struct listing *l = arg;
	mr_str name = mr_str_tail(key, l->skip);
	if (info->is_prefix && name.len)
		name.len--;
	if (!name.len || mr_str_is(name, ".") || mr_str_is(name, "..") || memchr(name.ptr, '/', name.len))
		return 0;
	l->any = true;
	char *text = mr_strndup(name);
	int rc = l->fn(l->arg, text, &(struct file_info){info->size, info->mtime_ms, info->is_prefix});
	free(text);
	return rc;
}

static int mount_list(struct mr_disk *disk, const char *path, disk_list_fn fn, void *arg,
		      struct mr_error *err)
{
	struct object object;
	int rc = find_object(mount(disk), path, &object, err);
	if (rc <= 0)
		return rc < 0 ? rc : disk_list(below(disk), path, fn, arg, err);
	char *prefix = object.key[0] ? mr_asprintf("%s/", object.key) : mr_strdup("");
	struct listing l = {fn, arg, strlen(prefix), false};
	rc = store_list(object.store, prefix, NULL, tell, &l, err);
	if (rc == 0 && !l.any)
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "there is nothing below %s in the bucket", prefix);
	free(prefix);
	return rc;
}

static int64_t mount_free_bytes(struct mr_disk *disk, const char *path)
{
	return disk_free_bytes(below(disk), path);
}

/* ---- names ---- */

static int refuse_scheme(mr_str uri, struct mr_error *err)
{
	static const struct {
		const char *scheme, *name;
	} others[] = {{"abfss://", "Azure"},
		      {"abfs://", "Azure"},
		      {"az://", "Azure"},
		      {"wasbs://", "Azure"},
		      {"gs://", "Google Cloud Storage"},
		      {"hdfs://", "HDFS"}};
	const char *name = NULL;
	for (size_t i = 0; i < MR_COUNT(others); i++)
		if (mr_str_starts(uri, mr_str_from(others[i].scheme)))
			name = others[i].name;
	mr_fail(err, MR_ERR_UNSUPPORTED, "%.*s: tables of %s cannot be opened", MR_FMT(uri),
		name ? name : "that store");
	return mr_hint(err,
		       "local paths and s3://bucket/path can; S3-compatible servers by AWS_ENDPOINT_URL");
}

static int mount_locate(struct mr_disk *disk, mr_str uri, char **path, struct mr_error *err)
{
	mr_str rest = mr_str_starts(uri, MR_STR("s3://"))    ? mr_str_tail(uri, 5)
		      : mr_str_starts(uri, MR_STR("s3a://")) ? mr_str_tail(uri, 6)
							     : MR_STR_NULL;
	if (!rest.ptr)
		return refuse_scheme(uri, err);
	struct object object;
	char *whole = mr_asprintf("%s/%.*s", mount(disk)->root, MR_FMT(rest));
	size_t len = strlen(whole);
	while (len && whole[len - 1] == '/')
		whole[--len] = 0;
	int rc = find_object(mount(disk), whole, &object, err);
	if (rc >= 0 && (rc == 0 || !object.key[0]))
		rc = mr_fail(err, MR_ERR_INVALID, "%.*s: a table has a bucket and a path in it", MR_FMT(uri));
	/* Who writes files by himself finds the folder. */
	if (rc > 0)
		rc = disk_mkdir_all(below(disk), whole, err);
	if (rc == 0)
		*path = whole;
	else
		free(whole);
	return rc;
}

static char *mount_name(struct mr_disk *disk, const char *path)
{
	mr_str rest = in_mirror(mount(disk), path);
	return rest.len ? mr_asprintf("s3://%.*s", MR_FMT(rest)) : mr_strdup(path);
}

static const struct mr_disk_ops mount_ops = {
    .open = mount_open,
    .stat = mount_stat,
    .mkdir = mount_mkdir,
    .unlink = mount_unlink,
    .rmdir = mount_rmdir,
    .rename = mount_rename,
    .link = mount_link,
    .sync_dir = mount_sync_dir,
    .list = mount_list,
    .free_bytes = mount_free_bytes,
    .locate = mount_locate,
    .name = mount_name,
    .fetch = mount_fetch,
};

struct mr_disk *mount_new(const struct mount_options *options)
{
	struct mount *m = mr_calloc(1, sizeof *m);
	m->base.ops = &mount_ops;
	m->env = options->env;
	m->root = mr_asprintf("%s/s3", options->root);
	m->cache_bytes_max = options->cache_bytes_max;
	m->open = options->open;
	m->arg = options->arg;
	pthread_mutex_init(&m->lock, NULL);
	return &m->base;
}

void mount_free(struct mr_disk *disk)
{
	if (!disk)
		return;
	struct mount *m = mount(disk);
	mr_map_each (&m->stores, entry) {
		store_free(entry->value);
	}
	mr_map_each (&m->copies, entry) {
		free(entry->value);
	}
	mr_map_release(&m->stores);
	mr_map_release(&m->copies);
	pthread_mutex_destroy(&m->lock);
	free(m->root);
	free(m);
}
