"""Random AnnData objects and options, over everything that files can hold. One seed, one case.

Sizes are tiny and kinds are many: what is wanted is every meeting of two kinds, not much data.
Nothing here is drawn in dependence on what anndata or anncat can do with it; where anndata raises,
anncat must fail as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import anndata as ad
import awkward as ak
import numpy as np
import pandas as pd
from packaging.version import Version
from scipy import sparse

INTS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float32", "float64"]
NUMBERS = [*INTS, *FLOATS, "bool"]
WORDS = ["a", "b", "c", "T cell", "B cell", "x10", "x9", "é", "日本", "", "NaN", "1", "-3", "with/slash", " pad "]
COLUMNS = ["n", "score", "group", "batch", "flag", "name", "日", "with space", "index", "α/β"]
KEYS = ["counts", "A", "z", "é", "lay er"]
# What few files hold, and only as dense arrays: scipy has no sparse float16, tools write big-endian.
RARE = ["float16", "complex64", ">f4", ">f8", ">i4", ">u2"]
# anndata 0.13 writes no name with a slash.
SLASHES = Version(ad.__version__) < Version("0.13.dev0")
# All names that an axis which is joined can have, in an order of their own.
UNIVERSE = [*(f"g{i}" for i in range(8)), "é", "日本", "a b", "slash/y"]


@dataclass
class Case:
    """Inputs and options of one comparison."""

    seed: int
    adatas: list[ad.AnnData]
    options: dict
    # How each input is written: (format, arguments).
    storage: list[tuple[str, dict]] = field(default_factory=list)
    # Whether some sparse input has unsorted indices.
    unsorted: bool = False


class Draw:
    """A seeded source of everything."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng([20240, seed])
        self.unsorted = False
        self.slashes = False
        # Values that several inputs share are drawn from this.
        self.shared_seed = seed
        # How likely an element of the axis that is joined says the same of a name in every input.
        self.agreement = 0.0

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def one(self, options):
        return options[int(self.rng.integers(len(options)))]

    def some(self, options, p: float) -> list:
        return [o for o in options if self.chance(p)]

    def numbers(self, dtype: str, shape) -> np.ndarray:
        dtype = np.dtype(dtype)
        if dtype.kind == "b":
            return self.rng.random(shape) < 0.5
        if dtype.kind in "iu":
            wide = self.chance(0.2)
            info = np.iinfo(dtype)
            low, high = (info.min, info.max) if wide else (max(info.min, -5), 9)
            native = dtype.newbyteorder("=")
            return self.rng.integers(low, high, size=shape, dtype=native, endpoint=True).astype(dtype)
        if dtype.kind == "c":
            return (self.numbers("float32", shape) + 1j * self.numbers("float32", shape)).astype(dtype)
        values = self.rng.integers(-8, 9, size=shape) / self.one([1, 2, 4, 3])
        if self.chance(0.3):
            values = np.where(self.rng.random(shape) < 0.2, np.nan, values)
        return np.asarray(values, dtype=dtype)

    def words(self, n: int, pool=None) -> np.ndarray:
        pool = pool if pool is not None else WORDS
        return np.array([self.one(pool) for _ in range(n)], dtype=object)

    def matrix(self, shape, kind: str, dtype: str):
        """A matrix of one of the kinds dense, csr, csc; sparse ones come with oddities."""
        if kind == "dense":
            return self.numbers(self.one(RARE) if self.chance(0.04) else dtype, shape)
        values = self.numbers(dtype, shape)
        values = np.where(self.rng.random(shape) < 0.5, values, np.zeros((), values.dtype))
        cls = sparse.csr_matrix if kind == "csr" else sparse.csc_matrix
        out = cls(values)
        if out.nnz and self.chance(0.2):
            # An explicit zero: stored, and zero.
            out.data[int(self.rng.integers(out.nnz))] = 0
        if out.nnz and self.chance(0.2):
            self._unsort(out)
        if self.chance(0.2):
            out.indices = out.indices.astype(np.int64)
            out.indptr = out.indptr.astype(np.int64)
        return out

    def _unsort(self, matrix) -> None:
        self.unsorted = True
        for start, end in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
            order = self.rng.permutation(end - start)
            matrix.indices[start:end] = matrix.indices[start:end][order]
            matrix.data[start:end] = matrix.data[start:end][order]
        matrix.has_sorted_indices = False

    def column(self, n: int, kind: str):
        """A column of a frame."""
        if kind in NUMBERS or kind in RARE:
            return self.numbers(kind, n)
        if kind == "string":
            return self.words(n)
        if kind == "nullable-string":
            return pd.array([None if self.chance(0.3) else w for w in self.words(n)], dtype="string")
        if kind == "nullable-bool":
            return pd.array([None if self.chance(0.3) else self.chance(0.5) for _ in range(n)], dtype="boolean")
        if kind.startswith("nullable-"):
            dtype = kind.removeprefix("nullable-")
            out = pd.array(self.numbers(dtype, n), dtype=dtype.capitalize().replace("Ui", "UI"))
            out[self.rng.random(n) < 0.3] = pd.NA
            return out
        assert kind.startswith("cat-"), kind
        return self.categorical(n, kind.removeprefix("cat-"))

    def categorical(self, n: int, kind: str) -> pd.Categorical:
        ordered = self.chance(0.3)
        if kind == "string":
            pool = self.one([["a", "b", "c"], ["x1", "x10", "x9", "x2"], ["b", "a"], WORDS])
        elif kind == "bool":
            pool = [True, False]
        elif kind.startswith("int"):
            pool = np.array(self.one([[1, 2, 3], [10, 9, 2], [-1, 5]]), dtype=kind)
        else:
            pool = np.array(self.one([[0.5, 1.5], [2.0, 1.0, 10.0]]), dtype=kind)
        pool = pool if self.chance(0.5) else self.rng.permutation(pool)
        if self.chance(0.1):
            pool = pool[:1]
        if self.chance(0.05):
            # Nothing but missing values; pandas makes floats of no categories.
            dtype = self.one([np.float64, object]) if kind == "string" else getattr(pool, "dtype", bool)
            return pd.Categorical.from_codes(np.full(n, -1), categories=pd.Index([], dtype=dtype), ordered=ordered)
        categories = pd.Index(list(pool) if kind in ("string", "bool") else pool)
        codes = self.rng.integers(-1 if self.chance(0.3) else 0, len(categories), size=n)
        return pd.Categorical.from_codes(codes, categories=categories, ordered=ordered)

    COLUMN_KINDS = [
        *NUMBERS, "string", "string", "string", "nullable-string",
        "nullable-bool", "nullable-int64", "nullable-int8", "nullable-uint16", "nullable-uint64",
        "cat-string", "cat-string", "cat-string", "cat-int64", "cat-int8", "cat-float64", "cat-bool",
        "float16", ">i4", ">f8",
    ]

    def agreed(self, index: pd.Index | None, what: str, draw):
        """`draw(rows)` for each name of `index`; perhaps such that all inputs agree in it.

        Then it is drawn once for all names that there can be, from a seed of `what`, and the rows
        (given by position) are taken from there; None is given where they are to be drawn freely.
        """
        if index is None or not self.chance(self.agreement) or not set(index) <= set(UNIVERSE):
            return draw(len(index) if index is not None else 0), None
        rng, unsorted = self.rng, self.unsorted
        self.rng = np.random.default_rng([self.shared_seed, *what.encode()])
        try:
            return draw(len(UNIVERSE)), np.array([UNIVERSE.index(name) for name in index], dtype=int)
        finally:
            self.rng, self.unsorted = rng, unsorted

    def frame(self, index: pd.Index, plan: dict[str, str], where: str | None = None) -> pd.DataFrame:
        """A frame with some of the planned columns, some of them of another kind.

        `where` names it on the axis that is joined, where inputs may agree."""
        names = [c for c in plan if self.chance(0.75)]
        if self.chance(0.3):
            names = list(self.rng.permutation(np.array(names, dtype=object)))
        columns = {}
        for name in names:
            kind = plan[name] if self.chance(0.75) else self.one(self.COLUMN_KINDS)
            if where is None:
                columns[name] = self.column(len(index), kind)
                continue
            if self.chance(self.agreement):
                kind = plan[name]
            what = f"{where}/{name}/{kind}"
            values, rows = self.agreed(index, what, lambda n, kind=kind: self.column(n, kind))
            columns[name] = values if rows is None else values[rows]
        out = pd.DataFrame(columns, index=index)
        if self.chance(0.1) and "id" not in out.columns:
            out.index.name = "id"
        return out

    def frame_plan(self, most: int = 4) -> dict[str, str]:
        if self.chance(0.15):
            return {}
        count = int(self.rng.integers(0, most + 1))
        pool = [c for c in COLUMNS if self.slashes or "/" not in c]
        names = list(self.rng.permutation(np.array(pool, dtype=object)))[:count]
        return {name: self.one(self.COLUMN_KINDS) for name in names}

    def record(self, n: int) -> np.ndarray:
        fields = [("T cell", "O"), ("score", "f4"), ("n", "i8"), ("B/c", "f8")]
        fields = fields[: int(self.rng.integers(1, 4))]
        out = np.zeros(n, dtype=fields)
        for name, kind in fields:
            out[name] = self.words(n) if kind == "O" else self.numbers({"f4": "float32", "i8": "int64", "f8": "float64"}[kind], n)
        return out

    def awkward(self, n: int):
        kind = self.one(["lists", "records", "strings", "nested", "regular"])
        if kind == "lists":
            return ak.Array([list(map(int, self.numbers("int64", int(self.rng.integers(0, 4))))) for _ in range(n)] or np.zeros((0,)))
        if kind == "records":
            fields = [f for f in ("a", "b", "c") if self.chance(0.8)] or ["a"]
            return ak.Array({f: self._awkward_field(f, n) for f in fields})
        if kind == "strings":
            return ak.Array([list(self.words(int(self.rng.integers(0, 3)))) for _ in range(n)]) if n else ak.Array([["x"]])[:0]
        if kind == "nested":
            return ak.Array([[[1, 2], []] if self.chance(0.5) else [] for _ in range(n)]) if n else ak.Array([[[1]]])[:0]
        return ak.Array(self.numbers("float64", (n, 2)))

    def _awkward_field(self, name: str, n: int):
        if name == "a":
            return self.numbers("int64", n)
        if name == "b":
            return [list(map(float, range(int(self.rng.integers(0, 3))))) for _ in range(n)]
        return list(self.words(n, ["u", "v"]))

    def uns(self, depth: int = 0) -> dict:
        """A dict of every type that uns can hold, few of each, from few values, so that some agree."""
        out = {}
        for key in self.some(["a", "b", "é", "n", "arr", "s", "sub", "mat", "df", "rec", "cat", "none", "awk", "nul"], 0.35):
            out[key] = self._uns_value(key, depth)
        return {k: v for k, v in out.items() if v is not ...}

    def _uns_value(self, key: str, depth: int):
        if self.chance(0.06) and key != "awk":
            # Of another kind than elsewhere; but never awkward, which numpy crashes over.
            key = self.one([k for k in "a b é n arr s sub mat df rec cat none nul".split() if k != key])
        same = self.chance(0.6)
        rng, unsorted = self.rng, self.unsorted
        if same:
            # The same value in every input that has this key at this depth.
            self.rng = np.random.default_rng([self.shared_seed, depth, len(key), ord(key[0])])
        try:
            match key:
                case "a": return int(self.rng.integers(0, 3))
                case "b": return self.one([True, 0.5, "text", np.float32(1.5), np.int8(3), float("nan"), "", np.uint64(2**63)])
                case "é": return self.one(WORDS)
                case "n": return self.numbers(self.one(RARE), 2) if self.chance(0.1) else self.numbers(self.one(NUMBERS), int(self.rng.integers(0, 4)))
                case "arr": return self.numbers(self.one(NUMBERS), (2, 3))
                case "s": return self.words(int(self.rng.integers(0, 4)))
                case "sub": return self.uns(depth + 1) if depth < 2 else {}
                case "mat": return self.matrix((3, 2), self.one(["csr", "csc"]), "float32")
                case "df":
                    index = pd.Index([f"r{i}" for i in range(3)])
                    return self.frame(index, {"n": "int64", "group": "cat-string", "name": "string"})
                case "rec": return self.record(3)
                case "cat": return self.categorical(3, "string")
                case "none": return None
                case "awk": return self.awkward(2)
                case "nul": return self.column(3, self.one(["nullable-int64", "nullable-bool"]))
        finally:
            self.rng = rng
            self.unsorted = unsorted

    def names(self, prefix: str, n: int, universe: int, *, duplicates: bool) -> pd.Index:
        picked = self.rng.permutation(max(universe, n))[:n]
        if self.chance(0.4):
            picked = np.sort(picked)
        names = [f"{prefix}{i}" for i in picked]
        if duplicates and n > 1:
            names[-1] = names[0]
        if self.chance(0.1) and n:
            names[0] = self.one(["é", "日本", "a b", "slash/y"])
        return pd.Index(names, dtype=object)


