#include "cli/print.h"
#include "base/buf.h"
#include "env/env.h"
#include "test.h"

#include <unistd.h>

static void check(const char *where, const char *hint, bool colour, const char *want)
{
	struct mr_error err;
	struct mr_buf out = {0};
	mr_fail(&err, MR_ERR_INVALID, "unknown key 'x'");
	snprintf(err.where, sizeof err.where, "%s", where);
	snprintf(err.hint, sizeof err.hint, "%s", hint);
	print_put_error(&out, &err, colour);
	CHECK_STR(mr_buf_view(&out), want);
	mr_buf_release(&out);
}

TEST(print_errors)
{
	struct mr_error err;
	CHECK(chdir(test_folder()) == 0);
	CHECK_OK(disk_replace_file(env_linux()->disk, "f:1.yml", MR_STR("one\n\tdéjà 日本: x\x1b[31m\nlast"),
				   &err),
		 err);
	check("", "", false, "error[invalid]: unknown key 'x'\n");
	check("", "try y", false, "error[invalid]: unknown key 'x'\nhint: try y\n");
	check("", "try y", true,
	      "\033[1;31merror[invalid]\033[0m: unknown key 'x'\n\033[1;36mhint\033[0m: try y\n");
	check("f:1.yml:2:11", "try y", false,
	      "error[invalid]: unknown key 'x'\n  --> f:1.yml:2:11\n     2 |  déjà 日本: x [31m\n"
	      "       |             ^\nhint: try y\n");
	check("f:1.yml:3", "", false, "error[invalid]: unknown key 'x'\n  --> f:1.yml:3\n     3 | last\n");
	check("f:1.yml:3:1", "a\n  ^", false, "error[invalid]: unknown key 'x'\n  --> f:1.yml:3:1\na\n  ^\n");
	/* Nothing to show: no such line, no such file, no number. */
	check("f:1.yml:4:1", "", false, "error[invalid]: unknown key 'x'\n  --> f:1.yml:4:1\n");
	check("none:1:1", "", false, "error[invalid]: unknown key 'x'\n  --> none:1:1\n");
	check("f:1.yml", "", false, "error[invalid]: unknown key 'x'\n  --> f:1.yml\n");
	check("f:1.yml:99999999999999999999", "", false,
	      "error[invalid]: unknown key 'x'\n  --> f:1.yml:99999999999999999999\n");
}
