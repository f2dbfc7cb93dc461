#include "task/work_folders.h"

#include "base/vec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPARE_PREFIX "spare-"

struct work_folders {
	char *folder;
	size_t spares_max;
	pthread_mutex_t lock;
	MR_VEC(unsigned) spares; /* spare-<n> is there and empty */
	unsigned next;
};

static char *path_of(const struct work_folders *folders, const char *name)
{
	return mr_asprintf("%s/%s", folders->folder, name);
}

static char *spare_path(const struct work_folders *folders, unsigned n)
{
	return mr_asprintf("%s/" SPARE_PREFIX "%u", folders->folder, n);
}

static int remove_old_spares(struct work_folders *folders, struct mr_error *err)
{
	DIR *dir = opendir(folders->folder);
	if (!dir)
		return mr_fail_errno(err, "cannot list %s", folders->folder);
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (strncmp(entry->d_name, SPARE_PREFIX, strlen(SPARE_PREFIX)) == 0)
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	}
	closedir(dir);
	return 0;
}

int work_folders_new(const char *folder, size_t spares_max, struct work_folders **out, struct mr_error *err)
{
	int rc = disk_mkdir_all(env_linux()->disk, folder, err);
	if (rc < 0)
		return rc;
	struct work_folders *folders = mr_calloc(1, sizeof *folders);
	*folders = (struct work_folders){.folder = mr_strdup(folder), .spares_max = spares_max};
	pthread_mutex_init(&folders->lock, NULL);
	rc = remove_old_spares(folders, err);
	if (rc < 0) {
		work_folders_free(folders);
		return rc;
	}
	*out = folders;
	return 0;
}

void work_folders_free(struct work_folders *folders)
{
	if (!folders)
		return;
	for (size_t i = 0; i < folders->spares.len; i++) {
		char *path = spare_path(folders, folders->spares.items[i]);
		rmdir(path);
		free(path);
	}
	mr_vec_release(&folders->spares);
	pthread_mutex_destroy(&folders->lock);
	free(folders->folder);
	free(folders);
}

/* The path of a spare that is now the caller's; NULL: there is none. */
static char *pop_spare(struct work_folders *folders)
{
	char *path = NULL;
	pthread_mutex_lock(&folders->lock);
	if (folders->spares.len)
		path = spare_path(folders, folders->spares.items[--folders->spares.len]);
	pthread_mutex_unlock(&folders->lock);
	return path;
}

int work_folder_take(struct work_folders *folders, const char *id, struct mr_error *err)
{
	char *path = path_of(folders, id), *spare = pop_spare(folders);
	/* A rename onto a folder that is there and empty replaces it, onto a full one fails: both are fine.
	 */
	bool renamed = spare && rename(spare, path) == 0;
	int rc = 0;
	if (!renamed && mkdir(path, 0700) != 0 && errno != EEXIST)
		rc = mr_fail_errno(err, "cannot make the folder %s", path);
	free(spare);
	free(path);
	return rc;
}

/* As it was made? A try may have changed what others may do with it. */
static bool is_pristine(const char *path)
{
	struct stat st;
	if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode) || (st.st_mode & 07777) != 0700 ||
	    st.st_uid != geteuid())
		return false;
	DIR *dir = opendir(path);
	size_t entries = 0;
	while (dir && readdir(dir))
		entries++;
	if (dir)
		closedir(dir);
	return entries == 2; /* . and .. */
}

static bool keep_as_spare(struct work_folders *folders, const char *path)
{
	pthread_mutex_lock(&folders->lock);
	bool room = folders->spares.len < folders->spares_max;
	unsigned n = folders->next++;
	pthread_mutex_unlock(&folders->lock);
	if (!room || !is_pristine(path))
		return false;
	char *spare = spare_path(folders, n);
	bool kept = rename(path, spare) == 0;
	free(spare);
	if (kept) {
		pthread_mutex_lock(&folders->lock);
		mr_vec_push(&folders->spares, n);
		pthread_mutex_unlock(&folders->lock);
	}
	return kept;
}

int work_folder_give(struct work_folders *folders, const char *id, struct mr_error *err)
{
	char *path = path_of(folders, id);
	int rc = keep_as_spare(folders, path) ? 0 : disk_remove_all(env_linux()->disk, path, err);
	free(path);
	return rc;
}
