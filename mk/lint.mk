# SPDX-License-Identifier: GPL-2.0-or-later

.PHONY: lint format

##@ Keeping it clean
lint: setup agent xdp ## clang-format, cppcheck, gcc and clang warnings, shellcheck, black, yanglint
	$(Q)scripts/lint.sh

format: ## let clang-format and black rewrite our sources
	$(Q)scripts/lint.sh --fix
