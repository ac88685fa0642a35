/*
 * floor: the least that any fan-out from PostgreSQL to SSE clients can do.
 *
 *	floor CONNINFO PORT [ignored]
 *
 * LISTENs on `signals`; frames each notification once and hands it to every client with one send(2).  No parsing, no
 * queue, no catching up, no second chance: what a real relay is measured against.
 */
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX	16384

static int	 clients[CLIENTS_MAX];
static size_t	 client_count;

static int
listen_on(const char *port)
{
	struct sockaddr_in	 address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int			 fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd == -1 || bind(fd, (struct sockaddr *)&address, sizeof(address)) == -1 || listen(fd, 4096) == -1) {
		perror("floor: listen");
		exit(1);
	}
	return fd;
}

static void
welcome(int listener)
{
	static const char	 head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
	char			 request[4096];
	int			 fd = accept(listener, NULL, NULL), one = 1;

	if (fd == -1)
		return;
	/* Without it Nagle and delayed acknowledgements add up to 40 ms: no floor at all. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (client_count == CLIENTS_MAX || read(fd, request, sizeof(request)) <= 0 || write(fd, head, sizeof(head) - 1) == -1)
		close(fd);
	else
		clients[client_count++] = fd;
}

static void
tell_all(const char *payload)
{
	static char	 frame[16384];
	size_t		 len = (size_t)snprintf(frame, sizeof(frame), "data: %s\n\n", payload);

	for (size_t i = 0; i < client_count; i++)
		if (send(clients[i], frame, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len) {
			close(clients[i]);
			clients[i--] = clients[--client_count];
		}
}

int
main(int argc, char **argv)
{
	struct pollfd	 p[2] = { { .events = POLLIN }, { .events = POLLIN } };
	PGconn		*db;
	PGnotify	*note;

	if (argc < 3 || PQstatus(db = PQconnectdb(argv[1])) != CONNECTION_OK) {
		fprintf(stderr, "usage: floor CONNINFO PORT\n");
		return 1;
	}
	PQclear(PQexec(db, "LISTEN signals"));
	p[0].fd = listen_on(argv[2]);
	p[1].fd = PQsocket(db);
	while (poll(p, 2, -1) > 0) {
		if (p[0].revents != 0)
			welcome(p[0].fd);
		if (p[1].revents == 0)
			continue;
		if (PQconsumeInput(db) == 0)
			return 1;
		while ((note = PQnotifies(db)) != NULL) {
			tell_all(note->extra);
			PQfreemem(note);
		}
	}
	return 0;
}
