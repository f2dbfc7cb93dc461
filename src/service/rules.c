#define PCRE2_CODE_UNIT_WIDTH 8

#include "service/rules.h"

#include "codec/columns.h"
#include "codec/jmespath.h"
#include "codec/template.h"
#include "codec/utf8.h"
#include "service/merge.h"

#include <pcre2.h>
#include <stdlib.h>

enum {
	GROUPS_MAX = 64,
	SD_MAX = 32,
	STEPS_MAX = 200000, /* of one match; the JIT counts coarser steps than the interpreter */
	JIT_STACK_BYTES_MAX = 512 << 10,
};

/* The variables of templates, by slot; structured data and groups follow. */
enum slot {
	SLOT_MSG,
	SLOT_LINE,
	SLOT_VALUE,
	SLOT_VERSION,
	SLOT_ISO8601,
	SLOT_HOSTNAME,
	SLOT_APPNAME,
	SLOT_PROCID,
	SLOT_MSGID,
	SLOT_FACILITY,
	SLOT_SEVERITY,
	SLOT_TIMESTAMP,
	SLOT_PEER,
	SLOT_SD,
	SLOT_GROUPS = SLOT_SD + SD_MAX,
	SLOT_COUNT = SLOT_GROUPS + GROUPS_MAX,
};

static const char *const slot_names[] = {
    [SLOT_MSG] = "msg",           [SLOT_LINE] = "line",         [SLOT_VALUE] = "value",
    [SLOT_VERSION] = "version",   [SLOT_ISO8601] = "iso8601",   [SLOT_HOSTNAME] = "hostname",
    [SLOT_APPNAME] = "appname",   [SLOT_PROCID] = "procid",     [SLOT_MSGID] = "msgid",
    [SLOT_FACILITY] = "facility", [SLOT_SEVERITY] = "severity", [SLOT_TIMESTAMP] = "timestamp",
    [SLOT_PEER] = "peer",
};

struct action {
	enum conf_action_kind kind;
	const struct template *template;
	const struct merge *merge;
};

struct rule {
	size_t number; /* from 1, for messages */
	enum conf_match match;
	mr_str pattern;
	enum slot field;
	pcre2_code *regex;
	struct jmespath *jmespath;
	struct action *actions;
	size_t action_count;
};

struct sd_name { /* {{sd.ID.PARAM}} */
	mr_str id, param;
};

struct rules {
	struct arena arena;
	struct rule *items;
	size_t count;
	struct sd_name sd[SD_MAX];
	size_t sd_count;

	pcre2_match_context *match_context;
	pcre2_jit_stack *jit_stack;
	pcre2_match_data *match_data;
	struct jmespath_evaluator evaluator;
	struct json_parser *parser;
	struct template_context context;

	/* The line at hand. */
	mr_str slots[SLOT_COUNT];
	struct json_value event_json;
	enum { EVENT_UNPARSED, EVENT_JSON, EVENT_OTHER } event_state;
	/* The event, the one being made of it, and the one that the match's groups may view. */
	struct mr_buf events[3];
	int event_buf, subject_buf;
	struct mr_buf mended, topic, value, sd_text, reason;
	char iso8601[32];
	int64_t iso8601_ms;
};

/* ---- compiling ---- */

struct rule_names { /* what template_resolve_fn is given */
	struct rules *rules;
	pcre2_code *regex;
};

static int resolve_sd(struct rules *rules, mr_str name)
{
	mr_str rest = mr_str_tail(name, 3);
	const char *dot = rest.len ? memrchr(rest.ptr, '.', rest.len) : NULL;
	if (!dot || rules->sd_count == SD_MAX)
		return -1;
	size_t id_len = (size_t)(dot - rest.ptr);
	struct sd_name *sd = &rules->sd[rules->sd_count];
	sd->id = arena_copy(&rules->arena, mr_str_n(rest.ptr, id_len));
	sd->param = arena_copy(&rules->arena, mr_str_tail(rest, id_len + 1));
	return SLOT_SD + (int)rules->sd_count++;
}

static int resolve_group(pcre2_code *regex, mr_str name)
{
	char copy[64];
	if (!regex || name.len >= sizeof copy)
		return -1;
	memcpy(copy, name.ptr, name.len);
	copy[name.len] = 0;
	if (name.len <= 2 && strspn(copy, "0123456789") == name.len) {
		uint32_t groups = 0;
		pcre2_pattern_info(regex, PCRE2_INFO_CAPTURECOUNT, &groups);
		long number = strtol(copy, NULL, 10);
		return number <= (long)groups && number < GROUPS_MAX ? SLOT_GROUPS + (int)number : -1;
	}
	int number = pcre2_substring_number_from_name(regex, (PCRE2_SPTR)copy);
	return number > 0 && number < GROUPS_MAX ? SLOT_GROUPS + number : -1;
}

