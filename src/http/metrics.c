#include "http/metrics.h"

#include <math.h>
#include <stdarg.h>

void metric_family(struct mr_buf *out, const char *name, enum metric_type type, const char *help)
{
	mr_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
		      type == METRIC_COUNTER ? "counter" : "gauge");
}

static void put_label_value(struct mr_buf *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '\n')
			mr_buf_cstr(out, "\\n");
		else if (*value == '"' || *value == '\\')
			mr_buf_printf(out, "\\%c", *value);
		else
			mr_buf_char(out, *value);
	}
}

void metric_sample(struct mr_buf *out, const char *name, double value, ...)
{
	va_list labels;
	va_start(labels, value);
	mr_buf_cstr(out, name);
	const char *label = va_arg(labels, const char *);
	bool any = label != NULL;
	for (char separator = '{'; label; separator = ',', label = va_arg(labels, const char *)) {
		mr_buf_printf(out, "%c%s=\"", separator, label);
		put_label_value(out, va_arg(labels, const char *));
		mr_buf_char(out, '"');
	}
	va_end(labels);
	if (any)
		mr_buf_char(out, '}');
	if (value == floor(value) && fabs(value) < 1e15)
		mr_buf_printf(out, " %.0f\n", value);
	else
		mr_buf_printf(out, " %.9g\n", value);
}
