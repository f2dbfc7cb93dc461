/* SaslAuthenticate (36), versions 0-2: one token of the exchange, and the one that answers it.
 *
 * A failure is answered after a tenth of a second, so that passwords cannot be tried out at
 * speed, and ends the connection. There is no limit to a session's life: session_lifetime_ms is 0.
 */
#include "kafka/handler.h"
#include "kafka/security.h"

#define FAILURE_DELAY_US 100000

enum step sasl_authenticate_step(struct request *r)
{
	const struct sasl_authenticate_request *in = r->in;
	struct sasl_authenticate_response *out = r->out;
	if (r->expired) {
		r->conn->broken = true;
		return STEP_DONE;
	}
	struct mr_error err;
	struct mr_buf reply = {0};
	out->error_code = request_code(r, conn_sasl_token(r->conn, in->auth_bytes, &reply, &err));
	out->auth_bytes = arena_copy(&r->arena, mr_buf_view(&reply));
	mr_buf_release(&reply);
	if (out->error_code == KE_NONE)
		return STEP_DONE;
	out->error_message = arena_copy(&r->arena, mr_str_from(err.message));
	request_deadline(r, FAILURE_DELAY_US);
	return STEP_WAIT;
}
