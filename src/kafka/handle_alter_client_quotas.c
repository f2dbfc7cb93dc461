/* AlterClientQuotas (49), versions 0-1: sets and removes byte rates. Durable when answered.
 *
 * Served are producer_byte_rate and consumer_byte_rate of users and client ids; other keys and
 * ip entities are refused by name, since a quota without effect must not look as if it had one.
 */
#include "kafka/handler.h"
#include "kafka/security.h"

static int read_entity(const struct alter_client_quotas_entry *in, struct quota_entity *out,
		       struct mr_error *err)
{
	*out = (struct quota_entity){0};
	for (int32_t i = 0; i < in->entity.count; i++) {
		const struct client_quotas_entity *part = &in->entity.items[i];
		enum quota_part kind = part->entity_name.ptr ? QUOTA_NAMED : QUOTA_DEFAULT;
		if (mr_str_is(part->entity_type, "user")) {
			out->user_part = kind;
			out->user = part->entity_name;
		} else if (mr_str_is(part->entity_type, "client-id")) {
			out->client_part = kind;
			out->client = part->entity_name;
		} else {
			return mr_fail(err, MR_ERR_INVALID, "quotas are for user and client-id, not '%.*s'",
				       MR_FMT(part->entity_type));
		}
	}
	return 0;
}

static int check_op(const struct alter_client_quotas_op *op, struct mr_error *err)
{
	if (quota_key_of(op->key) < 0)
		return mr_fail(err, MR_ERR_INVALID,
			       "quota '%.*s' is not served: producer_byte_rate and consumer_byte_rate are",
			       MR_FMT(op->key));
	if (!op->remove && !(op->value >= 1))
		return mr_fail(err, MR_ERR_INVALID, "%.*s must be at least one byte a second",
			       MR_FMT(op->key));
	return 0;
}

static int alter_one(struct request *r, const struct alter_client_quotas_entry *in, bool validate_only,
		     struct mr_error *err)
{
	struct quota_entity entity;
	int rc = read_entity(in, &entity, err);
	for (int32_t i = 0; rc == 0 && i < in->ops.count; i++)
		rc = check_op(&in->ops.items[i], err);
	for (int32_t i = 0; rc == 0 && !validate_only && i < in->ops.count; i++) {
		const struct alter_client_quotas_op *op = &in->ops.items[i];
		rc = auth_quota_put(request_core(r)->auth, &entity, (enum quota_key)quota_key_of(op->key),
				    op->remove ? 0 : op->value, err);
	}
	return rc;
}

enum step alter_client_quotas_step(struct request *r)
{
	const struct alter_client_quotas_request *in = r->in;
	struct alter_client_quotas_response *out = r->out;
	bool may = request_core(r)->auth && request_may_cluster(r, ACL_ALTER_CONFIGS);
	request_array(r, &out->entries, in->entries.count);
	for (int32_t i = 0; i < in->entries.count; i++) {
		struct alter_client_quotas_result *result = &out->entries.items[i];
		struct mr_error err;
		result->entity.items = in->entries.items[i].entity.items;
		result->entity.count = in->entries.items[i].entity.count;
		int rc = may ? alter_one(r, &in->entries.items[i], in->validate_only, &err)
			     : mr_fail(&err, MR_ERR_INVALID, "the cluster's ACLs do not allow that");
		if (rc == 0)
			continue;
		int16_t code = !may                   ? KE_CLUSTER_AUTHORIZATION_FAILED
			       : rc == MR_ERR_INVALID ? KE_INVALID_REQUEST
						      : kafka_error_of(rc, ON_TOPIC);
		result->error_code = request_code(r, code);
		result->error_message = arena_copy(&r->arena, mr_str_from(err.message));
	}
	return STEP_DONE;
}
