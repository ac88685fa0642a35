/*
 * fan: latency from just before an INSERT is sent to the moment its reader has it.
 *
 *	fan -d CONNINFO -r RATE -s SECONDS -o FILE [-u http://HOST:PORT/PATH -n CLIENTS] [-p PID]
 *
 * A child process inserts RATE rows a second into the real table signals; each row carries the monotonic clock of that
 * moment (ns) as "t" in its indicators.  The readers are CLIENTS connections to an SSE server, or without -u one bare
 * LISTENing connection, the floor.  FILE gets a line a delivery: microseconds.  Prints one line: deliveries, percentiles,
 * and with -p the CPU that this process (the server) used per delivery.  Exit 1 when anything did not arrive.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES	16384
#define QUIET_MS	3000	/* nothing for so long after the last row: the rest is lost */

struct reader {
	int	 fd;
	size_t	 len;
	char	 line[LINE_MAX_BYTES];
};

static const char	*conninfo;
static double		 rate = 100, seconds = 10;
static int64_t		*latency_ns;
static size_t		 delivered, expected;

static int64_t
now_ns(void)
{
	struct timespec	 t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "fan: %s: %s\n", what, why);
	exit(2);
}

static PGconn *
db_open(void)
{
	PGconn	*db = PQconnectdb(conninfo);

	if (PQstatus(db) != CONNECTION_OK)
		die("connect", PQerrorMessage(db));
	return db;
}

static void
db_run(PGconn *db, const char *sql)
{
	PGresult	*res = PQexec(db, sql);

	if (PQresultStatus(res) != PGRES_COMMAND_OK && PQresultStatus(res) != PGRES_TUPLES_OK)
		die(sql, PQerrorMessage(db));
	PQclear(res);
}

/* A row as the generator writes it; the symbol differs, since only one signal of a symbol may be active. */
static void
publish(void)
{
	PGconn		*db = db_open();
	size_t		 count = (size_t)(rate * seconds);
	int64_t		 start = now_ns(), due;
	struct timespec	 at;
	char		 symbol[32], indicators[256];
	const char	*values[] = { symbol, indicators };
	PGresult	*res;

	res = PQprepare(db, "ins", "INSERT INTO signals (exchange, symbol, timeframe, strategy, params_hash, side,"
	    " candle_open_time, candle_close_time, entry, stop_loss, initial_stop, targets, confidence, reason, indicators,"
	    " generated_at, expires_at) VALUES ('bench', $1, '1m', 'bench', '0123456789abcdef', 'long',"
	    " '2026-01-01 00:00:00+00', '2026-01-01 00:01:00+00', 87650.12, 87000, 87000, '{88600.5,89550.25}', 0.715,"
	    " 'EMA 12 crossed above EMA 26 with ADX 14 at 27.41: the trend turns up', $2, clock_timestamp(),"
	    " '2026-01-01 00:25:00+00')", 2, NULL);
	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		die("prepare", PQerrorMessage(db));
	PQclear(res);
	for (size_t i = 0; i < count; i++) {
		due = start + (int64_t)((double)i * 1e9 / rate);
		at = (struct timespec){ due / 1000000000, due % 1000000000 };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
		snprintf(symbol, sizeof(symbol), "P%dN%zu/USDT", (int)getpid(), i);
		snprintf(indicators, sizeof(indicators), "{\"ema_fast\":87644.221,\"ema_slow\":87641.907,\"adx\":27.41,\"atr\":433.2,\"t\":%lld}",
		    (long long)now_ns());
		res = PQexecPrepared(db, "ins", 2, values, NULL, NULL, 0);
		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			die("insert", PQerrorMessage(db));
		PQclear(res);
	}
	PQfinish(db);
	exit(0);
}

/* The clock in `text` was read just before the INSERT. */
static void
take(const char *text, int64_t now)
{
	const char	*t = strstr(text, "\"t\":");

	if (t == NULL)
		return;			/* a comment, a keepalive, a retry line */
	if (delivered == expected)
		die("readers", "more deliveries than rows");
	/* jsonb prints a space after the colon, json does not. */
	latency_ns[delivered++] = now - strtoll(t + 4, NULL, 10);
}

static void
parse_url(const char *url, struct sockaddr_in *address, char *path, size_t size)
{
	char	 host[64];
	int	 port;

	if (size < 200 || sscanf(url, "http://%63[^:]:%d%199s", host, &port, path) != 3 ||
	    inet_pton(AF_INET, host, &address->sin_addr) != 1)
		die(url, "not http://ADDRESS:PORT/PATH");
	address->sin_family = AF_INET;
	address->sin_port = htons((uint16_t)port);
}

