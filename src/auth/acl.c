#include "auth/acl.h"

#include <stdio.h>
#include <strings.h>

/* The bindings of one pattern: indices would move when others are removed, so the index is made
 * anew by a removal, which is rare. */
struct acl_list {
	MR_VEC(size_t) at;
};

/* ---- names ---- */

static const char *const resource_names[] = {
    "UNKNOWN", "ANY", "TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID", "DELEGATION_TOKEN", "USER"};
static const char *const pattern_names[] = {"UNKNOWN", "ANY", "MATCH", "LITERAL", "PREFIXED"};
static const char *const operation_names[] = {"UNKNOWN",
					      "ANY",
					      "ALL",
					      "READ",
					      "WRITE",
					      "CREATE",
					      "DELETE",
					      "ALTER",
					      "DESCRIBE",
					      "CLUSTER_ACTION",
					      "DESCRIBE_CONFIGS",
					      "ALTER_CONFIGS",
					      "IDEMPOTENT_WRITE",
					      "CREATE_TOKENS",
					      "DESCRIBE_TOKENS",
					      "TWO_PHASE_COMMIT"};
static const char *const permission_names[] = {"UNKNOWN", "ANY", "DENY", "ALLOW"};

static const char *name_at(const char *const *names, size_t count, int value)
{
	return value >= 0 && (size_t)value < count ? names[value] : NULL;
}

static int8_t value_of(const char *const *names, size_t count, mr_str name)
{
	for (size_t i = 1; i < count; i++) {
		if (strlen(names[i]) == name.len && strncasecmp(names[i], name.ptr, name.len) == 0)
			return (int8_t)i;
	}
	return 0;
}

