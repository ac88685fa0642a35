/* command: the words of a configured command line.  No shell: nothing is expanded. */
#ifndef TOCSIN_COMMON_COMMAND_H
#define TOCSIN_COMMON_COMMAND_H
#include <stdbool.h>
#include <stddef.h>

/* The check of a configuration key: an absolute path and arguments, quotes closed. */
bool	 command_ok(const char *text, char *why, size_t why_size);

/*
 * Split at blanks; double quotes keep blanks together and are removed, and ""
 * is an empty word.  Returns an owned array with NULL at the end, in one piece
 * for free(); NULL when command_ok() would refuse `text` or memory runs out.
 */
char	**command_split(const char *text);
#endif