static int resolve(void *arg, mr_str name)
{
	struct rule_names *names = arg;
	int group = resolve_group(names->regex, name);
	if (group >= 0)
		return group;
	if (mr_str_starts(name, MR_STR("sd.")))
		return resolve_sd(names->rules, name);
	for (size_t i = 0; i < MR_COUNT(slot_names); i++) {
		if (mr_str_is(name, slot_names[i]))
			return (int)i;
	}
	return -1;
}

static int compile_regex(struct rule *rule, struct mr_error *err)
{
	int code;
	PCRE2_SIZE at;
	rule->regex = pcre2_compile((PCRE2_SPTR)rule->pattern.ptr, rule->pattern.len,
				    PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
	if (!rule->regex) {
		char message[256];
		pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof message);
		return mr_fail(err, MR_ERR_INVALID, "regex '%.*s': %s at column %zu", MR_FMT(rule->pattern),
			       message, (size_t)at + 1);
	}
	uint32_t groups = 0;
	pcre2_pattern_info(rule->regex, PCRE2_INFO_CAPTURECOUNT, &groups);
	if (groups >= GROUPS_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "regex '%.*s' has %u groups; at most %d are allowed",
			       MR_FMT(rule->pattern), groups, GROUPS_MAX - 1);
	/* Without a JIT on this machine pcre2_match interprets: slower, and the same results. */
	(void)pcre2_jit_compile(rule->regex, PCRE2_JIT_COMPLETE);
	return 0;
}

static int compile_action(struct rules *rules, struct rule *rule, const struct conf_action *conf,
			  struct action *out, struct mr_error *err)
{
	struct rule_names names = {rules, rule->regex};
	struct json_value json;
	struct mr_error not_json;
	bool is_json = json_parse(rules->parser, conf->text, &json, &not_json) == 0;
	bool is_object = is_json && json_type(json) == JSON_OBJECT;
	out->kind = conf->kind;
	switch (conf->kind) {
	case CONF_STOP:
		return 0;
	case CONF_FORWARD:
		return template_compile(&rules->arena, conf->text, resolve, &names, &out->template, err);
	case CONF_MERGE:
		if (!is_object)
			return mr_fail(err, MR_ERR_INVALID, "merge: not a JSON object%s%s",
				       is_json ? "" : ": ", is_json ? "" : not_json.message);
		return merge_compile(&rules->arena, json, resolve, &names, &out->merge, err);
	default:
		if (is_object)
			return template_compile_json(&rules->arena, json, resolve, &names, &out->template,
						     err);
		return template_compile(&rules->arena, conf->text, resolve, &names, &out->template, err);
	}
}

static int compile_rule(struct rules *rules, const struct conf_rule *conf, struct rule *rule,
			struct mr_error *err)
{
	static const enum slot fields[] = {SLOT_MSG, SLOT_HOSTNAME, SLOT_APPNAME, SLOT_FACILITY,
					   SLOT_SEVERITY};
	mr_str field = conf->field.len ? conf->field : MR_STR("msg");
	size_t i = 0;
	while (i < MR_COUNT(fields) && !mr_str_is(field, slot_names[fields[i]]))
		i++;
	if (i == MR_COUNT(fields)) {
		mr_fail(err, MR_ERR_INVALID, "no field '%.*s'", MR_FMT(field));
		return mr_hint(err, "fields are: msg hostname appname facility severity");
	}
	rule->field = fields[i];
	rule->match = conf->match;
	rule->pattern = arena_copy(&rules->arena, conf->pattern);
	int rc = rule->match == CONF_MATCH_REGEX ? compile_regex(rule, err)
						 : jmespath_compile(rule->pattern, &rule->jmespath, err);
	rule->actions = arena_calloc(&rules->arena, conf->action_count + 1, sizeof *rule->actions);
	for (; rc == 0 && rule->action_count < conf->action_count; rule->action_count++)
		rc = compile_action(rules, rule, &conf->actions[rule->action_count],
				    &rule->actions[rule->action_count], err);
	return rc;
}

static struct json_value event_json(void *arg);

