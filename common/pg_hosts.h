/*
 * pg_hosts: the servers that a conninfo names, one by one.  Pure, but for the
 * defaults that libpq has of its environment (PGHOST, PGPORT).
 */
#ifndef TOCSIN_COMMON_PG_HOSTS_H
#define TOCSIN_COMMON_PG_HOSTS_H
#include <stdbool.h>
#include <stddef.h>

/* A text is NULL where libpq's own rule holds: nothing is said over the conninfo. */
struct pg_host {
	char	*host;		/* a name, or the folder of a Unix socket */
	char	*address;	/* hostaddr */
	char	*port;
	bool	 is_name;	/* `host` is to be looked up */
};

struct pg_hosts {
	struct pg_host	*items;
	size_t		 count;			/* at least one */
	unsigned	 connect_timeout_ms;	/* of the conninfo; 0: not said */
};

/*
 * Take a conninfo apart.  What cannot be said host by host (a service, lists of
 * unequal lengths, an empty host among several) is one host without any text:
 * libpq makes of it what it can.  Release in any case.
 */
void	 pg_hosts_read(struct pg_hosts *hosts, const char *conninfo);
void	 pg_hosts_release(struct pg_hosts *hosts);

/* Among several one is refused that does not say which: for messages, never NULL. */
const char *pg_host_name(const struct pg_host *host);
#endif
