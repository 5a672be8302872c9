// SPDX-License-Identifier: GPL-2.0-or-later
/* A mapping of whole pages with the last one made unreadable. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guard.h"

static size_t guard_pages(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (len + page - 1) / page * page;
}

void *guard_copy(const void *data, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = guard_pages(len);
	uint8_t *map;

	map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED || mprotect(map + room, page, PROT_NONE) < 0)
		abort();
	if (len)
		memcpy(map + room - len, data, len);
	return map + room - len;
}

void guard_free(void *p, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = guard_pages(len);

	munmap((uint8_t *)p + len - room, room + page);
}
