/* broker/config_key.h - one configuration by its name: type, default, what it may be.
 *
 * Shared by the tables of topics (topic_config.h) and of the broker (broker_config.h). Values are
 * texts, as Kafka's clients send and show them; the words of a refusal are Kafka's.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "base/types.h"

/* Kafka's numbers, as DescribeConfigs sends them. */
enum config_type {
	CONFIG_BOOLEAN = 1,
	CONFIG_STRING = 2,
	CONFIG_INT = 3,
	CONFIG_SHORT = 4,
	CONFIG_LONG = 5,
	CONFIG_DOUBLE = 6,
	CONFIG_LIST = 7,
};

/* Where a value comes from: Kafka's numbers again. */
enum config_source {
	CONFIG_FROM_TOPIC = 1,
	CONFIG_FROM_BROKER = 2,  /* dynamic, of this broker */
	CONFIG_FROM_CLUSTER = 3, /* dynamic, of all brokers */
	CONFIG_FROM_FILE = 4,    /* static: the project file or the command line */
	CONFIG_FROM_DEFAULT = 5,
	CONFIG_FROM_GROUP = 8, /* dynamic, of a group */
};

struct config_key {
	const char *name;
	enum config_type type;
	const char *preset;  /* NULL: none */
	int64_t least, most; /* of numbers; both 0: what the type holds */
	const char *words;   /* of texts and lists: what is allowed, one after a space; NULL: anything */
	const char *only;    /* words, least and most are narrower than Kafka's: why */
	const char *help;
};

/* MR_ERR_INVALID in Kafka's words: "Invalid value x for configuration y: ...". */
MR_NODISCARD int config_key_check(const struct config_key *key, mr_str value, struct mr_error *err);

/* What a checked value means. A boolean is 0 or 1. */
int64_t config_int(mr_str value);
double config_double(mr_str value);

/* The comma-separated items of a list, trimmed: false at its end. */
bool config_list_next(mr_str *rest, mr_str *item);

enum config_op { CONFIG_SET, CONFIG_DELETE, CONFIG_APPEND, CONFIG_SUBTRACT }; /* Kafka's numbers */

struct config_change {
	mr_str name;
	enum config_op op;
	mr_str value; /* ptr NULL: back to the default */
};

/* What people write for a number: "7d" of a name that ends in .ms, "16MiB" of one in .bytes. The text comes
 * from the arena; anything else is given back as it is. */
mr_str config_from_people(mr_str name, mr_str text, struct arena *arena);

bool config_list_has(mr_str list, mr_str wanted);
/* CONFIG_APPEND: the items of both; CONFIG_SUBTRACT: those of `list` that are not in `items`. */
mr_str config_list_change(enum config_op op, mr_str list, mr_str items, struct arena *arena);
/* The refusal of such a change to what is no list. */
MR_NODISCARD int config_not_list(const struct config_key *key, enum config_op op, struct mr_error *err);

/* How a value is shown, with what it hides: the newest first, itself included. */
struct config_synonym {
	const char *name;
	mr_str value;
	enum config_source source;
};
#define CONFIG_SYNONYMS_MAX 5
struct config_entry {
	const struct config_key *key;
	mr_str value; /* ptr NULL: none */
	enum config_source source;
	bool read_only;
	struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
	size_t synonym_count;
};
