/* http/metrics.h - Prometheus' text exposition format, version 0.0.4. */
#pragma once

#include "base/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE };

/* HELP and TYPE of a family; its samples follow. */
void metric_family(struct mr_buf *out, const char *name, enum metric_type type, const char *help);
/* name{label="value",...} v. Labels: pairs of name and value, ended by NULL; values are escaped. */
void metric_sample(struct mr_buf *out, const char *name, double value, ...) __attribute__((sentinel));
