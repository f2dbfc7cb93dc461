/* env/disk_sim.c - the simulated disk. Rules: see the header and env/disk.h. */
#include "env/disk_sim.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"
#include "env/rng.h"

#include <pthread.h>
#include <stdlib.h>

#define SECTOR 512
#define WRITE_BACK_ONE_IN 8

struct inode;

struct name {
	char *name;
	struct inode *inode;
};

struct names {
	MR_VEC(struct name) list;
};

/* A change of a folder that its sync has not covered: `removed` goes, then `put` comes. Either
 * may be NULL; with both it is a rename, which happens as a whole or not at all. */
struct change {
	char *removed;
	char *put;
	struct inode *inode;
};

struct inode {
	bool is_dir;
	bool reached; /* while collecting what nobody names any more */
	int handles;
	int64_t mtime_ms;
	struct names now, safe;        /* a folder's */
	MR_VEC(struct change) changes; /* a folder's, in order */
	struct mr_buf data, medium;    /* a file's */
	MR_VEC(bool) dirty;            /* a file's, by sector: medium lags behind data */
};

struct sim_disk {
	struct mr_disk base;
	pthread_mutex_t lock;
	struct mr_rng rng;
	struct mr_clock *clock;
	MR_VEC(struct inode *) inodes; /* the first is the root */
	int64_t space;                 /* -1: no limit */
	int fail_sync;
	uint64_t syncs;
};

struct sim_file {
	struct mr_file base;
	struct sim_disk *disk;
	struct inode *inode;
	char *path;
	bool writable;
};

static struct sim_disk *sim(struct mr_disk *disk)
{
	return MR_CONTAINER_OF(disk, struct sim_disk, base);
}

static struct sim_file *sim_file(struct mr_file *file)
{
	return MR_CONTAINER_OF(file, struct sim_file, base);
}

/* -- names -- */

static struct inode *names_find(const struct names *names, mr_str name)
{
	for (size_t i = 0; i < names->list.len; i++) {
		if (mr_str_is(name, names->list.items[i].name))
			return names->list.items[i].inode;
	}
	return NULL;
}

static void names_remove(struct names *names, const char *name)
{
	for (size_t i = 0; i < names->list.len; i++) {
		if (strcmp(names->list.items[i].name, name) != 0)
			continue;
		free(names->list.items[i].name);
		mr_vec_remove(&names->list, i);
		return;
	}
}

static void names_put(struct names *names, const char *name, struct inode *inode)
{
	names_remove(names, name);
	mr_vec_push(&names->list, (struct name){mr_strdup(name), inode});
}

static void names_clear(struct names *names)
{
	for (size_t i = 0; i < names->list.len; i++)
		free(names->list.items[i].name);
	names->list.len = 0;
}

static void names_copy(struct names *to, const struct names *from)
{
	names_clear(to);
	for (size_t i = 0; i < from->list.len; i++)
		mr_vec_push(&to->list,
			    (struct name){mr_strdup(from->list.items[i].name), from->list.items[i].inode});
}

static void apply(struct names *names, const struct change *change)
{
	if (change->removed)
		names_remove(names, change->removed);
	if (change->put)
		names_put(names, change->put, change->inode);
}

static void changes_clear(struct inode *dir)
{
	for (size_t i = 0; i < dir->changes.len; i++) {
		free(dir->changes.items[i].removed);
		free(dir->changes.items[i].put);
	}
	dir->changes.len = 0;
}

static void change_dir(struct inode *dir, const char *removed, const char *put, struct inode *inode)
{
	struct change change = {removed ? mr_strdup(removed) : NULL, put ? mr_strdup(put) : NULL, inode};
	apply(&dir->now, &change);
	mr_vec_push(&dir->changes, change);
}

static struct inode *inode_new(struct sim_disk *disk, bool is_dir)
{
	struct inode *inode = mr_calloc(1, sizeof *inode);
	inode->is_dir = is_dir;
	inode->mtime_ms = disk->clock ? clock_wall_ms(disk->clock) : 0;
	mr_vec_push(&disk->inodes, inode);
	return inode;
}

