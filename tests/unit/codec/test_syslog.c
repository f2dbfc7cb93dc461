#include "test.h"

#include "base/mem.h"
#include "codec/syslog.h"
#include "env/rng.h"

#include <stdlib.h>

struct parse_case {
	const char *line;
	enum syslog_format format;
	int priority;
	const char *timestamp, *hostname, *appname, *procid, *msgid, *data, *msg;
};

static const struct parse_case parse_cases[] = {
    {"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed",
     SYSLOG_RFC5424, 34, "2003-10-11T22:14:15.003Z", "mymachine.example.com", "su", "", "ID47", "",
     "'su root' failed"},
    {"<165>1 2003-10-11T22:14:15.003Z host evntslog - ID47 [ex@1 iut=\"3\" s=\"a\\]b\"][x@2 class=\"high\"] "
     "text [x]",
     SYSLOG_RFC5424, 165, "2003-10-11T22:14:15.003Z", "host", "evntslog", "", "ID47",
     "[ex@1 iut=\"3\" s=\"a\\]b\"][x@2 class=\"high\"]", "text [x]"},
    {"<14>1 - - - - - -", SYSLOG_RFC5424, 14, "", "", "", "", "", "", ""},
    {"<14>1 - - - - - - ", SYSLOG_RFC5424, 14, "", "", "", "", "", "", ""},
    {"<14>1 - h app 7 - no structured data", SYSLOG_RFC5424, 14, "", "h", "app", "7", "", "",
     "no structured data"},
    {"<14>1 - h app 7 - [not closed=\"x", SYSLOG_RFC5424, 14, "", "h", "app", "7", "", "", "[not closed=\"x"},
    {"<14>1 - h app 7 - [id]tight", SYSLOG_RFC5424, 14, "", "h", "app", "7", "", "", "[id]tight"},
    {"<34>Oct 11 22:14:15 mymachine su: 'su root' failed", SYSLOG_RFC3164, 34, "Oct 11 22:14:15", "mymachine",
     "su", "", "", "", "'su root' failed"},
    {"<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!", SYSLOG_RFC3164, 13, "Feb  5 17:32:18", "10.0.0.99", "", "",
     "", "", "Use the BFG!"},
    {"Jun 14 15:16:01 combo sshd(pam_unix)[19939]: auth failure", SYSLOG_RFC3164, 13, "Jun 14 15:16:01",
     "combo", "sshd(pam_unix)", "19939", "", "", "auth failure"},
    {"<134>2016-07-04T22:37:26Z cache-sjc3128 LogTest[62959]: {\"a\":1}", SYSLOG_RFC3164, 134,
     "2016-07-04T22:37:26Z", "cache-sjc3128", "LogTest", "62959", "", "", "{\"a\":1}"},
    {"<13>Feb  5 17:32:18 cron: local", SYSLOG_RFC3164, 13, "Feb  5 17:32:18", "", "cron", "", "", "",
     "local"},
    {"2016-07-04T22:37:26Z INFO main: started", SYSLOG_PLAIN, 13, "", "", "", "", "", "",
     "2016-07-04T22:37:26Z INFO main: started"},
    {"83.149.9.216 - - [17/May/2015:10:05:03 +0000] \"GET /\"", SYSLOG_PLAIN, 13, "", "", "", "", "", "",
     "83.149.9.216 - - [17/May/2015:10:05:03 +0000] \"GET /\""},
    {"<192>x", SYSLOG_PLAIN, 13, "", "", "", "", "", "", "<192>x"},
    {"<191>x", SYSLOG_PLAIN, 191, "", "", "", "", "", "", "x"},
    {"<0>x", SYSLOG_PLAIN, 0, "", "", "", "", "", "", "x"},
    {"<1234>x", SYSLOG_PLAIN, 13, "", "", "", "", "", "", "<1234>x"},
    {"<>x", SYSLOG_PLAIN, 13, "", "", "", "", "", "", "<>x"},
    {"<34>2 - - - - - - from the future", SYSLOG_PLAIN, 34, "", "", "", "", "", "",
     "2 - - - - - - from the future"},
    {"<34>1 only two", SYSLOG_PLAIN, 34, "", "", "", "", "", "", "1 only two"},
    {"", SYSLOG_PLAIN, 13, "", "", "", "", "", "", ""},
};

TEST(syslog_takes_every_shape_apart)
{
	for (size_t i = 0; i < MR_COUNT(parse_cases); i++) {
		const struct parse_case *c = &parse_cases[i];
		struct syslog_message m;
		syslog_parse(mr_str_from(c->line), &m);
		CHECK_INT(m.format, c->format);
		CHECK_INT(m.priority, c->priority);
		CHECK_STR(m.timestamp, c->timestamp);
		CHECK_STR(m.hostname, c->hostname);
		CHECK_STR(m.appname, c->appname);
		CHECK_STR(m.procid, c->procid);
		CHECK_STR(m.msgid, c->msgid);
		CHECK_STR(m.structured_data, c->data);
		CHECK_STR(m.msg, c->msg);
	}
	CHECK_STR(syslog_facility_name(134), "local0");
	CHECK_STR(syslog_severity_name(134), "info");
	CHECK_STR(syslog_facility_name(191), "local7");
}

