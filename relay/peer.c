#include "relay/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

struct peer
peer_of(const struct sockaddr *sa)
{
	const struct sockaddr_in	*v4 = (const void *)sa;
	const struct sockaddr_in6	*v6 = (const void *)sa;
	struct peer			 p = { .port = 0 };

	if (sa->sa_family == AF_INET) {
		memcpy(p.address, mapped, sizeof(mapped));
		memcpy(p.address + sizeof(mapped), &v4->sin_addr, sizeof(v4->sin_addr));
		p.port = ntohs(v4->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		memcpy(p.address, &v6->sin6_addr, sizeof(v6->sin6_addr));
		p.port = ntohs(v6->sin6_port);
	}
	return p;
}

char *
peer_text(const struct peer *p, char buf[PEER_TEXT_MAX])
{
	char	 text[INET6_ADDRSTRLEN] = "?";

	if (memcmp(p->address, mapped, sizeof(mapped)) == 0) {
		inet_ntop(AF_INET, p->address + sizeof(mapped), text, sizeof(text));
		snprintf(buf, PEER_TEXT_MAX, "%s:%u", text, (unsigned)p->port);
	} else {
		inet_ntop(AF_INET6, p->address, text, sizeof(text));
		snprintf(buf, PEER_TEXT_MAX, "[%s]:%u", text, (unsigned)p->port);
	}
	return buf;
}

bool
peer_is_local(const struct peer *p)
{
	static const unsigned char	 none[16], v6[16] = { [15] = 1 };

	if (memcmp(p->address, mapped, sizeof(mapped)) == 0)
		return p->address[sizeof(mapped)] == 127;
	return memcmp(p->address, v6, sizeof(v6)) == 0 || memcmp(p->address, none, sizeof(none)) == 0;
}
