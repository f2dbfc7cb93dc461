/* env/env.h - the one door to the operating system.
 *
 * Every module that keeps time, touches a disk, draws random numbers or starts a
 * process takes a struct env (or the member it needs) in its constructor. env_linux()
 * is the real one; tests/sim builds one from a seed: simulated clock and disk
 * (env/disk_sim.h). The members outlive everything that was given them.
 */
#pragma once

#include "env/clock.h"
#include "env/disk.h"
#include "env/rng.h"

struct env {
	struct mr_clock *clock;
	struct mr_disk *disk;
	struct mr_rng *rng;
};

/* The process's real environment; static, never freed. */
const struct env *env_linux(void);