int rules_compile(const struct conf_rule *conf, size_t count, struct mr_rng *rng, struct rules **out,
		  struct mr_error *err)
{
	struct rules *rules = mr_calloc(1, sizeof *rules);
	rules->parser = json_parser_new();
	rules->context = (struct template_context){
	    .slots = rules->slots, .event = event_json, .event_arg = rules, .rng = rng};
	rules->match_context = pcre2_match_context_create(NULL);
	rules->jit_stack = pcre2_jit_stack_create(32 << 10, JIT_STACK_BYTES_MAX, NULL);
	rules->match_data = pcre2_match_data_create(GROUPS_MAX, NULL);
	MR_ASSERT(rules->match_context && rules->match_data);
	pcre2_set_match_limit(rules->match_context, STEPS_MAX);
	pcre2_set_heap_limit(rules->match_context, 1024); /* KiB */
	pcre2_jit_stack_assign(rules->match_context, NULL, rules->jit_stack);
	rules->items = arena_calloc(&rules->arena, count + 1, sizeof *rules->items);
	int rc = 0;
	for (; rc == 0 && rules->count < count; rules->count++) {
		rules->items[rules->count].number = rules->count + 1;
		rc = compile_rule(rules, &conf[rules->count], &rules->items[rules->count], err);
		if (rc < 0)
			mr_error_wrap(err, rc, "gateway rule %zu", rules->count + 1);
	}
	if (rc < 0) {
		rules_free(rules);
		return rc;
	}
	*out = rules;
	return 0;
}

void rules_free(struct rules *rules)
{
	if (!rules)
		return;
	for (size_t i = 0; i < rules->count; i++) {
		pcre2_code_free(rules->items[i].regex);
		jmespath_free(rules->items[i].jmespath);
	}
	pcre2_match_data_free(rules->match_data);
	pcre2_jit_stack_free(rules->jit_stack);
	pcre2_match_context_free(rules->match_context);
	jmespath_evaluator_release(&rules->evaluator);
	json_parser_free(rules->parser);
	template_context_release(&rules->context);
	struct mr_buf *bufs[] = {&rules->events[0], &rules->events[1], &rules->events[2], &rules->mended,
				 &rules->topic,     &rules->value,     &rules->sd_text,   &rules->reason};
	for (size_t i = 0; i < MR_COUNT(bufs); i++)
		mr_buf_release(bufs[i]);
	arena_release(&rules->arena);
	free(rules);
}

/* ---- applying ---- */

/* The event parsed, once per event; absent when it is no JSON. */
static struct json_value event_json(void *arg)
{
	struct rules *rules = arg;
	if (rules->event_state == EVENT_UNPARSED) {
		mr_str event = rules->slots[SLOT_MSG];
		bool maybe = event.len && (event.ptr[0] == '{' || event.ptr[0] == '[' ||
					   (unsigned char)event.ptr[0] <= ' ');
		bool ok = maybe && json_parse(rules->parser, event, &rules->event_json, NULL) == 0;
		rules->event_state = ok ? EVENT_JSON : EVENT_OTHER;
		if (!ok)
			rules->event_json = (struct json_value){0};
	}
	return rules->event_json;
}

static void set_event(struct rules *rules, mr_str event)
{
	rules->slots[SLOT_MSG] = event;
	rules->event_state = EVENT_UNPARSED;
}

/* The buffer for the event's successor: neither the event's nor the match's. */
static struct mr_buf *other_event(struct rules *rules)
{
	int old = rules->event_buf;
	while (rules->event_buf == old || rules->event_buf == rules->subject_buf)
		rules->event_buf = (rules->event_buf + 1) % (int)MR_COUNT(rules->events);
	struct mr_buf *buf = &rules->events[rules->event_buf];
	mr_buf_clear(buf);
	return buf;
}

/* The length of the beginning that is UTF-8. */
static size_t utf8_prefix(mr_str s)
{
	size_t i = 0;
	while (i < s.len) {
		uint64_t eight;
		if (s.len - i >= sizeof eight) {
			memcpy(&eight, s.ptr + i, sizeof eight);
			if (!(eight & 0x8080808080808080u)) {
				i += sizeof eight;
				continue;
			}
		}
		size_t n = utf8_sequence((const unsigned char *)s.ptr + i, s.len - i);
		if (n == 0)
			break;
		i += n;
	}
	return i;
}

/* The line with each byte that is no UTF-8 replaced; the line itself when there is none. */
static mr_str mend(struct rules *rules, mr_str line)
{
	size_t good = utf8_prefix(line);
	if (MR_LIKELY(good == line.len))
		return line;
	mr_buf_clear(&rules->mended);
	while (line.len) {
		mr_buf_append(&rules->mended, line.ptr, good);
		line = mr_str_tail(line, good);
		if (line.len)
			mr_buf_cstr(&rules->mended, "\xef\xbf\xbd");
		line = mr_str_tail(line, 1);
		good = utf8_prefix(line);
	}
	return mr_buf_view(&rules->mended);
}

