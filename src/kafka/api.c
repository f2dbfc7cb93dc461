#include "kafka/handler.h"

#define API(key, name, member, min, max, flexible) \
	[API_##name] = { \
	    key,          min, max, flexible, #name, &member##_request_schema, &member##_response_schema, \
	    member##_step},
const struct api kafka_apis[API_COUNT] = {
#include "kafka/api.def"
};
#undef API

const struct api *kafka_api_find(int16_t key)
{
	for (size_t i = 0; i < API_COUNT; i++) {
		if (kafka_apis[i].key == key)
			return &kafka_apis[i];
	}
	return NULL;
}
