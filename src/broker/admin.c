#include "broker/admin.h"

#include "broker/topic.h"

#include <stdlib.h>

#define SCHEMA_BYTES_MAX ((size_t)100 << 10) /* with room for the other settings of a topic */

struct broker_config *broker_config_of(struct broker *broker)
{
	return broker->config;
}

/* A bad value is the configuration's fault, not the name's or the request's. */
static int invalid_config(int rc, struct mr_error *err)
{
	if (rc != MR_ERR_INVALID && rc != MR_ERR_LIMIT)
		return rc;
	if (err)
		err->code = BROKER_INVALID_CONFIG;
	return BROKER_INVALID_CONFIG;
}

/* ---- contracts from settings ---- */

static enum on_invalid on_invalid_of(mr_str word)
{
	return mr_str_is(word, "off")      ? ON_INVALID_OFF
	       : mr_str_is(word, "reject") ? ON_INVALID_REJECT
					   : ON_INVALID_DLQ;
}

/* *out is NULL when there is no schema. */
static int compile_schema(const struct topic_settings *settings, struct json_schema **out,
			  struct mr_error *err)
{
	mr_str schema = topic_setting(settings, TOPIC_SCHEMA);
	mr_str on_invalid = topic_setting(settings, TOPIC_ON_INVALID);
	*out = NULL;
	if (schema.len > SCHEMA_BYTES_MAX)
		return mr_fail(err, MR_ERR_LIMIT,
			       "Invalid value for configuration " TOPIC_SCHEMA ": %zu bytes, at most %zu",
			       schema.len, SCHEMA_BYTES_MAX);
	if (!schema.len && on_invalid.ptr && !mr_str_is(on_invalid, "off"))
		return mr_fail(err, MR_ERR_INVALID,
			       "Invalid value %.*s for configuration " TOPIC_ON_INVALID
			       ": the topic has no " TOPIC_SCHEMA,
			       MR_FMT(on_invalid));
	return schema.len ? json_schema_compile(schema, TOPIC_SCHEMA, out, err) : 0;
}

static bool schema_changed(const struct topic_settings *a, const struct topic_settings *b)
{
	return !mr_str_eq(topic_setting(a, TOPIC_SCHEMA), topic_setting(b, TOPIC_SCHEMA)) ||
	       !mr_str_eq(topic_setting(a, TOPIC_ON_INVALID), topic_setting(b, TOPIC_ON_INVALID));
}

int broker_load_contract(struct broker *broker, struct log_topic *topic, struct mr_error *err)
{
	struct log_topic_config config;
	struct topic_settings settings;
	struct json_schema *schema;
	log_topic_config(topic, &config);
	topic_settings_read(config.settings, &settings);
	int rc = compile_schema(&settings, &schema, err);
	if (rc == 0 && schema)
		broker_set_contract(broker, log_topic_name(topic), schema,
				    on_invalid_of(topic_setting(&settings, TOPIC_ON_INVALID)));
	return rc;
}

/* ---- topics ---- */

static int with_settings(struct broker *broker, const struct topic_settings *settings, struct arena *arena,
			 struct log_topic_config *config, struct mr_error *err)
{
	struct mr_buf text = {0};
	topic_settings_write(settings, &text);
	config->settings = arena_copy(arena, mr_buf_view(&text)).ptr;
	mr_buf_release(&text);
	return topic_settings_apply(settings, broker->config, config, err);
}

static int plan_topic(struct broker *broker, const struct topic_create *create, struct arena *arena,
		      struct topic_settings *settings, struct log_topic_config *config, struct mr_error *err)
{
	int rc = broker_topic_name_check(create->name, err);
	if (rc < 0)
		return rc;
	*config = broker->topic_default;
	if (create->partitions != -1)
		config->partitions = create->partitions;
	if (config->partitions < 1 || config->partitions > LOG_PARTITIONS_MAX)
		return mr_fail(err, MR_ERR_LIMIT,
			       "Number of partitions was set to an invalid non-positive value.");
	if (log_topic_find(broker->store, create->name))
		return mr_fail(err, MR_ERR_EXISTS, "Topic '%.*s' already exists.", MR_FMT(create->name));
	topic_settings_derive(config, arena, settings);
	rc = topic_settings_change(settings, broker->config, create->configs, create->config_count, arena,
				   err);
	if (rc == 0)
		rc = with_settings(broker, settings, arena, config, err);
	return invalid_config(rc, err);
}

int broker_topic_create(struct broker *broker, const struct topic_create *create, struct arena *arena,
			struct log_topic_config *out, struct mr_error *err)
{
	struct topic_settings settings;
	struct json_schema *schema = NULL;
	struct log_topic *topic;
	int rc = plan_topic(broker, create, arena, &settings, out, err);
	if (rc == 0)
		rc = invalid_config(compile_schema(&settings, &schema, err), err);
	if (rc == 0 && !create->validate_only)
		rc = log_topic_create(broker->store, create->name, out, &topic, err);
	/* The topic of that name before it may have had a contract. */
	if (rc == 0 && !create->validate_only)
		broker_set_contract(broker, create->name, schema,
				    on_invalid_of(topic_setting(&settings, TOPIC_ON_INVALID)));
	else
		json_schema_free(schema);
	return rc;
}

