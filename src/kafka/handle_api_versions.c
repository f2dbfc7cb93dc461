/* ApiVersions (18), versions 0-4: the ranges of kafka/api.def.
 *
 * A request of an unknown version has no decoded body and is answered in version 0 with
 * UNSUPPORTED_VERSION and the ranges, so that the client can try again (KIP-511).
 */
#include "kafka/handler.h"

/* KIP-584. Level 1 of groups: the consumer protocol (KIP-848). Of share groups 2: locks can be renewed
 * (KIP-1222). Of transactions 2: the epoch rises with each of them, and Produce adds its partitions by
 * itself (KIP-890). */
static const struct {
	const char *name;
	int16_t level;
} features[] = {{"group.version", 1}, {"share.version", 2}, {"transaction.version", 2}};

/* Versions before 4 do not allow a least version of 0. */
static void advertise_features(struct request *r, struct api_versions_response *out)
{
	int16_t least = r->header.version >= 4 ? 0 : 1;
	out->finalized_features_epoch = 0;
	request_array(r, &out->supported_features, MR_COUNT(features));
	request_array(r, &out->finalized_features, MR_COUNT(features));
	for (size_t i = 0; i < MR_COUNT(features); i++) {
		mr_str name = mr_str_from(features[i].name);
		int16_t level = features[i].level;
		out->supported_features.items[i] = (struct api_versions_supported){name, least, level};
		out->finalized_features.items[i] = (struct api_versions_finalized){name, level, level};
	}
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
