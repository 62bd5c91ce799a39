# SPDX-License-Identifier: MIT
# make install, install-strip, uninstall: what goes where.

prefix ?= /usr/local
PREFIX ?= $(prefix)
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share/e2str
DOCDIR ?= $(PREFIX)/share/doc/e2str
MANDIR ?= $(PREFIX)/share/man
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
CMAKEDIR ?= $(LIBDIR)/cmake/e2str
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
INSTALL ?= install
STRIP ?= strip
LDCONFIG ?= ldconfig

# ---- files that are filled in ----

# Paths may hold blanks: in the rules they are quoted, in the .pc file escaped. What lies below PREFIX is written so
# there: then `pkg-config --define-prefix` finds an installation that was moved.
space := $() $()
escaped = $(subst $(space),\\ ,$(1))
below_prefix = $(subst ^,,$(subst ^$(PREFIX)/,$${prefix}/,^$(1)))
# From the folder of the CMake files, which find the others by that wherever they are.
from_cmake = $(shell realpath -ms --relative-to=$(call quoted,$(CMAKEDIR)) $(call quoted,$(1)))
POINTER = $(shell echo __SIZEOF_POINTER__ | $(CC) -E -P -x c -)
FILL_PC = -e 's|@PREFIX@|$(call escaped,$(PREFIX))|' -e 's|@REQUIRES@|$(PC_REQUIRES)|' -e 's|@LIBS@|$(PC_LIBS)|' \
    $(foreach folder,LIBDIR INCLUDEDIR DATADIR,-e 's|@PC_$(folder)@|$(call escaped,$(call below_prefix,$($(folder))))|')
FILL_CMAKE = -e 's|@SONAME@|$(SONAME)|' -e 's|@MAJOR@|$(MAJOR)|' -e 's|@MINOR@|$(MINOR)|' -e 's|@POINTER@|$(POINTER)|' \
    $(foreach folder,LIBDIR INCLUDEDIR DATADIR,-e 's|@$(folder)@|$(call from_cmake,$($(folder)))|')
FILLED = $(patsubst %,$(BUILD)/packaging/%,e2str.pc e2strConfig.cmake e2strConfigVersion.cmake)
$(FILLED): $(BUILD)/packaging/%: lib/packaging/%.in include/e2str.h always
	@mkdir -p $(@D)
	$(Q)sed -e 's|@VERSION@|$(VERSION)|' $(if $(filter %.pc,$@),$(FILL_PC),$(FILL_CMAKE)) $< > $@

# The command writes its own manual page and completions. Built for another CPU it does not run: then there are none.
WRITTEN = $(patsubst %,$(BUILD)/packaging/%,e2str.1 e2str.bash _e2str e2str.fish)
$(BUILD)/packaging/e2str.1: HELP = --man
$(BUILD)/packaging/e2str.bash: HELP = --completion bash
$(BUILD)/packaging/_e2str: HELP = --completion zsh
$(BUILD)/packaging/e2str.fish: HELP = --completion fish
$(WRITTEN): $(COMMAND)
	@mkdir -p $(@D)
	$(Q)LD_LIBRARY_PATH="$(BUILD):$$LD_LIBRARY_PATH" $(BUILD)/e2str help $(HELP) > $@.new || : > $@.new
	$(Q)mv $@.new $@

# The header is the manual: its page is the header.
$(BUILD)/packaging/e2str.3: include/e2str.h lib/packaging/manual.awk
	@mkdir -p $(@D)
	$(Q)awk -v version=$(VERSION) -f lib/packaging/manual.awk $< > $@

