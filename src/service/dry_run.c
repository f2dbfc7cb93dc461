/* service/dry_run.c - gateway_test_line: what the rules would do to a line, as text. */
#include "env/env.h"
#include "service/gateway.h"
#include "service/rules.h"

static void put_parts(mr_str line, struct mr_buf *out)
{
	static const char *const formats[] = {
	    [SYSLOG_PLAIN] = "plain text", [SYSLOG_RFC3164] = "RFC 3164", [SYSLOG_RFC5424] = "RFC 5424"};
	struct syslog_message m;
	syslog_parse(line, &m);
	mr_buf_printf(out, "  %s, %.*s.%.*s", formats[m.format], MR_FMT(syslog_facility_name(m.priority)),
		      MR_FMT(syslog_severity_name(m.priority)));
	const struct {
		const char *name;
		mr_str value;
	} parts[] = {{"time", m.timestamp}, {"host", m.hostname}, {"app", m.appname},
		     {"procid", m.procid},  {"msgid", m.msgid},   {"data", m.structured_data}};
	for (size_t i = 0; i < MR_COUNT(parts); i++) {
		if (parts[i].value.len)
			mr_buf_printf(out, ", %s %.*s", parts[i].name, MR_FMT(parts[i].value));
	}
	mr_buf_char(out, '\n');
}

int gateway_test_line(const struct conf_gateway *conf, mr_str line, int64_t now_ms, struct mr_buf *out,
		      struct mr_error *err)
{
	struct rules *rules;
	int rc = rules_compile(conf->rules, conf->rule_count, env_linux()->rng, &rules, err);
	if (rc < 0)
		return rc;
	struct rules_line input = {line, MR_STR("dry-run"), now_ms, out};
	struct rules_result result;
	mr_buf_printf(out, "%.*s\n", MR_FMT(line));
	put_parts(line, out);
	rules_apply(rules, &input, &result);
	switch (result.outcome) {
	case RULES_FORWARD:
		mr_buf_printf(out, "  -> topic %.*s: %.*s\n", MR_FMT(result.topic), MR_FMT(result.event));
		break;
	case RULES_STOPPED:
		mr_buf_cstr(out, "  -> dropped (stop)\n");
		break;
	default:
		mr_buf_printf(out, "  -> gateway.dlq: %.*s\n", MR_FMT(result.reason));
	}
	rules_free(rules);
	return 0;
}
