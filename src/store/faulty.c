/* store/faulty.c - a store whose requests fail before or after their effect, from a seed. */
#include "base/mem.h"
#include "store/store.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct faulty_store {
	struct store base;
	struct store *under;
	struct store_faults faults;
	pthread_mutex_t lock;
	struct mr_rng rng; /* under the lock */
};

enum fate { FATE_WELL, FATE_BEFORE, FATE_LOST, FATE_BUSY };

static struct faulty_store *faulty(struct store *store)
{
	return MR_CONTAINER_OF(store, struct faulty_store, base);
}

static enum fate draw(struct faulty_store *f)
{
	const struct store_faults *odds = &f->faults;
	pthread_mutex_lock(&f->lock);
	uint64_t n = rng_below(&f->rng, 1000);
	pthread_mutex_unlock(&f->lock);
	return n < odds->before                             ? FATE_BEFORE
	       : n < odds->before + odds->lost              ? FATE_LOST
	       : n < odds->before + odds->lost + odds->busy ? FATE_BUSY
							    : FATE_WELL;
}

static int refuse(const char *key, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_UNAVAILABLE, "%s: the connection broke (on purpose)", key);
}

/* What the caller hears of a request that was made. */
static int reply(enum fate fate, int rc, const char *key, struct mr_error *err)
{
	return fate == FATE_LOST ? refuse(key, err) : rc;
}

static int faulty_get(struct store *store, const char *key, int64_t at, size_t limit, struct mr_buf *out,
		      struct mr_error *err)
{
	enum fate fate = draw(faulty(store));
	if (fate == FATE_BEFORE)
		return refuse(key, err);
	return reply(fate, store_get(faulty(store)->under, key, at, limit, out, err), key, err);
}

static int faulty_head(struct store *store, const char *key, struct store_info *out, struct mr_error *err)
{
	enum fate fate = draw(faulty(store));
	if (fate == FATE_BEFORE)
		return refuse(key, err);
	return reply(fate, store_head(faulty(store)->under, key, out, err), key, err);
}

static int faulty_put(struct store *store, const char *key, mr_str bytes, bool if_absent,
		      struct mr_error *err)
{
	struct store *under = faulty(store)->under;
	enum fate fate = draw(faulty(store));
	if (fate == FATE_BEFORE)
		return refuse(key, err);
	if (fate == FATE_BUSY && if_absent)
		return mr_fail(err, MR_ERR_BUSY, "%s: another conditional put is under way (on purpose)",
			       key);
	return reply(fate, under->ops->put(under, key, bytes, if_absent, err), key, err);
}

static int faulty_upload(struct store *store, const char *key, struct mr_disk *from, const char *path,
			 struct mr_error *err)
{
	enum fate fate = draw(faulty(store));
	if (fate == FATE_BEFORE)
		return refuse(key, err);
	return reply(fate, store_upload(faulty(store)->under, key, from, path, err), key, err);
}

struct cut {
	struct faulty_store *faulty;
	store_list_fn fn;
	void *arg;
	bool broke;
};

static int pass_on(void *arg, mr_str key, const struct store_info *info)
{
	struct cut *cut = arg;
	cut->broke = draw(cut->faulty) == FATE_BEFORE;
	return cut->broke ? 1 : cut->fn(cut->arg, key, info);
}

static int faulty_list(struct store *store, const char *prefix, const char *after, store_list_fn fn,
		       void *arg, struct mr_error *err)
{
	struct cut cut = {faulty(store), fn, arg, false};
	int64_t us = faulty(store)->faults.slow_us;
	nanosleep(&(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000}, NULL);
	int rc = store_list(faulty(store)->under, prefix, after, pass_on, &cut, err);
	return cut.broke ? refuse(prefix, err) : rc;
}

static int faulty_remove(struct store *store, const char *key, struct mr_error *err)
{
	enum fate fate = draw(faulty(store));
	if (fate == FATE_BEFORE)
		return refuse(key, err);
	return reply(fate, store_remove(faulty(store)->under, key, err), key, err);
}

static void faulty_free(struct store *store)
{
	store_free(faulty(store)->under);
	pthread_mutex_destroy(&faulty(store)->lock);
	free(faulty(store));
}

static const struct store_ops faulty_ops = {
    .get = faulty_get,
    .head = faulty_head,
    .put = faulty_put,
    .upload = faulty_upload,
    .list = faulty_list,
    .remove = faulty_remove,
    .free = faulty_free,
};

struct store *store_faulty_new(struct store *under, uint64_t seed, const struct store_faults *faults)
{
	struct faulty_store *store = mr_calloc(1, sizeof *store);
	store->base.ops = &faulty_ops;
	store->under = under;
	store->faults = *faults;
	pthread_mutex_init(&store->lock, NULL);
	rng_seed(&store->rng, seed);
	return &store->base;
}
