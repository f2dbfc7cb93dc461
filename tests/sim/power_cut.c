#include "power_cut.h"

#include "base/mem.h"

#include <stdlib.h>

struct power_cut {
	struct mr_disk disk;
	struct mr_disk *sim;
	uint64_t left; /* 0: no cut is planned */
	uint64_t life; /* files of an earlier one are dead */
	bool dark;
};

struct cut_file {
	struct mr_file file;
	struct mr_file *sim;
	struct power_cut *cut;
	uint64_t life;
};

static int dead(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_IO, "the power is off");
}

/* Before a call that changes something. */
static bool powered(struct power_cut *cut)
{
	if (!cut->dark && cut->left && --cut->left == 0) {
		sim_disk_crash(cut->sim);
		cut->dark = true;
	}
	return !cut->dark;
}

static bool alive(struct mr_file *file, bool changes)
{
	struct cut_file *f = (struct cut_file *)file;
	return f->life == f->cut->life && (changes ? powered(f->cut) : !f->cut->dark);
}

static struct mr_file *inner(struct mr_file *file)
{
	return ((struct cut_file *)file)->sim;
}

static int cut_read_at(struct mr_file *file, void *to, size_t len, int64_t at, size_t *got,
		       struct mr_error *err)
{
	return alive(file, false) ? file_read_at(inner(file), to, len, at, got, err) : dead(err);
}

static int cut_write_at(struct mr_file *file, const void *from, size_t len, int64_t at, struct mr_error *err)
{
	return alive(file, true) ? file_write_at(inner(file), from, len, at, err) : dead(err);
}

static int cut_sync(struct mr_file *file, struct mr_error *err)
{
	return alive(file, true) ? file_sync(inner(file), err) : dead(err);
}

static int cut_truncate(struct mr_file *file, int64_t size, struct mr_error *err)
{
	return alive(file, true) ? file_truncate(inner(file), size, err) : dead(err);
}

static int cut_preallocate(struct mr_file *file, int64_t size, struct mr_error *err)
{
	return alive(file, true) ? file_preallocate(inner(file), size, err) : dead(err);
}

static int cut_size(struct mr_file *file, int64_t *size, struct mr_error *err)
{
	return alive(file, false) ? file_size(inner(file), size, err) : dead(err);
}

static void cut_close(struct mr_file *file)
{
	file_close(inner(file));
	free(file);
}

static const struct mr_file_ops file_ops = {cut_read_at,     cut_write_at, cut_sync, cut_truncate,
					    cut_preallocate, cut_size,     cut_close};

static struct power_cut *cut_of(struct mr_disk *disk)
{
	return MR_CONTAINER_OF(disk, struct power_cut, disk);
}

static int cut_open(struct mr_disk *disk, const char *path, int flags, struct mr_file **out,
		    struct mr_error *err)
{
	struct power_cut *cut = cut_of(disk);
	struct mr_file *sim;
	if (!(flags & (FILE_CREATE | FILE_TRUNCATE) ? powered(cut) : !cut->dark))
		return dead(err);
	int rc = disk_open(cut->sim, path, flags, &sim, err);
	if (rc < 0)
		return rc;
	struct cut_file *file = mr_calloc(1, sizeof *file);
	*file = (struct cut_file){.file = {&file_ops, -1}, .sim = sim, .cut = cut, .life = cut->life};
	*out = &file->file;
	return 0;
}

static int cut_stat(struct mr_disk *disk, const char *path, struct file_info *out, struct mr_error *err)
{
	return cut_of(disk)->dark ? dead(err) : disk_stat(cut_of(disk)->sim, path, out, err);
}

static int cut_mkdir(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	struct mr_disk *sim = cut_of(disk)->sim;
	return powered(cut_of(disk)) ? sim->ops->mkdir(sim, path, err) : dead(err);
}

static int cut_unlink(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	return powered(cut_of(disk)) ? disk_unlink(cut_of(disk)->sim, path, err) : dead(err);
}

static int cut_rmdir(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	struct mr_disk *sim = cut_of(disk)->sim;
	return powered(cut_of(disk)) ? sim->ops->rmdir(sim, path, err) : dead(err);
}

static int cut_rename(struct mr_disk *disk, const char *from, const char *to, struct mr_error *err)
{
	return powered(cut_of(disk)) ? disk_rename(cut_of(disk)->sim, from, to, err) : dead(err);
}

static int cut_link(struct mr_disk *disk, const char *from, const char *to, struct mr_error *err)
{
	return powered(cut_of(disk)) ? disk_link(cut_of(disk)->sim, from, to, err) : dead(err);
}

static int cut_sync_dir(struct mr_disk *disk, const char *path, struct mr_error *err)
{
	return powered(cut_of(disk)) ? disk_sync_dir(cut_of(disk)->sim, path, err) : dead(err);
}

static int cut_list(struct mr_disk *disk, const char *path, disk_list_fn fn, void *arg, struct mr_error *err)
{
	return cut_of(disk)->dark ? dead(err) : disk_list(cut_of(disk)->sim, path, fn, arg, err);
}

static int64_t cut_free_bytes(struct mr_disk *disk, const char *path)
{
	return disk_free_bytes(cut_of(disk)->sim, path);
}

static const struct mr_disk_ops disk_ops = {cut_open,   cut_stat, cut_mkdir,    cut_unlink, cut_rmdir,
					    cut_rename, cut_link, cut_sync_dir, cut_list,   cut_free_bytes};

struct power_cut *power_cut_new(struct mr_disk *sim)
{
	struct power_cut *cut = mr_calloc(1, sizeof *cut);
	cut->disk.ops = &disk_ops;
	cut->sim = sim;
	return cut;
}

void power_cut_free(struct power_cut *cut)
{
	free(cut);
}

struct mr_disk *power_cut_disk(struct power_cut *cut)
{
	return &cut->disk;
}

void power_cut_after(struct power_cut *cut, uint64_t calls)
{
	cut->left = calls;
}

bool power_cut_happened(const struct power_cut *cut)
{
	return cut->dark;
}

void power_cut_restore(struct power_cut *cut)
{
	if (!cut->dark)
		sim_disk_crash(cut->sim);
	cut->dark = false;
	cut->left = 0;
	cut->life++;
}