static void inode_free(struct inode *inode)
{
	names_clear(&inode->now);
	names_clear(&inode->safe);
	changes_clear(inode);
	mr_vec_release(&inode->now.list);
	mr_vec_release(&inode->safe.list);
	mr_vec_release(&inode->changes);
	mr_buf_release(&inode->data);
	mr_buf_release(&inode->medium);
	mr_vec_release(&inode->dirty);
	free(inode);
}

/* Cut the next component off *path; empty at the end. */
static mr_str next_part(const char **path)
{
	while (**path == '/' || (**path == '.' && ((*path)[1] == '/' || !(*path)[1])))
		(*path)++;
	size_t len = strcspn(*path, "/");
	mr_str part = {*path, len};
	*path += len;
	return part;
}

/* The folder that holds the path's last component, and that component; the inode itself is
 * NULL when absent. MR_ERR_NOT_FOUND when a parent is missing. */
static int resolve(struct sim_disk *disk, const char *path, struct inode **parent, char **last,
		   struct inode **inode, struct mr_error *err)
{
	const char *rest = path;
	struct inode *at = disk->inodes.items[0], *dir = NULL;
	mr_str name = {"", 0};
	for (mr_str part = next_part(&rest); part.len; part = next_part(&rest)) {
		if (!at || !at->is_dir)
			return mr_fail(err, MR_ERR_NOT_FOUND, "%s: no such folder", path);
		dir = at;
		name = part;
		at = names_find(&dir->now, part);
	}
	*parent = dir;
	*last = mr_strndup(name);
	*inode = at;
	return 0;
}

/* resolve, and the path must be there. */
static int resolve_present(struct sim_disk *disk, const char *path, struct inode **inode,
			   struct mr_error *err)
{
	struct inode *parent;
	char *last;
	int rc = resolve(disk, path, &parent, &last, inode, err);
	if (rc < 0)
		return rc;
	free(last);
	return *inode ? 0 : mr_fail(err, MR_ERR_NOT_FOUND, "%s: no such file or folder", path);
}

/* -- files -- */

static void mark_dirty(struct inode *inode, int64_t from, int64_t to)
{
	size_t sectors = (size_t)((to + SECTOR - 1) / SECTOR);
	while (inode->dirty.len < sectors)
		mr_vec_push(&inode->dirty, false);
	for (size_t s = (size_t)(from / SECTOR); s < sectors; s++)
		inode->dirty.items[s] = true;
}

static void set_size(struct mr_buf *buf, size_t size)
{
	if (size > buf->len) {
		mr_buf_reserve(buf, size - buf->len);
		memset(buf->ptr + buf->len, 0, size - buf->len);
	}
	buf->len = size;
}

/* Carry `len` bytes of one sector over to the medium, as far as both reach. */
static void persist(struct inode *inode, size_t sector, size_t len)
{
	size_t at = sector * SECTOR;
	size_t end = mr_min_size(at + len, mr_min_size(inode->data.len, inode->medium.len));
	if (at < end)
		memcpy(inode->medium.ptr + at, inode->data.ptr + at, end - at);
}

static void write_back_some(struct sim_disk *disk, struct inode *inode)
{
	if (inode->dirty.len == 0 || rng_below(&disk->rng, WRITE_BACK_ONE_IN) != 0)
		return;
	size_t sector = (size_t)rng_below(&disk->rng, inode->dirty.len);
	if (inode->dirty.items[sector])
		persist(inode, sector, SECTOR);
}

static int sf_read_at(struct mr_file *file, void *to, size_t len, int64_t at, size_t *got,
		      struct mr_error *err)
{
	(void)err;
	struct sim_file *f = sim_file(file);
	pthread_mutex_lock(&f->disk->lock);
	size_t size = f->inode->data.len;
	size_t n = (size_t)at >= size ? 0 : mr_min_size(len, size - (size_t)at);
	if (n)
		memcpy(to, f->inode->data.ptr + at, n);
	pthread_mutex_unlock(&f->disk->lock);
	*got = n;
	return 0;
}

