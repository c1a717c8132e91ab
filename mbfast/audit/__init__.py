"""The paper's claims, one by one: what is printed, what we compute, and how they compare.

A claim is data and a function of a few lines, registered under its id::

    @claim(
        "rg.log_scale", equation="4.2", quantity="ln(R/L_1)", printed="~20",
        flaw="slip", test="tests/test_findings.py::test_logarithm_of_the_scales",
    )
    def _() -> Computed:
        return Computed(math.log(1e-3 / 50e-10))

The verdict follows from the printed digits: ``reproduced`` (equal, to rounding errors of double precision),
``rounding`` (equal within half a unit of the last printed digit; for ``~`` a power of ten, within half a decade),
``differs`` (not so: the note says why). A claim without a printed number is an identity, of
which the largest relative deviation is computed: ``reproduced`` or ``differs``.

The finding says what follows: the claim ``stands``; it is a ``slip of printing``, of rounding or of arithmetic, that
leaves the argument intact (``flaw="slip"``); or it ``does not follow`` from the paper's own Hamiltonian or numbers
(``flaw="unfounded"``). A claim that may differ names the test that shows it without the audit.
"""

from mbfast.audit._claims import VERDICTS as VERDICTS
from mbfast.audit._claims import Computed as Computed
from mbfast.audit._claims import Finding as Finding
from mbfast.audit._claims import Printed as Printed
from mbfast.audit._claims import Record as Record
from mbfast.audit._claims import claim as claim
from mbfast.audit._claims import reproduce as reproduce
from mbfast.audit._claims import summary as summary
from mbfast.audit._table import EXCLUDED as EXCLUDED
