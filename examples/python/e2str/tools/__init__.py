# SPDX-License-Identifier: MIT
"""What the programs of this package share: e2str-teach and e2str-report. They use nothing but the public interface."""
