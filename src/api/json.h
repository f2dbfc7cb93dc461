/* api/json.h - values as Airflow's REST API writes them. Pure. */
#pragma once

#include "codec/json.h"
#include "dag/dag.h"
#include "dag/state.h"

/* "2026-01-01T03:00:00Z", with microseconds when there are any; NO_TIME is null. */
void put_time(struct json_writer *w, const char *name, int64_t us);
void put_time_value(struct json_writer *w, int64_t us);
/* A time in a request: the same, or any ISO 8601 time; without a zone it is UTC. */
bool parse_time(mr_str text, int64_t *us_out);
/* null for what Airflow calls no status yet. */
void put_task_state(struct json_writer *w, const char *name, enum task_state state);
/* Empty is null. */
void put_text(struct json_writer *w, const char *name, mr_str text);
/* {"__type": "TimeDelta", "days": 0, "seconds": 300, "microseconds": 0}; 0 with `absent`: null. */
void put_delta(struct json_writer *w, const char *name, int64_t us, bool absent);
void put_null(struct json_writer *w, const char *name);
void put_raw(struct json_writer *w, const char *name, mr_str json);
