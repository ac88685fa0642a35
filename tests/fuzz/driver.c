/*
 * driver: the main function of a fuzz target where libFuzzer is not at hand.
 * Runs the corpus (files and folders named as arguments) as it is, then -runs=N
 * mutations of it, the same ones every time.  A failure is a crash: build with
 * sanitizers.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX	8192
#define CORPUS_MAX	1024
#define RUNS_DEFAULT	20000

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	uint8_t	*data;
	size_t	 size;
};

static struct input corpus[CORPUS_MAX];
static size_t corpus_count;
static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);

static const char *const tokens[] = {
	"0", "-1", "1e-05", "1e999", "9223372036854775807", "999999999999999999", "0.000000000000000001", "-", ".", "\"", "\"\"",
	",", ";", "\r\n", "\n", "\t", " ", "{", "}", "[", "]", ":", "null", "true", "\\u0000", "\\ud800", "\xef\xbb\xbf", "\xff",
	"2026-01-01T00:00:00Z", "+00:00", "nan", "inf", "0x", "%s", "=", "data: ", "\n\n", "HTTP/1.1", "\x81\xfe",
};

static uint64_t
random_below(uint64_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return limit == 0 ? 0 : random_state % limit;
}

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

/* An own allocation of the exact size, so that a read past the end is seen. */
static void
run(const uint8_t *data, size_t size)
{
	uint8_t	*copy = malloc(size > 0 ? size : 1);

	if (copy == NULL)
		die("malloc");
	memcpy(copy, data, size);
	(void)LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void
add_file(const char *path)
{
	static uint8_t	 buf[INPUT_MAX];
	struct input	*in = &corpus[corpus_count];
	FILE		*file = fopen(path, "re");

	if (file == NULL)
		die(path);
	in->size = fread(buf, 1, sizeof(buf), file);
	fclose(file);
	if ((in->data = malloc(in->size + 1)) == NULL)
		die("malloc");
	memcpy(in->data, buf, in->size);
	corpus_count++;
}

static int
not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void
add_path(const char *path)
{
	struct dirent	**names;
	struct stat	 st;
	char		 file[4096];
	int		 count;

	if (stat(path, &st) == -1)
		die(path);
	if (!S_ISDIR(st.st_mode)) {
		if (corpus_count < CORPUS_MAX)
			add_file(path);
		return;
	}
	/* Sorted: the order of a folder is not the same everywhere. */
	if ((count = scandir(path, &names, not_hidden, alphasort)) == -1)
		die(path);
	for (int i = 0; i < count; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		if (corpus_count < CORPUS_MAX)
			add_file(file);
		free(names[i]);
	}
	free(names);
}

/* Replace `cut` bytes at `at` by others, as far as there is room. */
static size_t
replace(uint8_t *buf, size_t size, size_t at, size_t cut, const uint8_t *by, size_t by_size)
{
	if (cut > size - at)
		cut = size - at;
	if (size - cut + by_size > INPUT_MAX)
		return size;
	memmove(buf + at + by_size, buf + at + cut, size - at - cut);
	memcpy(buf + at, by, by_size);
	return size - cut + by_size;
}

static size_t
mutate(uint8_t *buf, size_t size)
{
	const char		*token = tokens[random_below(sizeof(tokens) / sizeof(tokens[0]))];
	const struct input	*from = corpus_count > 0 ? &corpus[random_below(corpus_count)] : NULL;
	size_t			 at = random_below(size + 1), len;
	uint8_t			 byte = (uint8_t)random_below(256);

	switch (random_below(6)) {
	case 0:
		if (at < size)
			buf[at] ^= (uint8_t)(1u << random_below(8));
		return size;
	case 1:
		return replace(buf, size, at, 1, &byte, 1);
	case 2:
		return replace(buf, size, at, 0, &byte, 1);
	case 3:
		return replace(buf, size, at, 1 + random_below(16), &byte, 0);
	case 4:
		return replace(buf, size, at, random_below(4), (const uint8_t *)token, strlen(token));
	default:
		if (from == NULL || from->size == 0)
			return size;
		len = 1 + random_below(from->size);
		return replace(buf, size, at, random_below(len + 1), from->data + random_below(from->size - len + 1), len);
	}
}

int
main(int argc, char **argv)
{
	static uint8_t	 buf[INPUT_MAX];
	const char	*name = strrchr(argv[0], '/');
	size_t		 size;
	long		 runs = RUNS_DEFAULT, i = 0;

	for (int k = 1; k < argc; k++)
		if (strncmp(argv[k], "-runs=", 6) == 0)
			runs = strtol(argv[k] + 6, NULL, 10);
		else
			add_path(argv[k]);
	run(buf, 0);
	for (size_t k = 0; k < corpus_count; k++)
		run(corpus[k].data, corpus[k].size);
	for (; i < runs; i++) {
		size = 0;
		if (corpus_count > 0 && random_below(8) != 0) {
			const struct input	*from = &corpus[random_below(corpus_count)];

			memcpy(buf, from->data, size = from->size);
		} else
			while (size < random_below(64))
				buf[size++] = (uint8_t)random_below(256);
		for (uint64_t n = 1 + random_below(8); n > 0; n--)
			size = mutate(buf, size);
		run(buf, size);
	}
	printf("%s: %ld runs\n", name == NULL ? argv[0] : name + 1, i);
	for (size_t k = 0; k < corpus_count; k++)
		free(corpus[k].data);
	return 0;
}
