#include "broker/topic.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

int broker_new(const struct broker_options *options, struct broker **out, struct mr_error *err)
{
	struct broker *broker = mr_calloc(1, sizeof *broker);
	broker->env = options->env;
	broker->store = options->store;
	broker->auto_create = options->auto_create;
	broker->topic_default = options->topic_default;
	pthread_rwlock_init(&broker->lock, NULL);
	pthread_mutex_init(&broker->inspectors_lock, NULL);
	*out = broker;
	return 0;
}

static void contracts_free(struct contract *contract)
{
	while (contract) {
		struct contract *older = contract->older;
		json_schema_free(contract->schema);
		free(contract);
		contract = older;
	}
}

static void topic_free(struct broker_topic *topic)
{
	contracts_free(atomic_load(&topic->contract));
	pthread_mutex_destroy(&topic->lock);
	free(topic->name);
	free(topic->dead_name);
	free(topic);
}

static void inspector_free(struct inspector *inspector)
{
	json_parser_free(inspector->parser);
	batch_iter_release(&inspector->records);
	batch_writer_release(&inspector->valid);
	batch_writer_release(&inspector->dead);
	free(inspector);
}

void broker_free(struct broker *broker)
{
	if (!broker)
		return;
	mr_map_each (&broker->topics, entry)
		topic_free(entry->value);
	mr_map_release(&broker->topics);
	while (broker->inspectors) {
		struct inspector *inspector = broker->inspectors;
		broker->inspectors = inspector->next;
		inspector_free(inspector);
	}
	pthread_rwlock_destroy(&broker->lock);
	pthread_mutex_destroy(&broker->inspectors_lock);
	free(broker);
}

struct log_store *broker_store(struct broker *broker)
{
	return broker->store;
}

/* ---- topics ---- */

static struct broker_topic *topic_new(mr_str name)
{
	struct broker_topic *topic = mr_calloc(1, sizeof *topic);
	topic->name = mr_strndup(name);
	topic->dead_name = mr_asprintf("%s" DEAD_SUFFIX, topic->name);
	pthread_mutex_init(&topic->lock, NULL);
	return topic;
}

static struct broker_topic *topic_peek(struct broker *broker, mr_str name)
{
	pthread_rwlock_rdlock(&broker->lock);
	struct broker_topic *topic = mr_map_get(&broker->topics, name);
	pthread_rwlock_unlock(&broker->lock);
	return topic;
}

struct broker_topic *broker_topic_of(struct broker *broker, mr_str name)
{
	struct broker_topic *topic = topic_peek(broker, name);
	if (topic)
		return topic;
	pthread_rwlock_wrlock(&broker->lock);
	topic = mr_map_get(&broker->topics, name);
	if (!topic) {
		topic = topic_new(name);
		mr_map_put(&broker->topics, name, topic);
	}
	pthread_rwlock_unlock(&broker->lock);
	return topic;
}

int broker_topic_name_check(mr_str name, struct mr_error *err)
{
	bool legal =
	    name.len > 0 && name.len <= LOG_TOPIC_NAME_MAX && !mr_str_is(name, ".") && !mr_str_is(name, "..");
	for (size_t i = 0; legal && i < name.len; i++) {
		char c = name.ptr[i];
		bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';
		legal = letter || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
	}
	if (legal)
		return 0;
	mr_fail(err, MR_ERR_INVALID, "\"%.*s\" cannot be the name of a topic",
		(int)mr_min_size(name.len, LOG_TOPIC_NAME_MAX), name.ptr ? name.ptr : "");
	mr_hint(err, "use 1 to %d letters, digits, dots, underscores and hyphens", LOG_TOPIC_NAME_MAX);
	return MR_ERR_INVALID;
}

