#include "env/resident.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static long resident_kb(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	long kb = -1;
	CHECK(file != NULL);
	while (file && kb < 0 && fgets(line, sizeof line, file)) {
		if (strncmp(line, "Rss:", 4) == 0)
			kb = strtol(line + 4, NULL, 10);
	}
	if (file)
		fclose(file);
	return kb;
}

static const char constants[1 << 20] = {1};

TEST(resident_trim_gives_pages_back_and_all_goes_on)
{
	const volatile char *touched = constants;
	for (size_t i = 0; i < sizeof constants; i += 4096)
		CHECK_INT(touched[i], i == 0);
	long before = resident_kb();
	resident_trim();
	long after = resident_kb();
	CHECK(after < before - 512);
	char text[64];
	snprintf(text, sizeof text, "%.3f", pow(2, 10)); /* code and constants come back by themselves */
	CHECK_STR(mr_str_from(text), "1024.000");
}
