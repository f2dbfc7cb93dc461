#include "auth/sasl.h"

#include <stdlib.h>

struct sasl {
	struct auth *auth;
	enum sasl_mechanism mechanism;
	bool challenged, done;
	struct scram_exchange scram;
	struct mr_buf user;
};

static const struct {
	const char *name;
	enum scram_hash hash; /* 0: PLAIN */
} mechanisms[SASL_MECHANISMS] = {
    [SASL_PLAIN] = {"PLAIN", 0},
    [SASL_SCRAM_SHA_256] = {"SCRAM-SHA-256", SCRAM_SHA_256},
    [SASL_SCRAM_SHA_512] = {"SCRAM-SHA-512", SCRAM_SHA_512},
};

const char *sasl_mechanism_name(enum sasl_mechanism mechanism)
{
	return mechanisms[mechanism].name;
}

int sasl_mechanism_of(mr_str name)
{
	for (int i = 0; i < SASL_MECHANISMS; i++) {
		if (mr_str_is(name, mechanisms[i].name))
			return i;
	}
	return -1;
}

struct sasl *sasl_new(struct auth *auth, enum sasl_mechanism mechanism)
{
	struct sasl *sasl = mr_calloc(1, sizeof *sasl);
	sasl->auth = auth;
	sasl->mechanism = mechanism;
	scram_exchange_init(&sasl->scram, mechanisms[mechanism].hash);
	return sasl;
}

void sasl_free(struct sasl *sasl)
{
	if (!sasl)
		return;
	scram_exchange_release(&sasl->scram);
	mr_buf_release(&sasl->user);
	free(sasl);
}

mr_str sasl_user(const struct sasl *sasl)
{
	return mr_buf_view(&sasl->user);
}

/* [authzid] NUL authcid NUL password */
static int step_plain(struct sasl *sasl, mr_str token, struct mr_buf *reply, struct mr_error *err)
{
	(void)reply;
	const char *first = memchr(token.ptr, 0, token.len);
	mr_str rest = first ? mr_str_tail(token, (size_t)(first - token.ptr) + 1) : MR_STR_NULL;
	const char *second = first ? memchr(rest.ptr, 0, rest.len) : NULL;
	if (!second)
		return mr_fail(err, MR_ERR_INVALID, "PLAIN: not [name] NUL name NUL password");
	mr_str authzid = mr_str_n(token.ptr, (size_t)(first - token.ptr));
	mr_str name = mr_str_n(rest.ptr, (size_t)(second - rest.ptr));
	mr_str password = mr_str_tail(rest, name.len + 1);
	if (authzid.len && !mr_str_eq(authzid, name))
		return mr_fail(err, MR_ERR_INVALID, "PLAIN: nobody may act for another user");
	int rc = auth_check_password(sasl->auth, name, password, err);
	if (rc == 0)
		mr_buf_str(&sasl->user, name);
	return rc;
}

static int step_scram(struct sasl *sasl, mr_str token, struct mr_buf *reply, struct mr_error *err)
{
	struct scram_exchange *scram = &sasl->scram;
	if (sasl->challenged) {
		int rc = scram_final(scram, token, reply, err);
		if (rc == 0)
			mr_buf_str(&sasl->user, mr_buf_view(&scram->user));
		return rc;
	}
	int rc = scram_first(scram, token, err);
	if (rc < 0)
		return rc;
	struct scram_credential credential;
	bool known = auth_credential(sasl->auth, mr_buf_view(&scram->user), scram->hash, &credential);
	scram_challenge(scram, known ? &credential : NULL, auth_secret(sasl->auth), auth_rng(sasl->auth),
			reply);
	sasl->challenged = true;
	return SASL_MORE;
}

int sasl_step(struct sasl *sasl, mr_str token, struct mr_buf *reply, struct mr_error *err)
{
	if (sasl->done)
		return mr_fail(err, MR_ERR_INVALID, "the exchange is over");
	int rc = mechanisms[sasl->mechanism].hash ? step_scram(sasl, token, reply, err)
						  : step_plain(sasl, token, reply, err);
	sasl->done = rc != SASL_MORE;
	return rc;
}