TEST(syslog_finds_structured_data)
{
	struct mr_buf scratch = {0};
	mr_str data = MR_STR("[a@1 x=\"1\" y=\"q\\\"\\]\\\\z\"][b x=\"2\"]");
	CHECK_STR(syslog_sd_get(data, MR_STR("a@1"), MR_STR("x"), &scratch), "1");
	CHECK_STR(syslog_sd_get(data, MR_STR("a@1"), MR_STR("y"), &scratch), "q\"]\\z");
	CHECK_STR(syslog_sd_get(data, MR_STR("b"), MR_STR("x"), &scratch), "2");
	CHECK(!syslog_sd_get(data, MR_STR("b"), MR_STR("y"), &scratch).ptr);
	CHECK(!syslog_sd_get(MR_STR(""), MR_STR("b"), MR_STR("y"), &scratch).ptr);
	mr_buf_release(&scratch);
}

/* Bytes of the line in, views of the line out, whatever they are. */
TEST(syslog_parse_survives_any_bytes)
{
	static const char letters[] = "<>0139 -[]\"=\\:TZJan\xef\xbb\xbf\x80{}";
	struct mr_rng rng;
	rng_seed(&rng, 17);
	for (int round = 0; round < test_rounds(50000); round++) {
		size_t len = rng_below(&rng, 80);
		char *line = mr_alloc(len + 1); /* exact, for the address sanitizer */
		line = mr_realloc(line, len ? len : 1);
		for (size_t i = 0; i < len; i++)
			line[i] = letters[rng_below(&rng, sizeof letters)];
		if (len > 4 && round % 2)
			memcpy(line, "<9>1 ", mr_min_size(len, 5));
		struct syslog_message m;
		syslog_parse(mr_str_n(line, len), &m);
		mr_str parts[] = {m.timestamp, m.hostname,        m.appname, m.procid,
				  m.msgid,     m.structured_data, m.msg};
		for (size_t i = 0; i < MR_COUNT(parts); i++)
			CHECK(parts[i].len == 0 ||
			      (parts[i].ptr >= line && parts[i].ptr + parts[i].len <= line + len));
		free(line);
	}
}

/* ---- framing ---- */

/* Feed `input` in pieces of `piece` bytes through a buffer of the framer's room; the frames, as
 * text: "line|" and "line...|" for one that was too long. */
static void frames(mr_str input, size_t limit, size_t piece, struct mr_buf *out)
{
	struct syslog_framer framer = {.line_bytes_max = limit};
	size_t room = syslog_frame_room(&framer), len = 0, at = 0;
	char *buffer = mr_alloc(room);
	while (at < input.len || len) {
		size_t n = mr_min_size(mr_min_size(piece, room - len), input.len - at);
		memcpy(buffer + len, input.ptr + at, n);
		len += n;
		at += n;
		size_t taken = 0, used;
		mr_str line;
		enum syslog_frame frame;
		do {
			frame =
			    syslog_frame_next(&framer, mr_str_n(buffer + taken, len - taken), &line, &used);
			if (frame != SYSLOG_FRAME_MORE) {
				mr_buf_str(out, line);
				mr_buf_cstr(out, frame == SYSLOG_FRAME_LINE ? "|" : "...|");
			}
			taken += used;
		} while (frame != SYSLOG_FRAME_MORE);
		memmove(buffer, buffer + taken, len - taken);
		len -= taken;
		CHECK(len < room);
		if (at == input.len)
			break;
	}
	free(buffer);
}

static const struct {
	const char *input, *frames;
} frame_cases[] = {
    {"a\nbb\r\n\nccc\n", "a|bb||ccc|"},
    {"5 <1>xy7 <1>a\nbc", "<1>xy|<1>a\nbc|"},
    {"5 <1>xy<2>newline\n6 <1>xyz", "<1>xy|<2>newline|<1>xyz|"},
    {"200 OK\n83.1.1.1 - x\n07 <x\n", "200 OK|83.1.1.1 - x|07 <x|"},
    {"0123456789012345\n", "0123456789012345|"},
    {"01234567890123456\nnext\n", "0123456789012345...|next|"},
    {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\nok\n", "xxxxxxxxxxxxxxxx...|ok|"},
    {"40 <1>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx4 <1>zend\n", "<1>xxxxxxxxxxxxx...|<1>z|end|"},
    {"123456789 123456\n", "123456789 123456|"},
    {"1234567890 <x\n", "1234567890 <x|"},
    {"half", ""},
    {"9 <1>half", ""},
};

TEST(syslog_framing_is_the_same_in_pieces_of_any_size)
{
	struct mr_buf out = {0};
	for (size_t i = 0; i < MR_COUNT(frame_cases); i++) {
		for (size_t piece = 1; piece < 80; piece++) {
			mr_buf_clear(&out);
			frames(mr_str_from(frame_cases[i].input), 16, piece, &out);
			CHECK_STR(mr_buf_view(&out), frame_cases[i].frames);
		}
	}
	mr_buf_release(&out);
}
