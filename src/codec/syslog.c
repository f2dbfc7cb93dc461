/* codec/syslog.c - RFC 5424 section 6, RFC 3164 section 4. */
#include "codec/syslog.h"

enum { PRIORITY_DEFAULT = 13, PRIORITY_MAX = 191 }; /* RFC 3164, 4.3.3; RFC 5424, 6.2.1 */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static mr_str nil_to_empty(mr_str field)
{
	return field.len == 1 && field.ptr[0] == '-' ? mr_str_n(field.ptr, 0) : field;
}

/* The part before the first space; *rest moves past that space. False when there is none. */
static bool take_word(mr_str *rest, mr_str *out)
{
	const char *space = rest->len ? memchr(rest->ptr, ' ', rest->len) : NULL;
	if (!space)
		return false;
	*out = mr_str_n(rest->ptr, (size_t)(space - rest->ptr));
	*rest = mr_str_tail(*rest, out->len + 1);
	return true;
}

/* "<0>" to "<191>". */
static bool take_priority(mr_str *rest, int *out)
{
	int value = 0;
	size_t i = 1;
	if (rest->len < 3 || rest->ptr[0] != '<')
		return false;
	for (; i < rest->len && i < 4 && is_digit(rest->ptr[i]); i++)
		value = value * 10 + (rest->ptr[i] - '0');
	if (i == 1 || i >= rest->len || rest->ptr[i] != '>' || value > PRIORITY_MAX)
		return false;
	*out = value;
	*rest = mr_str_tail(*rest, i + 1);
	return true;
}

/* ---- structured data ---- */

/* At an opening quote: the length of the quoted value with both quotes, or 0. */
static size_t quoted_length(mr_str s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.ptr[i] == '\\')
			i++;
		else if (s.ptr[i] == '"')
			return i + 1;
	}
	return 0;
}

static size_t name_length(mr_str s)
{
	size_t i = 0;
	while (i < s.len && s.ptr[i] > ' ' && s.ptr[i] < 127 && s.ptr[i] != '=' && s.ptr[i] != ']' &&
	       s.ptr[i] != '"')
		i++;
	return i;
}

/* At " name=\"value\"": 1 and the parts, 0 at the closing bracket, -1 when it is neither. */
static int take_param(mr_str *rest, mr_str *name, mr_str *value)
{
	mr_str s = *rest;
	while (s.len && s.ptr[0] == ' ')
		s = mr_str_tail(s, 1);
	if (s.len && s.ptr[0] == ']') {
		*rest = mr_str_tail(s, 1);
		return 0;
	}
	*name = mr_str_n(s.ptr, name_length(s));
	s = mr_str_tail(s, name->len);
	if (name->len == 0 || s.len < 3 || s.ptr[0] != '=' || s.ptr[1] != '"')
		return -1;
	s = mr_str_tail(s, 1);
	size_t quoted = quoted_length(s);
	if (!quoted)
		return -1;
	*value = mr_str_n(s.ptr + 1, quoted - 2);
	*rest = mr_str_tail(s, quoted);
	return 1;
}

/* At "[id": false when it is not an element's start. */
static bool take_element(mr_str *rest, mr_str *id)
{
	if (!rest->len || rest->ptr[0] != '[')
		return false;
	mr_str s = mr_str_tail(*rest, 1);
	*id = mr_str_n(s.ptr, name_length(s));
	if (!id->len)
		return false;
	*rest = mr_str_tail(s, id->len);
	return true;
}

/* "-" or elements, then a space or the end. What is neither stays in the message. */
static mr_str take_structured_data(mr_str *rest)
{
	mr_str s = *rest, id, name, value;
	const mr_str none = mr_str_n(s.ptr, 0);
	if (s.len && s.ptr[0] == '-') {
		s = mr_str_tail(s, 1);
	} else {
		while (take_element(&s, &id)) {
			int rc;
			while ((rc = take_param(&s, &name, &value)) == 1)
				;
			if (rc < 0)
				return none;
		}
	}
	size_t len = rest->len - s.len;
	if (len == 0 || (s.len && s.ptr[0] != ' '))
		return none;
	mr_str taken = nil_to_empty(mr_str_n(rest->ptr, len));
	*rest = mr_str_tail(*rest, len + 1);
	return taken;
}

static mr_str unescaped(mr_str value, struct mr_buf *scratch)
{
	if (!value.len || !memchr(value.ptr, '\\', value.len))
		return value;
	size_t start = scratch->len;
	for (size_t i = 0; i < value.len; i++) {
		char next = i + 1 < value.len ? value.ptr[i + 1] : 0;
		if (value.ptr[i] == '\\' && (next == '"' || next == '\\' || next == ']'))
			i++;
		mr_buf_char(scratch, value.ptr[i]);
	}
	return mr_str_tail(mr_buf_view(scratch), start);
}

mr_str syslog_sd_get(mr_str structured_data, mr_str id, mr_str name, struct mr_buf *scratch)
{
	mr_str rest = structured_data, element, param, value;
	while (take_element(&rest, &element)) {
		while (take_param(&rest, &param, &value) == 1) {
			if (mr_str_eq(element, id) && mr_str_eq(param, name))
				return unescaped(value, scratch);
		}
	}
	return MR_STR_NULL;
}

