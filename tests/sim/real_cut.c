#include "real_cut.h"

#include "base/mem.h"
#include "base/vec.h"
#include "env/env.h"
#include "test.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512

/* A name below the root, and what it stands for. */
struct name {
	char *path;
	ino_t inode;
	bool is_dir;
};

struct names {
	MR_VEC(struct name) all;
};

struct real_cut {
	struct mr_disk disk;
	struct mr_disk *real;
	struct mr_rng *rng;
	char *root, *graves;
	struct names kept; /* as the disk has them for certain */
	struct names seen; /* at the end */
	MR_VEC(ino_t) synced;
	uint64_t left, calls;
	uint64_t life; /* files of an earlier one are dead */
	bool power, dark;
};

struct cut_file {
	struct mr_file file;
	struct mr_file *real;
	struct real_cut *cut;
	ino_t inode;
	uint64_t life;
};

/* ---- what is there ---- */

static void names_clear(struct names *names)
{
	for (size_t i = 0; i < names->all.len; i++)
		free(names->all.items[i].path);
	names->all.len = 0;
}

static struct name *names_find(const struct names *names, const char *path)
{
	for (size_t i = 0; i < names->all.len; i++)
		if (strcmp(names->all.items[i].path, path) == 0)
			return &names->all.items[i];
	return NULL;
}

static bool name_of(const char *path, struct name *out)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return false;
	*out = (struct name){NULL, st.st_ino, S_ISDIR(st.st_mode)};
	return true;
}

static void look(const char *folder, bool deep, struct names *out)
{
	DIR *dir = opendir(folder);
	if (!dir)
		return;
	for (struct dirent *d; (d = readdir(dir));) {
		struct name name;
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		char *path = mr_asprintf("%s/%s", folder, d->d_name);
		if (!name_of(path, &name)) {
			free(path);
			continue;
		}
		name.path = path;
		mr_vec_push(&out->all, name);
		if (name.is_dir && deep)
			look(path, true, out);
	}
	closedir(dir);
}

static bool is_synced(const struct real_cut *cut, ino_t inode)
{
	for (size_t i = 0; i < cut->synced.len; i++)
		if (cut->synced.items[i] == inode)
			return true;
	return false;
}

static void set_synced(struct real_cut *cut, ino_t inode, bool synced)
{
	for (size_t i = cut->synced.len; i-- > 0;)
		if (cut->synced.items[i] == inode)
			mr_vec_remove(&cut->synced, i);
	if (synced)
		mr_vec_push(&cut->synced, inode);
}

static char *grave_of(const struct real_cut *cut, ino_t inode)
{
	return mr_asprintf("%s/%llu", cut->graves, (unsigned long long)inode);
}

/* Before a name loses its file: it may come back. */
static void bury(struct real_cut *cut, const char *path)
{
	struct name name;
	if (!name_of(path, &name) || name.is_dir)
		return;
	char *grave = grave_of(cut, name.inode);
	int ignored = link(path, grave);
	(void)ignored;
	free(grave);
}

static void empty_graves(struct real_cut *cut)
{
	struct names graves = {0};
	look(cut->graves, false, &graves);
	for (size_t i = 0; i < graves.all.len; i++)
		unlink(graves.all.items[i].path);
	names_clear(&graves);
	mr_vec_release(&graves.all);
}

/* ---- the end ---- */

static bool by_chance(struct real_cut *cut)
{
	return rng_below(cut->rng, 2) == 0;
}

static void remove_tree(const char *path)
{
	int rc = disk_remove_all(env_linux()->disk, path, NULL);
	(void)rc;
}

static void exhume(struct real_cut *cut, const struct name *name)
{
	char *grave = grave_of(cut, name->inode);
	unlink(name->path);
	if (link(grave, name->path) < 0)
		test_fail(__FILE__, __LINE__, "%s had no grave", name->path);
	free(grave);
}

static void tear(struct real_cut *cut, const struct name *name)
{
	struct stat st;
	if (name->is_dir || is_synced(cut, name->inode) || stat(name->path, &st) < 0 || by_chance(cut))
		return;
	off_t size = (off_t)(rng_below(cut->rng, (uint64_t)st.st_size / SECTOR + 1) * SECTOR);
	if (truncate(name->path, size) < 0)
		test_fail(__FILE__, __LINE__, "%s cannot be cut", name->path);
}