/* Another thread may create it in between: then that one is it. */
static int find_or_create(struct broker *broker, mr_str name, const struct log_topic_config *config,
			  struct log_topic **out, bool *created, struct mr_error *err)
{
	*created = false;
	for (int tries = 0; tries < 3; tries++) {
		struct log_topic *topic = log_topic_find(broker->store, name);
		if (topic) {
			*out = topic;
			return 0;
		}
		int rc = log_topic_create(broker->store, name, config, out, err);
		if (rc != MR_ERR_EXISTS) {
			*created = rc == 0;
			return rc;
		}
	}
	return mr_fail(err, MR_ERR_CONFLICT, "topic %.*s comes and goes", MR_FMT(name));
}

int broker_topic_get(struct broker *broker, mr_str name, bool may_create, struct log_topic **out,
		     struct mr_error *err)
{
	struct log_topic *topic = log_topic_find(broker->store, name);
	if (topic) {
		*out = topic;
		return 0;
	}
	int rc = broker_topic_name_check(name, err);
	if (rc)
		return rc;
	if (!may_create || !broker->auto_create) {
		mr_fail(err, MR_ERR_NOT_FOUND, "there is no topic %.*s", MR_FMT(name));
		mr_hint(err, "declare it under `topics:`, or create it with `millrace topic create %.*s`",
			MR_FMT(name));
		return MR_ERR_NOT_FOUND;
	}
	bool created;
	return find_or_create(broker, name, &broker->topic_default, out, &created, err);
}

static bool config_same(const struct log_topic_config *a, const struct log_topic_config *b)
{
	return a->partitions == b->partitions && a->retention_ms == b->retention_ms &&
	       a->retention_bytes == b->retention_bytes && a->segment_bytes == b->segment_bytes &&
	       a->segment_ms == b->segment_ms && a->max_message_bytes == b->max_message_bytes &&
	       a->log_append_time == b->log_append_time && a->durability == b->durability;
}

static int create_or_alter(struct broker *broker, mr_str name, const struct log_topic_config *config,
			   struct log_topic **out, struct mr_error *err)
{
	bool created;
	int rc = find_or_create(broker, name, config, out, &created, err);
	if (rc || created)
		return rc;
	struct log_topic_config now;
	log_topic_config(*out, &now);
	return config_same(&now, config) ? 0 : log_topic_alter(*out, config, err);
}

int dead_partition(struct broker *broker, struct broker_topic *topic, struct log_topic *source,
		   struct log_partition **out, struct mr_error *err)
{
	struct log_topic_config config;
	log_topic_config(source, &config);
	config.partitions = 1;
	config.max_message_bytes = DEAD_BATCH_BYTES_MAX;
	config.log_append_time = false;
	struct log_topic *dead;
	bool created;
	int rc = find_or_create(broker, mr_str_from(topic->dead_name), &config, &dead, &created, err);
	if (rc == 0)
		*out = log_partition_at(dead, 0);
	return rc;
}

static void set_contract(struct broker *broker, struct broker_topic *topic, struct json_schema *schema,
			 enum on_invalid on_invalid)
{
	struct contract *contract = mr_calloc(1, sizeof *contract);
	contract->schema = schema;
	contract->on_invalid = schema ? on_invalid : ON_INVALID_OFF;
	pthread_rwlock_wrlock(&broker->lock); /* one writer at a time */
	contract->older = atomic_load(&topic->contract);
	atomic_store(&topic->contract, contract);
	pthread_rwlock_unlock(&broker->lock);
}

static int declare(struct broker *broker, mr_str name, const struct broker_topic_options *options,
		   struct mr_error *err)
{
	int rc = broker_topic_name_check(name, err);
	if (rc)
		return rc;
	bool dead = options->schema && options->on_invalid == ON_INVALID_DLQ;
	if (dead && name.len + sizeof DEAD_SUFFIX - 1 > LOG_TOPIC_NAME_MAX)
		return mr_fail(err, MR_ERR_INVALID,
			       "topic %.*s: no room in its name for the " DEAD_SUFFIX " of its dead letters",
			       MR_FMT(name));
	struct log_topic *topic;
	rc = create_or_alter(broker, name, &options->log, &topic, err);
	struct log_partition *ignored;
	if (rc == 0 && dead)
		rc = dead_partition(broker, broker_topic_of(broker, name), topic, &ignored, err);
	return rc;
}

