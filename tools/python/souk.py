"""Souk's inference library in Python: numpy arrays in and out, over ctypes; this file is all there is.

    import souk

    with souk.open("bundles/shop") as b:
        found = b.rank([["B001", "B042"], []], k=10)  # the second is a new user
        for row, n in zip(found.items, found.counts):
            print(b.names(row[:n]))

        u, unknown = b.user_vectors([["B001", "B042"]])  # for an index: a score is u . v
        v = b.item_vectors()

A history is a list of item names or item numbers, oldest first; many of them may also come as flat arrays
(souk.Histories), which costs no loop in Python. Items are numbered from 0; -1 is an unknown one.

The library is looked for in SOUK_INFER_LIBRARY (its file), beside this file as `make install` puts it, in the build
directory of Souk's source, and where the system looks for libraries. Its manual is include/souk/infer.h. Calls release
Python's lock while they work, and any number of threads may use one bundle.
"""
import ctypes
import json
import operator
import os
import types
from ctypes import POINTER, byref, c_char, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_uint32, c_void_p
from typing import NamedTuple, Optional

try:
    import numpy as np
except ImportError as missing:
    raise ImportError("souk.py needs numpy: install Debian's python3-numpy, or pip install numpy") from missing

__all__ = ["Bundle", "Error", "Histories", "Ranked", "flatten", "open", "version"]

SKIP_CHECKSUMS = 1


