/* FindCoordinator (10), versions 0-6: refused, by name of what is missing.
 *
 * Groups get COORDINATOR_NOT_AVAILABLE; transactional ids get
 * TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which ends a transactional producer at once.
 */
#include "kafka/handler.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1 };

enum step find_coordinator_step(struct request *r)
{
	const struct find_coordinator_request *in = r->in;
	struct find_coordinator_response *out = r->out;
	struct find_coordinator_reply refusal = {
	    .key = in->key,
	    .node_id = -1,
	    .host = MR_STR(""),
	    .port = -1,
	    .error_code = KE_COORDINATOR_NOT_AVAILABLE,
	    .error_message = MR_STR("consumer groups are not served; assign partitions instead"),
	};
	if (in->key_type == KEY_TRANSACTION) {
		refusal.error_code = KE_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
		refusal.error_message = MR_STR("transactions are not served; the idempotent producer is");
	} else if (in->key_type != KEY_GROUP) {
		refusal.error_code = KE_INVALID_REQUEST;
		refusal.error_message = MR_STR("key_type is 0 (group) or 1 (transaction)");
	}
	out->error_code = request_code(r, refusal.error_code);
	out->error_message = refusal.error_message;
	out->node_id = refusal.node_id;
	out->port = refusal.port;
	request_array(r, &out->coordinators, in->coordinator_keys.count);
	for (int32_t i = 0; i < in->coordinator_keys.count; i++) {
		out->coordinators.items[i] = refusal;
		out->coordinators.items[i].key = in->coordinator_keys.items[i];
	}
	return STEP_DONE;
}