def case(seed: int, formats: str = "mixed") -> Case:
    """The case of a seed. `formats`: h5ad, zarr2, zarr3 or mixed, how the inputs are stored."""
    draw = Draw(seed)
    axis = draw.one(["obs", "obs", "obs", "var"])
    count = int(draw.one([1, 2, 2, 2, 2, 3, 3, 4]))
    storage = [_storage(draw, formats) for _ in range(count)]
    # zarr forbids slashes in names; HDF5 makes groups of them, as long as anndata lets it.
    draw.slashes = SLASHES and all(fmt == "h5ad" for fmt, _ in storage)
    aligned = draw.one(["same", "overlap", "overlap", "overlap"])
    adatas = _inputs(draw, axis, count, aligned)
    _flags(seed, axis, adatas)
    options = _options(draw, axis, adatas)
    return Case(seed, adatas, options, storage, draw.unsorted)


def _flags(seed: int, axis: str, adatas: list[ad.AnnData]) -> None:
    """Once in twenty a column that is of bools in one input and of floats in another, which no other draw
    makes. From a stream of its own, so that the rest of a case stays what it was without it."""
    rng = np.random.default_rng([seed, 1])
    if len(adatas) < 2 or rng.random() >= 0.05:
        return
    for number, adata in enumerate(adatas):
        frame = getattr(adata, axis)
        values = rng.random(len(frame)) < 0.5
        frame["flag"] = values.astype(np.float64) if number % 2 else values


