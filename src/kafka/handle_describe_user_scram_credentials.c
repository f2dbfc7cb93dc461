/* DescribeUserScramCredentials (50), version 0: which mechanisms each user has, never his keys. */
#include "kafka/handle_acls.h"
#include "kafka/handler.h"

static void put_user(struct request *r, const struct auth_user *user, struct describe_scram_result *out)
{
	out->user = user->name;
	request_array(r, &out->credential_infos, 2);
	out->credential_infos.count = 0;
	for (int hash = SCRAM_SHA_256; hash <= SCRAM_SHA_512; hash++) {
		if (user->iterations[hash])
			out->credential_infos.items[out->credential_infos.count++] =
			    (struct describe_scram_info){(int8_t)hash, user->iterations[hash]};
	}
}

static void put_named(struct request *r, const struct auth_user *users, size_t count, mr_str name,
		      struct describe_scram_result *out)
{
	for (size_t i = 0; i < count; i++) {
		if (mr_str_eq(users[i].name, name)) {
			put_user(r, &users[i], out);
			return;
		}
	}
	out->user = name;
	out->error_code = request_code(r, KE_RESOURCE_NOT_FOUND);
	out->error_message = MR_STR("there is no such user");
}

enum step describe_user_scram_credentials_step(struct request *r)
{
	const struct describe_user_scram_credentials_request *in = r->in;
	struct describe_user_scram_credentials_response *out = r->out;
	out->error_code = acls_refused(r, ACL_DESCRIBE, &out->error_message);
	if (out->error_code != KE_NONE)
		return STEP_DONE;
	struct auth_user *users;
	size_t count = auth_users(request_core(r)->auth, &r->arena, &users);
	bool all = in->users.count <= 0;
	request_array(r, &out->results, all ? count : (size_t)in->users.count);
	for (int32_t i = 0; i < out->results.count; i++) {
		if (all)
			put_user(r, &users[i], &out->results.items[i]);
		else
			put_named(r, users, count, in->users.items[i].name, &out->results.items[i]);
	}
	return STEP_DONE;
}
