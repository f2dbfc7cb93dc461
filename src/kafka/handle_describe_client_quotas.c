/* DescribeClientQuotas (48), versions 0-1: the quotas whose entity fits every component asked for;
 * `strict` leaves out those with a part that was not asked for. An ip entity has none. */
#include "kafka/handler.h"
#include "kafka/security.h"

enum match { MATCH_EXACT, MATCH_DEFAULT, MATCH_SPECIFIED };

static bool part_fits(enum quota_part part, mr_str name, const struct describe_client_quotas_component *c)
{
	switch (c->match_type) {
	case MATCH_EXACT:
		return part == QUOTA_NAMED && mr_str_eq(name, c->match);
	case MATCH_DEFAULT:
		return part == QUOTA_DEFAULT;
	default:
		return part != QUOTA_ABSENT;
	}
}

static bool fits(const struct quota *quota, const struct describe_client_quotas_request *in)
{
	bool user = false, client = false;
	for (int32_t i = 0; i < in->components.count; i++) {
		const struct describe_client_quotas_component *c = &in->components.items[i];
		bool of_user = mr_str_is(c->entity_type, "user");
		if (!of_user && !mr_str_is(c->entity_type, "client-id"))
			return false;
		if (of_user ? !part_fits(quota->entity.user_part, quota->entity.user, c)
			    : !part_fits(quota->entity.client_part, quota->entity.client, c))
			return false;
		*(of_user ? &user : &client) = true;
	}
	return !in->strict || ((user || quota->entity.user_part == QUOTA_ABSENT) &&
			       (client || quota->entity.client_part == QUOTA_ABSENT));
}

static void put_part(struct describe_client_quotas_entry *out, const char *type, enum quota_part part,
		     mr_str name)
{
	if (part != QUOTA_ABSENT)
		out->entity.items[out->entity.count++] = (struct client_quotas_entity){
		    mr_str_from(type), part == QUOTA_NAMED ? name : MR_STR_NULL};
}

static void put_quota(struct request *r, const struct quota *quota, struct describe_client_quotas_entry *out)
{
	request_array(r, &out->entity, 2);
	out->entity.count = 0;
	put_part(out, "user", quota->entity.user_part, quota->entity.user);
	put_part(out, "client-id", quota->entity.client_part, quota->entity.client);
	request_array(r, &out->values, QUOTA_KEYS);
	out->values.count = 0;
	for (int key = 0; key < QUOTA_KEYS; key++) {
		if (quota->rate[key] > 0)
			out->values.items[out->values.count++] =
			    (struct client_quotas_value){mr_str_from(quota_key_name(key)), quota->rate[key]};
	}
}

enum step describe_client_quotas_step(struct request *r)
{
	const struct describe_client_quotas_request *in = r->in;
	struct describe_client_quotas_response *out = r->out;
	struct auth *auth = request_core(r)->auth;
	if (!request_may_cluster(r, ACL_DESCRIBE_CONFIGS)) {
		out->error_code = request_code(r, KE_CLUSTER_AUTHORIZATION_FAILED);
		out->error_message = MR_STR("the cluster's ACLs do not allow that");
		out->entries.count = -1;
		return STEP_DONE;
	}
	struct quota *quotas = NULL;
	size_t count = auth ? auth_quotas(auth, &r->arena, &quotas) : 0;
	request_array(r, &out->entries, count);
	out->entries.count = 0;
	for (size_t i = 0; i < count; i++) {
		if (fits(&quotas[i], in))
			put_quota(r, &quotas[i], &out->entries.items[out->entries.count++]);
	}
	return STEP_DONE;
}
