# SPDX-License-Identifier: MIT
# make dist, deb, abi, package-test: what is handed on.
