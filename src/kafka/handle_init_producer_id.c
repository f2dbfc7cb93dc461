/* InitProducerId (22), versions 0-5: a fresh producer id for an idempotent producer.
 *
 * Each call gives a new id at epoch 0, also when the client names the one it had: its old
 * sequence numbers then count for nothing, which is what it asks for. Transactions are not
 * served: a transactional id gets TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which clients treat
 * as final instead of trying again.
 */
#include "kafka/handler.h"

enum step init_producer_id_step(struct request *r)
{
	const struct init_producer_id_request *in = r->in;
	struct init_producer_id_response *out = r->out;
	out->producer_epoch = -1;
	if (in->transactional_id.ptr) {
		out->error_code = request_code(r, KE_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
		return STEP_DONE;
	}
	int64_t id;
	int rc = log_next_producer_id(request_core(r)->store, &id, NULL);
	if (rc < 0) {
		out->error_code = request_code(r, kafka_error_of(rc, ON_TOPIC));
		return STEP_DONE;
	}
	out->producer_id = id;
	out->producer_epoch = 0;
	return STEP_DONE;
}
