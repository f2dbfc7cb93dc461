/* codec/syslog.h - one syslog message taken apart, and a byte stream cut into messages.
 *
 * syslog_parse never fails: RFC 5424, else the older shape of RFC 3164 (also with an ISO 8601
 * time, as several log services send it), else the bare text. Nothing is copied or allocated:
 * every mr_str in the result is a view of the line.
 *
 * syslog_frame_next cuts a TCP stream (RFC 6587), telling the two framings apart at each
 * message: "LEN SP <" starts an octet-counted one, anything else runs to the newline. A bare
 * text line may start with a number; only a number, one space and '<' is taken for a length.
 */
#pragma once

#include "base/buf.h"
#include "base/types.h"

enum syslog_format { SYSLOG_PLAIN, SYSLOG_RFC3164, SYSLOG_RFC5424 };

struct syslog_message {
	enum syslog_format format;
	int priority; /* facility * 8 + severity; 13 (user.notice) when the line names none */
	int version;  /* 1 for RFC 5424, else 0 */
	/* Empty when absent or "-". */
	mr_str timestamp; /* as written */
	mr_str hostname;
	mr_str appname;
	mr_str procid;
	mr_str msgid;
	mr_str structured_data; /* "[id name=\"value\"]...", escapes untouched */
	mr_str msg;             /* without a byte order mark */
};

/* line: one message without its framing; may hold any bytes. */
void syslog_parse(mr_str line, struct syslog_message *out);

mr_str syslog_facility_name(int priority); /* "local0" */
mr_str syslog_severity_name(int priority); /* "info" */

/* The value of a structured data parameter; ptr NULL when there is none. A view of the
 * structured data, or, where it held escapes, of `scratch`, to which it was appended. */
mr_str syslog_sd_get(mr_str structured_data, mr_str id, mr_str name, struct mr_buf *scratch);

/* ---- framing ---- */

/* The state of one stream. Zero it, but for line_bytes_max. */
struct syslog_framer {
	size_t line_bytes_max;
	size_t scanned;    /* bytes of the input known to hold no newline */
	size_t skip_bytes; /* rest of an octet-counted message that was too long */
	bool skip_line;    /* until the newline, for the same reason */
};

enum syslog_frame {
	SYSLOG_FRAME_MORE,     /* the input holds no whole message */
	SYSLOG_FRAME_LINE,     /* *line is one; may be empty */
	SYSLOG_FRAME_TOO_LONG, /* *line is its first line_bytes_max bytes; the rest will be skipped */
};

/* Room that the input must be able to reach, so that every message is either whole or too long. */
static inline size_t syslog_frame_room(const struct syslog_framer *framer)
{
	return framer->line_bytes_max + 16; /* the length prefix, "\r\n" */
}

/* Look at the front of the input. *used_out bytes are done with: the caller drops them before
 * the next call, and passes all that is left and more. The line views the input. */
enum syslog_frame syslog_frame_next(struct syslog_framer *framer, mr_str input, mr_str *line_out,
				    size_t *used_out);
