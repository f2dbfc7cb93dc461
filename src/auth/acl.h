/* auth/acl.h - who may do what: Kafka's access control lists.
 *
 * A binding allows or denies one principal ("User:alice", "User:*") from one host ("*") one
 * operation on the resources of a pattern: one name, all ("*"), or those with a prefix. A denial
 * that matches wins over every allowance; without an allowance the answer is no.
 *
 * The numbers are those of Kafka's protocol (AclOperation, ResourceType, PatternType,
 * AclPermissionType), so nothing is translated on the way in or out.
 *
 * Not locked: auth/auth.h does that.
 */
#pragma once

#include "base/error.h"
#include "base/map.h"
#include "base/types.h"
#include "base/vec.h"

enum acl_resource {
	ACL_RESOURCE_ANY = 1,
	ACL_TOPIC,
	ACL_GROUP,
	ACL_CLUSTER, /* its one name is ACL_CLUSTER_NAME */
	ACL_TRANSACTIONAL_ID,
	ACL_DELEGATION_TOKEN,
	ACL_USER,
	ACL_RESOURCES
};
#define ACL_CLUSTER_NAME MR_STR("kafka-cluster")

enum acl_pattern { ACL_PATTERN_ANY = 1, ACL_MATCH, ACL_LITERAL, ACL_PREFIXED };

enum acl_operation {
	ACL_OPERATION_ANY = 1,
	ACL_ALL,
	ACL_READ,
	ACL_WRITE,
	ACL_CREATE,
	ACL_DELETE,
	ACL_ALTER,
	ACL_DESCRIBE,
	ACL_CLUSTER_ACTION,
	ACL_DESCRIBE_CONFIGS,
	ACL_ALTER_CONFIGS,
	ACL_IDEMPOTENT_WRITE,
	ACL_CREATE_TOKENS,
	ACL_DESCRIBE_TOKENS,
	ACL_TWO_PHASE_COMMIT,
	ACL_OPERATIONS
};

enum acl_permission { ACL_PERMISSION_ANY = 1, ACL_DENY, ACL_ALLOW };

struct acl {
	int8_t resource, pattern, operation, permission;
	mr_str name;
	mr_str principal;
	mr_str host;
};

/* A filter is an acl whose numbers may be ANY, whose pattern may be MATCH (every pattern that
 * applies to the name) and whose texts may be null (any). */

struct acl_set {
	MR_VEC(struct acl) items; /* each with a block of its own for the texts */
	struct mr_map index;      /* resource, pattern and name -> struct acl_list */
	size_t prefixed;
};

void acl_set_release(struct acl_set *set);

/* Is this a binding that can be made? MR_ERR_INVALID says what is wrong with it. */
MR_NODISCARD int acl_check(const struct acl *acl, struct mr_error *err);
/* Copied. False when it was there already. */
bool acl_add(struct acl_set *set, const struct acl *acl);
bool acl_matches(const struct acl *acl, const struct acl *filter);
/* Removes what the filter matches; says how many. */
size_t acl_remove(struct acl_set *set, const struct acl *filter);

bool acl_allows(const struct acl_set *set, mr_str principal, mr_str host, enum acl_operation operation,
		enum acl_resource resource, mr_str name);
/* Is there any binding on this resource, whomever it names? */
bool acl_found(const struct acl_set *set, enum acl_resource resource, mr_str name);
/* Is there any resource of this type on which he may? */
bool acl_allows_some(const struct acl_set *set, mr_str principal, mr_str host, enum acl_operation operation,
		     enum acl_resource resource);

/* "TOPIC", "DESCRIBE_CONFIGS", "PREFIXED", "ALLOW": Kafka's names; NULL out of range. And back: 0. */
const char *acl_resource_name(int value);
const char *acl_operation_name(int value);
const char *acl_pattern_name(int value);
const char *acl_permission_name(int value);
int8_t acl_resource_of(mr_str name);
int8_t acl_operation_of(mr_str name);
int8_t acl_pattern_of(mr_str name);
int8_t acl_permission_of(mr_str name);

/* The operations that make sense for a resource type, as the bits that Metadata, DescribeGroups and
 * DescribeCluster report (1 << operation). */
uint32_t acl_operations_of(enum acl_resource resource);