static void start_line(struct rules *rules, const struct rules_line *input, mr_str line)
{
	struct syslog_message m;
	syslog_parse(line, &m);
	if (rules->iso8601_ms != input->now_ms || !rules->iso8601[0]) {
		rules->iso8601_ms = input->now_ms;
		format_timestamp_ms(input->now_ms, rules->iso8601);
	}
	mr_str *s = rules->slots;
	set_event(rules, m.msg);
	s[SLOT_LINE] = line;
	s[SLOT_VALUE] = MR_STR_NULL;
	s[SLOT_VERSION] = MR_STR(MR_VERSION);
	s[SLOT_ISO8601] = mr_str_from(rules->iso8601);
	s[SLOT_HOSTNAME] = m.hostname.len ? m.hostname : MR_STR_NULL;
	s[SLOT_APPNAME] = m.appname.len ? m.appname : MR_STR_NULL;
	s[SLOT_PROCID] = m.procid.len ? m.procid : MR_STR_NULL;
	s[SLOT_MSGID] = m.msgid.len ? m.msgid : MR_STR_NULL;
	s[SLOT_FACILITY] = syslog_facility_name(m.priority);
	s[SLOT_SEVERITY] = syslog_severity_name(m.priority);
	s[SLOT_TIMESTAMP] = m.timestamp.len ? m.timestamp : MR_STR_NULL;
	s[SLOT_PEER] = input->peer;
	mr_buf_clear(&rules->sd_text);
	mr_buf_reserve(&rules->sd_text, m.structured_data.len * rules->sd_count + 1); /* views stay put */
	for (size_t i = 0; i < rules->sd_count; i++)
		s[SLOT_SD + i] =
		    syslog_sd_get(m.structured_data, rules->sd[i].id, rules->sd[i].param, &rules->sd_text);
	rules->context.now_ms = input->now_ms;
}

static int fail(struct rules *rules, const struct rule *rule, const char *what, mr_str detail)
{
	mr_buf_clear(&rules->reason);
	mr_buf_printf(&rules->reason, "rule %zu: %s", rule->number, what);
	mr_buf_str(&rules->reason, mr_str_n(detail.ptr, mr_min_size(detail.len, 200)));
	return MR_ERR_INVALID;
}

/* 1: matches, groups and value are set; 0: does not; negative: the pattern gave up. */
static int match_regex(struct rules *rules, const struct rule *rule)
{
	mr_str subject = rules->slots[rule->field];
	int groups = pcre2_match(rule->regex, (PCRE2_SPTR)(subject.ptr ? subject.ptr : ""), subject.len, 0,
				 PCRE2_NO_UTF_CHECK, rules->match_data, rules->match_context);
	if (groups == PCRE2_ERROR_NOMATCH)
		return 0;
	if (groups < 0) {
		char message[128];
		pcre2_get_error_message(groups, (PCRE2_UCHAR *)message, sizeof message);
		return fail(rules, rule, "regex gave up: ", mr_str_from(message));
	}
	const PCRE2_SIZE *ovector = pcre2_get_ovector_pointer(rules->match_data);
	for (int i = 0; i < GROUPS_MAX; i++) {
		bool set =
		    i < groups && ovector[2 * i] != PCRE2_UNSET && ovector[2 * i] <= ovector[2 * i + 1];
		rules->slots[SLOT_GROUPS + i] =
		    set ? mr_str_n(subject.ptr + ovector[2 * i], ovector[2 * i + 1] - ovector[2 * i])
			: MR_STR_NULL;
	}
	rules->slots[SLOT_VALUE] = rules->slots[SLOT_GROUPS];
	return 1;
}

static int match_jmespath(struct rules *rules, const struct rule *rule)
{
	struct jmespath_value v;
	struct json_value document = {0};
	struct mr_error err;
	if (rule->field == SLOT_MSG)
		document = event_json(rules);
	if (!json_present(document))
		return 0;
	if (jmespath_eval(rule->jmespath, &rules->evaluator, document, &v, &err) < 0)
		return fail(rules, rule, "jmespath: ", mr_str_from(err.message));
	if (!jmespath_truthy(&v))
		return 0;
	/* The text is copied: a merge parses the event again and would pull it away. */
	mr_buf_clear(&rules->value);
	jmespath_text(&v, &rules->value);
	rules->slots[SLOT_VALUE] = mr_buf_view(&rules->value);
	return 1;
}

