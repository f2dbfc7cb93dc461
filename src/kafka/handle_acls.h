/* kafka/handle_acls.h - what the three ACL handlers share. */
#pragma once

#include "kafka/security.h"

#include <stdlib.h>

/* KE_NONE when the caller may look at (ACL_DESCRIBE) or change (ACL_ALTER) ACLs and users. */
static inline int16_t acls_refused(struct request *r, enum acl_operation operation, mr_str *message)
{
	if (!request_core(r)->auth) {
		*message = MR_STR("this broker keeps no users");
		return request_code(r, KE_SECURITY_DISABLED);
	}
	if (request_may_cluster(r, operation))
		return KE_NONE;
	*message = MR_STR("the cluster's ACLs do not allow that");
	return request_code(r, KE_CLUSTER_AUTHORIZATION_FAILED);
}

static inline void acls_filter(const struct describe_acls_request *in, struct acl *out)
{
	*out = (struct acl){
	    .resource = in->resource_type_filter,
	    .pattern = in->pattern_type_filter,
	    .operation = in->operation,
	    .permission = in->permission_type,
	    .name = in->resource_name_filter,
	    .principal = in->principal_filter,
	    .host = in->host_filter,
	};
}
