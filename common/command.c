#include "common/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Write the words, each with its NUL, to `out` (room for strlen(text) + 1) and
 * return how many there are; -1 when a quote is left open.
 */
static int
write_words(const char *text, char *out)
{
	bool	 quoted = false, inside = false;
	int	 count = 0;

	for (; *text != '\0'; text++) {
		if (!quoted && (*text == ' ' || *text == '\t')) {
			if (inside)
				*out++ = '\0';
			inside = false;
			continue;
		}
		if (!inside)
			count++;
		inside = true;
		if (*text == '"')
			quoted = !quoted;
		else
			*out++ = *text;
	}
	*out = '\0';
	return quoted ? -1 : count;
}

bool
command_ok(const char *text, char *why, size_t why_size)
{
	char	 *words = malloc(strlen(text) + 1);
	int	 count = words == NULL ? -1 : write_words(text, words);
	bool	 absolute = count > 0 && words[0] == '/';

	free(words);
	if (count == -1)
		snprintf(why, why_size, "a double quote is left open");
	else if (!absolute)
		snprintf(why, why_size, "an absolute path, then its arguments");
	return absolute;
}

char **
command_split(const char *text)
{
	/* No word is shorter than one byte and its blank, so this many pointers suffice. */
	size_t	 size = strlen(text) + 1, pointers = size / 2 + 2;
	char	**argv = malloc(pointers * sizeof(*argv) + size), *at;
	int	 count;

	if (argv == NULL)
		return NULL;
	at = (char *)(argv + pointers);
	count = write_words(text, at);
	if (count < 1 || *at != '/') {
		free(argv);
		return NULL;
	}
	for (int i = 0; i < count; i++, at += strlen(at) + 1)
		argv[i] = at;
	argv[count] = NULL;
	return argv;
}
