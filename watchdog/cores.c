#include "watchdog/cores.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog/folder.h"

#define ENTRIES_MAX	10000	/* a few ms */

/* core, core.PID, or whatever else core_pattern makes of it.  The folder is its user's, who may have put millions of files there. */
static unsigned
count_files(const char *folder)
{
	DIR		*dir = opendir(folder);
	struct dirent	*e;
	unsigned	 count = 0;

	if (dir == NULL)
		return 0;
	for (int i = 0; i < ENTRIES_MAX && (e = readdir(dir)) != NULL; i++)
		if (strncmp(e->d_name, "core", 4) == 0)
			count++;
	closedir(dir);
	return count;
}

void
cores_init(struct cores *c, const char *state_dir, const char *name)
{
	c->folder = folder_path(state_dir, name, "");
	c->count = count_files(c->folder);
}

void
cores_release(struct cores *c)
{
	free(c->folder);
}

void
cores_add(struct cores *c)
{
	unsigned	 found = count_files(c->folder);

	c->count = found > 0 ? found : c->count + 1;
}

void
cores_recount(struct cores *c)
{
	c->count = count_files(c->folder);
}