def _inputs(draw: Draw, axis: str, count: int, aligned: str) -> list[ad.AnnData]:
    other_n = int(draw.one([0, 1, 3, 5, 6]))
    shared = draw.names("g", other_n, 8, duplicates=draw.chance(0.12))
    plans = {name: draw.frame_plan() for name in ("obs", "var", "raw")}
    layer_kinds = {k: (draw.one(["dense", "csr", "csc"] * 4 + ["text"]), draw.one(NUMBERS)) for k in draw.some(KEYS, 0.25)}
    obsm_kinds = {k: draw.one(["dense", "dense", "csr", "csc", "df", "awk", "cube", "text"]) for k in draw.some(KEYS, 0.25)}
    varm_kinds = {k: draw.one(["dense", "dense", "csr", "csc", "df", "awk", "cube", "text"]) for k in draw.some(KEYS, 0.25)}
    m_plans = {k: draw.frame_plan(3) for k in KEYS}
    pair_keys = {a: draw.some(KEYS, 0.15) for a in ("obsp", "varp")}
    x_kind, x_dtype = draw.one(["dense", "csr", "csr", "csc"]), draw.one(["float32", "float32", *NUMBERS])
    no_x = draw.chance(0.07)
    some_x = draw.chance(0.05)
    with_raw = draw.chance(0.25)
    with_uns = draw.chance(0.4)
    # One kind throughout in two of three cases; otherwise kinds and types meet.
    mix = draw.chance(0.35)
    pair_kinds = {k: (draw.one(["csr", "csr", "csc", "dense"]), draw.one(["float32", "int64", "bool"])) for k in KEYS}
    widths = {k: int(draw.rng.integers(0, 4)) for k in KEYS}
    ragged = draw.chance(0.3)
    draw.agreement = draw.one([0.0, 0.5, 0.9, 1.0])
    out = []
    for i in range(count):
        n = int(draw.one([0, 1, 2, 4, 5] if draw.chance(0.3) else [2, 3, 4, 5]))
        along = pd.Index([f"c{i}_{j}" if not draw.chance(0.03) else draw.one(["dup", "é/è", ""]) for j in range(n)], dtype=object)
        if aligned == "same":
            other = shared
        else:
            m = int(draw.rng.integers(0, other_n + 1)) if draw.chance(0.2) else other_n
            other = draw.names("g", m, 8, duplicates=draw.chance(0.02))
        obs_names, var_names = (along, other) if axis == "obs" else (other, along)
        shape = (len(obs_names), len(var_names))

        def kind_of(kind, draw=draw):
            return draw.one(["dense", "csr", "csc"]) if mix and draw.chance(0.4) else kind

        def dtype_of(dtype, draw=draw):
            return draw.one(NUMBERS) if mix and draw.chance(0.4) else dtype

        joined = "var" if axis == "obs" else "obs"

        def aligned_value(kind, key, n, names, where, draw=draw):
            width = widths[key] if not ragged else int(draw.rng.integers(0, 4))
            if where.startswith(joined) and draw.chance(draw.agreement):
                width = widths[key]
            if mix and draw.chance(0.1):
                # Never awkward with sparse or a frame: comparing them crashes awkward itself.
                kind = "dense" if kind == "awk" else draw.one(["dense", "csr", "df"])
            if kind == "df":
                return draw.frame(names.rename(None), m_plans[key], where if where.startswith(joined) else None)
            dtype = dtype_of(self_dtype[key])

            def fresh(n):
                match kind:
                    case "awk":
                        return draw.awkward(n)
                    case "cube":
                        return draw.numbers("float32", (n, width, 2))
                    case "text":
                        return draw.words(n * width).reshape(n, width)
                return draw.matrix((n, width), kind, dtype)

            if not where.startswith(joined):
                return fresh(n)
            values, rows = draw.agreed(names, f"{where}/{key}/{kind}/{dtype}", fresh)
            return values if rows is None else values[rows]

        def pair_value(key, n, names, where, draw=draw):
            kind, dtype = draw.one(["csr", "csr", "csc", "dense"]), draw.one(["float32", "int64", "bool"])
            if not where.startswith(joined):
                return draw.matrix((n, n), kind, dtype)
            if draw.agreement == 1.0:
                kind, dtype = pair_kinds[key]
            values, rows = draw.agreed(names, f"{where}/{key}/{kind}/{dtype}", lambda n: draw.matrix((n, n), kind, dtype))
            return values if rows is None else values[rows][:, rows]

        self_dtype = {k: draw.one(["float32", "float64", "int64"]) for k in KEYS} if i == 0 or mix else self_dtype
        x = None if no_x or (some_x and draw.chance(0.5)) else draw.matrix(shape, kind_of(x_kind), dtype_of(x_dtype))
        adata = ad.AnnData(
            X=x,
            obs=draw.frame(obs_names, plans["obs"], "obs" if axis == "var" else None),
            var=draw.frame(var_names, plans["var"], "var" if axis == "obs" else None),
            shape=shape if x is None else None,
        )
        for key, (kind, dtype) in layer_kinds.items():
            if draw.chance(0.85):
                text = kind == "text" and not mix
                adata.layers[key] = draw.words(shape[0] * shape[1]).reshape(shape) if text else draw.matrix(shape, kind_of(kind.replace("text", "dense")), dtype_of(dtype))
        for name, kinds, names in (("obsm", obsm_kinds, obs_names), ("varm", varm_kinds, var_names)):
            for key, kind in kinds.items():
                if draw.chance(0.85):
                    getattr(adata, name)[key] = aligned_value(kind, key, len(names), names, name)
        for name, names in (("obsp", obs_names), ("varp", var_names)):
            for key in pair_keys[name]:
                if draw.chance(0.8):
                    getattr(adata, name)[key] = pair_value(key, len(names), names, name)
        if with_raw and (draw.chance(0.9) or i == 0):
            adata.raw = _raw(draw, obs_names, plans["raw"], kind_of(x_kind), dtype_of(x_dtype))
        if with_uns:
            adata.uns = draw.uns()
        out.append(adata)
    return out


