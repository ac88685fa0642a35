/*
 * poster: hands each notification to a publish/subscribe server by POST, as a user of nginx with nchan would.
 *
 *	poster CONNINFO PORT PATH
 *
 * LISTENs on `signals`; one connection, kept alive, one request at a time.  Ends with its session.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libpq-fe.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/superv/proc.h"

static int
dial(const char *port)
{
	struct sockaddr_in	 address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int			 fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1 || connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1)
		proc_die("connect", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* The whole answer, which has a Content-Length. */
static void
read_answer(int fd)
{
	char	 answer[4096], *body, *length;
	size_t	 have = 0, want = 0;
	ssize_t	 n;

	while ((want == 0 || have < want) && (n = read(fd, answer + have, sizeof(answer) - 1 - have)) > 0) {
		have += (size_t)n;
		answer[have] = '\0';
		if ((body = strstr(answer, "\r\n\r\n")) == NULL)
			continue;
		length = strcasestr(answer, "\r\nContent-Length:");
		want = (size_t)(body + 4 - answer) + (length == NULL ? 0 : strtoul(length + 17, NULL, 10));
	}
	if (want == 0 || have < want || strncmp(answer, "HTTP/1.1 20", 11) != 0)
		proc_die("answer", have == 0 ? "none" : answer);
}

static void
post(int fd, const char *path, const char *body)
{
	char	 request[16384];
	int	 len;

	len = snprintf(request, sizeof(request), "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\n\r\n%s", path, strlen(body), body);
	if (write(fd, request, (size_t)len) != len)
		proc_die("post", strerror(errno));
	read_answer(fd);
}

int
main(int argc, char **argv)
{
	struct pollfd	 p = { .events = POLLIN };
	PGconn		*db;
	PGnotify	*note;
	int		 fd;

	if (argc != 4)
		proc_die("usage", "poster CONNINFO PORT PATH");
	fd = dial(argv[2]);
	if (PQstatus(db = PQconnectdb(argv[1])) != CONNECTION_OK)
		proc_die("session", PQerrorMessage(db));
	PQclear(PQexec(db, "LISTEN signals"));
	p.fd = PQsocket(db);
	while (poll(&p, 1, -1) > 0) {
		if (PQconsumeInput(db) == 0)
			proc_die("session", PQerrorMessage(db));
		while ((note = PQnotifies(db)) != NULL) {
			post(fd, argv[3], note->extra);
			PQfreemem(note);
		}
	}
	return 1;
}
