/* cli/cmd_gateway.c - millrace gateway --test FILE: what the rules do to each line, nothing sent. */
#include "cli/command.h"

#include "base/mem.h"
#include "conf/project.h"
#include "env/env.h"
#include "service/gateway.h"

#include <stdio.h>

#define TEST_FILE_MAX (256u << 20)

static const struct arg_option options[] = {
    {"project", 'C', "FOLDER", "the project's folder (default: .)", false},
    {"test", 't', "FILE", "the lines to try", false},
};

static int test_file(const struct conf_gateway *conf, const char *path, struct mr_error *err)
{
	struct mr_buf text = {0}, out = {0};
	int rc = disk_read_file(env_linux()->disk, path, TEST_FILE_MAX, &text, err);
	mr_str rest = mr_buf_view(&text);
	while (rc == 0 && rest.len) {
		const char *end = memchr(rest.ptr, '\n', rest.len);
		mr_str line = mr_str_n(rest.ptr, end ? (size_t)(end - rest.ptr) : rest.len);
		rest = mr_str_tail(rest, line.len + 1);
		mr_buf_clear(&out);
		rc = gateway_test_line(conf, line, clock_wall_ms(env_linux()->clock), &out, err);
		fwrite(out.ptr ? out.ptr : "", 1, out.len, stdout);
	}
	mr_buf_release(&text);
	mr_buf_release(&out);
	return rc;
}

int cmd_gateway(int argc, char **argv)
{
	struct args args;
	int code;
	if (!command_args("gateway", "--test FILE [-C FOLDER]", options, MR_COUNT(options), 0, argc, argv,
			  &args, &code))
		return code;
	struct mr_error err;
	if (!args_has(&args, "test")) {
		mr_fail(&err, MR_ERR_INVALID, "gateway needs --test FILE");
		mr_hint(&err, "the gateway itself runs with 'millrace up'");
		return command_failed(&err);
	}
	struct project *project;
	int rc = project_load(args_get(&args, "project") ? args_get(&args, "project") : ".", &project, &err);
	if (rc < 0)
		return command_failed(&err);
	rc = test_file(&project->gateway, args_get(&args, "test"), &err);
	project_free(project);
	return rc < 0 ? command_failed(&err) : EXIT_OK;
}
