"""The paper's claims, one by one: what is printed, what we compute, and how they compare.

A claim is data and a function of a few lines, registered under its id::

    @claim("cutoff.temperature", equation="4.4", quantity="T = ħω_c/k_B", printed="~1e4", unit="K")
    def _() -> Computed:
        return Computed(units.HBAR * 1e15 / units.K_B)

The verdict follows from the printed digits: ``reproduced`` (equal, to rounding errors of double precision),
``rounding`` (equal within half a unit of the last printed digit; for ``~`` a power of ten, within half a decade),
``differs`` (not so: the note says why), ``pending`` (not computed). A claim without a printed number is an identity, of
which the largest relative deviation is computed: ``reproduced`` or ``differs``.
"""

from mbfast.audit._claims import VERDICTS as VERDICTS
from mbfast.audit._claims import Computed as Computed
from mbfast.audit._claims import Printed as Printed
from mbfast.audit._claims import Record as Record
from mbfast.audit._claims import claim as claim
from mbfast.audit._claims import reproduce as reproduce
from mbfast.audit._table import EXCLUDED as EXCLUDED
