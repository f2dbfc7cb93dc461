/* CreateAcls (30), versions 1-3: each binding on its own; one that is there already is success.
 * Durable when answered. */
#include "kafka/handle_acls.h"
#include "kafka/handler.h"

static void create_one(struct request *r, const struct create_acls_creation *in,
		       struct create_acls_result *out)
{
	struct acl acl = {
	    .resource = in->resource_type,
	    .pattern = in->resource_pattern_type,
	    .operation = in->operation,
	    .permission = in->permission_type,
	    .name = in->resource_name,
	    .principal = in->principal,
	    .host = in->host,
	};
	struct mr_error err;
	int rc = auth_acl_add(request_core(r)->auth, &acl, &err);
	if (rc == 0)
		return;
	out->error_code =
	    request_code(r, rc == MR_ERR_INVALID ? KE_INVALID_REQUEST : kafka_error_of(rc, ON_TOPIC));
	out->error_message = arena_copy(&r->arena, mr_str_from(err.message));
}

enum step create_acls_step(struct request *r)
{
	const struct create_acls_request *in = r->in;
	struct create_acls_response *out = r->out;
	struct create_acls_result refusal = {0};
	refusal.error_code = acls_refused(r, ACL_ALTER, &refusal.error_message);
	request_array(r, &out->results, in->creations.count);
	for (int32_t i = 0; i < in->creations.count; i++) {
		out->results.items[i] = refusal;
		if (refusal.error_code == KE_NONE)
			create_one(r, &in->creations.items[i], &out->results.items[i]);
	}
	return STEP_DONE;
}
