/* app/metrics.h - /metrics: Prometheus names, base units, few labels. */
#pragma once

#include "app/app.h"

void app_metrics(struct app *app, struct mr_buf *out);
