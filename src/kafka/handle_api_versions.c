/* ApiVersions (18), versions 0-4: the ranges of kafka/api.def.
 *
 * A request of an unknown version has no decoded body and is answered in version 0 with
 * UNSUPPORTED_VERSION and the ranges, so that the client can try again (KIP-511).
 */
#include "kafka/handler.h"

#define TRANSACTION_VERSION 2

/* KIP-584. Level 2 of transactions: the epoch rises with each of them, and Produce adds its partitions
 * by itself (KIP-890). Versions before 4 do not allow a least version of 0. */
static void advertise_features(struct request *r, struct api_versions_response *out)
{
	const mr_str name = MR_STR("transaction.version");
	int16_t least = r->header.version >= 4 ? 0 : 1;
	out->finalized_features_epoch = 0;
	request_array(r, &out->supported_features, 1);
	out->supported_features.items[0] = (struct api_versions_supported){name, least, TRANSACTION_VERSION};
	request_array(r, &out->finalized_features, 1);
	out->finalized_features.items[0] =
	    (struct api_versions_finalized){name, TRANSACTION_VERSION, TRANSACTION_VERSION};
}

enum step api_versions_step(struct request *r)
{
	const struct api_versions_request *in = r->in;
	struct api_versions_response *out = r->out;
	if (in && r->header.version >= 3)
		conn_label_software(r->conn, in->client_software_name, in->client_software_version);
	out->error_code = r->in ? KE_NONE : KE_UNSUPPORTED_VERSION;
	request_array(r, &out->api_keys, API_COUNT);
	for (size_t i = 0; i < API_COUNT; i++) {
		out->api_keys.items[i] = (struct api_versions_range){
		    .api_key = kafka_apis[i].key,
		    .min_version = kafka_apis[i].min,
		    .max_version = kafka_apis[i].max,
		};
	}
	if (r->in)
		advertise_features(r, out);
	return STEP_DONE;
}