class Error(Exception):
    """What the library says, a sentence; `code` is its number and `status` a few words about that."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code
        self.status = _library().souk_status_text(code).decode()


class Histories(NamedTuple):
    """Histories laid end to end: number i is items[offsets[i]:offsets[i + 1]], and events likewise (None: all "none")."""

    items: np.ndarray  # int32
    offsets: np.ndarray  # int64, one more than there are histories
    events: Optional[np.ndarray] = None  # int32


class Ranked(NamedTuple):
    """Lists of items: row i has counts[i]; behind them items are -1 and scores NaN."""

    items: np.ndarray  # int32 [n, k]
    scores: np.ndarray  # float32 [n, k]
    counts: np.ndarray  # int32 [n]
    unknown: np.ndarray  # int32 [n]: unknown items of each history


# ---- the library's structures and functions ------------------------------------------------------------------


class _Error(ctypes.Structure):
    _fields_ = [("code", c_int32), ("message", c_char * 508)]


class _Info(ctypes.Structure):
    _fields_ = [(name, c_int32) for name in
                ("items", "dimension", "max_history", "event_types", "hidden", "layers", "heads", "intermediate", "cosine")]
    _fields_ += [("inv_temperature", c_double), ("has_catalogue", c_int32), ("training_step", c_int64),
                 ("data_name", c_char_p), ("created_by", c_char_p), ("memory_bytes", c_size_t), ("mapped_bytes", c_size_t),
                 ("has_mix", c_int32), ("has_words", c_int32), ("labels", c_int32), ("labels_pairs", c_int32),
                 ("makes_items", c_int32), ("features", c_int32), ("adapters", c_int32), ("unranked", c_int32)]


class _Options(ctypes.Structure):
    _fields_ = [("threads", c_int32), ("keep_history", c_int32), ("allow", c_void_p), ("n_allow", c_size_t),
                ("deny", c_void_p), ("n_deny", c_size_t), ("no_mix", c_int32), ("reserved", c_int32)]


class _EmbedOptions(ctypes.Structure):
    _fields_ = [(name, c_int32) for name in ("threads", "pooling", "normalise", "most_tokens", "adapter", "reserved")]


class _LabelOptions(ctypes.Structure):
    _fields_ = [(name, c_int32) for name in ("threads", "logits", "adapter", "reserved")]


class _ExplainOptions(ctypes.Structure):
    _fields_ = [(name, c_int32) for name in ("threads", "method", "no_mix", "adapter")] + [("tolerance", c_double)]


class _Product(ctypes.Structure):
    _fields_ = [("text", c_char_p), ("bytes", c_size_t), ("attributes", POINTER(c_char_p)), ("n_attributes", c_size_t),
                ("features", c_void_p)]


_EXPLANATION = np.dtype([("score", np.float64), ("base", np.float64), ("counts", np.float64), ("rest", np.float64),
                         ("method", np.int32), ("passes", np.int32)], align=True)


# Queries are filled a field at a time for all of them, so they are a structured array: addresses are numbers here.
_HISTORY = np.dtype([("n", np.int32), ("items", np.uintp), ("names", np.uintp), ("events", np.uintp),
                     ("event_names", np.uintp), ("texts", np.uintp), ("user", np.uintp)], align=True)
_QUERY = np.dtype([("history", _HISTORY), ("u", np.uintp), ("candidates", np.uintp), ("n_candidates", np.uintp),
                   ("deny", np.uintp), ("n_deny", np.uintp), ("adapter", np.int32), ("reserved", np.int32)], align=True)
_PAIR = np.dtype([("history", _HISTORY), ("item", np.int32), ("reserved", np.int32), ("text", np.uintp),
                  ("bytes", np.uintp), ("attributes", np.uintp), ("n_attributes", np.uintp), ("features", np.uintp)],
                 align=True)

_ERROR, _BUNDLE, _ARRAY = POINTER(_Error), c_void_p, c_void_p
_LISTS = [_ARRAY, _ARRAY, _ARRAY, _ARRAY, _ERROR]  # items, scores, counts, unknown, error
_FUNCTIONS = {
    "souk_infer_version": (c_char_p, []),
    "souk_status_text": (c_char_p, [c_int32]),
    "souk_open": (c_int32, [POINTER(_BUNDLE), c_char_p, c_uint32, _ERROR]),
    "souk_close": (None, [_BUNDLE]),
    "souk_get_info_sized": (c_int32, [_BUNDLE, POINTER(_Info), c_size_t, _ERROR]),
    "souk_find_item": (c_int32, [_BUNDLE, c_char_p]),
    "souk_item_name": (c_char_p, [_BUNDLE, c_int32]),
    "souk_item_count": (c_int64, [_BUNDLE, c_int32]),
    "souk_item_record": (c_void_p, [_BUNDLE, c_int32, POINTER(c_size_t)]),
    "souk_find_event": (c_int32, [_BUNDLE, c_char_p]),
    "souk_event_name": (c_char_p, [_BUNDLE, c_int32]),
    "souk_user_vectors_flat": (c_int32, [_BUNDLE, _ARRAY, _ARRAY, _ARRAY, c_size_t, c_int32, _ARRAY, _ARRAY, _ERROR]),
    "souk_adapted_item_vectors": (c_int32, [_BUNDLE, c_int32, c_int32, c_int32, _ARRAY, _ERROR]),
    "souk_adapted_score": (c_int32, [_BUNDLE, c_int32, _ARRAY, c_size_t, _ARRAY, c_size_t, _ARRAY, _ERROR]),
    "souk_rank_sized": (c_int32, [_BUNDLE, _ARRAY, c_size_t, c_size_t, c_int32, POINTER(_Options), c_size_t] + _LISTS),
    "souk_rank_flat_sized":
        (c_int32, [_BUNDLE, _ARRAY, _ARRAY, _ARRAY, c_size_t, c_int32, POINTER(_Options), c_size_t] + _LISTS),
    "souk_query_vectors_sized": (c_int32, [_BUNDLE, _ARRAY, c_size_t, c_size_t, c_int32, _ARRAY, _ARRAY, _ERROR]),
    "souk_find_adapter": (c_int32, [_BUNDLE, c_char_p]),
    "souk_adapter_name": (c_char_p, [_BUNDLE, c_int32]),
    "souk_label_name": (c_char_p, [_BUNDLE, c_int32]),
    "souk_embed_texts_sized": (c_int32, [_BUNDLE, POINTER(c_char_p), _ARRAY, c_size_t, POINTER(_EmbedOptions), c_size_t, _ARRAY,
                                         _ARRAY, _ERROR]),
    "souk_classify_sized": (c_int32, [_BUNDLE, POINTER(c_char_p), POINTER(c_char_p), c_size_t, POINTER(_LabelOptions), c_size_t,
                                      _ARRAY, _ERROR]),
    "souk_score_pairs_sized": (c_int32, [_BUNDLE, _ARRAY, c_size_t, c_size_t, POINTER(_LabelOptions), c_size_t, _ARRAY, _ERROR]),
    "souk_item_vectors_of_products_sized": (c_int32, [_BUNDLE, POINTER(_Product), c_size_t, c_size_t, _ARRAY, _ARRAY, _ERROR]),
    "souk_explain_sized": (c_int32, [_BUNDLE, _ARRAY, _ARRAY, c_size_t, POINTER(_ExplainOptions), c_size_t, _ARRAY, c_size_t,
                                     _ARRAY, _ERROR]),
}
_SONAME = "libsouk_infer.so.1"  # SOUK_INFER_ABI of infer.h
_loaded = None


def _places():
    here = os.path.dirname(os.path.abspath(__file__))
    if os.environ.get("SOUK_INFER_LIBRARY"):
        return [os.environ["SOUK_INFER_LIBRARY"]]
    files = [os.path.join(here, "..", "..", "..", "lib", _SONAME), os.path.join(here, "..", "..", "build", _SONAME)]
    return [os.path.normpath(f) for f in files if os.path.exists(f)] + [_SONAME]


def _library():
    global _loaded
    if _loaded is None:
        tried = []
        for place in _places():
            try:
                library = ctypes.CDLL(place)
                break
            except OSError as e:
                tried.append(str(e))
        else:
            raise OSError(f"Souk's inference library cannot be loaded ({'; '.join(tried)}); "
                          f"SOUK_INFER_LIBRARY may name {_SONAME}")
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        _loaded = library
    return _loaded


def _call(name, *arguments):
    error = _Error()
    if getattr(_library(), name)(*arguments, byref(error)) != 0:
        raise Error(error.code, error.message.decode("utf-8", "replace"))


def version():
    """Of the library, e.g. "0.4.0"."""
    return _library().souk_infer_version().decode()


# ---- arrays --------------------------------------------------------------------------------------------------


def _integers(values, dtype, what):
    """An array of this type; a number that does not fit it is an error, where numpy would cut it."""
    a = np.asarray(values)
    if a.size == 0:
        return np.zeros(a.shape, dtype)
    if a.dtype.kind not in "iu":
        raise TypeError(f"{what} must be whole numbers, not {a.dtype}")
    limits = np.iinfo(dtype)
    if a.min() < limits.min or a.max() > limits.max:
        raise ValueError(f"{what}: {a.min()} to {a.max()} does not fit {np.dtype(dtype)}")
    return np.ascontiguousarray(a, dtype)


def _int32(value, what):
    """A whole number that fits the library's int32_t; ctypes would cut it without a word."""
    try:
        n = operator.index(value)
    except TypeError:
        raise TypeError(f"{what} must be a whole number, not {value!r}") from None
    if not -2**31 <= n < 2**31:
        raise ValueError(f"{what} = {n} does not fit int32")
    return n