# Pages and programs as they lie here. Links to files that are not among them become plain words.
DOCS := $(sort LICENSE README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md \
    $(wildcard docs/*.* weights/*.md weights/*.png weights/train/*.md examples/*.c examples/*.cpp examples/read*.py \
    $(addprefix examples/,rust/*.toml rust/*.rs rust/*.py rust/src/*.rs rust/tests/*.rs go/*.* java/*.*)))
$(BUILD)/packaging/doc: $(DOCS) lib/packaging/doc.sh
	$(Q)rm -rf $@ && sh lib/packaging/doc.sh $@ include/e2str.h include/e2str.hpp $(DOCS)

# ---- installing ----

HEADERS = include/e2str.h include/e2str.hpp
# $(call put,mode,file,folder[,name]); what the command could not write is empty, and left out
put = $(Q)! test -s $(2) || $(INSTALL) -D -m $(1) $(2) "$(DESTDIR)$(3)/$(or $(4),$(notdir $(2)))"
install: lib shared $(COMMAND) $(FILLED) $(WRITTEN) $(BUILD)/packaging/e2str.3 $(BUILD)/packaging/doc
	$(call put,755,$(BUILD)/e2str,$(BINDIR))
	$(call put,644,$(BUILD)/libe2str.a,$(LIBDIR))
	$(call put,755,$(BUILD)/libe2str.so.$(VERSION),$(LIBDIR))
	$(Q)ln -sf libe2str.so.$(VERSION) "$(DESTDIR)$(LIBDIR)/$(SONAME)"
	$(Q)ln -sf $(SONAME) "$(DESTDIR)$(LIBDIR)/libe2str.so"
	$(call put,644,$(BUILD)/packaging/e2str.pc,$(PKGCONFIGDIR))
	$(call put,644,$(BUILD)/packaging/e2strConfig.cmake,$(CMAKEDIR))
	$(call put,644,$(BUILD)/packaging/e2strConfigVersion.cmake,$(CMAKEDIR))
	$(call put,644,include/e2str.h,$(INCLUDEDIR))
	$(call put,644,include/e2str.hpp,$(INCLUDEDIR))
	$(call put,644,weights/e2str-small.gguf,$(DATADIR))
	$(call put,644,$(BUILD)/packaging/e2str.1,$(MANDIR)/man1)
	$(call put,644,$(BUILD)/packaging/e2str.3,$(MANDIR)/man3)
	$(call put,644,$(BUILD)/packaging/e2str.bash,$(BASHDIR),e2str)
	$(call put,644,$(BUILD)/packaging/_e2str,$(ZSHDIR))
	$(call put,644,$(BUILD)/packaging/e2str.fish,$(FISHDIR))
	$(Q)cd $(BUILD)/packaging/doc && for file in $(DOCS); do \
	    $(INSTALL) -D -m 644 $$file "$(DESTDIR)$(DOCDIR)/$$file" || exit; done
	$(Q)$(INSTALL) -d "$(DESTDIR)$(DOCDIR)/include" && for header in $(notdir $(HEADERS)); do ln -sfn \
	    "$$(realpath -ms --relative-to="$(DOCDIR)/include" "$(INCLUDEDIR)/$$header")" \
	    "$(DESTDIR)$(DOCDIR)/include/$$header" || exit; done
	@$(TELL_LINKER)
# Where programs find the library: the linker's cache knows its usual folders, once told by root.
TELL_LINKER = test -n "$(DESTDIR)" || { test "$$(id -u)" = 0 && $(LDCONFIG) 2>/dev/null && \
    $(LDCONFIG) -p | grep -qF " $(LIBDIR)/$(SONAME)"; } || \
    echo "$(LIBDIR) is not where programs look for libraries: link with -Wl,-rpath,$(LIBDIR) or set LD_LIBRARY_PATH"

# The same without symbols for debuggers, which go into the folder .debug beside each file, where debuggers look.
DEBUG_FILES = "$(DESTDIR)$(BINDIR)/.debug/e2str.debug" "$(DESTDIR)$(LIBDIR)/.debug/libe2str.so.$(VERSION).debug"
install-strip: install
	$(Q)for file in "$(DESTDIR)$(BINDIR)/e2str" "$(DESTDIR)$(LIBDIR)/libe2str.so.$(VERSION)"; do \
	    debug="$${file%/*}/.debug/$${file##*/}.debug"; mkdir -p "$${file%/*}/.debug" && \
	    $(OBJCOPY) --only-keep-debug "$$file" "$$debug" && chmod 644 "$$debug" && \
	    $(STRIP) --strip-unneeded "$$file" && $(OBJCOPY) --add-gnu-debuglink="$$debug" "$$file" || exit; done
	$(Q)$(STRIP) --strip-debug --enable-deterministic-archives "$(DESTDIR)$(LIBDIR)/libe2str.a"

# Folders go with their last file, if they are of e2str alone.
uninstall:
	$(Q)rm -f $(DEBUG_FILES) "$(DESTDIR)$(BINDIR)/e2str" "$(DESTDIR)$(INCLUDEDIR)/e2str.h" \
	    "$(DESTDIR)$(INCLUDEDIR)/e2str.hpp" "$(DESTDIR)$(LIBDIR)/libe2str.a" \
	    "$(DESTDIR)$(LIBDIR)/libe2str.so" "$(DESTDIR)$(LIBDIR)/$(SONAME)" \
	    "$(DESTDIR)$(LIBDIR)/libe2str.so.$(VERSION)" "$(DESTDIR)$(PKGCONFIGDIR)/e2str.pc" \
	    "$(DESTDIR)$(CMAKEDIR)/e2strConfig.cmake" "$(DESTDIR)$(CMAKEDIR)/e2strConfigVersion.cmake" \
	    "$(DESTDIR)$(DATADIR)/e2str-small.gguf" "$(DESTDIR)$(MANDIR)/man1/e2str.1" "$(DESTDIR)$(MANDIR)/man3/e2str.3" \
	    "$(DESTDIR)$(BASHDIR)/e2str" "$(DESTDIR)$(ZSHDIR)/_e2str" "$(DESTDIR)$(FISHDIR)/e2str.fish"
	$(Q)! cd "$(DESTDIR)$(DOCDIR)" 2>/dev/null || rm -f $(HEADERS) $(DOCS)
	$(Q)for folder in "$(BINDIR)/.debug" "$(LIBDIR)/.debug" "$(CMAKEDIR)" "$(DATADIR)" "$(DOCDIR)"; do \
	    ! test -d "$(DESTDIR)$$folder" || find "$(DESTDIR)$$folder" -depth -type d -empty -delete; done
	@test -n "$(DESTDIR)" || test "$$(id -u)" != 0 || $(LDCONFIG) 2>/dev/null || :
