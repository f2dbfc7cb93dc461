/* DescribeConfigs (32), versions 1-4: the configurations of topics and brokers with their sources, and
 * on demand with what they hide (synonyms) and what they mean (from version 3).
 *
 * A broker without a name stands for what is set dynamically for the whole cluster. Loggers and
 * client metrics have no configurations of their own here: an empty list.
 */
#include "broker/group_config.h"
#include "kafka/config_request.h"

static bool is_wanted(const struct describe_configs_resource *in, const char *name)
{
	for (int32_t i = 0; i < in->configuration_keys.count; i++) {
		if (mr_str_is(in->configuration_keys.items[i], name))
			return true;
	}
	return in->configuration_keys.count <= 0;
}

static void show_synonyms(struct request *r, const struct config_entry *entry,
			  struct describe_configs_entry *out)
{
	request_array(r, &out->synonyms, entry->synonym_count);
	for (size_t i = 0; i < entry->synonym_count; i++)
		out->synonyms.items[i] = (struct describe_configs_synonym){
		    mr_str_from(entry->synonyms[i].name), entry->synonyms[i].value,
		    (int8_t)entry->synonyms[i].source};
}

static void show(struct request *r, const struct describe_configs_resource *in,
		 const struct config_entry *entries, size_t count, struct describe_configs_result *out)
{
	const struct describe_configs_request *request = r->in;
	request_array(r, &out->configs, count);
	out->configs.count = 0;
	for (size_t i = 0; i < count; i++) {
		if (!is_wanted(in, entries[i].key->name))
			continue;
		struct describe_configs_entry *entry = &out->configs.items[out->configs.count++];
		*entry = (struct describe_configs_entry){
		    .name = mr_str_from(entries[i].key->name),
		    .value = entries[i].value,
		    .read_only = entries[i].read_only,
		    .config_source = (int8_t)entries[i].source,
		    .config_type = (int8_t)entries[i].key->type,
		};
		if (request->include_synonyms)
			show_synonyms(r, &entries[i], entry);
		if (request->include_documentation)
			entry->documentation = mr_str_from(entries[i].key->help);
	}
}

static void refuse(struct request *r, struct describe_configs_result *out, int16_t code, mr_str message)
{
	out->error_code = request_code(r, code);
	out->error_message = message;
}

static void describe_topic(struct request *r, const struct describe_configs_resource *in,
			   struct describe_configs_result *out)
{
	struct log_topic *topic = log_topic_find(request_core(r)->store, in->resource_name);
	struct log_topic_config config;
	struct config_entry *entries;
	if (!request_may_topic(r, ACL_DESCRIBE_CONFIGS, in->resource_name)) {
		refuse(r, out, KE_TOPIC_AUTHORIZATION_FAILED, MR_STR("Topic authorization failed."));
	} else if (broker_topic_name_check(in->resource_name, NULL) < 0) {
		refuse(r, out, KE_INVALID_TOPIC_EXCEPTION, MR_STR("no topic can have that name"));
	} else if (!topic) {
		refuse(r, out, KE_UNKNOWN_TOPIC_OR_PARTITION, MR_STR_NULL);
	} else {
		log_topic_config(topic, &config);
		size_t count = broker_topic_entries(request_core(r)->broker, &config, &r->arena, &entries);
		show(r, in, entries, count, out);
	}
}

static void describe_broker(struct request *r, const struct describe_configs_resource *in,
			    struct describe_configs_result *out)
{
	enum config_source scope;
	struct config_entry *entries;
	if (!request_may_cluster(r, ACL_DESCRIBE_CONFIGS)) {
		refuse(r, out, KE_CLUSTER_AUTHORIZATION_FAILED, MR_STR("Cluster authorization failed."));
	} else if (!config_scope_of(in->resource_name, &scope)) {
		refuse(r, out, KE_INVALID_REQUEST,
		       arena_printf(&r->arena,
				    "Unexpected broker id, expected 1 or empty string, but received %.*s",
				    MR_FMT(in->resource_name)));
	} else {
		size_t count = broker_config_entries(broker_config_of(request_core(r)->broker), scope,
						     &r->arena, &entries);
		show(r, in, entries, count, out);
	}
}

static void describe_group(struct request *r, const struct describe_configs_resource *in,
			   struct describe_configs_result *out)
{
	struct group_configs *configs = broker_group_configs(request_core(r)->broker);
	struct config_entry *entries;
	if (!request_may(r, ACL_DESCRIBE_CONFIGS, ACL_GROUP, in->resource_name)) {
		refuse(r, out, KE_GROUP_AUTHORIZATION_FAILED, MR_STR("Group authorization failed."));
	} else {
		size_t count = group_config_entries(configs, in->resource_name, &r->arena, &entries);
		show(r, in, entries, count, out);
	}
}

enum step describe_configs_step(struct request *r)
{
	const struct describe_configs_request *in = r->in;
	struct describe_configs_response *out = r->out;
	request_array(r, &out->results, in->resources.count);
	for (int32_t i = 0; i < in->resources.count; i++) {
		const struct describe_configs_resource *resource = &in->resources.items[i];
		struct describe_configs_result *result = &out->results.items[i];
		*result = (struct describe_configs_result){.resource_type = resource->resource_type,
							   .resource_name = resource->resource_name};
		if (resource->resource_type == RESOURCE_TOPIC)
			describe_topic(r, resource, result);
		else if (resource->resource_type == RESOURCE_BROKER)
			describe_broker(r, resource, result);
		else if (resource->resource_type == RESOURCE_GROUP)
			describe_group(r, resource, result);
		else if (!request_may_cluster(r, ACL_DESCRIBE_CONFIGS))
			refuse(r, result, KE_CLUSTER_AUTHORIZATION_FAILED,
			       MR_STR("Cluster authorization failed."));
	}
	return STEP_DONE;
}
