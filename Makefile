# SPDX-License-Identifier: BSD-2-Clause
# Paravane's one Makefile. `make help` lists the targets, docs/building.md explains them.

MAKEFLAGS += --no-builtin-rules --no-builtin-variables
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all
.SECONDEXPANSION:

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
NM ?= nm
OBJCOPY ?= objcopy

# Variables that the scripts of `make run` and `make test` read (docs/building.md).
export CPUS MEMORY ARGS HVARGS DISK BATCH NATIVE QEMU PATIENCE THREADS JOB GUEST

# Tests run the debug build: assertions, lock-order checks and the audit are in.
ifneq ($(filter test fuzz test-on-xen,$(MAKECMDGOALS)),)
DEBUG ?= 1
endif
B := build
# `make bench B=NAME` measures NAME, a benchmark or a row; its build directory is the default one. A build
# directory is there, or has a slash in its name.
ifneq ($(and $(filter bench bench-profile,$(MAKECMDGOALS)),$(filter command environment,$(origin B))),)
BENCH_NAMES := $(shell tests/bench/run --list)
ifneq ($(filter $B,$(BENCH_NAMES)),)
ONLY := $B
override B := build
else ifeq ($(findstring /,$B)$(filter build,$B)$(wildcard $B/.),)
$(error B=$B: no benchmark and no row of one is called so; `tests/bench/run --list` prints their names. A \
new build directory is given with a slash: B=./$B)
endif
endif
ifeq ($(DEBUG),1)
O := $B/debug
else
O := $B
endif

# Progress on a terminal, silence in a pipe, everything with V=1.
Q := $(if $(V),,@)
say = $(if $(and $(MAKE_TERMOUT),$(if $(V),,1)),@printf '  %-8s %s\n' '$1' '$2')

# Where the scripts find what was built and downloaded.
export PV_BUILD := $B
export PV_CACHE := $B/cache

# --- the hypervisor -----------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion $(if $(WERROR),-Werror)
HV_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fpie -fvisibility=hidden -mno-red-zone \
	-mgeneral-regs-only -fno-stack-protector -fno-strict-aliasing -fno-common \
	-fcf-protection=none -fno-asynchronous-unwind-tables $(WARNINGS) \
	-Ihypervisor -Ihypervisor/x86/include $(if $(filter 1,$(DEBUG)),-DPARAVANE_DEBUG)
# No indirect jump or call that a guest can have trained: retpolines, and no jump tables.
HV_CFLAGS += $(if $(findstring clang,$(CC)),-mretpoline,-mindirect-branch=thunk-inline \
	-mindirect-branch-register) -fno-jump-tables -DPARAVANE_RETPOLINE
HV_LDFLAGS := -static -nostdlib -nostartfiles -Wl,--build-id=sha1 -Wl,-z,noexecstack \
	-Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments -Wl,--no-relax

HV_SRC := $(sort $(wildcard hypervisor/core/*.c) \
	$(filter-out %/asm_offsets.c,$(wildcard $(addprefix hypervisor/x86/,*.[cS] */*.[cS]))))
HV_OBJ := $(addprefix $O/,$(addsuffix .o,$(basename $(HV_SRC))))
HV_LDS := hypervisor/x86/paravane.lds

.PHONY: all
all: $O/paravane $B/pvunpack $B/pvstored $B/pvconsoled $B/pvwatchd $B/pvctl

$O/hypervisor/%.o: hypervisor/%.c
	$(call say,CC,$<)
	$Q mkdir -p $(@D)
	$Q $(CC) $(HV_CFLAGS) -MMD -MP -c -o $@ $<

$O/hypervisor/%.o: hypervisor/%.S $O/include/asm_offsets.h
	$(call say,AS,$<)
	$Q mkdir -p $(@D)
	$Q $(CC) $(HV_CFLAGS) -I$O/include -MMD -MP -c -o $@ $<

# Another compiler or other flags: everything is compiled anew.
.PHONY: always
$O/flags: always
	$Q mkdir -p $(@D)
	$Q echo '$(CC) $(HV_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(HV_CFLAGS)' >$@

$(HV_OBJ) $O/asm_offsets.s: $O/flags

# What the hypervisor says that it is: the commit and its date, so the same sources give the same
# bytes.
VERSION := $(shell git describe --always --tags --dirty 2>/dev/null)
VERSION_DATE := $(shell git log -1 --format=%cs 2>/dev/null)

$O/version: always
	$Q mkdir -p $(@D)
	$Q echo '$(VERSION) $(VERSION_DATE)' | cmp -s - $@ || echo '$(VERSION) $(VERSION_DATE)' >$@

$O/hypervisor/core/version.o: $O/version
# Executed once, or for a person: small before fast.
HV_SMALL := \
	core/audit.c core/cmdline.c core/console.c core/domctl.c core/domctl_vcpu.c \
	core/e820.c core/elf.c core/evtchn_bind.c core/fmt.c core/grant_table.c core/log.c \
	core/memory.c core/pv_layout.c core/reservation.c core/resource.c core/sched_params.c \
	core/sysctl.c x86/acpi.c x86/acpi_tables.c x86/alternative.c x86/boot/multiboot.c \
	x86/bootmem.c x86/clocksource.c x86/console_dev.c x86/context.c x86/cpu.c x86/cpuid.c \
	x86/cpuid_policy.c x86/dom0.c x86/dom0_memory.c x86/dom0_tables.c x86/domctl.c \
	x86/efi.c x86/font.c x86/ioapic.c x86/keys.c x86/mm/audit.c x86/msi.c x86/paging.c \
	x86/panic.c x86/pci.c x86/physdev.c x86/pirq.c x86/platform.c x86/serial.c x86/setup.c \
	x86/smp.c x86/sysctl.c x86/traps_init.c x86/vga.c
$(patsubst %.c,$O/hypervisor/%.o,$(HV_SMALL)): HV_CFLAGS += -Os

$O/hypervisor/core/version.o: HV_CFLAGS += $(if $(VERSION),-DPARAVANE_VERSION='"$(VERSION)"' \
	-DPARAVANE_DATE='"$(VERSION_DATE)"')

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

