/* The verbs of topics. */
#include "admin/position.h"
#include "admin/verbs.h"
#include "broker/admin.h"

#include <stdlib.h>

/* {"configs": {"retention.ms": "1000", "cleanup.policy": null}}: null is back to the default. */
static struct config_change *changes_of(struct admin_call *call, size_t *count)
{
	struct json_value configs = json_get(call->in, "configs");
	struct config_change *changes =
	    arena_calloc(&call->arena, mr_max_size(json_count(configs), 1), sizeof *changes);
	size_t n = 0;
	for (struct json_iter it = json_iter(configs); json_next(&it); n++)
		changes[n] = json_type(it.value) == JSON_STRING
				 ? (struct config_change){it.key, CONFIG_SET, json_str(it.value)}
				 : (struct config_change){it.key, CONFIG_DELETE, MR_STR_NULL};
	*count = n;
	return changes;
}

static int32_t partitions_of(const struct admin_call *call, int32_t otherwise)
{
	struct json_value given = json_get(call->in, "partitions");
	int64_t n = json_present(given) ? json_int(given) : otherwise;
	return n > INT32_MAX || n < INT32_MIN ? INT32_MAX : (int32_t)n;
}

/* topic, partitions (default: the broker's num.partitions), configs, dry_run */
int admin_topic_create(struct admin_call *call, struct mr_error *err)
{
	struct topic_create create = {.partitions = partitions_of(call, -1),
				      .validate_only = json_bool(json_get(call->in, "dry_run"))};
	struct log_topic_config config;
	create.configs = changes_of(call, &create.config_count);
	int rc = admin_need(call, "topic", &create.name, err);
	return rc < 0 ? rc : broker_topic_create(call->admin->broker, &create, &call->arena, &config, err);
}

/* topic, partitions (more than there are), configs, dry_run */
int admin_topic_alter(struct admin_call *call, struct mr_error *err)
{
	struct log_topic *topic;
	size_t count;
	bool dry_run = json_bool(json_get(call->in, "dry_run"));
	struct config_change *changes = changes_of(call, &count);
	int rc = admin_topic(call, &topic, err);
	if (rc == 0 && count)
		rc = broker_topic_configure(call->admin->broker, log_topic_name(topic), changes, count, false,
					    dry_run, err);
	if (rc == 0 && json_present(json_get(call->in, "partitions")))
		rc = broker_topic_widen(call->admin->broker, log_topic_name(topic), partitions_of(call, 0),
					dry_run, err);
	return rc;
}

/* topic. What groups have committed for it is forgotten as well. */
int admin_topic_delete(struct admin_call *call, struct mr_error *err)
{
	mr_str name;
	int rc = admin_need(call, "topic", &name, err);
	if (rc == 0)
		rc = log_topic_delete(broker_store(call->admin->broker), name, err);
	return rc < 0 ? rc : groups_topic_deleted(call->admin->groups, name, err);
}

static const char *source_name(enum config_source source)
{
	static const char *const names[] = {
	    [CONFIG_FROM_TOPIC] = "topic",     [CONFIG_FROM_BROKER] = "broker, dynamic",
	    [CONFIG_FROM_CLUSTER] = "cluster", [CONFIG_FROM_FILE] = "configuration",
	    [CONFIG_FROM_DEFAULT] = "default",
	};
	return (size_t)source < MR_COUNT(names) && names[source] ? names[source] : "";
}

/* topic → configs: [{name, value, source}] */
int admin_topic_configs(struct admin_call *call, struct mr_error *err)
{
	struct log_topic *topic;
	struct log_topic_config config;
	struct config_entry *entries;
	int rc = admin_topic(call, &topic, err);
	if (rc < 0)
		return rc;
	log_topic_config(topic, &config);
	size_t count = broker_topic_entries(call->admin->broker, &config, &call->arena, &entries);
	json_key(&call->w, "configs");
	json_begin_array(&call->w);
	for (size_t i = 0; i < count; i++) {
		json_begin_object(&call->w);
		json_member_cstr(&call->w, "name", entries[i].key->name);
		json_member_str(&call->w, "value", entries[i].value);
		json_member_cstr(&call->w, "source", source_name(entries[i].source));
		json_end_object(&call->w);
	}
	json_end_array(&call->w);
	return 0;
}

/* One partition: forget what comes before `to`. */
static int trim(struct admin_call *call, struct log_partition *partition, const struct position *to,
		bool dry_run, struct mr_error *err)
{
	int64_t before = log_start_offset(partition), after;
	int rc = position_offset(to, partition, &after, err);
	if (rc == 0 && !dry_run && after > before)
		rc = log_delete_records(partition, after, &after, err);
	if (rc < 0)
		return rc;
	json_begin_object(&call->w);
	json_member_int(&call->w, "partition", log_partition_index(partition));
	json_member_int(&call->w, "before", before);
	json_member_int(&call->w, "after", after);
	json_end_object(&call->w);
	return 0;
}

/* topic, to (a position), partition (default all), dry_run → partitions: [{partition, before, after}]: the
 * first offsets. */
int admin_topic_trim(struct admin_call *call, struct mr_error *err)
{
	struct log_topic *topic;
	struct log_topic_config config;
	struct position to;
	mr_str text;
	int rc = admin_topic(call, &topic, err);
	if (rc == 0)
		rc = admin_need(call, "to", &text, err);
	if (rc == 0)
		rc = position_parse(text, clock_wall_ms(call->admin->env->clock), &to, err);
	if (rc < 0)
		return rc;
	log_topic_config(topic, &config);
	if (!(config.cleanup_policy & LOG_CLEANUP_DELETE)) {
		mr_fail(err, MR_ERR_INVALID, "topic %.*s is compacted: its records are not trimmed",
			MR_FMT(log_topic_name(topic)));
		return mr_hint(err, "its cleanup.policy would have to hold delete");
	}
	struct json_value only = json_get(call->in, "partition");
	json_key(&call->w, "partitions");
	json_begin_array(&call->w);
	for (int32_t i = 0; rc == 0 && i < log_topic_partition_count(topic); i++) {
		if (!json_present(only) || json_int(only) == i)
			rc = trim(call, log_partition_at(topic, i), &to,
				  json_bool(json_get(call->in, "dry_run")), err);
	}
	json_end_array(&call->w);
	return rc;
}
