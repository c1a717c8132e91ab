"""The paper's claims, one by one: what is printed, what we compute, and how the two compare.

The claims of an equation are what functions like this one yield, in the modules of its part of the paper::

    @claims_of("4.2")
    def _scales() -> Claims:
        yield Claim("rg.log_scale", "ln(R/L_1)", "~20", math.log(1e-3 / 50e-10), "why", causes.LOG_SCALE)

The verdict follows from the printed digits: ``reproduced`` (equal, to rounding errors of double precision),
``rounding`` (equal within half a unit of the last printed digit; for ``~`` a power of ten, within half a decade),
``differs`` (not so: the note says why). A claim without a printed number is an identity. For it the largest relative
deviation is computed, and the verdict is ``reproduced`` or ``differs``.

The finding says what follows: the claim ``stands``; it is a ``slip``, of printing, rounding, arithmetic or a factor,
that leaves the argument intact; or it ``does not follow`` from the paper's own Hamiltonian or numbers. A claim that may
differ names its cause, which many claims can share. The cause names the test that shows it without the audit.

`reproduce` computes all claims or those of some equations, and `summary` counts the findings. The page
`mbfast.guide.findings` says in words what they are.
"""

from mbfast.audit._claims import VERDICTS as VERDICTS
from mbfast.audit._claims import Cause as Cause
from mbfast.audit._claims import Finding as Finding
from mbfast.audit._claims import Printed as Printed
from mbfast.audit._claims import Record as Record
from mbfast.audit._common import EXCLUDED as EXCLUDED
from mbfast.audit._walk import reproduce as reproduce
from mbfast.audit._walk import summary as summary
