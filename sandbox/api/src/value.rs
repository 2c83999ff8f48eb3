//! The closed encoding of Python values.

use serde::{Deserialize, Serialize};

/// A Python value as data. Nothing in it can carry behaviour: no `__eq__`, no pickles, no references.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "v", rename_all = "lowercase")]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An `int` of any size, in decimal.
    Int(String),
    /// A `float` as by `repr`: `0.1`, `1e+300`, `inf`, `-inf`, `nan`.
    Float(String),
    /// A `complex`: real and imaginary part, each as `Float`.
    Complex(String, String),
    /// A `decimal.Decimal` as by `str`: `1.10`, `1E+3`, `NaN`, `-Infinity`.
    Decimal(String),
    /// A `str`. One with lone surrogates has no such form and comes as an [`Object`](Self::Object) of type `str`.
    Str(String),
    /// `bytes` or `bytearray`, base64.
    Bytes(String),
    /// A `list`.
    List(Vec<Value>),
    /// A `tuple`.
    Tuple(Vec<Value>),
    /// A `set` or `frozenset`, order without meaning.
    Set(Vec<Value>),
    /// A `dict`, in insertion order.
    Dict(Vec<(Value, Value)>),
    /// An object that its type compares by its parts: qualified type name, and the parts. A `collections.deque`, an `array`, a
    /// `types.SimpleNamespace`, a data class with the comparison that `dataclasses` made, or, with its `dict` as the only part, a
    /// `collections.OrderedDict`, a `collections.Counter` and an object of a class that compares and has no `repr` of its own.
    Record(String, Vec<Value>),
    /// Anything else: qualified type name and the whole `repr`; equal only to an equal pair.
    Object(String, String),
}
