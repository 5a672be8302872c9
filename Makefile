# SPDX-License-Identifier: GPL-2.0-or-later
#
# nlb: everything that is built, tested, measured and shown. `make help` lists it.
# All output goes below build/; V=1 shows the commands.

BUILD	:= build
PREFIX	:= $(BUILD)/prefix
CC	?= gcc
CLANG	?= clang
BPFTOOL	?= bpftool
PYTHON	:= /usr/bin/python3

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n'
endif

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

include mk/c.mk
include mk/frr.mk
include mk/test.mk
include mk/kernels.mk
include mk/lint.mk
include mk/demo.mk
include mk/bench.mk
include mk/ring.mk
include mk/fuzz.mk
include mk/traffic.mk
include mk/load.mk
include mk/batch.mk
include mk/health.mk

.PHONY: all help setup clean distclean

##@ Building
all: setup agent xdp nlbd ## build everything of ours

setup: ## install packages, build FRR and libyang below build/ (a second run takes seconds)
	$(Q)scripts/setup.sh

clean: ## remove what is built from our sources; FRR stays
	$(Q)rm -rf $(BUILD)/agent $(BUILD)/xdp $(BUILD)/asan $(BUILD)/tests $(BUILD)/results $(BUILD)/bench $(BUILD)/lint \
		$(BUILD)/fuzz $(BUILD)/by $(BUILD)/plain

distclean: ## remove build/ altogether
	$(Q)rm -rf $(BUILD)

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z][a-z0-9-]*:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
