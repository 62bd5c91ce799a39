# SPDX-License-Identifier: MIT
# make abi, dist, deb, package-test: what is handed on.

# The interface against that of the last release with this soname; UPDATE=1 writes it down anew.
abi: shared
	@UPDATE=$(UPDATE) sh tests/run.sh tests/package/abi.sh

# A source archive that builds and passes its tests; the same files give the same bytes.
ARCHIVE = $(BUILD)/e2str-$(VERSION).tar.gz
dist: $(ARCHIVE)
$(ARCHIVE): always
	@mkdir -p $(@D)
	$(Q)sh lib/packaging/dist.sh e2str-$(VERSION) $@
	@ls $@

# Debian's packages, in $(BUILD)/deb: MAINTAINER='Name <address>' says whose; DEB_BUILD_OPTIONS=nocheck.
deb: $(ARCHIVE)
	$(Q)unset $(EXPORTED) MAKEFLAGS MAKELEVEL MFLAGS PREFIX; MAINTAINER='$(MAINTAINER)' \
	    sh lib/packaging/deb.sh $(VERSION) $(SONAME:libe2str.so.%=%) $< $(BUILD)/deb
	@ls $(BUILD)/deb/*.deb

package-test: all
	@TEST_SECONDS=1800 sh tests/run.sh $(sort $(wildcard tests/package/*.sh))