def _list(values, what):
    """A text in a list's place would be taken for its characters."""
    if isinstance(values, (str, bytes)):
        raise TypeError(f"{what}: a list is expected, not {values!r}")
    return values


def _address(a):
    return None if a is None else a.ctypes.data


def _texts(texts, what):
    """(a C array of texts, their lengths) in UTF-8; surrogates that were bytes are bytes again."""
    raw = [t.encode("utf-8", "surrogateescape") for t in _list(texts, what)]
    return (c_char_p * len(raw))(*raw), np.array([len(t) for t in raw], np.uintp)


def _no_nul(texts, what):
    if any("\0" in t for t in _list(texts, what)):
        raise ValueError(f"{what} must not hold a NUL character")
    return _texts(texts, what)[0]


def flatten(lists, dtype=np.int32):
    """(values, offsets) of a list of lists of numbers."""
    offsets = np.zeros(len(lists) + 1, np.int64)
    np.cumsum([len(x) for x in lists], out=offsets[1:])
    parts = [_integers(x, dtype, "a list") for x in lists if len(x) > 0]
    return (np.concatenate(parts) if parts else np.zeros(0, dtype)), offsets


# ---- bundles -------------------------------------------------------------------------------------------------


def open(directory, checksums=True):  # noqa: A001
    """Opens the bundle in a directory, which souk export wrote."""
    return Bundle(directory, checksums)


