/* FindCoordinator (10), versions 0-6: this node, for groups, for transactions and (from version 6, for who
 * may act on the cluster) for the states of share groups alike.
 *
 * Asking for a coordinator makes its internal topic when there is none yet, as with Kafka. A share group's
 * state is named "group:topic id:partition".
 */
#include "kafka/group_request.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1, KEY_SHARE = 2, FIRST_WITH_SHARES = 6 };

#define TOPIC_ID_LENGTH 22 /* base64 without padding */

/* A group's name may hold colons: it ends before the last two. */
static bool is_share_key(mr_str key)
{
	size_t digits = 0;
	while (digits < key.len && key.ptr[key.len - 1 - digits] >= '0' &&
	       key.ptr[key.len - 1 - digits] <= '9')
		digits++;
	size_t after_group = 1 + TOPIC_ID_LENGTH + 1 + digits;
	if (digits == 0 || digits > 10 || key.len <= after_group)
		return false;
	const char *id = key.ptr + key.len - after_group;
	return id[0] == ':' && id[1 + TOPIC_ID_LENGTH] == ':' && !memchr(id + 1, ':', TOPIC_ID_LENGTH);
}

static int16_t check_share(struct request *r, mr_str key)
{
	if (r->header.version < FIRST_WITH_SHARES || !is_share_key(key))
		return KE_INVALID_REQUEST;
	return request_may_cluster(r, ACL_CLUSTER_ACTION) ? KE_NONE : KE_CLUSTER_AUTHORIZATION_FAILED;
}

static struct find_coordinator_reply find(struct request *r, int8_t key_type, mr_str key)
{
	struct mr_error err;
	struct find_coordinator_reply found = {
	    .node_id = KAFKA_NODE_ID,
	    .host = conn_broker_host(r->conn),
	    .port = conn_broker_port(r->conn),
	    .error_message = MR_STR_NULL,
	};
	struct find_coordinator_reply none = {.node_id = -1, .host = MR_STR(""), .port = -1};
	if (key_type == KEY_SHARE) {
		none.error_code = check_share(r, key);
		return none.error_code == KE_NONE ? found : none;
	}
	if (key_type != KEY_GROUP && key_type != KEY_TRANSACTION) {
		none.error_code = KE_INVALID_REQUEST;
		none.error_message = MR_STR("key_type is 0 (group), 1 (transaction) or 2 (share)");
		return none;
	}
	if (key_type == KEY_GROUP && !request_may_group(r, ACL_DESCRIBE, key)) {
		none.error_code = KE_GROUP_AUTHORIZATION_FAILED;
		return none;
	}
	if (key_type == KEY_GROUP && groups_prepare(request_core(r)->groups, &err) < 0) {
		none.error_code = KE_COORDINATOR_NOT_AVAILABLE;
		none.error_message = arena_copy(&r->arena, mr_str_from(err.message));
		return none;
	}
	if (key_type == KEY_TRANSACTION && txns_prepare(request_core(r)->txns, &err) < 0) {
		none.error_code = KE_COORDINATOR_NOT_AVAILABLE;
		none.error_message = arena_copy(&r->arena, mr_str_from(err.message));
		return none;
	}
	return found;
}

enum step find_coordinator_step(struct request *r)
{
	const struct find_coordinator_request *in = r->in;
	struct find_coordinator_response *out = r->out;
	int32_t count = in->coordinator_keys.count;
	request_array(r, &out->coordinators, count);
	for (int32_t i = 0; i < count; i++) {
		mr_str key = in->coordinator_keys.items[i];
		struct find_coordinator_reply *reply = &out->coordinators.items[i];
		*reply = find(r, in->key_type, key);
		reply->key = key;
		(void)request_code(r, reply->error_code);
	}
	if (r->header.version >= 4)
		return STEP_DONE;
	struct find_coordinator_reply found = find(r, in->key_type, in->key);
	out->error_code = request_code(r, found.error_code);
	out->error_message = found.error_message;
	out->node_id = found.node_id;
	out->host = found.host;
	out->port = found.port;
	return STEP_DONE;
}