static int sf_write_at(struct mr_file *file, const void *from, size_t len, int64_t at, struct mr_error *err)
{
	struct sim_file *f = sim_file(file);
	if (!f->writable)
		return mr_fail(err, MR_ERR_IO, "%s is open for reading only", f->path);
	pthread_mutex_lock(&f->disk->lock);
	struct inode *inode = f->inode;
	size_t end = (size_t)at + len, all = len;
	int64_t growth = end > inode->data.len ? (int64_t)(end - inode->data.len) : 0;
	if (f->disk->space >= 0 && growth > f->disk->space) { /* a short write, then the error */
		len -= mr_min_size(len, (size_t)(growth - f->disk->space));
		end = (size_t)at + len;
		growth = f->disk->space;
	}
	if (f->disk->space >= 0)
		f->disk->space -= growth;
	if (len > 0) {
		size_t had = inode->data.len;
		if (end > had)
			set_size(&inode->data, end);
		memcpy(inode->data.ptr + at, from, len);
		mark_dirty(inode, (int64_t)mr_min_size(had, (size_t)at), (int64_t)end);
		write_back_some(f->disk, inode);
	}
	inode->mtime_ms = f->disk->clock ? clock_wall_ms(f->disk->clock) : 0;
	pthread_mutex_unlock(&f->disk->lock);
	return len == all ? 0 : mr_fail(err, MR_ERR_NO_SPACE, "cannot write %s: no space left", f->path);
}

static int sf_sync(struct mr_file *file, struct mr_error *err)
{
	struct sim_file *f = sim_file(file);
	pthread_mutex_lock(&f->disk->lock);
	struct inode *inode = f->inode;
	f->disk->syncs++;
	bool fails = f->disk->fail_sync > 0 && --f->disk->fail_sync == 0;
	if (!fails)
		set_size(&inode->medium, inode->data.len);
	for (size_t s = 0; s < inode->dirty.len; s++) {
		if (inode->dirty.items[s] && (!fails || rng_below(&f->disk->rng, 2)))
			persist(inode, s, SECTOR);
	}
	inode->dirty.len = 0;
	pthread_mutex_unlock(&f->disk->lock);
	return fails ? mr_fail(err, MR_ERR_IO, "cannot sync %s: input/output error", f->path) : 0;
}

static int sf_truncate(struct mr_file *file, int64_t size, struct mr_error *err)
{
	struct sim_file *f = sim_file(file);
	if (!f->writable)
		return mr_fail(err, MR_ERR_IO, "%s is open for reading only", f->path);
	pthread_mutex_lock(&f->disk->lock);
	int64_t had = (int64_t)f->inode->data.len;
	set_size(&f->inode->data, (size_t)size);
	mark_dirty(f->inode, mr_min_i64(had, size), mr_max_i64(had, size));
	pthread_mutex_unlock(&f->disk->lock);
	return 0;
}

static int sf_preallocate(struct mr_file *file, int64_t size, struct mr_error *err)
{
	(void)file, (void)size, (void)err;
	return 0;
}

static int sf_size(struct mr_file *file, int64_t *size, struct mr_error *err)
{
	(void)err;
	struct sim_file *f = sim_file(file);
	pthread_mutex_lock(&f->disk->lock);
	*size = (int64_t)f->inode->data.len;
	pthread_mutex_unlock(&f->disk->lock);
	return 0;
}

static void sf_close(struct mr_file *file)
{
	struct sim_file *f = sim_file(file);
	pthread_mutex_lock(&f->disk->lock);
	f->inode->handles--;
	pthread_mutex_unlock(&f->disk->lock);
	free(f->path);
	free(f);
}

static const struct mr_file_ops sim_file_ops = {
    .read_at = sf_read_at,
    .write_at = sf_write_at,
    .sync = sf_sync,
    .truncate = sf_truncate,
    .preallocate = sf_preallocate,
    .size = sf_size,
    .close = sf_close,
};

/* -- the disk -- */

