/* auth/quota.h - how many bytes a second a client may produce and consume.
 *
 * Quotas are set for a user, a client id, or both, by name or as the default of those without
 * one of their own; the most specific wins, in Kafka's order. What is over the rate is not
 * refused: the client is told how long it is throttled, and its connection is not read that long.
 *
 * A bucket a quota and client holds one second's worth of bytes. It may be overdrawn by one
 * request, and the time until it is level again is the throttle time.
 *
 * Pure: the time is the caller's. Not locked: auth/auth.h does that.
 */
#pragma once

#include "base/error.h"
#include "base/map.h"
#include "base/types.h"
#include "base/vec.h"

enum quota_key { QUOTA_PRODUCE, QUOTA_CONSUME, QUOTA_KEYS };

#define QUOTA_THROTTLE_MS_MAX 30000

/* Part of an entity: absent, the default, or one name. */
enum quota_part { QUOTA_ABSENT, QUOTA_DEFAULT, QUOTA_NAMED };
struct quota_entity {
	enum quota_part user_part, client_part;
	mr_str user, client; /* of QUOTA_NAMED */
};

struct quota {
	struct quota_entity entity; /* texts owned by the set */
	double rate[QUOTA_KEYS];    /* bytes a second; 0: not set */
};

struct quota_set {
	MR_VEC(struct quota) items;
	struct mr_map buckets;
};

void quota_set_release(struct quota_set *set);

/* "producer_byte_rate"; and back, -1 for what is no key. */
const char *quota_key_name(enum quota_key key);
int quota_key_of(mr_str name);

/* rate 0 removes it. MR_ERR_INVALID for an entity without parts or a rate that is no rate. */
MR_NODISCARD int quota_put(struct quota_set *set, const struct quota_entity *entity, enum quota_key key,
			   double rate, struct mr_error *err);
bool quota_entity_same(const struct quota_entity *a, const struct quota_entity *b);

/* Takes `bytes` from the client's bucket; returns for how many milliseconds it is throttled. */
int32_t quota_take(struct quota_set *set, enum quota_key key, mr_str user, mr_str client, size_t bytes,
		   int64_t now_us);
