/* store/mount.h - a disk on which object stores are folders.
 *
 * What delta/ and lake/ do is said in files: a commit is a link, a checkpoint a rename, a data file a sync.
 * A mount keeps a mirror folder, ROOT/s3/BUCKET/KEY, and does with paths below it what a store can do:
 *
 *   open to read     the object, fetched into the mirror
 *   sync             upload (of what is not a temporary file: *.tmp stays in the mirror)
 *   link             put if absent: of two writers exactly one wins
 *   rename           upload under the new name
 *   stat, list       asked of the store; a folder without objects is not there
 *   unlink           remove
 *   sync_dir         nothing: a store's objects have no folder to lose them
 *
 * All other paths are the disk's below. Programs that open files themselves (DuckDB) find them in the mirror
 * after disk_fetch.
 *
 * Cache: an object whose name holds a UUID never changes, so its copy in the mirror is used without a
 * question; others are asked for anew (disk_fetch keeps a copy as long as size and time are the same). Copies
 * above cache_bytes_max go, oldest first, but for those that are younger, or were used here, within an hour.
 *
 * Threading: safe from any thread. Processes may share a mirror.
 */
#pragma once

#include "env/env.h"
#include "store/store.h"

struct mount_options {
	const struct env *env; /* its disk is the one below */
	const char *root;      /* absolute; made when it is needed */
	int64_t cache_bytes_max;
	/* A store for a bucket of a scheme, with its patience; the mount's from then on. */
	int (*open)(void *arg, const char *bucket, struct store **out, struct mr_error *err);
	void *arg;
};

struct mr_disk *mount_new(const struct mount_options *options);
void mount_free(struct mr_disk *mount); /* NULL is fine; its files are closed */

/* ---- mirror.c ---- */

/* Whether an object of that name can never have other bytes: it holds a UUID. */
bool mirror_is_unique(mr_str name);
/* Removes the oldest files below root until at most bytes_max are left; `keep` says which have to stay. */
void mirror_trim(const struct env *env, const char *root, int64_t bytes_max,
		 bool (*keep)(void *arg, const char *path, const struct file_info *info), void *arg);
