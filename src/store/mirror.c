/* store/mirror.c - the files of a mount's mirror: which never change, and which go. */
#include "base/mem.h"
#include "base/vec.h"
#include "store/mount.h"

#include <ctype.h>

#define DEPTH_MAX 64

bool mirror_is_unique(mr_str name)
{
	size_t run = 0; /* of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx so far */
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.ptr[i];
		bool dash = run == 8 || run == 13 || run == 18 || run == 23;
		if (dash ? c == '-' : isxdigit(c) != 0)
			run++;
		else if (isxdigit(c) && run == 8)
			continue; /* more digits in front: the last eight count */
		else
			run = isxdigit(c) ? 1 : 0;
		if (run == 36)
			return true;
	}
	return false;
}

struct copy {
	char *path;
	int64_t size, mtime_ms;
};

struct trim {
	const struct env *env;
	const char *folder;
	int depth;
	bool (*keep)(void *arg, const char *path, const struct file_info *info);
	void *arg;
	int64_t bytes;
	MR_VEC(struct copy) copies; /* that may go */
};

static int visit(void *arg, const char *name, const struct file_info *info)
{
	struct trim *t = arg;
	const char *folder = t->folder;
	char *path = mr_asprintf("%s/%s", folder, name);
	if (info->is_dir && t->depth < DEPTH_MAX) {
		t->folder = path;
		t->depth++;
		int ignored = disk_list(t->env->disk, path, visit, t, NULL);
		(void)ignored;
		t->depth--;
		t->folder = folder;
	} else if (!info->is_dir) {
		t->bytes += info->size;
		if (!t->keep(t->arg, path, info)) {
			mr_vec_push(&t->copies, (struct copy){path, info->size, info->mtime_ms});
			return 0;
		}
	}
	free(path);
	return 0;
}

static int older_first(const void *a, const void *b)
{
	int64_t left = ((const struct copy *)a)->mtime_ms, right = ((const struct copy *)b)->mtime_ms;
	return (left > right) - (left < right);
}

void mirror_trim(const struct env *env, const char *root, int64_t bytes_max,
		 bool (*keep)(void *arg, const char *path, const struct file_info *info), void *arg)
{
	struct trim t = {.env = env, .folder = root, .keep = keep, .arg = arg};
	int ignored = disk_list(env->disk, root, visit, &t, NULL);
	if (t.copies.len)
		qsort(t.copies.items, t.copies.len, sizeof *t.copies.items, older_first);
	for (size_t i = 0; i < t.copies.len; i++) {
		if (t.bytes > bytes_max && disk_unlink(env->disk, t.copies.items[i].path, NULL) == 0)
			t.bytes -= t.copies.items[i].size;
		free(t.copies.items[i].path);
	}
	(void)ignored;
	mr_vec_release(&t.copies);
}