static int open_locked(struct sim_disk *disk, const char *path, int flags, struct inode **out,
		       struct mr_error *err)
{
	struct inode *parent, *inode;
	char *last;
	int rc = resolve(disk, path, &parent, &last, &inode, err);
	if (rc < 0)
		return rc;
	if (inode && inode->is_dir)
		rc = mr_fail(err, MR_ERR_IO, "cannot open %s: it is a folder", path);
	else if (inode && (flags & FILE_EXCLUSIVE))
		rc = mr_fail(err, MR_ERR_EXISTS, "%s exists already", path);
	else if (!inode && !(flags & FILE_CREATE))
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "cannot open %s: no such file", path);
	if (rc == 0 && !inode) {
		inode = inode_new(disk, false);
		change_dir(parent, NULL, last, inode);
	}
	if (rc == 0 && (flags & FILE_TRUNCATE) && inode->data.len) {
		mark_dirty(inode, 0, (int64_t)inode->data.len);
		inode->data.len = 0;
	}
	free(last);
	if (rc == 0)
		*out = inode;
	return rc;
}

static int sd_open(struct mr_disk *base, const char *path, int flags, struct mr_file **out,
		   struct mr_error *err)
{
	struct sim_disk *disk = sim(base);
	struct inode *inode;
	pthread_mutex_lock(&disk->lock);
	int rc = open_locked(disk, path, flags, &inode, err);
	if (rc == 0) {
		inode->handles++;
		struct sim_file *file = mr_alloc(sizeof *file);
		*file = (struct sim_file){
		    {&sim_file_ops, -1}, disk, inode, mr_strdup(path), (flags & FILE_WRITE) != 0};
		*out = &file->base;
	}
	pthread_mutex_unlock(&disk->lock);
	return rc;
}

static void describe(const struct inode *inode, struct file_info *out)
{
	*out = (struct file_info){(int64_t)inode->data.len, inode->mtime_ms, inode->is_dir};
}

static int sd_stat(struct mr_disk *base, const char *path, struct file_info *out, struct mr_error *err)
{
	struct sim_disk *disk = sim(base);
	struct inode *inode;
	pthread_mutex_lock(&disk->lock);
	int rc = resolve_present(disk, path, &inode, err);
	if (rc == 0)
		describe(inode, out);
	pthread_mutex_unlock(&disk->lock);
	return rc;
}

static int sd_mkdir(struct mr_disk *base, const char *path, struct mr_error *err)
{
	struct sim_disk *disk = sim(base);
	struct inode *parent, *inode;
	char *last;
	pthread_mutex_lock(&disk->lock);
	int rc = resolve(disk, path, &parent, &last, &inode, err);
	if (rc == 0) {
		if (inode)
			rc = mr_fail(err, MR_ERR_EXISTS, "%s exists already", path);
		else
			change_dir(parent, NULL, last, inode_new(disk, true));
		free(last);
	}
	pthread_mutex_unlock(&disk->lock);
	return rc;
}

static int remove_name(struct mr_disk *base, const char *path, bool is_dir, struct mr_error *err)
{
	struct sim_disk *disk = sim(base);
	struct inode *parent, *inode;
	char *last;
	pthread_mutex_lock(&disk->lock);
	int rc = resolve(disk, path, &parent, &last, &inode, err);
	if (rc == 0) {
		if (!inode || !parent)
			rc = mr_fail(err, MR_ERR_NOT_FOUND, "cannot remove %s: no such file", path);
		else if (inode->is_dir != is_dir || inode->now.list.len > 0)
			rc = mr_fail(err, MR_ERR_IO, "cannot remove %s", path);
		else
			change_dir(parent, last, NULL, NULL);
		if (rc == 0 && disk->space >= 0)
			disk->space += (int64_t)inode->data.len;
		free(last);
	}
	pthread_mutex_unlock(&disk->lock);
	return rc;
}

static int sd_unlink(struct mr_disk *base, const char *path, struct mr_error *err)
{
	return remove_name(base, path, false, err);
}

static int sd_rmdir(struct mr_disk *base, const char *path, struct mr_error *err)
{
	return remove_name(base, path, true, err);
}

