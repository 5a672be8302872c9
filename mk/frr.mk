# SPDX-License-Identifier: GPL-2.0-or-later
# FRR with nlbd in it: scripts/setup.sh builds the whole once; `make nlbd` brings changes of
# ours in and builds only what they touch.

.PHONY: nlbd

nlbd: setup ## nlbd (and vtysh, mgmtd where they changed), installed below build/prefix
	$(Q)scripts/setup.sh nlbd
