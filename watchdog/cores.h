/*
 * cores: how many cores a process has left, so that they can be capped.
 *
 * With the usual core_pattern they lie in its folder STATE_DIR/NAME and are
 * counted there, also those of earlier watchdogs; where the kernel sends them
 * elsewhere (a pipe, another folder, see core(5)), they are counted as they
 * happen.
 */
#ifndef TOCSIN_WATCHDOG_CORES_H
#define TOCSIN_WATCHDOG_CORES_H
struct cores {
	unsigned	 count;
	char		*folder;	/* owned */
};

void	 cores_init(struct cores *c, const char *state_dir, const char *name);
void	 cores_release(struct cores *c);
void	 cores_add(struct cores *c);		/* the kernel says that one was left */
void	 cores_recount(struct cores *c);	/* somebody may have removed some */
#endif