static int run_merge(struct rules *rules, const struct rule *rule, const struct action *action)
{
	struct json_value event = event_json(rules);
	if (json_type(event) != JSON_OBJECT)
		return fail(rules, rule, "merge into an event that is not a JSON object", MR_STR(""));
	struct mr_buf *out = other_event(rules);
	merge_apply(action->merge, rules->slots[SLOT_MSG], &rules->context, out);
	set_event(rules, mr_buf_view(out));
	return 0;
}

static int run_forward(struct rules *rules, const struct rule *rule, const struct action *action,
		       struct rules_result *out)
{
	mr_buf_clear(&rules->topic);
	if (template_render(action->template, &rules->context, &rules->topic) > 0)
		return fail(rules, rule, "forward: the line has no ",
			    template_absent_name(action->template, &rules->context));
	if (rules->topic.len == 0)
		return fail(rules, rule, "forward: the topic is empty", MR_STR(""));
	out->outcome = RULES_FORWARD;
	out->topic = mr_buf_view(&rules->topic);
	out->event = rules->slots[SLOT_MSG];
	return 1;
}

static void trace_event(struct rules *rules, struct mr_buf *trace, const char *action)
{
	if (trace)
		mr_buf_printf(trace, "    %s: %.*s\n", action, MR_FMT(rules->slots[SLOT_MSG]));
}

/* 1: done with the line; 0: on to the next rule; negative: failed. */
static int run_actions(struct rules *rules, const struct rule *rule, struct mr_buf *trace,
		       struct rules_result *out)
{
	for (size_t i = 0; i < rule->action_count; i++) {
		const struct action *action = &rule->actions[i];
		struct mr_buf *event;
		int rc = 0;
		switch (action->kind) {
		case CONF_STOP:
			out->outcome = RULES_STOPPED;
			return 1;
		case CONF_FORWARD:
			return run_forward(rules, rule, action, out);
		case CONF_MERGE:
			rc = run_merge(rules, rule, action);
			trace_event(rules, rc == 0 ? trace : NULL, "merge");
			break;
		case CONF_REPLACE:
			event = other_event(rules);
			template_render(action->template, &rules->context, event);
			set_event(rules, mr_buf_view(event));
			trace_event(rules, trace, "replace");
			break;
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void trace_match(struct rules *rules, const struct rule *rule, struct mr_buf *trace)
{
	mr_buf_printf(trace, "  rule %zu matches (%s '%.*s' on %s)\n", rule->number,
		      rule->match == CONF_MATCH_REGEX ? "regex" : "jmespath", MR_FMT(rule->pattern),
		      slot_names[rule->field]);
	if (rule->match == CONF_MATCH_JMESPATH) {
		mr_buf_printf(trace, "    value = %.*s\n", MR_FMT(rules->slots[SLOT_VALUE]));
		return;
	}
	uint32_t names = 0, entry_size = 0;
	const unsigned char *table = NULL;
	pcre2_pattern_info(rule->regex, PCRE2_INFO_NAMECOUNT, &names);
	pcre2_pattern_info(rule->regex, PCRE2_INFO_NAMEENTRYSIZE, &entry_size);
	pcre2_pattern_info(rule->regex, PCRE2_INFO_NAMETABLE, &table);
	for (uint32_t i = 0; i < names; i++, table += entry_size) {
		mr_str group = rules->slots[SLOT_GROUPS + ((table[0] << 8) | table[1])];
		if (group.ptr)
			mr_buf_printf(trace, "    %s = %.*s\n", table + 2, MR_FMT(group));
	}
}

void rules_apply(struct rules *rules, const struct rules_line *line, struct rules_result *out)
{
	mr_str mended = mend(rules, line->line);
	*out = (struct rules_result){.outcome = RULES_UNMATCHED, .mended = mended.ptr != line->line.ptr};
	start_line(rules, line, mended);
	int rc = 0;
	size_t matched = 0;
	for (size_t i = 0; i < rules->count && rc == 0; i++) {
		const struct rule *rule = &rules->items[i];
		rc = rule->match == CONF_MATCH_REGEX ? match_regex(rules, rule) : match_jmespath(rules, rule);
		if (rc <= 0)
			continue;
		matched++;
		rules->subject_buf = rules->event_buf;
		if (line->trace)
			trace_match(rules, rule, line->trace);
		rc = run_actions(rules, rule, line->trace, out);
	}
	if (rc < 0) {
		out->outcome = RULES_ERROR;
		out->reason = mr_buf_view(&rules->reason);
	} else if (rc == 0) {
		out->reason = matched ? MR_STR("no rule forwards it") : MR_STR("no rule matches");
	}
}