/* rename and link: `to` becomes another name, or the name, of `from`. */
static int name_again(struct mr_disk *base, const char *from, const char *to, bool is_link,
		      struct mr_error *err)
{
	struct sim_disk *disk = sim(base);
	struct inode *from_dir, *to_dir, *inode, *there;
	char *from_last, *to_last;
	pthread_mutex_lock(&disk->lock);
	int rc = resolve(disk, from, &from_dir, &from_last, &inode, err);
	if (rc == 0) {
		rc = resolve(disk, to, &to_dir, &to_last, &there, err);
		if (rc == 0) {
			if (!inode)
				rc = mr_fail(err, MR_ERR_NOT_FOUND, "%s: no such file", from);
			else if (there && is_link)
				rc = mr_fail(err, MR_ERR_EXISTS, "%s exists already", to);
			else if (is_link || from_dir != to_dir)
				change_dir(to_dir, NULL, to_last, inode);
			if (rc == 0 && !is_link && from_dir == to_dir)
				change_dir(to_dir, from_last, to_last, inode);
			else if (rc == 0 && !is_link)
				change_dir(from_dir, from_last, NULL, NULL);
			free(to_last);
		}
		free(from_last);
	}
	pthread_mutex_unlock(&disk->lock);
	return rc;
}

static int sd_rename(struct mr_disk *base, const char *from, const char *to, struct mr_error *err)
{
	return name_again(base, from, to, false, err);
}

static int sd_link(struct mr_disk *base, const char *from, const char *to, struct mr_error *err)
{
	return name_again(base, from, to, true, err);
}

static int sd_sync_dir(struct mr_disk *base, const char *path, struct mr_error *err)
{
	struct sim_disk *disk = sim(base);
	struct inode *inode;
	pthread_mutex_lock(&disk->lock);
	int rc = resolve_present(disk, path, &inode, err);
	if (rc == 0) {
		names_copy(&inode->safe, &inode->now);
		changes_clear(inode);
	}
	pthread_mutex_unlock(&disk->lock);
	return rc;
}

static int sd_list(struct mr_disk *base, const char *path, disk_list_fn fn, void *arg, struct mr_error *err)
{
	struct sim_disk *disk = sim(base);
	struct inode *inode;
	struct names copy = {0};
	MR_VEC(struct file_info) infos = {0};
	pthread_mutex_lock(&disk->lock);
	int rc = resolve_present(disk, path, &inode, err);
	if (rc == 0)
		names_copy(&copy, &inode->now);
	for (size_t i = 0; i < copy.list.len; i++) {
		struct file_info info;
		describe(copy.list.items[i].inode, &info);
		mr_vec_push(&infos, info);
	}
	pthread_mutex_unlock(&disk->lock);
	for (size_t i = 0; i < copy.list.len && rc == 0; i++)
		rc = fn(arg, copy.list.items[i].name, &infos.items[i]);
	names_clear(&copy);
	mr_vec_release(&copy.list);
	mr_vec_release(&infos);
	return rc;
}

static int64_t sd_free_bytes(struct mr_disk *base, const char *path)
{
	(void)path;
	struct sim_disk *disk = sim(base);
	pthread_mutex_lock(&disk->lock);
	int64_t space = disk->space;
	pthread_mutex_unlock(&disk->lock);
	return space < 0 ? INT64_MAX : space;
}

static const struct mr_disk_ops sim_disk_ops = {
    .open = sd_open,
    .stat = sd_stat,
    .mkdir = sd_mkdir,
    .unlink = sd_unlink,
    .rmdir = sd_rmdir,
    .rename = sd_rename,
    .link = sd_link,
    .sync_dir = sd_sync_dir,
    .list = sd_list,
    .free_bytes = sd_free_bytes,
};

struct mr_disk *sim_disk_new(uint64_t seed)
{
	struct sim_disk *disk = mr_calloc(1, sizeof *disk);
	disk->base.ops = &sim_disk_ops;
	disk->space = -1;
	pthread_mutex_init(&disk->lock, NULL);
	rng_seed(&disk->rng, seed);
	inode_new(disk, true);
	return &disk->base;
}

