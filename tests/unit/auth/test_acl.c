#include "auth/acl.h"
#include "env/rng.h"
#include "test.h"

static struct acl binding(int permission, const char *principal, int operation, int pattern, const char *name)
{
	return (struct acl){ACL_TOPIC,         (int8_t)pattern,        (int8_t)operation, (int8_t)permission,
			    mr_str_from(name), mr_str_from(principal), MR_STR("*")};
}

static bool may(const struct acl_set *set, const char *principal, int operation, const char *topic)
{
	return acl_allows(set, mr_str_from(principal), MR_STR("127.0.0.1"), operation, ACL_TOPIC,
			  mr_str_from(topic));
}

static void add(struct acl_set *set, struct acl acl)
{
	struct mr_error err;
	CHECK_OK(acl_check(&acl, &err), err);
	CHECK(acl_add(set, &acl));
	CHECK(!acl_add(set, &acl));
}

TEST(acl_decides_as_kafka_does)
{
	struct acl_set set = {0};
	CHECK(!may(&set, "User:a", ACL_READ, "t"));
	add(&set, binding(ACL_ALLOW, "User:a", ACL_READ, ACL_LITERAL, "t"));
	CHECK(may(&set, "User:a", ACL_READ, "t"));
	CHECK(may(&set, "User:a", ACL_DESCRIBE, "t")); /* implied */
	CHECK(!may(&set, "User:a", ACL_WRITE, "t"));
	CHECK(!may(&set, "User:a", ACL_READ, "tt"));
	CHECK(!may(&set, "User:b", ACL_READ, "t"));
	add(&set, binding(ACL_ALLOW, "User:*", ACL_ALL, ACL_PREFIXED, "app-"));
	CHECK(may(&set, "User:b", ACL_ALTER_CONFIGS, "app-1"));
	CHECK(!may(&set, "User:b", ACL_READ, "app"));
	add(&set, binding(ACL_DENY, "User:b", ACL_READ, ACL_LITERAL, "*"));
	CHECK(!may(&set, "User:b", ACL_READ, "app-1"));
	CHECK(may(&set, "User:b", ACL_DESCRIBE, "app-1")); /* a denial implies nothing */
	CHECK(may(&set, "User:c", ACL_READ, "app-1"));
	add(&set, binding(ACL_DENY, "User:*", ACL_ALL, ACL_PREFIXED, "app-secret"));
	CHECK(!may(&set, "User:c", ACL_READ, "app-secrets"));
	struct acl all_denials = {ACL_RESOURCE_ANY, ACL_PATTERN_ANY, ACL_OPERATION_ANY, ACL_DENY,
				  MR_STR_NULL,      MR_STR_NULL,     MR_STR_NULL};
	CHECK_INT(acl_remove(&set, &all_denials), 2);
	CHECK(may(&set, "User:b", ACL_READ, "app-1"));
	CHECK(acl_allows_some(&set, MR_STR("User:z"), MR_STR("h"), ACL_WRITE, ACL_TOPIC));
	CHECK(!acl_allows_some(&set, MR_STR("User:z"), MR_STR("h"), ACL_READ, ACL_GROUP));
	acl_set_release(&set);
}

TEST(acl_hosts)
{
	struct acl_set set = {0};
	struct acl acl = binding(ACL_ALLOW, "User:a", ACL_READ, ACL_LITERAL, "t");
	acl.host = MR_STR("10.0.0.1");
	add(&set, acl);
	CHECK(!may(&set, "User:a", ACL_READ, "t"));
	CHECK(acl_allows(&set, MR_STR("User:a"), MR_STR("10.0.0.1"), ACL_READ, ACL_TOPIC, MR_STR("t")));
	acl_set_release(&set);
}

