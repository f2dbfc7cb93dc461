/* env/resident.h - give back the memory that only starting needed. */
#pragma once

/* Pages of code and constants that were touched so far, of the program and all its libraries, leave the
 * process (they stay in the page cache, and come back by a fault when they are used), and free heap goes back
 * to the kernel. Libraries like DuckDB register thousands of functions when they start: megabytes that are
 * not looked at again. A few milliseconds; any thread may call it, others run on meanwhile. */
void resident_trim(void);