void sim_disk_free(struct mr_disk *base)
{
	struct sim_disk *disk = sim(base);
	for (size_t i = 0; i < disk->inodes.len; i++)
		inode_free(disk->inodes.items[i]);
	mr_vec_release(&disk->inodes);
	pthread_mutex_destroy(&disk->lock);
	free(disk);
}

void sim_disk_set_clock(struct mr_disk *disk, struct mr_clock *clock)
{
	sim(disk)->clock = clock;
}

static void crash_file(struct sim_disk *disk, struct inode *file)
{
	size_t old = file->medium.len, new = file->data.len;
	if (old != new &&rng_below(&disk->rng, 2))
		set_size(&file->medium, rng_below(&disk->rng, 2) ? new : (old + new) / 2);
	for (size_t s = 0; s < file->dirty.len; s++) {
		if (!file->dirty.items[s])
			continue;
		switch (rng_below(&disk->rng, 4)) {
		case 0:
			break;
		case 1:
			persist(file, s, (size_t)rng_below(&disk->rng, SECTOR));
			break;
		default:
			persist(file, s, SECTOR);
		}
	}
	file->dirty.len = 0;
	set_size(&file->data, file->medium.len);
	if (file->medium.len)
		memcpy(file->data.ptr, file->medium.ptr, file->medium.len);
}

static void crash_dir(struct sim_disk *disk, struct inode *dir)
{
	for (size_t i = 0; i < dir->changes.len; i++) {
		if (rng_below(&disk->rng, 2))
			apply(&dir->safe, &dir->changes.items[i]);
	}
	changes_clear(dir);
	names_copy(&dir->now, &dir->safe);
}

static void reach(struct inode *inode)
{
	inode->reached = true;
	for (size_t i = 0; i < inode->now.list.len; i++)
		reach(inode->now.list.items[i].inode);
}

void sim_disk_crash(struct mr_disk *base)
{
	struct sim_disk *disk = sim(base);
	pthread_mutex_lock(&disk->lock);
	for (size_t i = 0; i < disk->inodes.len; i++) {
		struct inode *inode = disk->inodes.items[i];
		inode->is_dir ? crash_dir(disk, inode) : crash_file(disk, inode);
		inode->reached = false;
	}
	reach(disk->inodes.items[0]);
	size_t kept = 0;
	for (size_t i = 0; i < disk->inodes.len; i++) {
		struct inode *inode = disk->inodes.items[i];
		if (inode->reached || inode->handles > 0)
			disk->inodes.items[kept++] = inode;
		else
			inode_free(inode);
	}
	disk->inodes.len = kept;
	disk->fail_sync = 0;
	pthread_mutex_unlock(&disk->lock);
}

void sim_disk_set_space(struct mr_disk *disk, int64_t bytes)
{
	pthread_mutex_lock(&sim(disk)->lock);
	sim(disk)->space = bytes;
	pthread_mutex_unlock(&sim(disk)->lock);
}

void sim_disk_fail_sync(struct mr_disk *disk, int nth)
{
	pthread_mutex_lock(&sim(disk)->lock);
	sim(disk)->fail_sync = nth;
	pthread_mutex_unlock(&sim(disk)->lock);
}

int sim_disk_flip(struct mr_disk *disk, const char *path, int64_t at, int bit, struct mr_error *err)
{
	struct inode *inode;
	pthread_mutex_lock(&sim(disk)->lock);
	int rc = resolve_present(sim(disk), path, &inode, err);
	if (rc == 0 && (size_t)at >= inode->data.len)
		rc = mr_fail(err, MR_ERR_INVALID, "%s has no byte %lld", path, (long long)at);
	if (rc == 0) {
		inode->data.ptr[at] ^= (char)(1 << bit);
		if ((size_t)at < inode->medium.len)
			inode->medium.ptr[at] ^= (char)(1 << bit);
	}
	pthread_mutex_unlock(&sim(disk)->lock);
	return rc;
}

uint64_t sim_disk_syncs(struct mr_disk *disk)
{
	return sim(disk)->syncs;
}