class Bundle:
    def __init__(self, directory, checksums=True):
        self._pointer = _BUNDLE()
        _call("souk_open", byref(self._pointer), os.fsencode(directory), 0 if checksums else SKIP_CHECKSUMS)
        info = self.info
        self.items, self.dimension = info.items, info.dimension
        self.events = [self._text("souk_event_name", i) for i in range(info.event_types)]
        self.labels = [self._text("souk_label_name", i) for i in range(info.labels)]
        self.adapters = [self._text("souk_adapter_name", i) for i in range(1, info.adapters + 1)]

    def close(self):
        """Gives everything back. No call may be at work."""
        pointer, self._pointer = self._pointer, _BUNDLE()
        if pointer:
            _library().souk_close(pointer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        if getattr(self, "_pointer", None):
            self.close()

    def _open(self):
        if not self._pointer:
            raise ValueError("the bundle is closed")
        return self._pointer

    def _text(self, function, i):
        text = getattr(_library(), function)(self._open(), i)
        return None if text is None else text.decode("utf-8", "surrogateescape")

    @property
    def info(self):
        """What the bundle is: items, dimension, layers, memory_bytes, ... (souk_info in infer.h)."""
        info = _Info()
        _call("souk_get_info_sized", self._open(), byref(info), ctypes.sizeof(info))
        values = {name: getattr(info, name) for name, _ in info._fields_}
        values.update({k: v.decode("utf-8", "replace") for k, v in values.items() if isinstance(v, bytes)})
        return types.SimpleNamespace(**values)

    # names

    def find(self, name):
        """The number of the item with this name, -1 when there is none."""
        text = name.encode("utf-8", "surrogateescape")
        return -1 if b"\0" in text else _library().souk_find_item(self._open(), text)

    def name(self, item):
        """The name of an item; None when there is no such item."""
        return self._text("souk_item_name", _int32(item, "item"))

    def names(self, items):
        return [self.name(i) for i in _list(items, "items")]

    def count(self, item):
        """How often the item occurs in the training data; -1 when there is no such item."""
        return _library().souk_item_count(self._open(), _int32(item, "item"))

    def record(self, item):
        """What the catalogue says of an item (item, title, ...), a dictionary; None when it says nothing."""
        size = c_size_t()
        text = _library().souk_item_record(self._open(), _int32(item, "item"), byref(size))
        return None if not text else json.loads(ctypes.string_at(text, size.value))

    def numbers(self, items, what="items"):
        """Numbers of a list of names; numbers in it stay."""
        if isinstance(items, np.ndarray) and items.dtype.kind in "iu":
            return _integers(items, np.int32, what)
        return _integers([self.find(x) if isinstance(x, str) else x for x in _list(items, what)], np.int32, what)

    def _event_numbers(self, events):
        known = {name: i for i, name in enumerate(self.events)}
        out = []
        for e in _list(events, "events of a history"):
            if isinstance(e, str) and e not in known:
                raise ValueError(f"there is no event type {e!r}; known: {', '.join(self.events)}")
            out.append(0 if e is None else known[e] if isinstance(e, str) else e)
        return out

    def histories(self, lists, events=None):
        """Flat arrays of a list of histories, each a list of item names or numbers; events: likewise, names or numbers
        (None: "none"). What is flat already is checked for its types only."""
        if isinstance(lists, Histories):
            if events is not None:
                raise ValueError("events of flat histories are in Histories.events")
            flat = Histories(_integers(lists.items, np.int32, "items"), _integers(lists.offsets, np.int64, "offsets"),
                             None if lists.events is None else _integers(lists.events, np.int32, "events"))
            end = int(flat.offsets[-1]) if flat.offsets.size > 0 else -1
            if flat.offsets.ndim != 1 or end < 0 or end > flat.items.size:
                raise ValueError(f"offsets end at {end}, but there are {flat.items.size} items")
            if flat.events is not None and flat.events.size != flat.items.size:
                raise ValueError(f"{flat.events.size} events are not one for each of {flat.items.size} items")
            return flat
        if isinstance(lists, (str, bytes)) or any(isinstance(x, (str, bytes)) for x in lists):
            raise TypeError("a list of histories is expected, each a list of items; one history is [history]")
        items, offsets = flatten([self.numbers(x) for x in lists])
        if events is None:
            return Histories(items, offsets)
        if [len(x) for x in events] != [len(x) for x in lists]:
            raise ValueError("events must have as many elements as the histories")
        return Histories(items, offsets, flatten([self._event_numbers(x) for x in events])[0])

    # vectors and scores

    def user_vectors(self, histories, events=None, threads=-1, adapter=None):
        """(u, unknown): user vectors, float32 [n, dimension], and how many items of each history are unknown. adapter: the name
        of an adapter, or a list of names (None: none), one for each history."""
        h, threads = self.histories(histories, events), _int32(threads, "threads")
        n = h.offsets.size - 1
        u, unknown = np.empty((n, self.dimension), np.float32), np.empty(n, np.int32)
        if adapter is not None:
            queries, _kept = self._queries(h, None, None, None, adapter)
            _call("souk_query_vectors_sized", self._open(), _address(queries), _QUERY.itemsize, n, threads, _address(u),
                  _address(unknown))
            return u, unknown
        _call("souk_user_vectors_flat", self._open(), _address(h.offsets), _address(h.items), _address(h.events), n, threads,
              _address(u), _address(unknown))
        return u, unknown

    def item_vectors(self, first=0, count=None, adapter=None):
        """Vectors of items first .. first + count - 1 (None: to the last), float32 [count, dimension]. adapter: the name of an
        adapter, under which they may differ."""
        first = _int32(first, "first")
        count = max(self.items - first, 0) if count is None else _int32(count, "count")
        v = np.empty((max(count, 0), self.dimension), np.float32)
        _call("souk_adapted_item_vectors", self._open(), self._adapter(adapter), first, count, _address(v))
        return v

    def score(self, u, items, adapter=None):
        """Scores of items (names or numbers of items that exist) for each user vector, float32 [n, len(items)]. adapter: the name of
        the adapter that made the vectors."""
        u, items = self._vectors(u, None), self.numbers(items)
        scores = np.empty((len(u), items.size), np.float32)
        _call("souk_adapted_score", self._open(), self._adapter(adapter), _address(u), len(u), _address(items), items.size, _address(scores))
        return scores

    def _vectors(self, u, n):
        u = np.ascontiguousarray(u, np.float32)
        if u.ndim != 2 or u.shape[1] != self.dimension or n not in (None, len(u)):
            raise ValueError(f"user vectors are [{'n' if n is None else n}, {self.dimension}], not {list(u.shape)}")
        return u

    def product_vectors(self, texts, attributes=None, features=None):
        """(v, unknown): vectors of new items, float32 [n, dimension], of which only texts (None: no text), attributes (a list of
        names such as "brand=x" for each, or None) and features ([n, info.features]) are known; and how many attributes the
        vocabulary does not have."""
        n = len(_list(texts, "texts"))
        if attributes is not None and len(attributes) != n:
            raise ValueError(f"attributes: {len(attributes)} lists are not one for each of {n} texts")
        if features is not None:
            features = np.ascontiguousarray(features, np.float32)
            if features.shape != (n, self.info.features):
                raise ValueError(f"features are [{n}, {self.info.features}], not {list(features.shape)}")
        products, kept = (_Product * n)(), []
        for i, text in enumerate(texts):
            names = _no_nul([] if attributes is None or attributes[i] is None else attributes[i], "attributes")
            kept.append(names)
            if text is not None:
                raw = _no_nul([text], "texts")
                kept.append(raw)
                products[i].text = raw[0]
            products[i].attributes, products[i].n_attributes = ctypes.cast(names, POINTER(c_char_p)), len(names)
            if features is not None:
                products[i].features = features.ctypes.data + features.strides[0] * i
        v, unknown = np.empty((n, self.dimension), np.float32), np.empty(n, np.int32)
        _call("souk_item_vectors_of_products_sized", self._open(), products, ctypes.sizeof(_Product), n, _address(v),
              _address(unknown))
        return v, unknown

    # texts, labels, explanations

    def embed(self, texts, pooling="mean", normalise=False, tokens=0, threads=-1, adapter=None):
        """Vectors of texts, float32 [n, hidden], by pooling "mean", "cls" or "max"; tokens: read at most so many of a text."""
        kinds = ["mean", "cls", "max"]
        if pooling not in kinds:
            raise ValueError(f"pooling must be one of {', '.join(kinds)}, not {pooling!r}")
        raw, lengths = _texts(texts, "texts")
        options = _EmbedOptions(_int32(threads, "threads"), kinds.index(pooling), bool(normalise), _int32(tokens, "tokens"),
                                self._adapter(adapter), 0)
        v = np.empty((len(raw), self.info.hidden), np.float32)
        _call("souk_embed_texts_sized", self._open(), raw, _address(lengths), len(raw), byref(options), ctypes.sizeof(options),
              _address(v), None)
        return v

    def classify(self, texts, seconds=None, logits=False, threads=-1, adapter=None):
        """Probabilities (or logits) of the labels of texts, float32 [n, len(labels)]; seconds: second texts."""
        raw = _no_nul(texts, "texts")
        others = None if seconds is None else _no_nul(seconds, "seconds")
        if others is not None and len(others) != len(raw):
            raise ValueError(f"seconds: {len(others)} texts are not one for each of {len(raw)}")
        options = _LabelOptions(_int32(threads, "threads"), bool(logits), self._adapter(adapter), 0)
        out = np.empty((len(raw), len(self.labels)), np.float32)
        _call("souk_classify_sized", self._open(), raw, others, len(raw), byref(options), ctypes.sizeof(options), _address(out))
        return out

    def score_pairs(self, histories, items, events=None, texts=None, logits=False, threads=-1, adapter=None):
        """Probabilities (or logits) of the labels of pairs, float32 [n, len(labels)]: a history and an item (a name or a number)
        each; texts: what is known of the items, None: nothing."""
        h, items = self.histories(histories, events), self.numbers(items)
        n = h.offsets.size - 1
        if items.size != n or (texts is not None and len(texts) != n):
            raise ValueError(f"{n} histories need as many items, and texts if there are any")
        queries, _kept = self._queries(h, None, None, None)
        pairs = np.zeros(n, _PAIR)
        pairs["history"], pairs["item"] = queries["history"], items
        raw = [None if t is None else _no_nul([t], "texts") for t in texts or []]  # the pairs point into it
        for i, t in enumerate(raw):
            pairs["text"][i] = 0 if t is None else ctypes.cast(t, POINTER(c_size_t))[0]  # the pointer in the C array
        options = _LabelOptions(_int32(threads, "threads"), bool(logits), self._adapter(adapter), 0)
        out = np.empty((n, len(self.labels)), np.float32)
        _call("souk_score_pairs_sized", self._open(), _address(pairs), _PAIR.itemsize, n, byref(options), ctypes.sizeof(options),
              _address(out))
        return out

    def explain(self, history, items, events=None, method=None, threads=-1, mix=True, adapter=None):
        """(parts, shares): why items have their scores after one history. parts is a structured array [len(items)] with score, base,
        counts, rest, method and passes; shares float32 [len(items), len(history)]: score = base + shares.sum() + counts + rest.
        method: "leave-one-out", "integrated-gradients", or None for the cheaper one."""
        kinds = [None, "leave-one-out", "integrated-gradients"]
        if method not in kinds:
            raise ValueError(f"method must be None, leave-one-out or integrated-gradients, not {method!r}")
        h, items = self.histories([history], None if events is None else [events]), self.numbers(items)
        queries, _kept = self._queries(h, None, None, None)
        parts, shares = np.zeros(items.size, _EXPLANATION), np.zeros((items.size, h.items.size), np.float32)
        options = _ExplainOptions(_int32(threads, "threads"), kinds.index(method), not mix, self._adapter(adapter), 0.0)
        _call("souk_explain_sized", self._open(), _address(queries), _address(items), items.size, byref(options),
              ctypes.sizeof(options), _address(parts), _EXPLANATION.itemsize, _address(shares))
        return parts, shares

    def _adapter(self, name):
        """The number of an adapter; 0 for None."""
        if name is None:
            return 0
        if name not in self.adapters:
            raise ValueError(f"there is no adapter {name!r}; known: {', '.join(self.adapters)}")
        return 1 + self.adapters.index(name)

    # lists

    def rank(self, histories, k=10, events=None, u=None, candidates=None, deny_each=None, allow=None, deny=None,
             keep_history=False, threads=-1, mix=True, adapter=None):
        """The k best items of each history, best first (see Ranked).

        u           [n, dimension]: user vectors to use instead of computing them
        candidates  a list for each history: rank these only; None in its place: the whole catalogue
        deny_each   a list for each history: never list these
        allow, deny for all histories: list these only, never list these
        keep_history  items of the history may be listed again
        mix         with the mix with counts, if the bundle has one; False: by the encoder alone
        adapter     the name of an adapter, or a list of names (None: none), one for each history
        """
        h, k, threads = self.histories(histories, events), _int32(k, "k"), _int32(threads, "threads")
        n = h.offsets.size - 1
        found = Ranked(np.full((n, max(k, 1)), -1, np.int32), np.full((n, max(k, 1)), np.nan, np.float32),
                       np.zeros(n, np.int32), np.zeros(n, np.int32))
        allow = None if allow is None else np.append(self.numbers(allow, "allow"), np.int32(-1))  # empty is a list too
        deny = None if deny is None else self.numbers(deny, "deny")
        options = _Options(threads, bool(keep_history), _address(allow), 0 if allow is None else allow.size - 1,
                           _address(deny), 0 if deny is None else deny.size, not mix, 0)
        lists = [_address(found.items), _address(found.scores), _address(found.counts), _address(found.unknown)]
        if u is None and candidates is None and deny_each is None and adapter is None:
            _call("souk_rank_flat_sized", self._open(), _address(h.offsets), _address(h.items), _address(h.events), n, k,
                  byref(options), ctypes.sizeof(options), *lists)
            return found
        queries, _kept = self._queries(h, u, candidates, deny_each, adapter)  # the queries point into _kept
        _call("souk_rank_sized", self._open(), _address(queries), _QUERY.itemsize, n, k, byref(options),
              ctypes.sizeof(options), *lists)
        return found

    def _queries(self, h, u, candidates, deny_each, adapter=None):
        n = h.offsets.size - 1
        q = np.zeros(n, _QUERY)
        if n > 0 and (h.offsets[0] < 0 or np.diff(h.offsets).min() < 0):
            raise ValueError("offsets must not fall, and begin at 0 or later")
        q["history"]["n"] = _integers(np.diff(h.offsets), np.int32, "lengths of histories")
        q["history"]["items"] = h.items.ctypes.data + 4 * h.offsets[:-1]
        if h.events is not None:
            q["history"]["events"] = h.events.ctypes.data + 4 * h.offsets[:-1]
        names = [adapter] * n if adapter is None or isinstance(adapter, str) else adapter
        if len(names) != n:
            raise ValueError(f"adapter: {len(names)} names are not one for each of {n} histories")
        q["adapter"] = [self._adapter(x) for x in names]
        kept = [h]
        if u is not None:
            u = self._vectors(u, n)
            q["u"] = u.ctypes.data + u.strides[0] * np.arange(n)
            kept.append(u)
        for field, lists in (("candidates", candidates), ("deny", deny_each)):
            if lists is None:
                continue
            if len(_list(lists, field)) != n:
                raise ValueError(f"{field}: {len(lists)} lists are not one for each of {n} histories")
            values, offsets = flatten([self.numbers([] if x is None else x, field) for x in lists])
            values = np.append(values, np.int32(-1))  # an empty list of candidates has an address too
            given = np.array([x is not None for x in lists], bool)
            q[field] = np.where(given, values.ctypes.data + 4 * offsets[:-1], 0)
            q["n_" + field] = np.diff(offsets)
            kept.append(values)
        return q, kept
