/* dag/load_schedule.c - `schedule` and `timetable` of a DAG: cron, presets, durations, Airflow's
 * timetable classes, assets. */
#include "dag/load_internal.h"

#include "conf/units.h"
#include "dag/asset.h"
#include "dag/timetable.h"

#define ASSETS_MAX 256
#define DEPTH_MAX 32
#define EVENTS_MAX 100000

/* ---- assets ---- */

static int read_assets(struct build *b, const struct yaml_node *node, int depth, struct asset_condition **out,
		       struct mr_error *err);

static int read_asset_list(struct build *b, const struct yaml_node *list, enum asset_kind kind, int depth,
			   struct asset_condition **out, struct mr_error *err)
{
	struct asset_condition *items[ASSETS_MAX];
	if (list->kind != YAML_SEQUENCE || !list->count || list->count > ASSETS_MAX)
		return load_fail(b, list, err, "expected a list of 1 to %d assets", ASSETS_MAX);
	for (size_t i = 0; i < list->count; i++) {
		int rc = read_assets(b, list->items[i], depth + 1, &items[i], err);
		if (rc < 0)
			return rc;
	}
	*out = asset_group(b->arena, kind, items, list->count);
	return 0;
}

static const struct yaml_node *uri_of(const struct yaml_node *node)
{
	const struct yaml_node *uri = yaml_get(node, "uri"), *args = yaml_get(node, "__args__");
	if (!uri)
		uri = yaml_get(node, "name");
	if (!uri && args && args->kind == YAML_SEQUENCE && args->count)
		uri = args->items[0];
	return uri && uri->kind == YAML_SCALAR ? uri : NULL;
}

static int read_assets(struct build *b, const struct yaml_node *node, int depth, struct asset_condition **out,
		       struct mr_error *err)
{
	if (depth > DEPTH_MAX)
		return load_fail(b, node, err, "assets nested more than %d deep", DEPTH_MAX);
	if (node->kind == YAML_SEQUENCE)
		return read_asset_list(b, node, ASSET_ALL, depth, out, err);
	if (node->kind == YAML_SCALAR) {
		int rc = asset_parse(b->arena, node->text, out, err);
		return rc < 0 ? mr_error_where(err, b->file, node->line, node->column) : 0;
	}
	const struct yaml_node *any = yaml_get(node, "__or__"), *all = yaml_get(node, "__and__");
	if (any || all)
		return read_asset_list(b, any ? any : all, any ? ASSET_ANY : ASSET_ALL, depth, out, err);
	const struct yaml_node *uri = uri_of(node);
	if (!uri)
		return load_fail(b, node, err, "an asset needs its uri");
	*out = asset_uri(b->arena, uri->text);
	return 0;
}

static int schedule_assets(struct build *b, const struct yaml_node *node, struct mr_error *err)
{
	int rc = read_assets(b, node, 0, &b->dag->assets, err);
	if (rc == 0) {
		b->dag->timetable = timetable_never(b->zone);
		b->zone = NULL;
	}
	return rc;
}

/* ---- times ---- */

static int schedule_delta(struct build *b, const struct yaml_node *at, int64_t delta_us, bool interval,
			  struct mr_error *err)
{
	if (delta_us <= 0)
		return load_fail(b, at, err, "a schedule's distance must be more than nothing");
	b->dag->timetable = timetable_delta(delta_us, b->zone, interval);
	b->zone = NULL;
	return 0;
}

static int schedule_text(struct build *b, const struct yaml_node *at, mr_str text, bool interval,
			 struct mr_error *err)
{
	struct tz *zone = b->zone;
	int rc = timetable_parse(text, zone, interval, &b->dag->timetable, err);
	b->zone = NULL; /* taken, also on failure */
	return rc < 0 ? mr_error_where(err, b->file, at->line, at->column) : 0;
}

static int zone_of(struct build *b, const struct yaml_node *node, struct mr_error *err)
{
	struct tz *zone;
	if (!node || yaml_is_null(node))
		return 0;
	if (node->kind != YAML_SCALAR)
		return load_fail(b, node, err, "expected the name of a time zone");
	int rc = tz_load(b->options->disk, node->text, &zone, err);
	if (rc < 0)
		return mr_error_where(err, b->file, node->line, node->column);
	tz_free(b->zone);
	b->zone = zone;
	return 0;
}

