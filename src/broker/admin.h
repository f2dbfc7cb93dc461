/* broker/admin.h - what administrators do: topics with their configurations, and the broker's.
 *
 * Everything here waits for the disk and is durable when it returns; with `validate_only` it says
 * what would become of it and changes nothing. Threading: safe from any thread; alterations of
 * one broker come one after the other.
 */
#pragma once

#include "broker/broker.h"
#include "broker/broker_config.h"
#include "broker/topic_config.h"

struct topic_create {
	mr_str name;
	int32_t partitions; /* -1: the broker's num.partitions */
	const struct config_change *configs;
	size_t config_count;
	bool validate_only;
};

/* MR_ERR_INVALID for a name, MR_ERR_LIMIT for a number of partitions, MR_ERR_EXISTS,
 * BROKER_INVALID_CONFIG. *out: as it is or would be made; its settings come from the arena. */
MR_NODISCARD int broker_topic_create(struct broker *broker, const struct topic_create *create,
				     struct arena *arena, struct log_topic_config *out, struct mr_error *err);

/* replace: what is not named goes back to its default (Kafka's AlterConfigs).
 * MR_ERR_NOT_FOUND, BROKER_INVALID_CONFIG. */
MR_NODISCARD int broker_topic_configure(struct broker *broker, mr_str name,
					const struct config_change *changes, size_t count, bool replace,
					bool validate_only, struct mr_error *err);

/* MR_ERR_NOT_FOUND; MR_ERR_LIMIT unless `partitions` is more than there are. */
MR_NODISCARD int broker_topic_widen(struct broker *broker, mr_str name, int32_t partitions,
				    bool validate_only, struct mr_error *err);

/* scope: CONFIG_FROM_BROKER or CONFIG_FROM_CLUSTER. Every topic follows before it returns.
 * BROKER_INVALID_CONFIG, MR_ERR_UNSUPPORTED for what is read only. */
MR_NODISCARD int broker_configure(struct broker *broker, enum config_source scope,
				  const struct config_change *changes, size_t count, bool replace,
				  bool validate_only, struct mr_error *err);

struct broker_config *broker_config_of(struct broker *broker);

/* Every configuration of a topic, by name; texts and array live as long as arena and store. */
size_t broker_topic_entries(struct broker *broker, const struct log_topic_config *config, struct arena *arena,
			    struct config_entry **out);
