# SPDX-License-Identifier: BSD-2-Clause
# Paravane's one Makefile. `make help` lists the targets, docs/building.md explains them.

MAKEFLAGS += --no-builtin-rules --no-builtin-variables
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
NM ?= nm
OBJCOPY ?= objcopy

# Tests run the debug build: assertions, lock-order checks and the audit are in.
ifneq ($(filter test,$(MAKECMDGOALS)),)
DEBUG ?= 1
endif
B := build
ifeq ($(DEBUG),1)
O := $B/debug
else
O := $B
endif

# Progress on a terminal, silence in a pipe, everything with V=1.
Q := $(if $(V),,@)
say = $(if $(and $(MAKE_TERMOUT),$(if $(V),,1)),@printf '  %-8s %s\n' '$1' '$2')

# --- the hypervisor -----------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion $(if $(WERROR),-Werror)
HV_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fpie -fvisibility=hidden -mno-red-zone \
	-mgeneral-regs-only -fno-stack-protector -fno-strict-aliasing -fno-common \
	-fcf-protection=none -fno-asynchronous-unwind-tables $(WARNINGS) \
	-Ihypervisor -Ihypervisor/x86/include $(if $(filter 1,$(DEBUG)),-DPARAVANE_DEBUG)
HV_LDFLAGS := -static -nostdlib -nostartfiles -Wl,--build-id=sha1 -Wl,-z,noexecstack \
	-Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments -Wl,--no-relax

HV_SRC := $(sort $(wildcard hypervisor/core/*.c) \
	$(filter-out %/asm_offsets.c,$(wildcard $(addprefix hypervisor/x86/,*.[cS] */*.[cS]))))
HV_OBJ := $(addprefix $O/,$(addsuffix .o,$(basename $(HV_SRC))))
HV_LDS := hypervisor/x86/paravane.lds

.PHONY: all
all: $O/paravane $B/pvunpack

$O/hypervisor/%.o: hypervisor/%.c
	$(call say,CC,$<)
	$Q mkdir -p $(@D)
	$Q $(CC) $(HV_CFLAGS) -MMD -MP -c -o $@ $<

$O/hypervisor/%.o: hypervisor/%.S $O/include/asm_offsets.h
	$(call say,AS,$<)
	$Q mkdir -p $(@D)
	$Q $(CC) $(HV_CFLAGS) -I$O/include -MMD -MP -c -o $@ $<

# Offsets of structure members for assembly: the C compiler writes lines "->NAME value" into its
# output, which become definitions.
$O/asm_offsets.s: hypervisor/x86/asm_offsets.c
	$Q mkdir -p $(@D)
	$Q $(CC) $(HV_CFLAGS) $(if $(findstring clang,$(CC)),-fno-integrated-as) -MMD -MP -S -o $@ $<

$O/include/asm_offsets.h: $O/asm_offsets.s
	$Q mkdir -p $(@D)
	$Q sed -n 's/^[^>]*->\([A-Za-z_][A-Za-z0-9_]*\) \$$*\(-\{0,1\}[0-9]*\).*/#define \1 \2/p' $< >$@

# The linker script may include headers (layout constants).
$O/paravane.lds: $(HV_LDS)
	$Q mkdir -p $(@D)
	$Q $(CC) -E -P -x c -undef -D__ASSEMBLER__ -Ihypervisor -Ihypervisor/x86/include \
		-MMD -MP -MT $@ -MF $@.d -o $@ $<

# Linked twice: the first link tells the addresses of functions, the second carries them along for
# the stack traces of a panic. The table lies behind the code, so adding it moves no function;
# the last line of the recipe holds the linker script to that.
$O/symbols-empty.S: hypervisor/x86/mksymbols
	$Q mkdir -p $(@D)
	$Q hypervisor/x86/mksymbols </dev/null >$@

$O/paravane.first: $(HV_OBJ) $O/symbols-empty.o $O/paravane.lds
	$Q $(CC) $(HV_LDFLAGS) -Wl,-T,$O/paravane.lds -o $@ $(filter %.o,$^)

$O/symbols.S: $O/paravane.first hypervisor/x86/mksymbols
	$Q $(NM) -n $< | hypervisor/x86/mksymbols >$@

