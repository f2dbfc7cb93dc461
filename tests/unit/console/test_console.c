#include "test.h"

#include "console/console.h"
#include "http/client.h"

TEST(console_takes_gzip)
{
	static const struct {
		const char *header;
		bool takes;
	} cases[] = {
	    {NULL, false},
	    {"", false},
	    {"gzip", true},
	    {"br, gzip", true},
	    {"gzip, deflate, br, zstd", true},
	    {"deflate,gzip ;q=0.5", true},
	    {"*", true},
	    {"gzip;q=0", false},
	    {"gzip; q=0.000, *", false},
	    {"gzip;q=0.001", true},
	    {"br", false},
	    {"x-gzipped", false},
	    {",,;,", false},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++)
		CHECK_INT(console_takes_gzip(cases[i].header), cases[i].takes);
}

TEST(console_etag_matches)
{
	static const struct {
		const char *header;
		bool matches;
	} cases[] = {
	    {NULL, false},
	    {"", false},
	    {"\"abc\"", true},
	    {"W/\"abc\"", true},
	    {"abc", false},
	    {"\"abcd\"", false},
	    {"\"x\", \"abc\"", true},
	    {"*", true},
	    {"W/", false},
	    {"\"x\" \"abc\"", false},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++)
		CHECK_INT(console_etag_matches(cases[i].header, "\"abc\""), cases[i].matches);
}

static int collect(void *arg, mr_str bytes)
{
	mr_buf_str(arg, bytes);
	return 0;
}

/* The page names its script and style sheet, and they are there; what was compressed is gzip. */
TEST(console_page_and_its_files)
{
	const struct http_route routes[] = {{"GET", "/", console_page, NULL},
					    {"GET", "/dags/*", console_page, NULL},
					    {"GET", "/assets/*", console_asset, NULL}};
	struct http_server *server;
	struct mr_error err;
	struct mr_buf page = {0}, file = {0};
	char address[64], path[256];
	int port;
	CHECK_OK(http_server_start("127.0.0.1:0", routes, MR_COUNT(routes), &server, &port, &err), err);
	snprintf(address, sizeof address, "127.0.0.1:%d", port);
	CHECK_OK(http_call("GET", address, "/dags/any%2Fthing", MR_STR_NULL, collect, &page, &err), err);
	CHECK_INT(console_file_count, 3);
	for (size_t i = 0; i < console_file_count; i++) {
		const struct console_file *f = &console_files[i];
		CHECK(f->gzip.len > 2 && memcmp(f->gzip.ptr, "\x1f\x8b", 2) == 0);
		snprintf(path, sizeof path, "/assets/%s", f->name);
		mr_buf_clear(&file);
		CHECK_OK(http_call("GET", address, path, MR_STR_NULL, collect, &file, &err), err);
		CHECK(mr_str_eq(mr_buf_view(&file), f->plain));
		mr_buf_char(&page, 0);
		CHECK(strstr(f->name, ".html") || strstr(page.ptr, f->name));
	}
	CHECK_INT(http_call("GET", address, "/assets/app-0.js", MR_STR_NULL, collect, &file, &err),
		  MR_ERR_NOT_FOUND);
	mr_buf_release(&page);
	mr_buf_release(&file);
	http_server_stop(server);
}