/* Names that the disk had are as before or as now, each by itself; so are those that are new. */
static void lose(struct real_cut *cut)
{
	for (size_t i = 0; i < cut->seen.all.len; i++) {
		const struct name *now = &cut->seen.all.items[i];
		const struct name *before = names_find(&cut->kept, now->path);
		struct name there;
		if (!name_of(now->path, &there))
			continue; /* its folder went */
		if (!before && by_chance(cut))
			remove_tree(now->path);
		else if (before && before->inode != now->inode && by_chance(cut))
			exhume(cut, before);
	}
	for (size_t i = 0; i < cut->kept.all.len; i++) {
		const struct name *before = &cut->kept.all.items[i];
		if (!before->is_dir && !names_find(&cut->seen, before->path) && by_chance(cut))
			exhume(cut, before);
	}
	struct names left = {0};
	look(cut->root, true, &left);
	for (size_t i = 0; i < left.all.len; i++)
		tear(cut, &left.all.items[i]);
	names_clear(&left);
	mr_vec_release(&left.all);
}

static void end(struct real_cut *cut)
{
	cut->dark = true;
	names_clear(&cut->seen);
	look(cut->root, true, &cut->seen);
}

/* What DuckDB wrote for a process that had ended never was. */
static void forget_later(struct real_cut *cut)
{
	struct names now = {0};
	look(cut->root, true, &now);
	for (size_t i = 0; i < now.all.len; i++)
		if (!names_find(&cut->seen, now.all.items[i].path))
			remove_tree(now.all.items[i].path);
	names_clear(&now);
	mr_vec_release(&now.all);
}

void real_cut_restore(struct real_cut *cut)
{
	if (!cut->dark)
		end(cut);
	forget_later(cut);
	if (cut->power)
		lose(cut);
	cut->dark = false;
	cut->left = 0;
	cut->life++;
}

void real_cut_after(struct real_cut *cut, uint64_t calls, bool power)
{
	empty_graves(cut);
	names_clear(&cut->kept);
	look(cut->root, true, &cut->kept);
	cut->synced.len = 0;
	for (size_t i = 0; i < cut->kept.all.len; i++)
		mr_vec_push(&cut->synced, cut->kept.all.items[i].inode);
	cut->left = calls;
	cut->calls = 0;
	cut->power = power;
}

uint64_t real_cut_calls(const struct real_cut *cut)
{
	return cut->calls;
}

bool real_cut_happened(const struct real_cut *cut)
{
	return cut->dark;
}

/* ---- files ---- */

static int dead(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_IO, "the power is off");
}

/* Before a call that changes something. */
static bool alive(struct real_cut *cut)
{
	if (!cut->dark) {
		cut->calls++;
		if (cut->left && --cut->left == 0)
			end(cut);
	}
	return !cut->dark;
}

static struct cut_file *cut_file(struct mr_file *file)
{
	return MR_CONTAINER_OF(file, struct cut_file, file);
}

static bool file_lives(struct mr_file *file, bool changes)
{
	struct cut_file *f = cut_file(file);
	return f->life == f->cut->life && (changes ? alive(f->cut) : !f->cut->dark);
}

static int cut_read_at(struct mr_file *file, void *to, size_t len, int64_t at, size_t *got,
		       struct mr_error *err)
{
	return file_lives(file, false) ? file_read_at(cut_file(file)->real, to, len, at, got, err)
				       : dead(err);
}

static int cut_write_at(struct mr_file *file, const void *from, size_t len, int64_t at, struct mr_error *err)
{
	if (!file_lives(file, true))
		return dead(err);
	set_synced(cut_file(file)->cut, cut_file(file)->inode, false);
	return file_write_at(cut_file(file)->real, from, len, at, err);
}

/* The bytes are there for whoever looks: what is not synced is lost by the folder's end alone. */
static int cut_sync(struct mr_file *file, struct mr_error *err)
{
	(void)err;
	if (!file_lives(file, true))
		return dead(err);
	set_synced(cut_file(file)->cut, cut_file(file)->inode, true);
	return 0;
}

static int cut_truncate(struct mr_file *file, int64_t size, struct mr_error *err)
{
	if (!file_lives(file, true))
		return dead(err);
	set_synced(cut_file(file)->cut, cut_file(file)->inode, false);
	return file_truncate(cut_file(file)->real, size, err);
}

static int cut_preallocate(struct mr_file *file, int64_t size, struct mr_error *err)
{
	return file_lives(file, true) ? file_preallocate(cut_file(file)->real, size, err) : dead(err);
}

static int cut_size(struct mr_file *file, int64_t *size, struct mr_error *err)
{
	return file_lives(file, false) ? file_size(cut_file(file)->real, size, err) : dead(err);
}

static void cut_close(struct mr_file *file)
{
	file_close(cut_file(file)->real);
	free(cut_file(file));
}

