/* peer: the address that a connection came from. */
#ifndef TOCSIN_RELAY_PEER_H
#define TOCSIN_RELAY_PEER_H
#include <stdbool.h>
#include <stdint.h>

struct sockaddr;

struct peer {
	unsigned char	 address[16];	/* IPv4 as mapped into IPv6; all zero: a Unix socket, or unknown */
	uint16_t	 port;
};

#define PEER_TEXT_MAX	56

struct peer	 peer_of(const struct sockaddr *sa);

/* ADDRESS:PORT for people; returns `buf`. */
char		*peer_text(const struct peer *p, char buf[PEER_TEXT_MAX]);

/* From this very machine, so perhaps a proxy that speaks for many. */
bool		 peer_is_local(const struct peer *p);
#endif
