/* store/store.h - where a table's objects live, behind a vtable.
 *
 * An object has a key ("t/_delta_log/00000000000000000000.json") and bytes; it appears whole or not at
 * all. Keys are UTF-8, '/'-separated, without "." and ".." as a part.
 *
 * Kinds: a folder of a disk (folder.c), a bucket of S3 (s3.c), one that fails from a seed (faulty.c), and
 * one that tries again in front of another (retry.c). store/mount.h makes a disk of them.
 *
 * Durability: when put, upload or remove returns 0, its effect outlives a crash. When they fail with
 * MR_ERR_UNAVAILABLE or MR_ERR_TIMEOUT the effect may have happened all the same.
 * Threading: a store is safe from any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "env/env.h"

#define STORE_KEY_MAX 1024

struct store;

struct store_info {
	int64_t size;
	int64_t mtime_ms;
	bool is_prefix; /* a "folder": keys go on behind it */
};

/* key is whole, and valid during the call; a prefix ends with '/'. Non-zero ends the listing. */
typedef int (*store_list_fn)(void *arg, mr_str key, const struct store_info *info);

struct store_ops {
	int (*get)(struct store *, const char *key, int64_t at, size_t limit, struct mr_buf *out,
		   struct mr_error *);
	int (*head)(struct store *, const char *key, struct store_info *out, struct mr_error *);
	int (*put)(struct store *, const char *key, mr_str bytes, bool if_absent, struct mr_error *);
	int (*upload)(struct store *, const char *key, struct mr_disk *from, const char *path,
		      struct mr_error *);
	int (*list)(struct store *, const char *prefix, const char *after, store_list_fn, void *arg,
		    struct mr_error *);
	int (*remove)(struct store *, const char *key, struct mr_error *);
	void (*free)(struct store *);
};

struct store {
	const struct store_ops *ops;
};

/* Up to `limit` bytes from byte `at` on, appended; fewer only at the object's end (none: at or past it).
 * MR_ERR_NOT_FOUND when there is no such object. */
MR_NODISCARD int store_get(struct store *store, const char *key, int64_t at, size_t limit, struct mr_buf *out,
			   struct mr_error *err);
MR_NODISCARD int store_head(struct store *store, const char *key, struct store_info *out,
			    struct mr_error *err); /* MR_ERR_NOT_FOUND */
MR_NODISCARD int store_put(struct store *store, const char *key, mr_str bytes, struct mr_error *err);
/* MR_ERR_EXISTS when there is an object of that key: of any number of writers exactly one wins. */
MR_NODISCARD int store_put_if_absent(struct store *store, const char *key, mr_str bytes,
				     struct mr_error *err);
/* A file, of any size. */
MR_NODISCARD int store_upload(struct store *store, const char *key, struct mr_disk *from, const char *path,
			      struct mr_error *err);
/* And back: path is made anew; the caller syncs it when it has to. */
MR_NODISCARD int store_download(struct store *store, const char *key, struct mr_disk *to, const char *path,
				struct mr_error *err);
/* What is right below prefix ("" or ending with '/') and behind the key `after` (NULL: all), in the order
 * of bytes. Nothing there is success. */
MR_NODISCARD int store_list(struct store *store, const char *prefix, const char *after, store_list_fn fn,
			    void *arg, struct mr_error *err);
MR_NODISCARD int store_remove(struct store *store, const char *key,
			      struct mr_error *err); /* absent: success */
void store_free(struct store *store);                /* NULL is fine */

/* ---- folder.c ---- */

/* Objects are files below root; borrowed: env. */
struct store *store_folder_new(const struct env *env, const char *root);

/* ---- retry.c ---- */

struct store_patience {
	int attempts;         /* of one request, the first one among them */
	int64_t wait_us;      /* before the second; twice that before the third, and so on */
	int64_t wait_us_most; /* each is drawn evenly from 0 up to its bound */
};

extern const struct store_patience store_patience_usual; /* 6 attempts, 100 ms, 5 s */

/* Takes `under` over. What failed for now (MR_ERR_UNAVAILABLE, TIMEOUT, BUSY) is tried again. A put_if_absent
 * whose reply was lost and which then finds an object reads it: when it is what was put, that was ours. So
 * bytes that are put if absent must be unlike those of any other writer (a commit has a txnId). */
struct store *store_retry_new(struct store *under, struct mr_rng *rng, const struct store_patience *patience);

/* ---- faulty.c ---- */

struct store_faults {
	uint32_t before; /* of 1000 requests, so many fail and have no effect */
	uint32_t lost;   /* so many have their effect, and fail */
	uint32_t busy;   /* so many conditional puts are told to try again */
	int64_t slow_us; /* that a listing takes longer */
};

/* Takes `under` over; for tests. */
struct store *store_faulty_new(struct store *under, uint64_t seed, const struct store_faults *faults);
