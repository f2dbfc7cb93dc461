#include "kafka/security.h"

mr_str conn_user(const struct conn *conn)
{
	return conn->identity.user.len ? mr_buf_view(&conn->identity.user) : AUTH_ANONYMOUS;
}

bool request_may(const struct request *r, enum acl_operation operation, enum acl_resource resource,
		 mr_str name)
{
	const struct conn *conn = r->conn;
	struct auth *auth = conn->core->auth;
	return !auth || auth_may(auth, conn_user(conn), mr_str_from(conn->peer), operation, resource, name);
}

bool request_may_some(const struct request *r, enum acl_operation operation, enum acl_resource resource)
{
	const struct conn *conn = r->conn;
	struct auth *auth = conn->core->auth;
	return !auth || auth_may_some(auth, conn_user(conn), mr_str_from(conn->peer), operation, resource);
}

int32_t request_operations(const struct request *r, bool asked, enum acl_resource resource, mr_str name)
{
	if (!asked)
		return INT32_MIN;
	const struct conn *conn = r->conn;
	struct auth *auth = conn->core->auth;
	if (!auth)
		return (int32_t)acl_operations_of(resource);
	return (int32_t)auth_operations(auth, conn_user(conn), mr_str_from(conn->peer), resource, name);
}

int32_t request_throttle(struct request *r, enum quota_key key, size_t bytes)
{
	struct conn *conn = r->conn;
	if (!conn->core->auth)
		return 0;
	int32_t ms = auth_throttle_ms(conn->core->auth, key, conn_user(conn), r->header.client_id, bytes);
	if (ms > 0) {
		int64_t until = clock_mono_us(conn->core->env->clock) + ms * INT64_C(1000);
		conn->muted_until_us = mr_max_i64(conn->muted_until_us, until);
	}
	return ms;
}

int16_t conn_sasl_token(struct conn *conn, mr_str token, struct mr_buf *reply, struct mr_error *err)
{
	if (conn->identity.mechanism < 0) {
		mr_fail(err, MR_ERR_INVALID, "SaslAuthenticate comes after SaslHandshake");
		return KE_ILLEGAL_SASL_STATE;
	}
	if (!conn->identity.sasl)
		conn->identity.sasl =
		    sasl_new(conn->core->auth, (enum sasl_mechanism)conn->identity.mechanism);
	int rc = sasl_step(conn->identity.sasl, token, reply, err);
	if (rc == SASL_MORE)
		return KE_NONE;
	if (rc == 0) {
		mr_buf_clear(&conn->identity.user);
		mr_buf_str(&conn->identity.user, sasl_user(conn->identity.sasl));
	}
	sasl_free(conn->identity.sasl);
	conn->identity.sasl = NULL;
	conn->identity.mechanism = -1;
	conn->identity.raw = false;
	return rc == 0 ? KE_NONE : KE_SASL_AUTHENTICATION_FAILED;
}

void conn_identity_release(struct conn *conn)
{
	sasl_free(conn->identity.sasl);
	mr_buf_release(&conn->identity.user);
}