TEST(acl_filters)
{
	struct acl literal = binding(ACL_ALLOW, "User:a", ACL_READ, ACL_LITERAL, "foo");
	struct acl all = binding(ACL_ALLOW, "User:a", ACL_READ, ACL_LITERAL, "*");
	struct acl prefixed = binding(ACL_ALLOW, "User:a", ACL_READ, ACL_PREFIXED, "fo");
	struct acl filter = {ACL_TOPIC,     ACL_MATCH,   ACL_OPERATION_ANY, ACL_PERMISSION_ANY,
			     MR_STR("foo"), MR_STR_NULL, MR_STR_NULL};
	CHECK(acl_matches(&literal, &filter) && acl_matches(&all, &filter) &&
	      acl_matches(&prefixed, &filter));
	filter.name = MR_STR("bar");
	CHECK(!acl_matches(&literal, &filter) && acl_matches(&all, &filter) &&
	      !acl_matches(&prefixed, &filter));
	filter.name = MR_STR("fo");
	filter.pattern = ACL_LITERAL;
	CHECK(!acl_matches(&prefixed, &filter));
	filter.pattern = ACL_PATTERN_ANY;
	CHECK(acl_matches(&prefixed, &filter) && !acl_matches(&literal, &filter));
	filter.principal = MR_STR("User:b");
	CHECK(!acl_matches(&prefixed, &filter));
}

TEST(acl_bindings_that_cannot_be)
{
	struct acl acl = binding(ACL_ALLOW, "User:a", ACL_READ, ACL_LITERAL, "t");
	CHECK_INT(acl_check(&acl, NULL), 0);
	struct acl bad[] = {acl, acl, acl, acl, acl, acl, acl};
	bad[0].resource = ACL_RESOURCE_ANY;
	bad[1].pattern = ACL_MATCH;
	bad[2].operation = ACL_CLUSTER_ACTION; /* goes with the cluster only */
	bad[3].permission = ACL_PERMISSION_ANY;
	bad[4].name = MR_STR("");
	bad[5].principal = MR_STR("alice");
	bad[6].resource = ACL_CLUSTER;
	for (size_t i = 0; i < MR_COUNT(bad); i++)
		CHECK_INT(acl_check(&bad[i], NULL), MR_ERR_INVALID);
}

/* The index against a look at every binding. */
static bool plainly(const struct acl_set *set, mr_str principal, int operation, mr_str name)
{
	bool allowed = false;
	for (size_t i = 0; i < set->items.len; i++) {
		const struct acl *a = &set->items.items[i];
		bool named = a->pattern == ACL_PREFIXED ? mr_str_starts(name, a->name)
							: mr_str_eq(name, a->name) || mr_str_is(a->name, "*");
		if (!named || (!mr_str_eq(a->principal, principal) && !mr_str_is(a->principal, "User:*")))
			continue;
		if (a->permission == ACL_DENY && (a->operation == operation || a->operation == ACL_ALL))
			return false;
		allowed |=
		    a->permission == ACL_ALLOW && (a->operation == operation || a->operation == ACL_ALL);
	}
	return allowed;
}

TEST(acl_index_agrees_with_a_plain_search)
{
	static const char *const names[] = {"a", "ab", "abc", "b", "*"};
	static const char *const principals[] = {"User:x", "User:y", "User:*"};
	static const int operations[] = {ACL_READ, ACL_WRITE, ACL_ALL};
	struct mr_rng rng;
	rng_seed(&rng, 42);
	for (int round = 0; round < 300; round++) {
		struct acl_set set = {0};
		for (uint64_t n = rng_below(&rng, 8); n > 0; n--) {
			struct acl acl =
			    binding(ACL_DENY + (int)(rng_below(&rng, 3) > 0), principals[rng_below(&rng, 3)],
				    operations[rng_below(&rng, 3)], ACL_LITERAL + (int)rng_below(&rng, 2),
				    names[rng_below(&rng, 5)]);
			acl_add(&set, &acl);
			if (rng_below(&rng, 5) == 0)
				acl_remove(&set, &acl);
		}
		for (size_t p = 0; p < 2; p++) {
			for (size_t n = 0; n < 4; n++) {
				mr_str name = mr_str_from(names[n]), who = mr_str_from(principals[p]);
				CHECK_INT(may(&set, principals[p], ACL_READ, names[n]),
					  plainly(&set, who, ACL_READ, name));
				CHECK_INT(may(&set, principals[p], ACL_WRITE, names[n]),
					  plainly(&set, who, ACL_WRITE, name));
			}
		}
		acl_set_release(&set);
	}
}
