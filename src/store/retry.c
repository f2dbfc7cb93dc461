/* store/retry.c - patience in front of a store that is reached over a network. */
#include "base/mem.h"
#include "store/store.h"

#include <stdlib.h>
#include <time.h>

const struct store_patience store_patience_usual = {6, 100000, 5000000};

struct retry_store {
	struct store base;
	struct store *under;
	struct mr_rng *rng;
	struct store_patience patience;
};

static struct retry_store *retry(struct store *store)
{
	return MR_CONTAINER_OF(store, struct retry_store, base);
}

/* True, after a while, when it is worth another attempt. */
static bool again(struct retry_store *r, int rc, int *attempt)
{
	bool passing = rc == MR_ERR_UNAVAILABLE || rc == MR_ERR_TIMEOUT || rc == MR_ERR_BUSY;
	if (!passing || ++*attempt >= r->patience.attempts)
		return false;
	int64_t bound = r->patience.wait_us << mr_min_i64(*attempt - 1, 20);
	int64_t us = (int64_t)rng_below(r->rng, (uint64_t)mr_min_i64(bound, r->patience.wait_us_most) + 1);
	nanosleep(&(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000}, NULL);
	return true;
}

static int retry_get(struct store *store, const char *key, int64_t at, size_t limit, struct mr_buf *out,
		     struct mr_error *err)
{
	struct retry_store *r = retry(store);
	size_t before = out->len;
	int attempt = 0, rc;
	do {
		out->len = before;
		rc = store_get(r->under, key, at, limit, out, err);
	} while (again(r, rc, &attempt));
	return rc;
}

static int retry_head(struct store *store, const char *key, struct store_info *out, struct mr_error *err)
{
	struct retry_store *r = retry(store);
	int attempt = 0, rc;
	do
		rc = store_head(r->under, key, out, err);
	while (again(r, rc, &attempt));
	return rc;
}

/* Somebody's object is there; was it our put whose reply was lost? */
static int whose(struct store *store, const char *key, mr_str bytes, struct mr_error *err)
{
	struct mr_buf there = {0};
	int rc = retry_get(store, key, 0, bytes.len + 1, &there, err);
	if (rc == 0 && !mr_str_eq(mr_buf_view(&there), bytes))
		rc = mr_fail(err, MR_ERR_EXISTS, "%s exists", key);
	mr_buf_release(&there);
	return rc;
}

static int retry_put(struct store *store, const char *key, mr_str bytes, bool if_absent, struct mr_error *err)
{
	struct retry_store *r = retry(store);
	int attempt = 0, rc;
	bool unknown = false;
	do {
		rc = r->under->ops->put(r->under, key, bytes, if_absent, err);
		unknown |= rc == MR_ERR_UNAVAILABLE || rc == MR_ERR_TIMEOUT;
	} while (again(r, rc, &attempt));
	if (if_absent && unknown && rc == MR_ERR_EXISTS)
		return whose(store, key, bytes, err);
	/* The last reply was lost too: what is there now says more than that. */
	if (if_absent && unknown && rc < 0 && whose(store, key, bytes, NULL) == 0)
		return 0;
	return rc;
}

static int retry_upload(struct store *store, const char *key, struct mr_disk *from, const char *path,
			struct mr_error *err)
{
	struct retry_store *r = retry(store);
	int attempt = 0, rc;
	do
		rc = store_upload(r->under, key, from, path, err);
	while (again(r, rc, &attempt));
	return rc;
}

/* A listing that breaks off goes on behind the last key that was told. */
struct told {
	store_list_fn fn;
	void *arg;
	char *last;
	bool ended;
};

static int tell(void *arg, mr_str key, const struct store_info *info)
{
	struct told *told = arg;
	free(told->last);
	told->last = mr_strndup(key);
	int rc = told->fn(told->arg, key, info);
	told->ended = rc != 0;
	return rc;
}

static int retry_list(struct store *store, const char *prefix, const char *after, store_list_fn fn, void *arg,
		      struct mr_error *err)
{
	struct retry_store *r = retry(store);
	struct told told = {fn, arg, after ? mr_strdup(after) : NULL, false};
	int attempt = 0, rc;
	do {
		char *behind = told.last ? mr_strdup(told.last) : NULL;
		rc = store_list(r->under, prefix, behind, tell, &told, err);
		free(behind);
	} while (!told.ended && again(r, rc, &attempt));
	free(told.last);
	return rc;
}

static int retry_remove(struct store *store, const char *key, struct mr_error *err)
{
	struct retry_store *r = retry(store);
	int attempt = 0, rc;
	do
		rc = store_remove(r->under, key, err);
	while (again(r, rc, &attempt));
	return rc;
}

static void retry_free(struct store *store)
{
	store_free(retry(store)->under);
	free(retry(store));
}

static const struct store_ops retry_ops = {
    .get = retry_get,
    .head = retry_head,
    .put = retry_put,
    .upload = retry_upload,
    .list = retry_list,
    .remove = retry_remove,
    .free = retry_free,
};

struct store *store_retry_new(struct store *under, struct mr_rng *rng, const struct store_patience *patience)
{
	struct retry_store *store = mr_alloc(sizeof *store);
	*store = (struct retry_store){{&retry_ops}, under, rng, *patience};
	return &store->base;
}
