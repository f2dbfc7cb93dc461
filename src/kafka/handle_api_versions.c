/* ApiVersions (18), versions 0-4: the ranges of kafka/api.def.
 *
 * A request of an unknown version has no decoded body and is answered in version 0 with
 * UNSUPPORTED_VERSION and the ranges, so that the client can try again (KIP-511).
 */
#include "kafka/handler.h"

enum step api_versions_step(struct request *r)
{
	struct api_versions_response *out = r->out;
	out->error_code = r->in ? KE_NONE : KE_UNSUPPORTED_VERSION;
	request_array(r, &out->api_keys, API_COUNT);
	for (size_t i = 0; i < API_COUNT; i++) {
		out->api_keys.items[i] = (struct api_versions_range){
		    .api_key = kafka_apis[i].key,
		    .min_version = kafka_apis[i].min,
		    .max_version = kafka_apis[i].max,
		};
	}
	return STEP_DONE;
}