static int
sse_open(const char *url)
{
	struct sockaddr_in	 address = { 0 };
	char			 path[200], request[400], reply[4096];
	int			 fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, len;
	ssize_t			 n, have = 0;

	parse_url(url, &address, path, sizeof(path));
	if (fd == -1 || connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1)
		die(url, strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n", path);
	if (write(fd, request, (size_t)len) != len)
		die(url, strerror(errno));
	do {
		if ((n = read(fd, reply + have, sizeof(reply) - 1 - (size_t)have)) <= 0)
			die(url, "closed before the end of the response head");
		have += n;
		reply[have] = '\0';
	} while (strstr(reply, "\r\n\r\n") == NULL);
	if (strncmp(reply, "HTTP/1.1 200", 12) != 0)
		die(url, reply);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void
reader_run(struct reader *r)
{
	ssize_t	 n = read(r->fd, r->line + r->len, sizeof(r->line) - 1 - r->len);
	int64_t	 now = now_ns();
	char	*start = r->line, *end;

	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0)
		die("stream", n == 0 ? "closed by the server" : strerror(errno));
	r->len += (size_t)n;
	r->line[r->len] = '\0';
	while ((end = strchr(start, '\n')) != NULL) {
		*end = '\0';
		if (strncmp(start, "data:", 5) == 0)
			take(start, now);
		start = end + 1;
	}
	r->len -= (size_t)(start - r->line);
	memmove(r->line, start, r->len);
	if (r->len == sizeof(r->line) - 1)
		die("stream", "a line too long");
}

/* Until everything has arrived, or the publisher has ended and nothing came for a while. */
static void
read_streams(const char *url, size_t clients, pid_t publisher)
{
	struct reader		*readers = calloc(clients, sizeof(*readers));
	struct epoll_event	 events[256];
	int			 ep = epoll_create1(EPOLL_CLOEXEC), n;
	bool			 published = false;

	for (size_t i = 0; i < clients; i++) {
		readers[i].fd = sse_open(url);
		epoll_ctl(ep, EPOLL_CTL_ADD, readers[i].fd, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = &readers[i] });
	}
	usleep(500000);			/* the server has taken all of them over */
	kill(publisher, SIGCONT);
	while (delivered < expected) {
		if ((n = epoll_wait(ep, events, 256, QUIET_MS)) == 0 && published)
			break;
		for (int i = 0; i < n; i++)
			reader_run(events[i].data.ptr);
		published = published || waitpid(publisher, NULL, WNOHANG) == publisher;
	}
	for (size_t i = 0; i < clients; i++)
		close(readers[i].fd);
	close(ep);
	free(readers);
}

static void
read_notifications(pid_t publisher)
{
	PGconn		*db = db_open();
	struct pollfd	 p = { .fd = PQsocket(db), .events = POLLIN };
	PGnotify	*note;
	int64_t		 now;
	bool		 published = false;

	db_run(db, "LISTEN signals");
	kill(publisher, SIGCONT);
	while (delivered < expected) {
		if (poll(&p, 1, QUIET_MS) == 0 && published)
			break;
		now = now_ns();
		if (PQconsumeInput(db) == 0)
			die("listen", PQerrorMessage(db));
		while ((note = PQnotifies(db)) != NULL) {
			take(note->extra, now);
			PQfreemem(note);
		}
		published = published || waitpid(publisher, NULL, WNOHANG) == publisher;
	}
	PQfinish(db);
}

static double
cpu_seconds(int pid)
{
	char	 path[64];
	double	 ns = 0;
	FILE	*f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	if (pid == 0 || (f = fopen(path, "re")) == NULL)
		return 0;
	if (fscanf(f, "%lf", &ns) != 1)
		ns = 0;
	fclose(f);
	return ns / 1e9;
}

static int
compare(const void *a, const void *b)
{
	int64_t	 x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
report(const char *path, double cpu_s)
{
	FILE	*out = fopen(path, "ae");

	if (out == NULL)
		die(path, strerror(errno));
	for (size_t i = 0; i < delivered; i++)
		fprintf(out, "%.1f\n", (double)latency_ns[i] / 1e3);
	fclose(out);
	printf("delivered=%zu of %zu", delivered, expected);
	if (delivered > 0) {
		qsort(latency_ns, delivered, sizeof(*latency_ns), compare);
		printf(" p50_ms=%.3f p90_ms=%.3f p99_ms=%.3f max_ms=%.3f", (double)latency_ns[delivered / 2] / 1e6,
		    (double)latency_ns[delivered * 9 / 10] / 1e6, (double)latency_ns[delivered * 99 / 100] / 1e6,
		    (double)latency_ns[delivered - 1] / 1e6);
		if (cpu_s > 0)
			printf(" server_cpu_us_per_delivery=%.2f", cpu_s * 1e6 / (double)delivered);
	}
	printf("\n");
}

int
main(int argc, char **argv)
{
	const char	*url = NULL, *path = NULL;
	size_t		 clients = 1;
	int		 opt, server = 0;
	double		 cpu_s;
	pid_t		 publisher;

	while ((opt = getopt(argc, argv, "d:r:s:o:u:n:p:")) != -1)
		switch (opt) {
		case 'd': conninfo = optarg; break;
		case 'r': rate = atof(optarg); break;
		case 's': seconds = atof(optarg); break;
		case 'o': path = optarg; break;
		case 'u': url = optarg; break;
		case 'n': clients = (size_t)atol(optarg); break;
		case 'p': server = atoi(optarg); break;
		default: die("usage", "see the head of fan.c");
		}
	if (conninfo == NULL || path == NULL)
		die("usage", "see the head of fan.c");
	expected = (size_t)(rate * seconds) * clients;
	if ((latency_ns = calloc(expected, sizeof(*latency_ns))) == NULL)
		die("memory", strerror(errno));
	if ((publisher = fork()) == 0) {
		raise(SIGSTOP);		/* until the readers are there */
		publish();
	}
	waitpid(publisher, NULL, WUNTRACED);
	cpu_s = cpu_seconds(server);
	if (url != NULL)
		read_streams(url, clients, publisher);
	else
		read_notifications(publisher);
	report(path, cpu_seconds(server) - cpu_s);
	free(latency_ns);
	return delivered == expected ? 0 : 1;
}
