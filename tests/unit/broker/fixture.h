/* tests/unit/broker/fixture.h - a broker over a real log in a fresh folder. */
#pragma once

#include "test.h"

#include "base/mem.h"
#include "broker/broker.h"
#include "codec/jsonschema.h"

#include <stdlib.h>

struct fixture {
	struct log_store *store;
	struct broker *broker;
	struct mr_error err;
};

#define EVENT_SCHEMA \
	"{\"type\":\"object\",\"required\":[\"n\"],\"properties\":{\"n\":{\"type\":\"integer\"}}}"

void fixture_open(struct fixture *f, size_t pending_bytes_max, bool manual);
void fixture_open_env(struct fixture *f, const struct env *env, size_t pending_bytes_max, bool manual);
/* What the folder holds, dynamic configurations too. */
void fixture_open_folder(struct fixture *f, const char *folder);
void fixture_close(struct fixture *f);
struct log_topic *fixture_topic(struct fixture *f, const char *name, int32_t partitions, const char *schema,
				enum on_invalid on_invalid);
/* Every stable record of a partition, as "offset key=value{header:value,...};" text. */
void fixture_read(struct fixture *f, const char *topic, int32_t partition, struct mr_buf *out);
/* A batch of values; NULL is a null value. */
void fixture_batch(struct batch_writer *w, const char *const *values, size_t count, enum batch_codec codec,
		   mr_str *wire);
