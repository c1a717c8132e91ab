r"""Commands, files and figures: mbfast without Python code, what it reads, what it writes, and how it is looked at.

Commands
--------
They come with the extra ``cli``; ``mbfast COMMAND --help`` has an example, all options and what is written.

| command | what it does |
|---|---|
| ``mbfast reproduce`` | recomputes what the paper prints and draws its figures |
| ``mbfast ratio``, ``mbfast cutoff`` | Meissner-Berret ratios and cutoff lengths of glasses |
| ``mbfast pairsum`` | fields and energies of blocks in a file |
| ``mbfast latticefield`` | the field of a lattice larger than memory |
| ``mbfast flow`` | the renormalization of spectra, as a TOML file says |
| ``mbfast superblock`` | ensembles of exact super blocks, likewise |
| ``mbfast view`` | draws blocks and fields, or writes them for ParaView |
| ``mbfast plan`` | predicts time and memory on this machine |
| ``mbfast resume`` | goes on with a command that was given ``--checkpoint FILE`` |
| ``mbfast warmup``, ``mbfast info`` | compiles all kernels; shows versions, processor, threads, cache |

A session
---------
Two dipoles of 1 debye in ``two.csv``, the start of a flow in ``silica.toml``, a plane of stress moments in
``plane.npy``, and small super blocks in ``pairs.toml``:

    from pathlib import Path

    import numpy as np

    Path("two.csv").write_text("x,y,z,px,py,pz\n0,0,0,0,0,3.3e-30\n0,0,5e-9,0,0,3.3e-30\n")
    np.save("plane.npy", 1e-19 * np.random.default_rng(1).normal(size=(16, 16, 1, 6)))
    material = '[material]\nglass = "a-SiO2"\n'
    spectrum = '[spectrum]\nkind = "tunnelling"\ntunnelling_l = 3.1e-4\ntunnelling_t = 2.9e-4\n'
    Path("silica.toml").write_text(material + spectrum)
    blocks = '[blocks]\nkind = "two-level"\nsize = 5e-20\nmax_splitting = 1e-23\nmin_tunnelling = 1e-24\n'
    response = "[response]\nomega_max = 1e11\nbroadening = 1e10\n[sampling]\nmembers = 10\n"
    Path("pairs.toml").write_text(material + blocks + response)

and what can be done with them:

    mbfast pairsum two.csv --permittivity 8.8541878128e-12 --checkpoint two.checkpoint
    mbfast view two-fields.npz --output two.png
    mbfast resume two.checkpoint
    mbfast latticefield plane.npy field.npy --spacing 5e-9 --glass a-SiO2 --memory 3GB --folder scratch
    mbfast flow silica.toml
    mbfast superblock pairs.toml
    mbfast ratio --exclude PMMA --figure ratios.svg
    mbfast cutoff --glass BK7 --omega 1e9 --omega-c 1e14

Files
-----
- `mbfast.files` reads them. `mbfast.files.blocks.read_blocks` says what a file of blocks is: .npz, .npy, .csv or
  extended XYZ, in SI units.
- `mbfast.files.flow.read_flow_config` and `mbfast.files.superblock.read_super_block_config` list the sections and keys
  of the TOML files.
- `mbfast.load_glasses` reads tables of glasses, as `mbfast.Glass`; that of the 13 of the paper comes with mbfast.
- Results are .npz archives that NumPy reads; `mbfast.PairResult.load` and `mbfast.Flow.load` make objects of them. They
  hold the inputs and the version that made them, and are written whole or not at all.

No file that is read is ever unpickled. What is wrong in one is told in one line, with the place in the file.

Figures
-------
`mbfast.plotting` draws with matplotlib (extra ``plot``): ``field_figure`` of blocks, ``flow_figures`` of a flow,
``orders_figures`` of super blocks, and those of the paper: ``meissner_berret_figure``, ``self_consistent_figure``,
``lattice_sums_figure``, ``disordered_figure``, ``cutoff_figure``, ``second_order_figure``. ``save_figure`` writes one
as PNG, PDF or SVG, its caption (``caption_of``) beside it; `mbfast.plotting.style` has the tools to draw others like
them.

`mbfast.viewing` (extra ``view``) writes blocks and fields for ParaView, ``save_vtk``, and opens a window in which they
can be turned, ``show_window``.
"""
