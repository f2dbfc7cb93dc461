/* broker/broker_config.h - the broker's own configurations, by Kafka's names.
 *
 * Three sources, the first that has a value wins: dynamic ones of this broker, dynamic ones of the
 * cluster (both by AlterConfigs), static ones (the project file, noted at start). Dynamic are the
 * names that stand for a topic's configuration when the topic does not set it; every other is
 * read only, as its table says.
 *
 * Durability: dynamic values are kept in one file, lines "broker name=value" and "cluster
 * name=value", replaced atomically before an alteration is told.
 *
 * Threading: safe from any thread, but for broker_config_note. Values live as long as the whole.
 */
#pragma once

#include "base/mem.h"
#include "broker/config_key.h"
#include "env/env.h"

struct broker_config;

struct broker_key {
	struct config_key key;
	bool dynamic;
};

/* path: the file; NULL: alterations are not kept. */
MR_NODISCARD int broker_config_open(const struct env *env, const char *path, struct broker_config **out,
				    struct mr_error *err);
void broker_config_free(struct broker_config *config); /* NULL is fine */

/* A static value. Before other threads see the broker. */
void broker_config_note(struct broker_config *config, const char *name, mr_str value);

size_t broker_config_keys(const struct broker_config *config, const struct broker_key **out); /* by name */

/* The value that was given for it, or ptr NULL: its default holds. */
mr_str broker_config_get(const struct broker_config *config, const char *name);
/* The same from one source alone. */
mr_str broker_config_from(const struct broker_config *config, const char *name, enum config_source source);

/* Every key as it holds for this broker, or for CONFIG_FROM_CLUSTER those that are set for the
 * cluster. The array comes from the arena. */
size_t broker_config_entries(const struct broker_config *config, enum config_source scope,
			     struct arena *arena, struct config_entry **out);

/* scope: CONFIG_FROM_BROKER or CONFIG_FROM_CLUSTER. replace: what is not named goes back to its
 * default. All of it or nothing. MR_ERR_INVALID for an unknown name or a bad value,
 * MR_ERR_UNSUPPORTED for one that is read only. */
MR_NODISCARD int broker_config_alter(struct broker_config *config, enum config_source scope,
				     const struct config_change *changes, size_t count, bool replace,
				     bool validate_only, struct mr_error *err);