static int find_topic(struct broker *broker, mr_str name, struct log_topic **out, struct mr_error *err)
{
	*out = log_topic_find(broker->store, name);
	return *out ? 0 : mr_fail(err, MR_ERR_NOT_FOUND, "The topic '%.*s' does not exist.", MR_FMT(name));
}

/* The config with other settings; admin_lock is held. */
static int alter(struct broker *broker, struct log_topic *topic, const struct topic_settings *settings,
		 struct arena *arena, bool validate_only, struct mr_error *err)
{
	struct log_topic_config now, next;
	log_topic_config(topic, &now);
	log_topic_config_default(&next);
	next.partitions = now.partitions;
	int rc = with_settings(broker, settings, arena, &next, err);
	if (rc < 0 || validate_only || topic_config_same(&now, &next))
		return invalid_config(rc, err);
	return log_topic_alter(topic, &next, err);
}

static int configure(struct broker *broker, struct log_topic *topic, const struct config_change *changes,
		     size_t count, bool replace, bool validate_only, struct arena *arena,
		     struct mr_error *err)
{
	struct log_topic_config now;
	struct topic_settings before, settings = {0};
	struct json_schema *schema = NULL;
	log_topic_config(topic, &now);
	topic_settings_of(&now, arena, &before);
	if (!replace)
		settings = before;
	int rc = topic_settings_change(&settings, broker->config, changes, count, arena, err);
	bool new_contract = rc == 0 && schema_changed(&before, &settings);
	if (new_contract)
		rc = compile_schema(&settings, &schema, err);
	rc = invalid_config(rc, err);
	if (rc == 0)
		rc = alter(broker, topic, &settings, arena, validate_only, err);
	if (rc == 0 && new_contract && !validate_only)
		broker_set_contract(broker, log_topic_name(topic), schema,
				    on_invalid_of(topic_setting(&settings, TOPIC_ON_INVALID)));
	else
		json_schema_free(schema);
	return rc;
}

int broker_topic_configure(struct broker *broker, mr_str name, const struct config_change *changes,
			   size_t count, bool replace, bool validate_only, struct mr_error *err)
{
	struct log_topic *topic;
	int rc = find_topic(broker, name, &topic, err);
	if (rc < 0)
		return rc;
	struct arena arena = {0};
	pthread_mutex_lock(&broker->admin_lock);
	rc = configure(broker, topic, changes, count, replace, validate_only, &arena, err);
	pthread_mutex_unlock(&broker->admin_lock);
	arena_release(&arena);
	return rc;
}

int broker_topic_widen(struct broker *broker, mr_str name, int32_t partitions, bool validate_only,
		       struct mr_error *err)
{
	struct log_topic *topic;
	struct log_topic_config config;
	int rc = find_topic(broker, name, &topic, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&broker->admin_lock);
	log_topic_config(topic, &config);
	if (partitions == config.partitions)
		rc = mr_fail(err, MR_ERR_LIMIT, "Topic already has %d partition(s).", (int)partitions);
	else if (partitions < config.partitions)
		rc = mr_fail(err, MR_ERR_LIMIT,
			     "The topic %.*s currently has %d partition(s); %d would not be an increase.",
			     MR_FMT(name), (int)config.partitions, (int)partitions);
	else if (partitions > LOG_PARTITIONS_MAX)
		rc = mr_fail(err, MR_ERR_LIMIT, "A topic has at most %d partitions.", LOG_PARTITIONS_MAX);
	config.partitions = partitions;
	if (rc == 0 && !validate_only)
		rc = log_topic_alter(topic, &config, err);
	pthread_mutex_unlock(&broker->admin_lock);
	return rc;
}

/* ---- the broker ---- */

/* What a topic does not set itself may have changed. One that is deleted meanwhile does not matter. */
static int follow(struct broker *broker, struct mr_error *err)
{
	size_t count;
	struct log_topic **topics = log_topics(broker->store, &count);
	int rc = 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		struct arena arena = {0};
		struct log_topic_config config;
		struct topic_settings settings;
		log_topic_config(topics[i], &config);
		topic_settings_of(&config, &arena, &settings);
		rc = alter(broker, topics[i], &settings, &arena, false, err);
		rc = rc == MR_ERR_NOT_FOUND ? 0 : rc;
		arena_release(&arena);
	}
	free(topics);
	return rc;
}

int broker_configure(struct broker *broker, enum config_source scope, const struct config_change *changes,
		     size_t count, bool replace, bool validate_only, struct mr_error *err)
{
	pthread_mutex_lock(&broker->admin_lock);
	int rc = broker_config_alter(broker->config, scope, changes, count, replace, validate_only, err);
	rc = invalid_config(rc, err);
	if (rc == 0 && !validate_only)
		rc = follow(broker, err);
	pthread_mutex_unlock(&broker->admin_lock);
	return rc;
}

size_t broker_topic_entries(struct broker *broker, const struct log_topic_config *config, struct arena *arena,
			    struct config_entry **out)
{
	struct topic_settings settings;
	topic_settings_of(config, arena, &settings);
	*out = arena_calloc(arena, topic_key_count, sizeof **out);
	for (size_t i = 0; i < topic_key_count; i++)
		topic_setting_entry(&settings, &topic_keys[i], broker->config, &(*out)[i]);
	return topic_key_count;
}
