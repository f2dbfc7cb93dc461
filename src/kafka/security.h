/* kafka/security.h - who asks, what he may do, and how fast: auth/ as the handlers see it. */
#pragma once

#include "kafka/core.h"

/* The name that ACLs and quotas are looked up by. */
mr_str conn_user(const struct conn *conn);

/* True when the broker has no users. */
bool request_may(const struct request *r, enum acl_operation operation, enum acl_resource resource,
		 mr_str name);
bool request_may_some(const struct request *r, enum acl_operation operation, enum acl_resource resource);

static inline bool request_may_topic(const struct request *r, enum acl_operation operation, mr_str topic)
{
	return request_may(r, operation, ACL_TOPIC, topic);
}

static inline bool request_may_cluster(const struct request *r, enum acl_operation operation)
{
	return request_may(r, operation, ACL_CLUSTER, ACL_CLUSTER_NAME);
}

/* What the fields authorized_operations carry: bits, or INT32_MIN when they were not asked for. */
int32_t request_operations(const struct request *r, bool asked, enum acl_resource resource, mr_str name);

/* Bytes that were produced or are to be consumed: returns throttle_time_ms, and mutes the connection
 * for that long. */
int32_t request_throttle(struct request *r, enum quota_key key, size_t bytes);

/* One token of the exchange that a handshake began. Returns a Kafka error code; on KE_NONE the
 * reply was appended. A failure says why in *err. */
int16_t conn_sasl_token(struct conn *conn, mr_str token, struct mr_buf *reply, struct mr_error *err);

void conn_identity_release(struct conn *conn);
