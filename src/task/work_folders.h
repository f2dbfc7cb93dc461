/* task/work_folders.h - the folder that a try works in: DATA/dag/work/<id>, empty when it begins.
 *
 * A folder that a try left empty is kept under another name and renamed for the next one: to make and to
 * remove an inode for each try costs more than the try's own process on file systems that will not use an
 * inode again at once (ext4).
 *
 * Threading: safe from any thread.
 */
#pragma once

#include "env/env.h"

struct work_folders;

/* `folder` is made. Spares that an earlier process left are removed. */
MR_NODISCARD int work_folders_new(const char *folder, size_t spares_max, struct work_folders **out,
				  struct mr_error *err);
void work_folders_free(struct work_folders *folders); /* NULL is fine */

/* folder/<id>, empty, for its owner only. One that is there already is taken as it is. */
MR_NODISCARD int work_folder_take(struct work_folders *folders, const char *id, struct mr_error *err);
/* The try is over: nothing of its folder stays. It may be gone. */
MR_NODISCARD int work_folder_give(struct work_folders *folders, const char *id, struct mr_error *err);
