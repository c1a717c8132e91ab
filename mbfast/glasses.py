"""The glasses measured by Meissner and Berret, and tables of the same form."""

import importlib.resources
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from importlib.resources.abc import Traversable

from mbfast import units
from mbfast._core.archive import naming, path_of
from mbfast._core.tables import Table, bounded

_REQUIRED = ("material", "gamma_l_eV", "gamma_t_eV", "c_l_km_s", "c_t_km_s")
_OPTIONAL = ("mb_exp", "mb_theo", "deviation_percent", "density_g_cm3", "density_source")


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """A row of the table as it is printed, digit by digit; None where a cell is empty or its column absent."""

    gamma_l_eV: str | None  # noqa: N815
    gamma_t_eV: str | None  # noqa: N815
    c_l_km_s: str | None
    c_t_km_s: str | None
    mb_exp: str | None
    mb_theo: str | None
    deviation_percent: str | None
    density_g_cm3: str | None


@dataclass(frozen=True, slots=True)
class Glass:
    """One glass, in SI units.

    Attributes
    ----------
    name : str
        As in the table.
    gamma_l, gamma_t : float
        Coupling constants of tunnelling systems to longitudinal and transverse strain (J).
    c_l, c_t : float
        Longitudinal and transverse sound velocity (m/s).
    density, density_source : float, str, or None
        Mass density (kg/m^3) and where it is from; None where no source was found.
    printed : PrintedRow
        The cells the numbers were made from.

    Examples
    --------
    >>> import mbfast
    >>> silica = mbfast.load_glasses(names=["a-SiO2"])[0]
    >>> print(silica.name, silica.c_l, silica.c_t, silica.density, f"{silica.gamma_l / 1.602e-19:.2f} eV")
    a-SiO2 5800.0 3800.0 2200.0 1.04 eV
    """

    name: str
    gamma_l: float
    gamma_t: float
    c_l: float
    c_t: float
    density: float | None
    density_source: str | None
    printed: PrintedRow

    @property
    def alpha(self) -> float:
        """1 - c_t^2/c_l^2, the elastic parameter of the interaction (2.15)."""
        return elastic_parameter(self.c_l, self.c_t)

    @property
    def modulus_l(self) -> float:
        """Longitudinal modulus rho c_l^2 (Pa); a ValueError where the density is not known."""
        return self._known_density() * self.c_l**2

    @property
    def modulus_t(self) -> float:
        """Shear modulus rho c_t^2 (Pa); a ValueError where the density is not known."""
        return self._known_density() * self.c_t**2

    def _known_density(self) -> float:
        if self.density is None:
            raise ValueError(f"the mass density of {self.name} is not known: add density_g_cm3 to its row of the table")
        return self.density


def elastic_parameter(c_l: float, c_t: float) -> float:
    """Return alpha = 1 - c_t^2/c_l^2."""
    return (c_l - c_t) * (c_l + c_t) / c_l**2


class MediumError(ValueError):
    """Says what is wrong with a medium; `argument` is the name of the argument that is wrong or missing."""

    def __init__(self, argument: str, message: str) -> None:
        super().__init__(message)
        self.argument = argument


def medium(
    glass: str | Glass | None = None,
    density: float | None = None,
    c_l: float | None = None,
    c_t: float | None = None,
    *,
    called: Callable[[str], str] = str,
) -> tuple[float, float, float]:
    """Constants of an elastic medium that is given as a glass, or by its numbers.

    Parameters
    ----------
    glass : str or Glass, optional
        One of `load_glasses`, by its name or itself.
    density, c_l, c_t : float, optional
        Mass density (kg/m^3) and sound velocities (m/s): wanted without a glass; with one, a density replaces that of
        the table, and velocities are refused.
    called : callable
        What the user of the caller knows an argument by, for messages.

    Returns
    -------
    density, c_l, c_t : float
        The first arguments of `StressInteraction`, which checks them.

    Raises
    ------
    MediumError
        A ValueError, if there is neither a glass nor all three numbers, if there is a glass and a velocity, if the
        glass is not in the table, or if its density is neither known nor given.

    Examples
    --------
    >>> from mbfast.glasses import medium
    >>> medium("V52", density=4800)
    (4800, 4150.0, 2250.0)
    """
    given = {"glass": glass, "density": density, "c_l": c_l, "c_t": c_t}
    there = [name for name, value in given.items() if value is not None]
    numbers = ("density", "c_l", "c_t")
    wrong = [n for n in numbers if n not in there] if glass is None else [n for n in numbers[1:] if n in there]
    if wrong:
        names, got = [called(name) for name in given], ", ".join(map(called, there)) or "neither"
        wanted = f"{names[0]} or all of {names[1]}, {names[2]} and {names[3]} are wanted"
        raise MediumError(wrong[0], f"{wanted}, got {got}")
    if density is not None and c_l is not None and c_t is not None:
        return density, c_l, c_t
    try:
        found = glass if isinstance(glass, Glass) else load_glasses(names=[str(glass)])[0]
    except ValueError as error:
        raise MediumError("glass", str(error)) from None
    known = found.density if density is None else density
    if known is None:
        raise MediumError("density", f"{called('density')} is wanted, as that of {found.name} is not known")
    return known, found.c_l, found.c_t