def _raw(draw: Draw, obs_names, plan, kind, dtype) -> ad.AnnData:
    names = draw.names("r", int(draw.rng.integers(0, 6)), 6, duplicates=False)
    raw = ad.AnnData(
        X=draw.matrix((len(obs_names), len(names)), kind, dtype),
        obs=pd.DataFrame(index=obs_names),
        var=draw.frame(names, plan),
    )
    if draw.chance(0.2):
        raw.varm["PCs"] = draw.numbers("float32", (len(names), 2))
    return raw


def _options(draw: Draw, axis: str, adatas) -> dict:
    options = {"axis": axis, "join": draw.one(["inner", "outer"])}
    options["merge"] = draw.one([None, None, "same", "unique", "first", "only"])
    options["uns_merge"] = draw.one([None, "same", "unique", "first", "only"])
    if draw.chance(0.4):
        options["label"] = draw.one(["dataset", "batch", "group", "日"])
    if draw.chance(0.4):
        pool = draw.one([["k1", "k2", "k10", "a"], ["b", "a", "d", "c"], ["ü", "x y", "0", "1"]])
        options["keys"] = pool[: len(adatas)]
    if draw.chance(0.3):
        options["index_unique"] = draw.one(["-", "_", "", "--"])
    if draw.chance(0.25):
        options["fill_value"] = draw.one([0, 1, -1, 0.5, float("nan"), 300, 1e300, 2**40])
    options["pairwise"] = draw.chance(0.4)
    if draw.chance(0.15):
        options["sparse_format"] = draw.one(["csr", "csc"])
    if draw.chance(0.15):
        options["missing_text"] = draw.one(["categorical", "nullable"])
    return {k: v for k, v in options.items() if v is not None and v is not False}


def _storage(draw: Draw, formats: str) -> tuple[str, dict]:
    fmt = draw.one(["h5ad", "zarr2", "zarr3"]) if formats == "mixed" else formats
    if fmt == "h5ad":
        return fmt, draw.one([{}, {}, {"compression": "gzip"}, {"compression": "lzf"}])
    if fmt == "zarr3":
        return fmt, draw.one([{}, {}, {"shard": True}, {"consolidated": False}])
    return fmt, draw.one([{}, {"consolidated": False}])
