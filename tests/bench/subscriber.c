/*
 * subscriber: one faithful SSE client, for the demo and for fault runs.
 *
 *	subscriber HOST PORT PATH FILE
 *
 * Follows the stream, reconnects after 20 ms for ever with Last-Event-ID, and appends a line an event to FILE: its seq,
 * and for a signal that opens the microseconds from its generated_at to now, else 0.  On SIGTERM prints how often
 * it connected and exits.  Refused connections are counted: behind a watchdog there should be none.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"

static volatile sig_atomic_t	 stopped;
static char			 last_id[128];
static unsigned			 connects, refused;

static void
stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static int
dial(const char *host, const char *port, const char *path)
{
	struct sockaddr_in	 address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	char			 request[512];
	int			 fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), len, one = 1;

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1 || fd == -1)
		exit(2);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1) {
		refused += errno == ECONNREFUSED;
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s:%s\r\nAccept: text/event-stream\r\n%s%s%s\r\n",
	    path, host, port, last_id[0] == '\0' ? "" : "Last-Event-ID: ", last_id, last_id[0] == '\0' ? "" : "\r\n");
	if (write(fd, request, (size_t)len) != len) {
		close(fd);
		return -1;
	}
	connects++;
	return fd;
}

static void
take_data(FILE *out, const char *data)
{
	const char	*seq = strstr(data, "\"seq\":"), *at = strstr(data, "\"generated_at\":\"");
	int64_t		 then, latency_us = 0;

	if (seq == NULL)
		return;
	if (strstr(data, "\"op\":\"INSERT\"") != NULL && at != NULL && clock_parse_iso(at + 16, strcspn(at + 16, "\""), &then))
		latency_us = clock_wall_us() - then;
	fprintf(out, "%lld %lld\n", strtoll(seq + 6, NULL, 10), (long long)latency_us);
}

static void
take_line(FILE *out, const char *line)
{
	if (strncmp(line, "id: ", 4) == 0)
		snprintf(last_id, sizeof(last_id), "%s", line + 4);
	else if (strncmp(line, "data: ", 6) == 0)
		take_data(out, line + 6);
	else if (strncmp(line, "event: reset", 12) == 0)
		fprintf(out, "reset 0\n");
}

static void
follow(int fd, FILE *out)
{
	static char	 buf[1 << 20];
	size_t		 len = 0;
	ssize_t		 n;
	char		*line, *end;

	while (!stopped && (n = read(fd, buf + len, sizeof(buf) - 1 - len)) > 0) {
		len += (size_t)n;
		buf[len] = '\0';
		for (line = buf; (end = strchr(line, '\n')) != NULL; line = end + 1) {
			*end = '\0';
			take_line(out, line);
		}
		len -= (size_t)(line - buf);
		memmove(buf, line, len);
		fflush(out);
	}
}

int
main(int argc, char **argv)
{
	struct sigaction	 action = { .sa_handler = stop };	/* no SA_RESTART: read() must return */
	FILE			*out;
	int			 fd;

	if (argc != 5 || (out = fopen(argv[4], "ae")) == NULL) {
		fprintf(stderr, "usage: subscriber HOST PORT PATH FILE\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	while (!stopped) {
		if ((fd = dial(argv[1], argv[2], argv[3])) != -1) {
			follow(fd, out);
			close(fd);
		}
		if (!stopped)
			usleep(20000);
	}
	fclose(out);
	printf("connects=%u refused=%u\n", connects, refused);
	return 0;
}
