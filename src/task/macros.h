/* task/macros.h - Airflow's `macros` in templates: ds_add, ds_format, timedelta, datetime. */
#pragma once

#include "jinja/value.h"

extern const char *const macro_members[]; /* NULL-terminated */

/* datetime is filled too: {{ macros.datetime.strptime(…) }}. */
struct jinja_object macros_object(struct jinja_object *datetime);
