// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nlbctl's main(); all the rest is in nlbctl.c, where tests reach it.
 */
#include "nlbctl.h"

int main(int argc, char **argv)
{
	return nlbctl_run(argc, argv);
}