/* ---- the message ---- */

/* "1 2026-01-02T03:04:05Z host app 17 id - text"; false when the header is not like that. */
static bool parse_rfc5424(mr_str rest, struct syslog_message *out)
{
	mr_str version, timestamp, hostname, appname, procid, msgid;
	if (!take_word(&rest, &version) || !mr_str_is(version, "1"))
		return false;
	if (!take_word(&rest, &timestamp) || !take_word(&rest, &hostname) || !take_word(&rest, &appname) ||
	    !take_word(&rest, &procid))
		return false;
	if (!take_word(&rest, &msgid)) {
		msgid = rest; /* a sender that ends the header here: no structured data, no text */
		rest = mr_str_tail(rest, rest.len);
	}
	if (!timestamp.len || !hostname.len || !appname.len || !procid.len || !msgid.len)
		return false;
	out->format = SYSLOG_RFC5424;
	out->version = 1;
	out->timestamp = nil_to_empty(timestamp);
	out->hostname = nil_to_empty(hostname);
	out->appname = nil_to_empty(appname);
	out->procid = nil_to_empty(procid);
	out->msgid = nil_to_empty(msgid);
	out->structured_data = take_structured_data(&rest);
	if (mr_str_starts(rest, MR_STR("\xef\xbb\xbf")))
		rest = mr_str_tail(rest, 3);
	out->msg = rest;
	return true;
}

/* Does s start like `shape`? '9' is a digit, '_' a digit or a space, 'a' a letter. */
static bool looks_like(mr_str s, const char *shape)
{
	for (size_t i = 0; shape[i]; i++) {
		char c = i < s.len ? s.ptr[i] : 0;
		char letter = (char)(c | 0x20);
		bool ok = shape[i] == '9'   ? is_digit(c)
			  : shape[i] == '_' ? is_digit(c) || c == ' '
			  : shape[i] == 'a' ? letter >= 'a' && letter <= 'z'
					    : c == shape[i];
		if (!ok)
			return false;
	}
	return true;
}

/* "Jan  2 03:04:05", or an ISO 8601 time up to the next space; 0 when it is no time. */
static size_t old_timestamp_length(mr_str s, bool iso_too)
{
	if (looks_like(s, "aaa _9 99:99:99 "))
		return 15;
	const char *space = s.len ? memchr(s.ptr, ' ', s.len) : NULL;
	if (iso_too && space && looks_like(s, "9999-99-99T99:99:99"))
		return (size_t)(space - s.ptr);
	return 0;
}

static bool is_tag_end(char c)
{
	return c == ':' || c == '[' || c == ' ';
}

/* "app[17]: text" or "app: text"; what is neither is all text. */
static void take_tag(mr_str rest, struct syslog_message *out)
{
	size_t name = 0;
	out->msg = rest;
	while (name < rest.len && !is_tag_end(rest.ptr[name]))
		name++;
	mr_str after = mr_str_tail(rest, name), procid = mr_str_n(rest.ptr, 0);
	if (!name || !after.len)
		return;
	if (after.ptr[0] == '[') {
		const char *close = memchr(after.ptr, ']', after.len);
		if (!close)
			return;
		procid = mr_str_n(after.ptr + 1, (size_t)(close - after.ptr) - 1);
		after = mr_str_tail(after, procid.len + 2);
	} else if (after.ptr[0] != ':') {
		return;
	}
	if (after.len && after.ptr[0] == ':')
		after = mr_str_tail(after, 1);
	if (after.len && after.ptr[0] == ' ')
		after = mr_str_tail(after, 1);
	out->appname = mr_str_n(rest.ptr, name);
	out->procid = procid;
	out->msg = after;
}

static bool parse_rfc3164(mr_str rest, bool has_priority, struct syslog_message *out)
{
	/* Without a priority an ISO time is as likely the first word of an application's own line. */
	size_t len = old_timestamp_length(rest, has_priority);
	if (!len)
		return false;
	out->format = SYSLOG_RFC3164;
	out->timestamp = mr_str_n(rest.ptr, len);
	rest = mr_str_tail(rest, len + 1);
	mr_str after = rest, word;
	/* A first word that ends like a tag is one: local senders leave the host name out. */
	if (take_word(&after, &word) && word.len && word.ptr[word.len - 1] != ':') {
		out->hostname = word;
		rest = after;
	}
	take_tag(rest, out);
	return true;
}

void syslog_parse(mr_str line, struct syslog_message *out)
{
	*out = (struct syslog_message){.priority = PRIORITY_DEFAULT};
	mr_str rest = line;
	bool has_priority = take_priority(&rest, &out->priority);
	if (has_priority && parse_rfc5424(rest, out))
		return;
	if (parse_rfc3164(rest, has_priority, out))
		return;
	out->msg = rest;
}

