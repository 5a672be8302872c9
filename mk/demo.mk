# SPDX-License-Identifier: GPL-2.0-or-later

.PHONY: demo demo-shell demo-down

##@ Seeing it work
demo: setup agent xdp nlbd ## the whole system in namespaces, each step checked
	$(Q)demo/demo.sh run

demo-shell: setup agent xdp nlbd ## leave it standing, and say how to enter each host
	$(Q)demo/demo.sh up

demo-down: ## remove what demo-shell left
	$(Q)demo/demo.sh down
