/* SaslHandshake (17), versions 0-1: names the mechanism of the exchange that follows.
 *
 * After version 1 the tokens come in SaslAuthenticate requests, after version 0 as bare frames.
 * A connection may begin again, which is how a client shows who it is a second time.
 */
#include "kafka/handler.h"
#include "kafka/security.h"

enum step sasl_handshake_step(struct request *r)
{
	const struct sasl_handshake_request *in = r->in;
	struct sasl_handshake_response *out = r->out;
	struct conn *conn = r->conn;
	request_array(r, &out->mechanisms, SASL_MECHANISMS);
	for (int i = 0; i < SASL_MECHANISMS; i++)
		out->mechanisms.items[i] = mr_str_from(sasl_mechanism_name(i));
	int mechanism = sasl_mechanism_of(in->mechanism);
	if (mechanism < 0 || !conn->core->auth) {
		out->error_code = request_code(r, KE_UNSUPPORTED_SASL_MECHANISM);
		return STEP_DONE;
	}
	sasl_free(conn->identity.sasl);
	conn->identity.sasl = NULL;
	conn->identity.mechanism = mechanism;
	conn->identity.raw = r->header.version == 0;
	return STEP_DONE;
}