/* {__type__: airflow.timetables.events.EventsTimetable, event_dates: […], restrict_to_events: …} */
static int schedule_events(struct build *b, const struct yaml_node *node, struct mr_error *err)
{
	const struct yaml_node *dates = yaml_get(node, "event_dates"), *args = yaml_get(node, "__args__"),
			       *restricted = yaml_get(node, "restrict_to_events");
	if (!dates && args && args->kind == YAML_SEQUENCE && args->count)
		dates = args->items[0];
	if (!dates || dates->kind != YAML_SEQUENCE || dates->count > EVENTS_MAX)
		return load_fail(b, dates ? dates : node, err,
				 "EventsTimetable needs its event_dates, at most %d", EVENTS_MAX);
	int64_t *times = arena_calloc(b->scratch, dates->count + 1, sizeof *times);
	bool restrict_to = false;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < dates->count; i++)
		rc = load_time(b, dates->items[i], &times[i], err);
	if (rc == 0 && restricted)
		rc = load_value(b, &(struct key){"restrict_to_events", VALUE_BOOL}, restricted, &restrict_to,
				err);
	if (rc < 0)
		return rc;
	b->dag->timetable = timetable_events(times, dates->count, restrict_to, b->zone);
	b->zone = NULL;
	return 0;
}

/* {__type__: airflow.timetables.….CronDataIntervalTimetable, cron: …, timezone: …} */
static int schedule_object(struct build *b, const struct yaml_node *node, struct mr_error *err)
{
	mr_str type = load_type(node);
	bool trigger = mr_str_is(type, "CronTriggerTimetable"),
	     many = mr_str_is(type, "MultipleCronTriggerTimetable");
	bool interval = mr_str_is(type, "CronDataIntervalTimetable");
	bool delta = mr_str_is(type, "DeltaTriggerTimetable"),
	     delta_interval = mr_str_is(type, "DeltaDataIntervalTimetable");
	const struct yaml_node *args = yaml_get(node, "__args__"), *reach = yaml_get(node, "interval");
	const struct yaml_node *what = yaml_get(node, delta || delta_interval ? "delta" : "cron");
	int64_t us;
	if (mr_str_is(type, "timedelta")) {
		int rc = load_duration(b, node, &us, err);
		return rc < 0 ? rc : schedule_delta(b, node, us, false, err);
	}
	if (mr_str_is(type, "EventsTimetable"))
		return schedule_events(b, node, err);
	if (!trigger && !many && !interval && !delta && !delta_interval) {
		load_fail(b, node, err, "unknown timetable '%.*s'", MR_FMT(type));
		return mr_hint(
		    err, "CronTriggerTimetable, MultipleCronTriggerTimetable, CronDataIntervalTimetable, "
			 "DeltaTriggerTimetable, DeltaDataIntervalTimetable, EventsTimetable");
	}
	if (!what && args && args->kind == YAML_SEQUENCE && args->count)
		what = args->items[0];
	if (!what)
		return load_fail(b, node, err, "%.*s needs its %s", MR_FMT(type), delta ? "delta" : "cron");
	int rc = zone_of(b, yaml_get(node, "timezone"), err);
	if (rc == 0 && (delta || delta_interval)) {
		rc = load_duration(b, what, &us, err);
		return rc < 0 ? rc : schedule_delta(b, what, us, delta_interval, err);
	}
	if (rc == 0 && what->kind != YAML_SCALAR)
		rc = load_fail(b, what, err, "expected a cron expression");
	if (rc == 0)
		rc = schedule_text(b, what, what->text, interval, err);
	for (size_t i = 1; rc == 0 && many && args && i < args->count; i++)
		rc = timetable_add_cron(b->dag->timetable, args->items[i]->text, err);
	if (rc == 0 && reach && (rc = load_duration(b, reach, &us, err)) == 0)
		timetable_set_reach(b->dag->timetable, us);
	return rc;
}

static int read_kind(struct build *b, const struct yaml_node *node, bool *interval, struct mr_error *err)
{
	*interval = false;
	if (!node || yaml_is_null(node))
		return 0;
	*interval = node->kind == YAML_SCALAR && mr_str_is(node->text, "interval");
	if (*interval || (node->kind == YAML_SCALAR && mr_str_is(node->text, "trigger")))
		return 0;
	load_fail(b, node, err, "unknown timetable");
	return mr_hint(err,
		       "trigger: a run is for the moment it fires; interval: for the time since the last");
}

int load_schedule(struct build *b, const struct yaml_node *schedule, const struct yaml_node *timetable,
		  struct mr_error *err)
{
	bool interval;
	int64_t ms;
	int rc = read_kind(b, timetable, &interval, err);
	if (rc < 0)
		return rc;
	if (!schedule || yaml_is_null(schedule)) {
		b->dag->timetable = timetable_never(b->zone);
		b->zone = NULL;
		return 0;
	}
	if (schedule->kind == YAML_MAPPING && load_type(schedule).len &&
	    !mr_str_is(load_type(schedule), "Asset") && !mr_str_is(load_type(schedule), "Dataset"))
		return schedule_object(b, schedule, err);
	if (schedule->kind != YAML_SCALAR || memmem(schedule->text.ptr, schedule->text.len, "://", 3))
		return schedule_assets(b, schedule, err);
	if (conf_parse_duration(schedule->text, &ms, NULL) == 0)
		return schedule_delta(b, schedule, ms * 1000, interval, err);
	return schedule_text(b, schedule, schedule->text, interval, err);
}
