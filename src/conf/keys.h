/* conf/keys.h - the keys of the project file: the option tables that fill struct project. */
#pragma once

#include "conf/options.h"

#define AT(type, member) .offset = offsetof(type, member)
#define COUNTED(type, member, counter) \
	.offset = offsetof(type, member), .count_offset = offsetof(type, counter)

extern const struct option_table conf_project_table; /* keys.c */
extern const struct option_table conf_kafka_table;   /* keys_kafka.c */
extern const struct option_table conf_user_table;
extern const struct option_table conf_dags_table;        /* keys_dags.c */
extern const struct option_table conf_maintenance_table; /* keys_maintenance.c */