mr_str syslog_facility_name(int priority)
{
	static const mr_str names[] = {
	    MR_STR("kern"),     MR_STR("user"),   MR_STR("mail"),   MR_STR("daemon"), MR_STR("auth"),
	    MR_STR("syslog"),   MR_STR("lpr"),    MR_STR("news"),   MR_STR("uucp"),   MR_STR("cron"),
	    MR_STR("authpriv"), MR_STR("ftp"),    MR_STR("ntp"),    MR_STR("audit"),  MR_STR("alert"),
	    MR_STR("clock"),    MR_STR("local0"), MR_STR("local1"), MR_STR("local2"), MR_STR("local3"),
	    MR_STR("local4"),   MR_STR("local5"), MR_STR("local6"), MR_STR("local7"),
	};
	return names[(priority >> 3) % (int)MR_COUNT(names)];
}

mr_str syslog_severity_name(int priority)
{
	static const mr_str names[] = {
	    MR_STR("emerg"),   MR_STR("alert"),  MR_STR("crit"), MR_STR("err"),
	    MR_STR("warning"), MR_STR("notice"), MR_STR("info"), MR_STR("debug"),
	};
	return names[priority & 7];
}

/* ---- framing ---- */

enum { LENGTH_DIGITS_MAX = 9 };

/* "LEN SP <": 1 and the length; 0 when it is something else; -1 when more input must tell. */
static int read_length(mr_str s, size_t *length, size_t *prefix)
{
	size_t i = 0, value = 0;
	for (; i < s.len && is_digit(s.ptr[i]); i++) {
		if (i == LENGTH_DIGITS_MAX || s.ptr[0] == '0')
			return 0;
		value = value * 10 + (size_t)(s.ptr[i] - '0');
	}
	if (i == s.len)
		return -1;
	if (i == 0 || s.ptr[i] != ' ')
		return 0;
	if (i + 1 == s.len)
		return -1;
	if (s.ptr[i + 1] != '<')
		return 0;
	*length = value;
	*prefix = i + 1;
	return 1;
}

static mr_str without_line_end(mr_str line)
{
	while (line.len && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r' ||
			    line.ptr[line.len - 1] == 0))
		line.len--;
	return line;
}

static enum syslog_frame next_counted(struct syslog_framer *framer, mr_str input, size_t prefix,
				      size_t length, mr_str *line_out, size_t *used_out)
{
	mr_str body = mr_str_tail(input, prefix);
	bool too_long = length > framer->line_bytes_max;
	size_t want = too_long ? framer->line_bytes_max : length;
	if (body.len < want)
		return SYSLOG_FRAME_MORE;
	*used_out = prefix + want;
	framer->skip_bytes = length - want;
	*line_out = mr_str_n(body.ptr, want);
	if (too_long)
		return SYSLOG_FRAME_TOO_LONG;
	*line_out = without_line_end(*line_out);
	return SYSLOG_FRAME_LINE;
}

static enum syslog_frame next_newline(struct syslog_framer *framer, mr_str input, mr_str *line_out,
				      size_t *used_out)
{
	mr_str fresh = mr_str_tail(input, framer->scanned);
	const char *newline = fresh.len ? memchr(fresh.ptr, '\n', fresh.len) : NULL;
	size_t len = newline ? (size_t)(newline - input.ptr) : input.len;
	if (len > framer->line_bytes_max) {
		*line_out = mr_str_n(input.ptr, framer->line_bytes_max);
		*used_out = newline ? len + 1 : len;
		framer->skip_line = !newline;
		framer->scanned = 0;
		return SYSLOG_FRAME_TOO_LONG;
	}
	if (!newline) {
		framer->scanned = input.len;
		return SYSLOG_FRAME_MORE;
	}
	framer->scanned = 0;
	*used_out = len + 1;
	*line_out = without_line_end(mr_str_n(input.ptr, len));
	return SYSLOG_FRAME_LINE;
}

/* The rest of a message that was too long; how much of the input it takes. */
static size_t skip_rest(struct syslog_framer *framer, mr_str input)
{
	if (framer->skip_line) {
		const char *newline = input.len ? memchr(input.ptr, '\n', input.len) : NULL;
		framer->skip_line = !newline;
		return newline ? (size_t)(newline - input.ptr) + 1 : input.len;
	}
	size_t skip = mr_min_size(framer->skip_bytes, input.len);
	framer->skip_bytes -= skip;
	return skip;
}

enum syslog_frame syslog_frame_next(struct syslog_framer *framer, mr_str input, mr_str *line_out,
				    size_t *used_out)
{
	size_t skipped = skip_rest(framer, input), length = 0, prefix = 0, used = 0;
	input = mr_str_tail(input, skipped);
	enum syslog_frame frame = SYSLOG_FRAME_MORE;
	if (input.len && !framer->skip_line && !framer->skip_bytes) {
		int counted = framer->scanned ? 0 : read_length(input, &length, &prefix);
		if (counted > 0)
			frame = next_counted(framer, input, prefix, length, line_out, &used);
		else if (counted == 0)
			frame = next_newline(framer, input, line_out, &used);
	}
	*used_out = skipped + used;
	return frame;
}
