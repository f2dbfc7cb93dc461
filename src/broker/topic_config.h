/* broker/topic_config.h - what may be configured of a topic: Kafka's names and ours, one table.
 *
 * What was set explicitly are the topic's *settings*: lines "name=value" that the log keeps with
 * the topic (log_topic_config.settings). The fields of struct log_topic_config are made from
 * them, with the broker's values (broker_config.h) for what is not set. The table also makes the
 * page docs/topic-configs.md.
 *
 * Threading: pure functions.
 */
#pragma once

#include "base/buf.h"
#include "base/mem.h"
#include "broker/config_key.h"
#include "log/log.h"

struct broker_config;

#define TOPIC_SCHEMA "millrace.schema"
#define TOPIC_ON_INVALID "millrace.on.invalid"
#define TOPIC_KEYS_MAX 48

enum topic_effect {
	TOPIC_ACTS,     /* as Kafka's does */
	TOPIC_COVERED,  /* what it asks for holds anyway */
	TOPIC_HARMLESS, /* says how, never what: taken and shown, without effect */
};

struct topic_key {
	struct config_key key;
	const char *broker_name;   /* the broker's value that stands for it when it is not set; NULL: none */
	const char *broker_preset; /* that one's default; NULL: it has none */
	uint16_t offset, size;     /* in struct log_topic_config; size 0: elsewhere */
	enum topic_effect effect;
};

extern const struct topic_key topic_keys[];
extern const size_t topic_key_count;
const struct topic_key *topic_key_find(mr_str name); /* NULL when there is none */

/* A topic's settings, by the index of the key. */
struct topic_settings {
	mr_str values[TOPIC_KEYS_MAX]; /* ptr NULL: not set */
};

/* Views into text. Lines of names that this version does not know are dropped. */
void topic_settings_read(const char *text, struct topic_settings *out);
void topic_settings_write(const struct topic_settings *settings, struct mr_buf *out);
mr_str topic_setting(const struct topic_settings *settings, const char *name); /* ptr NULL: not set */

/* One change after the other; new values come from the arena. `broker` gives what a list that is not
 * set is appended to. MR_ERR_INVALID in Kafka's words, with the nearest name for one that is unknown. */
MR_NODISCARD int topic_settings_change(struct topic_settings *settings, const struct broker_config *broker,
				       const struct config_change *changes, size_t count, struct arena *arena,
				       struct mr_error *err);

/* The value that holds. The synonyms are what it hides, newest first. */
void topic_setting_entry(const struct topic_settings *settings, const struct topic_key *key,
			 const struct broker_config *broker, struct config_entry *out);

/* Set the fields that have a value; the others keep what they are. MR_ERR_INVALID when values that are
 * good alone contradict one another. */
MR_NODISCARD int topic_settings_apply(const struct topic_settings *settings,
				      const struct broker_config *broker, struct log_topic_config *config,
				      struct mr_error *err);

/* A topic's settings; of one that was made without any: the fields that differ from the default. */
void topic_settings_of(const struct log_topic_config *config, struct arena *arena,
		       struct topic_settings *out);
void topic_settings_derive(const struct log_topic_config *config, struct arena *arena,
			   struct topic_settings *out);
bool topic_config_same(const struct log_topic_config *a, const struct log_topic_config *b);

/* The table as Markdown, appended. */
void topic_keys_document(struct mr_buf *out);
