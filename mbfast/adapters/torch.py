"""Pair sums as differentiable functions of PyTorch tensors: `pair_energy` and `pair_field`.

They take float64 tensors on the CPU, and are differentiable by moments and by the positions of blocks. The module can
be imported without PyTorch, of the extra torch, which its functions need.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from mbfast._core import tiles
from mbfast._core.validate import FloatArray, require_choice
from mbfast._core.voigt import WEIGHTS
from mbfast.pairs.fields import require_points
from mbfast.pairs.geometry import BlockLattice
from mbfast.pairs.interactions import Interaction
from mbfast.pairs.planning import METHODS, chosen
from mbfast.pairs.problem import Boundary, ImageShape, Macroscopic, PairProblem

if TYPE_CHECKING:
    import torch

    from mbfast.pairs.sums import Method


def pair_energy(
    interaction: Interaction, blocks: BlockLattice | torch.Tensor, moments: torch.Tensor, *, method: Method = "auto",
    boundary: Boundary = "open", cell: ArrayLike | None = None, images: int | None = None,
    image_shape: ImageShape = "cubic", macroscopic: Macroscopic | None = None, rtol: float | None = None,
    self_field: bool = False, threads: int | None = None,
) -> torch.Tensor:  # fmt: skip
    """Energy of the interaction as `mbfast.pair_energy`, E = sum over s of T_s : h_s, differentiable.

    Parameters
    ----------
    interaction : Interaction
        As in `mbfast.pair_field`.
    blocks : BlockLattice or tensor, shape (N, 3)
        Where the blocks are (m). Positions in a tensor may require a gradient, which is minus the forces.
    moments : tensor
        As in `mbfast.pair_field`, shape (N, 3), (N, 6) or (N, 3, 3), of which the symmetric part is taken; on a lattice
        its shape stands in place of N.
    method, boundary, cell, images, image_shape, macroscopic, rtol, self_field, threads
        As in `mbfast.pair_field`. They are constants.

    Returns
    -------
    tensor, shape ()
        E (J), float64. Its gradient by moments is 2 h_s in the layouts (N, 3) and (N, 3, 3). In (N, 6) it is 2 h_s for
        xx, yy, zz and 4 h_s for yz, xz, xy, each of which stands for two places of the tensor.

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    TypeError
        If `moments`, or `blocks` other than a lattice, is no float64 tensor on the CPU; as in `mbfast.pair_energy`.
    ValueError, MemoryError
        For the arguments that `mbfast.pair_energy` refuses.

    Notes
    -----
    The gradient by moments can be differentiated again, by moments and by positions; that by positions can not, and
    says so.

    Examples
    --------
    >>> import torch
    >>> import mbfast
    >>> from mbfast.adapters.torch import pair_energy
    >>> vacuum = mbfast.DipoleInteraction(permittivity=8.8541878128e-12)
    >>> positions = torch.tensor([[0, 0, 0], [0, 0, 5e-9]], dtype=torch.float64, requires_grad=True)  # m
    >>> dipoles = torch.tensor([[0, 0, 3.33564e-30]] * 2, dtype=torch.float64, requires_grad=True)  # C m
    >>> energy = pair_energy(vacuum, positions, dipoles)
    >>> energy.backward()
    >>> print(f"{energy.item():.4g} J, force {-positions.grad[0, 2]:.4g} N, field {-dipoles.grad[0, 2]:.4g} V/m")
    -1.6e-24 J, force 9.6e-16 N, field 4.797e+05 V/m
    """
    summed, places, checked = _prepared(
        interaction, blocks, moments, method, threads, boundary=boundary, cell=cell, images=images,
        image_shape=image_shape, macroscopic=macroscopic, rtol=rtol, self_field=self_field,
    )  # fmt: skip
    return _functions().Energy.apply(checked, places, summed)


def pair_field(
    interaction: Interaction, blocks: BlockLattice | torch.Tensor, moments: torch.Tensor, *, method: Method = "auto",
    boundary: Boundary = "open", cell: ArrayLike | None = None, images: int | None = None,
    image_shape: ImageShape = "cubic", macroscopic: Macroscopic | None = None, rtol: float | None = None,
    self_field: bool = False, threads: int | None = None,
) -> torch.Tensor:  # fmt: skip
    """Field of all other blocks at each block as `mbfast.pair_field`, differentiable.

    Parameters
    ----------
    interaction, blocks, moments, method, boundary, cell, images, image_shape, macroscopic, rtol, self_field, threads
        As in `pair_energy`.

    Returns
    -------
    tensor
        h, in the layout of `moments`, float64.

    Raises
    ------
    ImportError, TypeError, ValueError, MemoryError
        For what `pair_energy` refuses.

    Notes
    -----
    For a cotangent w the gradient by moments is the field of w, as the interaction is symmetric; in the layout (N, 6)
    it is W times the field of w/W, W being 1, 1, 1, 2, 2, 2. The sum of w : h is a bilinear form B(w, T) with
    B(T, T) = E, so that its gradient by positions is that of (E(w + T) - E(w - T))/4: forces at two sets of moments.
    What can be differentiated again is as in `pair_energy`.

    Examples
    --------
    >>> import torch
    >>> import mbfast
    >>> from mbfast.adapters.torch import pair_field
    >>> silica = mbfast.StressInteraction(density=2200, c_l=5800, c_t=3800)
    >>> lattice = mbfast.BlockLattice((4, 4, 4), spacing=5e-9)
    >>> moments = torch.zeros(4, 4, 4, 6, dtype=torch.float64, requires_grad=True)
    >>> strain = 2 * pair_field(silica, lattice, moments)
    >>> strain[0, 0, 1, 2].backward()  # e_zz at one block
    >>> print(f"{moments.grad[0, 0, 0, 2]:.3e} 1/J")  # by T_zz of its neighbour
    4.008e+13 1/J
    """
    summed, places, checked = _prepared(
        interaction, blocks, moments, method, threads, boundary=boundary, cell=cell, images=images,
        image_shape=image_shape, macroscopic=macroscopic, rtol=rtol, self_field=self_field,
    )  # fmt: skip
    return _functions().Field.apply(checked, places, summed, False)


class _Sum:
    """A pair sum whose method is set up, of arrays; its derivatives need nothing more."""

    def __init__(self, problem: PairProblem, method: Method, threads: int | None) -> None:
        self.workers = tiles.check_threads(threads)
        made, self.problem = chosen(problem, method)
        self.summed = made.of(self.problem, threads=self.workers)

    def energy(self, moments: FloatArray) -> float:
        return self.summed.energy(moments, threads=self.workers)

    def field(self, moments: FloatArray, *, linear: bool) -> FloatArray:
        """Return the field, or what of it is linear in the moments: without that of a given mean stress."""
        checked = self.problem.moments(moments, self.workers)
        return self.summed.field_of(checked, None, self.workers, progress=False, held=not linear)

    def gradient(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """Return the derivative by positions of the sum of first : h of the moments `second`."""
        sizes = [float(np.abs(moments).max(initial=0.0)) for moments in (first, second)]
        if not all(sizes):
            return np.zeros((self.problem.geometry.n_blocks, 3))
        scale = sizes[1] / sizes[0]  # so that neither is lost beside the other
        sums = (scale * first + second, scale * first - second)
        ahead, behind = (self.summed.forces(m, threads=self.workers) if m.any() else 0.0 for m in sums)
        return np.asarray((behind - ahead) / (4.0 * scale))


def _prepared(
    interaction: Interaction, blocks: BlockLattice | torch.Tensor, moments: torch.Tensor, method: Method,
    threads: int | None, **options: Any,
) -> tuple[_Sum, torch.Tensor | None, torch.Tensor]:  # fmt: skip
    """Check all arguments and set the method up; return it, the positions if they are in a tensor, and the moments."""
    _require_tensor("moments", moments)
    places = None if isinstance(blocks, BlockLattice) else blocks
    if places is not None:
        _require_tensor("blocks", places)
        places = places.resolve_neg()  # views that are negated by a mark alone have no array
    moments = moments.resolve_neg()
    where = blocks if places is None else places.detach().numpy()
    problem = PairProblem.of(interaction, where, **options)
    if places is not None and places.requires_grad:
        require_points(problem)
    require_choice("method", method, ("auto", *METHODS))
    if moments.shape[-2:] == (3, 3) and moments.ndim == len(problem.geometry.leading) + 2:
        moments = 0.5 * (moments + moments.mT)
    problem.moments(moments.detach().numpy())
    return _Sum(problem, method, threads), places, moments


def _require_tensor(name: str, value: Any) -> None:
    library = _torch()
    wanted = f"{name} must be a float64 tensor on the CPU"
    if not isinstance(value, library.Tensor):
        raise TypeError(f"{wanted}, got {type(value).__name__}")
    if value.dtype != library.float64 or value.device.type != "cpu" or value.layout != library.strided:
        raise TypeError(f"{wanted}, got {value.dtype} on {value.device}, {value.layout}")


def _torch() -> Any:
    try:
        import torch  # noqa: PLC0415
    except ImportError:
        raise ImportError("mbfast.adapters.torch needs PyTorch: pip install 'mbfast[torch]'") from None
    return torch


def _weights(moments: torch.Tensor) -> Any:
    """Return how often each component stands in a tensor, where it is not once."""
    return _torch().from_numpy(WEIGHTS) if moments.shape[-1] == len(WEIGHTS) else 1.0


def _symmetric(cotangent: torch.Tensor, layout: int) -> torch.Tensor:
    """Return the part of a cotangent that a field of symmetric tensors meets."""
    return 0.5 * (cotangent + cotangent.mT) if layout == 2 else cotangent


@functools.cache
def _functions() -> SimpleNamespace:
    """Return the functions that PyTorch differentiates; made here, as the module can be imported without it."""
    library = _torch()
    function: Any = library.autograd.Function

    class Energy(function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, moments: torch.Tensor, places: torch.Tensor | None, summed: _Sum) -> torch.Tensor:
            ctx.save_for_backward(moments, places)
            ctx.summed = summed
            return moments.new_tensor(summed.energy(moments.detach().numpy()))

        @staticmethod
        def backward(ctx: Any, cotangent: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
            moments, places = ctx.saved_tensors
            by_moments = by_places = None
            if ctx.needs_input_grad[0]:
                field = Field.apply(moments, places, ctx.summed, False)
                by_moments = 2.0 * cotangent * _weights(moments) * field
            if ctx.needs_input_grad[1]:
                by_places = cotangent * Gradient.apply(moments, moments, places, ctx.summed)
            return by_moments, by_places, None

    class Field(function):  # type: ignore[misc]
        @staticmethod
        def forward(
            ctx: Any, moments: torch.Tensor, places: torch.Tensor | None, summed: _Sum, linear: bool
        ) -> torch.Tensor:
            ctx.save_for_backward(moments, places)
            ctx.summed = summed
            return library.from_numpy(summed.field(moments.detach().numpy(), linear=linear))

        @staticmethod
        def backward(ctx: Any, cotangent: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
            moments, places = ctx.saved_tensors
            weights = _weights(moments)
            tensors = moments.ndim - len(ctx.summed.problem.geometry.leading)
            source = _symmetric(cotangent, tensors) / weights
            by_moments = by_places = None
            if ctx.needs_input_grad[0]:
                by_moments = weights * Field.apply(source, places, ctx.summed, True)
            if ctx.needs_input_grad[1]:
                by_places = Gradient.apply(source, moments, places, ctx.summed)
            return by_moments, by_places, None, None

    class Gradient(function):  # type: ignore[misc]
        @staticmethod
        def forward(_ctx: Any, first: torch.Tensor, second: torch.Tensor, _places: Any, summed: _Sum) -> torch.Tensor:
            return library.from_numpy(summed.gradient(first.detach().numpy(), second.detach().numpy()))

        @staticmethod
        def backward(_ctx: Any, *_: torch.Tensor) -> None:
            raise NotImplementedError("what mbfast has differentiated by positions cannot be differentiated again")

    return SimpleNamespace(Energy=Energy, Field=Field)
