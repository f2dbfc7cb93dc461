/* DeleteAcls (31), versions 1-3: removes what each filter matches, and says what that was. Durable
 * when answered. */
#include "kafka/handle_acls.h"
#include "kafka/handler.h"

static void delete_matches(struct request *r, const struct describe_acls_request *in,
			   struct delete_acls_result *out)
{
	struct acl filter, *acls;
	size_t count;
	struct mr_error err;
	acls_filter(in, &filter);
	int rc = auth_acls(request_core(r)->auth, &filter, true, &r->arena, &acls, &count, &err);
	if (rc < 0) {
		out->error_code = request_code(r, kafka_error_of(rc, ON_TOPIC));
		out->error_message = arena_copy(&r->arena, mr_str_from(err.message));
		return;
	}
	request_array(r, &out->matching_acls, count);
	for (size_t i = 0; i < count; i++) {
		out->matching_acls.items[i] = (struct delete_acls_match){
		    .resource_type = acls[i].resource,
		    .resource_name = acls[i].name,
		    .pattern_type = acls[i].pattern,
		    .principal = acls[i].principal,
		    .host = acls[i].host,
		    .operation = acls[i].operation,
		    .permission_type = acls[i].permission,
		};
	}
}

enum step delete_acls_step(struct request *r)
{
	const struct delete_acls_request *in = r->in;
	struct delete_acls_response *out = r->out;
	struct delete_acls_result refusal = {0};
	refusal.error_code = acls_refused(r, ACL_ALTER, &refusal.error_message);
	request_array(r, &out->filter_results, in->filters.count);
	for (int32_t i = 0; i < in->filters.count; i++) {
		out->filter_results.items[i] = refusal;
		if (refusal.error_code == KE_NONE)
			delete_matches(r, &in->filters.items[i], &out->filter_results.items[i]);
	}
	return STEP_DONE;
}