static const struct mr_file_ops file_ops = {cut_read_at,     cut_write_at, cut_sync, cut_truncate,
					    cut_preallocate, cut_size,     cut_close};

/* ---- the disk ---- */

static struct real_cut *cut_of(struct mr_disk *disk)
{
	return MR_CONTAINER_OF(disk, struct real_cut, disk);
}

static int cut_open(struct mr_disk *disk, const char *path, int flags, struct mr_file **out,
		    struct mr_error *err)
{
	struct real_cut *cut = cut_of(disk);
	struct mr_file *real;
	struct stat st;
	if (!(flags & (FILE_CREATE | FILE_TRUNCATE) ? alive(cut) : !cut->dark))
		return dead(err);
	int rc = disk_open(cut->real, path, flags, &real, err);
	if (rc < 0)
		return rc;
	struct cut_file *file = mr_calloc(1, sizeof *file);
	*file = (struct cut_file){.file = {&file_ops, real->fd}, .real = real, .cut = cut, .life = cut->life};
	if (fstat(real->fd, &st) == 0)
		file->inode = st.st_ino;
	if (flags & FILE_TRUNCATE)
		set_synced(cut, file->inode, false);
	*out = &file->file;
	return 0;
}

static int cut_stat(struct mr_disk *disk, const char *path, struct file_info *out, struct mr_error *err)
{
	return cut_of(disk)->dark ? dead(err) : disk_stat(cut_of(disk)->real, path, out, err);
}

static int cut_mkdir(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	struct mr_disk *real = cut_of(disk)->real;
	return alive(cut_of(disk)) ? real->ops->mkdir(real, path, err) : dead(err);
}

static int cut_unlink(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	if (!alive(cut_of(disk)))
		return dead(err);
	bury(cut_of(disk), path);
	return disk_unlink(cut_of(disk)->real, path, err);
}

static int cut_rmdir(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	struct mr_disk *real = cut_of(disk)->real;
	return alive(cut_of(disk)) ? real->ops->rmdir(real, path, err) : dead(err);
}

static int cut_rename(struct mr_disk *disk, const char *from, const char *to, struct mr_error *err)
{
	if (!alive(cut_of(disk)))
		return dead(err);
	bury(cut_of(disk), from);
	bury(cut_of(disk), to);
	return disk_rename(cut_of(disk)->real, from, to, err);
}

static int cut_link(struct mr_disk *disk, const char *from, const char *to, struct mr_error *err)
{
	return alive(cut_of(disk)) ? disk_link(cut_of(disk)->real, from, to, err) : dead(err);
}

static bool is_in(const char *path, const char *folder)
{
	size_t n = strlen(folder);
	return strncmp(path, folder, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
}

/* The folder's names are as the disk has them from here on. */
static int cut_sync_dir(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	struct real_cut *cut = cut_of(disk);
	if (!alive(cut))
		return dead(err);
	for (size_t i = cut->kept.all.len; i-- > 0;) {
		if (!is_in(cut->kept.all.items[i].path, path))
			continue;
		free(cut->kept.all.items[i].path);
		mr_vec_remove(&cut->kept.all, i);
	}
	look(path, false, &cut->kept);
	return 0;
}

static int cut_list(struct mr_disk *disk, const char *path, disk_list_fn fn, void *arg, struct mr_error *err)
{
	return cut_of(disk)->dark ? dead(err) : disk_list(cut_of(disk)->real, path, fn, arg, err);
}

static int64_t cut_free_bytes(struct mr_disk *disk, const char *path)
{
	return disk_free_bytes(cut_of(disk)->real, path);
}

static const struct mr_disk_ops disk_ops = {cut_open,   cut_stat, cut_mkdir,    cut_unlink, cut_rmdir,
					    cut_rename, cut_link, cut_sync_dir, cut_list,   cut_free_bytes};

struct real_cut *real_cut_new(const char *root, const char *graves, struct mr_rng *rng)
{
	struct real_cut *cut = mr_calloc(1, sizeof *cut);
	cut->disk.ops = &disk_ops;
	cut->real = env_linux()->disk;
	cut->rng = rng;
	cut->root = mr_strdup(root);
	cut->graves = mr_strdup(graves);
	return cut;
}

void real_cut_free(struct real_cut *cut)
{
	names_clear(&cut->kept);
	names_clear(&cut->seen);
	mr_vec_release(&cut->kept.all);
	mr_vec_release(&cut->seen.all);
	mr_vec_release(&cut->synced);
	free(cut->root);
	free(cut->graves);
	free(cut);
}

struct mr_disk *real_cut_disk(struct real_cut *cut)
{
	return &cut->disk;
}