int broker_topic_declare(struct broker *broker, mr_str name, const struct broker_topic_options *options,
			 struct mr_error *err)
{
	int rc = declare(broker, name, options, err);
	if (rc)
		json_schema_free(options->schema);
	else
		set_contract(broker, broker_topic_of(broker, name), options->schema, options->on_invalid);
	return rc;
}

const struct json_schema *broker_topic_schema(struct broker *broker, mr_str name)
{
	struct broker_topic *topic = topic_peek(broker, name);
	struct contract *contract = topic ? atomic_load(&topic->contract) : NULL;
	return contract ? contract->schema : NULL;
}

void broker_topic_stats(struct broker *broker, mr_str name, struct broker_topic_stats *out)
{
	struct broker_topic *topic = topic_peek(broker, name);
	*out = (struct broker_topic_stats){0};
	if (!topic)
		return;
	out->records_in = atomic_load_explicit(&topic->records_in, memory_order_relaxed);
	out->bytes_in = atomic_load_explicit(&topic->bytes_in, memory_order_relaxed);
	out->invalid = atomic_load_explicit(&topic->invalid, memory_order_relaxed);
}

/* ---- inspectors ---- */

#define SCRATCH_KEPT_MAX ((size_t)8 << 20) /* larger scratch memory is given back */

struct inspector *inspector_take(struct broker *broker)
{
	pthread_mutex_lock(&broker->inspectors_lock);
	struct inspector *inspector = broker->inspectors;
	if (inspector)
		broker->inspectors = inspector->next;
	pthread_mutex_unlock(&broker->inspectors_lock);
	if (inspector)
		return inspector;
	inspector = mr_calloc(1, sizeof *inspector);
	inspector->parser = json_parser_new();
	batch_writer_init(&inspector->valid, 0);
	batch_writer_init(&inspector->dead, DEAD_BATCH_BYTES_MAX);
	return inspector;
}

void inspector_give(struct broker *broker, struct inspector *inspector)
{
	size_t held = inspector->records.plain.cap + inspector->valid.bytes.cap +
		      inspector->valid.packed.cap + inspector->dead.bytes.cap + inspector->dead.packed.cap;
	if (held > SCRATCH_KEPT_MAX) {
		inspector_free(inspector);
		return;
	}
	pthread_mutex_lock(&broker->inspectors_lock);
	inspector->next = broker->inspectors;
	broker->inspectors = inspector;
	pthread_mutex_unlock(&broker->inspectors_lock);
}

bool inspector_valid(struct inspector *inspector, const struct json_schema *schema, mr_str value,
		     struct json_fault *fault)
{
	struct json_value v;
	struct mr_error why;
	if (!value.ptr) {
		*fault = (struct json_fault){.reason = "is null, expected a JSON document"};
		return false;
	}
	if (json_parse(inspector->parser, value, &v, &why) == 0)
		return json_schema_valid(schema, v, fault);
	*fault = (struct json_fault){0};
	snprintf(fault->reason, sizeof fault->reason, "is %.200s", why.message);
	return false;
}

void dead_headers(const struct broker_topic *topic, int32_t partition, const struct json_fault *fault,
		  char number[16], struct record_header out[DEAD_HEADERS])
{
	snprintf(number, 16, "%d", partition);
	out[0] = (struct record_header){MR_STR("dlq.topic"), mr_str_from(topic->name)};
	out[1] = (struct record_header){MR_STR("dlq.partition"), mr_str_from(number)};
	out[2] = (struct record_header){MR_STR("dlq.pointer"), mr_str_from(fault->pointer)};
	out[3] = (struct record_header){MR_STR("dlq.reason"), mr_str_from(fault->reason)};
}
