/* tests/sim/power_cut.h - a disk whose power fails before a chosen call.
 *
 * Wraps the simulated disk (env/disk_sim.h). From the cut on every call answers MR_ERR_IO: what
 * the dying process still tries has no effect. power_cut_restore brings the medium back as it is.
 */
#pragma once

#include "env/disk_sim.h"

struct power_cut;

struct power_cut *power_cut_new(struct mr_disk *sim);
void power_cut_free(struct power_cut *cut);
struct mr_disk *power_cut_disk(struct power_cut *cut);

/* Power fails before the nth call that changes something from now on (1: the next); 0: never. */
void power_cut_after(struct power_cut *cut, uint64_t calls);
bool power_cut_happened(const struct power_cut *cut);
/* Cut now, if it has not happened, then power is back. Files that were open stay dead. */
void power_cut_restore(struct power_cut *cut);
