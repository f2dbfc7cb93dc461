/* CreateTopics (19), versions 2-7. Durable when answered.
 *
 * -1 partitions and -1 replicas mean the defaults; one replica is all there can be. An
 * assignment is taken when it puts every partition on this broker. Configurations are the ones
 * in `config_keys`, with Kafka's names, plus `durability` (durable or relaxed); any other is
 * refused by name, since a setting that has no effect must not look as if it had.
 */
#include "kafka/handler.h"

#include <errno.h>
#include <stdlib.h>

enum config_kind { CONFIG_INT64, CONFIG_INT32, CONFIG_WORD };

struct config_key {
	const char *name;
	enum config_kind kind;
	size_t offset;        /* in struct log_topic_config */
	int64_t least;        /* of a number */
	const char *words[2]; /* of a word: what means 0 and what means 1; NULL: not allowed */
};

#define AT(member) offsetof(struct log_topic_config, member)
static const struct config_key config_keys[] = {
    {"retention.ms", CONFIG_INT64, AT(retention_ms), -1, {NULL, NULL}},
    {"retention.bytes", CONFIG_INT64, AT(retention_bytes), -1, {NULL, NULL}},
    {"segment.bytes", CONFIG_INT64, AT(segment_bytes), 1 << 20, {NULL, NULL}},
    {"segment.ms", CONFIG_INT64, AT(segment_ms), 1, {NULL, NULL}},
    {"max.message.bytes", CONFIG_INT32, AT(max_message_bytes), 0, {NULL, NULL}},
    {"message.timestamp.type", CONFIG_WORD, AT(log_append_time), 0, {"CreateTime", "LogAppendTime"}},
    {"durability", CONFIG_WORD, AT(durability), 0, {"durable", "relaxed"}},
    {"cleanup.policy", CONFIG_WORD, SIZE_MAX, 0, {"delete", NULL}},
    {"compression.type", CONFIG_WORD, SIZE_MAX, 0, {"producer", NULL}},
    {"min.insync.replicas", CONFIG_WORD, SIZE_MAX, 0, {"1", NULL}},
};

static bool parse_number(mr_str text, int64_t *out)
{
	char digits[24];
	if (text.len == 0 || text.len >= sizeof digits)
		return false;
	memcpy(digits, text.ptr, text.len);
	digits[text.len] = 0;
	char *end;
	errno = 0;
	long long v = strtoll(digits, &end, 10);
	if (errno || *end)
		return false;
	*out = v;
	return true;
}

static bool set_word(const struct config_key *key, mr_str value, char *config)
{
	for (int i = 0; i < 2; i++) {
		if (!key->words[i] || !mr_str_is(value, key->words[i]))
			continue;
		if (key->offset == AT(log_append_time))
			*(bool *)(config + key->offset) = i == 1;
		else if (key->offset == AT(durability))
			*(enum log_durability *)(config + key->offset) = i == 1 ? LOG_RELAXED : LOG_DURABLE;
		return true;
	}
	return false;
}

static bool set_config(const struct config_key *key, mr_str value, char *config)
{
	int64_t v;
	if (key->kind == CONFIG_WORD)
		return set_word(key, value, config);
	if (!parse_number(value, &v) || v < key->least || (key->kind == CONFIG_INT32 && v > INT32_MAX))
		return false;
	if (key->kind == CONFIG_INT32)
		*(int32_t *)(config + key->offset) = (int32_t)v;
	else
		*(int64_t *)(config + key->offset) = v;
	return true;
}

static const struct config_key *find_key(mr_str name)
{
	for (size_t i = 0; i < MR_COUNT(config_keys); i++) {
		if (mr_str_is(name, config_keys[i].name))
			return &config_keys[i];
	}
	return NULL;
}

