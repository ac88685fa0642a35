#include "watchdog/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/fd.h"

/* Connections wait here while the child restarts; the kernel cuts it to net.core.somaxconn. */
#define BACKLOG	4096

struct address {
	union {
		struct sockaddr		 any;
		struct sockaddr_in	 v4;
		struct sockaddr_in6	 v6;
	} u;
	socklen_t	 len;
};

static bool
parse_port(const char *text, in_port_t *port)
{
	size_t	 len = strlen(text);
	long	 value;

	if (len < 1 || len > 5 || strspn(text, "0123456789") != len)
		return false;
	value = strtol(text, NULL, 10);
	*port = htons((uint16_t)value);
	return value >= 1 && value <= 65535;
}

static bool
parse_address(const char *text, struct address *a)
{
	const char	*colon = strrchr(text, ':');
	char		 host[INET6_ADDRSTRLEN];
	in_port_t	 port;
	size_t		 len;

	if (colon == NULL || !parse_port(colon + 1, &port))
		return false;
	len = (size_t)(colon - text);
	memset(a, 0, sizeof(*a));
	if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
		if (len - 2 >= sizeof(host))
			return false;
		memcpy(host, text + 1, len - 2);
		host[len - 2] = '\0';
		a->u.v6.sin6_family = AF_INET6;
		a->u.v6.sin6_port = port;
		a->len = sizeof(a->u.v6);
		return inet_pton(AF_INET6, host, &a->u.v6.sin6_addr) == 1;
	}
	if (len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	a->u.v4.sin_family = AF_INET;
	a->u.v4.sin_port = port;
	a->len = sizeof(a->u.v4);
	return inet_pton(AF_INET, host, &a->u.v4.sin_addr) == 1;
}

bool
listen_ok(const char *address, char *why, size_t why_size)
{
	struct address	 a;

	if (parse_address(address, &a))
		return true;
	snprintf(why, why_size, "numeric ADDRESS:PORT or [IPv6 ADDRESS]:PORT, as 127.0.0.1:8787 or [::1]:8787");
	return false;
}

static void
explain(int error, const char *address, char *why, size_t why_size)
{
	switch (error) {
	case EADDRINUSE:
		snprintf(why, why_size, "%s is in use by another program: stop it or choose another port", address);
		break;
	case EADDRNOTAVAIL:
		snprintf(why, why_size, "%s is no address of this machine (yet): see `ip address`", address);
		break;
	case EACCES:
		snprintf(why, why_size, "%s is not allowed to this user: choose a port from 1024 on, or start as root", address);
		break;
	default:
		snprintf(why, why_size, "%s: %s", address, strerror(error));
	}
}

int
listen_open(const char *address, char *why, size_t why_size)
{
	struct address	 a;
	const int	 on = 1;
	int		 fd = -1;

	errno = EINVAL;
	if (!parse_address(address, &a) || (fd = socket(a.u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		goto failed;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1)
		goto failed;
	/* Or [::]:80 would take 0.0.0.0:80 with it, depending on a sysctl. */
	if (a.u.any.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == -1)
		goto failed;
	if (bind(fd, &a.u.any, a.len) == -1 || listen(fd, BACKLOG) == -1)
		goto failed;
	return fd;
failed:
	explain(errno, address, why, why_size);
	fd_close(&fd);
	return -1;
}
