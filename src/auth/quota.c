#include "auth/quota.h"

#include <math.h>
#include <stdio.h>

#define NAME_MAX_BYTES 255
#define BUCKETS_MAX 10000

struct bucket {
	double level; /* bytes that may be taken now; negative when overdrawn */
	int64_t at_us;
};

static const char *const key_names[QUOTA_KEYS] = {"producer_byte_rate", "consumer_byte_rate"};

const char *quota_key_name(enum quota_key key)
{
	return key_names[key];
}

int quota_key_of(mr_str name)
{
	for (int i = 0; i < QUOTA_KEYS; i++) {
		if (mr_str_is(name, key_names[i]))
			return i;
	}
	return -1;
}

static void forget_buckets(struct quota_set *set)
{
	mr_map_each (&set->buckets, entry)
		free(entry->value);
	mr_map_release(&set->buckets);
}

static void entity_free(struct quota_entity *entity)
{
	free((char *)entity->user.ptr);
	free((char *)entity->client.ptr);
}

void quota_set_release(struct quota_set *set)
{
	for (size_t i = 0; i < set->items.len; i++)
		entity_free(&set->items.items[i].entity);
	mr_vec_release(&set->items);
	forget_buckets(set);
}

bool quota_entity_same(const struct quota_entity *a, const struct quota_entity *b)
{
	return a->user_part == b->user_part && a->client_part == b->client_part &&
	       (a->user_part != QUOTA_NAMED || mr_str_eq(a->user, b->user)) &&
	       (a->client_part != QUOTA_NAMED || mr_str_eq(a->client, b->client));
}

static struct quota *find(struct quota_set *set, const struct quota_entity *entity)
{
	for (size_t i = 0; i < set->items.len; i++) {
		if (quota_entity_same(&set->items.items[i].entity, entity))
			return &set->items.items[i];
	}
	return NULL;
}

static mr_str own(enum quota_part part, mr_str name)
{
	return part == QUOTA_NAMED ? mr_str_from(mr_strndup(name)) : MR_STR_NULL;
}

static void drop_if_empty(struct quota_set *set, struct quota *quota)
{
	for (int i = 0; i < QUOTA_KEYS; i++) {
		if (quota->rate[i] > 0)
			return;
	}
	entity_free(&quota->entity);
	mr_vec_remove(&set->items, (size_t)(quota - set->items.items));
}

int quota_put(struct quota_set *set, const struct quota_entity *entity, enum quota_key key, double rate,
	      struct mr_error *err)
{
	if (entity->user_part == QUOTA_ABSENT && entity->client_part == QUOTA_ABSENT)
		return mr_fail(err, MR_ERR_INVALID, "a quota is for a user, a client id or both");
	if (entity->user.len > NAME_MAX_BYTES || entity->client.len > NAME_MAX_BYTES)
		return mr_fail(err, MR_ERR_INVALID, "a quota's names have at most %d bytes", NAME_MAX_BYTES);
	if (!isfinite(rate) || rate < 0)
		return mr_fail(err, MR_ERR_INVALID, "%s is a number of bytes a second", quota_key_name(key));
	struct quota *quota = find(set, entity);
	if (!quota && rate == 0)
		return 0;
	if (!quota) {
		struct quota fresh = {.entity = *entity};
		fresh.entity.user = own(entity->user_part, entity->user);
		fresh.entity.client = own(entity->client_part, entity->client);
		mr_vec_push(&set->items, fresh);
		quota = &set->items.items[set->items.len - 1];
	}
	quota->rate[key] = rate;
	drop_if_empty(set, quota);
	forget_buckets(set); /* they were filled at the old rates */
	return 0;
}

/* Kafka's order of what a client with both names is under. */
static const struct {
	enum quota_part user, client;
} precedence[] = {
    {QUOTA_NAMED, QUOTA_NAMED},   {QUOTA_NAMED, QUOTA_DEFAULT},   {QUOTA_NAMED, QUOTA_ABSENT},
    {QUOTA_DEFAULT, QUOTA_NAMED}, {QUOTA_DEFAULT, QUOTA_DEFAULT}, {QUOTA_DEFAULT, QUOTA_ABSENT},
    {QUOTA_ABSENT, QUOTA_NAMED},  {QUOTA_ABSENT, QUOTA_DEFAULT},
};

static const struct quota *governing(struct quota_set *set, enum quota_key key, mr_str user, mr_str client)
{
	for (size_t i = 0; i < MR_COUNT(precedence); i++) {
		struct quota_entity entity = {precedence[i].user, precedence[i].client, user, client};
		const struct quota *quota = find(set, &entity);
		if (quota && quota->rate[key] > 0)
			return quota;
	}
	return NULL;
}

/* Everyone under a default has a bucket of his own; a part that the quota leaves out is shared. */
static struct bucket *bucket_of(struct quota_set *set, const struct quota *quota, enum quota_key key,
				mr_str user, mr_str client, int64_t now_us)
{
	char text[2 * NAME_MAX_BYTES + 64];
	bool by_user = quota->entity.user_part != QUOTA_ABSENT;
	bool by_client = quota->entity.client_part != QUOTA_ABSENT;
	int n = snprintf(text, sizeof text, "%d %d%d %.*s %.*s", (int)key, by_user, by_client,
			 by_user ? (int)mr_min_size(user.len, NAME_MAX_BYTES) : 0, user.ptr,
			 by_client ? (int)mr_min_size(client.len, NAME_MAX_BYTES) : 0, client.ptr);
	mr_str name = mr_str_n(text, mr_min_size((size_t)n, sizeof text - 1));
	struct bucket *bucket = mr_map_get(&set->buckets, name);
	if (bucket)
		return bucket;
	if (set->buckets.len >= BUCKETS_MAX)
		forget_buckets(set); /* client ids are the clients' to choose: no memory for all of them */
	bucket = mr_alloc(sizeof *bucket);
	*bucket = (struct bucket){quota->rate[key], now_us};
	mr_map_put(&set->buckets, name, bucket);
	return bucket;
}

int32_t quota_take(struct quota_set *set, enum quota_key key, mr_str user, mr_str client, size_t bytes,
		   int64_t now_us)
{
	if (set->items.len == 0)
		return 0;
	const struct quota *quota = governing(set, key, user, client);
	if (!quota)
		return 0;
	double rate = quota->rate[key];
	struct bucket *bucket = bucket_of(set, quota, key, user, client, now_us);
	double passed = (double)mr_max_i64(now_us - bucket->at_us, 0) / 1e6;
	bucket->level = fmin(bucket->level + passed * rate, rate) - (double)bytes;
	bucket->at_us = now_us;
	if (bucket->level >= 0)
		return 0;
	return (int32_t)fmin(ceil(-bucket->level / rate * 1000), QUOTA_THROTTLE_MS_MAX);
}