/* KE_NONE, or the code and its message. */
static int16_t read_configs(struct request *r, const struct create_topics_topic *in,
			    struct log_topic_config *config, mr_str *message)
{
	for (int32_t i = 0; i < in->configs.count; i++) {
		const struct create_topics_config *c = &in->configs.items[i];
		const struct config_key *key = find_key(c->name);
		if (!key) {
			*message = arena_printf(&r->arena, "%.*s is not a configuration of topics here",
						MR_FMT(c->name));
			return KE_INVALID_CONFIG;
		}
		if (c->value.ptr && !set_config(key, c->value, (char *)config)) {
			*message =
			    arena_printf(&r->arena, "%s cannot be \"%.*s\"", key->name, MR_FMT(c->value));
			return KE_INVALID_CONFIG;
		}
	}
	return KE_NONE;
}

static int16_t read_assignments(const struct create_topics_topic *in, struct log_topic_config *config,
				mr_str *message)
{
	*message = MR_STR("an assignment names partitions 0, 1, ... in order, each on broker 1");
	if (in->num_partitions != -1 || in->replication_factor != -1 ||
	    in->assignments.count > LOG_PARTITIONS_MAX)
		return KE_INVALID_REQUEST;
	for (int32_t i = 0; i < in->assignments.count; i++) {
		const struct create_topics_assignment *a = &in->assignments.items[i];
		if (a->partition != i || a->broker_ids.count != 1 || a->broker_ids.items[0] != KAFKA_NODE_ID)
			return KE_INVALID_REPLICA_ASSIGNMENT;
	}
	config->partitions = in->assignments.count;
	return KE_NONE;
}

static int16_t read_layout(const struct create_topics_topic *in, struct log_topic_config *config,
			   mr_str *message)
{
	if (in->assignments.count > 0)
		return read_assignments(in, config, message);
	if (in->num_partitions != -1) {
		if (in->num_partitions < 1 || in->num_partitions > LOG_PARTITIONS_MAX) {
			*message = MR_STR("a topic has 1 to 10000 partitions");
			return KE_INVALID_PARTITIONS;
		}
		config->partitions = in->num_partitions;
	}
	if (in->replication_factor != -1 && in->replication_factor != 1) {
		*message = MR_STR("there is one broker: the replication factor is 1");
		return KE_INVALID_REPLICATION_FACTOR;
	}
	return KE_NONE;
}

static int16_t create(struct request *r, const struct create_topics_topic *in,
		      const struct log_topic_config *config, struct create_topics_reply *out)
{
	const struct create_topics_request *request = r->in;
	struct log_store *store = request_core(r)->store;
	struct mr_error err;
	struct log_topic *topic = NULL;
	int rc = broker_topic_name_check(in->name, &err);
	if (rc == 0 && request->validate_only && log_topic_find(store, in->name))
		rc = mr_fail(&err, MR_ERR_EXISTS, "topic %.*s exists already", MR_FMT(in->name));
	else if (rc == 0 && !request->validate_only)
		rc = log_topic_create(store, in->name, config, &topic, &err);
	if (rc < 0) {
		out->error_message = arena_copy(&r->arena, mr_str_from(err.message));
		return kafka_error_of(rc, ON_TOPIC);
	}
	if (topic)
		log_topic_id(topic, out->topic_id);
	out->num_partitions = config->partitions;
	out->replication_factor = 1;
	return KE_NONE;
}

enum step create_topics_step(struct request *r)
{
	const struct create_topics_request *in = r->in;
	struct create_topics_response *out = r->out;
	request_array(r, &out->topics, in->topics.count);
	for (int32_t i = 0; i < in->topics.count; i++) {
		const struct create_topics_topic *t = &in->topics.items[i];
		struct create_topics_reply *reply = &out->topics.items[i];
		struct log_topic_config config;
		log_topic_config_default(&config);
		*reply = (struct create_topics_reply){
		    .name = t->name,
		    .num_partitions = -1,
		    .replication_factor = -1,
		};
		int16_t code = read_layout(t, &config, &reply->error_message);
		if (code == KE_NONE) {
			reply->error_message = MR_STR_NULL;
			code = read_configs(r, t, &config, &reply->error_message);
		}
		if (code == KE_NONE)
			code = create(r, t, &config, reply);
		reply->error_code = request_code(r, code);
	}
	return STEP_DONE;
}
