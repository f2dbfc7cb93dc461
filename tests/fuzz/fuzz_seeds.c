#include "fuzz.h"

#include "env/disk_linux.h"

struct files {
	const char *folder;
	void (*fn)(void *arg, mr_str seed);
	void *arg;
};

static int each_file(void *arg, const char *name, const struct file_info *info)
{
	struct files *files = arg;
	struct mr_error err;
	struct mr_buf bytes = {0};
	if (info->is_dir || mr_str_ends(mr_str_from(name), MR_STR(".md")))
		return 0;
	CHECK_OK(disk_read_file(disk_linux(), test_path("%s/%s", files->folder, name), 1 << 20, &bytes, &err),
		 err);
	files->fn(files->arg, mr_buf_view(&bytes));
	mr_buf_release(&bytes);
	return 0;
}

static void each_in(const char *folder, void (*fn)(void *arg, mr_str seed), void *arg)
{
	struct files files = {folder, fn, arg};
	struct mr_error err;
	if (disk_exists(disk_linux(), folder))
		CHECK_OK(disk_list(disk_linux(), folder, each_file, &files, &err), err);
}

void fuzz_each_seed(const struct fuzz_target *target, void *state, void (*fn)(void *arg, mr_str seed),
		    void *arg)
{
	struct mr_buf seed = {0};
	for (size_t i = 0; target->texts && target->texts[i]; i++)
		fn(arg, mr_str_from(target->texts[i]));
	for (size_t i = 0; target->seed && target->seed(state, i, &seed); i++) {
		fn(arg, mr_buf_view(&seed));
		mr_buf_clear(&seed);
	}
	mr_buf_release(&seed);
	if (target->files)
		each_in(test_path("%s/../%s", TEST_GOLDEN, target->files), fn, arg);
	each_in(test_path("%s/../fuzz/corpus/%s", TEST_GOLDEN, target->name), fn, arg);
}