HOST_CFLAGS := -std=gnu11 -O2 -g -D_GNU_SOURCE $(WARNINGS) -Itoolstack
UNPACK_LIBS := -lz -llzma -lzstd -llz4 -lbz2
UNPACK_OBJ := $(patsubst %.c,$B/host/%.o,$(wildcard toolstack/unpack/*.c))

$B/host/%.o: %.c
	$(call say,HOSTCC,$<)
	$Q mkdir -p $(@D)
	$Q $(CC) $(HOST_CFLAGS) -MMD -MP -c -o $@ $<

$B/pvunpack: $(UNPACK_OBJ)
	$Q $(CC) -o $@ $^ $(UNPACK_LIBS)

STORE_LIBS := -lxenevtchn -lxengnttab -lxenforeignmemory -lxencall
STORE_OBJ := $(patsubst %.c,$B/host/%.o,$(wildcard toolstack/store/*.c) \
	toolstack/common/background.c toolstack/common/message.c)

$B/host/toolstack/store/main.o: $O/version
$B/host/toolstack/store/main.o: HOST_CFLAGS += $(if $(VERSION),-DPARAVANE_VERSION='"$(VERSION)"')
$B/pvstored: $(STORE_OBJ)
	$(call say,LD,$@)
	$Q $(CC) -o $@ $^ $(STORE_LIBS)

$B/pvstored-static: $(STORE_OBJ)
	$(call say,LD,$@)
	$Q $(CC) -static -o $@ $^ $(STORE_LIBS) -lxentoollog -lxentoolcore -ldl -lpthread

# --- the toolstack --------------------------------------------------------------------------------
# One rule compiles all of it; a program is its directory's objects and those of what it uses.

TOOL_CFLAGS := -std=gnu11 -O2 -g -D_GNU_SOURCE -Iinclude -Itoolstack -Ihypervisor \
	-Ihypervisor/x86/include $(WARNINGS)
# Debian's libraries below libxenctrl. PVCTL_LDFLAGS=-static: for a root file system without them.
XEN_LIBS := -lxencall -lxenforeignmemory -lxenevtchn -lxengnttab -lxentoollog -lxentoolcore -ldl \
	-lpthread
tool_objects = $(patsubst %.c,$B/tools/%.o,$1)

$B/tools/%.o: %.c
	$(call say,CC,$<)
	$Q mkdir -p $(@D)
	$Q $(CC) $(TOOL_CFLAGS) -MMD -MP -c -o $@ $<

# The control library, as an archive and shared (docs/libxenctrl.md); libxenguest is one file of it.
# LIBXENCTRL_FILES go into one directory, LIBXENCTRL_PKGCONFIG into pkgconfig/ in there, and
# LIBXENCTRL_HEADERS into include/paravane: lib/paravane and include/paravane of the same prefix.
LIBXENCTRL_SRC := $(filter-out %/guest.c,$(wildcard toolstack/libxenctrl/*.c))
LIBXENCTRL_FILES := $(addprefix $B/lib/,libxenctrl.a libxenctrl.so libxenctrl.so.4.17 \
	libxenguest.a libxenguest.so libxenguest.so.4.17)
LIBXENCTRL_PKGCONFIG := $(wildcard toolstack/libxenctrl/*.pc)
LIBXENCTRL_HEADERS := $(wildcard include/*.h)

$B/lib/libxenctrl.a: $(call tool_objects,$(LIBXENCTRL_SRC))
$B/lib/libxenguest.a: $(call tool_objects,toolstack/libxenctrl/guest.c)
$B/lib/libxenctrl.a $B/lib/libxenguest.a:
	$Q mkdir -p $(@D)
	$Q rm -f $@
	$Q ar rcs $@ $^

$B/tools/pic/%.o: %.c
	$(call say,CC,$<)
	$Q mkdir -p $(@D)
	$Q $(CC) $(TOOL_CFLAGS) -fPIC -MMD -MP -c -o $@ $<

LIBXENCTRL_LD = $Q mkdir -p $(@D); $(CC) -shared -Wl,-soname,$(@F) -Wl,-z,defs -Wl,-z,now \
	-Wl,--version-script=toolstack/libxenctrl/exports.map -o $@ $(filter %.o %.so,$^) -lxencall \
	-lxenforeignmemory -lxentoollog
$B/lib/libxenctrl.so.4.17: $(LIBXENCTRL_SRC:%.c=$B/tools/pic/%.o) toolstack/libxenctrl/exports.map
	$(call say,LD,$@)
	$(LIBXENCTRL_LD) -lxenevtchn -lxengnttab

$B/lib/libxenguest.so.4.17: $B/tools/pic/toolstack/libxenctrl/guest.o $B/lib/libxenctrl.so \
		toolstack/libxenctrl/exports.map
	$(call say,LD,$@)
	$(LIBXENCTRL_LD)

$B/lib/libxenctrl.so $B/lib/libxenguest.so: %.so: %.so.4.17
	$Q ln -sfn $(<F) $@

.PHONY: libxenctrl
libxenctrl: $(LIBXENCTRL_FILES)

PVCTL_OBJ := $(call tool_objects,$(wildcard $(addprefix toolstack/,pvctl/*.c guest/*.c common/*.c \
	devices/*.c builder/*.c unpack/unpack.c unpack/trim.c unpack/codec*.c)) hypervisor/core/elf.c \
	hypervisor/core/pv_layout.c hypervisor/x86/pv_tables.c)

$B/pvctl-static: PVCTL_LDFLAGS += -static
$B/pvctl $B/pvctl-static: $(PVCTL_OBJ) $B/lib/libxenctrl.a
	$(call say,LD,$@)
	$Q $(CC) $(PVCTL_LDFLAGS) -o $@ $^ -lxenstore $(XEN_LIBS) -ljson-c -lncursesw -ltinfo \
		$(UNPACK_LIBS)

CONSOLED_OBJ := $(call tool_objects,$(wildcard toolstack/console/*.c) $(addprefix \
	toolstack/common/,background.c daemon_log.c guest_names.c message.c store_session.c store_watch.c) \
	toolstack/store/loop.c)
WATCHD_OBJ := $(call tool_objects,$(wildcard toolstack/watch/*.c) toolstack/store/loop.c) \
	$(filter-out $B/tools/toolstack/pvctl/%,$(PVCTL_OBJ))

$B/tools/toolstack/console/main.o $B/tools/toolstack/watch/main.o: $O/version
$B/tools/toolstack/console/main.o $B/tools/toolstack/watch/main.o: \
	TOOL_CFLAGS += $(if $(VERSION),-DPARAVANE_VERSION='"$(VERSION)"')

$B/pvconsoled-static $B/pvwatchd-static: PVCTL_LDFLAGS += -static
$B/pvconsoled $B/pvconsoled-static: $(CONSOLED_OBJ) $B/lib/libxenctrl.a
	$(call say,LD,$@)
	$Q $(CC) $(PVCTL_LDFLAGS) -o $@ $^ -lxenstore $(XEN_LIBS)

$B/pvwatchd $B/pvwatchd-static: $(WATCHD_OBJ) $B/lib/libxenctrl.a
	$(call say,LD,$@)
	$Q $(CC) $(PVCTL_LDFLAGS) -o $@ $^ -lxenstore $(XEN_LIBS) -ljson-c $(UNPACK_LIBS)

# --- installation (docs/installing.md) ------------------------------------------------------------
# `make install` compiles nothing that is there, so it can be run as root after `make` as a user.

PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/lib/paravane
INCLUDEDIR ?= $(PREFIX)/include/paravane
UNITDIR ?= $(PREFIX)/lib/systemd/system
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/paravane
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
SYSCONFDIR ?= /etc
BOOTDIR ?= /boot

INSTALLED_PROGRAMS := $(addprefix $B/,pvctl pvstored pvconsoled pvwatchd pvunpack)

# One line for each file: mode, where to, what. What is in @AT@ signs is replaced in texts; settings
# (in $(SYSCONFDIR)/default) that are there are left alone.
define INSTALLED
$(foreach f,$(INSTALLED_PROGRAMS),0755 $(SBINDIR)/$(notdir $f) $f)
0644 $(BOOTDIR)/paravane $O/paravane
$(foreach f,$(LIBXENCTRL_FILES),0644 $(LIBEXECDIR)/$(notdir $f) $f)
$(foreach f,$(LIBXENCTRL_PKGCONFIG),0644 $(LIBEXECDIR)/pkgconfig/$(notdir $f) $f)
$(foreach f,$(LIBXENCTRL_HEADERS),0644 $(INCLUDEDIR)/$(notdir $f) $f)
$(foreach f,host guests kernels,0755 $(LIBEXECDIR)/$f toolstack/install/$f)
$(foreach f,$(wildcard toolstack/install/systemd/*),0644 $(UNITDIR)/$(notdir $f) $f)
$(foreach f,$(wildcard docs/man/*.[1-8]),0644 $(MANDIR)/man$(patsubst .%,%,$(suffix $f))/$(notdir $f) $f)
$(foreach f,LICENSE $(wildcard docs/*.md),0644 $(DOCDIR)/$(notdir $f) $f)
0644 $(COMPLETIONDIR)/pvctl toolstack/pvctl/pvctl.bash
0755 $(SYSCONFDIR)/grub.d/20_linux_paravane toolstack/install/grub/20_linux_paravane
0644 $(SYSCONFDIR)/default/grub.d/paravane.cfg toolstack/install/grub/paravane.cfg
0755 $(SYSCONFDIR)/kernel/postrm.d/zy-paravane toolstack/install/grub/kernel-postrm
0644 $(SYSCONFDIR)/default/paravane toolstack/install/default
endef

INSTALL = toolstack/install/files $1 '$(DESTDIR)' 'SBINDIR=$(SBINDIR)' 'LIBEXEC=$(LIBEXECDIR)' \
	'SYSCONFDIR=$(SYSCONFDIR)' 'BOOTDIR=$(BOOTDIR)'

.PHONY: install uninstall
install: $O/paravane $(INSTALLED_PROGRAMS) $(LIBXENCTRL_FILES)
	$Q printf '%s\n' $(strip $(INSTALLED)) | paste -d ' ' - - - | $(call INSTALL,add)

uninstall:
	$Q printf '%s\n' $(strip $(INSTALLED)) | paste -d ' ' - - - | $(call INSTALL,remove)

# --- unit tests ---------------------------------------------------------------------------------
# A test program is tests/unit/test_NAME.c. What it is linked with, it says in lines of its own:
#   links: hypervisor/core/heap.c hypervisor/core/lib.c
#   counts: toolstack/store/tree.c      (linked, and calls __sanitizer_cov_trace_pc() at each block)
#   libs: -lz
# Everything is compiled for the host, under ASan and UBSan.

UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BIN := $(patsubst tests/unit/%.c,$B/unit/%,$(UNIT_SRC))
UNIT_CFLAGS := -std=gnu11 -O1 -g -D_GNU_SOURCE -DPARAVANE_DEBUG -fno-omit-frame-pointer \
	-fno-strict-aliasing -fsanitize=address,undefined -fno-sanitize-recover=all $(WARNINGS) \
	-Itests/unit/include -Itests/unit -Iinclude -Ihypervisor -Itoolstack -I.

$B/unit/obj/%.o: %.c
	$(call say,UNITCC,$<)
	$Q mkdir -p $(@D)
	$Q $(CC) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

$B/unit/counted/%.o: %.c
	$(call say,UNITCC,$<)
	$Q mkdir -p $(@D)
	$Q $(CC) $(UNIT_CFLAGS) -fsanitize-coverage=trace-pc -fno-builtin -MMD -MP -c -o $@ $<

$B/unit/%.mk: tests/unit/%.c
	$Q mkdir -p $(@D)
	$Q { printf '$B/unit/$*: $B/unit/obj/tests/unit/$*.o'; \
	     sed -n 's/^[ *\/]*links: *\(.*[^ *\/]\)[ *\/]*$$/\1/p' $< | tr -s ' \n' '\n\n' | \
	     sed -n 's,\(.*\)\.c$$, $B/unit/obj/\1.o,p' | tr -d '\n'; \
	     sed -n 's/^[ *\/]*counts: *\(.*[^ *\/]\)[ *\/]*$$/\1/p' $< | tr -s ' \n' '\n\n' | \
	     sed -n 's,\(.*\)\.c$$, $B/unit/counted/\1.o,p' | tr -d '\n'; echo; \
	     printf '$B/unit/$*: LIBS :='; \
	     sed -n 's/^[ *\/]*libs: *\(.*[^ *\/]\)[ *\/]*$$/ \1/p' $< | tr -d '\n'; echo; } >$@

ifneq ($(filter unit test $B/unit/%,$(MAKECMDGOALS)),)
-include $(UNIT_BIN:=.mk)
endif

$(UNIT_BIN): $B/unit/%: | $B/unit/%.mk
	$Q $(CC) -fsanitize=address,undefined -o $@ $(filter %.o,$^) $(LIBS)

.PHONY: unit
unit: $(UNIT_BIN)
	$Q prove $(PROVE_FLAGS) -e '' $(if $(T),$(filter %/test_$T,$(UNIT_BIN)),$(UNIT_BIN))

# --- fuzzers of the toolstack, by libFuzzer: tests/fuzz/fuzz.h ------------------------------------
# Always by clang: gcc has no libFuzzer. `make test` gives each a number of inputs;
# `make fuzz-toolstack T=NAME SECONDS=` lets it run on.

FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BIN := $(patsubst tests/fuzz/%.c,$B/fuzz/%,$(FUZZ_SRC))
FUZZ_SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_CFLAGS := -std=gnu11 -O1 -g -D_GNU_SOURCE -fno-omit-frame-pointer -fsanitize=fuzzer-no-link \
	$(FUZZ_SANITIZERS) $(WARNINGS) -Iinclude -Itoolstack -Ihypervisor -Ihypervisor/x86/include -I.

$B/fuzz/obj/%.o: %.c | $(if $(filter test fuzz-toolstack,$(MAKECMDGOALS)),deps)
	$(call say,FUZZCC,$<)
	$Q mkdir -p $(@D)
	$Q clang $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

# What the head of a fuzzer's file says.
fuzz_says = $(shell sed -n 's,^ \* $1: ,,p' tests/fuzz/$2.c)

$(FUZZ_BIN): $B/fuzz/%: $B/fuzz/obj/tests/fuzz/%.o \
		$$(addprefix $B/fuzz/obj/,$$(addsuffix .o,$$(basename $$(call fuzz_says,links,$$*))))
	$(call say,LD,$@)
	$Q clang -fsanitize=fuzzer $(FUZZ_SANITIZERS) -o $@ $^ $(call fuzz_says,libs,$*)

FUZZ_TESTS := $(patsubst tests/fuzz/%.c,$B/fuzz-tests/%.t,$(FUZZ_SRC))
$(FUZZ_TESTS): $B/fuzz-tests/%.t: $B/fuzz/%
	$Q mkdir -p $(@D)
	$Q printf '#!/bin/sh\nexec tests/fuzz/run tests/fuzz/$*.c $<\n' >$@
	$Q chmod +x $@

.PHONY: fuzz-toolstack
fuzz-toolstack: $B/fuzz/fuzz_$T
	$Q SECONDS_TO_RUN=$(or $(SECONDS),0) tests/fuzz/run tests/fuzz/fuzz_$T.c $<

# --- the control domain: Debian packages, unpacked and not installed -----------------------------

KERNEL ?= 6.1
C := $B/control-domain
CD := toolstack/control-domain
GRUB_ARGS ?= console=com1,vga com1=115200,8n1

# Debian's default kernel is 6.1; others bear their number in the package's name.
$B/cache/linux-6.1/.version:
	$Q $(CD)/fetch-package linux-image-amd64 $(@D)
$B/cache/linux-%/.version:
	$Q $(CD)/fetch-package linux-image-$*-amd64 $(@D)
$B/cache/busybox-static/.version:
	$Q $(CD)/fetch-package busybox-static $(@D)

$C/%/bzImage: $B/cache/linux-%/.version
	$Q mkdir -p $(@D)
	$Q cp $(<D)/boot/vmlinuz-* $@

$C/%/vmlinux: $C/%/bzImage $B/pvunpack
	$(call say,UNPACK,$@)
	$Q $B/pvunpack $< $@

$C/%/initramfs.cpio: $B/cache/linux-%/.version $B/cache/busybox-static/.version \
		$(CD)/mkinitramfs $$(shell find $(CD)/root -type f)
	$(call say,CPIO,$@)
	$Q $(CD)/mkinitramfs $(<D) $B/cache/busybox-static $(CD)/root $@

# The same with the toolstack.
TOOLS := pvctl pvstored $(if $(wildcard toolstack/console),pvconsoled) $(if $(wildcard toolstack/watch),pvwatchd)
$C/%/initramfs-toolstack.cpio: $C/%/initramfs.cpio $(CD)/mkarchive $(TOOLS:%=$B/%-static) \
		$$(shell find $(CD)/tools -type f)
	$(call say,CPIO,$@)
	$Q $(CD)/mkarchive $< $@ .=$(CD)/tools $(foreach tool,$(TOOLS),bin/$(tool)=$B/$(tool)-static)

# A small system for guests.
$C/%/guest-initrd.cpio: $B/cache/linux-%/.version $B/cache/busybox-static/.version \
		$(CD)/mkinitramfs $$(shell find $(CD)/guest -type f)
	$(call say,CPIO,$@)
	$Q $(CD)/mkinitramfs $(<D) $B/cache/busybox-static $(CD)/guest $@

# What `make run` boots, with Debian's kernel for guests unpacked, and as its package has it.
$C/%/initramfs-run.cpio: $C/%/initramfs-toolstack.cpio $C/%/guest-initrd.cpio $C/%/bzImage \
		$C/%/vmlinux $(CD)/mkarchive
	$(call say,CPIO,$@)
	$Q $(CD)/mkarchive $< $@ guests/initrd=$C/$*/guest-initrd.cpio \
		guests/vmlinuz=$C/$*/bzImage guests/vmlinux=$C/$*/vmlinux

# The disk of `make run GUEST=debian`; what debootstrap downloads takes a while, so it is kept.
$B/cache/guest-debian-%.ext4: $B/cache/linux-%/.version $(CD)/mkdebian
	$Q $(CD)/mkdebian $(<D) $@

# For tests with guests: programs and scripts of the control domain in /tests, guests in /guests.
DOMAIN_PROGRAMS := $(patsubst %.c,$B/%,$(wildcard tests/system/domains/*.c))
DOMAIN_SCRIPTS := $(filter-out %.c %.h,$(wildcard tests/system/domains/*))
SYSTEM_GUESTS := $(patsubst tests/system/guests/%.c,$B/guest/system/%.elf, \
	$(wildcard tests/system/guests/*.c))
# Attacks of tests/guest: there they come from a domain without privileges.
HOSTILE_GUESTS := $(addprefix $B/guest/,$(addsuffix .elf,fuzz boundary_calls e1_page_types_race \
	e2_references_race e3_flush e3_flush_race e4_grants e4_grants_race e5_evtchn e5_evtchn_race \
	e9_leaks e9_leaks_random e10_arguments))

# Programs of the control domain may build guests themselves.
$B/lib/libbuilder.a: $(filter %.o,$(call tool_objects,$(wildcard toolstack/builder/*.c \
		toolstack/unpack/unpack.c toolstack/unpack/trim.c toolstack/unpack/codec*.c) \
		toolstack/common/message.c toolstack/common/store_watch.c \
		hypervisor/core/elf.c hypervisor/core/pv_layout.c hypervisor/x86/pv_tables.c))
	$Q mkdir -p $(@D)
	$Q rm -f $@
	$Q ar rcs $@ $^

$(DOMAIN_PROGRAMS): $B/%: $B/tools/%.o $B/lib/libbuilder.a $B/lib/libxenctrl.a
	$Q mkdir -p $(@D)
	$Q $(CC) -static -o $@ $^ -lxenstore $(XEN_LIBS) -ljson-c $(UNPACK_LIBS)

$C/%/guest-tests.cpio: $C/%/guest-initrd.cpio $(CD)/mkarchive $$(wildcard tests/system/guest-linux/*)
	$(call say,CPIO,$@)
	$Q $(CD)/mkarchive $< $@ tests=tests/system/guest-linux

$C/%/initramfs-domains.cpio: $C/%/initramfs-toolstack.cpio $C/%/guest-tests.cpio $C/%/bzImage \
		$(CD)/mkarchive $(DOMAIN_PROGRAMS) $(DOMAIN_SCRIPTS) $(SYSTEM_GUESTS) $(HOSTILE_GUESTS)
	$(call say,CPIO,$@)
	$Q $(CD)/mkarchive $< $@ guests/vmlinuz=$C/$*/bzImage guests/initrd=$C/$*/guest-tests.cpio \
		$(foreach file,$(DOMAIN_PROGRAMS) $(DOMAIN_SCRIPTS),tests/$(notdir $(file))=$(file)) \
		$(foreach file,$(SYSTEM_GUESTS),guests/$(basename $(notdir $(file)))=$(file)) \
		$(foreach file,$(HOSTILE_GUESTS),guests/hostile/$(basename $(notdir $(file)))=$(file))

# The program of four ways (tests/system/xenctrl): with our headers and libraries, with Debian's, and
# with Debian's but ours found when it is run.
XENCTRL_WAYS := $(addprefix $B/tests/xenctrl/,ours debian shared)
XENCTRL_TEST := $(wildcard tests/system/xenctrl/*.[chS])
XENCTRL_RUNTIME := ld-linux-x86-64.so.2 libc.so.6 libxencall.so.1 libxenevtchn.so.1 \
	libxenforeignmemory.so.1 libxengnttab.so.1 libxentoolcore.so.1 libxentoollog.so.1
xenctrl_build = $Q mkdir -p $(@D); $(CC) -std=gnu11 -O1 -g -D_GNU_SOURCE $(WARNINGS) -o $@ \
	$(filter %.c %.S,$^)

$B/tests/xenctrl/ours: $(XENCTRL_TEST) $(LIBXENCTRL_FILES) $(LIBXENCTRL_HEADERS)
	$(call say,CC,$@)
	$(xenctrl_build) -static -Iinclude -L$B/lib -lxenguest -lxenctrl $(XEN_LIBS)

$B/tests/xenctrl/debian: $(XENCTRL_TEST)
	$(call say,CC,$@)
	$(xenctrl_build) -static -lxenguest -lxenctrl $(XEN_LIBS) -lxendevicemodel -lxentoolcore -lz

$B/tests/xenctrl/shared: $(XENCTRL_TEST)
	$(call say,CC,$@)
	$(xenctrl_build) -Wl,-z,now -lxenguest -lxenctrl -lxentoollog

$C/%/initramfs-xenctrl.cpio: $C/%/initramfs.cpio $(CD)/mkarchive $(XENCTRL_WAYS) \
		$(LIBXENCTRL_FILES) tests/system/xenctrl/xenctrl
	$(call say,CPIO,$@)
	$Q $(CD)/mkarchive $< $@ tests/xenctrl=tests/system/xenctrl/xenctrl \
		$(foreach way,$(XENCTRL_WAYS),tests/xenctrl-$(notdir $(way))=$(way)) \
		$(foreach file,$(filter %.so.4.17,$(LIBXENCTRL_FILES)),lib/paravane/$(notdir $(file))=$(file)) \
		lib64/ld-linux-x86-64.so.2=$$($(CC) -print-file-name=ld-linux-x86-64.so.2) \
		$(foreach lib,$(XENCTRL_RUNTIME),lib/debian/$(lib)=$$($(CC) -print-file-name=$(lib)))

$C/%/initramfs-tests.cpio: $C/%/initramfs.cpio tests/system/mkinitramfs-tests \
		$(wildcard tests/system/guest/*)
	$(call say,CPIO,$@)
	$Q CC="$(CC)" tests/system/mkinitramfs-tests $< $@

# With qemu-nbd and the device mapper, for the test of devices.
$C/%/initramfs-devices.cpio: $C/%/initramfs-domains.cpio $B/cache/linux-%/.version \
		tests/system/mkdisktools
	$(call say,CPIO,$@)
	$Q tests/system/mkdisktools $< $B/cache/linux-$* $@

# With a kernel that need not be unpacked, for the test of costs; as it is: no program to be stripped.
$C/%/initramfs-cost.cpio: $C/%/initramfs-domains.cpio $C/%/vmlinux
	$(call say,CPIO,$@)
	$Q mkdir -p $C/$*/cost/guests && cp $C/$*/vmlinux $C/$*/cost/guests
	$Q { cat $<; cd $C/$*/cost && echo guests/vmlinux | cpio --quiet -H newc -o; } >$@.part
	$Q mv $@.part $@

# With Debian's programs that speak to the store, for its test.
$C/%/initramfs-store.cpio: $C/%/initramfs-domains.cpio tests/system/mkprograms
	$(call say,CPIO,$@)
	$Q tests/system/mkprograms $< $@ $(addprefix xenstore-,ls read write list exists rm chmod \
		watch)

$C/%/initramfs-stress.cpio: $C/%/initramfs-tests.cpio tests/system/mkstress
	$(call say,CPIO,$@)
	$Q tests/system/mkstress $< $@

CONTROL_DOMAIN := $(addprefix $C/$(KERNEL)/,bzImage vmlinux initramfs.cpio)

.PHONY: control-domain run iso
control-domain: $(CONTROL_DOMAIN)

ifneq ($(filter-out debian,$(GUEST)),)
$(error GUEST=$(GUEST): there is only GUEST=debian)
endif
ifneq ($(filter run,$(MAKECMDGOALS)),)
ifeq ($(KERNEL),cloud)
$(error KERNEL=cloud: that kernel can be a guest, but no control domain (no CONFIG_XEN_DOM0))
endif
endif
run: $(if $(HYPERVISOR),,$O/paravane) $(CONTROL_DOMAIN) $C/$(KERNEL)/initramfs-run.cpio \
		$(GUEST:%=$B/cache/guest-%-$(KERNEL).ext4)
	$Q HYPERVISOR=$(or $(HYPERVISOR),$O/paravane) KERNEL=$(KERNEL) tests/system/run

# A bootable image for BIOS and UEFI: GRUB, hypervisor, kernel, initramfs.
iso: $O/paravane.iso
$O/paravane.iso: $O/paravane $(CONTROL_DOMAIN) toolstack/mkiso
	$(call say,ISO,$@)
	$Q HVARGS="$(GRUB_ARGS) $(HVARGS)" ARGS="$(ARGS)" toolstack/mkiso $O/paravane \
		$C/$(KERNEL)/vmlinux $C/$(KERNEL)/initramfs.cpio $@

# --- guests: C programs with newlib, directly on the hypervisor -----------------------------------
# docs/newlib-guests.md. `make guest PROGRAM=FILE.c` makes $B/guest/FILE; the tests in tests/guest
# are made in the same way.

G := $B/guest
GL := guest-patches/newlib
GUEST_CODEGEN := -O2 -g -mno-red-zone -fno-pic -fno-pie -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections -D__DYNAMIC_REENT__

# One build for each set of flags; it lies with what was downloaded, as it takes a minute.
NEWLIB_SOURCE := /usr/src/newlib/newlib-3.3.0.tar.xz
NEWLIB := $B/cache/newlib/3.3.0-$(firstword $(shell echo '$(GUEST_CODEGEN)' | cksum))
NEWLIB_LIBC := $(NEWLIB)/lib/libc.a

GUEST_COMPILER_INCLUDE := $(shell $(CC) -print-file-name=include 2>/dev/null)
GUEST_LIBGCC := $(shell gcc -print-libgcc-file-name 2>/dev/null)

# _POSIX_*: newlib declares clock_gettime() and nanosleep() for systems that say they have them.
GUEST_CFLAGS = -std=gnu11 $(GUEST_CODEGEN) -fno-omit-frame-pointer -D_POSIX_TIMERS=1 \
	-D_POSIX_MONOTONIC_CLOCK=1 -nostdinc -isystem $(GUEST_COMPILER_INCLUDE) \
	-isystem $(NEWLIB)/include -isystem $G/include -I$(GL)/include
GUEST_LDFLAGS := -static -nostdlib -Wl,--gc-sections -Wl,--build-id=none \
	-Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -Wl,-T,$(GL)/guest.lds
GUEST_LIBS = -Wl,--start-group $G/libpvguest.a -L$(NEWLIB)/lib -lm -lc \
	$(GUEST_LIBGCC) -Wl,--end-group

# In tests/guest, a file without main() supports the others; so do those in NAME/ for NAME.c.
GT := tests/guest
GUEST_TEST_SRC := $(sort $(shell grep -lw '^int main' $(GT)/*.c 2>/dev/null))
GUEST_SUPPORT := $(filter-out $(GUEST_TEST_SRC),$(wildcard $(GT)/*.c))
GUEST_TEST_BIN := $(patsubst $(GT)/%.c,$G/%.elf,$(GUEST_TEST_SRC))

$(NEWLIB_LIBC):
	$(call say,NEWLIB,$(NEWLIB))
	$Q $(GL)/mknewlib $(NEWLIB_SOURCE) $(NEWLIB) '$(GUEST_CODEGEN)'

# The ABI's headers alone, without those of the host's C library beside them.
$G/include/xen:
	$Q mkdir -p $(@D)
	$Q ln -sfn /usr/include/xen $@

$G/flags: always
	$Q mkdir -p $(@D)
	$Q echo '$(CC) $(GUEST_CFLAGS)' | cmp -s - $@ || echo '$(CC) $(GUEST_CFLAGS)' >$@

GUEST_NEEDS := $G/flags | $(NEWLIB_LIBC) $G/include/xen

$G/obj/%.o: %.c $(GUEST_NEEDS)
	$(call say,GUESTCC,$<)
	$Q mkdir -p $(@D)
	$Q $(CC) $(GUEST_CFLAGS) $(WARNINGS) -MMD -MP -c -o $@ $<

$G/obj/%.o: %.S $(GUEST_NEEDS)
	$Q mkdir -p $(@D)
	$Q $(CC) $(GUEST_CFLAGS) -MMD -MP -c -o $@ $<

# It runs before the FPU's registers are saved.
$G/obj/$(GL)/trap_entry.o: GUEST_CFLAGS += -mgeneral-regs-only
# Tests read the hypervisor's table of hypercalls.
$G/obj/$(GT)/%.o $G/obj/tests/system/guests/%.o: GUEST_CFLAGS += -Ihypervisor -I$(GT)

guest_objects = $(addprefix $G/obj/,$(addsuffix .o,$(basename $1)))

$G/libpvguest.a: $(call guest_objects,$(filter-out %/entry.S,$(wildcard $(GL)/*.c)))
$G/libtests.a: $(call guest_objects,$(GUEST_SUPPORT))
$G/libpvguest.a $G/libtests.a:
	$Q rm -f $@
	$Q ar rcs $@ $(filter %.o,$^)

GUEST_BASE := $G/obj/$(GL)/entry.o $G/libpvguest.a $(GL)/guest.lds
guest_link = $Q $(CC) $(GUEST_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %/libtests.a,$^) $(GUEST_LIBS)

$(GUEST_TEST_BIN): $G/%.elf: $G/obj/$(GT)/%.o $(GUEST_BASE) $G/libtests.a \
		$$(call guest_objects,$$(wildcard $(GT)/$$*/*.c))
	$(guest_link)

# Guests that the system tests start from the control domain.
$(SYSTEM_GUESTS): $G/system/%.elf: $G/obj/tests/system/guests/%.o $(GUEST_BASE) $G/libtests.a
	$Q mkdir -p $(@D)
	$(guest_link)

# PROGRAM: one file, anywhere, or several; the first gives the name.
.PHONY: guest run-guest guest-program
guest run-guest: $(if $(PROGRAM),,guest-program)
guest-program:
	@echo "Say which program: make $(MAKECMDGOALS) PROGRAM=$(GL)/examples/hello.c" >&2; exit 2

ifdef PROGRAM
GUEST_NAME := $(basename $(notdir $(firstword $(PROGRAM))))
GUEST_OBJ := $(patsubst %.c,$G/program/%.o,$(notdir $(PROGRAM)))

program_source = $(filter $1.c %/$1.c,$(PROGRAM))
$(GUEST_OBJ): $G/program/%.o: $$(call program_source,$$*) $(GUEST_NEEDS)
	$(call say,GUESTCC,$<)
	$Q mkdir -p $(@D)
	$Q $(CC) $(GUEST_CFLAGS) -Wall -Wextra -MMD -MP -c -o $@ $<

ifneq ($(filter $(GUEST_TEST_SRC),$(PROGRAM)),)
$G/$(GUEST_NAME): $G/$(GUEST_NAME).elf
else
$G/$(GUEST_NAME).elf: $(GUEST_OBJ) $(GUEST_BASE)
	$(call say,LD,$@)
	$(guest_link)
endif

# What is booted: without symbols and debugging information, which stay in NAME.elf.
$G/$(GUEST_NAME): $G/$(GUEST_NAME).elf
	$Q $(OBJCOPY) --strip-all $< $@

guest: $G/$(GUEST_NAME)

run-guest: $G/$(GUEST_NAME) $(if $(HYPERVISOR),,$O/paravane)
	$Q HYPERVISOR=$(or $(HYPERVISOR),$O/paravane) $(GL)/run $< $(MODULE)
endif

# --- tests --------------------------------------------------------------------------------------
# T=name runs one: tests/unit/test_NAME.c, tests/guest/NAME.c or tests/system/NAME.t.
# HYPERVISOR=FILE tests another hypervisor with the system tests, NATIVE=1 none.

# A guest test is a program; prove wants a script.
GUEST_TESTS := $(patsubst $(GT)/%.c,$B/guest-tests/%.t,$(GUEST_TEST_SRC))
$(GUEST_TESTS): $B/guest-tests/%.t: $G/%.elf
	$Q mkdir -p $(@D)
	$Q printf '#!/bin/sh\nexec $(GT)/run $(GT)/$*.c $<\n' >$@
	$Q chmod +x $@

SYSTEM_TESTS := $(sort $(wildcard tests/system/*.t))
# Those with guests need more files.
DOMAIN_TESTS := $(shell grep -lw 'scenario.domains' $(SYSTEM_TESTS) /dev/null)
# The long ones first, or the last of them would run alone at the end.
LONG_TESTS := $(DOMAIN_TESTS) $(filter $(addprefix %/,boot-memory.t boot-cpus.t iso.t stress.t run.t),$(SYSTEM_TESTS))
TESTS := $(LONG_TESTS) $(filter-out $(LONG_TESTS),$(SYSTEM_TESTS)) $(FUZZ_TESTS) $(GUEST_TESTS) $(UNIT_BIN)
ifdef T
TESTS := $(filter %/test_$T %/$T.t,$(TESTS))
endif
PROVE_FLAGS := $(if $(V),-v) $(if $(MAKE_TERMOUT),,-Q)
PROVE = prove $(PROVE_FLAGS) -j$(shell nproc) -e ''
TEST_NEEDS := $(filter $(UNIT_BIN) $(GUEST_TESTS) $(FUZZ_TESTS),$(TESTS))
ifneq ($(filter $(SYSTEM_TESTS) $(GUEST_TESTS),$(TESTS)),)
TEST_NEEDS += $(if $(HYPERVISOR),,$O/paravane)
endif
ifneq ($(filter $(SYSTEM_TESTS),$(TESTS)),)
TEST_NEEDS += $B/pvunpack $(CONTROL_DOMAIN) \
	$(if $(filter %/pvctl-usage.t,$(TESTS)),$B/pvctl) \
	$C/$(KERNEL)/initramfs-tests.cpio \
	$(if $(filter %-6.12.t,$(TESTS)),$(addprefix $C/6.12/,vmlinux initramfs-tests.cpio)) \
	$(if $(filter %/stress.t,$(TESTS)),$C/$(KERNEL)/initramfs-stress.cpio) \
	$(if $(filter %/disks.t,$(TESTS)),$C/$(KERNEL)/initramfs-devices.cpio) \
	$(if $(filter %/guest-cost.t,$(TESTS)),$C/$(KERNEL)/initramfs-cost.cpio) \
	$(if $(filter %/store-guests.t,$(TESTS)),$C/$(KERNEL)/initramfs-store.cpio) \
	$(if $(filter $(DOMAIN_TESTS),$(TESTS)),$C/$(KERNEL)/initramfs-domains.cpio) \
	$(if $(filter %/xenctrl.t,$(TESTS)),$C/$(KERNEL)/initramfs-xenctrl.cpio $B/bench/xen) \
	$(if $(filter %/xenctrl-abi.t,$(TESTS)),$(LIBXENCTRL_FILES)) \
	$(if $(filter %/run.t,$(TESTS)),$C/$(KERNEL)/initramfs-run.cpio) \
	$(if $(filter %/install.t,$(TESTS)),$(INSTALLED_PROGRAMS) $(LIBXENCTRL_FILES)) \
	$(if $(filter %/iso.t,$(TESTS)),$(if $(HYPERVISOR),,$O/paravane.iso))
endif

# What is counted is what the release build executes.
ifneq ($O,$B)
$B/paravane: always
	$Q $(MAKE) --no-print-directory DEBUG=0 $@
endif
ifneq ($(filter %/guest-cost.t,$(TESTS)),)
TEST_NEEDS += $B/paravane
endif

.PHONY: test
test: $(TEST_NEEDS)
	$(if $(TESTS),,$(error No test is called $T))
	$Q HYPERVISOR=$(or $(HYPERVISOR),$O/paravane) KERNEL=$(KERNEL) $(PROVE) $(TESTS)

# The guest tests on Xen 4.17: docs/differences-from-xen.md lists what may come out otherwise.
.PHONY: test-on-xen fuzz
test-on-xen: $O/paravane $B/bench/xen $(filter $(GUEST_TESTS),$(TESTS))
	$(if $(filter $(GUEST_TESTS),$(TESTS)),,$(error No guest test is called $T))
	$Q HYPERVISOR=$O/paravane XEN=$B/bench/xen $(PROVE) $(filter $(GUEST_TESTS),$(TESTS))

# SECONDS= how long (else until it is stopped), SEED= the first seed.
fuzz: $O/paravane $G/fuzz.elf
	$Q HYPERVISOR=$O/paravane $(GT)/run --fuzz $(or $(SECONDS),0) $(if $(SEED),--seed $(SEED)) \
		$(GT)/fuzz.c $G/fuzz.elf

# --- measuring: instructions under QEMU, beside Xen (docs/PERFORMANCE.md) -------------------------

$B/cache/xen-4.17/.version:
	$Q $(CD)/fetch-package xen-hypervisor-4.17-amd64 $(@D)

$B/bench/xen: $B/cache/xen-4.17/.version
	$Q mkdir -p $(@D)
	$Q gunzip -c $(<D)/boot/xen-4.17-amd64.gz >$@

# Programs of the control domain, of Linux guests and of the bare machine; newlib guests.
BENCH := tests/bench
BENCH_PROGRAMS := $(patsubst $(BENCH)/programs/%.c,$B/bench/bin/%,$(wildcard $(BENCH)/programs/*.c))
BENCH_GUESTS := $(patsubst $(BENCH)/guests/%.c,$B/guest/bench/%.elf,$(wildcard $(BENCH)/guests/*.c))
BENCH_MARKS := $(wildcard $(BENCH)/programs/*.h) $(BENCH)/programs/marks.def

$(BENCH_PROGRAMS): $B/bench/bin/%: $(BENCH)/programs/%.c $(BENCH_MARKS)
	$(call say,CC,$@)
	$Q mkdir -p $(@D)
	$Q $(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g $(WARNINGS) -static -Wl,--build-id=none \
		$(if $(filter %/nothing,$@),-nostdlib) -o $@ $< -lxenstore $(XEN_LIBS)

# The same with the hypervisor's counters.
BENCH_COUNTED := $(addprefix $B/bench/bin/counted-,micro xen block net)
$(BENCH_COUNTED): $B/bench/bin/counted-%: $(BENCH)/programs/%.c $(BENCH_MARKS)
	$(call say,CC,$@)
	$Q mkdir -p $(@D)
	$Q $(CC) -std=gnu11 -D_GNU_SOURCE -DBATCH_COUNTED -D__XEN_TOOLS__ -O2 -g $(WARNINGS) -static -o $@ $< \
		-lxenstore $(XEN_LIBS)

$B/bench/count.so: $(BENCH)/count.c
	$Q mkdir -p $(@D)
	$Q $(CC) -std=gnu11 -O2 -g $(WARNINGS) -fPIC -shared -fvisibility=hidden -o $@ $<

$(BENCH_GUESTS:$B/guest/%.elf=$B/guest/obj/$(BENCH)/guests/%.o): $(BENCH_MARKS)
$(BENCH_GUESTS): $B/guest/bench/%.elf: $B/guest/obj/$(BENCH)/guests/%.o $(GUEST_BASE)
	$Q mkdir -p $(@D)
	$(guest_link)

$C/%/guest-bench.cpio: $C/%/guest-initrd.cpio $(CD)/mkarchive $(BENCH_PROGRAMS) $(BENCH_COUNTED) \
		$(wildcard $(BENCH)/guest-linux/*)
	$(call say,CPIO,$@)
	$Q $(CD)/mkarchive $< $@ tests=$(BENCH)/guest-linux \
		$(foreach file,$(BENCH_PROGRAMS) $(BENCH_COUNTED),bench/$(notdir $(file))=$(file))

$C/%/initramfs-bench.cpio: $C/%/initramfs-toolstack.cpio $C/%/guest-bench.cpio $C/%/vmlinux \
		$(CD)/mkarchive $(BENCH_PROGRAMS) $(BENCH_COUNTED) $(BENCH_GUESTS) \
		$B/guest/system/idle.elf \
		$(wildcard $(BENCH)/control/*)
	$(call say,CPIO,$@)
	$Q mkdir -p $C/$*/bench-modules
	$Q cp $B/cache/linux-$*/lib/modules/*/kernel/drivers/block/brd.ko $C/$*/bench-modules
	$Q $(CD)/mkarchive $< $@ guests/vmlinux=$C/$*/vmlinux guests/initrd=$C/$*/guest-bench.cpio \
		modules=$C/$*/bench-modules \
		tests=$(BENCH)/control guests/idle=$B/guest/system/idle.elf \
		$(foreach file,$(BENCH_PROGRAMS) $(BENCH_COUNTED),bench/$(notdir $(file))=$(file)) \
		$(foreach file,$(BENCH_GUESTS),guests/$(basename $(notdir $(file)))=$(file))

# `make bench ONLY=NAME`, or B=NAME, measures one; `tests/bench/run --list` prints the names. JOBS= how
# many at once.
.PHONY: bench bench-profile bench-report
bench: $B/paravane $B/bench/xen $B/bench/count.so $(CONTROL_DOMAIN) $C/$(KERNEL)/initramfs-bench.cpio
	$Q KERNEL=$(KERNEL) $(BENCH)/run $(ONLY:%=--only %) $(JOBS:%=--jobs %) $(ARGS)

bench-report:
	$Q $(BENCH)/report docs/PERFORMANCE.md

bench-profile: $B/paravane $B/bench/count.so $(CONTROL_DOMAIN) $C/$(KERNEL)/initramfs-bench.cpio
	$Q KERNEL=$(KERNEL) $(BENCH)/profile $(ONLY:%=--only %) $(ARGS)

# --- checks of the source -----------------------------------------------------------------------

C_FILES := $(sort $(shell find hypervisor include toolstack tests guest-patches -name '*.[ch]' 2>/dev/null))
HV_C := $(filter %.c,$(HV_SRC))

.PHONY: check check-format check-cppcheck check-tidy check-docs
check: check-format check-cppcheck check-tidy check-docs

check-docs:
	$Q docs/mkcmdline | cmp - docs/command-line.md
	$Q docs/mkabi | cmp - docs/abi-coverage.md

check-format:
	$(call say,FORMAT,$(words $(C_FILES)) files)
	$Q clang-format --dry-run -Werror $(C_FILES)

# Symbols of the linker script are ends of one object, which cppcheck takes for several. It reads no
# header of the system but that of lists, without which loops are unknown words.
CPPCHECK := cppcheck --quiet --std=c11 --platform=unix64 --enable=warning,portability \
	--inline-suppr --suppress=missingInclude --suppress=internalAstError --suppress=sizeofVoid \
	--suppress=legacyUninitvar --suppress=comparePointers --error-exitcode=1 -j$(shell nproc) \
	-D__GNUC__=12 -D__x86_64__ -Ihypervisor -Ihypervisor/x86/include
TOOL_C := $(sort $(shell find toolstack -name '*.c'))
UNIT_C := $(sort $(wildcard tests/unit/*.c))
check-cppcheck:
	$(call say,CPPCHECK,hypervisor toolstack tests)
	$Q $(CPPCHECK) -DPARAVANE_RETPOLINE $(HV_C)
	$Q $(CPPCHECK) --include=$(firstword $(wildcard /usr/include/*/sys/queue.h)) -Iinclude \
		-Itoolstack $(TOOL_C)
	$Q $(CPPCHECK) -Itests/unit -Itoolstack -I. --suppress=uninitvar --suppress=nullPointer \
		--suppress=invalidFunctionArg $(UNIT_C) $(wildcard tests/fuzz/*.c tests/system/domains/*.c)

# $(call tidy,FILES,FLAGS,CHECKS). The analyzer does not know that a hypercall writes through its
# argument; nor, as it reads one file at a time, that the error which message_set() hands through is
# not 0. In tests, which compare structures on purpose, it would take most of the time.
tidy = printf '%s\n' $1 | xargs -P $(shell nproc) -n 3 sh -c 'clang-tidy --quiet $3 "$$@" -- \
	$2 2>&1 | { ! grep -E "(warning|error):"; }' tidy
GUEST_TIDY = $(subst $(GUEST_COMPILER_INCLUDE),$(shell clang -print-file-name=include),$(GUEST_CFLAGS))
TOOL_CHECKS := --checks=-clang-analyzer-core.N*,-clang-analyzer-core.Und*,-clang-analyzer-unix.Malloc
TEST_CHECKS := --checks=-clang-analyzer-*,-bugprone-suspicious-*,-bugprone-branch-clone,-bugprone-not-null*
check-tidy: $(NEWLIB_LIBC) $G/include/xen
	$(call say,TIDY,hypervisor toolstack guest-patches tests)
	$Q $(call tidy,$(HV_C),$(filter-out -mindirect-branch%,$(HV_CFLAGS)))
	$Q $(call tidy,$(TOOL_C),$(TOOL_CFLAGS),$(TOOL_CHECKS))
	$Q $(call tidy,$(wildcard $(GL)/*.c),$(GUEST_TIDY),--checks=-clang-analyzer-core.*)
	$Q $(call tidy,$(UNIT_C) $(wildcard tests/fuzz/*.c),$(filter-out -fsanitize%,$(UNIT_CFLAGS)) \
		-Ihypervisor/x86/include,$(TEST_CHECKS))
	$Q $(call tidy,$(wildcard tests/system/domains/*.c),$(TOOL_CFLAGS),$(TEST_CHECKS))
	$Q $(call tidy,$(wildcard tests/guest/*.c tests/system/guests/*.c),$(GUEST_TIDY) -Ihypervisor \
		-I$(GT),$(TEST_CHECKS))

# --- documents that are made from the source ----------------------------------------------------

.PHONY: docs
docs:
	$Q docs/mkcmdline >docs/command-line.md
	$Q mkdir -p $B
	$Q docs/mkabi >$B/abi-coverage.md && mv $B/abi-coverage.md docs/abi-coverage.md

# --- what must be installed ---------------------------------------------------------------------

DEPS := gcc libc6-dev binutils libxen-dev libjson-c-dev libncurses-dev zlib1g-dev liblzma-dev libzstd-dev liblz4-dev libbz2-dev \
	cpio kmod xz-utils qemu-system-x86 python3
ifneq ($(filter iso test deps,$(MAKECMDGOALS)),)
DEPS += perl pkg-config grub-common grub-pc-bin grub-efi-amd64-bin xorriso mtools ovmf
endif
ifneq ($(filter test deps,$(MAKECMDGOALS)),)
DEPS += qemu-utils dmsetup
endif
ifneq ($(filter guest run-guest test fuzz test-on-xen check bench bench-profile deps,$(MAKECMDGOALS)),)
DEPS += newlib-source perl
endif
ifneq ($(filter test fuzz-toolstack deps,$(MAKECMDGOALS)),)
DEPS += clang libclang-rt-14-dev python3 xenstore-utils
endif
ifneq ($(filter deps,$(MAKECMDGOALS))$(GUEST),)
DEPS += debootstrap e2fsprogs
endif
ifneq ($(filter check deps,$(MAKECMDGOALS)),)
DEPS += clang clang-format clang-tidy cppcheck
endif

.PHONY: deps
deps:
	@missing=$$(comm -23 <(printf '%s\n' $(sort $(DEPS)) | sort) \
	    <(dpkg-query -W -f '$${db:Status-Abbrev} $${Package}\n' $(DEPS) 2>/dev/null | \
	      sed -n 's/^ii  *//p' | sort -u) | tr '\n' ' '); \
	if [ -n "$$missing" ]; then \
	    echo "Installing packages that are missing: $$missing"; \
	    root=; if [ "$$(id -u)" != 0 ]; then root=sudo; fi; \
	    $$root apt-get -qq update; \
	    DEBIAN_FRONTEND=noninteractive $$root apt-get -qq -y --no-install-recommends \
	        install $$missing >/dev/null; \
	fi

# These install what they need by themselves, before anything is compiled or fetched.
ifneq ($(filter run test iso bench bench-profile check guest run-guest fuzz fuzz-toolstack test-on-xen,$(MAKECMDGOALS)),)
$(HV_OBJ) $O/asm_offsets.s $O/paravane.lds $O/symbols-empty.S $(UNPACK_OBJ) $(STORE_OBJ) $(PVCTL_OBJ) $(CONSOLED_OBJ) $(WATCHD_OBJ) $(UNIT_BIN:=.mk): | deps
$B/cache/linux-6.1/.version $B/cache/busybox-static/.version $B/cache/xen-4.17/.version: | deps
check-format check-cppcheck check-tidy: | deps
$(NEWLIB_LIBC) $G/include/xen: | deps
endif

# ------------------------------------------------------------------------------------------------

# The packages that were downloaded stay; `make distclean` takes them too.
.PHONY: clean distclean help
clean:
	$Q find $B -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} + 2>/dev/null || true

distclean:
	$Q rm -rf $B

help:
	@sed -n 's/^#: \{0,1\}//p' Makefile

#: make             build/paravane, the hypervisor; build/pvunpack, pvstored, pvctl
#: make run         in QEMU: the control domain, two guests that do the main job, a shell
#: make run GUEST=debian: a guest with a Debian system, up to its login
#: make run BATCH=1 checks the machine, does the main job, prints a table, switches off
#: make test        every test; T=NAME: one
#: make unit        the tests that need no QEMU; T=NAME: one
#: make test-on-xen the guest tests on Xen 4.17, beside the list of differences; T=NAME: one
#: make fuzz        random hypercalls until it is stopped; SECONDS=, SEED=
#: make fuzz-toolstack T=store|ring|config|kernel|image   random input, as above
#: make check       formatting, cppcheck, clang-tidy
#: make bench       measure beside Xen 4.17 and no hypervisor; B=name: one; JOBS=: how many at once;
#:                  bench-report: its tables into docs/PERFORMANCE.md; bench-profile: where the
#:                  instructions are spent
#: make docs        what is generated of docs/
#: make guest       build a small guest from PROGRAM=FILE.c; run-guest: and boot it in QEMU
#: make iso         build/paravane.iso, bootable by BIOS and UEFI
#: make install     hypervisor, programs, units, GRUB's entries; DESTDIR=, PREFIX=/usr/local; uninstall
#: make deps        install by apt what all of this needs
#: make clean       remove what was built; distclean: and what was downloaded
#:
#: CC=clang, DEBUG=1 (assertions and the audit, in build/debug), V=1 (show commands),
#: KERNEL=6.1|6.12, CPUS=2, MEMORY=3G, ARGS= and HVARGS= (for the kernel, the hypervisor),
#: DISK=IMAGE, HYPERVISOR=FILE (boot another one), NATIVE=1 (boot none). See docs/building.md.

-include $(HV_OBJ:.o=.d) $(UNPACK_OBJ:.o=.d) $(STORE_OBJ:.o=.d) $(wildcard $O/*.d)
-include $(shell find $B/unit $B/guest $B/tools $B/fuzz -name '*.d' 2>/dev/null)
