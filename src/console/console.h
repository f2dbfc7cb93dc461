/* console/console.h - the web console over HTTP: its page and the files that belong to it.
 *
 * web/ is compiled, named and compressed while building (tools/embed_console.py), and travels in the
 * binary. A file below /assets/ carries a hash of its bytes in its name and never changes, so browsers
 * keep it for a year. The page has an ETag and is asked for anew each time. Its Content-Security-Policy
 * lets it load and speak to this server only; there are no inline scripts.
 *
 * Threading: any thread; everything here is constant.
 */
#pragma once

#include "http/server.h"

struct console_file {
	const char *name; /* "index.html"; "app-3F2A….js" */
	const char *content_type;
	const char *etag; /* with its quotes */
	mr_str plain, gzip;
};

/* Made while building. */
extern const struct console_file console_files[];
extern const size_t console_file_count;

/* Handlers of routes; arg is not looked at. The page answers every path of the console: which view it
 * shows is the page's own matter. */
void console_page(void *arg, const struct http_request *request, struct http_reply *reply);
void console_asset(void *arg, const struct http_request *request, struct http_reply *reply);

/* Whether a list of coding names ("br, gzip;q=0.8", NULL: none) takes gzip. */
bool console_takes_gzip(const char *accept_encoding);
/* Whether an If-None-Match header (NULL: none) names the ETag, weak or strong, or is "*". */
bool console_etag_matches(const char *if_none_match, const char *etag);
