#include "broker/topic.h"

#include "base/mem.h"
#include "broker/admin.h"
#include "broker/group_config.h"

#include <stdio.h>
#include <stdlib.h>

static int load_contracts(struct broker *broker, struct mr_error *err)
{
	size_t count;
	struct log_topic **topics = log_topics(broker->store, &count);
	int rc = 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = broker_load_contract(broker, topics[i], err);
		if (rc < 0)
			mr_error_wrap(err, rc, "topic %s", log_topic_name(topics[i]).ptr);
	}
	free(topics);
	return rc;
}

int broker_new(const struct broker_options *options, struct broker **out, struct mr_error *err)
{
	struct broker *broker = mr_calloc(1, sizeof *broker);
	broker->env = options->env;
	broker->store = options->store;
	broker->auto_create = options->auto_create;
	broker->topic_default = options->topic_default;
	pthread_rwlock_init(&broker->lock, NULL);
	pthread_mutex_init(&broker->inspectors_lock, NULL);
	pthread_mutex_init(&broker->admin_lock, NULL);
	int rc = broker_config_open(options->env, options->config_path, &broker->config, err);
	if (rc == 0)
		rc =
		    group_configs_open(options->env, options->group_config_path, &broker->group_configs, err);
	if (rc == 0)
		rc = load_contracts(broker, err);
	if (rc < 0)
		broker_free(broker);
	else
		*out = broker;
	return rc;
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
	batch_writer_release(&inspector->repacked);
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
	pthread_mutex_destroy(&broker->admin_lock);
	broker_config_free(broker->config);
	group_configs_free(broker->group_configs);
	free(broker);
}

struct log_store *broker_store(struct broker *broker)
{
	return broker->store;
}

struct group_configs *broker_group_configs(struct broker *broker)
{
	return broker->group_configs;
}

bool broker_auto_creates(const struct broker *broker)
{
	return broker->auto_create;
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
	struct arena arena = {0};
	struct log_topic_config config;
	struct topic_create create = {.name = name, .partitions = -1};
	rc = broker_topic_create(broker, &create, &arena, &config, err);
	arena_release(&arena);
	if (rc < 0 && rc != MR_ERR_EXISTS)
		return rc;
	*out = log_topic_find(broker->store, name);
	return *out ? 0 : mr_fail(err, MR_ERR_CONFLICT, "topic %.*s comes and goes", MR_FMT(name));
}

/* The keys of the project file: what it does not say is not set. */
static const char *const declared_keys[] = {"retention.ms", "retention.bytes", "segment.bytes",
					    "max.message.bytes", "millrace.durability"};

/* What is declared over what was set by name before. */
static void declared_settings(const struct log_topic_config *wanted, struct arena *arena,
			      struct topic_settings *settings)
{
	struct topic_settings declared;
	topic_settings_derive(wanted, arena, &declared);
	for (size_t i = 0; i < MR_COUNT(declared_keys); i++)
		settings->values[topic_key_find(mr_str_from(declared_keys[i])) - topic_keys] = MR_STR_NULL;
	for (size_t i = 0; i < topic_key_count; i++) {
		if (declared.values[i].ptr)
			settings->values[i] = declared.values[i];
	}
}

static int create_or_alter(struct broker *broker, mr_str name, const struct broker_topic_options *options,
			   struct arena *arena, struct log_topic **out, struct mr_error *err)
{
	struct log_topic_config now, next;
	struct topic_settings settings = {0};
	struct mr_buf text = {0};
	bool created;
	struct log_topic *topic = log_topic_find(broker->store, name);
	log_topic_config_default(&next);
	next.partitions = options->log.partitions;
	if (topic) {
		log_topic_config(topic, &now);
		topic_settings_of(&now, arena, &settings);
		next.partitions = (int32_t)mr_max_i64(now.partitions, next.partitions);
	}
	declared_settings(&options->log, arena, &settings);
	int rc = topic_settings_change(&settings, broker->config, options->configs, options->config_count,
				       arena, err);
	if (rc == 0)
		rc = topic_settings_apply(&settings, broker->config, &next, err);
	topic_settings_write(&settings, &text);
	next.settings = mr_buf_view(&text).ptr;
	if (rc == 0)
		rc = find_or_create(broker, name, &next, out, &created, err);
	if (rc == 0 && !created) {
		log_topic_config(*out, &now);
		rc = topic_config_same(&now, &next) ? 0 : log_topic_alter(*out, &next, err);
	}
	mr_buf_release(&text);
	return rc;
}

int dead_partition(struct broker *broker, struct broker_topic *topic, struct log_topic *source,
		   struct log_partition **out, struct mr_error *err)
{
	struct log_topic_config config;
	log_topic_config(source, &config);
	config.partitions = 1;
	config.max_message_bytes = DEAD_BATCH_BYTES_MAX;
	config.log_append_time = false;
	config.cleanup_policy = LOG_CLEANUP_DELETE;
	config.settings = NULL;
	struct log_topic *dead;
	bool created;
	int rc = find_or_create(broker, mr_str_from(topic->dead_name), &config, &dead, &created, err);
	if (rc == 0)
		*out = log_partition_at(dead, 0);
	return rc;
}

void broker_set_contract(struct broker *broker, mr_str name, struct json_schema *schema,
			 enum on_invalid on_invalid)
{
	struct broker_topic *topic = broker_topic_of(broker, name);
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
	struct arena arena = {0};
	pthread_mutex_lock(&broker->admin_lock);
	rc = create_or_alter(broker, name, options, &arena, &topic, err);
	pthread_mutex_unlock(&broker->admin_lock);
	arena_release(&arena);
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
		broker_set_contract(broker, name, options->schema, options->on_invalid);
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
	batch_writer_init(&inspector->repacked, 0);
	return inspector;
}

void inspector_give(struct broker *broker, struct inspector *inspector)
{
	size_t held = inspector->records.plain.cap + inspector->valid.bytes.cap +
		      inspector->valid.packed.cap + inspector->dead.bytes.cap + inspector->dead.packed.cap +
		      inspector->repacked.bytes.cap + inspector->repacked.packed.cap;
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