#define NAMED(what) \
	const char *acl_##what##_name(int value) \
	{ \
		return name_at(what##_names, MR_COUNT(what##_names), value); \
	} \
	int8_t acl_##what##_of(mr_str name) \
	{ \
		return value_of(what##_names, MR_COUNT(what##_names), name); \
	}
NAMED(resource)
NAMED(operation)
NAMED(pattern)
NAMED(permission)

#define BIT(operation) (1u << (operation))

static const uint32_t operations_of[ACL_RESOURCES] = {
    [ACL_TOPIC] = BIT(ACL_READ) | BIT(ACL_WRITE) | BIT(ACL_CREATE) | BIT(ACL_DELETE) | BIT(ACL_ALTER) |
		  BIT(ACL_DESCRIBE) | BIT(ACL_DESCRIBE_CONFIGS) | BIT(ACL_ALTER_CONFIGS),
    [ACL_GROUP] = BIT(ACL_READ) | BIT(ACL_DELETE) | BIT(ACL_DESCRIBE) | BIT(ACL_DESCRIBE_CONFIGS) |
		  BIT(ACL_ALTER_CONFIGS),
    [ACL_CLUSTER] = BIT(ACL_CREATE) | BIT(ACL_ALTER) | BIT(ACL_DESCRIBE) | BIT(ACL_CLUSTER_ACTION) |
		    BIT(ACL_DESCRIBE_CONFIGS) | BIT(ACL_ALTER_CONFIGS) | BIT(ACL_IDEMPOTENT_WRITE),
    [ACL_TRANSACTIONAL_ID] = BIT(ACL_WRITE) | BIT(ACL_DESCRIBE) | BIT(ACL_TWO_PHASE_COMMIT),
    [ACL_DELEGATION_TOKEN] = BIT(ACL_DESCRIBE),
    [ACL_USER] = BIT(ACL_CREATE_TOKENS) | BIT(ACL_DESCRIBE_TOKENS),
};

uint32_t acl_operations_of(enum acl_resource resource)
{
	return operations_of[resource];
}

/* ---- the set ---- */

#define KEY_MAX 600

static mr_str key_of(char key[KEY_MAX], int resource, int pattern, mr_str name)
{
	key[0] = (char)resource;
	key[1] = (char)pattern;
	size_t len = mr_min_size(name.len, KEY_MAX - 2);
	memcpy(key + 2, name.ptr, len);
	return mr_str_n(key, len + 2);
}

static void index_add(struct acl_set *set, size_t at)
{
	const struct acl *acl = &set->items.items[at];
	char key[KEY_MAX];
	mr_str k = key_of(key, acl->resource, acl->pattern, acl->name);
	struct acl_list *list = mr_map_get(&set->index, k);
	if (!list) {
		list = mr_calloc(1, sizeof *list);
		mr_map_put(&set->index, k, list);
	}
	mr_vec_push(&list->at, at);
	set->prefixed += acl->pattern == ACL_PREFIXED;
}

static void index_clear(struct acl_set *set)
{
	mr_map_each (&set->index, entry) {
		struct acl_list *list = entry->value;
		mr_vec_release(&list->at);
		free(list);
	}
	mr_map_release(&set->index);
	set->prefixed = 0;
}

void acl_set_release(struct acl_set *set)
{
	index_clear(set);
	for (size_t i = 0; i < set->items.len; i++)
		free((char *)set->items.items[i].name.ptr);
	mr_vec_release(&set->items);
}

int acl_check(const struct acl *acl, struct mr_error *err)
{
	if (acl->resource < ACL_TOPIC || acl->resource >= ACL_RESOURCES)
		return mr_fail(err, MR_ERR_INVALID, "resource type %d cannot have an ACL", acl->resource);
	if (acl->pattern != ACL_LITERAL && acl->pattern != ACL_PREFIXED)
		return mr_fail(err, MR_ERR_INVALID, "an ACL's pattern is literal or prefixed, not %d",
			       acl->pattern);
	if (acl->permission != ACL_ALLOW && acl->permission != ACL_DENY)
		return mr_fail(err, MR_ERR_INVALID, "an ACL allows or denies, this one says %d",
			       acl->permission);
	if (acl->operation < ACL_ALL || acl->operation >= ACL_OPERATIONS ||
	    (acl->operation != ACL_ALL && !(acl_operations_of(acl->resource) & BIT(acl->operation))))
		return mr_fail(err, MR_ERR_INVALID, "operation %d does not go with a %s", acl->operation,
			       acl_resource_name(acl->resource));
	if (acl->name.len == 0 || acl->name.len > KEY_MAX - 2)
		return mr_fail(err, MR_ERR_INVALID, "a resource's name has 1 to %d bytes", KEY_MAX - 2);
	if (acl->resource == ACL_CLUSTER && !mr_str_eq(acl->name, ACL_CLUSTER_NAME))
		return mr_fail(err, MR_ERR_INVALID, "the cluster's resource name is 'kafka-cluster'");
	if (!mr_str_starts(acl->principal, MR_STR("User:")) || acl->principal.len > 512)
		return mr_fail(err, MR_ERR_INVALID, "principal '%.*s' is not User:NAME",
			       MR_FMT(acl->principal));
	if (acl->host.len == 0 || acl->host.len > 255)
		return mr_fail(err, MR_ERR_INVALID, "an ACL's host is '*' or an address");
	return 0;
}

static bool same(const struct acl *a, const struct acl *b)
{
	return a->resource == b->resource && a->pattern == b->pattern && a->operation == b->operation &&
	       a->permission == b->permission && mr_str_eq(a->name, b->name) &&
	       mr_str_eq(a->principal, b->principal) && mr_str_eq(a->host, b->host);
}

static struct acl_list *list_of(const struct acl_set *set, int resource, int pattern, mr_str name)
{
	char key[KEY_MAX];
	return mr_map_get(&set->index, key_of(key, resource, pattern, name));
}

static char *place(char *at, mr_str *text)
{
	memcpy(at, text->ptr, text->len);
	*text = mr_str_n(at, text->len);
	return at + text->len;
}

bool acl_add(struct acl_set *set, const struct acl *acl)
{
	struct acl_list *list = list_of(set, acl->resource, acl->pattern, acl->name);
	for (size_t i = 0; list && i < list->at.len; i++) {
		if (same(&set->items.items[list->at.items[i]], acl))
			return false;
	}
	struct acl copy = *acl;
	char *at = mr_alloc(acl->name.len + acl->principal.len + acl->host.len + 1);
	at = place(at, &copy.name);
	at = place(at, &copy.principal);
	place(at, &copy.host);
	mr_vec_push(&set->items, copy);
	index_add(set, set->items.len - 1);
	return true;
}

static bool number_matches(int8_t value, int8_t wanted)
{
	return wanted == 1 || value == wanted; /* 1 is ANY in each of the four */
}

static bool name_matches(const struct acl *acl, const struct acl *filter)
{
	if (filter->pattern != ACL_MATCH)
		return number_matches(acl->pattern, filter->pattern) &&
		       (!filter->name.ptr || mr_str_eq(acl->name, filter->name));
	if (!filter->name.ptr)
		return true;
	if (acl->pattern == ACL_PREFIXED)
		return mr_str_starts(filter->name, acl->name);
	return mr_str_eq(acl->name, filter->name) || mr_str_is(acl->name, "*");
}

bool acl_matches(const struct acl *acl, const struct acl *filter)
{
	return number_matches(acl->resource, filter->resource) && name_matches(acl, filter) &&
	       number_matches(acl->operation, filter->operation) &&
	       number_matches(acl->permission, filter->permission) &&
	       (!filter->principal.ptr || mr_str_eq(acl->principal, filter->principal)) &&
	       (!filter->host.ptr || mr_str_eq(acl->host, filter->host));
}

size_t acl_remove(struct acl_set *set, const struct acl *filter)
{
	size_t kept = 0, removed;
	for (size_t i = 0; i < set->items.len; i++) {
		struct acl *acl = &set->items.items[i];
		if (acl_matches(acl, filter))
			free((char *)acl->name.ptr);
		else
			set->items.items[kept++] = *acl;
	}
	removed = set->items.len - kept;
	if (removed == 0)
		return 0;
	set->items.len = kept;
	index_clear(set);
	for (size_t i = 0; i < kept; i++)
		index_add(set, i);
	return removed;
}

/* ---- decisions ---- */

struct question {
	mr_str principal, host;
	uint32_t allowing; /* an allowance of one of these operations is enough */
	uint32_t denying;
};

static struct question question_of(mr_str principal, mr_str host, enum acl_operation operation)
{
	/* Who may read, write, delete or alter a thing may also see that it is there (Kafka's rule). */
	static const uint32_t implied_by[ACL_OPERATIONS] = {
	    [ACL_DESCRIBE] = BIT(ACL_READ) | BIT(ACL_WRITE) | BIT(ACL_DELETE) | BIT(ACL_ALTER),
	    [ACL_DESCRIBE_CONFIGS] = BIT(ACL_ALTER_CONFIGS),
	};
	uint32_t exactly = BIT(operation) | BIT(ACL_ALL);
	return (struct question){principal, host, exactly | implied_by[operation], exactly};
}

static bool concerns(const struct acl *acl, const struct question *q)
{
	return (mr_str_eq(acl->principal, q->principal) || mr_str_is(acl->principal, "User:*")) &&
	       (mr_str_is(acl->host, "*") || mr_str_eq(acl->host, q->host));
}

enum verdict { SILENT, ALLOWED, DENIED };

static enum verdict ask_list(const struct acl_set *set, const struct acl_list *list, const struct question *q)
{
	enum verdict verdict = SILENT;
	for (size_t i = 0; list && i < list->at.len; i++) {
		const struct acl *acl = &set->items.items[list->at.items[i]];
		if (!concerns(acl, q))
			continue;
		if (acl->permission == ACL_DENY && q->denying & BIT(acl->operation))
			return DENIED;
		if (acl->permission == ACL_ALLOW && q->allowing & BIT(acl->operation))
			verdict = ALLOWED;
	}
	return verdict;
}

bool acl_allows(const struct acl_set *set, mr_str principal, mr_str host, enum acl_operation operation,
		enum acl_resource resource, mr_str name)
{
	struct question q = question_of(principal, host, operation);
	enum verdict exact = ask_list(set, list_of(set, resource, ACL_LITERAL, name), &q);
	enum verdict all = ask_list(set, list_of(set, resource, ACL_LITERAL, MR_STR("*")), &q);
	bool allowed = exact == ALLOWED || all == ALLOWED, denied = exact == DENIED || all == DENIED;
	for (size_t len = 1; set->prefixed && !denied && len <= name.len; len++) {
		enum verdict v =
		    ask_list(set, list_of(set, resource, ACL_PREFIXED, mr_str_n(name.ptr, len)), &q);
		allowed |= v == ALLOWED;
		denied |= v == DENIED;
	}
	return allowed && !denied;
}

bool acl_found(const struct acl_set *set, enum acl_resource resource, mr_str name)
{
	bool found =
	    list_of(set, resource, ACL_LITERAL, name) || list_of(set, resource, ACL_LITERAL, MR_STR("*"));
	for (size_t len = 1; set->prefixed && !found && len <= name.len; len++)
		found = list_of(set, resource, ACL_PREFIXED, mr_str_n(name.ptr, len)) != NULL;
	return found;
}

bool acl_allows_some(const struct acl_set *set, mr_str principal, mr_str host, enum acl_operation operation,
		     enum acl_resource resource)
{
	struct question q = question_of(principal, host, operation);
	for (size_t i = 0; i < set->items.len; i++) {
		const struct acl *acl = &set->items.items[i];
		if (acl->resource != (int)resource || acl->permission != ACL_ALLOW || !concerns(acl, &q) ||
		    !(q.allowing & BIT(acl->operation)))
			continue;
		/* What is allowed here may be denied by a wider pattern; its own name decides. */
		if (acl_allows(set, principal, host, operation, resource, acl->name))
			return true;
	}
	return false;
}
