/* AlterUserScramCredentials (51), version 0: sets and removes credentials; the password itself is
 * salted by the client and does not come here. Durable when answered. The first user that is made
 * becomes the super user (auth/auth.h). */
#include "kafka/handle_acls.h"
#include "kafka/handler.h"

static bool is_hash(int8_t mechanism)
{
	return mechanism == SCRAM_SHA_256 || mechanism == SCRAM_SHA_512;
}

static void put_result(struct request *r, mr_str user, int rc, const struct mr_error *err,
		       struct alter_scram_result *out)
{
	out->user = user;
	if (rc == 0)
		return;
	int16_t code = rc == MR_ERR_NOT_FOUND     ? KE_RESOURCE_NOT_FOUND
		       : rc == MR_ERR_UNSUPPORTED ? KE_UNSUPPORTED_SASL_MECHANISM
		       : rc == MR_ERR_INVALID     ? KE_UNACCEPTABLE_CREDENTIAL
						  : kafka_error_of(rc, ON_TOPIC);
	out->error_code = request_code(r, code);
	out->error_message = arena_copy(&r->arena, mr_str_from(err->message));
}

static int upsert(struct request *r, const struct alter_scram_upsertion *in, struct mr_error *err)
{
	if (!is_hash(in->mechanism))
		return mr_fail(err, MR_ERR_UNSUPPORTED, "SCRAM mechanism %d is not served", in->mechanism);
	struct scram_credential credential;
	int rc = scram_credential_from_salted(in->mechanism, in->salt, in->salted_password, in->iterations,
					      &credential, err);
	return rc < 0 ? rc
		      : auth_user_put_credential(request_core(r)->auth, in->name, in->mechanism, &credential,
						 err);
}

static int drop(struct request *r, const struct alter_scram_deletion *in, struct mr_error *err)
{
	if (!is_hash(in->mechanism))
		return mr_fail(err, MR_ERR_UNSUPPORTED, "SCRAM mechanism %d is not served", in->mechanism);
	return auth_user_drop_credential(request_core(r)->auth, in->name, in->mechanism, err);
}

enum step alter_user_scram_credentials_step(struct request *r)
{
	const struct alter_user_scram_credentials_request *in = r->in;
	struct alter_user_scram_credentials_response *out = r->out;
	mr_str refusal;
	int16_t refused = acls_refused(r, ACL_ALTER, &refusal);
	int32_t deletions = mr_max_i64(in->deletions.count, 0),
		upsertions = mr_max_i64(in->upsertions.count, 0);
	request_array(r, &out->results, deletions + upsertions);
	for (int32_t i = 0; i < out->results.count; i++) {
		struct mr_error err;
		struct alter_scram_result *result = &out->results.items[i];
		const struct alter_scram_deletion *d = i < deletions ? &in->deletions.items[i] : NULL;
		const struct alter_scram_upsertion *u = d ? NULL : &in->upsertions.items[i - deletions];
		mr_str user = d ? d->name : u->name;
		if (refused != KE_NONE) {
			*result = (struct alter_scram_result){user, refused, refusal};
			continue;
		}
		int rc = d ? drop(r, d, &err) : upsert(r, u, &err);
		put_result(r, user, rc, &err, result);
	}
	return STEP_DONE;
}