$O/symbols%o: $O/symbols%S
	$Q $(CC) -Ihypervisor/x86/include -c -o $@ $<

$O/paravane.elf: $(HV_OBJ) $O/symbols.o $O/paravane.lds
	$(call say,LD,$@)
	$Q $(CC) $(HV_LDFLAGS) -Wl,-T,$O/paravane.lds -o $@ $(filter %.o,$^)
	$Q $(NM) -n $@ | hypervisor/x86/mksymbols | cmp - $O/symbols.S

# What a boot loader takes: the same file without symbols and debugging information.
$O/paravane: $O/paravane.elf
	$(call say,IMAGE,$@)
	$Q $(OBJCOPY) --strip-all $< $@

# --- tools of the host --------------------------------------------------------------------------

HOST_CFLAGS := -std=gnu11 -O2 -g -D_GNU_SOURCE $(WARNINGS)
UNPACK_LIBS := -lz -llzma -lzstd -llz4 -lbz2
UNPACK_OBJ := $(patsubst %.c,$B/host/%.o,$(wildcard toolstack/unpack/*.c))

$B/host/%.o: %.c
	$(call say,HOSTCC,$<)
	$Q mkdir -p $(@D)
	$Q $(CC) $(HOST_CFLAGS) -MMD -MP -c -o $@ $<

$B/pvunpack: $(UNPACK_OBJ)
	$Q $(CC) -o $@ $^ $(UNPACK_LIBS)

# --- unit tests ---------------------------------------------------------------------------------
# A test program is tests/unit/test_NAME.c. What it is linked with, it says in lines of its own:
#   links: hypervisor/core/heap.c hypervisor/core/lib.c
#   libs: -lz
# Everything is compiled for the host, under ASan and UBSan.

UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BIN := $(patsubst tests/unit/%.c,$B/unit/%,$(UNIT_SRC))
UNIT_CFLAGS := -std=gnu11 -O1 -g -D_GNU_SOURCE -DPARAVANE_DEBUG -fno-omit-frame-pointer \
	-fno-strict-aliasing -fsanitize=address,undefined -fno-sanitize-recover=all $(WARNINGS) \
	-Itests/unit/include -Itests/unit -Ihypervisor -I.

$B/unit/obj/%.o: %.c
	$(call say,UNITCC,$<)
	$Q mkdir -p $(@D)
	$Q $(CC) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

$B/unit/%.mk: tests/unit/%.c
	$Q mkdir -p $(@D)
	$Q { printf '$B/unit/$*: $B/unit/obj/tests/unit/$*.o'; \
	     sed -n 's/^[ *\/]*links: *\(.*[^ *\/]\)[ *\/]*$$/\1/p' $< | tr -s ' \n' '\n\n' | \
	     sed -n 's,\(.*\)\.c$$, $B/unit/obj/\1.o,p' | tr -d '\n'; echo; \
	     printf '$B/unit/$*: LIBS :='; \
	     sed -n 's/^[ *\/]*libs: *\(.*[^ *\/]\)[ *\/]*$$/ \1/p' $< | tr -d '\n'; echo; } >$@

ifneq ($(filter unit test $B/unit/%,$(MAKECMDGOALS)),)
-include $(UNIT_BIN:=.mk)
endif

$(UNIT_BIN): $B/unit/%: | $B/unit/%.mk
	$Q $(CC) -fsanitize=address,undefined -o $@ $(filter %.o,$^) $(LIBS)

PROVE := prove $(if $(MAKE_TERMOUT),,-Q)

.PHONY: unit
unit: $(UNIT_BIN)
	$Q prove -e '' $(if $(T),$(filter %/test_$T,$(UNIT_BIN)),$(UNIT_BIN))

# ------------------------------------------------------------------------------------------------

.PHONY: clean help
clean:
	$Q rm -rf $B

help:
	@sed -n 's/^#: //p' Makefile

-include $(HV_OBJ:.o=.d) $(UNPACK_OBJ:.o=.d) $(wildcard $O/*.d)
-include $(shell find $B/unit -name '*.d' 2>/dev/null)
