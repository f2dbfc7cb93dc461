#include "base/mem.h"
#include "task/work_folders.h"
#include "test.h"

#include <stdlib.h>
#include <sys/stat.h>

static char *in_folder(const char *folder, const char *name)
{
	return mr_asprintf("%s/%s", folder, name);
}

static uint64_t inode_of(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

TEST(work_folder_that_stayed_empty_is_used_again)
{
	char *folder = in_folder(test_folder(), "work"), *a = in_folder(folder, "a"),
	     *b = in_folder(folder, "b"), *c = in_folder(folder, "c"), *file = in_folder(folder, "b/file");
	struct work_folders *folders;
	struct mr_error err;
	CHECK_OK(work_folders_new(folder, 1, &folders, &err), err);
	CHECK_OK(work_folder_take(folders, "a", &err), err);
	uint64_t first = inode_of(a);
	CHECK_OK(work_folder_give(folders, "a", &err), err);
	CHECK_INT(inode_of(a), 0);
	CHECK_OK(work_folder_take(folders, "b", &err), err);
	CHECK_INT(inode_of(b), first);

	CHECK_INT(mkdir(file, 0700), 0); /* left behind */
	CHECK_OK(work_folder_give(folders, "b", &err), err);
	CHECK_INT(inode_of(b), 0);
	CHECK_OK(work_folder_take(folders, "c", &err), err);
	CHECK_INT(inode_of(file), 0);
	CHECK_INT(chmod(c, 0755), 0); /* not as it was made: the next one gets its own */
	CHECK_OK(work_folder_give(folders, "c", &err), err);
	CHECK_OK(work_folder_take(folders, "a", &err), err);
	struct stat st;
	CHECK_INT(stat(a, &st), 0);
	CHECK_INT(st.st_mode & 07777, 0700);
	CHECK_OK(work_folder_give(folders, "gone", &err), err);
	work_folders_free(folders);

	CHECK_OK(work_folders_new(folder, 1, &folders, &err), err); /* a's try runs on over a restart */
	CHECK(inode_of(a) != 0);
	CHECK_OK(work_folder_take(folders, "a", &err), err);
	work_folders_free(folders);
	char *paths[] = {folder, a, b, c, file};
	for (size_t i = 0; i < MR_COUNT(paths); i++)
		free(paths[i]);
}