def load_glasses(
    path: str | os.PathLike[str] | None = None, *, names: Iterable[str] | None = None
) -> tuple[Glass, ...]:
    """Read a table of glasses: the 13 of Meissner and Berret, or your own.

    The data are those printed in arXiv:1510.05528, section IV, after M. Meissner and J. F. Berret, Z. Phys. B 70, 65
    (1988). Densities are from the sources named row by row; where none could be checked, there is none.

    Parameters
    ----------
    path : path-like, optional
        A CSV file (UTF-8) with the columns ``material, gamma_l_eV, gamma_t_eV, c_l_km_s, c_t_km_s`` and, if wanted,
        ``mb_exp, mb_theo, deviation_percent, density_g_cm3, density_source``. None: the table of the package.
    names : iterable of str, optional
        Return only these, in this order.

    Returns
    -------
    tuple of Glass
        In the order of the file, or of `names`.

    Raises
    ------
    OSError
        If the file cannot be read.
    TypeError
        If `path` is no path, or `names` is a string or no iterable.
    ValueError
        If the file is not such a table (the message names file, row and column; row 1: header) or lacks one of `names`.

    Examples
    --------
    >>> import mbfast
    >>> silica, bk7 = mbfast.load_glasses(names=["a-SiO2", "BK7"])
    >>> silica.c_l, bk7.printed.mb_theo
    (5800.0, '1.63')
    """
    if path is None:
        label = "mbfast/data/glasses.csv"
        file: Traversable = importlib.resources.files("mbfast").joinpath("data/glasses.csv")
    else:
        file = path_of("path", path)
        label = str(path)
    with naming(label), file.open("r", encoding="utf-8-sig") as lines:
        glasses = _read(Table(bounded(lines)))
    if isinstance(names, str) or not isinstance(names, Iterable | None):
        raise TypeError(f"names must be an iterable of glass names, got {names!r}")
    chosen = tuple(glasses if names is None else names)
    for name in chosen:
        if name not in glasses:
            raise ValueError(f"unknown glass {name!r}: {label} has {', '.join(glasses)}")
    return tuple(glasses[name] for name in chosen)


def _read(table: Table) -> dict[str, Glass]:
    table.require(_REQUIRED, f"{', '.join(_REQUIRED)}, and optional are {', '.join(_OPTIONAL)}", _OPTIONAL)
    glasses: dict[str, Glass] = {}
    for row in table:
        glass = _glass(table, {column: cell.strip() for column, cell in zip(table.columns, row, strict=True)})
        if glass.name in glasses:
            raise table.error(f"{glass.name!r} stands in the table twice", "material")
        glasses[glass.name] = glass
    if not glasses:
        raise ValueError("row 2: at least one glass is wanted below the header")
    return glasses


def _glass(table: Table, cells: Mapping[str, str]) -> Glass:
    if not cells["material"]:
        raise table.error("a name is wanted, got an empty cell", "material")
    numbers: dict[str, float] = {}
    for column, cell in cells.items():
        if column not in ("material", "density_source") and (cell or column in _REQUIRED):
            numbers[column] = table.number(column, cell)
            if column != "deviation_percent" and not 1e-12 <= numbers[column] <= 1e12:
                raise table.error(f"a positive finite number, from 1e-12 to 1e12, is wanted, got {cell!r}", column)
    c_l, c_t = 1e3 * numbers["c_l_km_s"], 1e3 * numbers["c_t_km_s"]
    if not 3 * c_l**2 > 4 * c_t**2:
        wanted = "more than 2/sqrt(3) c_t is wanted (a positive bulk modulus)"
        raise table.error(f"{wanted}, got c_l = {cells['c_l_km_s']} and c_t = {cells['c_t_km_s']} km/s", "c_l_km_s")
    return Glass(
        name=cells["material"],
        gamma_l=numbers["gamma_l_eV"] * units.EV,
        gamma_t=numbers["gamma_t_eV"] * units.EV,
        c_l=c_l,
        c_t=c_t,
        density=numbers["density_g_cm3"] * units.G_PER_CM3 if "density_g_cm3" in numbers else None,
        density_source=cells.get("density_source") or None,
        printed=PrintedRow(*(cells.get(field.name) or None for field in fields(PrintedRow))),
    )
