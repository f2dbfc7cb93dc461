#include "api/json.h"

#include "dag/civil.h"

void put_time_value(struct json_writer *w, int64_t us)
{
	char text[CIVIL_ISO_BYTES];
	if (us == NO_TIME) {
		json_put_null(w);
		return;
	}
	mr_str iso = mr_str_from(civil_iso(text, us));
	size_t len = iso.len - strlen("+00:00");
	text[len] = 'Z';
	json_put_str(w, mr_str_n(text, len + 1));
}

void put_time(struct json_writer *w, const char *name, int64_t us)
{
	json_key(w, name);
	put_time_value(w, us);
}

bool parse_time(mr_str text, int64_t *us_out)
{
	return civil_parse(text, NULL, us_out);
}

void put_task_state(struct json_writer *w, const char *name, enum task_state state)
{
	json_key(w, name);
	if (state == TASK_NONE)
		json_put_null(w);
	else
		json_put_cstr(w, task_state_name(state));
}

void put_text(struct json_writer *w, const char *name, mr_str text)
{
	json_key(w, name);
	if (text.len)
		json_put_str(w, text);
	else
		json_put_null(w);
}

void put_delta(struct json_writer *w, const char *name, int64_t us, bool absent)
{
	json_key(w, name);
	if (!us && absent) {
		json_put_null(w);
		return;
	}
	json_begin_object(w);
	json_member_cstr(w, "__type", "TimeDelta");
	json_member_int(w, "days", us / SECOND_US / DAY_SECONDS);
	json_member_int(w, "seconds", us / SECOND_US % DAY_SECONDS);
	json_member_int(w, "microseconds", us % SECOND_US);
	json_end_object(w);
}

void put_null(struct json_writer *w, const char *name)
{
	json_key(w, name);
	json_put_null(w);
}

void put_raw(struct json_writer *w, const char *name, mr_str json)
{
	json_key(w, name);
	if (json.len)
		json_put_raw(w, json);
	else
		json_put_null(w);
}
