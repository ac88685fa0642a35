/*
 * status: status.json in the runtime folder, replaced as a whole, and the same
 * as a table for people.
 */
#ifndef TOCSIN_WATCHDOG_STATUS_H
#define TOCSIN_WATCHDOG_STATUS_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "watchdog/process.h"

struct status;

struct status_facts {
	pid_t		 pid;
	int64_t		 wall_started_us, uptime_us;
	int64_t		 check_interval_ms;
	bool		 stopping;
	size_t		 count;
	const struct process_report *reports;	/* borrowed */
};

/* Buffers for that many processes: writing allocates nothing.  Never NULL. */
struct status	*status_new(const char *runtime_dir, size_t process_count);
void		 status_free(struct status *s);		/* NULL is fine; the files stay */

/* Replace the file.  Failing (a full disk) is logged once, until it works again. */
void		 status_write(struct status *s, const struct status_facts *f);

/* Remove it: nobody is there to be described. */
void		 status_remove(const struct status *s);

/* The text of status.json, or the table; borrowed until the next call, `len` bytes. */
const char	*status_json(struct status *s, const struct status_facts *f, size_t *len);
const char	*status_table(struct status *s, const struct status_facts *f, size_t *len);

/* The table, at most `size` bytes with its NUL; its length. */
size_t		 status_text(char *buf, size_t size, const struct status_facts *f);

/* One line of the log: health: name=generator state=up … | name=relay … */
void		 status_log_health(const struct status_facts *f);

/* A number that changes when a state, or a count of restarts or failures, does. */
uint64_t	 status_mark(const struct status_facts *f);
#endif
